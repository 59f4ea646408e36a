//! The health tree of the JVM gateway (monitoring §2), as a pure function of what is known, and
//! the delayed views its liveness is made of.
//!
//! Left out: `diskSpace`, because this gateway keeps nothing on disk.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::lifecycle::Phase;
use crate::model::{ClusterView, Millis, PartitionHealth, PartitionView};

/// A status; the order is from worst to best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Status {
    Down,
    OutOfService,
    Unknown,
    Degraded,
    Up,
}

impl Status {
    /// Whether a probe succeeds.
    pub(super) fn is_ok(self) -> bool {
        !matches!(self, Self::Down | Self::OutOfService)
    }

    fn of(up: bool) -> Self {
        if up { Self::Up } else { Self::Down }
    }

    fn worst(statuses: impl Iterator<Item = Status>) -> Self {
        statuses.min().unwrap_or(Self::Unknown)
    }
}

/// How long a liveness view stays up after what it watches went down.
const DOWNTIME_MAX: Millis = Millis(5 * 60 * 1000);

/// Part of the memory that must be free.
const MEMORY_THRESHOLD: f64 = 0.01;

/// A condition that counts as lost only after it was lost for a while.
#[derive(Clone, Copy, Debug, Default)]
struct Delayed {
    last: Option<bool>,
    last_up: Option<Millis>,
}

impl Delayed {
    fn observe(&mut self, now: Millis, up: bool) {
        self.last = Some(up);
        if up {
            self.last_up = Some(now);
        }
    }

    fn status(self, now: Millis) -> Status {
        match (self.last, self.last_up) {
            (None, _) => Status::Down,
            (Some(_), Some(up)) if now < up + DOWNTIME_MAX => Status::Up,
            (Some(last), _) => Status::of(last),
        }
    }

    fn component(self, derived_from: &str, now: Millis) -> Component {
        let mut details = Map::new();
        details.insert("derivedFrom".to_owned(), derived_from.into());
        details.insert("wasEverUp".to_owned(), self.last_up.is_some().into());
        details.insert("maxDowntime".to_owned(), "PT5M".into());
        let seen = Status::of(self.last.unwrap_or_default());
        details.insert("lastSeenDelegateHealthStatus".to_owned(), json!({ "status": seen }));
        if let (Some(false), Some(up)) = (self.last, self.last_up) {
            let down = jiff::SignedDuration::from_millis((now - up).0);
            details.insert("downTime".to_owned(), down.to_string().into());
        }
        Component { status: self.status(now), details: Some(details) }
    }
}

/// What health is made of.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) now: Millis,
    pub(super) phase: Phase,
    pub(super) view: &'a ClusterView,
    /// Part of the memory that is free, where that is known.
    pub(super) memory_free: Option<f64>,
}

/// The memory of the delayed views.
#[derive(Debug, Default)]
pub(super) struct Health {
    brokers: Delayed,
    leaders: Delayed,
}

/// One node of the tree.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Component {
    pub(super) status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Map<String, Value>>,
}

/// A group, or the whole.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    components: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<[&'static str; 3]>,
}

const COMPONENTS: [&str; 8] = [
    "clusterHealth",
    "gatewayClusterAwareness",
    "gatewayPartitionLeaderAwareness",
    "gatewayStarted",
    "livenessGatewayClusterAwareness",
    "livenessGatewayPartitionLeaderAwareness",
    "livenessMemory",
    "ping",
];
const LIVENESS: [&str; 3] = [
    "livenessGatewayClusterAwareness",
    "livenessGatewayPartitionLeaderAwareness",
    "livenessMemory",
];
const READINESS: [&str; 1] = ["gatewayStarted"];
/// Stricter than the JVM gateway's readiness, under a path of our own.
const READY: [&str; 2] = ["gatewayPartitionLeaderAwareness", "gatewayStarted"];

fn plain(status: Status) -> Component {
    Component { status, details: None }
}

fn any_leader(view: &ClusterView) -> bool {
    view.partitions.iter().any(|partition| partition.leader.is_some())
}

