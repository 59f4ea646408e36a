//! The door into the actors: what a frontend may ask for, and nothing else.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::dispatcher::{self, Dispatcher, ViewChanged};
use super::leader::{LeaderLost, Links};
use super::mailbox::Mailbox;
use super::session::{self, Close, Execute, Session, SessionState};
use super::shared::{Shared, Submitter};
use super::spawner::Spawner;
use super::supervise::{Fatal, install_panic_hook};
use super::ticket::{Answer, ReplyTo, Ticket};
use crate::config::Config;
use crate::error::GatewayError;
use crate::metrics;
use crate::model::{ActivateJobs, ActorSnapshot, ClusterView, Command, Key, Reply};
use crate::model::{Millis, StreamJobs};
use crate::net::Endpoint;
use crate::wire::record::JobRecord;

pub use super::session::SessionInfo;

/// Pause between two looks at what is still in flight while stopping.
const DRAIN_POLL: Duration = Duration::from_millis(5);
/// Deliveries that wait for a client; what a full queue means is for job activation to say.
const DELIVERIES_MAX: usize = 16;

/// A running gateway, as the frontends see it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Gateway {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Shared,
    dispatcher: Mailbox<Dispatcher>,
    submitter: Submitter,
    jobs: OnceLock<Box<dyn JobDoor>>,
    next_session: AtomicU64,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").finish_non_exhaustive()
    }
}

/// What sessions ask of job activation. Called on the frontends' threads; must not block.
pub trait JobDoor: Send + Sync {
    /// A poll for jobs. It is over when the sender is dropped, given up when it is closed.
    fn activate(&self, poll: ActivateJobs, deliveries: DeliverySender);
    /// A stream of pushed jobs. It is over when the sender is closed.
    fn stream(&self, stream: StreamJobs, deliveries: DeliverySender);
}

/// Deliveries of one poll or stream, on the side of job activation.
pub type DeliverySender = mpsc::Sender<Result<JobDelivery, GatewayError>>;

impl Gateway {
    /// Starts the actors of the data path with a fixed view of the cluster, without gossip: for
    /// benches and tests of the path itself.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn detached(
        config: Config,
        endpoint: Endpoint,
        view: ClusterView,
        fatal: Fatal,
    ) -> io::Result<Self> {
        let shared = share(config, metrics::Registry::default(), fatal)?;
        shared.publish(Arc::new(view));
        let leader_lost = Arc::new(|lost: LeaderLost| {
            log::debug!("event=leader_lost partition={} cause=\"{}\"", lost.partition, lost.cause);
        });
        Ok(Self::over(shared, Links { endpoint, leader_lost }))
    }

    fn over(shared: Shared, links: Links) -> Self {
        let dispatcher = dispatcher::start(&shared, links);
        let submitter = Submitter::new(shared.clone(), dispatcher.clone());
        let (jobs, next_session) = (OnceLock::new(), AtomicU64::new(1));
        Self { inner: Arc::new(Inner { shared, dispatcher, submitter, jobs, next_session }) }
    }

    /// Opens a session for a client connection. The session ends when the last handle is dropped.
    ///
    /// # Errors
    /// [`GatewayError::Overloaded`] over `limits.sessions`, [`GatewayError::ShuttingDown`].
    pub fn open_session(&self, info: SessionInfo) -> Result<SessionHandle, GatewayError> {
        let id = self.inner.next_session.fetch_add(1, Relaxed);
        let dispatcher = self.inner.dispatcher.clone();
        let (mailbox, state) = session::open(&self.inner.shared, dispatcher, id, info)?;
        let gateway = self.clone();
        Ok(SessionHandle { inner: Arc::new(OpenSession { gateway, mailbox, state }) })
    }

    /// The cluster as of now.
    #[must_use]
    pub fn view(&self) -> Arc<ClusterView> {
        self.inner.shared.view_owned()
    }

    /// All actors as of now. Never waits for an actor.
    #[must_use]
    pub fn actors(&self) -> Vec<ActorSnapshot> {
        self.inner.shared.registry().snapshots()
    }

    /// The wall clock all actors use.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.inner.shared.clock().now()
    }

    /// Where sources of metrics are added.
    #[must_use]
    pub fn metrics(&self) -> &metrics::Registry {
        self.inner.shared.metrics()
    }

    /// Whether new calls are refused because the gateway stops.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.inner.shared.admission().is_stopping()
    }

    /// Publishes a view to the actors of a gateway without gossip.
    pub fn publish(&self, view: ClusterView) {
        self.inner.shared.publish(Arc::new(view));
        self.inner.dispatcher.send(ViewChanged);
    }

    /// Stops: refuses new calls at once, waits up to `grace` for the commands in flight, then ends
    /// all actors; what is still in flight is answered with [`GatewayError::ShuttingDown`]. Gives
    /// back how many commands that were.
    pub async fn stop(&self, grace: Duration) -> usize {
        let admission = self.inner.shared.admission();
        admission.stop();
        let drained = async {
            while admission.in_flight() > 0 {
                tokio::time::sleep(DRAIN_POLL).await;
            }
        };
        let _late = tokio::time::timeout(grace, drained).await;
        let left = admission.in_flight();
        let spawner = self.inner.shared.spawner().clone();
        if let Err(error) = tokio::task::spawn_blocking(move || spawner.stop()).await {
            log::error!("event=actors_not_stopped cause=\"{error}\"");
        }
        left
    }
}

fn share(config: Config, metrics: metrics::Registry, fatal: Fatal) -> io::Result<Shared> {
    install_panic_hook();
    let data = match config.threads.data {
        0 => Spawner::default_data_arbiters(),
        configured => configured,
    };
    let spawner = Spawner::start(data)?;
    Ok(Shared::new(config, metrics, spawner, fatal))
}

