//! Streams of pushed jobs: keeps them registered at every broker and hands pushed jobs to clients.
//!
//! Brokers → **job-streams** → frontends. Decisions are [`JobStreams`]'s; this actor sends its
//! requests, and holds the clients' channels and the brokers' pushes that are not answered yet.
//!
//! Invariant: a push is answered with success only when the client's transport took the job, or when
//! the job is in a delivery that gives it back if the client goes away.

mod brokers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use actix::{Actor, Context, Handler, Supervised};
use arc_swap::ArcSwap;
use bytes::Bytes;
use rand::Rng as _;
use serde_json::{Value, json};
use uuid::Uuid;

use brokers::{REMOVE, REMOVE_ALL, encoded};

use super::activation::{GiveBack, NOT_SENT, Owed, Why};
use super::alarm::Alarm;
use super::gateway::{ActivatedJob, Delivered, JobDelivery};
use super::job_caller::JobCaller;
use super::mailbox::{Mail, Mailbox};
use super::shared::{BrokerEvent, Shared};
use super::{JOB_ACTIVATION, supervise};
use crate::chance;
use crate::error::GatewayError;
use crate::model::{BrokerId, Key, MemberId, Millis, StreamErrorCode, StreamJobs};
use crate::net::{Messenger, Responder};
use crate::routing::job_streams::{ClientId, Effect, JobStreams, PushId, Routed};
use crate::wire::Address;
use crate::wire::record::{JobPush, Record as _};
use crate::wire::sbe::Message;
use crate::wire::sbe::stream::{
    PushStreamRequest, PushStreamResponse, RemoveStreamRequest, StreamError, StreamErrorDetail,
};

/// Kind of this actor.
pub const KIND: &str = "job-streams";

/// How often clients that went away are cleared out.
const SWEEP: Millis = Millis(1_000);
/// Streams shown on the admin endpoint.
const SHOWN: usize = 100;
/// A stream that no broker knows for this long gets a warning, and another after each
/// [`REMINDER`] (users-and-peers R10).
const LONELY: Millis = Millis(10_000);
const REMINDER: Millis = Millis(60_000);
/// When the gateway stops, streams end in about this many batches over about this long, so that
/// their clients do not all open them elsewhere at the same moment (users-and-peers R10).
const LAST_BATCHES: usize = 20;
const LAST_PAUSE: Millis = Millis(100);
/// So few streams end at once.
const SMALL_BATCH: usize = 8;
/// Ids of one life of the actor.
const IDS_PER_LIFE: u32 = 48;

/// A client wants jobs pushed.
#[derive(Debug)]
pub struct Open {
    /// Which jobs.
    pub stream: StreamJobs,
    /// Who gets them. The stream is over when the client went away.
    pub caller: JobCaller,
}

/// A broker pushes a job.
#[derive(Debug)]
pub struct Pushed {
    /// The request as it came.
    pub payload: Bytes,
    /// The way back.
    pub responder: Responder,
}

/// A broker forgot our streams and asks for them.
#[derive(Debug)]
pub struct Recreate {
    /// Its internal address.
    pub sender: Address,
}

/// The gateway stops: brokers are told to forget all its streams, and these end, a few at a time.
#[derive(Debug)]
pub struct Retire;

/// How a request to a broker ended.
enum Ended {
    Cleaned(MemberId),
    Added(Uuid, MemberId, bool),
    Removed(Uuid, MemberId, bool),
}

/// What became of a pushed job.
struct Settled {
    push: PushId,
    client: ClientId,
    taken: bool,
    owed: Owed,
}

#[derive(Clone)]
struct Parts {
    mailbox: Mailbox<JobStreamActor>,
    shared: Shared,
    messenger: Messenger,
    give_back: GiveBack,
    observed: Arc<ArcSwap<Value>>,
    lives: Arc<AtomicU64>,
    open: Arc<AtomicUsize>,
}

