//! What we know of each member, and the rules by which news replace it (cluster-protocol §3.6).

use std::collections::{BTreeMap, VecDeque};

use super::{Event, Limits};
use crate::model::{MemberId, MemberState, Millis};
use crate::wire::swim::{Address, Member, Properties};

/// A member and what we make of it. Its state is never absent and never dead: the dead are removed.
#[derive(Clone, Debug)]
pub struct KnownMember {
    /// The member as we know it.
    pub member: Member,
    /// When it last spoke to us or answered us; none while we know it by hearsay only.
    pub last_heard: Option<Millis>,
    pub(super) suspect_since: Option<Millis>,
}

impl KnownMember {
    pub(super) fn state(&self) -> MemberState {
        self.member.state.unwrap_or(MemberState::Suspect)
    }
}

/// How much was refused or happened, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Updates refused because a limit was reached.
    pub refused: u64,
    /// Updates about dead members that were not believed.
    pub stale: u64,
    /// Times we refuted an opinion about ourselves.
    pub refutations: u64,
    /// Probes of ours that failed, contact points included.
    pub probes_failed: u64,
    /// Members that we ourselves began to suspect.
    pub suspicions: u64,
    /// Members that we ourselves declared dead.
    pub deaths: u64,
}

/// Where news come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// From the member itself.
    FirstHand,
    /// From somebody else.
    Hearsay,
}

/// A member that died.
#[derive(Clone, Copy, Debug)]
struct Tombstone {
    incarnation: i64,
    since: Millis,
}

/// All other members. Ordered maps keep outputs independent of hash seeds.
#[derive(Debug)]
pub(super) struct Members {
    limits: Limits,
    known: BTreeMap<MemberId, KnownMember>,
    dead: BTreeMap<MemberId, Tombstone>,
    /// Latest news of each member that still must be told.
    pub(super) queue: BTreeMap<MemberId, Member>,
    pub(super) events: VecDeque<Event>,
    pub(super) counters: Counters,
}

impl Members {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            known: BTreeMap::new(),
            dead: BTreeMap::new(),
            queue: BTreeMap::new(),
            events: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &KnownMember> {
        self.known.values()
    }

