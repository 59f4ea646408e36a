//! The cluster configuration brokers share, and requests to change it (cluster-protocol §5).
//!
//! Messages are generated from `proto/cluster.proto`. Two rules are here because every receiver must
//! apply them alike: which payloads are refused, and how two configurations merge.

use prost::Message as _;

use crate::model::{MemberId, PartitionId};

#[allow(missing_docs, reason = "generated; documented in proto/cluster.proto")]
mod generated {
    tonic::include_proto!("cluster_configuration");
}

pub use generated::*;

/// Subject under which brokers ask for the receiver's configuration and tell theirs.
pub const SYNC_SUBJECT: &str = "cluster-topology-sync";
/// Subject under which a member that changed its configuration tells it; not answered.
pub const GOSSIP_SUBJECT: &str = "cluster-topology-gossip";

/// Subjects of management requests (cluster-protocol §5.4).
pub mod subject {
    /// Asks for the configuration; no payload.
    pub const QUERY: &str = "topology-query";
    /// [`super::MembersRequest`].
    pub const MEMBER_ADD: &str = "topology-member-add";
    /// [`super::MembersRequest`].
    pub const MEMBER_REMOVE: &str = "topology-member-remove";
    /// [`super::MemberScaleRequest`].
    pub const MEMBER_SCALE: &str = "topology-member-scale";
    /// [`super::MemberScaleRequest`].
    pub const FORCE_SCALE_DOWN: &str = "topology-force-scale-down";
    /// [`super::JoinPartitionRequest`].
    pub const PARTITION_JOIN: &str = "topology-partition-join";
    /// [`super::LeavePartitionRequest`].
    pub const PARTITION_LEAVE: &str = "topology-partition-leave";
    /// [`super::MembersRequest`].
    pub const PARTITION_REASSIGN: &str = "topology-partition-reassign";
    /// [`super::CancelChangeRequest`].
    pub const CHANGE_CANCEL: &str = "topology-change-cancel";
    /// [`super::ClusterScaleRequest`].
    pub const CLUSTER_SCALE: &str = "topology-cluster-scale";
    /// [`super::ClusterPatchRequest`].
    pub const CLUSTER_PATCH: &str = "topology-cluster-patch";
    /// [`super::ForceRemoveRequest`].
    pub const BROKER_FORCE_REMOVE: &str = "topology-broker-force-remove";
    /// [`super::DisableExporterRequest`].
    pub const EXPORTER_DISABLE: &str = "topology-exporter-disable";
    /// [`super::EnableExporterRequest`].
    pub const EXPORTER_ENABLE: &str = "topology-exporter-enable";
}

/// Why a configuration is refused. Keep the one we have.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ConfigurationError {
    /// Not protobuf of the expected shape.
    #[error("cluster configuration cannot be read: {0}")]
    Malformed(#[from] prost::DecodeError),
    /// Mixing it with ours would lose a step that this version does not know.
    #[error("cluster configuration contains an operation of an unknown kind and cannot be merged")]
    UnknownOperation,
    /// Same version, other content.
    #[error("cluster configuration conflicts with ours at member `{member}`, version {version}")]
    Conflict {
        /// The member.
        member: String,
        /// Its version in both.
        version: i64,
    },
}

/// Payload that tells a configuration; empty when there is none.
#[must_use]
pub fn encode(topology: Option<&ClusterTopology>) -> Vec<u8> {
    GossipState { cluster_topology: topology.cloned() }.encode_to_vec()
}

/// Reads a payload that tells a configuration; `None` when the sender has none. What a newer version
/// added is passed over, so the payload itself must be kept to tell it to others.
pub fn decode(payload: &[u8]) -> Result<Option<ClusterTopology>, ConfigurationError> {
    Ok(GossipState::decode(payload)?.cluster_topology)
}