/// Health of the partition's leader; no leader counts as dead.
fn leader_health(view: &ClusterView, partition: &PartitionView) -> PartitionHealth {
    let leader = partition.leader.and_then(|leader| view.broker(leader));
    let replica = leader.and_then(|broker| {
        broker.replicas.iter().find(|replica| replica.partition == partition.id)
    });
    replica.map_or(PartitionHealth::Dead, |replica| replica.health)
}

fn cluster_health(view: &ClusterView) -> Component {
    if view.brokers.is_empty() || view.partitions.is_empty() {
        return plain(Status::Down);
    }
    let mut details = Map::new();
    let mut healthy = 0;
    for partition in &view.partitions {
        let health = leader_health(view, partition);
        healthy += usize::from(health == PartitionHealth::Healthy);
        details.insert(format!("Partition {}", partition.id), health.name().into());
    }
    let status = match healthy {
        0 => Status::Down,
        all if all == view.partitions.len() => Status::Up,
        _ => Status::Degraded,
    };
    Component { status, details: Some(details) }
}

impl Health {
    /// Takes note of the cluster, so that the delayed views know since when something is lost.
    pub(super) fn observe(&mut self, now: Millis, view: &ClusterView) {
        self.brokers.observe(now, !view.brokers.is_empty());
        self.leaders.observe(now, any_leader(view));
    }

    /// The component with this name.
    pub(super) fn component(&self, name: &str, facts: &Facts<'_>) -> Option<Component> {
        Some(match name {
            "clusterHealth" => cluster_health(facts.view),
            "gatewayClusterAwareness" => plain(Status::of(!facts.view.brokers.is_empty())),
            "gatewayPartitionLeaderAwareness" => plain(Status::of(any_leader(facts.view))),
            "gatewayStarted" => plain(match facts.phase {
                Phase::Starting => Status::Down,
                Phase::Started => Status::Up,
                Phase::Stopping => Status::OutOfService,
            }),
            "livenessGatewayClusterAwareness" => {
                self.brokers.component("ClusterAwarenessHealthIndicator", facts.now)
            }
            "livenessGatewayPartitionLeaderAwareness" => {
                self.leaders.component("PartitionLeaderAwarenessHealthIndicator", facts.now)
            }
            "livenessMemory" => {
                let mut details = Map::new();
                details.insert("threshold".to_owned(), MEMORY_THRESHOLD.into());
                let status = facts
                    .memory_free
                    .map_or(Status::Unknown, |free| Status::of(free > MEMORY_THRESHOLD));
                Component { status, details: Some(details) }
            }
            "ping" => plain(Status::Up),
            _ => return None,
        })
    }

    fn report(&self, names: &[&str], facts: &Facts<'_>) -> Report {
        let named = |name: &&str| Some(((*name).to_owned(), self.component(name, facts)?));
        let components: Vec<(String, Component)> = names.iter().filter_map(named).collect();
        let status = Status::worst(components.iter().map(|(_, component)| component.status));
        let value = |(name, component)| (name, json!(component));
        Report {
            status,
            components: Some(components.into_iter().map(value).collect()),
            groups: None,
        }
    }

    /// Everything.
    pub(super) fn whole(&self, facts: &Facts<'_>) -> Report {
        let groups = Some(["liveness", "readiness", "startup"]);
        Report { groups, ..self.report(&COMPONENTS, facts) }
    }

    /// The group with this name.
    pub(super) fn group(&self, name: &str, facts: &Facts<'_>) -> Option<Report> {
        Some(match name {
            "liveness" => self.report(&LIVENESS, facts),
            "readiness" => self.report(&READINESS, facts),
            "startup" => Report { components: None, ..self.report(&READINESS, facts) },
            _ => return None,
        })
    }