/// The end of all streams.
#[derive(Clone, Copy, Debug)]
struct Ending {
    batch: usize,
    next: Millis,
}

/// See the module.
pub struct JobStreamActor {
    parts: Parts,
    streams: JobStreams,
    clients: BTreeMap<ClientId, JobCaller>,
    /// Jobs that wait for a client. Their brokers are told when they waited in vain.
    waiting: BTreeMap<PushId, JobPush>,
    /// Pushes that the broker still waits for.
    responders: BTreeMap<PushId, Responder>,
    addresses: BTreeMap<MemberId, Address>,
    pushed: u64,
    refused: u64,
    next_sweep: Millis,
    ending: Option<Ending>,
    /// Streams that no broker knows, and when the next warning of them is due.
    lonely: BTreeMap<Uuid, Millis>,
    alarm: Alarm,
}

/// Starts the job streams. `open` will tell how many clients have one.
#[must_use]
pub fn start(
    shared: &Shared,
    messenger: Messenger,
    give_back: GiveBack,
    open: Arc<AtomicUsize>,
) -> Mailbox<JobStreamActor> {
    let observed = Arc::new(ArcSwap::from_pointee(Value::Null));
    let shown: Arc<ArcSwap<Value>> = Arc::clone(&observed);
    let cell = shared.register(KIND, &[], shown);
    let supervision = shared.supervision(JOB_ACTIVATION);
    let arbiter = shared.spawner().control().clone();
    let own = shared.clone();
    let mailbox = supervise::start(&arbiter, cell, supervision, move |mailbox| {
        let lives = Arc::default();
        let shared = own;
        let parts = Parts { mailbox, shared, messenger, give_back, observed, lives, open };
        JobStreamActor::new(parts)
    });
    let follower = mailbox.clone();
    shared.on_broker(move |event| follower.send(event.clone()));
    mailbox
}

impl JobStreamActor {
    fn new(parts: Parts) -> Self {
        let life = parts.lives.fetch_add(1, Relaxed);
        let mut actor = Self {
            parts,
            streams: JobStreams::with_ids_from(life << IDS_PER_LIFE),
            clients: BTreeMap::new(),
            waiting: BTreeMap::new(),
            responders: BTreeMap::new(),
            addresses: BTreeMap::new(),
            pushed: 0,
            refused: 0,
            next_sweep: Millis(0),
            ending: None,
            lonely: BTreeMap::new(),
            alarm: Alarm::default(),
        };
        // Brokers that were known before; nothing is sent while there are no streams.
        let brokers: Vec<BrokerId> =
            actor.parts.shared.view().brokers.iter().map(|broker| broker.id).collect();
        for broker in brokers {
            let effects = actor.join(broker);
            actor.perform(effects);
        }
        actor
    }

    fn now(&self) -> Millis {
        self.parts.shared.clock().now()
    }

    fn join(&mut self, broker: BrokerId) -> Vec<Effect> {
        let view = self.parts.shared.view();
        let address = view.broker(broker).map(|known| known.internal_address.parse::<Address>());
        let mut out = Vec::new();
        match address {
            Some(Ok(address)) => {
                let member = MemberId::new(broker.to_string());
                self.addresses.insert(member.clone(), address);
                // It may be a new process with the id of one we knew.
                self.streams.broker_left(&member);
                self.streams.broker_joined(member, &mut out);
            }
            Some(Err(error)) => {
                log::warn!("event=broker_without_streams broker={broker} cause=\"{error}\"");
            }
            None => {}
        }
        out
    }

    fn leave(&mut self, broker: BrokerId) {
        let member = MemberId::new(broker.to_string());
        self.addresses.remove(&member);
        self.streams.broker_left(&member);
    }

