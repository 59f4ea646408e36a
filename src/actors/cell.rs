//! What is visible of each actor from outside, without asking it.
//!
//! The supervisor and the mailbox write atomics in the actor's [`ActorCell`]; the admin endpoint,
//! the watchdog and the metrics read them. A stuck actor therefore still shows. What an actor tells
//! about itself comes from an [`Observe`] that reads shared counters or a published document.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock, Weak};

use arc_swap::{ArcSwap, ArcSwapOption};
use serde_json::Value;

use crate::clock::Clock;
use crate::model::{ActorSnapshot, ActorState, Millis, RestartCounts};

/// Work waiting without the actor running for longer than this makes it count as stalled.
pub const STALL_TIME: Millis = Millis(5_000);

/// An actor's own state, as it wants to be seen. Must not wait for anything.
pub trait Observe: Send + Sync {
    /// The state now.
    fn observe(&self) -> Value;
}

/// For actors that publish a finished document on every change.
impl Observe for ArcSwap<Value> {
    fn observe(&self) -> Value {
        Value::clone(&self.load())
    }
}

/// For actors that have nothing to tell.
impl Observe for () {
    fn observe(&self) -> Value {
        Value::Null
    }
}

/// One actor, seen from outside. It outlives restarts of the actor.
pub struct ActorCell {
    name: String,
    kind: &'static str,
    labels: BTreeMap<String, String>,
    clock: Clock,
    state: AtomicU8,
    /// Whether the actor is inside a poll right now.
    polling: AtomicBool,
    /// Whether it ends on purpose.
    exiting: AtomicBool,
    started: AtomicI64,
    last_poll: AtomicI64,
    panics: AtomicU64,
    errors: AtomicU64,
    last_panic: ArcSwapOption<String>,
    messages_in: AtomicU64,
    messages_out: AtomicU64,
    depth: AtomicU64,
    observed: Arc<dyn Observe>,
}

impl fmt::Debug for ActorCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActorCell").field("name", &self.name).finish_non_exhaustive()
    }
}

impl ActorCell {
    fn new(
        clock: Clock,
        kind: &'static str,
        labels: BTreeMap<String, String>,
        observed: Arc<dyn Observe>,
    ) -> Self {
        let now = clock.now().0;
        Self {
            name: name(kind, &labels),
            kind,
            labels,
            clock,
            state: AtomicU8::new(ActorState::Starting as u8),
            polling: AtomicBool::new(false),
            exiting: AtomicBool::new(false),
            started: AtomicI64::new(now),
            last_poll: AtomicI64::new(now),
            panics: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            last_panic: ArcSwapOption::empty(),
            messages_in: AtomicU64::new(0),
            messages_out: AtomicU64::new(0),
            depth: AtomicU64::new(0),
            observed,
        }
    }

    /// Kind and labels: `leader-connection[partition=3]`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kind of actor.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Where it is in its life.
    #[must_use]
    pub fn state(&self) -> ActorState {
        match self.state.load(Relaxed) {
            0 => ActorState::Starting,
            1 => ActorState::Running,
            2 => ActorState::BackingOff,
            3 => ActorState::Stopped,
            _ => ActorState::Failed,
        }
    }

    /// The actor passed a message or a command on.
    pub fn sent(&self) {
        self.messages_out.fetch_add(1, Relaxed);
    }

    /// Announces that the actor ends on purpose: its supervisor will not restart it.
    pub fn exit(&self) {
        self.exiting.store(true, Relaxed);
    }

    /// Whether there is work but the actor did not run for [`STALL_TIME`]: it, or another one on its
    /// thread, blocks.
    #[must_use]
    pub fn stalled(&self) -> bool {
        let working = self.polling.load(Relaxed) || self.depth.load(Relaxed) > 0;
        working && self.state() == ActorState::Running && self.idle() > STALL_TIME
    }

    /// The actor now.
    #[must_use]
    pub fn snapshot(&self) -> ActorSnapshot {
        ActorSnapshot {
            name: self.name.clone(),
            kind: self.kind,
            labels: self.labels.clone(),
            state: self.state(),
            stalled: self.stalled(),
            restarts: RestartCounts {
                panic: self.panics.load(Relaxed),
                error: self.errors.load(Relaxed),
            },
            last_panic: self.last_panic.load().as_deref().cloned(),
            messages_in: self.messages_in.load(Relaxed),
            messages_out: self.messages_out.load(Relaxed),
            depth: self.depth.load(Relaxed),
            age_ms: positive(self.clock.now() - Millis(self.started.load(Relaxed))),
            idle_ms: positive(self.idle()),
            observed: self.observed.observe(),
        }
    }

    pub(super) fn set_state(&self, state: ActorState) {
        self.state.store(state as u8, Relaxed);
    }

