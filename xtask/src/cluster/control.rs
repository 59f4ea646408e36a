//! One broker of a running cluster: hurting it, starting it again, asking it who leads.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{BrokerPorts, Cluster, pids, signal_group, start_broker, wait_until_ready};
use crate::gateway::ask;
use crate::zeebe;

/// A broker that does not answer its management port in this time is not asked again.
const PATIENCE: Duration = Duration::from_secs(1);

impl Cluster {
    /// Where a broker listens.
    pub fn broker_ports(&self, node: u16) -> BrokerPorts {
        self.shape.broker_ports(node)
    }

    /// Process id of a broker.
    pub fn broker_pid(&self, node: u16) -> Result<u32> {
        self.pid(&format!("broker-{node}"))
    }

    /// Process id of the JVM gateway.
    pub fn jvm_gateway_pid(&self) -> Result<u32> {
        self.pid("jvm-gateway")
    }

    fn pid(&self, name: &str) -> Result<u32> {
        let text = fs::read_to_string(self.folder.join(format!("{name}.pid")))
            .with_context(|| format!("{name} was not started"))?;
        Ok(text.parse()?)
    }

    /// Sends a signal (`KILL`, `TERM`, `STOP`, `CONT`) to a broker.
    pub fn signal(&self, node: u16, signal: &str) -> Result<()> {
        signal_group(&format!("-{signal}"), self.broker_pid(node)?)
    }

    /// Waits until the process of a broker is gone.
    pub fn wait_until_gone(&self, node: u16, limit: Duration) -> Result<()> {
        let pid = self.broker_pid(node)?;
        let began = Instant::now();
        while pids(&self.folder).iter().any(|(_, running)| *running == pid) {
            if began.elapsed() > limit {
                bail!("broker {node} still runs after {limit:?}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Starts a broker that has ended, with its data, and returns before it is ready.
    pub fn start_again(&self, node: u16) -> Result<()> {
        let home = zeebe::distribution(&self.shape.version)?;
        let contact_points = self.shape.contact_points().join(",");
        let java = zeebe::java_home()?;
        start_broker(node, &self.shape, &home, &java, &contact_points, &self.folder)
    }

    /// Waits until a broker says that it is ready.
    pub fn wait_until_broker_is_ready(&self, node: u16) -> Result<()> {
        let management = self.broker_ports(node).management;
        wait_until_ready(&format!("broker {node}"), management, Instant::now(), &self.folder)
    }

    /// Which broker leads each partition, by what the brokers that answer say of themselves.
    pub fn leaders(&self) -> BTreeMap<i32, u16> {
        (0..self.shape.brokers)
            .filter_map(|node| Some((node, self.roles(node).ok()?)))
            .flat_map(|(node, roles)| {
                let led = roles.into_iter().filter(|(_, role)| role == "LEADER");
                led.map(move |(partition, _)| (partition, node))
            })
            .collect()
    }

    /// Role of a broker in each of its partitions.
    fn roles(&self, node: u16) -> Result<BTreeMap<i32, String>> {
        let port = self.broker_ports(node).management;
        let (_, body) = ask("GET", port, "/actuator/partitions", PATIENCE)?;
        let told: serde_json::Value = serde_json::from_str(&body)?;
        let told = told.as_object().context("not an object")?;
        told.iter()
            .map(|(partition, state)| {
                Ok((partition.parse()?, state["role"].as_str().unwrap_or_default().to_owned()))
            })
            .collect()
    }

    /// Waits until every partition has exactly one leader, and says who.
    pub fn wait_for_leaders(&self, limit: Duration) -> Result<BTreeMap<i32, u16>> {
        let began = Instant::now();
        loop {
            let leaders = self.leaders();
            if leaders.len() == usize::from(self.shape.partitions) {
                return Ok(leaders);
            }
            if began.elapsed() > limit {
                bail!("after {limit:?} only these partitions have leaders: {leaders:?}");
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}