impl ClusterTopology {
    /// Whether it plans or planned a step that this version does not know.
    #[must_use]
    pub fn has_unknown_operation(&self) -> bool {
        let Some(plan) = &self.current_change else { return false };
        let completed = plan.completed_operations.iter().map(|done| done.operation.as_ref());
        let pending = plan.pending_operations.iter().map(Some);
        completed.chain(pending).any(|operation| operation.is_none_or(|o| o.step.is_none()))
    }

    /// The newer of two configurations, or a mixture of two that grew from the same version
    /// (cluster-protocol §5.2).
    pub fn merge(&self, other: &Self) -> Result<Self, ConfigurationError> {
        if self.version != other.version {
            let newer = if other.version > self.version { other } else { self };
            return Ok(newer.clone());
        }
        let mut merged = self.clone();
        for (id, theirs) in &other.members {
            match self.members.get(id) {
                Some(ours) if ours.version > theirs.version || ours == theirs => {}
                Some(ours) if ours.version == theirs.version => {
                    return Err(ConfigurationError::Conflict {
                        member: id.clone(),
                        version: ours.version,
                    });
                }
                _ => drop(merged.members.insert(id.clone(), theirs.clone())),
            }
        }
        let plan_version = |plan: &Option<ClusterChangePlan>| plan.as_ref().map(|p| p.version);
        if plan_version(&other.current_change) > plan_version(&self.current_change) {
            merged.current_change.clone_from(&other.current_change);
        }
        let routing_version = |routing: &Option<RoutingState>| routing.as_ref().map(|r| r.version);
        if routing_version(&other.routing_state) > routing_version(&self.routing_state) {
            merged.routing_state.clone_from(&other.routing_state);
        }
        Ok(merged)
    }

    /// Number of brokers that belong to the cluster (cluster-protocol §5.1).
    #[must_use]
    pub fn cluster_size(&self) -> usize {
        let gone = [State::Left as i32, State::Unknown as i32];
        self.members.values().filter(|member| !gone.contains(&member.state)).count()
    }

    /// Number of replicas of each partition, by partition id.
    fn replicas(&self) -> std::collections::BTreeMap<i32, usize> {
        let mut replicas = std::collections::BTreeMap::new();
        for id in self.members.values().flat_map(|member| member.partitions.keys()) {
            *replicas.entry(*id).or_insert(0) += 1;
        }
        replicas
    }

    /// Number of distinct partitions.
    #[must_use]
    pub fn partitions_count(&self) -> usize {
        self.replicas().len()
    }

    /// Replicas of the partition that has fewest; 0 without partitions.
    #[must_use]
    pub fn replication_factor(&self) -> usize {
        self.replicas().into_values().min().unwrap_or(0)
    }

    /// Sorted partitions that take commands without a key, when the configuration names any. Ids
    /// that no partition can have are dropped.
    #[must_use]
    pub fn active_partitions(&self) -> Option<Vec<PartitionId>> {
        let routing = self.routing_state.as_ref()?;
        let ids = routing.active_partitions.iter();
        let mut active: Vec<_> =
            ids.filter_map(|id| u16::try_from(*id).ok()).map(PartitionId).collect();
        active.sort_unstable();
        active.dedup();
        (!active.is_empty()).then_some(active)
    }

    /// Partition count of the correlation-key hash, when the configuration names one.
    #[must_use]
    pub fn correlation_partitions(&self) -> Option<u32> {
        let correlation = self.routing_state.as_ref()?.message_correlation.as_ref()?;
        match correlation.correlation.as_ref()? {
            message_correlation::Correlation::HashMod(hash_mod) => {
                u32::try_from(hash_mod.partition_count).ok().filter(|count| *count > 0)
            }
        }
    }

    /// Ids of its members, by text order.
    #[must_use]
    pub fn member_ids(&self) -> Vec<MemberId> {
        self.members.keys().map(|id| MemberId::new(id.as_str())).collect()
    }

    /// The member that answers management requests: the smallest id by text order, `"0"` when there
    /// is none (cluster-protocol §5.4).
    #[must_use]
    pub fn coordinator(&self) -> MemberId {
        MemberId::new(self.members.keys().next().map_or("0", String::as_str))
    }
}
