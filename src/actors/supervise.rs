//! Supervision that survives panics.
//!
//! actix's own supervisor does not: a panic ends the actor's task and loses its mailbox. Here the
//! actor's future is polled inside `catch_unwind`. After a panic, or an actor that stopped itself,
//! the actor is rebuilt **at once** (what it held is dropped, so held tickets answer), then rests for
//! the back-off and works on the same mailbox (ADR 0007).

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Once};
use std::task::{Context as TaskContext, Poll, ready};
use std::time::{Duration, Instant};

use actix::dev::{ContextFut, channel};
use actix::{Actor, Addr, Context, Supervised};
use rand::Rng as _;
use tokio::time::Sleep;

use super::cell::{ActorCell, Registry};
use super::mailbox::Mailbox;
use super::spawner::Place;
use crate::chance;
use crate::clock::instant;
use crate::model::ActorState;

/// What happens after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The actor ends; its mailbox closes.
    Never,
    /// It is restarted, however often it fails, after a growing pause.
    Always(Backoff),
    /// It is restarted until it failed `failures` times within `within`; then the process cannot do
    /// its job and says so.
    Escalate {
        /// Pause before a restart.
        backoff: Backoff,
        /// Failures that are too many.
        failures: usize,
        /// Time in which they count.
        within: Duration,
    },
}

/// A pause that doubles from `first` to `max`, give or take a fifth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// First pause.
    pub first: Duration,
    /// Longest pause.
    pub max: Duration,
}

impl Backoff {
    /// The pause before the attempt after `failures` failures in a row (at least 1).
    #[must_use]
    pub fn pause(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1).min(16);
        let pause = self.first.saturating_mul(1 << doublings).min(self.max);
        pause.mul_f64(chance::rng().random_range(0.8..=1.2))
    }
}

/// Called when an actor that the gateway cannot do without failed too often: the process must end
/// with a failure, so that the orchestrator starts it anew.
#[derive(Clone)]
pub struct Fatal(Arc<dyn Fn(&str) + Send + Sync>);

impl Fatal {
    /// Calls this with one line that says why.
    pub fn new(callback: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(callback))
    }
}

impl fmt::Debug for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fatal")
    }
}

/// Under whom an actor starts.
#[derive(Clone, Debug)]
pub struct Supervision {
    /// Where it is visible; it is removed from there when it ends.
    pub registry: Registry,
    /// What happens after a failure.
    pub policy: Policy,
    /// Who is told when it fails too often.
    pub fatal: Fatal,
}

/// Starts a supervised actor in its place. `make` runs there and gets the actor's own mailbox.
pub fn start<A, F>(
    place: &Place,
    cell: Arc<ActorCell>,
    supervision: Supervision,
    make: F,
) -> Mailbox<A>
where
    A: Actor<Context = Context<A>> + Supervised,
    F: FnOnce(Mailbox<A>) -> A + Send + 'static,
{
    // The capacity bounds nothing (ADR 0007): `do_send` ignores it.
    let (sender, receiver) = channel::channel::<A>(16);
    let mailbox = Mailbox::new(Addr::new(sender), cell);
    let own = mailbox.clone();
    let there = place.clone();
    let spawned = place.run(move || {
        let cell = Arc::clone(own.cell());
        let made = caught(&cell, || make(own));
        match made {
            Ok(actor) => {
                let context = Context::with_receiver(receiver).into_future(actor);
                there.keep(Supervisor::new(context, cell, supervision));
            }
            Err(text) => {
                log::error!("event=actor_not_made actor={} panic=\"{text}\"", cell.name());
                cell.panicked(text);
                cell.set_state(ActorState::Failed);
            }
        }
    });
    if !spawned {
        log::warn!(
            "event=actor_not_started actor={} cause=\"arbiter ended\"",
            mailbox.cell().name()
        );
        mailbox.cell().set_state(ActorState::Stopped);
    }
    mailbox
}

/// Runs a task that belongs to an actor on the actor's thread. When it panics, the panic counts as
/// the actor's and the result is its text.
pub fn guarded<F: Future>(
    cell: Arc<ActorCell>,
    future: F,
) -> impl Future<Output = Result<F::Output, String>> {
    let mut future = Box::pin(future);
    std::future::poll_fn(move |task| match caught(&cell, || future.as_mut().poll(task)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(text) => {
            cell.panicked(text.clone());
            Poll::Ready(Err(text))
        }
    })
}

/// The future of a supervised actor.
struct Supervisor<A: Actor<Context = Context<A>>> {
    context: ContextFut<A, Context<A>>,
    cell: Arc<ActorCell>,
    supervision: Supervision,
    resting: Option<Pin<Box<Sleep>>>,
    /// Times of the latest failures, oldest first.
    failures: VecDeque<Instant>,
}

