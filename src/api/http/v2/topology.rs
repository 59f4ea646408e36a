//! `/v2/topology` and the other reads that need no command.

use super::super::json::Object;
use crate::model::{BrokerView, ClusterView, PartitionHealth, PartitionRole};
use crate::wire::DecodeError;

/// Writes the cluster as gRPC's Topology shows it (command-api §6.1); without a broker the member
/// `brokers` is left out.
pub(in crate::api::http) fn topology(
    view: &ClusterView,
    answer: &mut Object<'_>,
) -> Result<(), DecodeError> {
    if !view.brokers.is_empty() {
        answer.array("brokers", |brokers| {
            view.brokers.iter().try_for_each(|b| brokers.object(|o| broker(o, b)))
        })?;
    }
    answer.int("clusterSize", view.cluster_size);
    answer.int("partitionsCount", view.partitions_count);
    answer.int("replicationFactor", view.replication_factor);
    answer.text("gatewayVersion", crate::api::GATEWAY_VERSION);
    Ok(())
}

/// Writes that there is no licence, as an unlicensed JVM gateway does; 8.8 adds what it is for.
pub(in crate::api::http) fn license(answer: &mut Object<'_>) -> Result<(), DecodeError> {
    answer.bool("validLicense", false);
    answer.text("licenseType", "unknown");
    if !answer.exact() {
        answer.bool("isCommercial", false);
    }
    Ok(())
}

fn broker(o: &mut Object<'_>, broker: &BrokerView) -> Result<(), DecodeError> {
    let address = broker.command_address.rsplit_once(':');
    let (host, port) = address.unwrap_or((broker.command_address.as_str(), "0"));
    o.int("nodeId", broker.id.0);
    o.text("host", host);
    o.int("port", port.parse::<u16>().unwrap_or_default());
    o.array("partitions", |partitions| {
        broker.replicas.iter().try_for_each(|replica| {
            partitions.object(|o| {
                o.int("partitionId", replica.partition.0);
                o.text("role", role(replica.role));
                o.text("health", health(replica.health));
                Ok(())
            })
        })
    })?;
    o.text("version", &broker.version);
    Ok(())
}

fn role(role: PartitionRole) -> &'static str {
    match role {
        PartitionRole::Leader => "leader",
        PartitionRole::Follower => "follower",
        PartitionRole::Inactive | PartitionRole::Unknown(_) => "inactive",
    }
}

fn health(health: PartitionHealth) -> &'static str {
    match health {
        PartitionHealth::Healthy => "healthy",
        PartitionHealth::Dead => "dead",
        PartitionHealth::Unhealthy | PartitionHealth::Unknown(_) => "unhealthy",
    }
}

/// Whether some partition has a healthy leader: what 8.8's `/v2/status` reports.
pub(in crate::api::http) fn any_healthy_leader(view: &ClusterView) -> bool {
    view.brokers.iter().flat_map(|broker| &broker.replicas).any(|replica| {
        replica.role == PartitionRole::Leader && replica.health == PartitionHealth::Healthy
    })
}
