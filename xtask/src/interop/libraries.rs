//! The tours of Camunda's own client libraries: Java, old and new, and Go with its command line.
//!
//! They are built in the cache, and taken side by side: each has names of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use anyhow::{Context, Result, ensure};

use super::tours::{Target, point};
use crate::{cache, root, run, skipped, zeebe};

const JAVA_FOLDER: &str = "tests/interop/java-client";
const GO_FOLDER: &str = "tests/interop/go-client";
const ZBCTL: &str = "github.com/camunda/zeebe/clients/go/v8/cmd/zbctl";
/// The modules of the Java tour; each is a version of the library.
const JAVA_MODULES: [&str; 2] = ["zeebe-client", "camunda-client"];
/// Builds download what they need, and downloads fail at times.
const ATTEMPTS: u32 = 3;

/// The libraries that are here.
pub struct Libraries {
    java: Option<Java>,
    go: Option<PathBuf>,
}

struct Java {
    home: PathBuf,
    built: PathBuf,
}

/// A tour under way.
struct Running {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Libraries {
    /// Builds what can be built here; what cannot is told, and a failure where nothing may be
    /// skipped.
    pub fn prepare() -> Result<Self> {
        Ok(Self { java: java()?, go: go()? })
    }

    /// Takes all tours at the same time.
    pub fn run(&self, target: &Target) -> Result<()> {
        let mut running = Vec::new();
        if let Some(java) = &self.java {
            for module in JAVA_MODULES {
                running.push(Running::start(module, java.command(module), target)?);
            }
        }
        if let Some(folder) = &self.go {
            let mut command = Command::new(folder.join("go-client"));
            command.env("BEEGATE_TOUR_ZBCTL", folder.join("zbctl"));
            running.push(Running::start("go-client", command, target)?);
        }
        let ended: Vec<_> = running.into_iter().map(Running::end).collect();
        ended.into_iter().collect()
    }
}

impl Java {
    fn command(&self, module: &str) -> Command {
        let folder = self.built.join(module);
        let path = format!("{0}/classes:{0}/libraries/*", folder.display());
        let mut command = Command::new(self.home.join("bin").join("java"));
        // A tour is short: no time for the optimizing compiler to pay off.
        command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m"]);
        command.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=error");
        command.arg("-cp").arg(path).arg("beegate.tour.Main");
        command
    }
}

impl Running {
    fn start(name: &'static str, mut command: Command, target: &Target) -> Result<Self> {
        let log = cache()?.join(format!("interop-{name}.log"));
        let out = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        point(&mut command, target);
        command.current_dir(root()).stdout(out.try_clone()?).stderr(out);
        let child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
        Ok(Self { name, child, log })
    }

    fn end(mut self) -> Result<()> {
        let status = self.child.wait()?;
        print!("{}", fs::read_to_string(&self.log)?);
        ensure!(status.success(), "the tour of {} ended with {status}", self.name);
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Only where the start of another failed; an error means that it has ended.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The tours in Java, compiled with Maven.
fn java() -> Result<Option<Java>> {
    let home = zeebe::java_home();
    if skipped(home.as_ref().map_err(|error| anyhow::anyhow!("{error:#}")))? {
        return Ok(None);
    }
    if skipped(answers("mvn", "--version"))? {
        return Ok(None);
    }
    let built = cache()?.join("java-client");
    let stamp = built.join("sources.txt");
    let sources = sources(&root().join(JAVA_FOLDER))?;
    if fs::read_to_string(&stamp).is_ok_and(|compiled| compiled == sources) {
        return Ok(Some(Java { home: home?, built }));
    }
    // Libraries of another version must not stay beside the new ones.
    fs::remove_dir_all(&built).ok();
    attempt(|| {
        let mut maven = Command::new("mvn");
        // Maven finds a compiler by itself, but not where JAVA_HOME is one without.
        let home = std::env::var_os("JAVA_HOME").map(PathBuf::from);
        if home.is_some_and(|home| !home.join("bin").join("javac").exists()) {
            maven.env_remove("JAVA_HOME");
        }
        maven.args(["-q", "-B", "-f"]).arg(format!("{JAVA_FOLDER}/pom.xml"));
        maven.arg(format!("-Dout={}", built.display()));
        run(maven.arg("process-classes"))
    })?;
    fs::write(&stamp, sources)?;
    Ok(Some(Java { home: home?, built }))
}

/// The folder with the tour in Go and zbctl.
fn go() -> Result<Option<PathBuf>> {
    if skipped(answers("go", "version"))? {
        return Ok(None);
    }
    let built = cache()?.join("go-client");
    fs::create_dir_all(&built)?;
    attempt(|| {
        let mut build = Command::new("go");
        build.env("CGO_ENABLED", "0").args(["build", "-C", GO_FOLDER, "-mod=readonly", "-o"]);
        // The slash at the end makes a folder of it.
        run(build.arg(format!("{}/", built.display())).arg(".").arg(ZBCTL))
    })?;
    Ok(Some(built))
}

fn attempt(mut build: impl FnMut() -> Result<()>) -> Result<()> {
    for attempt in 1..ATTEMPTS {
        match build() {
            Ok(()) => return Ok(()),
            Err(error) => println!("attempt {attempt} failed: {error:#}"),
        }
    }
    build()
}

/// Whether a program is there.
fn answers(program: &str, argument: &str) -> Result<()> {
    let output = Command::new(program).arg(argument).output();
    let output = output.with_context(|| format!("the tours of the libraries need {program}"))?;
    ensure!(output.status.success(), "{program} {argument} ended with {}", output.status);
    Ok(())
}

/// All files of a folder, by name, with their text.
fn sources(folder: &Path) -> Result<String> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    entries.sort();
    let mut text = String::new();
    for path in entries {
        if path.is_dir() {
            text.push_str(&sources(&path)?);
        } else {
            text.push_str(&format!("== {}\n{}", path.display(), fs::read_to_string(&path)?));
        }
    }
    Ok(text)
}
