//! A cluster of real brokers on loopback, for trying things by hand and for the interop suite.
//!
//! `up` leaves the processes running and notes their ids in the cache; `down` stops exactly those.
//! A [`Cluster`] does both: it is up while the value lives.

mod control;
mod jvm_gateway;

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::gateway::get;
use crate::{cache, zeebe};

pub use jvm_gateway::JvmGateway;

const START_LIMIT: Duration = Duration::from_secs(300);
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// First port unless `--ports` names another; below the ephemeral range, so that no outgoing
/// connection sits on one of ours.
const PORTS: u16 = 27000;

/// What to start.
#[derive(Clone, Debug)]
pub struct Shape {
    /// How many brokers.
    pub brokers: u16,
    /// How many partitions.
    pub partitions: u16,
    /// How many brokers have each partition.
    pub replication: u16,
    /// Version of Zeebe.
    pub version: String,
    /// Whether a JVM gateway is started, too.
    pub jvm_gateway: bool,
    /// First port; clusters side by side differ in it.
    pub ports: u16,
    /// More environment variables for the brokers, by node id.
    pub broker_env: BTreeMap<u16, Vec<(String, String)>>,
    /// More environment variables for the JVM gateway.
    pub gateway_env: Vec<(String, String)>,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            brokers: 3,
            partitions: 3,
            replication: 3,
            version: zeebe::VERSION.to_owned(),
            jvm_gateway: false,
            ports: PORTS,
            broker_env: BTreeMap::new(),
            gateway_env: Vec::new(),
        }
    }
}

impl Shape {
    /// Reads `--brokers N --partitions N --replication N --version V --jvm-gateway --ports N`.
    pub fn from_words(words: &[&str]) -> Result<Self> {
        Self::default().with_words(words)
    }

    /// The same with what the words say otherwise.
    pub fn with_words(self, words: &[&str]) -> Result<Self> {
        let mut shape = self;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value"));
            match *word {
                "--brokers" => shape.brokers = value()?.parse()?,
                "--partitions" => shape.partitions = value()?.parse()?,
                "--replication" => shape.replication = value()?.parse()?,
                "--version" => shape.version = (*value()?).to_owned(),
                "--jvm-gateway" => shape.jvm_gateway = true,
                "--ports" => shape.ports = value()?.parse()?,
                other => bail!("unknown option {other}"),
            }
        }
        if shape.brokers == 0 || shape.replication > shape.brokers {
            bail!("--replication must not be greater than --brokers");
        }
        Ok(shape)
    }
}

/// Where one broker listens.
pub struct BrokerPorts {
    /// Command API.
    pub command: u16,
    /// Cluster protocol, TCP and UDP.
    pub internal: u16,
    /// Health and actuators.
    pub management: u16,
    /// Brokers open a REST port even without a gateway inside.
    pub server: u16,
}

fn broker_ports(ports: u16, node: u16) -> BrokerPorts {
    let base = ports + node * 10;
    BrokerPorts { command: base + 1, internal: base + 2, management: base + 3, server: base + 4 }
}

fn gateway_port(ports: u16, offset: u16) -> u16 {
    ports + 900 + offset
}

fn folder(ports: u16) -> Result<PathBuf> {
    Ok(cache()?.join(format!("cluster-{ports}")))
}

impl Shape {
    /// Internal addresses of the brokers.
    pub fn contact_points(&self) -> Vec<String> {
        let address = |node| format!("127.0.0.1:{}", broker_ports(self.ports, node).internal);
        (0..self.brokers).map(address).collect()
    }

    /// Where a broker listens.
    pub fn broker_ports(&self, node: u16) -> BrokerPorts {
        broker_ports(self.ports, node)
    }

    /// gRPC and REST port of the JVM gateway.
    pub fn jvm_gateway_ports(&self) -> (u16, u16) {
        (gateway_port(self.ports, 0), gateway_port(self.ports, 1))
    }

    /// Management port of the JVM gateway.
    pub fn jvm_gateway_management(&self) -> u16 {
        gateway_port(self.ports, 2)
    }
}

/// A cluster that is stopped when the value goes, whatever the reason.
pub struct Cluster {
    /// What was started.
    pub shape: Shape,
    folder: PathBuf,
    /// Somebody else started it and stops it.
    borrowed: bool,
}

