//! The door into the actors: what a frontend may ask for, and nothing else.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use tokio::sync::{mpsc, oneshot};

use super::dispatcher::Dispatcher;
use super::mailbox::Mailbox;
use super::management::{Manage, Management};
use super::session::{self, Close, Execute, Session, SessionState};
use super::shared::{Shared, Submitter};
use super::ticket::{Answer, ReplyTo, Ticket};
use crate::error::GatewayError;
use crate::metrics;
use crate::model::management::{ManagementOperation, ManagementOutcome};
use crate::model::{ActivateJobs, ActorSnapshot, ClusterView, Command, Key, Reply};
use crate::model::{Millis, StreamJobs};
use crate::wire::record::JobRecord;

pub use super::admission::{LimitUse, Purpose, RequestBytes};
pub use super::session::SessionInfo;
pub use super::start::Shutdown;
pub use super::supervise::Fatal;
pub use super::topology::{MemberOptions, StartError};
pub use crate::routing::management::{ManagementError, Refusal};

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
    management: Mailbox<Management>,
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
    pub(super) fn new(
        shared: Shared,
        dispatcher: Mailbox<Dispatcher>,
        submitter: Submitter,
        management: Mailbox<Management>,
    ) -> Self {
        let (jobs, next_session) = (OnceLock::new(), AtomicU64::new(1));
        let inner = Inner { shared, dispatcher, submitter, management, jobs, next_session };
        Self { inner: Arc::new(inner) }
    }

    /// Sets who answers polls and streams. Only the first call has an effect.
    pub fn serve_jobs(&self, jobs: Box<dyn JobDoor>) {
        if self.inner.jobs.set(jobs).is_err() {
            log::error!("event=job_door_set_twice");
        }
    }

    #[cfg(test)]
    pub(super) fn shared(&self) -> &Shared {
        &self.inner.shared
    }

    #[cfg(test)]
    pub(super) fn dispatcher(&self) -> &Mailbox<Dispatcher> {
        &self.inner.dispatcher
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

    /// Carries out a management operation for `asked_by`, whom the log names. It ends by a deadline
    /// of its own; dropping the future does not end it.
    ///
    /// # Errors
    /// Any [`ManagementError`].
    pub async fn manage(
        &self,
        operation: ManagementOperation,
        asked_by: String,
    ) -> Result<ManagementOutcome, ManagementError> {
        if self.is_stopping() {
            return Err(ManagementError::Interrupted);
        }
        let (reply, result) = oneshot::channel();
        self.inner.management.send(Manage { operation, asked_by, reply });
        // Without a result the operation panicked or its thread ended.
        result.await.unwrap_or(Err(ManagementError::Interrupted))
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

    /// The limits of the gateway as a whole, and what is in use of them.
    #[must_use]
    pub fn limits(&self) -> [LimitUse; 3] {
        self.inner.shared.admission().limits()
    }

    /// What a request will hold of `limits.request_bytes`, before there is a command. The command has
    /// bytes of its own: a request is in memory as it came, and again as it is sent.
    #[must_use]
    pub fn request_bytes(&self, purpose: Purpose) -> RequestBytes {
        self.inner.shared.admission().request(purpose)
    }

    /// Publishes a view to the actors of a gateway without gossip.
    pub fn publish(&self, view: ClusterView) {
        self.inner.shared.publish(Arc::new(view));
    }
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
        answer
            .await
            .unwrap_or(Err(GatewayError::ActorRestarted { actor: "gateway", partition: None }))
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

    #[cfg(test)]
    pub(super) fn mailbox(&self) -> &Mailbox<Session> {
        &self.inner.mailbox
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
            return Err(GatewayError::ActorRestarted { actor: session::KIND, partition: None });
        }
        let bytes = Ticket::bytes_of(&command);
        let admission = gateway.inner.shared.admission();
        let permits = admission
            .admit(bytes, &state.in_flight, Purpose::of(command.kind))
            .inspect_err(|_| {
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

/// A job of a delivery that the client does not get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    /// Its index in the delivery.
    pub index: usize,
    /// How long the broker keeps it to itself. Zero for a job that another poll can deliver.
    pub pause: Millis,
    /// Why this one, where the delivery's reason does not say enough. It then costs the job one of
    /// its retries: no delivery can succeed.
    pub fault: Option<String>,
}

impl Returned {
    /// A job that the next poll may deliver.
    #[must_use]
    pub fn at_once(index: usize) -> Self {
        Self { index, pause: Millis(0), fault: None }
    }
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// All jobs were handed to the client.
    All,
    /// All but these.
    Except {
        /// The jobs to give back.
        returned: Vec<Returned>,
        /// Why, for the broker.
        reason: String,
    },
    /// None: the client went away.
    Nothing,
}

/// Told how many jobs of a delivery the frontend keeps, at most once.
pub type OnTaken = Box<dyn FnOnce(usize) + Send>;
/// Told what became of a delivery, once.
pub type OnDelivered = Box<dyn FnOnce(Delivered) + Send>;
/// Told when delivered jobs turn out to be unread, or may be; and which of the delivery's jobs were
/// returned before.
pub type OnDoubt = Box<dyn FnOnce(Doubt, &[usize]) + Send>;

/// What is known of delivered jobs whose client's connection ended right after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The client's system says that it threw them away unread.
    Unread,
    /// Nobody can know.
    Unknown,
}

/// Gives delivered jobs back after all. Dropping it means that the client has them.
pub struct Recall {
    on_doubt: OnDoubt,
    returned: Vec<usize>,
}

impl fmt::Debug for Recall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recall").finish_non_exhaustive()
    }
}

