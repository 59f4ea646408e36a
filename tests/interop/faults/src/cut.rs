//! Half of the network breaks: gossip but not commands, commands but not gossip.
//!
//! A cluster of its own, whose brokers advertise proxies, as do both gateways: every connection
//! between a gateway and a broker passes one, in both directions.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use xtask::cluster::{Cluster, Shape};

use crate::Options;
use crate::commands::{BEFORE, RATE, RECOVERY, all_is_well, judge, recover, strike};
use crate::figures::{self, Column};
use crate::load::{Kind, Load, Sample};
use crate::proxy::{Gate, Proxy, Whose};
use crate::stage::{SIDES, Side, Stage, broker_env};
use crate::verdict::Verdicts;

/// Longer than the 10 s after which a silent member counts as dead.
const GOSSIP_CUT: Duration = Duration::from_secs(30);
/// Longer than the 15 s after which a gateway gives up a request.
const COMMANDS_CUT: Duration = Duration::from_secs(20);

/// Where the proxies listen, counted from the first port of the cluster.
const COMMAND_PROXIES: u16 = 600;
const INTERNAL_PROXIES: u16 = 620;
const BEEGATE_INTERNAL: u16 = 640;
const BEEGATE_PROXY: u16 = 641;
const JVM_PROXY: u16 = 642;
/// Where the JVM gateway of a cluster listens for other members.
const JVM_INTERNAL: u16 = 903;

/// The proxies and what they hold.
struct Network {
    gossip: Gate,
    commands: Vec<Gate>,
    _proxies: Vec<Proxy>,
}

impl Network {
    async fn between(shape: &Shape) -> Result<Self> {
        let ports = shape.ports;
        let gateways = BTreeSet::from([ports + BEEGATE_PROXY, ports + JVM_PROXY]);
        let gossip = Gate::new();
        let (mut commands, mut proxies) = (Vec::new(), Vec::new());
        for node in 0..shape.brokers {
            let broker = shape.broker_ports(node);
            let gate = Gate::new();
            let port = ports + COMMAND_PROXIES + node;
            proxies.push(Proxy::tcp(port, broker.command, &gate, Whose::All).await?);
            commands.push(gate);
            let port = ports + INTERNAL_PROXIES + node;
            let whose = Whose::Of(gateways.clone());
            proxies.push(Proxy::both(port, broker.internal, &gossip, whose).await?);
        }
        for (proxy, gateway) in [(BEEGATE_PROXY, BEEGATE_INTERNAL), (JVM_PROXY, JVM_INTERNAL)] {
            let (port, to) = (ports + proxy, ports + gateway);
            proxies.push(Proxy::both(port, to, &gossip, Whose::All).await?);
        }
        Ok(Self { gossip, commands, _proxies: proxies })
    }
}

/// Plays both cuts, if wanted.
pub async fn play(options: &Options, verdicts: &mut Verdicts) {
    if !options.wants("cut", false) {
        return;
    }
    verdicts.begin("a network that breaks in half");
    match build(options).await {
        Ok((stage, network)) => {
            verdicts.begin("commands to one broker are cut off, gossip is not");
            let done = without_commands(&stage, &network, verdicts).await;
            done.unwrap_or_else(|error| verdicts.broke(&error));
            verdicts.begin("gossip is cut off, commands are not");
            let done = without_gossip(&stage, &network, verdicts).await;
            done.unwrap_or_else(|error| verdicts.broke(&error));
        }
        Err(error) => verdicts.broke(&error),
    }
}

