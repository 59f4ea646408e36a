//! Real clients against the real binary.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::gateway::{self, Behind, Gateway};
use crate::{cache, cargo, root, run};

/// All tours against the embedded broker.
pub fn embedded() -> Result<()> {
    let python = python()?;
    let rust_client = rust_client()?;
    let binary = gateway::build()?;
    let log = cache()?.join("interop-embedded.log");
    let gateway = Gateway::start(&binary, Behind::Embedded, &[], log)?;
    println!("ready after {:.1} ms", gateway.ready_after.as_secs_f64() * 1000.0);
    let here = |port: u16| format!("http://127.0.0.1:{port}");
    let grpc = format!("127.0.0.1:{}", gateway.grpc);
    let tour = |command: &mut Command| {
        run(command
            .env("BEEGATE_TOUR_GRPC", &grpc)
            .env("BEEGATE_TOUR_REST", here(gateway.rest))
            .env("BEEGATE_TOUR_MONITORING", here(gateway.monitoring))
            .env("BEEGATE_TOUR_ADMIN", here(gateway.admin)))
    };
    tour(Command::new(&python).arg("tests/interop/python/tour.py"))?;
    tour(Command::new(&python).arg("tests/interop/python/rest_tour.py"))?;
    tour(&mut Command::new(&rust_client))?;
    let took = gateway.stop()?;
    println!("stopped within {:.1} s of SIGTERM", took.as_secs_f64());
    Ok(())
}

/// A Python with pyzeebe, in a virtual environment in the cache.
fn python() -> Result<PathBuf> {
    let requirements = root().join("tests/interop/python/requirements.txt");
    let wanted = std::fs::read_to_string(&requirements)?;
    let venv = cache()?.join("venv");
    let python = venv.join("bin").join("python");
    let stamp = venv.join("beegate-requirements.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    run(Command::new("python3").arg("-m").arg("venv").arg("--clear").arg(&venv))
        .context("the interop suite needs python3 with its venv module")?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(&requirements))?;
    std::fs::write(&stamp, wanted)?;
    Ok(python)
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