impl Recall {
    /// The client did not read them.
    pub fn unread(self) {
        (self.on_doubt)(Doubt::Unread, &self.returned);
    }

    /// The client went away, and whether it read them cannot be known.
    pub fn unknown(self) {
        (self.on_doubt)(Doubt::Unknown, &self.returned);
    }
}

/// Jobs on their way to a client. Dropping it gives them back to the broker.
///
/// Two facts are told of it. *Taken*: the frontend holds the jobs and they count for the poll, so
/// the next partition may be asked; a frontend that answers all jobs at once says so first.
/// *Delivered*: the client's connection took them; this says taken too when nobody did before.
pub struct JobDelivery {
    /// The jobs.
    pub jobs: Vec<ActivatedJob>,
    on_taken: Option<OnTaken>,
    on_delivered: Option<OnDelivered>,
    on_doubt: Option<OnDoubt>,
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
        Self { jobs, on_taken: None, on_delivered: Some(on_delivered), on_doubt: None }
    }

    /// The same, with someone who waits until the jobs are taken.
    #[must_use]
    pub fn with_on_taken(mut self, on_taken: OnTaken) -> Self {
        self.on_taken = Some(on_taken);
        self
    }

    /// The same, with someone who can give jobs back after they were delivered.
    #[must_use]
    pub fn with_on_doubt(mut self, on_doubt: OnDoubt) -> Self {
        self.on_doubt = Some(on_doubt);
        self
    }

    /// For a frontend that may learn later that its client did not read the jobs that it is about
    /// to call delivered, all but the `returned`. At most once.
    pub fn recall(&mut self, returned: &[Returned]) -> Option<Recall> {
        let on_doubt = self.on_doubt.take()?;
        Some(Recall { on_doubt, returned: returned.iter().map(|one| one.index).collect() })
    }

    /// The frontend holds all jobs and will deliver them; whoever sent them goes on.
    pub fn take(&mut self) {
        self.tell_taken(self.jobs.len());
    }

    /// All jobs were handed to the client.
    pub fn delivered(mut self) {
        self.settle(Delivered::All);
    }

    /// All jobs but these were handed to the client; these are given back with this reason.
    pub fn delivered_except(mut self, returned: Vec<Returned>, reason: String) {
        self.settle(Delivered::Except { returned, reason });
    }

    fn tell_taken(&mut self, count: usize) {
        if let Some(on_taken) = self.on_taken.take() {
            on_taken(count);
        }
    }

    fn settle(&mut self, delivered: Delivered) {
        let Some(on_delivered) = self.on_delivered.take() else { return };
        match &delivered {
            Delivered::All => self.tell_taken(self.jobs.len()),
            Delivered::Except { returned, .. } => {
                self.tell_taken(self.jobs.len().saturating_sub(returned.len()));
            }
            Delivered::Nothing => {}
        }
        on_delivered(delivered);
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
