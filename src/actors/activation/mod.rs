//! Job activation: polls for jobs, and who they wait for.
//!
//! Frontend → **job-activation** → dispatcher → leader connections. What to ask and whom to serve is
//! decided by [`LongPolls`]; this actor holds what the scheduler does not know: the requests, the
//! clients' channels, and the jobs between a broker's answer and the client.
//!
//! Invariant: an activated job is delivered or given back. An answer carries the duty from the
//! connection to this actor, a [`JobDelivery`] from here to the client; dropping either gives back.

mod give_back;
mod wait;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use actix::{Actor, Context, Handler, Supervised};
use serde_json::{Value, json};

use wait::wait;

pub use give_back::{GiveBack, NOT_SENT, Owed, Why};

use super::alarm::Alarm;
use super::cell::Observe;
use super::dispatcher::ViewChanged;
use super::gateway::{ActivatedJob, Delivered, JobDelivery};
use super::job_caller::JobCaller;
use super::mailbox::{Mail, Mailbox};
use super::shared::{Shared, Submitter};
use super::ticket::{Answer as Outcome, ReplyTo};
use super::{JOB_ACTIVATION, supervise};
use crate::clock::whole_millis;
use crate::error::GatewayError;
use crate::model::{
    ActivateJobs, Command, CommandKind, ErrorCode, Key, Millis, PartitionId, Reply, Route,
};
use crate::routing::long_poll::{
    Answer, AskId, LongPolls, NewPoll, Output, PollId, QueueKey, Settings,
};
use crate::wire::record::{JobBatchRecord, Record as _};

/// Kind of this actor.
pub const KIND: &str = "job-activation";

/// How often polls whose client went away are cleared out.
const SWEEP: Millis = Millis(1_000);
/// Ids of one life of the actor; answers to an earlier life match nothing.
const IDS_PER_LIFE: u32 = 48;

/// A poll of a client.
#[derive(Debug)]
pub struct Activate {
    /// What it asks for.
    pub poll: ActivateJobs,
    /// Who gets the jobs. The poll is given up when the client went away.
    pub caller: JobCaller,
}

/// Brokers say that jobs of this type became available.
#[derive(Clone, Debug)]
pub struct JobsAvailable(pub String);

/// The gateway stops: every poll ends, without jobs.
#[derive(Clone, Copy, Debug)]
pub struct Retire;

/// A partition's answer. Dropped unread, it gives its jobs back.
struct Answered {
    ask: AskId,
    poll: PollId,
    partition: PartitionId,
    outcome: Option<Outcome>,
    give_back: GiveBack,
}

impl Drop for Answered {
    fn drop(&mut self) {
        if let Some(Ok(reply)) = self.outcome.take() {
            self.give_back.reply(self.partition, &reply);
        }
    }
}

/// Jobs between a broker's answer and a delivery. Those that are left when it is dropped go back.
struct Activated {
    jobs: Vec<ActivatedJob>,
    give_back: GiveBack,
}

impl Activated {
    /// The first `count`; the others go back.
    fn first(mut self, count: usize) -> Vec<ActivatedJob> {
        let surplus = self.jobs.split_off(count.min(self.jobs.len()));
        std::mem::replace(&mut self.jobs, surplus)
    }
}

impl Drop for Activated {
    fn drop(&mut self) {
        self.give_back.jobs(Why::NotSent, self.jobs.iter().map(Owed::from), NOT_SENT);
    }
}

/// What the frontend did with a delivery.
enum Progress {
    /// It keeps `count` of its `of` jobs.
    Taken { poll: PollId, count: usize, of: usize },
    /// It dropped them: the client went away.
    Gone { poll: PollId },
}

/// What outlives restarts of the actor.
#[derive(Clone)]
struct Parts {
    mailbox: Mailbox<JobActivation>,
    shared: Shared,
    submitter: Submitter,
    give_back: GiveBack,
    gauges: Arc<Gauges>,
}

#[derive(Debug)]
struct Gauges {
    lives: AtomicU64,
    polls: AtomicU64,
    waiting: AtomicU64,
    asking: AtomicU64,
    asked: AtomicU64,
    delivered_jobs: AtomicU64,
    notifications: AtomicU64,
    give_back: GiveBack,
}

