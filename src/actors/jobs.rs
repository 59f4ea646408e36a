//! The job half of the gateway: starts its actors, and brings them what clients and brokers send.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::activation::{self, Activate, GiveBack, JobActivation, JobsAvailable};
use super::gateway::{DeliverySender, JobDoor};
use super::job_caller::JobCaller;
use super::job_stream::{self, JobStreamActor, Open, Pushed, Recreate, Retire};
use super::mailbox::Mailbox;
use super::shared::{Shared, Submitter};
use crate::model::{ActivateJobs, StreamJobs};
use crate::net::{Handlers, Message, Messenger, Responder};
use crate::wire::events::{JOBS_AVAILABLE, decode_jobs_available};

/// The job actors. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Jobs {
    activation: Mailbox<JobActivation>,
    streams: Mailbox<JobStreamActor>,
    open_streams: Arc<AtomicUsize>,
}

/// Starts the job actors; they follow the cluster view by themselves.
#[must_use]
pub fn start(shared: &Shared, submitter: Submitter, messenger: Messenger) -> Jobs {
    let give_back = GiveBack::new(submitter.clone());
    let activation = activation::start(shared, submitter, give_back.clone());
    let open_streams = Arc::new(AtomicUsize::new(0));
    let streams = job_stream::start(shared, messenger, give_back, Arc::clone(&open_streams));
    Jobs { activation, streams, open_streams }
}

impl Jobs {
    /// The actor that answers polls.
    #[cfg(test)]
    pub(super) fn activation(&self) -> &Mailbox<JobActivation> {
        &self.activation
    }

    /// The actor that keeps streams.
    #[cfg(test)]
    pub(super) fn streams(&self) -> &Mailbox<JobStreamActor> {
        &self.streams
    }

    /// Takes what brokers send about jobs.
    pub fn register(&self, handlers: &mut Handlers) {
        let activation = self.activation.clone();
        handlers.on(JOBS_AVAILABLE, move |message: Message, responder: Responder| {
            match decode_jobs_available(&message.payload) {
                Ok(job_type) => {
                    activation.send(JobsAvailable(job_type));
                    responder.reply(bytes::Bytes::new());
                }
                Err(error) => responder.error(format!("unreadable event: {error}")),
            }
        });
        let streams = self.streams.clone();
        handlers.on("stream-push", move |message: Message, responder: Responder| {
            streams.send(Pushed { payload: message.payload, responder });
        });
        let streams = self.streams.clone();
        handlers.on("stream-recreate", move |message: Message, responder: Responder| {
            streams.send(Recreate { sender: message.sender });
            responder.reply(bytes::Bytes::new());
        });
    }

    /// Clients with a job stream. A moment behind while streams are opened.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.open_streams.load(Relaxed)
    }

    /// Ends all polls at once and all streams in batches, and tells the brokers to forget these.
    pub fn retire(&self) {
        self.activation.send(activation::Retire);
        self.streams.send(Retire);
    }
}

impl JobDoor for Jobs {
    fn activate(&self, poll: ActivateJobs, deliveries: DeliverySender) {
        let caller = JobCaller::new(deliveries, activation::KIND);
        self.activation.send(Activate { poll, caller });
    }

    fn stream(&self, stream: StreamJobs, deliveries: DeliverySender) {
        let caller = JobCaller::new(deliveries, job_stream::KIND);
        self.streams.send(Open { stream, caller });
    }
}
