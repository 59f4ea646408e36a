//! The suite against a cluster of real brokers, beside a JVM gateway.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};

use super::libraries::Libraries;
use super::tours::{Target, Tours, url};
use crate::cluster::{Cluster, JvmGateway, Shape};
use crate::gateway::{self, Behind, Gateway, NOBODY, ask};
use crate::{cache, run as run_command, zeebe};

/// Not the ports of `cluster up`: a developer's cluster may be running.
const PORTS: u16 = 28500;
/// A gateway must carry traffic this long after its start.
const JOIN_LIMIT: Duration = Duration::from_secs(2);
const MEMBER: &str = "beegate-interop";
const JVM_MEMBER: &str = "jvm-gateway";

/// Starts a cluster, takes the tours, compares with the JVM gateway, asks what brokers saw.
pub fn run(options: &[&str]) -> Result<()> {
    let shape = Shape { jvm_gateway: true, ports: PORTS, ..Shape::default() };
    let shape = shape.with_words(options)?;
    if crate::skipped(zeebe::java_home())? {
        return Ok(());
    }
    let (tours, libraries) = (Tours::prepare()?, Libraries::prepare()?);
    let binary = gateway::build()?;
    let cluster = Cluster::start(shape)?;
    let contact_points = cluster.shape.contact_points();
    let watch = Watch::from_now(&cluster)?;
    let log = cache()?.join("interop-cluster.log");
    let settings = format!("cluster.member_id={MEMBER}");
    let gateway = Gateway::start(&binary, Behind::Cluster(&contact_points), &[&settings], log)?;
    let join = gateway.ready_after;
    println!("joined and ready after {:.1} ms", join.as_secs_f64() * 1000.0);
    ensure!(join < JOIN_LIMIT, "joining took {join:?}, more than {JOIN_LIMIT:?}");
    tours.run(&Target::beegate(&gateway))?;
    compare(&tours, &cluster, &gateway)?;
    watch.check()?;
    // They load all processors, so that brokers may miss each other's answers, and ours.
    if cluster.shape.version.starts_with("8.6.") {
        reset_clocks(&gateway)?;
        libraries.run(&Target::beegate(&gateway))?;
    } else {
        println!("skipped: the tours of the libraries call what brokers have from 8.6 on");
    }
    compare_others(&tours, &cluster, &binary)?;
    overload(&tours, &cluster, &binary)?;
    let took = gateway.stop()?;
    println!("stopped within {:.1} s of SIGTERM", took.as_secs_f64());
    cluster.stop()
}

/// The replay moved clocks. The JVM gateway sets that of one partition, and back that of another,
/// where no job would time out any more; beegate sets all.
fn reset_clocks(gateway: &Gateway) -> Result<()> {
    let (status, body) = ask("POST", gateway.rest, "/v2/clock/reset", Duration::from_secs(20))?;
    ensure!(status == 204, "the clocks could not be reset: {status} {body}");
    Ok(())
}

/// What only makes sense beside a JVM gateway of the same cluster.
fn compare(tours: &Tours, cluster: &Cluster, gateway: &Gateway) -> Result<()> {
    if cluster.shape.version.starts_with("8.6.") {
        let reference = url(cluster.shape.jvm_gateway_management());
        let brokers: Vec<_> = (0..cluster.shape.brokers)
            .map(|node| url(cluster.broker_ports(node).management))
            .collect();
        run_command(
            tours
                .script("management_tour.py")
                .env("BEEGATE_TOUR_MANAGEMENT", url(gateway.admin))
                .env("BEEGATE_TOUR_MANAGEMENT_REFERENCE", reference)
                .env("BEEGATE_TOUR_MANAGEMENT_BROKERS", brokers.join(",")),
        )?;
    } else {
        println!("skipped: the management tour compares with the operations of 8.6");
    }
    let (grpc, rest) = cluster.shape.jvm_gateway_ports();
    tours.replay(&Target::beegate(gateway), &Target::of_ports(grpc, rest), "plain")
}