    /// Whether a command sent now can reach a partition.
    pub(super) fn ready(&self, facts: &Facts<'_>) -> Report {
        self.report(&READY, facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BrokerId, BrokerView, PartitionId, PartitionRole, ReplicaView};

    fn view(healths: &[Option<PartitionHealth>]) -> ClusterView {
        let ids = (1..).map(PartitionId);
        let replica = |(partition, health): (PartitionId, &Option<PartitionHealth>)| {
            health.map(|health| ReplicaView { partition, role: PartitionRole::Leader, health })
        };
        let partition = |(id, health): (PartitionId, &Option<PartitionHealth>)| PartitionView {
            id,
            leader: health.map(|_| BrokerId(0)),
            term: 1,
            followers: Vec::new(),
            inactive: Vec::new(),
            leader_source: "gossip",
            leader_seen: Millis(1),
        };
        ClusterView {
            partitions: ids.clone().zip(healths).map(partition).collect(),
            brokers: vec![BrokerView {
                id: BrokerId(0),
                command_address: "a:1".to_owned(),
                internal_address: "a:2".to_owned(),
                version: "8.6.0".to_owned(),
                replicas: ids.zip(healths).filter_map(replica).collect(),
            }],
            ..ClusterView::default()
        }
    }

    fn facts(view: &ClusterView, now: i64) -> Facts<'_> {
        Facts { now: Millis(now), phase: Phase::Started, view, memory_free: Some(0.5) }
    }

    #[test]
    fn cluster_health_is_that_of_the_leaders() {
        let (healthy, dead) = (Some(PartitionHealth::Healthy), Some(PartitionHealth::Dead));
        let status = |healths: &[_]| cluster_health(&view(healths)).status;
        assert_eq!(status(&[healthy, healthy]), Status::Up);
        assert_eq!(status(&[healthy, dead]), Status::Degraded);
        assert_eq!(status(&[healthy, None]), Status::Degraded);
        assert_eq!(status(&[None, dead]), Status::Down);
        assert_eq!(cluster_health(&ClusterView::default()).status, Status::Down);
    }

    #[test]
    fn without_brokers_it_is_ready_but_not_alive() {
        let nothing = ClusterView::default();
        let mut health = Health::default();
        health.observe(Millis(0), &nothing);
        let facts = facts(&nothing, 0);
        let group = |name| health.group(name, &facts).expect("a group").status;
        assert_eq!(group("startup"), Status::Up);
        assert_eq!(group("readiness"), Status::Up);
        assert_eq!(group("liveness"), Status::Down);
        assert_eq!(health.whole(&facts).status, Status::Down);
        assert_eq!(health.ready(&facts).status, Status::Down);
        assert!(health.group("status", &facts).is_none());
    }

    #[test]
    fn liveness_is_lost_only_after_the_downtime() {
        let (up, down) = (view(&[Some(PartitionHealth::Healthy)]), ClusterView::default());
        let mut health = Health::default();
        assert_eq!(health.group("liveness", &facts(&up, 0)).expect("a group").status, Status::Down);
        health.observe(Millis(1000), &up);
        health.observe(Millis(2000), &down);
        let at = |now| health.group("liveness", &facts(&down, now)).expect("a group").status;
        assert_eq!(at(300_999), Status::Up);
        assert_eq!(at(301_000), Status::Down);
        let component = health.component("livenessGatewayClusterAwareness", &facts(&down, 3000));
        let details = component.and_then(|c| c.details).expect("details");
        assert_eq!(details["downTime"], "PT2S");
        assert_eq!(details["lastSeenDelegateHealthStatus"]["status"], "DOWN");
    }

    #[test]
    fn memory_and_phase_count() {
        let view = view(&[Some(PartitionHealth::Healthy)]);
        let health = Health::default();
        let starved = Facts { memory_free: Some(0.01), ..facts(&view, 0) };
        let status = |facts: &Facts<'_>, name| health.component(name, facts).map(|c| c.status);
        assert_eq!(status(&starved, "livenessMemory"), Some(Status::Down));
        let stopping = Facts { phase: Phase::Stopping, ..facts(&view, 0) };
        assert_eq!(status(&stopping, "gatewayStarted"), Some(Status::OutOfService));
        assert!(!Status::OutOfService.is_ok() && Status::Degraded.is_ok());
    }
}
