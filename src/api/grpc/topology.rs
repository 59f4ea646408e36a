//! The Topology rpc, answered from the gateway's own view (command-api §6.2).

use super::proto as pb;
use crate::api::GATEWAY_VERSION;
use crate::model::{BrokerView, ClusterView, PartitionHealth, PartitionRole, ReplicaView};
use pb::partition::{PartitionBrokerHealth, PartitionBrokerRole};

/// The cluster as clients see it. Never fails; before any broker is known it is all but empty.
#[must_use]
pub fn topology(view: &ClusterView) -> pb::TopologyResponse {
    pb::TopologyResponse {
        brokers: view.brokers.iter().map(|broker| describe(view, broker)).collect(),
        cluster_size: view.cluster_size,
        partitions_count: view.partitions_count,
        replication_factor: view.replication_factor,
        gateway_version: GATEWAY_VERSION.to_owned(),
        ..Default::default()
    }
}

fn describe(view: &ClusterView, broker: &BrokerView) -> pb::BrokerInfo {
    let (host, port) = split(&broker.command_address);
    // In the order the cluster's partitions were discovered, not in the order this broker told.
    let replicas = view.partitions.iter().filter_map(|partition| {
        broker.replicas.iter().find(|replica| replica.partition == partition.id)
    });
    pb::BrokerInfo {
        node_id: broker.id.0,
        host,
        port,
        partitions: replicas.filter_map(partition).collect(),
        version: broker.version.clone(),
    }
}

fn partition(replica: &ReplicaView) -> Option<pb::Partition> {
    let role = match replica.role {
        PartitionRole::Leader => PartitionBrokerRole::Leader,
        PartitionRole::Follower => PartitionBrokerRole::Follower,
        PartitionRole::Inactive => PartitionBrokerRole::Inactive,
        PartitionRole::Unknown(_) => return None,
    };
    let health = match replica.health {
        PartitionHealth::Healthy => PartitionBrokerHealth::Healthy,
        PartitionHealth::Dead => PartitionBrokerHealth::Dead,
        PartitionHealth::Unhealthy | PartitionHealth::Unknown(_) => {
            PartitionBrokerHealth::Unhealthy
        }
    };
    Some(pb::Partition {
        partition_id: i32::from(replica.partition.0),
        role: role as i32,
        health: health as i32,
    })
}

/// Splits at the last colon, as addresses of IPv6 hosts contain more of them.
fn split(address: &str) -> (String, i32) {
    match address.rsplit_once(':') {
        Some((host, port)) => (host.to_owned(), port.parse().unwrap_or(0)),
        None => (address.to_owned(), 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BrokerId, Millis, PartitionId, PartitionView};

    #[test]
    fn before_any_broker_is_known() {
        let response = topology(&ClusterView::default());
        assert_eq!(response.cluster_size, -1);
        assert_eq!((response.partitions_count, response.replication_factor), (0, 0));
        assert_eq!(response.gateway_version, "8.6.0");
    }

    #[test]
    fn partitions_come_in_cluster_order_with_the_numbers_of_the_rpc() {
        let partition = |id: u16| PartitionView {
            id: PartitionId(id),
            leader: Some(BrokerId(0)),
            term: 1,
            followers: vec![],
            inactive: vec![],
            leader_source: "gossip",
            leader_seen: Millis(0),
        };
        let replica = |id, role, health| ReplicaView { partition: PartitionId(id), role, health };
        let view = ClusterView {
            partitions: vec![partition(2), partition(1)],
            brokers: vec![BrokerView {
                id: BrokerId(0),
                command_address: "::1:26501".into(),
                internal_address: "::1:26502".into(),
                version: "8.6.0".into(),
                replicas: vec![
                    replica(1, PartitionRole::Follower, PartitionHealth::Dead),
                    replica(2, PartitionRole::Leader, PartitionHealth::Healthy),
                ],
            }],
            ..Default::default()
        };
        let broker = &topology(&view).brokers[0];
        assert_eq!((broker.host.as_str(), broker.port), ("::1", 26501));
        let seen: Vec<_> =
            broker.partitions.iter().map(|p| (p.partition_id, p.role, p.health)).collect();
        assert_eq!(seen, [(2, 0, 0), (1, 1, 2)]);
    }
}
