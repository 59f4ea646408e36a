//! Management operations: asks the brokers that an operation concerns and folds their answers.
//!
//! Beside the path of a command: the door passes operations in, the answer goes straight back to
//! the caller. Who is asked and what answers mean is decided in [`routing::management`]; here are
//! the sockets and the deadline. An operation that was begun goes on when its caller went away or
//! the actor is restarted; each one that changes something leaves one line in the log.
//!
//! Invariant: at most `RUNNING_MAX` operations at a time, each of which ends by its deadline.
//!
//! [`routing::management`]: crate::routing::management

mod codec;
mod configuration;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use actix::{Actor, Context, Handler, Supervised};
use arc_swap::ArcSwapOption;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::cell::Observe;
use super::mailbox::{Mail, Mailbox};
use super::shared::Shared;
use super::{MANAGEMENT, supervise};
use crate::model::management::{ManagementOperation, ManagementOutcome};
use crate::net::Messenger;
use crate::routing::management::{Answer, ManagementError, Target, again, fold, locate, targets};
use crate::wire::Address;

/// Kind of this actor.
pub const KIND: &str = "management";

/// Operations at a time.
const RUNNING_MAX: usize = 16;
/// Targets of one operation that are asked at a time.
const ASKED_MAX: usize = 64;
/// How long the coordinator of the cluster configuration may take (cluster-protocol §5.4).
const CONFIGURATION_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause before a target is asked again (command-api §3.6).
const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// Result of an operation.
pub type ManagementResult = Result<ManagementOutcome, ManagementError>;

/// An operation to be carried out.
#[derive(Debug)]
pub struct Manage {
    /// What.
    pub operation: ManagementOperation,
    /// Who asked, for the log.
    pub asked_by: String,
    /// Where the result goes; it may be gone.
    pub reply: oneshot::Sender<ManagementResult>,
}

#[derive(Clone)]
struct Parts {
    mailbox: Mailbox<Management>,
    shared: Shared,
    messenger: Messenger,
    state: Arc<State>,
}

/// What is visible of the operations. It outlives restarts of the actor, as they do.
#[derive(Debug, Default)]
struct State {
    running: AtomicUsize,
    succeeded: AtomicU64,
    failed: AtomicU64,
    last: ArcSwapOption<Value>,
}

impl Observe for State {
    fn observe(&self) -> Value {
        json!({
            "running": self.running.load(Relaxed),
            "succeeded": self.succeeded.load(Relaxed),
            "failed": self.failed.load(Relaxed),
            "last": self.last.load().as_deref(),
        })
    }
}

/// Counts an operation for as long as it runs, however it ends.
struct Running(Arc<State>);

impl Running {
    fn begin(state: &Arc<State>) -> Option<Self> {
        let more = |running| (running < RUNNING_MAX).then_some(running + 1);
        state.running.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Self(Arc::clone(state)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Relaxed);
    }
}

/// See the module.
pub struct Management {
    parts: Parts,
}

/// Starts the actor.
#[must_use]
pub fn start(shared: &Shared, messenger: Messenger) -> Mailbox<Management> {
    let state = Arc::new(State::default());
    let cell = shared.register(KIND, &[], Arc::<State>::clone(&state));
    let supervision = shared.supervision(MANAGEMENT);
    let arbiter = shared.spawner().control().clone();
    let shared = shared.clone();
    supervise::start(&arbiter, cell, supervision, move |mailbox| Management {
        parts: Parts { mailbox, shared, messenger, state },
    })
}

impl Actor for Management {
    type Context = Context<Self>;
}

impl Supervised for Management {}

impl Handler<Mail<Manage>> for Management {
    type Result = ();

    fn handle(&mut self, mail: Mail<Manage>, _: &mut Self::Context) {
        let Manage { operation, asked_by, reply } = mail.open();
        let Some(running) = Running::begin(&self.parts.state) else {
            log_end(&operation, &asked_by, "none", &Err(ManagementError::Busy(RUNNING_MAX)));
            // The caller may have gone away.
            reply.send(Err(ManagementError::Busy(RUNNING_MAX))).ok();
            return;
        };
        let parts = self.parts.clone();
        let cell = Arc::clone(self.parts.mailbox.cell());
        actix_rt::spawn(supervise::guarded(cell, async move {
            let result = parts.carry_out(&operation, &asked_by).await;
            drop(running);
            reply.send(result).ok();
        }));
    }
}