impl Observe for Gauges {
    fn observe(&self) -> Value {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        json!({
            "polls": read(&self.polls),
            "open": read(&self.waiting),
            "questions_under_way": read(&self.asking),
            "questions": read(&self.asked),
            "jobs_delivered": read(&self.delivered_jobs),
            "jobs_given_back": self.give_back.count(),
            "notifications": read(&self.notifications),
        })
    }
}

/// A poll's request and its client.
struct Open {
    request: ActivateJobs,
    caller: JobCaller,
}

/// See the module.
pub struct JobActivation {
    parts: Parts,
    polls: LongPolls,
    open: BTreeMap<PollId, Open>,
    ring: Vec<PartitionId>,
    next_sweep: Millis,
    alarm: Alarm,
}

/// Starts job activation.
#[must_use]
pub fn start(shared: &Shared, submitter: Submitter, give_back: GiveBack) -> Mailbox<JobActivation> {
    let late = give_back.clone();
    shared.on_late_jobs(Box::new(move |partition, reply| late.reply(partition, &reply)));
    shared.metrics().add(give_back.metrics());
    let gauges = Arc::new(Gauges {
        lives: AtomicU64::new(0),
        polls: AtomicU64::new(0),
        waiting: AtomicU64::new(0),
        asking: AtomicU64::new(0),
        asked: AtomicU64::new(0),
        delivered_jobs: AtomicU64::new(0),
        notifications: AtomicU64::new(0),
        give_back: give_back.clone(),
    });
    let observed: Arc<Gauges> = Arc::clone(&gauges);
    let cell = shared.register(KIND, &[], observed);
    let supervision = shared.supervision(JOB_ACTIVATION);
    let arbiter = shared.spawner().control().clone();
    let own = shared.clone();
    let mailbox = supervise::start(&arbiter, cell, supervision, move |mailbox| {
        JobActivation::new(Parts { mailbox, shared: own, submitter, give_back, gauges })
    });
    let follower = mailbox.clone();
    shared.on_view(move |_| follower.send(ViewChanged));
    mailbox
}

impl JobActivation {
    fn new(parts: Parts) -> Self {
        let life = parts.gauges.lives.fetch_add(1, Relaxed);
        let config = parts.shared.config();
        let settings = Settings {
            probe_interval: Millis(whole_millis(config.long_polling.probe_timeout)),
            polls_per_queue: config.limits.polls_per_job_type,
            overload_ends_polls: config.compatibility.exact,
        };
        let polls = LongPolls::with_ids_from(settings, life << IDS_PER_LIFE);
        let mut actor = Self {
            polls,
            open: BTreeMap::new(),
            ring: Vec::new(),
            next_sweep: Millis(0),
            alarm: Alarm::default(),
            parts,
        };
        let asked = actor.take_over_partitions();
        debug_assert!(asked.is_empty(), "without polls nothing is asked");
        actor
    }

    fn now(&self) -> Millis {
        self.parts.shared.clock().now()
    }

    /// Reads which partitions have a leader.
    fn take_over_partitions(&mut self) -> Vec<Output> {
        let view = self.parts.shared.view();
        let led = view.partitions.iter().filter(|partition| partition.leader.is_some());
        let mut ring: Vec<PartitionId> = led.map(|partition| partition.id).collect();
        drop(view);
        ring.sort_unstable();
        let mut out = Vec::new();
        if ring != self.ring {
            self.ring.clone_from(&ring);
            self.polls.set_partitions(ring, self.now(), &mut out);
        }
        out
    }

