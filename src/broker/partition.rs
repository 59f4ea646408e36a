//! One partition: its engine, the queue before it and the requests it has not answered.
//!
//! ```text
//! command API ─┐
//! other engines ├─▶ queue ─▶ [ engine ] ─▶ answers, messages to partitions, jobs
//! job pushes ──┘      ▲─ next_due timer
//! ```
//!
//! Invariants: the engine sees one input at a time; every command gets exactly one answer; a panic
//! of the engine ends this partition only: it answers INTERNAL_ERROR from then on, because a state
//! that a panic left half changed must not be built upon.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::engine::{
    CommandInput, Engine, EngineStats, Input, JobStream, Output, PartitionMessage, RequestId,
    Response, StreamId,
};
use super::limits::Limits;
use super::reply;
use crate::clock::Clock;
use crate::model::intent::{deployment, job, process_instance};
use crate::model::{ErrorCode, Key, Millis, PartitionId, ValueType};
use crate::net::Responder;
use crate::wire::record::JobRecord;

/// Inputs handled before other tasks get a turn.
const BATCH: usize = 128;
/// Pause when a tick did not move the next due time on.
const TICK_PAUSE: Duration = Duration::from_millis(5);
/// Least time between two publications of the engine's counts.
const STATS_INTERVAL: Duration = Duration::from_millis(100);

/// What a partition runs: an [`Engine`], or a script in tests.
pub trait Processor: Send + 'static {
    /// Processes one input.
    fn handle(&mut self, now: Millis, input: Input, out: &mut Vec<Output>);
    /// When a tick is due.
    fn next_due(&self) -> Option<Millis>;
    /// Counts for the admin endpoint.
    fn observe(&self) -> EngineStats;
}

impl Processor for Engine {
    fn handle(&mut self, now: Millis, input: Input, out: &mut Vec<Output>) {
        Engine::handle(self, now, input, out);
    }

    fn next_due(&self) -> Option<Millis> {
        Engine::next_due(self)
    }

    fn observe(&self) -> EngineStats {
        Engine::observe(self)
    }
}

/// What a partition's outputs reach.
pub trait Surroundings: Send + Sync + 'static {
    /// Delivers to another partition; may lose it.
    fn deliver(&self, from: PartitionId, to: PartitionId, message: PartitionMessage);
    /// Tells the gateways that jobs of this type are there.
    fn jobs_available(&self, job_type: &str);
    /// Pushes a job; reports to the partition when nobody takes it.
    fn push_job(&self, from: PartitionId, stream: StreamId, key: Key, job: Box<JobRecord>);
    /// The partition will not work any more.
    fn partition_died(&self, id: PartitionId);
}

/// A command as it came in, before it has a number.
#[derive(Debug)]
pub struct Submission {
    /// The command; its `request` is set by the partition.
    pub input: CommandInput,
    /// Where the answer goes.
    pub responder: Responder,
}

#[derive(Debug)]
enum Work {
    Command(Box<Submission>),
    Remote { from: PartitionId, message: PartitionMessage },
    PushFailed(Key),
    Streams(Vec<JobStream>),
}

/// How the rest of the broker talks to a partition. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Partition {
    id: PartitionId,
    limits: Limits,
    work: mpsc::UnboundedSender<Work>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    queued_commands: AtomicUsize,
    queued_bytes: AtomicUsize,
    queued_messages: AtomicUsize,
    dead: AtomicBool,
    stats: Mutex<PartitionStats>,
}

/// What is known of a partition from outside.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct PartitionStats {
    /// Commands taken since the start.
    pub commands: u64,
    /// Commands refused because of a limit.
    pub refused: u64,
    /// Requests whose answer waits for something to happen.
    pub held_requests: usize,
    /// Why the engine ended, if it did.
    pub failure: Option<String>,
    /// The engine's own counts, at most 100 ms old.
    pub engine: EngineStats,
}

