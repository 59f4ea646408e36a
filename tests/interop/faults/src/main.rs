//! The fault suite and the soak: `cargo xtask faults` and `cargo xtask soak`.
//!
//! A real cluster runs with beegate and the JVM gateway side by side. Brokers are killed, stopped,
//! moved and cut off while both gateways carry the same load. beegate's answers are asserted; the
//! JVM gateway's are printed beside them.

mod client;
mod commands;
mod cut;
mod figures;
mod jobs;
mod load;
mod membership;
mod proxy;
mod soak;
mod stage;
mod verdict;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use stage::Stage;
use verdict::Verdicts;

/// What the words on the command line ask for.
#[derive(Debug)]
pub struct Options {
    /// What CI runs: fewer cases, and shorter ones.
    pub short: bool,
    only: Option<String>,
    minutes: u64,
    ports: u16,
    reuse: bool,
}

impl Options {
    fn from_words(words: &[&str]) -> Result<Self> {
        let mut options =
            Self { short: false, only: None, minutes: 10, ports: 30000, reuse: false };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value"));
            match *word {
                "--short" => options.short = true,
                "--reuse" => options.reuse = true,
                "--only" => options.only = Some((*value()?).to_owned()),
                "--minutes" => options.minutes = value()?.parse()?,
                "--ports" => options.ports = value()?.parse()?,
                other => bail!("unknown option {other}"),
            }
        }
        Ok(options)
    }

    /// Whether a case is wanted.
    pub fn wants(&self, name: &str, in_short: bool) -> bool {
        match &self.only {
            Some(only) => name.starts_with(only.as_str()),
            None => in_short || !self.short,
        }
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = run(&words);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("faults: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<()> {
    let Some((&suite, words)) = words.split_first() else { bail!("`faults` or `soak`?") };
    let options = Options::from_words(words)?;
    if xtask::skipped(xtask::zeebe::java_home())? {
        return Ok(());
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match suite {
        "faults" => runtime.block_on(faults(&options)),
        "soak" => runtime.block_on(soak::run(&options)),
        other => bail!("unknown suite {other}"),
    }
}

async fn faults(options: &Options) -> Result<()> {
    let mut verdicts = Verdicts::default();
    if options.only.as_deref() != Some("cut") {
        let cluster = stage::cluster(options.ports, options.reuse)?;
        let points = cluster.shape.contact_points();
        let mut stage = Stage::set(cluster, &points, &[]).await?;
        commands::play(&mut stage, options, &mut verdicts).await;
        jobs::play(&stage, options, &mut verdicts).await;
        membership::play(&stage, options, &mut verdicts).await;
        commands::play_last(&stage, options, &mut verdicts).await;
    }
    cut::play(options, &mut verdicts).await;
    verdicts.conclude()
}
