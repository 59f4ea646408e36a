//! The suite in the other direction: a real JVM gateway in front of the embedded broker.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::libraries::Libraries;
use super::tours::{Target, Tours, url};
use crate::cluster::{JvmGateway, Shape};
use crate::gateway::{self, Behind, Gateway};
use crate::{cache, run as run_command, skipped, zeebe};

/// Ports of its own, beside those of the other suites.
const PORTS: u16 = 28600;
/// Shows every request that members send to the embedded broker, and every reply.
const FILTER: &str = "info,actix_server=warn,beegate::net::listen=trace";
/// Messages whose senders wait for no answer: the first gets none, the second is sent at the end,
/// when the connection may be gone before its answer.
const ONE_WAY: [&str; 2] = ["cluster-topology-gossip", "stream-remove-all"];
/// Recorded exchanges, of two gateways, that wait for the result of an instance that never ends. No
/// broker answers them: the gateway gives up.
const UNENDING: usize = 2 * 3;

/// Starts both, takes the tours through the JVM gateway, and looks at what it sent; then loses the
/// broker. `--lost` does only that.
pub fn run(options: &[&str]) -> Result<()> {
    let (options, only_lost) = match options {
        ["--lost", rest @ ..] => (rest, true),
        all => (all, false),
    };
    let shape = Shape { ports: PORTS, ..Shape::default() }.with_words(options)?;
    if skipped(zeebe::java_home())? {
        return Ok(());
    }
    let tours = Tours::prepare()?;
    let binary = gateway::build()?;
    if !only_lost {
        in_front(&tours, &Libraries::prepare()?, &binary, shape.clone())?;
    }
    lost(&tours, &binary, shape)
}

/// The tours through the JVM gateway, and what it sent.
fn in_front(tours: &Tours, libraries: &Libraries, binary: &Path, shape: Shape) -> Result<()> {
    let log = cache()?.join("interop-jvm-gateway.log");
    let gateway = Gateway::start_logging(binary, Behind::Embedded, &[], log, Some(FILTER))?;
    let broker = format!("127.0.0.1:{}", gateway.internal);
    let jvm = JvmGateway::start(shape, &[broker])?;
    let (grpc, rest, management) = jvm.ports();
    let through = Target { embedded: url(gateway.admin), ..Target::of_ports(grpc, rest) };
    tours.run(&through)?;
    libraries.run(&through)?;
    run_command(
        tours
            .script("actuator_tour.py")
            .env("BEEGATE_TOUR_ACTUATOR", url(management))
            .env("BEEGATE_TOUR_REST", url(rest))
            .env("BEEGATE_TOUR_REFERENCE_REST", url(gateway.rest)),
    )?;
    tours.replay(&Target::beegate(&gateway), &through, "embedded")?;
    drop(jvm);
    let text = gateway.stop_and_read()?;
    check_answered(&text)
}

/// Both gateways in front of an embedded broker that is killed.
fn lost(tours: &Tours, binary: &Path, shape: Shape) -> Result<()> {
    let log = cache()?.join("interop-lost-broker.log");
    let mut broker = Gateway::start(binary, Behind::Embedded, &[], log)?;
    let contact = [format!("127.0.0.1:{}", broker.internal)];
    let jvm = JvmGateway::start(shape, &contact)?;
    let log = cache()?.join("interop-lost.log");
    let exact = ["compatibility.exact=true"];
    let ours = Gateway::start(binary, Behind::Cluster(&contact), &exact, log)?;
    let (grpc, rest, _) = jvm.ports();
    let reference = Target::of_ports(grpc, rest);
    tours.hard_times(&Target::beegate(&ours), &reference, Some(broker.pid()))?;
    broker.kill()?;
    ours.stop()?;
    Ok(())
}

/// Every request of a member was answered, and nothing it asked for was unknown.
fn check_answered(log: &str) -> Result<()> {
    let mut open: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    let mut subjects: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unknown: BTreeSet<&str> = BTreeSet::new();
    for line in log.lines() {
        let field = |name: &str| {
            let start = line.find(&format!(" {name}="))? + name.len() + 2;
            line[start..].split(' ').next()
        };
        let call = || Some((field("connection")?, field("id")?));
        if line.contains("event=request ") {
            let subject = field("subject").context("a request without subject")?;
            open.insert(call().context("a request without id")?, subject);
            *subjects.entry(subject).or_default() += 1;
        } else if line.contains("event=reply ") {
            open.remove(&call().context("a reply without id")?);
        } else if line.contains("event=no_handler ") {
            unknown.extend(field("subject"));
        }
    }
    println!("requests of members: {subjects:?}");
    ensure!(!subjects.is_empty(), "no request was logged");
    ensure!(unknown.is_empty(), "subjects that the embedded broker does not know: {unknown:?}");
    open.retain(|_, subject| !ONE_WAY.contains(subject));
    let awaiting = open.values().filter(|subject| subject.starts_with("command-api-")).count();
    ensure!(
        open.len() == awaiting && awaiting <= UNENDING,
        "requests without an answer, {UNENDING} commands aside: {open:?}"
    );
    println!("every request was answered, but {awaiting} for results that never come");
    Ok(())
}