impl Cluster {
    /// Takes the cluster that runs with these ports and leaves it running afterwards; starts one
    /// if there is none.
    pub fn reuse(shape: Shape) -> Result<Self> {
        let folder = folder(shape.ports)?;
        if pids(&folder).is_empty() {
            up(&shape)?;
        }
        Ok(Self { shape, folder, borrowed: true })
    }

    /// Starts it and waits until it is ready; what an earlier run with these ports left is stopped.
    pub fn start(shape: Shape) -> Result<Self> {
        let folder = folder(shape.ports)?;
        stop(&folder)?;
        let cluster = Self { shape, folder, borrowed: false };
        up(&cluster.shape)?;
        Ok(cluster)
    }

    /// Log of a broker.
    pub fn broker_log(&self, node: u16) -> PathBuf {
        self.folder.join(format!("broker-{node}.log"))
    }

    /// Log of the JVM gateway.
    pub fn jvm_gateway_log(&self) -> PathBuf {
        self.folder.join("jvm-gateway.log")
    }

    /// Stops it; dropping does the same without telling of errors.
    pub fn stop(self) -> Result<()> {
        stop(&self.folder).map(drop)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.borrowed {
            return;
        }
        if let Err(error) = stop(&self.folder) {
            eprintln!("xtask: the cluster may still run: {error:#}");
        }
    }
}

/// Starts the cluster and waits until every broker is ready.
pub fn up(shape: &Shape) -> Result<()> {
    let ports = shape.ports;
    let folder = folder(ports)?;
    if !pids(&folder).is_empty() {
        bail!("a cluster is up already; `cargo xtask cluster down` stops it");
    }
    let home = zeebe::distribution(&shape.version)?;
    let java = zeebe::java_home()?;
    fs::remove_dir_all(&folder).ok();
    fs::create_dir_all(&folder)?;
    let contact_points = shape.contact_points();
    for node in 0..shape.brokers {
        start_broker(node, shape, &home, &java, &contact_points.join(","), &folder)?;
    }
    if shape.jvm_gateway {
        start_gateway(shape, &home, &java, &contact_points.join(","), &folder)?;
    }
    let began = Instant::now();
    for node in 0..shape.brokers {
        wait_until_ready(
            &format!("broker {node}"),
            broker_ports(ports, node).management,
            began,
            &folder,
        )?;
    }
    println!("cluster.initial_contact_points = {contact_points:?}");
    if shape.jvm_gateway {
        wait_until_ready("JVM gateway", shape.jvm_gateway_management(), began, &folder)?;
        let (grpc, rest) = shape.jvm_gateway_ports();
        println!("JVM gateway: gRPC 127.0.0.1:{grpc}, REST 127.0.0.1:{rest}");
    }
    println!("ready after {:.0} s", began.elapsed().as_secs_f64());
    Ok(())
}

fn start_broker(
    node: u16,
    shape: &Shape,
    home: &Path,
    java: &Path,
    contact_points: &str,
    folder: &Path,
) -> Result<()> {
    let ports = broker_ports(shape.ports, node);
    let mut start = Command::new(home.join("bin").join("broker"));
    start
        .env("ZEEBE_BROKER_GATEWAY_ENABLE", "false")
        .env("ZEEBE_BROKER_CLUSTER_NODEID", node.to_string())
        .env("ZEEBE_BROKER_CLUSTER_CLUSTERSIZE", shape.brokers.to_string())
        .env("ZEEBE_BROKER_CLUSTER_PARTITIONSCOUNT", shape.partitions.to_string())
        .env("ZEEBE_BROKER_CLUSTER_REPLICATIONFACTOR", shape.replication.to_string())
        .env("ZEEBE_BROKER_CLUSTER_INITIALCONTACTPOINTS", contact_points)
        .env("ZEEBE_BROKER_NETWORK_HOST", "127.0.0.1")
        .env("ZEEBE_BROKER_NETWORK_COMMANDAPI_PORT", ports.command.to_string())
        .env("ZEEBE_BROKER_NETWORK_INTERNALAPI_PORT", ports.internal.to_string())
        .env("ZEEBE_BROKER_DATA_DIRECTORY", folder.join(format!("data-{node}")))
        .env("ZEEBE_BROKER_THREADS_CPUTHREADCOUNT", "1")
        .env("ZEEBE_BROKER_THREADS_IOTHREADCOUNT", "1")
        .env("SERVER_ADDRESS", "127.0.0.1")
        .env("SERVER_PORT", ports.server.to_string())
        .env("MANAGEMENT_SERVER_ADDRESS", "127.0.0.1")
        .env("MANAGEMENT_SERVER_PORT", ports.management.to_string())
        .envs(shape.broker_env.get(&node).into_iter().flatten().cloned());
    launch(start, java, &format!("broker-{node}"), folder)
}