    fn open(&mut self, open: Open) -> Vec<Effect> {
        let limit = self.parts.shared.config().limits.job_streams;
        if self.clients.len() >= limit {
            open.caller.fail(GatewayError::Overloaded {
                limit: "limits.job_streams",
                detail: format!("{limit} job streams are open"),
            });
            return Vec::new();
        }
        let mut out = Vec::new();
        let client = self.streams.open(
            open.stream,
            uuid::Builder::from_random_bytes(chance::rng().random()).into_uuid(),
            &mut out,
        );
        self.clients.insert(client, open.caller);
        out
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::RemoveAll { broker } => self.clean(broker),
                // A gateway that stops wants no more jobs.
                Effect::Add { .. } if self.ending.is_some() => {}
                Effect::Add { stream, broker } => self.add(stream, broker),
                Effect::Remove { stream, broker } => self.remove(stream, broker),
                Effect::Accept { push } => {
                    if let Some(responder) = self.responders.remove(&push) {
                        responder.reply(encoded(&PushStreamResponse));
                    }
                }
                Effect::Send { push, client } => {
                    if let Some(job) = self.waiting.remove(&push) {
                        self.deliver(client, push, job);
                    }
                }
                Effect::Refuse { push, clients } => {
                    self.waiting.remove(&push);
                    self.refused += 1;
                    if let Some(responder) = self.responders.remove(&push) {
                        responder.reply(blocked(clients));
                    }
                }
            }
        }
    }

    fn ended(&mut self, ended: Ended) -> Vec<Effect> {
        let now = self.now();
        let mut out = Vec::new();
        match ended {
            Ended::Cleaned(broker) => self.streams.cleaned(&broker, &mut out),
            Ended::Added(stream, broker, success) => {
                self.streams.added(stream, &broker, success, now, &mut out);
            }
            Ended::Removed(stream, broker, done) => {
                self.streams.removed(stream, &broker, done, now);
            }
        }
        out
    }

    fn pushed(&mut self, pushed: Pushed) {
        let Pushed { payload, mut responder } = pushed;
        let request = match PushStreamRequest::decode(&payload) {
            Ok(request) => request,
            Err(error) => return responder.error(format!("unreadable push: {error}")),
        };
        let push = match JobPush::from_bytes(&request.payload) {
            Ok(push) => push,
            Err(error) => {
                let text = format!("unreadable job: {error}");
                return responder.reply(failure(StreamErrorCode::Malformed, text, 0));
            }
        };
        self.pushed += 1;
        match self.streams.push(request.id, self.now()) {
            // Those that are on their way or wait are bounded by the clients.
            Routed::To(client, id) => {
                responder.hold();
                self.responders.insert(id, responder);
                self.deliver(client, id, push);
            }
            Routed::Waits(id) => {
                responder.hold();
                self.responders.insert(id, responder);
                self.waiting.insert(id, push);
            }
            Routed::Unknown => {
                self.refused += 1;
                let text = format!("no stream with id {}", request.id);
                responder.reply(failure(StreamErrorCode::NotFound, text, 0));
                self.tell_all(REMOVE, &encoded(&RemoveStreamRequest { id: request.id }));
            }
            Routed::Blocked(clients) => {
                self.refused += 1;
                responder.reply(blocked(clients));
            }
        }
    }

    fn deliver(&self, client: ClientId, push: PushId, job: JobPush) {
        let job = ActivatedJob { key: Key(job.key), record: job.record };
        let owed = Owed::from(&job);
        let mailbox = self.parts.mailbox.clone();
        let settle = move |delivered| {
            let taken = match delivered {
                Delivered::All => true,
                Delivered::Except { returned, .. } => returned.is_empty(),
                Delivered::Nothing => false,
            };
            mailbox.send(Settled { push, client, taken, owed });
        };
        let delivery = JobDelivery::new(vec![job], Box::new(settle))
            .with_on_doubt(self.parts.give_back.on_doubt(vec![owed]));
        match self.clients.get(&client) {
            Some(caller) => caller.send(delivery),
            None => drop(delivery),
        }
    }

    fn settled(&mut self, settled: Settled) -> Vec<Effect> {
        let Settled { push, client, taken, owed } = settled;
        let mut out = Vec::new();
        let broker_waits = self.streams.settled(push, taken, self.now(), &mut out);
        if !taken {
            match self.responders.remove(&push).filter(|_| broker_waits) {
                Some(responder) => {
                    let text = "the client went away".to_owned();
                    responder.reply(failure(StreamErrorCode::Exhausted, text, 1));
                }
                None => self.parts.give_back.jobs(Why::NotSent, [owed], NOT_SENT),
            }
            if self.clients.get(&client).is_some_and(JobCaller::is_gone) {
                self.close(client, &mut out);
            }
        }
        out
    }

    fn close(&mut self, client: ClientId, out: &mut Vec<Effect>) {
        self.clients.remove(&client);
        self.streams.close(client, out);
    }

    /// Performs what follows an input that may have changed registrations.
    fn finish(&mut self, effects: Vec<Effect>, context: &mut Context<Self>) {
        self.perform(effects);
        self.show();
        self.set_timer(context);
    }

    fn show(&self) {
        self.parts.open.store(self.clients.len(), Relaxed);
        let streams = self.streams.registrations().take(SHOWN).map(|(id, shape, clients, told)| {
            json!({
                "id": id.to_string(), "type": shape.job_type, "worker": shape.worker,
                "clients": clients, "brokers": told,
            })
        });
        self.parts.observed.store(Arc::new(json!({
            "streams": self.streams.len(),
            "clients": self.clients.len(),
            "brokers": self.addresses.len(),
            "pushed": self.pushed,
            "refused": self.refused,
            "shown": streams.collect::<Vec<Value>>(),
        })));
    }

    fn set_timer(&mut self, context: &mut Context<Self>) {
        let sweep = Some(self.next_sweep).filter(|_| !self.clients.is_empty());
        let end = self.ending.filter(|_| !self.clients.is_empty()).map(|ending| ending.next);
        let due = self.streams.next_deadline().into_iter().chain(sweep).chain(end).min();
        self.alarm.set(due, self.parts.shared.clock(), context, Self::due);
    }

    fn due(&mut self, context: &mut Context<Self>) {
        self.alarm.rang();
        let now = self.now();
        let mut out = Vec::new();
        if now >= self.next_sweep {
            self.next_sweep = now + SWEEP;
            let gone = self.clients.iter().filter(|(_, caller)| caller.is_gone());
            let gone: Vec<ClientId> = gone.map(|(client, _)| *client).collect();
            for client in gone {
                self.close(client, &mut out);
            }
            self.warn_of_lonely(now);
        }
        self.streams.on_time(now, &mut out);
        self.end_some(now, &mut out);
        self.finish(out, context);
    }

    /// Warns of streams that get no jobs because no broker knows them.
    fn warn_of_lonely(&mut self, now: Millis) {
        let known = std::mem::take(&mut self.lonely);
        for (stream, shape, clients, brokers) in self.streams.registrations() {
            if brokers > 0 || self.ending.is_some() {
                continue;
            }
            let mut due = known.get(&stream).copied().unwrap_or(now + LONELY);
            if due <= now {
                due = now + REMINDER;
                log::warn!(
                    "event=job_stream_without_brokers stream={stream} type={} clients={clients}",
                    shape.job_type,
                );
            }
            self.lonely.insert(stream, due);
        }
    }

    /// Ends the next streams, when the gateway stops and it is time.
    fn end_some(&mut self, now: Millis, out: &mut Vec<Effect>) {
        let Some(ending) = self.ending.as_mut().filter(|ending| ending.next <= now) else { return };
        let pause = LAST_PAUSE.0;
        ending.next = now + Millis(chance::rng().random_range(pause / 2..pause * 3 / 2));
        let last: Vec<ClientId> = self.clients.keys().take(ending.batch).copied().collect();
        for client in last {
            if let Some(caller) = self.clients.remove(&client) {
                caller.complete();
            }
            self.streams.close(client, out);
        }
    }
}

