//! Streams of pushed jobs: which brokers know them, and which client gets a job.
//!
//! A plain state machine. Clients that ask for the same (type, worker, timeout, variables, tenants)
//! share one stream with one id; it is added at every broker while it has clients, and removed when
//! the last one left (cluster-protocol §8.3). Invariants:
//!
//! * A stream wanted at a broker is being added, added, or waits for its next try; also what was
//!   added is added again from time to time, because a broker may forget without a word.
//! * A pushed job has one client. It counts as accepted when the client's transport took it, or when
//!   the broker would give up waiting: from then on it is ours to deliver or to give back.
//! * A client that does not read holds one job, not more.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use uuid::Uuid;

use crate::model::{MemberId, Millis, StreamJobs};

/// Pause before a failed request is repeated (command-api §4.7).
const RETRY: Millis = Millis(1_000);
/// How often a broker is told again of a stream it knows.
const VERIFY: Millis = Millis(30_000);
/// When a job still on its way is accepted: brokers wait 5 s (cluster-protocol §8.5).
const ACCEPT_AFTER: Millis = Millis(4_000);
/// A job taken within this time shows that its client reads.
const PROMPT: Millis = Millis(250);
/// Most jobs on their way to one client.
const MAX_CREDIT: usize = 16;

/// A client of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u64);

/// A pushed job on its way to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PushId(pub u64);

/// What the caller has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask the broker to forget every stream of this member id, then report with
    /// [`JobStreams::cleaned`].
    RemoveAll {
        /// The broker.
        broker: MemberId,
    },
    /// Add the stream at the broker, then report with [`JobStreams::added`].
    Add {
        /// The stream.
        stream: Uuid,
        /// The broker.
        broker: MemberId,
    },
    /// Remove the stream at the broker, then report with [`JobStreams::removed`].
    Remove {
        /// The stream.
        stream: Uuid,
        /// The broker.
        broker: MemberId,
    },
    /// Tell the broker that the pushed job is taken.
    Accept {
        /// The push.
        push: PushId,
    },
}