impl Partition {
    /// A partition and the task that runs it.
    pub fn new<P: Processor, S: Surroundings>(
        id: PartitionId,
        processor: P,
        limits: Limits,
        surroundings: Arc<S>,
    ) -> (Self, PartitionTask<P, S>) {
        let (work, queue) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::default());
        let task = PartitionTask {
            id,
            limits,
            clock: Clock::system(),
            queue,
            processor: Some(processor),
            requests: HashMap::new(),
            next_request: 1,
            surroundings,
            shared: Arc::clone(&shared),
            outputs: Vec::new(),
        };
        (Self { id, limits, work, shared }, task)
    }

    /// Its number.
    #[must_use]
    pub const fn id(&self) -> PartitionId {
        self.id
    }

    /// Whether its engine works.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        !self.shared.dead.load(Ordering::Relaxed)
    }

    /// Commands that wait for the engine.
    #[must_use]
    pub fn queued_commands(&self) -> usize {
        self.shared.queued_commands.load(Ordering::Relaxed)
    }

    /// Its counts.
    #[must_use]
    pub fn stats(&self) -> PartitionStats {
        self.shared.stats().clone()
    }

    /// Queues a command, or answers it at once when a limit is reached.
    pub fn submit(&self, submission: Submission) {
        let bytes = submission.input.value.len();
        let commands = self.shared.queued_commands.load(Ordering::Relaxed);
        let queued = self.shared.queued_bytes.load(Ordering::Relaxed);
        let limit = if queued.saturating_add(bytes) > self.limits.queued_bytes {
            "write"
        } else if commands >= self.limits.queued_commands && !finishes_work(&submission.input) {
            "request"
        } else {
            self.shared.queued_commands.fetch_add(1, Ordering::Relaxed);
            self.shared.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
            self.send(Work::Command(Box::new(submission)));
            return;
        };
        self.shared.stats().refused += 1;
        submission.responder.reply(exhausted(self.id, limit));
    }

    /// Queues a message of another partition; drops it when too many wait.
    pub fn deliver(&self, from: PartitionId, message: PartitionMessage) {
        if self.shared.queued_messages.load(Ordering::Relaxed) >= self.limits.queued_messages {
            log::warn!("event=partition_message_dropped partition={} from={from}", self.id);
            return;
        }
        self.shared.queued_messages.fetch_add(1, Ordering::Relaxed);
        self.send(Work::Remote { from, message });
    }

    /// Nobody took the pushed job.
    pub fn push_failed(&self, key: Key) {
        self.send(Work::PushFailed(key));
    }

    /// The job streams are these now.
    pub fn streams_changed(&self, streams: Vec<JobStream>) {
        self.send(Work::Streams(streams));
    }

    fn send(&self, work: Work) {
        if self.work.send(work).is_err() {
            log::debug!("event=partition_stopped partition={}", self.id);
        }
    }
}

impl Shared {
    fn stats(&self) -> std::sync::MutexGuard<'_, PartitionStats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs the engine of one partition.
pub struct PartitionTask<P, S> {
    id: PartitionId,
    limits: Limits,
    clock: Clock,
    queue: mpsc::UnboundedReceiver<Work>,
    /// None once it panicked.
    processor: Option<P>,
    requests: HashMap<u64, Responder>,
    next_request: u64,
    surroundings: Arc<S>,
    shared: Arc<Shared>,
    outputs: Vec<Output>,
}

impl<P: Processor, S: Surroundings> PartitionTask<P, S> {
    /// Runs until every [`Partition`] handle is gone.
    pub async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut stats_due: Option<Instant> = None;
        let mut pause = Duration::ZERO;
        loop {
            let due = self.due();
            let wake = due.map(|due| Instant::now() + self.clock.until(due).max(pause));
            tokio::select! {
                biased;
                count = self.queue.recv_many(&mut batch, BATCH) => {
                    if count == 0 {
                        return;
                    }
                }
                () = sleep(wake) => {}
                () = sleep(stats_due) => {}
            }
            if !batch.is_empty() {
                stats_due.get_or_insert_with(|| Instant::now() + STATS_INTERVAL);
            }
            for work in batch.drain(..) {
                self.process(work);
            }
            // Also under constant load, when the sleep above never ends.
            pause = self.tick();
            if stats_due.is_some_and(|due| due <= Instant::now()) {
                self.publish_stats();
                stats_due = None;
            }
            tokio::task::yield_now().await;
        }
    }

    fn due(&self) -> Option<Millis> {
        self.processor.as_ref().and_then(Processor::next_due)
    }

    /// Ticks if it is due; gives the least time to wait for the next one.
    fn tick(&mut self) -> Duration {
        let Some(due) = self.due().filter(|due| *due <= self.clock.now()) else {
            return Duration::ZERO;
        };
        self.handle(Input::Tick);
        if self.due() == Some(due) { TICK_PAUSE } else { Duration::ZERO }
    }

