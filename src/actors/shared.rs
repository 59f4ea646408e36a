//! What all actors of a gateway have in common.

use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use arc_swap::{ArcSwap, Guard};

use super::admission::{Admission, Permits};
use super::cell::{ActorCell, Observe, Registry};
use super::dispatcher::{Dispatch, Dispatcher};
use super::mailbox::Mailbox;
use super::spawner::Spawner;
use super::supervise::{Fatal, Policy, Supervision};
use super::ticket::{ReplyTo, Ticket};
use crate::clock::Clock;
use crate::config::Config;
use crate::metrics::{self, RequestMetrics};
use crate::model::{BrokerId, ClusterView, Command, PartitionId, Reply};

/// Gets the jobs of an activation that arrived after its poll was given up, so that they can be
/// given back to their broker instead of being locked until their timeout.
pub type LateJobs = Box<dyn Fn(PartitionId, Reply) + Send + Sync>;

/// What happened to a broker, for those who keep something at each of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokerEvent {
    /// It joined, or came back as a new process; the view has it.
    Added(BrokerId),
    /// It is gone, and what was registered there with it.
    Removed(BrokerId),
}

/// Told of events; must only pass them on.
type Listener<T> = Box<dyn Fn(&T) + Send + Sync>;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shared {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    clock: Clock,
    metrics: metrics::Registry,
    requests: Arc<RequestMetrics>,
    spawner: Spawner,
    registry: Registry,
    admission: Arc<Admission>,
    fatal: Fatal,
    view: ArcSwap<ClusterView>,
    late_jobs: OnceLock<LateJobs>,
    view_listeners: RwLock<Vec<Listener<Arc<ClusterView>>>>,
    broker_listeners: RwLock<Vec<Listener<BrokerEvent>>>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    /// The common parts of a new gateway.
    #[must_use]
    pub fn new(config: Config, metrics: metrics::Registry, spawner: Spawner, fatal: Fatal) -> Self {
        let requests = Arc::new(RequestMetrics::default());
        metrics.add(Arc::<RequestMetrics>::clone(&requests));
        let clock = Clock::system();
        let admission = Arc::new(Admission::new(&config.limits));
        Self {
            inner: Arc::new(Inner {
                config,
                clock,
                metrics,
                requests,
                spawner,
                registry: Registry::new(clock),
                admission,
                fatal,
                view: ArcSwap::default(),
                late_jobs: OnceLock::new(),
                view_listeners: RwLock::default(),
                broker_listeners: RwLock::default(),
            }),
        }
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.inner.clock
    }

    /// Where sources of metrics are added.
    #[must_use]
    pub fn metrics(&self) -> &metrics::Registry {
        &self.inner.metrics
    }

    /// Metrics of commands to partitions.
    #[must_use]
    pub fn requests(&self) -> &RequestMetrics {
        &self.inner.requests
    }

    /// The threads.
    #[must_use]
    pub fn spawner(&self) -> &Spawner {
        &self.inner.spawner
    }

    /// All actors.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    /// The limits.
    #[must_use]
    pub fn admission(&self) -> &Arc<Admission> {
        &self.inner.admission
    }

    /// The cluster now, for a short look.
    #[must_use]
    pub fn view(&self) -> Guard<Arc<ClusterView>> {
        self.inner.view.load()
    }

    /// The cluster now, to keep.
    #[must_use]
    pub fn view_owned(&self) -> Arc<ClusterView> {
        self.inner.view.load_full()
    }

    /// Publishes the cluster and tells who follows it. Only the topology does.
    pub(super) fn publish(&self, view: Arc<ClusterView>) {
        self.inner.view.store(Arc::clone(&view));
        let listeners = self.inner.view_listeners.read().unwrap_or_else(PoisonError::into_inner);
        listeners.iter().for_each(|listener| listener(&view));
    }

    /// Publishes a view that differs only in when members were last heard of.
    pub(super) fn refresh(&self, view: Arc<ClusterView>) {
        self.inner.view.store(view);
    }

    /// Calls `listener` with each view published from now on. It runs on the topology's thread and
    /// must only pass the news on; it stays for the life of the gateway.
    pub fn on_view(&self, listener: impl Fn(&Arc<ClusterView>) + Send + Sync + 'static) {
        let listeners = self.inner.view_listeners.write();
        listeners.unwrap_or_else(PoisonError::into_inner).push(Box::new(listener));
    }

    /// Calls `listener` with each broker that comes or goes from now on, after the view that shows
    /// it was published. Rules as for [`Shared::on_view`].
    pub fn on_broker(&self, listener: impl Fn(&BrokerEvent) + Send + Sync + 'static) {
        let listeners = self.inner.broker_listeners.write();
        listeners.unwrap_or_else(PoisonError::into_inner).push(Box::new(listener));
    }

    pub(super) fn tell_broker(&self, event: &BrokerEvent) {
        let listeners = self.inner.broker_listeners.read().unwrap_or_else(PoisonError::into_inner);
        listeners.iter().for_each(|listener| listener(event));
    }

    /// Registers an actor that is about to start.
    #[must_use]
    pub fn register(
        &self,
        kind: &'static str,
        labels: &[(&str, String)],
        observed: Arc<dyn Observe>,
    ) -> Arc<ActorCell> {
        self.inner.registry.register(kind, labels, observed)
    }

    /// How an actor with this policy is supervised.
    #[must_use]
    pub fn supervision(&self, policy: Policy) -> Supervision {
        let fatal = self.inner.fatal.clone();
        Supervision { registry: self.inner.registry.clone(), policy, fatal }
    }

    /// Sets who gets jobs that arrive late. Only the first call has an effect.
    pub fn on_late_jobs(&self, hook: LateJobs) {
        if self.inner.late_jobs.set(hook).is_err() {
            log::error!("event=late_jobs_hook_set_twice");
        }
    }

    pub(super) fn late_jobs(&self, partition: PartitionId, reply: Reply) {
        match self.inner.late_jobs.get() {
            Some(hook) => hook(partition, reply),
            None => log::warn!("event=late_jobs_dropped partition={partition}"),
        }
    }
}

/// Sends commands of the gateway itself: polls for jobs, give-backs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Submitter {
    shared: Shared,
    dispatcher: Mailbox<Dispatcher>,
}

impl Submitter {
    /// Submits to this dispatcher.
    #[must_use]
    pub fn new(shared: Shared, dispatcher: Mailbox<Dispatcher>) -> Self {
        Self { shared, dispatcher }
    }

    /// Sends a command whatever the limits say; the caller bounds how many it sends.
    pub fn submit(&self, command: Command, reply: ReplyTo) {
        let permits = self.shared.admission().admit_own(Ticket::bytes_of(&command));
        self.dispatch(command, permits, reply);
    }

    pub(super) fn ticket(&self, command: Command, permits: Permits, reply: ReplyTo) -> Ticket {
        let timeout = self.shared.config().cluster.request_timeout;
        let mut ticket = Ticket::new(command, permits, timeout, reply);
        ticket.start_clock(self.shared.clock().now());
        ticket
    }

    fn dispatch(&self, command: Command, permits: Permits, reply: ReplyTo) {
        let mut ticket = self.ticket(command, permits, reply);
        ticket.held_by("dispatcher");
        self.dispatcher.send(Dispatch(ticket));
    }
}
