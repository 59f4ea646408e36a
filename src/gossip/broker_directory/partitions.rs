//! Roles per partition.

use crate::model::{BrokerId, Millis, PartitionId, PartitionRole, PartitionView};
use crate::wire::broker_info::BrokerInfo;

/// How long a leader that denied or vanished is not believed to lead, at first. Short, because a
/// leader that only lost a connection stays unused as long.
const DOUBT: Millis = Millis(250);
/// A doubt that ended without news and came back is twice as long, this many times.
const DOUBT_DOUBLINGS: u32 = 3;

const FROM_GOSSIP: &str = "gossip";
const FROM_REPLY: &str = "reply";
const AFTER_DOUBT: &str = "gossip, doubt ended";
const DOUBTED: &str = "doubted";
const NEVER: &str = "never seen";

#[derive(Clone, Debug)]
struct Partition {
    id: PartitionId,
    leader: Option<BrokerId>,
    /// A leader that is not believed to lead for the moment, and until when.
    doubted: Option<(BrokerId, Millis)>,
    /// Doubts about this leadership without a confirmation between them.
    doubts: u32,
    term: i64,
    followers: Vec<BrokerId>,
    inactive: Vec<BrokerId>,
    source: &'static str,
    seen: Millis,
}

impl Partition {
    fn new(id: PartitionId) -> Self {
        Self {
            id,
            leader: None,
            doubted: None,
            doubts: 0,
            term: 0,
            followers: Vec::new(),
            inactive: Vec::new(),
            source: NEVER,
            seen: Millis(0),
        }
    }

    fn drop_broker(&mut self, broker: BrokerId) {
        if self.leader == Some(broker) {
            self.leader = None;
        }
        if self.is_doubted(broker) {
            self.doubted = None;
        }
        self.followers.retain(|id| *id != broker);
        self.inactive.retain(|id| *id != broker);
    }

    fn learn(&mut self, now: Millis, broker: BrokerId, role: PartitionRole, term: i64) {
        match role {
            // A stale claim leaves the broker in the role it had.
            PartitionRole::Leader if term < self.term => {}
            // It says what it said before: no reason to end a doubt that came later.
            PartitionRole::Leader if self.is_doubted(broker) && term == self.term => {}
            PartitionRole::Leader => {
                if self.leader != Some(broker) || term > self.term {
                    self.doubts = 0;
                }
                self.drop_broker(broker);
                self.leader = Some(broker);
                self.doubted = None;
                self.term = term;
                self.source = FROM_GOSSIP;
                self.seen = now;
            }
            PartitionRole::Follower => {
                self.drop_broker(broker);
                self.followers.push(broker);
            }
            PartitionRole::Inactive => {
                self.drop_broker(broker);
                self.inactive.push(broker);
            }
            PartitionRole::Unknown(_) => self.drop_broker(broker),
        }
    }

    fn is_doubted(&self, broker: BrokerId) -> bool {
        self.doubted.is_some_and(|(doubted, _)| doubted == broker)
    }

    fn role_of(&self, broker: BrokerId) -> Option<PartitionRole> {
        if self.leader == Some(broker) {
            Some(PartitionRole::Leader)
        } else if self.followers.contains(&broker) {
            Some(PartitionRole::Follower)
        } else if self.inactive.contains(&broker) {
            Some(PartitionRole::Inactive)
        } else {
            None
        }
    }

    fn restore(&mut self, now: Millis, source: &'static str) {
        if let Some((broker, _)) = self.doubted.take() {
            debug_assert_eq!(self.leader, None, "a doubt ends when another leads");
            self.leader = Some(broker);
            self.source = source;
            self.seen = now;
        }
    }
}

/// All partitions ever seen, in order of discovery.
#[derive(Debug, Default)]
pub(super) struct Partitions(Vec<Partition>);

impl Partitions {
    /// Takes all roles of a broker; roles it no longer lists are dropped.
    pub(super) fn learn(&mut self, now: Millis, info: &BrokerInfo) {
        let broker = info.node_id;
        for partition in &mut self.0 {
            if !info.roles.iter().any(|(id, _)| *id == partition.id) {
                partition.drop_broker(broker);
            }
        }
        for (id, role) in &info.roles {
            let term = info.leader_term(*id).unwrap_or_default();
            self.entry(*id).learn(now, broker, *role, term);
        }
    }

    fn entry(&mut self, id: PartitionId) -> &mut Partition {
        let found = self.0.iter().position(|partition| partition.id == id);
        let at = found.unwrap_or(self.0.len());
        if at == self.0.len() {
            self.0.push(Partition::new(id));
        }
        &mut self.0[at]
    }

    fn find(&mut self, id: PartitionId) -> Option<&mut Partition> {
        self.0.iter_mut().find(|partition| partition.id == id)
    }

    pub(super) fn forget(&mut self, broker: BrokerId) {
        self.0.iter_mut().for_each(|partition| partition.drop_broker(broker));
    }

    /// Only the leadership that the news is about: `broker` in `term`.
    pub(super) fn doubt(
        &mut self,
        now: Millis,
        id: PartitionId,
        broker: BrokerId,
        term: i64,
    ) -> bool {
        let Some(partition) = self.find(id) else { return false };
        if partition.leader != Some(broker) || partition.term != term {
            return false;
        }
        let doublings = partition.doubts.min(DOUBT_DOUBLINGS);
        partition.doubts = partition.doubts.saturating_add(1);
        partition.leader = None;
        partition.doubted = Some((broker, now + Millis(DOUBT.0 << doublings)));
        partition.source = DOUBTED;
        partition.seen = now;
        true
    }

    pub(super) fn confirm(
        &mut self,
        now: Millis,
        id: PartitionId,
        broker: BrokerId,
        term: i64,
    ) -> bool {
        let Some(partition) = self.find(id).filter(|partition| partition.term == term) else {
            return false;
        };
        if partition.leader == Some(broker) {
            partition.doubts = 0;
            partition.source = FROM_REPLY;
            partition.seen = partition.seen.max(now);
            return false;
        }
        if !partition.is_doubted(broker) {
            return false;
        }
        partition.doubts = 0;
        partition.restore(now, FROM_REPLY);
        true
    }

    pub(super) fn next_doubt_end(&self) -> Option<Millis> {
        self.0.iter().filter_map(|p| p.doubted).map(|(_, end)| end).min()
    }

    pub(super) fn end_doubts(&mut self, now: Millis) -> bool {
        let mut changed = false;
        for partition in &mut self.0 {
            if partition.doubted.is_some_and(|(_, end)| end <= now) {
                partition.restore(now, AFTER_DOUBT);
                changed = true;
            }
        }
        changed
    }

    /// Partitions in which a broker has a role, in order of discovery.
    pub(super) fn roles(
        &self,
        broker: BrokerId,
    ) -> impl Iterator<Item = (PartitionId, PartitionRole)> + '_ {
        self.0.iter().filter_map(move |p| p.role_of(broker).map(|role| (p.id, role)))
    }

    pub(super) fn views(&self) -> Vec<PartitionView> {
        let view = |partition: &Partition| PartitionView {
            id: partition.id,
            leader: partition.leader,
            term: partition.term,
            followers: partition.followers.clone(),
            inactive: partition.inactive.clone(),
            leader_source: partition.source,
            leader_seen: partition.seen,
        };
        self.0.iter().map(view).collect()
    }
}