    fn arrive(&mut self, activate: Activate) -> Vec<Output> {
        let Activate { poll: request, caller } = activate;
        self.parts.gauges.polls.fetch_add(1, Relaxed);
        let mut out = Vec::new();
        let new = NewPoll {
            queue: QueueKey {
                job_type: request.job_type.clone(),
                tenant_ids: request.tenant_ids.clone(),
            },
            terms: terms(&request),
            max_jobs: request.max_jobs,
            wait: wait(&self.parts.shared.config().long_polling, request.request_timeout_ms),
        };
        match self.polls.arrive(new, self.now(), &mut out) {
            Ok(id) => {
                self.open.insert(id, Open { request, caller });
            }
            Err(full) => caller.fail(GatewayError::Overloaded {
                limit: "limits.polls_per_job_type",
                detail: format!("job type '{}': {full}", request.job_type),
            }),
        }
        out
    }

    /// Does what the scheduler decided, and sets the timer it needs.
    fn carry_out(&mut self, mut out: Vec<Output>, context: &mut Context<Self>) {
        while !out.is_empty() {
            for output in std::mem::take(&mut out) {
                self.carry_out_one(output, &mut out);
            }
        }
        let gauges = &self.parts.gauges;
        gauges.waiting.store(self.open.len() as u64, Relaxed);
        gauges.asking.store(self.polls.asking() as u64, Relaxed);
        self.set_timer(context);
    }

    fn carry_out_one(&mut self, output: Output, out: &mut Vec<Output>) {
        match output {
            Output::Ask { ask, poll, partition, max_jobs } => {
                let open = self.open.get(&poll).filter(|open| !open.caller.is_gone());
                match open {
                    Some(open) => self.ask(ask, poll, partition, batch(&open.request, max_jobs)),
                    None => self.withdraw(ask, poll, out),
                }
            }
            Output::Complete { poll } => self.complete(poll),
            // Without long polling the JVM gateway does not tell either (command-api §4.2).
            Output::Exhausted { poll } if !self.parts.shared.config().long_polling.enabled => {
                self.complete(poll);
            }
            Output::Exhausted { poll } => {
                if let Some(Open { request, caller }) = self.open.remove(&poll) {
                    caller.fail(GatewayError::JobsExhausted { job_type: request.job_type });
                }
            }
        }
    }

    fn complete(&mut self, poll: PollId) {
        if let Some(open) = self.open.remove(&poll) {
            open.caller.complete();
        }
    }

    /// The client is gone: its question is not sent, another poll may have its turn.
    fn withdraw(&mut self, ask: AskId, poll: PollId, out: &mut Vec<Output>) {
        let now = self.now();
        self.open.remove(&poll);
        self.polls.cancel(poll, now, out);
        self.polls.answered(ask, Answer::NotAsked, now, out);
    }

    fn ask(
        &self,
        ask: AskId,
        poll: PollId,
        partition: PartitionId,
        (value, authorization): (bytes::Bytes, bytes::Bytes),
    ) {
        self.parts.gauges.asked.fetch_add(1, Relaxed);
        self.parts.mailbox.cell().sent();
        let command = Command {
            kind: CommandKind::ActivateJobs,
            key: Key::NONE,
            route: Route::Partition(partition),
            operation_reference: None,
            value,
            authorization,
            transport_retry: false,
            timeout: None,
        };
        let (mailbox, give_back) = (self.parts.mailbox.clone(), self.parts.give_back.clone());
        let answered = move |outcome| {
            mailbox.send(Answered { ask, poll, partition, outcome: Some(outcome), give_back });
        };
        self.parts.submitter.submit(command, ReplyTo::Callback(Box::new(answered)));
    }

    fn answered(&mut self, mut answered: Answered) -> Vec<Output> {
        let Answered { ask, poll, partition, .. } = answered;
        let Some(outcome) = answered.outcome.take() else { return Vec::new() };
        let now = self.now();
        let mut out = Vec::new();
        match outcome.and_then(|reply| read(&reply)) {
            Ok((jobs, truncated)) => {
                let jobs = Activated { jobs, give_back: self.parts.give_back.clone() };
                let answer = Answer::Jobs { count: jobs.jobs.len(), truncated };
                let to = self.polls.answered(ask, answer, now, &mut out);
                self.distribute(jobs, to.to, to.count);
            }
            Err(error @ GatewayError::Rejected { .. }) => {
                self.polls.answered(ask, Answer::Rejected, now, &mut out);
                if let Some(open) = self.open.remove(&poll) {
                    open.caller.fail(error);
                }
            }
            Err(error) => {
                log::debug!(
                    "event=partition_did_not_activate partition={partition} cause=\"{error}\""
                );
                let exhausted = is_exhausted(&error);
                self.polls.answered(ask, Answer::Failed { exhausted }, now, &mut out);
            }
        }
        out
    }

