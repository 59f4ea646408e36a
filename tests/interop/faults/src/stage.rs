//! What every case plays on: a real cluster, beegate and the JVM gateway in front of it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use xtask::cluster::{Cluster, Shape};
use xtask::gateway::{self, Behind, Gateway, ask};

use crate::client::{Client, partition_of};

/// One of the two gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Ours.
    Beegate,
    /// The one to compare with.
    Jvm,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Beegate => "beegate",
            Self::Jvm => "JVM gateway",
        })
    }
}

/// Both gateways, ours first.
pub const SIDES: [Side; 2] = [Side::Beegate, Side::Jvm];

/// Cluster, gateways, and one long-lived instance per partition and gateway.
pub struct Stage {
    /// The brokers and the JVM gateway.
    pub cluster: Cluster,
    /// Our gateway.
    pub beegate: Gateway,
    clients: BTreeMap<Side, Client>,
    anchors: BTreeMap<Side, BTreeMap<i32, i64>>,
}

impl Stage {
    /// Takes a running cluster and sets beegate beside its JVM gateway, with these contact points.
    pub async fn set(cluster: Cluster, points: &[String], more: &[&str]) -> Result<Self> {
        cluster.wait_for_leaders(Duration::from_secs(120))?;
        let log = xtask::cache()?.join("faults-beegate.log");
        let beegate = Gateway::start(&gateway::build()?, Behind::Cluster(points), more, log)?;
        println!("beegate is ready after {:.0} ms", beegate.ready_after.as_secs_f64() * 1e3);
        let mut clients = BTreeMap::new();
        clients.insert(Side::Beegate, Client::connect(beegate.grpc).await?);
        let (jvm, _) = cluster.shape.jvm_gateway_ports();
        clients.insert(Side::Jvm, Client::connect(jvm).await?);
        let mut stage = Self { cluster, beegate, clients, anchors: BTreeMap::new() };
        stage.client(Side::Beegate).deploy().await?;
        for side in SIDES {
            let anchors = stage.find_anchors(side).await?;
            stage.anchors.insert(side, anchors);
        }
        Ok(stage)
    }

    /// The gateways that take part.
    pub fn sides(&self) -> Vec<Side> {
        self.clients.keys().copied().collect()
    }

    /// A client of that gateway, on the connection that all cases share.
    pub fn client(&self, side: Side) -> Client {
        self.clients[&side].clone()
    }

    /// By partition, the key of an instance that stays.
    pub fn anchors(&self, side: Side) -> &BTreeMap<i32, i64> {
        &self.anchors[&side]
    }

    /// Number of partitions.
    pub fn partitions(&self) -> Vec<i32> {
        (1..=i32::from(self.cluster.shape.partitions)).collect()
    }

    async fn find_anchors(&self, side: Side) -> Result<BTreeMap<i32, i64>> {
        let mut client = self.client(side);
        let mut anchors = BTreeMap::new();
        let began = Instant::now();
        while anchors.len() < usize::from(self.cluster.shape.partitions) {
            if began.elapsed() > Duration::from_secs(60) {
                bail!("through {side} instances came up only on {:?}", anchors.keys());
            }
            // Right after a deployment other partitions may not know the process yet.
            match client.create_work("nobody-takes-this").await {
                Ok(key) => _ = anchors.entry(partition_of(key)).or_insert(key),
                Err(status) if status.code() == tonic::Code::NotFound => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Err(status) => return Err(status).context("creating an instance that stays"),
            }
        }
        Ok(anchors)
    }

    /// A broker that leads some partitions but not all, and those partitions.
    ///
    /// Where one leads everything, leaders that are not the primary choice are asked to step down.
    pub fn victim(&self) -> Result<(u16, Vec<i32>)> {
        let limit = Duration::from_secs(60);
        for _ in 0..10 {
            let leaders = self.cluster.wait_for_leaders(limit)?;
            let mut led: BTreeMap<u16, Vec<i32>> = BTreeMap::new();
            for (partition, node) in leaders {
                led.entry(node).or_default().push(partition);
            }
            let all = usize::from(self.cluster.shape.partitions);
            if let Some(found) = led.into_iter().find(|(_, partitions)| partitions.len() < all) {
                return Ok(found);
            }
            self.rebalance()?;
            std::thread::sleep(Duration::from_secs(3));
        }
        bail!("one broker leads every partition, and rebalancing does not change it")
    }

    /// Asks every leader that is not the primary choice of its partition to step down.
    pub fn rebalance(&self) -> Result<()> {
        let port = self.cluster.shape.jvm_gateway_management();
        let (status, body) = ask("POST", port, "/actuator/rebalance", Duration::from_secs(10))?;
        if status != 200 {
            bail!("rebalancing was answered {status}: {body}");
        }
        Ok(())
    }
}

/// Starts a beegate in front of the cluster; its log goes into the cache under this name.
pub fn start_beegate(cluster: &Cluster, name: &str, more: &[&str]) -> Result<Gateway> {
    let log: PathBuf = xtask::cache()?.join(format!("{name}.log"));
    let points = cluster.shape.contact_points();
    Gateway::start(&gateway::build()?, Behind::Cluster(&points), more, log)
}

/// The cluster that cases share: three brokers, three partitions on each, and a JVM gateway.
pub fn cluster(ports: u16, reuse: bool) -> Result<Cluster> {
    let mut shape = Shape { jvm_gateway: true, ports, ..Shape::default() };
    for node in 0..shape.brokers {
        shape.broker_env.insert(node, broker_env());
    }
    if reuse { Cluster::reuse(shape) } else { Cluster::start(shape) }
}

/// Settings that keep slow disks and few cores from drowning what a fault does.
pub fn broker_env() -> Vec<(String, String)> {
    [
        // A killed process loses nothing that the kernel has; no machine crashes here.
        ("ZEEBE_BROKER_CLUSTER_RAFT_FLUSH_ENABLED", "false"),
        // The rate is low: what would be refused is refused for want of CPU, not for the fault.
        ("ZEEBE_BROKER_BACKPRESSURE_ENABLED", "false"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}
