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
//! * A client has one job on its way. While one of the clients reads, more wait here for a moment;
//!   then they are refused, so that a client that does not read holds one job, not more.

use std::collections::{BTreeMap, HashMap, VecDeque};

use uuid::Uuid;

use crate::model::{MemberId, Millis, StreamJobs};

/// Pause before a failed request is repeated (command-api §4.7).
const RETRY: Millis = Millis(1_000);
/// How often a broker is told again of a stream it knows.
const VERIFY: Millis = Millis(30_000);
/// When a job still on its way is accepted: brokers wait 5 s (cluster-protocol §8.5).
const ACCEPT_AFTER: Millis = Millis(4_000);
/// A client whose job is on its way for longer does not read; a job waits no longer for a client.
const PROMPT: Millis = Millis(250);
/// Most jobs of a stream that wait, for each of its clients.
const WAITING_PER_CLIENT: usize = 16;

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
    /// Send the job that waited to this client; report with [`JobStreams::settled`].
    Send {
        /// The push.
        push: PushId,
        /// The client.
        client: ClientId,
    },
    /// Tell the broker that none of this many clients reads; the job waited in vain.
    Refuse {
        /// The push.
        push: PushId,
        /// How many.
        clients: usize,
    },
}

/// Where a pushed job goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routed {
    /// To this client; report with [`JobStreams::settled`].
    To(ClientId, PushId),
    /// Nowhere yet: an [`Effect::Send`] or an [`Effect::Refuse`] follows.
    Waits(PushId),
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
    /// Jobs that wait for a client, oldest first.
    waiting: VecDeque<PushId>,
    brokers: BTreeMap<MemberId, Registration>,
}

#[derive(Debug)]
struct Client {
    stream: Uuid,
    /// The job on its way, and since when.
    on_the_way: Option<(PushId, Millis)>,
}

impl Client {
    /// Whether it is likely to take the next job soon.
    fn reads(&self, now: Millis) -> bool {
        self.on_the_way.is_none_or(|(_, since)| now < since + PROMPT)
    }
}

#[derive(Clone, Copy, Debug)]
struct Push {
    /// None while it waits for one.
    client: Option<ClientId>,
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
            Stream { shape, clients: VecDeque::new(), waiting: VecDeque::new(), brokers }
        });
        stream.clients.push_back(client);
        let state = Client { stream: id, on_the_way: None };
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
        for push in std::mem::take(&mut stream.waiting) {
            self.pushes.remove(&push);
            out.push(Effect::Refuse { push, clients: 0 });
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

    /// A broker pushes a job: to the next client without one on its way.
    pub fn push(&mut self, stream: Uuid, now: Millis) -> Routed {
        let push = PushId(self.next());
        let Some(known) = self.streams.get_mut(&stream).filter(|s| !s.clients.is_empty()) else {
            return Routed::Unknown;
        };
        for _ in 0..known.clients.len() {
            let Some(id) = known.clients.pop_front() else { break };
            known.clients.push_back(id);
            let Some(client) = self.clients.get_mut(&id) else { continue };
            if client.on_the_way.is_none() {
                client.on_the_way = Some((push, now));
                self.pushes.insert(push, Push { client: Some(id), at: now, accepted: false });
                return Routed::To(id, push);
            }
        }
        let mut clients = known.clients.iter().filter_map(|id| self.clients.get(id));
        let room = known.waiting.len() < WAITING_PER_CLIENT.saturating_mul(known.clients.len());
        if room && clients.any(|client| client.reads(now)) {
            known.waiting.push_back(push);
            self.pushes.insert(push, Push { client: None, at: now, accepted: false });
            return Routed::Waits(push);
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
        if taken && !known.accepted {
            out.push(Effect::Accept { push });
        }
        if let Some(id) = known.client {
            self.send_next(id, taken, now, out);
        }
        !known.accepted
    }

    /// The client's job is settled; if it took it, it gets the one that waited longest.
    fn send_next(&mut self, id: ClientId, taken: bool, now: Millis, out: &mut Vec<Effect>) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.on_the_way = None;
        let Some(stream) = self.streams.get_mut(&client.stream).filter(|_| taken) else { return };
        let Some(push) = stream.waiting.pop_front() else { return };
        client.on_the_way = Some((push, now));
        if let Some(state) = self.pushes.get_mut(&push) {
            state.client = Some(id);
        }
        // It had a turn.
        stream.clients.retain(|other| *other != id);
        stream.clients.push_back(id);
        out.push(Effect::Send { push, client: id });
    }

    /// Whether the broker was already told that the job is taken.
    #[must_use]
    pub fn is_accepted(&self, push: PushId) -> bool {
        self.pushes.get(&push).is_some_and(|push| push.accepted)
    }

    /// When [`JobStreams::on_time`] is due next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        let pushes = self.pushes.values().filter(|push| !push.accepted);
        let accepts = pushes.map(|push| match push.client {
            Some(_) => push.at + ACCEPT_AFTER,
            None => push.at + PROMPT,
        });
        let registrations = self.streams.values().flat_map(|stream| stream.brokers.values());
        let tries = registrations.filter_map(|registration| match registration {
            Registration::AddAt(at) | Registration::RemoveAt(at) => Some(*at),
            Registration::Adding | Registration::Removing => None,
        });
        accepts.chain(tries).min()
    }

    /// Time passed.
    pub fn on_time(&mut self, now: Millis, out: &mut Vec<Effect>) {
        for stream in self.streams.values_mut() {
            let clients = stream.clients.len();
            while let Some(push) = stream.waiting.front().copied() {
                if self.pushes.get(&push).is_some_and(|state| now < state.at + PROMPT) {
                    break;
                }
                stream.waiting.pop_front();
                self.pushes.remove(&push);
                out.push(Effect::Refuse { push, clients });
            }
        }
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
mod tests;