    /// The first `count` jobs go to the poll, the others back.
    fn distribute(&mut self, jobs: Activated, to: Option<PollId>, count: usize) {
        let Some((poll, open)) = to.and_then(|poll| Some((poll, self.open.get_mut(&poll)?))) else {
            return;
        };
        let jobs = jobs.first(count);
        if jobs.is_empty() {
            return;
        }
        let owed: Vec<Owed> = jobs.iter().map(Owed::from).collect();
        let (parts, mailbox) = (self.parts.clone(), self.parts.mailbox.clone());
        let on_doubt = parts.give_back.on_doubt(owed.clone());
        let settle = Box::new(move |delivered| settle(&parts, poll, &owed, delivered));
        let of = jobs.len();
        let taken = Box::new(move |count| mailbox.send(Progress::Taken { poll, count, of }));
        let delivery = JobDelivery::new(jobs, settle).with_on_taken(taken);
        open.caller.send(delivery.with_on_doubt(on_doubt));
        open.caller.may_end_early();
    }

    fn progressed(&mut self, progress: Progress) -> Vec<Output> {
        let now = self.now();
        let mut out = Vec::new();
        match progress {
            Progress::Taken { poll, count, of } => {
                self.polls.taken(poll, count, of, now, &mut out);
            }
            Progress::Gone { poll } => {
                self.open.remove(&poll);
                self.polls.cancel(poll, now, &mut out);
            }
        }
        out
    }

    /// Forgets polls whose client went away while they waited.
    fn sweep(&mut self, now: Millis, out: &mut Vec<Output>) {
        if now < self.next_sweep {
            return;
        }
        self.next_sweep = now + SWEEP;
        let gone = self.open.iter().filter(|(_, open)| open.caller.is_gone());
        let gone: Vec<PollId> = gone.map(|(poll, _)| *poll).collect();
        for poll in gone {
            self.open.remove(&poll);
            self.polls.cancel(poll, now, out);
        }
    }

    fn set_timer(&mut self, context: &mut Context<Self>) {
        let sweep = Some(self.next_sweep).filter(|_| !self.open.is_empty());
        let due = self.polls.next_deadline().into_iter().chain(sweep).min();
        self.alarm.set(due, self.parts.shared.clock(), context, Self::due);
    }

    fn due(&mut self, context: &mut Context<Self>) {
        self.alarm.rang();
        let now = self.now();
        let mut out = Vec::new();
        self.sweep(now, &mut out);
        self.polls.on_time(now, &mut out);
        self.carry_out(out, context);
    }
}

/// What became of a delivery: gives back what is owed, and ends the poll of a client that is gone.
/// Runs on the frontend's thread.
fn settle(parts: &Parts, poll: PollId, owed: &[Owed], delivered: Delivered) {
    let count = match delivered {
        Delivered::All => owed.len(),
        Delivered::Except { returned, reason } => {
            // The JVM gateway has one reason and takes no retry (gateway-behaviour §8.1).
            let exact = parts.shared.config().compatibility.exact;
            let count = owed.len().saturating_sub(returned.len());
            for one in returned {
                let Some(job) = owed.get(one.index).map(|job| job.after(one.pause)) else {
                    continue;
                };
                match one.fault.as_ref().filter(|_| !exact) {
                    Some(fault) => parts.give_back.jobs(Why::TooLarge, [job.charged()], fault),
                    None => parts.give_back.jobs(Why::NoRoom, [job], &reason),
                }
            }
            count
        }
        Delivered::Nothing => {
            parts.give_back.jobs(Why::NotSent, owed.iter().copied(), NOT_SENT);
            parts.mailbox.send(Progress::Gone { poll });
            0
        }
    };
    parts.gauges.delivered_jobs.fetch_add(count as u64, Relaxed);
}

