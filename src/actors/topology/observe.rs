//! What the admin endpoint shows of the topology.

use serde_json::{Value, json};

use crate::actors::cell::Observe;
use crate::actors::shared::Shared;
use crate::model::PartitionView;
use crate::net::membership::Membership;

/// Reads the published view and the members' snapshot; never asks the actor.
pub(super) struct TopologyState {
    shared: Shared,
    membership: Membership,
}

impl TopologyState {
    pub fn new(shared: Shared, membership: Membership) -> Self {
        Self { shared, membership }
    }
}

impl Observe for TopologyState {
    fn observe(&self) -> Value {
        let (view, now) = (self.shared.view(), self.shared.clock().now());
        let members = self.membership.members();
        let counters = members.counters;
        let partition = |partition: &PartitionView| {
            json!({
                "id": partition.id,
                "leader": partition.leader,
                "term": partition.term,
                "source": partition.leader_source,
                "age_ms": (now - partition.leader_seen).0,
            })
        };
        json!({
            "own_id": members.own.as_ref().map(|own| own.id.to_string()),
            "own_address": members.own.as_ref().map(|own| own.address.to_string()),
            "incarnation": members.own.as_ref().map(|own| own.incarnation),
            "view_version": view.version,
            "brokers": view.brokers.len(),
            "partitions": view.partitions.iter().map(partition).collect::<Vec<_>>(),
            "members": view.members.iter().map(|member| json!({
                "id": member.id,
                "address": member.address,
                "state": member.state,
                "incarnation": member.incarnation,
                "broker": member.is_broker,
                "heard_ms_ago": (now - member.last_seen).0,
            })).collect::<Vec<_>>(),
            "gossip": {
                "members_refused": counters.refused,
                "stale_updates": counters.stale,
                "own_refutations": counters.refutations,
                "probes_failed": counters.probes_failed,
                "suspicions": counters.suspicions,
                "deaths": counters.deaths,
            },
        })
    }
}