impl<A> Supervisor<A>
where
    A: Actor<Context = Context<A>> + Supervised,
{
    /// Failures remembered; also bounds the growth of the back-off.
    const REMEMBERED: usize = 16;
    /// After this long without a failure the back-off begins anew.
    const FORGIVEN: Duration = Duration::from_secs(60);

    fn new(
        context: ContextFut<A, Context<A>>,
        cell: Arc<ActorCell>,
        supervision: Supervision,
    ) -> Self {
        cell.started();
        Self { context, cell, supervision, resting: None, failures: VecDeque::new() }
    }

    /// Decides what follows a failure: `Ready` when the actor ends.
    fn failed(&mut self, now: Instant) -> Poll<()> {
        let Some(backoff) = self.pause_policy() else { return self.end(ActorState::Failed) };
        self.note_failure(now);
        if let Policy::Escalate { failures, within, .. } = self.supervision.policy {
            let recent = self.failures.iter().filter(|&&at| now - at <= within).count();
            if recent >= failures {
                let text = format!(
                    "{} failed {recent} times within {} s",
                    self.cell.name(),
                    within.as_secs()
                );
                log::error!("event=actor_escalated actor={} cause=\"{text}\"", self.cell.name());
                let ended = self.end(ActorState::Failed);
                (self.supervision.fatal.0)(&text);
                return ended;
            }
        }
        let context = &mut self.context;
        match caught(&self.cell, || context.restart()) {
            Ok(true) => {}
            Ok(false) => return self.end(ActorState::Stopped),
            Err(text) => {
                self.cell.panicked(text);
                return self.end(ActorState::Failed);
            }
        }
        let pause = backoff.pause(u32::try_from(self.failures.len()).unwrap_or(u32::MAX));
        self.cell.set_state(ActorState::BackingOff);
        log::warn!("event=actor_restarts actor={} in_ms={}", self.cell.name(), pause.as_millis());
        self.resting = Some(Box::pin(tokio::time::sleep(pause)));
        Poll::Pending
    }

    fn pause_policy(&self) -> Option<Backoff> {
        match self.supervision.policy {
            Policy::Never => None,
            Policy::Always(backoff) | Policy::Escalate { backoff, .. } => Some(backoff),
        }
    }

    fn note_failure(&mut self, now: Instant) {
        while self.failures.front().is_some_and(|&at| now - at > Self::FORGIVEN)
            || self.failures.len() >= Self::REMEMBERED
        {
            self.failures.pop_front();
        }
        self.failures.push_back(now);
    }

    fn end(&self, state: ActorState) -> Poll<()> {
        self.cell.set_state(state);
        if state == ActorState::Stopped {
            self.supervision.registry.remove(&self.cell);
        }
        Poll::Ready(())
    }
}

impl<A> Future for Supervisor<A>
where
    A: Actor<Context = Context<A>> + Supervised,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<()> {
        let this = self.get_mut();
        loop {
            if let Some(resting) = &mut this.resting {
                ready!(resting.as_mut().poll(task));
                this.resting = None;
                this.cell.started();
            }
            let context = &mut this.context;
            match caught(&this.cell, || Pin::new(context).poll(task)) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(())) if this.cell.exits() => return this.end(ActorState::Stopped),
                Ok(Poll::Ready(())) => this.cell.failed(),
                Err(text) => this.cell.panicked(text),
            }
            if this.failed(instant()).is_ready() {
                return Poll::Ready(());
            }
        }
    }
}

thread_local! {
    /// The actor that this thread is running, for the panic hook.
    static CURRENT: RefCell<Option<Arc<ActorCell>>> = const { RefCell::new(None) };
}

/// Runs a step of an actor, and its text if it panics.
fn caught<T>(cell: &Arc<ActorCell>, step: impl FnOnce() -> T) -> Result<T, String> {
    let outer = CURRENT.with(|current| current.replace(Some(Arc::clone(cell))));
    cell.poll_begins();
    let result = catch_unwind(AssertUnwindSafe(step));
    cell.poll_ends();
    CURRENT.with(|current| current.replace(outer));
    result.map_err(|payload| panic_text(&*payload))
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("panic without a text").to_owned()
}

/// Makes panics inside actors one line of the log, with the actor's name. Others go where they went
/// before. Only the first call has an effect.
pub fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let actor = CURRENT.with(|current| {
                current.try_borrow().ok().and_then(|cell| cell.as_ref().map(|c| c.name().to_owned()))
            });
            let Some(actor) = actor else { return previous(info) };
            let place = info.location().map(ToString::to_string).unwrap_or_default();
            let backtrace = std::backtrace::Backtrace::capture();
            log::error!(
                "event=actor_panicked actor={actor} at={place} text=\"{}\" backtrace=\"{backtrace}\"",
                panic_text(info.payload()),
            );
        }));
    });
}