/// A client's session. Cheap to clone; usable from any thread.
#[derive(Clone, Debug)]
pub struct SessionHandle {
    inner: Arc<OpenSession>,
}

#[derive(Debug)]
struct OpenSession {
    gateway: Gateway,
    mailbox: Mailbox<Session>,
    state: Arc<SessionState>,
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        self.mailbox.send(Close);
        self.gateway.inner.shared.registry().remove(self.mailbox.cell());
    }
}

impl SessionHandle {
    /// Sends a command and waits for its one answer. Dropping the future gives the command up: it
    /// may still be executed.
    ///
    /// # Errors
    /// Any [`GatewayError`].
    pub async fn execute(&self, command: Command) -> Result<Reply, GatewayError> {
        let (caller, answer) = oneshot::channel();
        self.submit(command, caller)?;
        // A ticket answers even when it is dropped, so a closed channel means a defect.
        answer.await.unwrap_or(Err(GatewayError::ActorRestarted { actor: "gateway" }))
    }

    /// The session's number, as in the actor's name.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.inner.state.id
    }

    /// Whether the session takes commands. When it does not, close the connection.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.inner.mailbox.is_open()
    }

    /// Polls for jobs. The stream ends when the poll is complete.
    #[must_use]
    pub fn activate_jobs(&self, poll: ActivateJobs) -> JobDeliveries {
        self.inner.state.polls.fetch_add(1, Relaxed);
        self.deliveries(|jobs, deliveries| jobs.activate(poll, deliveries))
    }

    /// Registers a stream of pushed jobs. It ends when it is dropped.
    #[must_use]
    pub fn stream_jobs(&self, stream: StreamJobs) -> JobDeliveries {
        self.inner.state.streams.fetch_add(1, Relaxed);
        self.deliveries(|jobs, deliveries| jobs.stream(stream, deliveries))
    }

    fn deliveries(&self, open: impl FnOnce(&dyn JobDoor, DeliverySender)) -> JobDeliveries {
        let (sender, receiver) = mpsc::channel(DELIVERIES_MAX);
        match self.inner.gateway.inner.jobs.get() {
            Some(_) if self.inner.gateway.is_stopping() => {
                // The channel is new, so it has room.
                sender.try_send(Err(GatewayError::ShuttingDown)).ok();
            }
            Some(jobs) => open(&**jobs, sender),
            None => {
                let text = "this gateway runs without job activation".to_owned();
                sender.try_send(Err(GatewayError::Internal(text))).ok();
            }
        }
        JobDeliveries { receiver }
    }

    fn submit(
        &self,
        command: Command,
        caller: oneshot::Sender<Answer>,
    ) -> Result<(), GatewayError> {
        let OpenSession { gateway, mailbox, state } = &*self.inner;
        if !mailbox.is_open() {
            return Err(GatewayError::ActorRestarted { actor: session::KIND });
        }
        let bytes = Ticket::bytes_of(&command);
        let permits =
            gateway.inner.shared.admission().admit(bytes, &state.in_flight).inspect_err(|_| {
                state.refused.fetch_add(1, Relaxed);
            })?;
        let mut ticket = gateway.inner.submitter.ticket(command, permits, ReplyTo::Caller(caller));
        ticket.held_by(session::KIND);
        mailbox.send(Execute(ticket));
        Ok(())
    }
}

/// An activated job.
#[derive(Clone, Debug)]
pub struct ActivatedJob {
    /// The job's key.
    pub key: Key,
    /// The job.
    pub record: JobRecord,
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// All jobs were handed to the client.
    All,
    /// All but those at these indexes.
    Except {
        /// Indexes of the jobs to give back.
        returned: Vec<usize>,
        /// Why, for the broker.
        reason: String,
    },
    /// None: the client went away.
    Nothing,
}

/// Told what became of a delivery, once.
pub type OnDelivered = Box<dyn FnOnce(Delivered) + Send>;

/// Jobs on their way to a client. Dropping it gives them back to the broker.
pub struct JobDelivery {
    /// The jobs.
    pub jobs: Vec<ActivatedJob>,
    on_delivered: Option<OnDelivered>,
}

impl fmt::Debug for JobDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobDelivery").field("jobs", &self.jobs).finish_non_exhaustive()
    }
}

impl JobDelivery {
    /// Jobs for a client; `on_delivered` gets to know what became of them.
    #[must_use]
    pub fn new(jobs: Vec<ActivatedJob>, on_delivered: OnDelivered) -> Self {
        Self { jobs, on_delivered: Some(on_delivered) }
    }

    /// All jobs were handed to the client.
    pub fn delivered(mut self) {
        self.settle(Delivered::All);
    }

    /// All jobs but those at these indexes were handed to the client; the others are given back
    /// with this reason.
    pub fn delivered_except(mut self, returned: &[usize], reason: &str) {
        let (returned, reason) = (returned.to_vec(), reason.to_owned());
        self.settle(Delivered::Except { returned, reason });
    }

    fn settle(&mut self, delivered: Delivered) {
        if let Some(on_delivered) = self.on_delivered.take() {
            on_delivered(delivered);
        }
    }
}

impl Drop for JobDelivery {
    fn drop(&mut self) {
        self.settle(Delivered::Nothing);
    }
}

/// Deliveries of one poll or stream. Ends when the poll is complete or failed.
#[derive(Debug)]
pub struct JobDeliveries {
    receiver: mpsc::Receiver<Result<JobDelivery, GatewayError>>,
}

impl JobDeliveries {
    /// The next delivery; `None` when the poll is complete.
    pub async fn next(&mut self) -> Option<Result<JobDelivery, GatewayError>> {
        self.receiver.recv().await
    }
}