/// Where a pushed job goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routed {
    /// To this client; report with [`JobStreams::settled`].
    To(ClientId, PushId),
    /// Nobody knows the stream.
    Unknown,
    /// This many clients, none of which reads.
    Blocked(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Registration {
    /// An add is under way.
    Adding,
    /// Added, or failed to: next add at this time.
    AddAt(Millis),
    /// A remove is under way.
    Removing,
    /// A remove failed: next try at this time.
    RemoveAt(Millis),
}

#[derive(Debug)]
struct Stream {
    shape: StreamJobs,
    /// In the order of their next turn. Empty: the stream is being removed.
    clients: VecDeque<ClientId>,
    brokers: BTreeMap<MemberId, Registration>,
}

#[derive(Debug)]
struct Client {
    stream: Uuid,
    on_the_way: BTreeSet<PushId>,
    /// Jobs it may have on their way: doubled by reading promptly, 1 after a pause.
    credit: usize,
}

#[derive(Clone, Copy, Debug)]
struct Push {
    client: ClientId,
    at: Millis,
    accepted: bool,
}

/// All streams. See the module.
#[derive(Debug, Default)]
pub struct JobStreams {
    streams: BTreeMap<Uuid, Stream>,
    by_shape: HashMap<StreamJobs, Uuid>,
    clients: BTreeMap<ClientId, Client>,
    pushes: BTreeMap<PushId, Push>,
    /// Known brokers, and whether they may be told of streams yet.
    brokers: BTreeMap<MemberId, bool>,
    next_id: u64,
}

impl JobStreams {
    /// A registry with ids above `id`, so that they differ from those of an earlier one.
    #[must_use]
    pub fn with_ids_from(id: u64) -> Self {
        Self { next_id: id, ..Self::default() }
    }

    /// Streams with clients.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_shape.len()
    }

    /// Whether there is no stream with clients.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_shape.is_empty()
    }

    /// Clients of all streams.
    #[must_use]
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// What the stream delivers, for adding it at a broker.
    #[must_use]
    pub fn shape(&self, stream: Uuid) -> Option<&StreamJobs> {
        self.streams.get(&stream).map(|stream| &stream.shape)
    }

    fn next(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// A client joins the stream of this shape; `fresh` names the stream if it is new.
    pub fn open(&mut self, shape: StreamJobs, fresh: Uuid, out: &mut Vec<Effect>) -> ClientId {
        let client = ClientId(self.next());
        let id = *self.by_shape.entry(shape.clone()).or_insert(fresh);
        let stream = self.streams.entry(id).or_insert_with(|| {
            let ready = self.brokers.iter().filter(|(_, ready)| **ready);
            let brokers: BTreeMap<_, _> =
                ready.map(|(broker, _)| (broker.clone(), Registration::Adding)).collect();
            let adds = brokers.keys().cloned();
            out.extend(adds.map(|broker| Effect::Add { stream: id, broker }));
            Stream { shape, clients: VecDeque::new(), brokers }
        });
        stream.clients.push_back(client);
        let state = Client { stream: id, on_the_way: BTreeSet::new(), credit: 1 };
        self.clients.insert(client, state);
        client
    }

    /// A client left. The last one takes the stream with it.
    pub fn close(&mut self, client: ClientId, out: &mut Vec<Effect>) {
        let Some(gone) = self.clients.remove(&client) else { return };
        let Some(stream) = self.streams.get_mut(&gone.stream) else { return };
        stream.clients.retain(|other| *other != client);
        if !stream.clients.is_empty() {
            return;
        }
        self.by_shape.remove(&stream.shape);
        for (broker, registration) in &mut stream.brokers {
            // A pending add is waited for: its remove must not overtake it.
            if let Registration::AddAt(_) = registration {
                *registration = Registration::Removing;
                out.push(Effect::Remove { stream: gone.stream, broker: broker.clone() });
            }
        }
        self.drop_if_done(gone.stream);
    }

    fn drop_if_done(&mut self, id: Uuid) {
        let done = |s: &Stream| s.clients.is_empty() && s.brokers.is_empty();
        if self.streams.get(&id).is_some_and(done) {
            self.streams.remove(&id);
        }
    }

    /// A broker appeared. What an earlier gateway of the same member id left there goes first.
    pub fn broker_joined(&mut self, broker: MemberId, out: &mut Vec<Effect>) {
        if self.brokers.insert(broker.clone(), false).is_none() {
            out.push(Effect::RemoveAll { broker });
        }
    }

    /// The broker forgot what there was before, or cannot be asked to.
    pub fn cleaned(&mut self, broker: &MemberId, out: &mut Vec<Effect>) {
        let Some(ready) = self.brokers.get_mut(broker) else { return };
        if !std::mem::replace(ready, true) {
            self.add_all(broker, out);
        }
    }

    /// The broker restarted and asks for all streams anew.
    pub fn recreate(&mut self, broker: &MemberId, out: &mut Vec<Effect>) {
        if self.brokers.get(broker) == Some(&true) {
            self.forget(broker);
            self.add_all(broker, out);
        }
    }

    fn add_all(&mut self, broker: &MemberId, out: &mut Vec<Effect>) {
        for (id, stream) in self.streams.iter_mut().filter(|(_, s)| !s.clients.is_empty()) {
            stream.brokers.insert(broker.clone(), Registration::Adding);
            out.push(Effect::Add { stream: *id, broker: broker.clone() });
        }
    }

    /// A broker left the cluster.
    pub fn broker_left(&mut self, broker: &MemberId) {
        self.brokers.remove(broker);
        self.forget(broker);
    }

    fn forget(&mut self, broker: &MemberId) {
        for stream in self.streams.values_mut() {
            stream.brokers.remove(broker);
        }
        self.streams.retain(|_, s| !s.clients.is_empty() || !s.brokers.is_empty());
    }

    /// The outcome of an add.
    pub fn added(
        &mut self,
        stream: Uuid,
        broker: &MemberId,
        success: bool,
        now: Millis,
        out: &mut Vec<Effect>,
    ) {
        let Some(known) = self.streams.get_mut(&stream) else { return };
        let Some(registration) = known.brokers.get_mut(broker) else { return };
        if *registration != Registration::Adding {
            return;
        }
        if known.clients.is_empty() {
            // Even a failed add may have reached the broker.
            *registration = Registration::Removing;
            out.push(Effect::Remove { stream, broker: broker.clone() });
        } else {
            let pause = if success { VERIFY } else { RETRY };
            *registration = Registration::AddAt(now + pause);
        }
    }

    /// The outcome of a remove; `done` also when the broker refused it for good.
    pub fn removed(&mut self, stream: Uuid, broker: &MemberId, done: bool, now: Millis) {
        let Some(known) = self.streams.get_mut(&stream) else { return };
        if known.brokers.get(broker) != Some(&Registration::Removing) {
            return;
        }
        if done {
            known.brokers.remove(broker);
            self.drop_if_done(stream);
        } else {
            known.brokers.insert(broker.clone(), Registration::RemoveAt(now + RETRY));
        }
    }

    /// A broker pushes a job: to the next client that reads.
    pub fn push(&mut self, stream: Uuid, now: Millis) -> Routed {
        let push = PushId(self.next());
        let Some(known) = self.streams.get_mut(&stream).filter(|s| !s.clients.is_empty()) else {
            return Routed::Unknown;
        };
        for _ in 0..known.clients.len() {
            let Some(id) = known.clients.pop_front() else { break };
            known.clients.push_back(id);
            let Some(client) = self.clients.get_mut(&id) else { continue };
            if client.on_the_way.len() < client.credit {
                client.on_the_way.insert(push);
                self.pushes.insert(push, Push { client: id, at: now, accepted: false });
                return Routed::To(id, push);
            }
        }
        Routed::Blocked(known.clients.len())
    }

    /// The client's transport took a job, or the client is gone. Says whether the broker still
    /// waits for an answer, which then is for the caller to give when the job was not taken.
    pub fn settled(
        &mut self,
        push: PushId,
        taken: bool,
        now: Millis,
        out: &mut Vec<Effect>,
    ) -> bool {
        let Some(known) = self.pushes.remove(&push) else { return false };
        if let Some(client) = self.clients.get_mut(&known.client) {
            client.on_the_way.remove(&push);
            let prompt = taken && now <= known.at + PROMPT;
            client.credit = if prompt { (client.credit * 2).min(MAX_CREDIT) } else { 1 };
        }
        if taken && !known.accepted {
            out.push(Effect::Accept { push });
        }
        !known.accepted
    }

    /// Whether the broker was already told that the job is taken.
    #[must_use]
    pub fn is_accepted(&self, push: PushId) -> bool {
        self.pushes.get(&push).is_some_and(|push| push.accepted)
    }

    /// When [`JobStreams::on_time`] is due next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        let accepts = self.pushes.values().filter(|push| !push.accepted);
        let accepts = accepts.map(|push| push.at + ACCEPT_AFTER);
        let registrations = self.streams.values().flat_map(|stream| stream.brokers.values());
        let tries = registrations.filter_map(|registration| match registration {
            Registration::AddAt(at) | Registration::RemoveAt(at) => Some(*at),
            Registration::Adding | Registration::Removing => None,
        });
        accepts.chain(tries).min()
    }

    /// Time passed.
    pub fn on_time(&mut self, now: Millis, out: &mut Vec<Effect>) {
        for (push, state) in &mut self.pushes {
            if !state.accepted && state.at + ACCEPT_AFTER <= now {
                state.accepted = true;
                out.push(Effect::Accept { push: *push });
            }
        }
        for (id, stream) in &mut self.streams {
            for (broker, registration) in &mut stream.brokers {
                let broker = broker.clone();
                match *registration {
                    Registration::AddAt(at) if at <= now => {
                        *registration = Registration::Adding;
                        out.push(Effect::Add { stream: *id, broker });
                    }
                    Registration::RemoveAt(at) if at <= now => {
                        *registration = Registration::Removing;
                        out.push(Effect::Remove { stream: *id, broker });
                    }
                    _ => {}
                }
            }
        }
    }

    /// Streams and the number of brokers that were told of them.
    pub fn registrations(&self) -> impl Iterator<Item = (Uuid, &StreamJobs, usize, usize)> {
        self.streams.iter().filter(|(_, s)| !s.clients.is_empty()).map(|(id, stream)| {
            let told = stream.brokers.values();
            let told = told.filter(|r| matches!(r, Registration::AddAt(_))).count();
            (*id, &stream.shape, stream.clients.len(), told)
        })
    }

    /// Known brokers.
    pub fn known_brokers(&self) -> impl Iterator<Item = &MemberId> {
        self.brokers.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(worker: &str) -> StreamJobs {
        StreamJobs {
            job_type: "t".into(),
            worker: worker.into(),
            timeout_ms: 1000,
            fetch_variables: vec![],
            tenant_ids: vec!["<default>".into()],
        }
    }

    fn broker(id: &str) -> MemberId {
        MemberId::new(id)
    }

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    fn effects(run: impl FnOnce(&mut Vec<Effect>)) -> Vec<Effect> {
        let mut out = Vec::new();
        run(&mut out);
        out
    }

    /// A registry that knows broker 0, ready for streams.
    fn with_broker() -> JobStreams {
        let mut streams = JobStreams::default();
        let cleaning = effects(|out| streams.broker_joined(broker("0"), out));
        assert_eq!(cleaning, [Effect::RemoveAll { broker: broker("0") }]);
        assert_eq!(effects(|out| streams.cleaned(&broker("0"), out)), []);
        streams
    }

    fn add(stream: u128, at: &str) -> Effect {
        Effect::Add { stream: id(stream), broker: broker(at) }
    }

    fn remove(stream: u128, at: &str) -> Effect {
        Effect::Remove { stream: id(stream), broker: broker(at) }
    }

    #[test]
    fn equal_clients_share_a_registration_that_ends_with_the_last_of_them() {
        let mut streams = with_broker();
        let mut out = Vec::new();
        let first = streams.open(shape("w"), id(1), &mut out);
        assert_eq!(std::mem::take(&mut out), [add(1, "0")]);
        let second = streams.open(shape("w"), id(2), &mut out);
        let other = streams.open(shape("x"), id(3), &mut out);
        assert_eq!(std::mem::take(&mut out), [add(3, "0")]);
        streams.added(id(1), &broker("0"), true, Millis(0), &mut out);
        streams.close(first, &mut out);
        assert_eq!(out, []);
        streams.close(second, &mut out);
        assert_eq!(std::mem::take(&mut out), [remove(1, "0")]);
        assert_eq!(streams.push(id(1), Millis(0)), Routed::Unknown);
        // The other's add is under way: its remove waits for it.
        streams.close(other, &mut out);
        assert_eq!(out, []);
        streams.added(id(3), &broker("0"), false, Millis(0), &mut out);
        assert_eq!(out, [remove(3, "0")]);
        streams.removed(id(3), &broker("0"), true, Millis(0));
        streams.removed(id(1), &broker("0"), true, Millis(0));
        assert_eq!((streams.streams.len(), streams.len()), (0, 0));
    }

    #[test]
    fn a_failed_add_is_repeated_and_a_good_one_verified() {
        let mut streams = with_broker();
        let mut out = Vec::new();
        streams.open(shape("w"), id(1), &mut out);
        out.clear();
        streams.added(id(1), &broker("0"), false, Millis(0), &mut out);
        assert_eq!(streams.next_deadline(), Some(RETRY));
        assert_eq!(effects(|out| streams.on_time(RETRY, out)), [add(1, "0")]);
        streams.added(id(1), &broker("0"), true, Millis(2_000), &mut out);
        assert_eq!(streams.next_deadline(), Some(Millis(32_000)));
        assert_eq!(effects(|out| streams.on_time(Millis(32_000), out)), [add(1, "0")]);
    }

    #[test]
    fn brokers_that_appear_or_ask_are_told_of_every_stream() {
        let mut streams = with_broker();
        let mut out = Vec::new();
        streams.open(shape("w"), id(1), &mut out);
        streams.added(id(1), &broker("0"), true, Millis(0), &mut out);
        out.clear();
        streams.broker_joined(broker("1"), &mut out);
        assert_eq!(std::mem::take(&mut out), [Effect::RemoveAll { broker: broker("1") }]);
        assert_eq!(effects(|out| streams.recreate(&broker("1"), out)), [], "not before");
        assert_eq!(effects(|out| streams.cleaned(&broker("1"), out)), [add(1, "1")]);
        assert_eq!(effects(|out| streams.recreate(&broker("0"), out)), [add(1, "0")]);
        streams.broker_left(&broker("1"));
        assert_eq!(effects(|out| streams.recreate(&broker("1"), out)), []);
    }

    #[test]
    fn a_client_that_does_not_read_holds_one_job_and_the_next_one_gets_the_others() {
        let mut streams = with_broker();
        let mut out = Vec::new();
        let slow = streams.open(shape("w"), id(1), &mut out);
        let Routed::To(to, held) = streams.push(id(1), Millis(0)) else { panic!("not routed") };
        assert_eq!(to, slow);
        assert_eq!(streams.push(id(1), Millis(0)), Routed::Blocked(1));
        let quick = streams.open(shape("w"), id(2), &mut out);
        out.clear();
        for _ in 0..3 {
            let Routed::To(to, push) = streams.push(id(1), Millis(10)) else { panic!("no") };
            assert_eq!(to, quick);
            assert!(streams.settled(push, true, Millis(11), &mut out));
            assert_eq!(std::mem::take(&mut out), [Effect::Accept { push }]);
        }
        // The held job is accepted before the broker gives up, and then is ours.
        assert_eq!(
            effects(|out| streams.on_time(ACCEPT_AFTER, out)),
            [Effect::Accept { push: held }]
        );
        assert!(streams.is_accepted(held));
        assert!(!streams.settled(held, false, Millis(9_000), &mut out));
        assert_eq!(out, []);
    }

    #[test]
    fn clients_take_turns_and_prompt_ones_get_more() {
        let mut streams = with_broker();
        let mut out = Vec::new();
        let a = streams.open(shape("w"), id(1), &mut out);
        let b = streams.open(shape("w"), id(2), &mut out);
        let mut turns = Vec::new();
        for _ in 0..4 {
            let Routed::To(to, push) = streams.push(id(1), Millis(0)) else { panic!("no") };
            turns.push(to);
            streams.settled(push, true, Millis(1), &mut out);
        }
        assert_eq!(turns, [a, b, a, b]);
        // Each doubled its credit twice: four jobs on the way for both.
        let routed = (0..9).filter(|_| matches!(streams.push(id(1), Millis(2)), Routed::To(..)));
        assert_eq!(routed.count(), 8);
    }
}
