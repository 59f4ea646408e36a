//! The real thing: a distribution of Zeebe in the cache, and a Java that runs it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{cache, run};

/// The version that is meant where none is named.
pub const VERSION: &str = "8.6.0";

const JAVA_MIN: u32 = 21;
const DOWNLOAD_ATTEMPTS: u32 = 3;

/// The folder of an unpacked distribution; downloaded once.
pub fn distribution(version: &str) -> Result<PathBuf> {
    if !version.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')) {
        bail!("`{version}` is not a version");
    }
    let cache = cache()?;
    let home = cache.join(format!("camunda-zeebe-{version}"));
    if home.join("bin").join("broker").exists() {
        return Ok(home);
    }
    let archive = cache.join(format!("camunda-zeebe-{version}.tar.gz"));
    if !archive.exists() {
        download(version, &cache)?;
    }
    // Unpacked beside and renamed, so that an interrupted run leaves no half distribution.
    let partial = cache.join(format!("unpacking-{version}"));
    std::fs::remove_dir_all(&partial).ok();
    std::fs::create_dir_all(&partial)?;
    run(Command::new("tar").arg("xzf").arg(&archive).arg("-C").arg(&partial))?;
    std::fs::rename(partial.join(format!("camunda-zeebe-{version}")), &home)?;
    std::fs::remove_dir_all(&partial)?;
    Ok(home)
}

/// Copies the archive from Maven's repository, in several attempts.
fn download(version: &str, cache: &Path) -> Result<()> {
    let artifact = format!("io.camunda:camunda-zeebe:{version}:tar.gz");
    let mut attempt = 1;
    loop {
        let tried = run(Command::new("mvn")
            .args(["-q", "-B", "dependency:copy"])
            .arg(format!("-Dartifact={artifact}"))
            .arg(format!("-DoutputDirectory={}", cache.display())));
        match tried {
            Ok(()) => return Ok(()),
            Err(error) if attempt < DOWNLOAD_ATTEMPTS => {
                println!("attempt {attempt} to download {artifact} failed: {error:#}");
                attempt += 1;
            }
            Err(error) => {
                return Err(error.context(format!(
                    "{artifact} could not be downloaded in {DOWNLOAD_ATTEMPTS} attempts; \
                     it needs Maven's mvn and a repository that has this version"
                )));
            }
        }
    }
}

/// `JAVA_HOME` of a Java that is new enough.
///
/// # Errors
/// Says what was looked at when there is none.
pub fn java_home() -> Result<PathBuf> {
    let mut candidates: Vec<PathBuf> =
        std::env::var_os("JAVA_HOME").map(PathBuf::from).into_iter().collect();
    candidates.extend(java_on_path());
    if let Ok(entries) = std::fs::read_dir("/usr/lib/jvm") {
        let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        found.sort();
        candidates.extend(found);
    }
    candidates
        .iter()
        .find(|home| java_version(home).is_some_and(|version| version >= JAVA_MIN))
        .cloned()
        .with_context(|| format!("no Java {JAVA_MIN} or newer among {candidates:?}"))
}

/// The home of the `java` that a shell would run.
fn java_on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let java = std::env::split_paths(&path)
        .map(|folder| folder.join("java"))
        .find_map(|java| java.canonicalize().ok())?;
    Some(java.parent()?.parent()?.to_owned())
}

fn java_version(home: &Path) -> Option<u32> {
    let told = Command::new(home.join("bin").join("java")).arg("-version").output().ok()?;
    let text = String::from_utf8_lossy(&told.stderr).into_owned();
    text.split('"').nth(1)?.split('.').next()?.parse().ok()
}