/// The reply to a push when no client reads.
fn blocked(clients: usize) -> Bytes {
    let text = format!("none of {clients} clients can take a job");
    failure(StreamErrorCode::Exhausted, text, clients)
}

/// An error reply with one detail per client that could not take the job.
fn failure(code: StreamErrorCode, message: String, blocked: usize) -> Bytes {
    let detail = || StreamErrorDetail {
        code: StreamErrorCode::Blocked,
        message: "the client does not read".to_owned(),
    };
    let details = std::iter::repeat_with(detail).take(blocked.min(usize::from(u8::MAX))).collect();
    encoded(&StreamError { code, message, details })
}

impl Actor for JobStreamActor {
    type Context = Context<Self>;
}

impl Supervised for JobStreamActor {
    /// Ends every stream; clients open them again. Brokers learn of the old ones by their pushes.
    /// A job that is on its way to a client is accepted: its delivery gives it back if need be.
    fn restarting(&mut self, _: &mut Self::Context) {
        for push in self.waiting.keys() {
            if let Some(responder) = self.responders.remove(push) {
                responder.reply(blocked(0));
            }
        }
        for responder in std::mem::take(&mut self.responders).into_values() {
            responder.reply(encoded(&PushStreamResponse));
        }
        *self = Self::new(self.parts.clone());
    }
}