/// The jobs in a reply, and whether the broker left some out for size.
fn read(reply: &Reply) -> Result<(Vec<ActivatedJob>, bool), GatewayError> {
    let batch = JobBatchRecord::from_bytes(&reply.value)
        .map_err(|e| GatewayError::Internal(format!("unreadable job batch: {e}")))?;
    let jobs = batch.job_keys.into_iter().zip(batch.jobs);
    let jobs = jobs.map(|(key, record)| ActivatedJob { key: Key(key), record }).collect();
    Ok((jobs, batch.truncated))
}

/// The record and the authorization of the command (command-api §2.7).
fn batch(request: &ActivateJobs, max_jobs: i32) -> (bytes::Bytes, bytes::Bytes) {
    let record = JobBatchRecord {
        job_type: request.job_type.clone(),
        worker: request.worker.clone(),
        timeout: request.timeout_ms,
        max_jobs_to_activate: max_jobs,
        variables: request.fetch_variables.clone(),
        tenant_ids: request.tenant_ids.clone(),
        ..Default::default()
    };
    (record.to_bytes(), request.authorization.clone())
}

/// Equal for polls that may get each other's jobs.
fn terms(request: &ActivateJobs) -> u64 {
    let mut hasher = DefaultHasher::new();
    let ActivateJobs { worker, timeout_ms, fetch_variables, authorization, .. } = request;
    (worker, timeout_ms, fetch_variables, authorization).hash(&mut hasher);
    hasher.finish()
}

/// Whether a partition is overloaded rather than unreachable.
fn is_exhausted(error: &GatewayError) -> bool {
    matches!(
        error,
        GatewayError::Broker { code: ErrorCode::ResourceExhausted, .. }
            | GatewayError::Overloaded { .. }
    )
}

impl Actor for JobActivation {
    type Context = Context<Self>;
}

impl Supervised for JobActivation {
    /// Drops every poll, which tells the clients that got nothing yet, and starts anew.
    fn restarting(&mut self, _: &mut Self::Context) {
        *self = Self::new(self.parts.clone());
    }
}

impl Handler<Mail<Activate>> for JobActivation {
    type Result = ();

    fn handle(&mut self, mail: Mail<Activate>, context: &mut Self::Context) {
        let out = self.arrive(mail.open());
        self.carry_out(out, context);
    }
}

impl Handler<Mail<Answered>> for JobActivation {
    type Result = ();

    fn handle(&mut self, mail: Mail<Answered>, context: &mut Self::Context) {
        let out = self.answered(mail.open());
        self.carry_out(out, context);
    }
}

impl Handler<Mail<Progress>> for JobActivation {
    type Result = ();

    fn handle(&mut self, mail: Mail<Progress>, context: &mut Self::Context) {
        let out = self.progressed(mail.open());
        self.carry_out(out, context);
    }
}

impl Handler<Mail<JobsAvailable>> for JobActivation {
    type Result = ();

    fn handle(&mut self, mail: Mail<JobsAvailable>, context: &mut Self::Context) {
        let JobsAvailable(job_type) = mail.open();
        self.parts.gauges.notifications.fetch_add(1, Relaxed);
        let mut out = Vec::new();
        self.polls.notified(&job_type, self.now(), &mut out);
        self.carry_out(out, context);
    }
}

impl Handler<Mail<ViewChanged>> for JobActivation {
    type Result = ();

    fn handle(&mut self, mail: Mail<ViewChanged>, context: &mut Self::Context) {
        let ViewChanged = mail.open();
        let out = self.take_over_partitions();
        self.carry_out(out, context);
    }
}

impl Handler<Mail<Retire>> for JobActivation {
    type Result = ();

    fn handle(&mut self, mail: Mail<Retire>, context: &mut Self::Context) {
        let Retire = mail.open();
        let now = self.now();
        let mut out = Vec::new();
        for (poll, open) in std::mem::take(&mut self.open) {
            open.caller.complete();
            self.polls.cancel(poll, now, &mut out);
        }
        self.carry_out(out, context);
    }
}