fn start_gateway(
    shape: &Shape,
    home: &Path,
    java: &Path,
    contact_points: &str,
    folder: &Path,
) -> Result<()> {
    let port = |offset: u16| gateway_port(shape.ports, offset).to_string();
    let mut start = Command::new(home.join("bin").join("gateway"));
    start
        .env("ZEEBE_GATEWAY_NETWORK_HOST", "127.0.0.1")
        .env("ZEEBE_GATEWAY_NETWORK_PORT", port(0))
        .env("SERVER_ADDRESS", "127.0.0.1")
        .env("SERVER_PORT", port(1))
        .env("MANAGEMENT_SERVER_ADDRESS", "127.0.0.1")
        .env("MANAGEMENT_SERVER_PORT", port(2))
        .env("ZEEBE_GATEWAY_CLUSTER_HOST", "127.0.0.1")
        .env("ZEEBE_GATEWAY_CLUSTER_PORT", port(3))
        .env("ZEEBE_GATEWAY_CLUSTER_MEMBERID", "jvm-gateway")
        .env("ZEEBE_GATEWAY_CLUSTER_INITIALCONTACTPOINTS", contact_points)
        .envs(shape.gateway_env.iter().cloned());
    launch(start, java, "jvm-gateway", folder)
}

/// Starts a process of its own group, its output in a file, its id in another.
fn launch(mut start: Command, java: &Path, name: &str, folder: &Path) -> Result<()> {
    let log =
        OpenOptions::new().create(true).append(true).open(folder.join(format!("{name}.log")))?;
    let child = start
        .env("JAVA_HOME", java)
        .env("JAVA_OPTS", "-Xmx768m -XX:+UseSerialGC -XX:TieredStopAtLevel=1")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    fs::write(folder.join(format!("{name}.pid")), child.id().to_string())?;
    Ok(())
}

fn wait_until_ready(name: &str, management: u16, began: Instant, folder: &Path) -> Result<()> {
    while began.elapsed() < START_LIMIT {
        if get(management, "/actuator/health/readiness").is_ok_and(|status| status == 200) {
            println!("{name} is ready");
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    bail!("{name} is not ready after {START_LIMIT:?}; logs are in {}", folder.display())
}

/// Ids of processes that `up` started and that still run.
fn pids(folder: &Path) -> Vec<(PathBuf, u32)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "pid"))
        .filter_map(|path| Some((path.clone(), fs::read_to_string(path).ok()?.parse().ok()?)))
        // The id may have been given to somebody else since: its working directory must be ours.
        .filter(|(_, pid)| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == folder))
        .collect()
}

/// Stops what `up` started with these ports; reads `--ports N`.
pub fn down(words: &[&str]) -> Result<()> {
    let stopped = stop(&folder(Shape::from_words(words)?.ports)?)?;
    println!("stopped {stopped} processes");
    Ok(())
}

/// Stops what was started with this folder, and says how many processes that were.
fn stop(folder: &Path) -> Result<usize> {
    let running = pids(folder);
    for (_, pid) in &running {
        signal_group("-TERM", *pid)?;
        // A stopped process ends only after it goes on.
        signal_group("-CONT", *pid)?;
    }
    let began = Instant::now();
    while !pids(folder).is_empty() && began.elapsed() < STOP_LIMIT {
        std::thread::sleep(Duration::from_millis(100));
    }
    for (_, pid) in pids(folder) {
        signal_group("-KILL", pid)?;
    }
    for (path, _) in &running {
        fs::remove_file(path)?;
    }
    Ok(running.len())
}

fn signal_group(signal: &str, pid: u32) -> Result<()> {
    Command::new("kill").args([signal, "--", &format!("-{pid}")]).status()?;
    Ok(())
}