    fn process(&mut self, work: Work) {
        match work {
            Work::Command(submission) => self.command(*submission),
            Work::Remote { from, message } => {
                self.shared.queued_messages.fetch_sub(1, Ordering::Relaxed);
                self.handle(Input::FromPartition { from, message });
            }
            Work::PushFailed(key) => self.handle(Input::PushFailed { key }),
            Work::Streams(streams) => self.handle(Input::StreamsChanged { streams }),
        }
    }

    fn command(&mut self, submission: Submission) {
        let Submission { mut input, responder } = submission;
        self.shared.queued_commands.fetch_sub(1, Ordering::Relaxed);
        self.shared.queued_bytes.fetch_sub(input.value.len(), Ordering::Relaxed);
        if self.processor.is_none() {
            return responder.reply(self.dead());
        }
        if self.requests.len() >= self.limits.held_requests && !finishes_work(&input) {
            self.shared.stats().refused += 1;
            return responder.reply(exhausted(self.id, "request"));
        }
        let request = self.next_request;
        self.next_request += 1;
        input.request = RequestId(request);
        self.requests.insert(request, responder);
        self.handle(Input::Command(input));
        if let Some(held) = self.requests.get_mut(&request) {
            held.hold();
        }
        self.shared.stats().commands += 1;
    }

    fn handle(&mut self, input: Input) {
        let Some(mut processor) = self.processor.take() else { return };
        let (now, outputs) = (self.clock.now(), &mut self.outputs);
        let handled = catch_unwind(AssertUnwindSafe(move || {
            processor.handle(now, input, outputs);
            processor
        }));
        match handled {
            Ok(processor) => self.processor = Some(processor),
            Err(panic) => return self.die(&panic_text(&*panic)),
        }
        let mut outputs = std::mem::take(&mut self.outputs);
        for output in outputs.drain(..) {
            self.emit(output);
        }
        self.outputs = outputs;
    }

    fn emit(&mut self, output: Output) {
        match output {
            Output::Reply { request, response } => self.answer(request, response),
            Output::ToPartition { to, message } => {
                self.surroundings.deliver(self.id, to, message);
            }
            Output::JobsAvailable { job_type } => self.surroundings.jobs_available(&job_type),
            Output::PushJob { stream, key, job } => {
                self.surroundings.push_job(self.id, stream, key, job);
            }
        }
    }

    fn answer(&mut self, request: RequestId, response: Response) {
        match self.requests.remove(&request.0) {
            Some(responder) => responder.reply(reply::response(self.id, response)),
            None => log::error!(
                "event=answer_without_request partition={} request={}",
                self.id,
                request.0
            ),
        }
    }

    fn die(&mut self, failure: &str) {
        log::error!("event=partition_died partition={} panic=\"{failure}\"", self.id);
        self.outputs.clear();
        self.shared.dead.store(true, Ordering::Relaxed);
        self.shared.stats().failure = Some(failure.to_owned());
        let answer = self.dead();
        for (_, responder) in self.requests.drain() {
            responder.reply(answer.clone());
        }
        self.surroundings.partition_died(self.id);
    }

    fn dead(&self) -> bytes::Bytes {
        let text = format!("Partition '{}' failed and does not process commands any more", self.id);
        reply::error(ErrorCode::InternalError, text)
    }

    fn publish_stats(&self) {
        let engine = self.processor.as_ref().map(Processor::observe);
        let mut stats = self.shared.stats();
        stats.held_requests = self.requests.len();
        if let Some(engine) = engine {
            stats.engine = engine;
        }
    }
}

/// Commands that lighten the load pass the request limit (command-api §5.2).
fn finishes_work(input: &CommandInput) -> bool {
    matches!(
        (input.value_type, input.intent),
        (ValueType::Job, job::COMPLETE | job::FAIL)
            | (ValueType::ProcessInstance, process_instance::CANCEL)
            | (ValueType::Deployment, deployment::CREATE)
    )
}

fn exhausted(partition: PartitionId, limit: &str) -> bytes::Bytes {
    let text = format!(
        "Failed to write client request to partition '{partition}', because the {limit} limit is \
         exhausted."
    );
    reply::error(ErrorCode::ResourceExhausted, text)
}

async fn sleep(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without text".to_owned())
}
