//! The tours: what each client library does against a gateway, whoever is behind it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::gateway::Gateway;
use crate::{cache, cargo, root, run};

const PYTHON_FOLDER: &str = "tests/interop/python";
/// What schemathesis checks. Not that what the schema calls wrong is refused: 8.6 coerces much of it.
const SCHEMA_CHECKS: &str = "no_server_error,answers_at_once,status_code_conformance,\
    content_type_conformance,response_headers_conformance,response_schema_conformance";

/// Where a tour goes. An empty address is not there.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// host:port of gRPC.
    pub grpc: String,
    /// URL of REST.
    pub rest: String,
    /// URL of beegate's health and metrics.
    pub monitoring: String,
    /// URL of beegate's admin endpoints.
    pub admin: String,
    /// URL of the admin endpoints of the embedded broker behind, which shows more of itself.
    pub embedded: String,
}

impl Target {
    /// All of a gateway of ours.
    pub fn beegate(gateway: &Gateway) -> Self {
        Self {
            grpc: format!("127.0.0.1:{}", gateway.grpc),
            rest: url(gateway.rest),
            monitoring: url(gateway.monitoring),
            admin: url(gateway.admin),
            embedded: String::new(),
        }
    }

    /// A gateway that only serves clients.
    pub fn of_ports(grpc: u16, rest: u16) -> Self {
        Self { grpc: format!("127.0.0.1:{grpc}"), rest: url(rest), ..Self::default() }
    }
}

/// A port on loopback as a URL.
pub fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// The clients, installed.
pub struct Tours {
    python: PathBuf,
    rust_client: PathBuf,
}

impl Tours {
    /// Installs the clients into the cache where they are not there yet.
    pub fn prepare() -> Result<Self> {
        Ok(Self { python: python()?, rust_client: rust_client()? })
    }

    /// Runs every tour.
    pub fn run(&self, target: &Target) -> Result<()> {
        with(&mut self.script("tour.py"), target)?;
        with(&mut self.script("rest_tour.py"), target)?;
        with(&mut Command::new(&self.rust_client), target)
    }

    /// Replays the recorded exchanges against a gateway and a reference, alone at their brokers.
    pub fn replay(&self, target: &Target, reference: &Target, suite: &str) -> Result<()> {
        let mut script = self.script("replay.py");
        script
            .env("BEEGATE_REPLAY_GRPC", &reference.grpc)
            .env("BEEGATE_REPLAY_REST", &reference.rest)
            .env("BEEGATE_REPLAY_SUITE", suite)
            .env("BEEGATE_REPLAY_OWN", "1");
        with(&mut script, target)
    }

    /// What clients see of brokers that are overloaded, or `lost`: of the process with this id.
    pub fn hard_times(&self, ours: &Target, reference: &Target, lost: Option<u32>) -> Result<()> {
        let mut script = self.script("hard_times.py");
        script
            .env("BEEGATE_REPLAY_GRPC", &reference.grpc)
            .env("BEEGATE_REPLAY_REST", &reference.rest)
            .env("BEEGATE_HARD_TIMES", if lost.is_some() { "lost" } else { "overload" })
            .env("BEEGATE_HARD_TIMES_BROKER", lost.map_or(String::new(), |pid| pid.to_string()));
        with(&mut script, ours)
    }

    /// Asks a gateway, alone at its brokers, for everything that its OpenAPI document says, and for
    /// what it says is wrong. The same questions every time; a few minutes at most.
    pub fn schema(&self, target: &Target) -> Result<()> {
        let bin = environment("schemathesis-venv", "schemathesis-requirements.txt")?;
        run(Command::new(bin.join("schemathesis"))
            // It leaves what it found where it runs.
            .current_dir(cache()?)
            .env("PYTHONPATH", root().join(PYTHON_FOLDER))
            .env("SCHEMATHESIS_HOOKS", "schema_hooks")
            .arg("run")
            .arg(format!("{}/v2/openapi.json", target.rest))
            .args(["--checks", SCHEMA_CHECKS, "--phases", "examples,coverage,fuzzing"])
            .args(["--max-examples", "30", "--seed", "1", "--max-time", "120"])
            .args(["--request-timeout", "20", "--continue-on-failure", "--no-color"])
            .args(["--generation-database", "none", "--warnings", "off"]))
    }

    /// A script beside the tours.
    pub fn script(&self, name: &str) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(format!("{PYTHON_FOLDER}/{name}"));
        command
    }
}

fn with(command: &mut Command, target: &Target) -> Result<()> {
    point(command, target);
    run(command)
}

/// Tells a tour where to go.
pub fn point(command: &mut Command, target: &Target) {
    command
        .env("BEEGATE_TOUR_GRPC", &target.grpc)
        .env("BEEGATE_TOUR_REST", &target.rest)
        .env("BEEGATE_TOUR_MONITORING", &target.monitoring)
        .env("BEEGATE_TOUR_ADMIN", &target.admin)
        .env("BEEGATE_TOUR_EMBEDDED", &target.embedded);
}

/// A Python with pyzeebe.
fn python() -> Result<PathBuf> {
    Ok(environment("venv", "requirements.txt")?.join("python"))
}

/// The programs of a virtual environment in the cache, with what a list beside the tours names.
fn environment(name: &str, requirements: &str) -> Result<PathBuf> {
    let requirements = root().join(PYTHON_FOLDER).join(requirements);
    let wanted = std::fs::read_to_string(&requirements)?;
    let venv = cache()?.join(name);
    let bin = venv.join("bin");
    let stamp = venv.join("beegate-requirements.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(bin);
    }
    run(Command::new("python3").arg("-m").arg("venv").arg("--clear").arg(&venv))
        .context("the interop suite needs python3 with its venv module")?;
    let mut pip = Command::new(bin.join("python"));
    run(pip.args(["-m", "pip", "install", "--quiet", "-r"]).arg(&requirements))?;
    std::fs::write(&stamp, wanted)?;
    Ok(bin)
}

/// The zeebe-rs tour, built outside the repository.
fn rust_client() -> Result<PathBuf> {
    if Command::new("protoc").arg("--version").output().is_err() {
        bail!("the interop suite builds zeebe-rs, which needs protoc; beegate itself does not");
    }
    let target = cache()?.join("rust-client-target");
    let manifest = Path::new("tests/interop/rust-client/Cargo.toml");
    run(cargo()
        .args(["build", "--locked", "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(&target))?;
    Ok(target.join("debug").join("beegate-interop-zeebe-rs"))
}