async fn build(options: &Options) -> Result<(Stage, Network)> {
    let ports = options.ports;
    let mut shape = Shape { jvm_gateway: true, ports, ..Shape::default() };
    let mut points = Vec::new();
    for node in 0..shape.brokers {
        let (command, internal) = (ports + COMMAND_PROXIES + node, ports + INTERNAL_PROXIES + node);
        let mut env = broker_env();
        env.push(advertised("ZEEBE_BROKER_NETWORK_COMMANDAPI", command));
        env.push(advertised("ZEEBE_BROKER_NETWORK_INTERNALAPI", internal));
        shape.broker_env.insert(node, env);
        points.push(format!("127.0.0.1:{internal}"));
    }
    shape.gateway_env = vec![
        advertised("ZEEBE_GATEWAY_CLUSTER", ports + JVM_PROXY),
        ("ZEEBE_GATEWAY_CLUSTER_INITIALCONTACTPOINTS".to_owned(), points.join(",")),
    ];
    let network = Network::between(&shape).await?;
    // Starting waits, and the proxies must run meanwhile.
    let cluster = tokio::task::spawn_blocking(move || Cluster::start(shape)).await??;
    let more = [
        format!("cluster.port={}", ports + BEEGATE_INTERNAL),
        format!("cluster.advertised_port={}", ports + BEEGATE_PROXY),
    ];
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    let stage = Stage::set(cluster, &points, &more).await?;
    Ok((stage, network))
}

fn advertised(api: &str, port: u16) -> (String, String) {
    (format!("{api}_ADVERTISEDPORT"), port.to_string())
}

/// One broker answers no command; it stays the leader, since the brokers see nothing of it.
async fn without_commands(stage: &Stage, network: &Network, verdicts: &mut Verdicts) -> Result<()> {
    let (victim, affected) = stage.victim()?;
    let gate = &network.commands[usize::from(victim)];
    let load = Load::start(stage, RATE);
    tokio::time::sleep(BEFORE).await;
    let mut fault = strike(stage, &load, affected, || {
        gate.set_open(false);
        Ok(())
    })?;
    tokio::time::sleep(COMMANDS_CUT).await;
    gate.set_open(true);
    println!("  healed {} s after the fault", COMMANDS_CUT.as_secs());
    let samples = recover(stage, load, &mut fault).await?;
    judge(&samples, &fault, verdicts);
    all_is_well(stage, verdicts).await;
    Ok(())
}

/// No gateway hears of any broker, and no broker of a gateway; commands pass.
async fn without_gossip(stage: &Stage, network: &Network, verdicts: &mut Verdicts) -> Result<()> {
    let load = Load::start(stage, RATE);
    tokio::time::sleep(BEFORE).await;
    let fault = strike(stage, &load, stage.partitions(), || {
        network.gossip.set_open(false);
        Ok(())
    })?;
    tokio::time::sleep(GOSSIP_CUT).await;
    network.gossip.set_open(true);
    let healed = load.now();
    println!("  healed {} s after the fault", GOSSIP_CUT.as_secs());
    let served = load.wait_until_served(&SIDES, &stage.partitions(), healed, RECOVERY).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let samples = load.finish().await;
    served?;
    let columns: Vec<_> =
        SIDES.iter().map(|&side| (side, Column::of(side, &samples, &fault))).collect();
    figures::print(&columns);
    let lasted = |side| served_for(&samples, side, fault.at, healed);
    let (ours, theirs) = (lasted(Side::Beegate), lasted(Side::Jvm));
    for (side, lasted) in [(Side::Beegate, ours), (Side::Jvm, theirs)] {
        println!(
            "  {side} served without gossip for {:.1} s of {:.1} s",
            lasted.as_secs_f64(),
            (healed - fault.at).as_secs_f64()
        );
    }
    verdicts.check(
        "without gossip beegate serves as long as the JVM gateway",
        ours + Duration::from_secs(3) >= theirs,
        &format!("{:.1} s beside {:.1} s", ours.as_secs_f64(), theirs.as_secs_f64()),
    );
    all_is_well(stage, verdicts).await;
    Ok(())
}

/// How long a gateway answered keyed commands well after the fault, up to its first failure.
fn served_for(samples: &[Sample], side: Side, at: Duration, healed: Duration) -> Duration {
    let during = samples.iter().filter(|sample| {
        sample.side == side
            && matches!(sample.kind, Kind::Keyed(_))
            && sample.start >= at
            && sample.start < healed
    });
    let failed = during.filter(|sample| sample.failure.is_some()).map(|sample| sample.start).min();
    failed.unwrap_or(healed) - at
}
