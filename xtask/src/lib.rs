//! What the chores share: real brokers and gateways as processes that are started and stopped.

pub mod cluster;
pub mod gateway;
pub mod zeebe;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The root of the repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Where downloads and virtual environments go: never into the repository.
pub fn cache() -> Result<PathBuf> {
    let base = std::env::var_os("BEEGATE_CACHE").map(PathBuf::from).or_else(|| {
        std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache").join("beegate"))
    });
    let cache = base.context("neither BEEGATE_CACHE nor HOME is set")?;
    std::fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    Ok(cache)
}

/// Runs a command in the root of the repository; its output is ours.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    println!("$ {shown}");
    let status =
        command.current_dir(root()).status().with_context(|| format!("cannot run {shown}"))?;
    if !status.success() {
        bail!("{shown} ended with {status}");
    }
    Ok(())
}

/// The cargo that runs us, without what it told us of our own package: build scripts that look at
/// such variables (ring's does) would run again, and everything that depends on them.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// Whether a suite cannot run for want of something, which is told. `BEEGATE_INTEROP_REQUIRE=1`
/// makes a failure of it: where the suite must run, nothing is skipped.
pub fn skipped<T>(needed: Result<T>) -> Result<bool> {
    match needed {
        Ok(_) => Ok(false),
        Err(error) if std::env::var_os("BEEGATE_INTEROP_REQUIRE").is_some_and(|v| v == "1") => {
            Err(error.context("BEEGATE_INTEROP_REQUIRE is set, so this is not skipped"))
        }
        Err(error) => {
            println!("skipped: {error:#}");
            Ok(true)
        }
    }
}
