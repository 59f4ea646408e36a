//! The project's chores: `cargo xtask <name>`.

mod checks;
mod cluster;
mod figures;
mod gateway;
mod interop;
mod zeebe;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

const USAGE: &str = "\
cargo xtask <command>

  checks                    formatting, clippy, documentation
  interop --embedded        real clients (pyzeebe, zeebe-rs, curl) against the release binary and its
                            embedded broker; installs pyzeebe into a virtual environment of its own
  interop --cluster [--version 8.6.0] [--ports 28500]
                            the same in front of three real brokers, and every recorded request
                            against beegate and the JVM gateway, compared; skips without Java 21
  cluster up [--brokers 3] [--partitions 3] [--replication 3] [--version 8.6.0] [--jvm-gateway]
             [--ports 27000]
                            real brokers on loopback; needs Java 21 and, once, Maven
  cluster down [--ports 27000]
                            stops exactly what `up` started
  figures                   (as `cargo run --release --package xtask -- figures`) start-up time, memory, throughput and CPU of the release binary
  counts                    instructions of the pieces of the hot path; needs valgrind";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["checks"] => checks::run(),
        ["interop", words @ ..] => interop::run(words),
        ["cluster", "up", options @ ..] => {
            cluster::Shape::from_words(options).and_then(|shape| cluster::up(&shape))
        }
        ["cluster", "down", options @ ..] => cluster::down(options),
        ["figures"] => figures::run(),
        ["counts"] => run(cargo().args(["bench", "--quiet", "--bench", "counts"])),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the repository.
fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Where downloads and virtual environments go: never into the repository.
fn cache() -> Result<PathBuf> {
    let base = std::env::var_os("BEEGATE_CACHE").map(PathBuf::from).or_else(|| {
        std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache").join("beegate"))
    });
    let cache = base.context("neither BEEGATE_CACHE nor HOME is set")?;
    std::fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    Ok(cache)
}

/// Runs a command in the root of the repository; its output is ours.
fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    println!("$ {shown}");
    let status =
        command.current_dir(root()).status().with_context(|| format!("cannot run {shown}"))?;
    if !status.success() {
        bail!("{shown} ended with {status}");
    }
    Ok(())
}

/// The cargo that runs us.
fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