    pub(super) fn started(&self) {
        self.started.store(self.clock.now().0, Relaxed);
        self.set_state(ActorState::Running);
    }

    pub(super) fn exits(&self) -> bool {
        self.exiting.load(Relaxed)
    }

    pub(super) fn poll_begins(&self) {
        self.last_poll.store(self.clock.now().0, Relaxed);
        self.polling.store(true, Relaxed);
    }

    pub(super) fn poll_ends(&self) {
        self.polling.store(false, Relaxed);
    }

    pub(super) fn panicked(&self, text: String) {
        self.panics.fetch_add(1, Relaxed);
        self.last_panic.store(Some(Arc::new(text)));
    }

    pub(super) fn failed(&self) {
        self.errors.fetch_add(1, Relaxed);
    }

    pub(super) fn queued(&self) {
        self.depth.fetch_add(1, Relaxed);
    }

    pub(super) fn unqueued(&self) {
        self.depth.fetch_sub(1, Relaxed);
    }

    pub(super) fn received(&self) {
        self.messages_in.fetch_add(1, Relaxed);
    }

    fn idle(&self) -> Millis {
        self.clock.now() - Millis(self.last_poll.load(Relaxed))
    }
}

fn positive(span: Millis) -> u64 {
    u64::try_from(span.0).unwrap_or(0)
}

fn name(kind: &str, labels: &BTreeMap<String, String>) -> String {
    if labels.is_empty() {
        return kind.to_owned();
    }
    let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{kind}[{}]", labels.join(","))
}

type Cells = RwLock<BTreeMap<String, Arc<ActorCell>>>;

/// All live actors by name. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Registry {
    clock: Clock,
    cells: Arc<Cells>,
}

/// A [`Registry`] that does not keep the actors' cells alive.
#[derive(Clone, Debug)]
pub struct WeakRegistry {
    clock: Clock,
    cells: Weak<Cells>,
}

impl WeakRegistry {
    /// The registry, unless all its users are gone.
    #[must_use]
    pub fn upgrade(&self) -> Option<Registry> {
        Some(Registry { clock: self.clock, cells: self.cells.upgrade()? })
    }
}

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, cells: Arc::default() }
    }

    /// A handle that does not keep it alive.
    #[must_use]
    pub fn downgrade(&self) -> WeakRegistry {
        WeakRegistry { clock: self.clock, cells: Arc::downgrade(&self.cells) }
    }

    /// Registers an actor that is about to start.
    #[must_use]
    pub fn register(
        &self,
        kind: &'static str,
        labels: &[(&str, String)],
        observed: Arc<dyn Observe>,
    ) -> Arc<ActorCell> {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let cell = Arc::new(ActorCell::new(self.clock, kind, labels, observed));
        let mut cells = self.cells.write().unwrap_or_else(PoisonError::into_inner);
        cells.insert(cell.name.clone(), Arc::clone(&cell));
        cell
    }

    /// Forgets an actor that ended.
    pub fn remove(&self, cell: &ActorCell) {
        let mut cells = self.cells.write().unwrap_or_else(PoisonError::into_inner);
        cells.remove(cell.name());
    }

    /// All actors' cells, by name.
    #[must_use]
    pub fn cells(&self) -> Vec<Arc<ActorCell>> {
        let cells = self.cells.read().unwrap_or_else(PoisonError::into_inner);
        cells.values().cloned().collect()
    }

    /// All actors now, by name. Never waits for an actor.
    #[must_use]
    pub fn snapshots(&self) -> Vec<ActorSnapshot> {
        self.cells().iter().map(|cell| cell.snapshot()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_is_named_by_kind_and_labels_and_visible_until_removed() {
        let registry = Registry::new(Clock::system());
        let cell =
            registry.register("leader-connection", &[("partition", "3".into())], Arc::new(()));
        let _other = registry.register("dispatcher", &[], Arc::new(()));
        let names: Vec<String> = registry.snapshots().into_iter().map(|s| s.name).collect();
        assert_eq!(names, ["dispatcher", "leader-connection[partition=3]"]);
        registry.remove(&cell);
        assert_eq!(registry.snapshots().len(), 1);
    }

    #[test]
    fn work_without_a_poll_is_a_stall() {
        let cell = Registry::new(Clock::system()).register("dispatcher", &[], Arc::new(()));
        cell.started();
        cell.last_poll.fetch_sub(STALL_TIME.0 + 1, Relaxed);
        assert!(!cell.stalled(), "nothing to do");
        cell.queued();
        assert!(cell.stalled());
        assert!(cell.snapshot().stalled);
        cell.poll_begins();
        cell.unqueued();
        assert!(!cell.stalled(), "it just ran");
        cell.last_poll.fetch_sub(STALL_TIME.0 + 1, Relaxed);
        assert!(cell.stalled(), "it is stuck in a handler");
    }
}
