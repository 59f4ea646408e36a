//! The protocol itself: what to answer, when to ask, what to make of it.

use std::collections::{BTreeSet, VecDeque};

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::IteratorRandom as _;

use super::detector::{Outstanding, Purpose, Round};
use super::members::{Counters, KnownMember, Members, Source};
use super::targets::Targets;
use super::{Event, Input, Output, ReplyToken, RequestToken, SwimConfig, SwimIdentity};
use crate::model::{MemberId, MemberState, Millis};
use crate::wire::swim::{Address, Member, Request, Response};

/// One member's part in the protocol. Feed inputs with [`Swim::handle`], then drain
/// [`Swim::poll_output`], then call again no later than [`Swim::poll_timeout`].
#[derive(Debug)]
pub struct Swim {
    config: SwimConfig,
    rng: StdRng,
    own: Member,
    own_changed: bool,
    members: Members,
    targets: Targets,
    outstanding: Outstanding,
    round: Option<Round>,
    sync_order: Vec<MemberId>,
    syncing: bool,
    next_gossip: Millis,
    next_probe: Millis,
    next_sync: Millis,
    conflict: Option<Address>,
    outputs: VecDeque<Output>,
}

impl Swim {
    /// A member that starts now. `now` is the wall clock: it becomes the first incarnation, so that
    /// a restart has a higher one. The first probes are due at once.
    #[must_use]
    pub fn new(
        config: SwimConfig,
        identity: SwimIdentity,
        contact_points: Vec<Address>,
        seed: u64,
        now: Millis,
    ) -> Self {
        debug_assert!(config.gossip_interval > Millis(0) && config.probe_interval > Millis(0));
        debug_assert!(config.bootstrap_interval > Millis(0) && config.sync_interval > Millis(0));
        debug_assert!(config.probe_timeout > Millis(0));
        let mut rng = StdRng::seed_from_u64(seed);
        let mut targets = Targets::default();
        targets.set_contacts(contact_points, &identity.address, &mut rng);
        let own = Member {
            id: identity.id,
            address: identity.address,
            version: identity.version,
            timestamp: now,
            incarnation: now.0,
            state: Some(MemberState::Alive),
            properties: identity.properties,
        };
        Self {
            members: Members::new(config.limits.clone()),
            rng,
            own,
            own_changed: false,
            targets,
            outstanding: Outstanding::default(),
            round: None,
            sync_order: Vec::new(),
            syncing: false,
            next_gossip: now + config.gossip_interval,
            next_probe: now,
            next_sync: now + config.probe_interval,
            conflict: None,
            outputs: VecDeque::new(),
            config,
        }
    }

    /// We, as others shall know us.
    #[must_use]
    pub fn own(&self) -> &Member {
        &self.own
    }

    /// All other members, by id.
    pub fn members(&self) -> impl Iterator<Item = &KnownMember> {
        self.members.iter()
    }

    /// One other member.
    #[must_use]
    pub fn member(&self, id: &MemberId) -> Option<&KnownMember> {
        self.members.get(id)
    }

