//! Timers and limits.

use crate::model::Millis;

/// Timers and switches of the protocol; defaults are Zeebe's (cluster-protocol §3.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SwimConfig {
    /// Between two checks of suspects, own properties and queued updates.
    pub gossip_interval: Millis,
    /// Members that each batch of updates is sent to.
    pub gossip_fanout: usize,
    /// Between the end of one probe round and the next.
    pub probe_interval: Millis,
    /// Same, while no member is known yet: how fast a started gateway finds its brokers.
    pub bootstrap_interval: Millis,
    /// How long a probe or synchronisation may take; asking others to probe may take twice as long.
    pub probe_timeout: Millis,
    /// Probes that must fail before a member is suspected, the direct one included.
    pub suspect_probes: usize,
    /// How long a member stays suspect before it is dead.
    pub failure_timeout: Millis,
    /// Between two synchronisations.
    pub sync_interval: Millis,
    /// Whether a suspicion is told to all members at once.
    pub broadcast_updates: bool,
    /// Whether a refutation is told to all members at once.
    pub broadcast_disputes: bool,
    /// Whether a suspicion is told to the suspect.
    pub notify_suspect: bool,
    /// How long hearsay about the life of a dead member is not believed. What it says itself is.
    pub forget_dead_after: Millis,
    /// What is over these is refused.
    pub limits: Limits,
}

impl Default for SwimConfig {
    fn default() -> Self {
        Self {
            gossip_interval: Millis(250),
            gossip_fanout: 2,
            probe_interval: Millis(1_000),
            bootstrap_interval: Millis(100),
            probe_timeout: Millis(100),
            suspect_probes: 3,
            failure_timeout: Millis(10_000),
            sync_interval: Millis(10_000),
            broadcast_updates: false,
            broadcast_disputes: true,
            notify_suspect: false,
            forget_dead_after: Millis(60_000),
            limits: Limits::default(),
        }
    }
}

/// Bounds of everything that others can make grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Members known at once; more are refused and counted.
    pub members_max: usize,
    /// Properties of one member.
    pub properties_max: usize,
    /// Bytes of all properties of one member, names included.
    pub property_bytes_max: usize,
    /// Updates taken from one datagram or synchronisation; the rest is dropped and counted.
    pub updates_max: usize,
    /// Probes on behalf of others at once; more are answered "not reachable".
    pub relays_max: usize,
    /// Estimated bytes of updates in one datagram; more go into further ones.
    pub datagram_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            members_max: 1_024,
            properties_max: 64,
            property_bytes_max: 64 << 10,
            updates_max: 4_096,
            relays_max: 64,
            datagram_bytes_max: 8 << 10,
        }
    }
}
