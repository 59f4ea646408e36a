//! The numbered command streams between this partition and the others.

use std::collections::{BTreeMap, VecDeque};

use super::schedule::{Due, Schedule};
use crate::broker::engine::remote::RemoteCommand;
use crate::model::{Millis, PartitionId};

/// Both directions of the talk with one partition.
#[derive(Clone, Debug, Default, PartialEq)]
struct Link {
    /// Commands sent and not acknowledged; the first has number `acknowledged + 1`.
    unacknowledged: VecDeque<RemoteCommand>,
    acknowledged: u64,
    resend_at: Option<Millis>,
    /// Number of the last command received and executed.
    received: u64,
}

/// The talk with all other partitions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Links {
    by_peer: BTreeMap<PartitionId, Link>,
}

impl Links {
    /// The number the next command to `peer` gets.
    #[must_use]
    pub fn next_sequence(&self, peer: PartitionId) -> u64 {
        self.by_peer
            .get(&peer)
            .map_or(1, |link| link.acknowledged + link.unacknowledged.len() as u64 + 1)
    }

    /// Number of the last command received from `peer`.
    #[must_use]
    pub fn received(&self, peer: PartitionId) -> u64 {
        self.by_peer.get(&peer).map_or(0, |link| link.received)
    }

    /// Commands to `peer` that were not acknowledged, with their numbers, oldest first.
    pub fn unacknowledged(&self, peer: PartitionId) -> impl Iterator<Item = (u64, &RemoteCommand)> {
        let link = self.by_peer.get(&peer);
        link.into_iter().flat_map(|link| {
            let first = link.acknowledged + 1;
            link.unacknowledged.iter().enumerate().map(move |(i, c)| (first + i as u64, c))
        })
    }

    /// How many commands were not acknowledged.
    #[must_use]
    pub fn unacknowledged_count(&self) -> usize {
        self.by_peer.values().map(|link| link.unacknowledged.len()).sum()
    }

    /// Notes a command sent to `peer`, to be repeated at `resend_at`.
    pub fn sent(
        &mut self,
        peer: PartitionId,
        command: RemoteCommand,
        resend_at: Millis,
        schedule: &mut Schedule,
    ) {
        let link = self.by_peer.entry(peer).or_default();
        link.unacknowledged.push_back(command);
        if link.resend_at.is_none() {
            link.resend_at = Some(resend_at);
            schedule.add(resend_at, Due::Resend(peer));
        }
    }

    /// Notes that `peer` did everything up to number `through`.
    pub fn acknowledged(&mut self, peer: PartitionId, through: u64, schedule: &mut Schedule) {
        let Some(link) = self.by_peer.get_mut(&peer) else { return };
        while link.acknowledged < through && link.unacknowledged.pop_front().is_some() {
            link.acknowledged += 1;
        }
        if link.unacknowledged.is_empty()
            && let Some(at) = link.resend_at.take()
        {
            schedule.remove(at, Due::Resend(peer));
        }
    }

    /// Notes that everything unacknowledged was sent again, and when to repeat that.
    pub fn resent(&mut self, peer: PartitionId, next: Millis, schedule: &mut Schedule) {
        let Some(link) = self.by_peer.get_mut(&peer) else { return };
        if let Some(at) = link.resend_at.replace(next) {
            schedule.remove(at, Due::Resend(peer));
        }
        schedule.add(next, Due::Resend(peer));
    }

    /// Notes that the command with number `sequence` of `peer` was executed.
    pub fn executed(&mut self, peer: PartitionId, sequence: u64) {
        self.by_peer.entry(peer).or_default().received = sequence;
    }
}