/// Recorded exchanges with gateways of other setups: several tenants, no brokers.
fn compare_others(tours: &Tours, cluster: &Cluster, binary: &Path) -> Result<()> {
    if !cluster.shape.version.starts_with("8.6.") {
        println!("skipped: other setups were recorded with 8.6, this is {}", cluster.shape.version);
        return Ok(());
    }
    let contact_points = cluster.shape.contact_points();
    let beside = |offset: u16, more: &[(&str, &str)]| Shape {
        ports: cluster.shape.ports + offset,
        gateway_env: more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        ..cluster.shape.clone()
    };
    let tenants = beside(
        10,
        &[
            ("ZEEBE_GATEWAY_MULTITENANCY_ENABLED", "true"),
            ("ZEEBE_GATEWAY_CLUSTER_MEMBERID", "jvm-gateway-tenants"),
        ],
    );
    let tenants = JvmGateway::start(tenants, &contact_points)?;
    let log = cache()?.join("interop-tenants.log");
    let settings = ["multi_tenancy.enabled=true"];
    let gateway = Gateway::start(binary, Behind::Cluster(&contact_points), &settings, log)?;
    replay(tours, &gateway, &tenants, "multitenancy")?;
    gateway.stop()?;
    drop(tenants);

    let alone = JvmGateway::start_alone(beside(20, &[]), &[NOBODY.to_owned()])?;
    let log = cache()?.join("interop-no-brokers.log");
    let gateway = Gateway::start(binary, Behind::Nothing, &[], log)?;
    replay(tours, &gateway, &alone, "no-brokers")?;
    gateway.stop()?;
    Ok(())
}

/// Both gateways in front of brokers that take one request at a time.
fn overload(tours: &Tours, cluster: &Cluster, binary: &Path) -> Result<()> {
    if !cluster.shape.version.starts_with("8.6.") {
        println!("skipped: overload was recorded with 8.6, this is {}", cluster.shape.version);
        return Ok(());
    }
    let log = cache()?.join("interop-overload.log");
    let behind = cluster.shape.contact_points();
    let exact = ["compatibility.exact=true"];
    let gateway = Gateway::start(binary, Behind::Cluster(&behind), &exact, log)?;
    let (grpc, rest) = cluster.shape.jvm_gateway_ports();
    tours.hard_times(&Target::beegate(&gateway), &Target::of_ports(grpc, rest), None)?;
    gateway.stop()?;
    Ok(())
}

fn replay(tours: &Tours, gateway: &Gateway, jvm: &JvmGateway, suite: &str) -> Result<()> {
    let (grpc, rest, _) = jvm.ports();
    tours.replay(&Target::beegate(gateway), &Target::of_ports(grpc, rest), suite)
}

/// Looks for what brokers say of our member from now on.
struct Watch {
    logs: Vec<(PathBuf, usize)>,
}

impl Watch {
    fn from_now(cluster: &Cluster) -> Result<Self> {
        let logs = (0..cluster.shape.brokers).map(|node| cluster.broker_log(node));
        let logs = logs.map(|log| Ok((log.clone(), std::fs::read(&log)?.len())));
        Ok(Self { logs: logs.collect::<Result<_>>()? })
    }

    /// Every broker saw the member come, none lost it, and none suspected it more than others.
    ///
    /// Brokers wait 100 ms for the answer to a probe, which three brokers, two gateways and their
    /// clients on two cores do not always leave it. A suspicion that is refuted changes nothing for
    /// clients, so each broker may have one, and as many more as it had of others.
    fn check(&self) -> Result<()> {
        for (log, from) in &self.logs {
            let text = std::fs::read(log)?;
            let text = String::from_utf8_lossy(&text[*from..]);
            let count = |event: &str, id: &str| {
                let member = format!("Member {event} Member{{id={id},");
                text.matches(&member).count()
            };
            let name = log.file_name().unwrap_or_default().display();
            let added = count("added", MEMBER);
            ensure!(added == 1, "{name}: {MEMBER} was added {added} times, not once");
            let removed = count("removed", MEMBER);
            ensure!(removed == 0, "{name}: {MEMBER} was removed {removed} times");
            let suspected = count("unreachable", MEMBER);
            let brokers = (0..self.logs.len()).map(|node| node.to_string());
            let others = brokers.chain([JVM_MEMBER.to_owned()]);
            let other = others.map(|id| count("unreachable", &id)).max().unwrap_or(0);
            println!("{name}: suspected {MEMBER} {suspected} times, another {other} times");
            ensure!(suspected <= other + 1, "{name}: {MEMBER} was suspected more than others");
        }
        println!("ALIVE at all {} brokers the whole time", self.logs.len());
        Ok(())
    }
}
