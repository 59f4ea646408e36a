//! Real clients against the real binary, with its embedded broker or real ones behind it.

mod cluster;
mod jvm;
mod libraries;
mod tours;

use anyhow::{Result, bail};

use crate::cache;
use crate::gateway::{self, Behind, Gateway};
use libraries::Libraries;
use tours::{Target, Tours, url};

/// Runs the suite that the words name.
pub fn run(words: &[&str]) -> Result<()> {
    match words {
        ["--embedded"] => embedded(),
        ["--cluster", options @ ..] => cluster::run(options),
        ["--jvm-gateway", options @ ..] => jvm::run(options),
        other => {
            bail!("`interop` needs --embedded, --cluster or --jvm-gateway, not {other:?}")
        }
    }
}

/// All tours against the embedded broker.
fn embedded() -> Result<()> {
    let (tours, libraries) = (Tours::prepare()?, Libraries::prepare()?);
    let binary = gateway::build()?;
    let log = cache()?.join("interop-embedded.log");
    let gateway = Gateway::start(&binary, Behind::Embedded, &[], log)?;
    println!("ready after {:.1} ms", gateway.ready_after.as_secs_f64() * 1000.0);
    let target = Target { embedded: url(gateway.admin), ..Target::beegate(&gateway) };
    tours.run(&target)?;
    libraries.run(&target)?;
    tours.schema(&target)?;
    let took = gateway.stop()?;
    println!("stopped within {:.1} s of SIGTERM", took.as_secs_f64());
    Ok(())
}
