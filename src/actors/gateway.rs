//! The door into the actors: what a frontend may ask for, and nothing else.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::error::GatewayError;
use crate::model::{ActivateJobs, ActorSnapshot, ClusterView, Command, Frontend, Key, Reply};
use crate::model::{Millis, StreamJobs};
use crate::wire::record::JobRecord;

/// What is known of a client when its connection opens.
#[derive(Clone, Debug)]
pub struct SessionInfo {
    /// Which frontend accepted it.
    pub frontend: Frontend,
    /// The client's address.
    pub peer: Option<SocketAddr>,
}

/// A running gateway, as the frontends see it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Gateway {}

impl Gateway {
    /// Opens a session for a client connection. The session ends when the last handle is dropped.
    ///
    /// # Errors
    /// [`GatewayError::Overloaded`] over `limits.sessions`, [`GatewayError::ShuttingDown`].
    pub fn open_session(&self, info: SessionInfo) -> Result<SessionHandle, GatewayError> {
        let _ = info;
        Err(GatewayError::ShuttingDown)
    }

    /// The cluster as of now.
    #[must_use]
    pub fn view(&self) -> Arc<ClusterView> {
        Arc::default()
    }

    /// All actors as of now. Never waits for an actor.
    #[must_use]
    pub fn actors(&self) -> Vec<ActorSnapshot> {
        Vec::new()
    }

    /// The wall clock all actors use.
    #[must_use]
    pub fn now(&self) -> Millis {
        Millis(0)
    }
}

/// A client's session. Cheap to clone; usable from any thread.
#[derive(Clone, Debug)]
pub struct SessionHandle {}

impl SessionHandle {
    /// Sends a command and waits for its one answer. Dropping the future gives the command up: it
    /// may still be executed.
    ///
    /// # Errors
    /// Any [`GatewayError`].
    pub async fn execute(&self, command: Command) -> Result<Reply, GatewayError> {
        let _ = command;
        Err(GatewayError::ShuttingDown)
    }

    /// Polls for jobs. The stream ends when the poll is complete.
    #[must_use]
    pub fn activate_jobs(&self, poll: ActivateJobs) -> JobDeliveries {
        let _ = poll;
        let (_, receiver) = mpsc::channel(1);
        JobDeliveries { receiver }
    }

    /// Registers a stream of pushed jobs. It ends when it is dropped.
    #[must_use]
    pub fn stream_jobs(&self, stream: StreamJobs) -> JobDeliveries {
        let _ = stream;
        let (_, receiver) = mpsc::channel(1);
        JobDeliveries { receiver }
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

/// Jobs on their way to a client. Dropping it gives them back to the broker.
#[derive(Debug)]
pub struct JobDelivery {
    /// The jobs.
    pub jobs: Vec<ActivatedJob>,
}

impl JobDelivery {
    /// All jobs were handed to the client.
    pub fn delivered(self) {}

    /// All jobs but those at these indexes were handed to the client; the others are given back
    /// with this reason.
    pub fn delivered_except(self, returned: &[usize], reason: &str) {
        let _ = (returned, reason);
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
