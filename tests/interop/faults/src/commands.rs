//! Faults under a load of commands: what becomes of requests when a leader goes.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;

use crate::Options;
use crate::figures::{self, Column, Fault, ms};
use crate::load::{self, Load, Sample};
use crate::stage::{SIDES, Side, Stage};
use crate::verdict::Verdicts;

/// Requests per second for each partition and for creations, on each gateway.
pub const RATE: u32 = 5;
/// Load before the fault, for comparison.
pub const BEFORE: Duration = Duration::from_secs(8);
/// How far a broker's ports move.
const MOVED_BY: u16 = 100;
/// Load after the recovery.
const AFTER: Duration = Duration::from_secs(4);
/// A cluster on two busy cores elects and recovers in this time.
pub const RECOVERY: Duration = Duration::from_secs(90);
/// What no request to a healthy partition may take, and no pause in creations may last: a request
/// that waits for a dead leader takes 10 to 15 s. On a machine with more to do than cores, the
/// yardstick is what the JVM gateway needs for the same healthy partitions at the same time.
const UNTOUCHED: Duration = Duration::from_secs(3);
/// A gateway gives up after 15 s by itself; nothing may hang longer.
const HANGING: Duration = Duration::from_secs(17);

/// Plays all of them that are wanted.
pub async fn play(stage: &mut Stage, options: &Options, verdicts: &mut Verdicts) {
    if options.wants("kill", true) {
        verdicts.begin("kill -9 a leader");
        let done = kill(stage, verdicts).await;
        done.unwrap_or_else(|error| verdicts.broke(&error));
    }
    if options.wants("rebalance", true) {
        verdicts.begin("leaders step down");
        let done = rebalance(stage, verdicts).await;
        done.unwrap_or_else(|error| verdicts.broke(&error));
    }
    if options.wants("moved", false) {
        verdicts.begin("a broker comes back at another address");
        let done = moved(stage, verdicts).await;
        done.unwrap_or_else(|error| verdicts.broke(&error));
    }
    if options.wants("terminate", false) {
        verdicts.begin("a leader shuts down");
        let done = terminate(stage, verdicts).await;
        done.unwrap_or_else(|error| verdicts.broke(&error));
    }
}

/// Plays the case that comes after all others: brokers that were asleep for a minute do not always
/// form a whole cluster again, and the next case would fail for that.
pub async fn play_last(stage: &Stage, options: &Options, verdicts: &mut Verdicts) {
    let pause = Duration::from_secs(if options.short { 15 } else { 60 });
    if options.wants("pause", true) {
        verdicts.begin(&format!("SIGSTOP a leader for {} s", pause.as_secs()));
        let done = stop_and_go(stage, pause, verdicts).await;
        done.unwrap_or_else(|error| verdicts.broke(&error));
    }
}

async fn kill(stage: &Stage, verdicts: &mut Verdicts) -> Result<()> {
    let (victim, affected) = stage.victim()?;
    let load = Load::start(stage, RATE);
    tokio::time::sleep(BEFORE).await;
    let mut fault = strike(stage, &load, affected, || stage.cluster.signal(victim, "KILL"))?;
    let samples = recover(stage, load, &mut fault).await;
    stage.cluster.wait_until_gone(victim, Duration::from_secs(10))?;
    judge(&samples?, &fault, verdicts);
    stage.cluster.start_again(victim)?;
    stage.cluster.wait_until_broker_is_ready(victim)?;
    all_is_well(stage, verdicts).await;
    Ok(())
}

async fn terminate(stage: &Stage, verdicts: &mut Verdicts) -> Result<()> {
    let (victim, affected) = stage.victim()?;
    let load = Load::start(stage, RATE);
    tokio::time::sleep(BEFORE).await;
    let mut fault = strike(stage, &load, affected, || stage.cluster.signal(victim, "TERM"))?;
    let gone = stage.cluster.wait_until_gone(victim, Duration::from_secs(60));
    let samples = recover(stage, load, &mut fault).await;
    gone?;
    judge(&samples?, &fault, verdicts);
    stage.cluster.start_again(victim)?;
    stage.cluster.wait_until_broker_is_ready(victim)?;
    all_is_well(stage, verdicts).await;
    Ok(())
}

/// Leaders that are not the primary choice step down; their brokers and connections stay.
async fn rebalance(stage: &Stage, verdicts: &mut Verdicts) -> Result<()> {
    stage.cluster.wait_for_leaders(RECOVERY)?;
    let load = Load::start(stage, RATE);
    tokio::time::sleep(BEFORE).await;
    // Who moves is the brokers' choice: it is seen afterwards.
    let mut fault = strike(stage, &load, [], || stage.rebalance())?;
    tokio::time::sleep(Duration::from_secs(8)).await;
    stage.cluster.wait_for_leaders(RECOVERY)?;
    let samples = recover(stage, load, &mut fault).await?;
    if fault.affected.is_empty() {
        println!("  every leader was the primary choice already: nothing moved");
    }
    judge(&samples, &fault, verdicts);
    all_is_well(stage, verdicts).await;
    Ok(())
}