impl Handler<Mail<Open>> for JobStreamActor {
    type Result = ();

    fn handle(&mut self, mail: Mail<Open>, context: &mut Self::Context) {
        let effects = self.open(mail.open());
        self.finish(effects, context);
    }
}

impl Handler<Mail<Pushed>> for JobStreamActor {
    type Result = ();

    fn handle(&mut self, mail: Mail<Pushed>, context: &mut Self::Context) {
        self.pushed(mail.open());
        self.set_timer(context);
    }
}

impl Handler<Mail<Settled>> for JobStreamActor {
    type Result = ();

    fn handle(&mut self, mail: Mail<Settled>, context: &mut Self::Context) {
        let effects = self.settled(mail.open());
        self.perform(effects);
        self.set_timer(context);
    }
}

impl Handler<Mail<Ended>> for JobStreamActor {
    type Result = ();

    fn handle(&mut self, mail: Mail<Ended>, context: &mut Self::Context) {
        let effects = self.ended(mail.open());
        self.finish(effects, context);
    }
}

impl Handler<Mail<Recreate>> for JobStreamActor {
    type Result = ();

    fn handle(&mut self, mail: Mail<Recreate>, context: &mut Self::Context) {
        let Recreate { sender } = mail.open();
        let broker = self.addresses.iter().find(|(_, address)| **address == sender);
        let mut out = Vec::new();
        if let Some((broker, _)) = broker {
            self.streams.recreate(broker, &mut out);
        }
        self.finish(out, context);
    }
}

impl Handler<Mail<BrokerEvent>> for JobStreamActor {
    type Result = ();

    fn handle(&mut self, mail: Mail<BrokerEvent>, context: &mut Self::Context) {
        let effects = match mail.open() {
            BrokerEvent::Added(broker) => self.join(broker),
            BrokerEvent::Removed(broker) => {
                self.leave(broker);
                Vec::new()
            }
        };
        self.finish(effects, context);
    }
}

impl Handler<Mail<Retire>> for JobStreamActor {
    type Result = ();

    fn handle(&mut self, mail: Mail<Retire>, context: &mut Self::Context) {
        let Retire = mail.open();
        self.tell_all(REMOVE_ALL, &Bytes::new());
        let batch = self.clients.len().div_ceil(LAST_BATCHES).max(SMALL_BATCH);
        let now = self.now();
        self.ending = Some(Ending { batch, next: now });
        let mut out = Vec::new();
        self.end_some(now, &mut out);
        self.finish(out, context);
    }
}
