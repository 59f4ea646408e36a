//! `/cluster`: what is known, how old it is and who said so.

use serde::Serialize;

use crate::model::{BrokerView, ClusterView, MemberView, Millis, PartitionView};

/// The cluster, with ages instead of times.
#[derive(Debug, Serialize)]
pub(super) struct Cluster<'a> {
    /// Grows with every change of the view.
    version: u64,
    cluster_size: i32,
    partitions_count: i32,
    replication_factor: i32,
    members: Vec<Member<'a>>,
    brokers: &'a [BrokerView],
    partitions: Vec<Partition<'a>>,
}

#[derive(Debug, Serialize)]
struct Member<'a> {
    #[serde(flatten)]
    member: &'a MemberView,
    age_ms: i64,
    source: &'static str,
}

#[derive(Debug, Serialize)]
struct Partition<'a> {
    #[serde(flatten)]
    partition: &'a PartitionView,
    /// Absent while the leader was never known.
    leader_age_ms: Option<i64>,
}

fn age(now: Millis, then: Millis) -> i64 {
    (now - then).0.max(0)
}

impl<'a> Cluster<'a> {
    /// The view as of `now`.
    pub(super) fn new(view: &'a ClusterView, now: Millis) -> Self {
        let member = |member: &'a MemberView| Member {
            member,
            age_ms: age(now, member.last_seen),
            source: "gossip",
        };
        let partition = |partition: &'a PartitionView| Partition {
            partition,
            leader_age_ms: (partition.leader_seen != Millis::default())
                .then(|| age(now, partition.leader_seen)),
        };
        Self {
            version: view.version,
            cluster_size: view.cluster_size,
            partitions_count: view.partitions_count,
            replication_factor: view.replication_factor,
            members: view.members.iter().map(member).collect(),
            brokers: &view.brokers,
            partitions: view.partitions.iter().map(partition).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BrokerId, MemberId, MemberState, PartitionId};

    #[test]
    fn facts_carry_their_age_and_source() {
        let view = ClusterView {
            partitions: vec![PartitionView {
                id: PartitionId(1),
                leader: Some(BrokerId(0)),
                term: 3,
                followers: Vec::new(),
                inactive: Vec::new(),
                leader_source: "gossip",
                leader_seen: Millis(900),
            }],
            members: vec![MemberView {
                id: MemberId::new("0"),
                address: "a:1".to_owned(),
                state: MemberState::Alive,
                incarnation: 1,
                version: None,
                is_broker: true,
                last_seen: Millis(400),
            }],
            ..ClusterView::default()
        };
        let json = serde_json::to_value(Cluster::new(&view, Millis(1000))).expect("JSON");
        assert_eq!(json["partitions"][0]["leader_age_ms"], 100);
        assert_eq!(json["partitions"][0]["leader_source"], "gossip");
        assert_eq!(json["partitions"][0]["term"], 3);
        assert_eq!(json["members"][0]["age_ms"], 600);
        assert_eq!(json["members"][0]["source"], "gossip");
    }
}