async fn stop_and_go(stage: &Stage, pause: Duration, verdicts: &mut Verdicts) -> Result<()> {
    let (victim, affected) = stage.victim()?;
    let load = Load::start(stage, RATE);
    tokio::time::sleep(BEFORE).await;
    let mut fault = strike(stage, &load, affected, || stage.cluster.signal(victim, "STOP"))?;
    tokio::time::sleep(pause).await;
    stage.cluster.signal(victim, "CONT")?;
    let samples = recover(stage, load, &mut fault).await?;
    judge(&samples, &fault, verdicts);
    stage.cluster.wait_until_broker_is_ready(victim)?;
    all_is_well(stage, verdicts).await;
    Ok(())
}

/// A broker comes back under its id at other ports, as it does when its machine is replaced.
async fn moved(stage: &mut Stage, verdicts: &mut Verdicts) -> Result<()> {
    let (node, affected) = stage.victim()?;
    let home = stage.cluster.shape.broker_env.get(&node).cloned().unwrap_or_default();
    let mut away = home.clone();
    let ports = stage.cluster.broker_ports(node);
    for (api, port) in [("COMMANDAPI", ports.command), ("INTERNALAPI", ports.internal)] {
        away.push((format!("ZEEBE_BROKER_NETWORK_{api}_PORT"), (port + MOVED_BY).to_string()));
    }
    for (step, env) in [("away", away), ("back", home)] {
        println!("  broker {node} moves {step}");
        stage.cluster.signal(node, "KILL")?;
        stage.cluster.wait_until_gone(node, Duration::from_secs(10))?;
        stage.cluster.shape.broker_env.insert(node, env);
        stage.cluster.start_again(node)?;
        stage.cluster.wait_until_broker_is_ready(node)?;
        // The partitions that are its own come back to it, so that they are reached there.
        tokio::time::sleep(Duration::from_secs(3)).await;
        stage.rebalance()?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let leaders = stage.cluster.wait_for_leaders(RECOVERY)?;
        let leads = affected.iter().any(|partition| leaders.get(partition) == Some(&node));
        println!("  leaders are {leaders:?}");
        verdicts.check("the broker that moved leads again", leads, &format!("{leaders:?}"));
        all_is_well(stage, verdicts).await;
    }
    Ok(())
}

/// Does the harm and notes when it was done.
pub fn strike(
    stage: &Stage,
    load: &Load,
    affected: impl IntoIterator<Item = i32>,
    harm: impl FnOnce() -> Result<()>,
) -> Result<Fault> {
    let leaders = stage.cluster.leaders();
    harm()?;
    let affected: BTreeSet<i32> = affected.into_iter().collect();
    println!("  struck the leader of {affected:?}, leaders {leaders:?}");
    Ok(Fault { at: load.now(), affected, leaders })
}

/// Waits until both gateways serve the partitions again, and ends the load a little later. Partitions
/// that changed their leader meanwhile, for whatever reason, were affected, too.
pub async fn recover(stage: &Stage, load: Load, fault: &mut Fault) -> Result<Vec<Sample>> {
    let affected: Vec<i32> = fault.affected.iter().copied().collect();
    let served = load.wait_until_served(&stage.sides(), &affected, fault.at, RECOVERY).await;
    tokio::time::sleep(AFTER).await;
    let samples = load.finish().await;
    let leaders = stage.cluster.leaders();
    println!("  leaders {leaders:?} afterwards");
    let moved = leaders.iter().filter(|&(p, node)| fault.leaders.get(p) != Some(node));
    fault.affected.extend(moved.map(|(partition, _)| *partition));
    served.map(|()| samples)
}

/// Prints both gateways' figures and asserts beegate's.
pub fn judge(samples: &[Sample], fault: &Fault, verdicts: &mut Verdicts) {
    let columns: Vec<_> =
        SIDES.iter().map(|&side| (side, Column::of(side, samples, fault))).collect();
    figures::print(&columns);
    let [(_, ours), (_, theirs)] = &columns[..] else { return };
    let bound = UNTOUCHED.max(theirs.others.longest * 2);
    verdicts.check(
        "no keyed command to another partition failed",
        ours.others.failures() == 0,
        &ours.others.failures(),
    );
    verdicts.check(
        "none of them was slow",
        ours.others.longest < bound,
        &format!("{} ms, bound {} ms", ms(ours.others.longest), ms(bound)),
    );
    verdicts.check(
        "creations moved on",
        ours.creates.pause < bound,
        &format!("a pause of {} ms, bound {} ms", ms(ours.creates.pause), ms(bound)),
    );
    let groups = [&ours.affected, &ours.others, &ours.creates];
    let strange: Vec<&str> = groups
        .iter()
        .flat_map(|group| group.failed.keys())
        .map(|(_, message)| message.as_str())
        .filter(|message| !message.contains("partition"))
        .collect();
    verdicts.check("every failure names a partition", strange.is_empty(), &strange.join("; "));
    let longest = groups.iter().map(|group| group.longest).max().unwrap_or_default();
    verdicts.check("nothing hung", longest < HANGING, &format!("{} ms", ms(longest)));
}

/// The same gateway serves every partition, without having been restarted.
pub async fn all_is_well(stage: &Stage, verdicts: &mut Verdicts) {
    let probed = load::probe(stage, Side::Beegate).await;
    let found = probed.as_ref().err().map(|status| status.to_string()).unwrap_or_default();
    verdicts.check("beegate serves every partition afterwards", probed.is_ok(), &found);
}