impl Parts {
    async fn carry_out(&self, operation: &ManagementOperation, asked_by: &str) -> ManagementResult {
        let began = Instant::now();
        let mut result = self.ask_all(operation, began, asked_by).await;
        // Setting the limits is answered with what they are now.
        if matches!(operation, ManagementOperation::SetFlowControl(_)) && result.is_ok() {
            let limits = ManagementOperation::FlowControl;
            result = self.ask_all(&limits, Instant::now(), asked_by).await;
        }
        let took_ms = began.elapsed().as_millis();
        log_end(operation, asked_by, &took_ms.to_string(), &result);
        let count = if result.is_ok() { &self.state.succeeded } else { &self.state.failed };
        count.fetch_add(1, Relaxed);
        self.state.last.store(Some(Arc::new(json!({
            "operation": operation.name(),
            "asked_by": asked_by,
            "error": result.as_ref().err().map(ToString::to_string),
            "took_ms": u64::try_from(took_ms).unwrap_or(u64::MAX),
            "ended_at_ms": self.shared.clock().now(),
        }))));
        result
    }

    async fn ask_all(
        &self,
        operation: &ManagementOperation,
        began: Instant,
        asked_by: &str,
    ) -> ManagementResult {
        let targets = targets(operation, &self.shared.view())?;
        let deadline = began + self.timeout(operation);
        let asked = targets.into_iter().map(|target| async move {
            let answer = self.ask(operation, &target, deadline).await;
            if let Err(cause) = &answer {
                log::warn!(
                    "event=management_request_failed operation={} asked_by={asked_by} \
                     target=\"{target}\" cause={:?}",
                    operation.name(),
                    cause.to_string(),
                );
            }
            (target, answer)
        });
        let answers = futures::stream::iter(asked).buffered(ASKED_MAX).collect().await;
        fold(operation, answers)
    }

    fn timeout(&self, operation: &ManagementOperation) -> Duration {
        match operation {
            ManagementOperation::Configuration(_) => CONFIGURATION_TIMEOUT,
            _ => self.shared.config().cluster.request_timeout,
        }
    }

    /// Asks one target, again where that may help, until the deadline.
    async fn ask(
        &self,
        operation: &ManagementOperation,
        target: &Target,
        deadline: Instant,
    ) -> Result<Answer, ManagementError> {
        loop {
            let remaining = deadline.saturating_duration_since(Instant::now());
            let failure = match self.ask_once(operation, target, remaining).await {
                Err(failure) if again(operation, &failure) => failure,
                result => return result,
            };
            if deadline.saturating_duration_since(Instant::now()) <= RETRY_PAUSE {
                return Err(ManagementError::Timeout(format!("Last failure: {failure}")));
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    async fn ask_once(
        &self,
        operation: &ManagementOperation,
        target: &Target,
        remaining: Duration,
    ) -> Result<Answer, ManagementError> {
        let destination = locate(target, &self.shared.view())?;
        let address: Address = destination.address.parse().map_err(|error| {
            ManagementError::Unreachable(format!("{target} has no usable address: {error}"))
        })?;
        let (subject, payload) = codec::request(operation, target, &destination);
        self.count_sent();
        let reply = self.messenger.request(&address, &subject, payload, remaining).await;
        let reply = reply.map_err(|error| codec::failed(target, &error))?;
        codec::answer(operation, target, &reply)
    }

    fn count_sent(&self) {
        self.mailbox.cell().sent();
    }
}

/// One line for who looks later at who changed what.
fn log_end(
    operation: &ManagementOperation,
    asked_by: &str,
    took_ms: &str,
    result: &ManagementResult,
) {
    let outcome = match result {
        Ok(ManagementOutcome::Change(change)) => format!("ok change={}", change.change_id),
        Ok(_) => "ok".to_owned(),
        Err(error) => format!("failed cause={:?}", error.to_string()),
    };
    let level = if operation.changes() { log::Level::Info } else { log::Level::Debug };
    log::log!(
        level,
        "event=management_operation operation={} parameters={:?} asked_by={asked_by} \
         took_ms={took_ms} outcome={outcome}",
        operation.name(),
        // What came from outside, and the quotes in it, must not look like more of the line.
        format!("{operation:?}"),
    );
}
