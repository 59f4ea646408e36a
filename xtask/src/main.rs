//! The project's chores: `cargo xtask <name>`.

mod checks;
mod figures;
mod interop;

use std::process::ExitCode;

use xtask::{cache, cargo, cluster, gateway, root, run, skipped, zeebe};

const USAGE: &str = "\
cargo xtask <command>

  checks                    formatting, clippy, documentation
  interop --embedded        real clients (pyzeebe, zeebe-rs, curl) against the release binary and its
                            embedded broker; installs pyzeebe into a virtual environment of its own
  interop --cluster [--version 8.6.0] [--ports 28500]
                            the same in front of three real brokers, and every recorded request
                            against beegate and the JVM gateway, compared; skips without Java 21
  interop --jvm-gateway [--version 8.6.0] [--ports 28600]
                            the same through a real JVM gateway in front of the embedded broker
  cluster up [--brokers 3] [--partitions 3] [--replication 3] [--version 8.6.0] [--jvm-gateway]
             [--ports 27000]
                            real brokers on loopback; needs Java 21 and, once, Maven
  cluster down [--ports 27000]
                            stops exactly what `up` started
  faults [--short] [--only NAME] [--ports 30000] [--reuse]
                            kills, stops and cuts off real brokers under load, with beegate and the
                            JVM gateway side by side, and checks what becomes of requests and jobs
  soak [--minutes 10] [--ports 30000] [--reuse]
                            mixed load through beegate in front of real brokers: memory and errors
  figures [--idle]          (as `cargo run --release --package xtask -- figures`) start-up time, memory, throughput and CPU of the release binary; or only what waiting workers cost
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
        ["faults" | "soak", ..] => run(cargo()
            .args(["run", "--quiet", "--package", "beegate-faults", "--"])
            .args(&arguments)),
        ["figures"] => figures::run(false),
        ["figures", "--idle"] => figures::run(true),
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