    /// What was refused, suspected, refuted so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.members.counters
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Tick`] is due if nothing else comes before.
    #[must_use]
    pub fn poll_timeout(&self) -> Millis {
        let mut next = self.next_gossip;
        if self.round.is_none() {
            next = next.min(self.next_probe);
        }
        if !self.syncing {
            next = next.min(self.next_sync);
        }
        self.outstanding.next_deadline().map_or(next, |deadline| next.min(deadline))
    }

    /// Takes an input; what follows from it is in [`Swim::poll_output`] when this returns.
    pub fn handle(&mut self, now: Millis, input: Input) {
        match input {
            Input::Tick => {}
            Input::Request { token, request } => self.answer(now, token, request),
            Input::Response { token, response } => self.succeeded(now, token, response),
            Input::RequestFailed { token } => self.failed(now, token),
            Input::Gossip(updates) => self.hear_all(now, updates),
            Input::SetProperty { name, value } => self.set_property(name, value),
            Input::SetContactPoints(addresses) => {
                self.targets.set_contacts(addresses, &self.own.address, &mut self.rng);
            }
            Input::Leave => self.leave(),
        }
        self.publish_events(now);
        self.run_timers(now);
        self.publish_events(now);
        self.members.check();
        debug_assert!(self.poll_timeout() > now, "a timer that is due was not served");
    }

    fn run_timers(&mut self, now: Millis) {
        for token in self.outstanding.overdue(now) {
            self.failed(now, token);
        }
        if now >= self.next_gossip {
            self.gossip(now);
        }
        if self.round.is_none() && now >= self.next_probe {
            self.probe(now);
        }
        if !self.syncing && now >= self.next_sync {
            self.synchronise(now);
        }
    }

    // ---- what others ask ----

    fn answer(&mut self, now: Millis, token: ReplyToken, request: Request) {
        let response = match request {
            Request::Probe { prober, target } => {
                self.refute_as_target(&target);
                self.hear(now, *prober, Source::FirstHand);
                Response::Member(Box::new(self.own.clone()))
            }
            Request::Sync(member) => {
                self.hear(now, *member, Source::FirstHand);
                Response::Members(self.everybody())
            }
            Request::ProbeFor(target) => {
                if self.outstanding.relays() < self.config.limits.relays_max {
                    let reply = Purpose::Relay { reply: token, target: target.id.clone() };
                    self.send_probe(now, *target, reply);
                    return;
                }
                self.members.counters.refused += 1;
                Response::Reachable(false)
            }
        };
        self.outputs.push_back(Output::Reply { token, response });
    }

    fn everybody(&self) -> Vec<Member> {
        let others = self.members.iter().map(|known| known.member.clone());
        std::iter::once(self.own.clone()).chain(others).collect()
    }

    /// A prober shows us how it knows us; if that is not how we are, we outbid it
    /// (cluster-protocol §3.4).
    fn refute_as_target(&mut self, seen: &Member) {
        if seen.id != self.own.id {
            return;
        }
        if seen.incarnation > self.own.incarnation {
            self.refute(seen.incarnation);
        } else if seen.state == Some(MemberState::Suspect) {
            self.refute(self.own.incarnation);
        }
    }

    fn refute(&mut self, incarnation: i64) {
        debug_assert!(incarnation >= self.own.incarnation);
        self.own.incarnation = incarnation.saturating_add(1);
        self.members.counters.refutations += 1;
        self.members.queue.insert(self.own.id.clone(), self.own.clone());
        if self.config.broadcast_disputes {
            self.broadcast(self.own.clone());
        }
    }

    // ---- what others tell ----

    fn hear_all(&mut self, now: Millis, mut updates: Vec<Member>) {
        let limit = self.config.limits.updates_max;
        self.members.counters.refused += updates.len().saturating_sub(limit) as u64;
        updates.truncate(limit);
        for update in updates {
            self.hear(now, update, Source::Hearsay);
        }
    }

    fn hear(&mut self, now: Millis, update: Member, source: Source) {
        if update.id == self.own.id {
            self.hear_of_ourselves(update);
            return;
        }
        self.members.apply(now, update, source);
    }

    /// JVM members ignore news about themselves and refute only when probed. We outbid a rumour of
    /// our end, or of an earlier life of ours, as soon as we hear it.
    fn hear_of_ourselves(&mut self, rumour: Member) {
        if rumour.address != self.own.address {
            if self.conflict.as_ref() != Some(&rumour.address) {
                self.conflict = Some(rumour.address.clone());
                self.members.events.push_back(Event::IdentityConflict(rumour));
            }
            return;
        }
        let doubted = matches!(rumour.state, Some(MemberState::Suspect | MemberState::Dead));
        let outdated = rumour.incarnation > self.own.incarnation;
        if outdated || (doubted && rumour.incarnation == self.own.incarnation) {
            self.refute(rumour.incarnation);
        }
    }

    fn set_property(&mut self, name: String, value: Option<String>) {
        let before = match &value {
            Some(value) => self.own.properties.insert(name, value.clone()),
            None => self.own.properties.remove(&name),
        };
        self.own_changed |= before != value;
    }

    /// The protocol has no word for leaving; being dead, at an incarnation that nobody else has
    /// heard of, does the same. From now on we say so to whoever asks, too.
    fn leave(&mut self) {
        self.own.state = Some(MemberState::Dead);
        self.own.incarnation = self.own.incarnation.saturating_add(1);
        self.broadcast(self.own.clone());
    }

    // ---- probes ----

    fn probe(&mut self, now: Millis) {
        let Some(target) = self.targets.next(&self.members, &mut self.rng) else {
            self.end_round(now);
            return;
        };
        self.round = Some(Round {
            target: target.id.clone(),
            incarnation: target.incarnation,
            contact: target.state.is_none(),
            asked: BTreeSet::new(),
        });
        self.send_probe(now, target, Purpose::Probe);
    }

    fn send_probe(&mut self, now: Millis, target: Member, purpose: Purpose) {
        let to = target.address.clone();
        let prober = Box::new(self.own.clone());
        let request = Request::Probe { prober, target: Box::new(target) };
        self.send(now, to, request, purpose, self.config.probe_timeout);
    }

    fn send(
        &mut self,
        now: Millis,
        to: Address,
        request: Request,
        purpose: Purpose,
        timeout: Millis,
    ) -> RequestToken {
        let token = self.outstanding.open(purpose, now + timeout);
        self.outputs.push_back(Output::Send { to, token, request, timeout });
        token
    }

    fn end_round(&mut self, now: Millis) {
        self.round = None;
        let nobody = self.members.len() == 0;
        let pause =
            if nobody { self.config.bootstrap_interval } else { self.config.probe_interval };
        self.next_probe = now + pause;
    }

    fn succeeded(&mut self, now: Millis, token: RequestToken, response: Response) {
        let Some(purpose) = self.outstanding.close(token) else { return };
        match (purpose, response) {
            (Purpose::Probe, Response::Member(member)) => self.probe_answered(now, *member),
            (Purpose::Indirect, Response::Reachable(true)) => self.end_round(now),
            (Purpose::Sync, Response::Members(members)) => {
                self.hear_all(now, members);
                self.end_sync(now);
            }
            (Purpose::Relay { reply, target }, Response::Member(member)) => {
                self.relayed(reply, member.id == target);
            }
            (purpose, _) => self.purpose_failed(now, token, purpose),
        }
    }

    /// Another member may answer at the address of a dead one; that is no sign of life.
    fn probe_answered(&mut self, now: Millis, member: Member) {
        let expected = self.round.as_ref().is_some_and(|r| r.contact || r.target == member.id);
        self.hear(now, member, Source::FirstHand);
        if expected {
            self.end_round(now);
        } else {
            self.probe_failed(now);
        }
    }

    fn failed(&mut self, now: Millis, token: RequestToken) {
        if let Some(purpose) = self.outstanding.close(token) {
            self.purpose_failed(now, token, purpose);
        }
    }

    fn purpose_failed(&mut self, now: Millis, token: RequestToken, purpose: Purpose) {
        match purpose {
            Purpose::Probe => self.probe_failed(now),
            Purpose::Indirect => self.indirect_failed(now, token),
            Purpose::Sync => self.end_sync(now),
            Purpose::Relay { reply, .. } => self.relayed(reply, false),
        }
    }

    fn relayed(&mut self, token: ReplyToken, reachable: bool) {
        let response = Response::Reachable(reachable);
        self.outputs.push_back(Output::Reply { token, response });
    }

    fn probe_failed(&mut self, now: Millis) {
        self.members.counters.probes_failed += 1;
        let Some(mut round) = self.round.take() else { return };
        let target = self.members.get(&round.target).map(|known| known.member.clone());
        let Some(target) = target.filter(|target| target.incarnation == round.incarnation) else {
            self.end_round(now);
            return;
        };
        let helpers = self.helpers(&round.target);
        let timeout = self.config.probe_timeout + self.config.probe_timeout;
        for helper in helpers {
            let request = Request::ProbeFor(Box::new(target.clone()));
            round.asked.insert(self.send(now, helper, request, Purpose::Indirect, timeout));
        }
        let alone = round.asked.is_empty();
        self.round = Some(round);
        if alone {
            self.condemn(now);
        }
    }

    /// Addresses of members that may probe on our behalf, at random.
    fn helpers(&mut self, target: &MemberId) -> Vec<Address> {
        let count = self.config.suspect_probes.saturating_sub(1);
        let others = self.members.iter().filter(|known| known.member.id != *target);
        let chosen = others.choose_multiple(&mut self.rng, count);
        chosen.into_iter().map(|known| known.member.address.clone()).collect()
    }

    fn indirect_failed(&mut self, now: Millis, token: RequestToken) {
        let Some(round) = &mut self.round else { return };
        if round.asked.remove(&token) && round.asked.is_empty() {
            self.condemn(now);
        }
    }

    /// Nobody reached the target of the round.
    fn condemn(&mut self, now: Millis) {
        let Some(round) = self.round.take() else { return };
        if let Some(suspect) = self.members.suspect(now, &round.target, round.incarnation) {
            let suspect = suspect.clone();
            if self.config.broadcast_updates {
                self.broadcast(suspect);
            } else if self.config.notify_suspect {
                let to = suspect.address.clone();
                self.outputs.push_back(Output::Datagram { to, updates: vec![suspect] });
            }
        }
        self.end_round(now);
    }

    // ---- synchronisation ----

    fn synchronise(&mut self, now: Millis) {
        if self.sync_order.is_empty() {
            self.sync_order = self.members.ids().cloned().collect();
            rand::seq::SliceRandom::shuffle(&mut self.sync_order[..], &mut self.rng);
        }
        while let Some(id) = self.sync_order.pop() {
            let Some(to) = self.members.address(&id).cloned() else { continue };
            self.syncing = true;
            let request = Request::Sync(Box::new(self.own.clone()));
            self.send(now, to, request, Purpose::Sync, self.config.probe_timeout);
            return;
        }
        self.end_sync(now);
    }

    fn end_sync(&mut self, now: Millis) {
        self.syncing = false;
        // Who just started asks more often: it knows least, and is known least.
        let young = now - self.own.timestamp < self.config.sync_interval;
        let pause = if young { self.config.probe_interval } else { self.config.sync_interval };
        self.next_sync = now + pause;
    }

    // ---- gossip ----

    fn gossip(&mut self, now: Millis) {
        self.next_gossip = now + self.config.gossip_interval;
        self.members.expire(now, self.config.failure_timeout, self.config.forget_dead_after);
        if std::mem::take(&mut self.own_changed) {
            self.own.incarnation = self.own.incarnation.saturating_add(1);
            self.members.queue.insert(self.own.id.clone(), self.own.clone());
            self.members.events.push_back(Event::MetadataChanged(self.own.clone()));
        }
        if self.members.queue.is_empty() || self.members.len() == 0 {
            return;
        }
        let fanout = self.config.gossip_fanout;
        let chosen = self.members.iter().choose_multiple(&mut self.rng, fanout);
        let peers: Vec<_> = chosen.into_iter().map(|known| known.member.address.clone()).collect();
        let updates = std::mem::take(&mut self.members.queue).into_values();
        for batch in batches(updates, self.config.limits.datagram_bytes_max) {
            for to in &peers {
                let (to, updates) = (to.clone(), batch.clone());
                self.outputs.push_back(Output::Datagram { to, updates });
            }
        }
    }

    fn broadcast(&mut self, update: Member) {
        for known in self.members.iter() {
            let to = known.member.address.clone();
            self.outputs.push_back(Output::Datagram { to, updates: vec![update.clone()] });
        }
    }

    fn publish_events(&mut self, now: Millis) {
        while let Some(event) = self.members.events.pop_front() {
            if let Event::MemberAdded(member) = &event {
                self.targets.added(&member.id, &mut self.rng);
                if self.members.len() == 1 && !self.syncing {
                    // The first member known tells us all others; no need to wait an interval.
                    self.next_sync = now;
                }
            }
            self.outputs.push_back(Output::Event(event));
        }
    }
}

/// Cuts updates into batches of about `bytes_max`; each has at least one.
fn batches(updates: impl Iterator<Item = Member>, bytes_max: usize) -> Vec<Vec<Member>> {
    /// A member without host, id and properties, with the field names of its class.
    const MEMBER_BYTES: usize = 200;
    let (mut batches, mut used) = (Vec::<Vec<Member>>::new(), 0);
    for update in updates {
        let properties = update.properties.iter();
        let property_bytes: usize = properties.map(|(name, value)| name.len() + value.len()).sum();
        let bytes = MEMBER_BYTES + property_bytes;
        used += bytes;
        match batches.last_mut() {
            Some(batch) if used <= bytes_max => batch.push(update),
            _ => {
                batches.push(vec![update]);
                used = bytes;
            }
        }
    }
    batches
}