    pub(super) fn get(&self, id: &MemberId) -> Option<&KnownMember> {
        self.known.get(id)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &MemberId> {
        self.known.keys()
    }

    pub(super) fn address(&self, id: &MemberId) -> Option<&Address> {
        self.known.get(id).map(|known| &known.member.address)
    }

    /// Notes that a member spoke to us.
    pub(super) fn heard(&mut self, now: Millis, id: &MemberId) {
        if let Some(known) = self.known.get_mut(id) {
            known.last_heard = Some(now);
        }
    }

    /// Takes news about another member. News without state are placeholders and say nothing.
    pub(super) fn apply(&mut self, now: Millis, update: Member, source: Source) {
        let Some(state) = update.state else { return };
        if !self.fits(&update.properties) {
            self.counters.refused += 1;
            return;
        }
        let id = update.id.clone();
        match self.known.get(&id) {
            None => self.apply_unknown(now, update, state, source),
            Some(known) if is_replacement(&known.member, &update, state) => {
                self.replace(now, update, state);
            }
            Some(known) if update.incarnation > known.member.incarnation => {
                self.apply_newer(now, update, state);
            }
            Some(known) if update.incarnation == known.member.incarnation => {
                if state > known.state() {
                    self.advance(now, &id, state);
                    self.enqueue(&id, update);
                }
            }
            Some(_) => {}
        }
        if source == Source::FirstHand {
            self.heard(now, &id);
        }
    }

    fn fits(&self, properties: &Properties) -> bool {
        let bytes: usize = properties.iter().map(|(name, value)| name.len() + value.len()).sum();
        properties.len() <= self.limits.properties_max && bytes <= self.limits.property_bytes_max
    }

    fn apply_unknown(
        &mut self,
        now: Millis,
        mut update: Member,
        state: MemberState,
        source: Source,
    ) {
        if state != MemberState::Alive {
            return;
        }
        if self.known.len() >= self.limits.members_max {
            self.counters.refused += 1;
            return;
        }
        match self.dead.get(&update.id) {
            Some(grave) if grave.incarnation >= update.incarnation => {
                if source == Source::Hearsay {
                    self.counters.stale += 1;
                    return;
                }
                // It lives, but others hold it dead at this incarnation. As a suspect it is probed
                // next, refutes, and the higher incarnation convinces everybody.
                update.state = Some(MemberState::Suspect);
                update.incarnation = grave.incarnation;
            }
            _ => drop(self.queue.insert(update.id.clone(), update.clone())),
        }
        self.add(now, update);
    }

    fn add(&mut self, now: Millis, member: Member) {
        self.dead.remove(&member.id);
        self.events.push_back(Event::MemberAdded(member.clone()));
        let suspect_since = (member.state == Some(MemberState::Suspect)).then_some(now);
        let id = member.id.clone();
        self.known.insert(id, KnownMember { member, last_heard: None, suspect_since });
    }

    /// A new process took the id: nothing of the old one stays.
    fn replace(&mut self, now: Millis, update: Member, state: MemberState) {
        debug_assert_ne!(state, MemberState::Dead);
        if let Some(old) = self.known.remove(&update.id) {
            self.events.push_back(Event::MemberRemoved(old.member));
        }
        self.queue.insert(update.id.clone(), update.clone());
        self.add(now, update);
    }

    fn apply_newer(&mut self, now: Millis, update: Member, state: MemberState) {
        let id = update.id.clone();
        let Some(known) = self.known.get_mut(&id) else { return };
        known.member.incarnation = update.incarnation;
        if known.member.version.is_none() {
            known.member.version.clone_from(&update.version);
        }
        if state == MemberState::Alive && known.state() != MemberState::Alive {
            known.member.state = Some(MemberState::Alive);
            known.suspect_since = None;
            self.events.push_back(Event::ReachabilityChanged(known.member.clone()));
        } else if state == MemberState::Suspect && known.state() == MemberState::Suspect {
            // It refuted in between, so this suspicion is a new one.
            known.suspect_since = Some(now);
        }
        if state != MemberState::Dead {
            self.merge_properties(&id, &update.properties);
        }
        self.advance(now, &id, state);
        self.enqueue(&id, update);
    }

    /// Takes a worse state at the same incarnation; a better one changes nothing.
    fn advance(&mut self, now: Millis, id: &MemberId, state: MemberState) {
        let Some(known) = self.known.get_mut(id) else { return };
        if state <= known.state() {
            return;
        }
        if state == MemberState::Dead {
            self.bury(now, id);
            return;
        }
        known.member.state = Some(state);
        known.suspect_since = Some(now);
        self.events.push_back(Event::ReachabilityChanged(known.member.clone()));
    }

    /// Adds and overwrites; what was said once stays (cluster-protocol §3.6).
    fn merge_properties(&mut self, id: &MemberId, news: &Properties) {
        let Some(known) = self.known.get(id) else { return };
        let mut merged = known.member.properties.clone();
        merged.extend(news.iter().map(|(name, value)| (name.clone(), value.clone())));
        if merged == known.member.properties {
            return;
        }
        // A member that renames its properties without end would grow for ever; start over from
        // what it says now, which is within the limits.
        let merged = if self.fits(&merged) { merged } else { news.clone() };
        if let Some(known) = self.known.get_mut(id) {
            known.member.properties = merged;
            self.events.push_back(Event::MetadataChanged(known.member.clone()));
        }
    }

    /// Queues what we now hold of a member, or the news of its death.
    fn enqueue(&mut self, id: &MemberId, update: Member) {
        let news = self.known.get(id).map_or(update, |known| known.member.clone());
        self.queue.insert(id.clone(), news);
    }

    fn bury(&mut self, now: Millis, id: &MemberId) -> Option<Member> {
        let KnownMember { mut member, .. } = self.known.remove(id)?;
        if self.dead.len() >= self.limits.members_max {
            let oldest = self.dead.iter().min_by_key(|(_, grave)| grave.since);
            if let Some(oldest) = oldest.map(|(id, _)| id.clone()) {
                self.dead.remove(&oldest);
            }
        }
        let grave = Tombstone { incarnation: member.incarnation, since: now };
        self.dead.insert(id.clone(), grave);
        member.state = Some(MemberState::Dead);
        self.events.push_back(Event::MemberRemoved(member.clone()));
        Some(member)
    }

    /// Suspects a member, unless it has shown a newer incarnation since it was probed.
    pub(super) fn suspect(&mut self, now: Millis, id: &MemberId, probed: i64) -> Option<&Member> {
        let known = self.known.get_mut(id)?;
        if known.member.incarnation != probed || known.state() != MemberState::Alive {
            return None;
        }
        known.member.state = Some(MemberState::Suspect);
        known.suspect_since = Some(now);
        self.counters.suspicions += 1;
        self.events.push_back(Event::ReachabilityChanged(known.member.clone()));
        self.queue.insert(id.clone(), known.member.clone());
        Some(&known.member)
    }

    /// Buries members that were suspect for longer than `timeout`, and queues the news.
    pub(super) fn expire(&mut self, now: Millis, timeout: Millis, forget_dead_after: Millis) {
        let overdue =
            |known: &&KnownMember| known.suspect_since.is_some_and(|since| now - since > timeout);
        let ids: Vec<_> =
            self.known.values().filter(overdue).map(|known| known.member.id.clone()).collect();
        for id in ids {
            if let Some(member) = self.bury(now, &id) {
                self.counters.deaths += 1;
                self.queue.insert(id, member);
            }
        }
        self.dead.retain(|_, grave| now - grave.since <= forget_dead_after);
    }

    pub(super) fn check(&self) {
        debug_assert!(self.known.len() <= self.limits.members_max);
        debug_assert!(self.dead.len() <= self.limits.members_max);
        debug_assert!(self.known.iter().all(|(id, known)| {
            *id == known.member.id
                && !self.dead.contains_key(id)
                && known.member.state != Some(MemberState::Dead)
                && (known.member.state == Some(MemberState::Suspect))
                    == known.suspect_since.is_some()
        }));
    }
}

/// Whether news are of another process with the same id: another version, or a later start. JVM
/// members recognise only the former and then keep the old address (cluster-protocol §3.6).
fn is_replacement(known: &Member, update: &Member, state: MemberState) -> bool {
    if state == MemberState::Dead {
        return false;
    }
    let other_version = update.version.is_some()
        && known.version.is_some()
        && update.version != known.version
        && update.incarnation > known.incarnation;
    let later_start = update.timestamp > known.timestamp && update.incarnation >= known.incarnation;
    other_version || later_start
}
