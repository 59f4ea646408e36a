//! The cluster as the gateway sees it: an immutable snapshot, published anew on every change.

use serde::Serialize;

use super::{BrokerId, MemberId, Millis, PartitionHealth, PartitionId, PartitionRole};

/// Everything known about the cluster at one moment (command-api §6.1).
#[derive(Clone, Debug, Serialize)]
pub struct ClusterView {
    /// Grows with every published change.
    pub version: u64,
    /// Number of brokers; -1 until a broker or a cluster configuration was seen.
    pub cluster_size: i32,
    /// Number of partitions; 0 until known.
    pub partitions_count: i32,
    /// Replicas per partition; 0 until known.
    pub replication_factor: i32,
    /// Partition count that the correlation-key hash uses, when the cluster configuration names one.
    pub correlation_partitions: Option<u32>,
    /// Sorted partitions that take round-robin commands, when the cluster configuration names them.
    pub active_partitions: Option<Vec<PartitionId>>,
    /// Brokers of the cluster configuration, by the order of their ids as text; empty until known.
    pub configured_members: Vec<MemberId>,
    /// Partitions in the order they were discovered. They stay when their brokers leave.
    pub partitions: Vec<PartitionView>,
    /// Brokers in the order they were discovered.
    pub brokers: Vec<BrokerView>,
    /// All members of the gossip cluster, this gateway included.
    pub members: Vec<MemberView>,
}

impl Default for ClusterView {
    fn default() -> Self {
        Self {
            version: 0,
            cluster_size: -1,
            partitions_count: 0,
            replication_factor: 0,
            correlation_partitions: None,
            active_partitions: None,
            configured_members: Vec::new(),
            partitions: Vec::new(),
            brokers: Vec::new(),
            members: Vec::new(),
        }
    }
}

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartitionView {
    /// Its id.
    pub id: PartitionId,
    /// The broker that leads it, if any.
    pub leader: Option<BrokerId>,
    /// Highest leader term seen.
    pub term: i64,
    /// Brokers that follow.
    pub followers: Vec<BrokerId>,
    /// Brokers that are members but take no part.
    pub inactive: Vec<BrokerId>,
    /// When the leader was last learnt or confirmed, and from where.
    pub leader_source: &'static str,
    /// Time of that.
    pub leader_seen: Millis,
}

/// One broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BrokerView {
    /// Node id.
    pub id: BrokerId,
    /// Command API address, `host:port`.
    pub command_address: String,
    /// Internal (gossip, job streams) address, `host:port`.
    pub internal_address: String,
    /// Version text.
    pub version: String,
    /// What it does for each of its partitions.
    pub replicas: Vec<ReplicaView>,
}

/// A broker's part in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ReplicaView {
    /// The partition.
    pub partition: PartitionId,
    /// Its role.
    pub role: PartitionRole,
    /// Its health; unknown counts as unhealthy.
    pub health: PartitionHealth,
}

/// Opinion about a member's liveness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum MemberState {
    /// Answers probes.
    Alive,
    /// Failed probes; declared dead unless it refutes in time.
    Suspect,
    /// Gone.
    Dead,
}

/// One member of the gossip cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemberView {
    /// Its id.
    pub id: MemberId,
    /// Advertised address, `host:port`.
    pub address: String,
    /// Our opinion of it.
    pub state: MemberState,
    /// Its incarnation number.
    pub incarnation: i64,
    /// Program version, if it told one.
    pub version: Option<String>,
    /// Whether it carries broker info.
    pub is_broker: bool,
    /// When we last heard of it.
    pub last_seen: Millis,
}

impl ClusterView {
    /// The partition with this number, if it was ever seen.
    #[must_use]
    pub fn partition(&self, number: i64) -> Option<&PartitionView> {
        self.partitions.iter().find(|p| i64::from(p.id.0) == number)
    }

    /// The broker with this id.
    #[must_use]
    pub fn broker(&self, id: BrokerId) -> Option<&BrokerView> {
        self.brokers.iter().find(|b| b.id == id)
    }

    /// Whether any broker leads the partition right now.
    #[must_use]
    pub fn has_leader(&self, partition: PartitionId) -> bool {
        self.partition(i64::from(partition.0)).is_some_and(|p| p.leader.is_some())
    }
}
