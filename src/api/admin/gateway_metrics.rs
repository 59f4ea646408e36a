//! Numbers that are read off the actors and the cluster view at scrape time.

use std::collections::BTreeMap;

use crate::actors::gateway::{Gateway, LimitUse};
use crate::metrics::{Exposition, Kind};
use crate::model::{ActorSnapshot, ActorState, ClusterView, PartitionRole};

/// Appends the families.
pub(super) fn expose(gateway: &Gateway, out: &mut Exposition) {
    actors(&gateway.actors(), out);
    limits(&gateway.limits(), out);
    roles(&gateway.view(), out);
}

fn limits(limits: &[LimitUse], out: &mut Exposition) {
    let mut family = |name, kind, help, value: fn(&LimitUse) -> u64| {
        out.family(name, kind, help);
        for limit in limits {
            out.sample(name, &[("limit", limit.key)], value(limit));
        }
    };
    family("beegate_limit", Kind::Gauge, "A limit of the gateway.", |one| one.limit as u64);
    let help = "What is in use of a limit.";
    family("beegate_limit_used", Kind::Gauge, help, |one| one.used as u64);
    let help = "Calls and connections refused by a limit.";
    family("beegate_limit_refused_total", Kind::Counter, help, |one| one.refused);
}

fn state_name(state: ActorState) -> &'static str {
    match state {
        ActorState::Starting => "starting",
        ActorState::Running => "running",
        ActorState::BackingOff => "backing_off",
        ActorState::Stopped => "stopped",
        ActorState::Failed => "failed",
    }
}

/// Sums by kind: there is a session per client connection, and a series for each would not end.
/// Restarts are named by actor, for only few actors ever have any.
fn actors(actors: &[ActorSnapshot], out: &mut Exposition) {
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut depths: BTreeMap<&str, u64> = BTreeMap::new();
    for actor in actors {
        *counts.entry((actor.kind, state_name(actor.state))).or_default() += 1;
        *depths.entry(actor.kind).or_default() += actor.depth;
    }
    out.family("beegate_actors", Kind::Gauge, "Actors by kind and state.");
    for ((kind, state), count) in counts {
        out.sample("beegate_actors", &[("kind", kind), ("state", state)], count);
    }
    out.family("beegate_actor_depth", Kind::Gauge, "Messages waiting for actors of a kind.");
    for (kind, depth) in depths {
        out.sample("beegate_actor_depth", &[("kind", kind)], depth);
    }
    const RESTARTS: &str = "beegate_actor_restarts_total";
    out.family(RESTARTS, Kind::Counter, "Restarts of an actor by cause.");
    for actor in actors {
        let causes = [("error", actor.restarts.error), ("panic", actor.restarts.panic)];
        for (cause, count) in causes.into_iter().filter(|(_, count)| *count > 0) {
            let labels = [("actor", actor.name.as_str()), ("cause", cause), ("kind", actor.kind)];
            out.sample(RESTARTS, &labels, count);
        }
    }
}

/// The role of each broker in each partition (monitoring §4): 3 leads, 0 follows.
fn roles(view: &ClusterView, out: &mut Exposition) {
    const ROLES: &str = "zeebe_gateway_topology_partition_roles";
    out.family(ROLES, Kind::Gauge, "The partition role of the broker. 0 = Follower, 3 = Leader.");
    for broker in &view.brokers {
        for replica in &broker.replicas {
            let role = match replica.role {
                PartitionRole::Leader => 3,
                PartitionRole::Follower => 0,
                PartitionRole::Inactive | PartitionRole::Unknown(_) => continue,
            };
            let (partition, broker) = (replica.partition.to_string(), broker.id.to_string());
            out.sample(ROLES, &[("partition", &partition), ("broker", &broker)], role);
        }
    }
    out.family("beegate_cluster_size", Kind::Gauge, "Brokers in the cluster; -1 until known.");
    out.sample("beegate_cluster_size", &[], view.cluster_size);
    const LED: &str = "beegate_partitions_with_leader";
    out.family(LED, Kind::Gauge, "Partitions whose leader is known.");
    out.sample(LED, &[], view.partitions.iter().filter(|p| p.leader.is_some()).count());
}
