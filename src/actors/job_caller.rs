//! The client of a poll or stream, as the job actors see it: gets deliveries, then exactly one end.
//!
//! Frontend ← deliveries ← **this** ← job-activation, job-streams. Whatever happens to the actor
//! that holds it, the client learns how the call ended: a caller that is dropped without an end,
//! because its actor panicked, says so.

use super::gateway::{DeliverySender, JobDelivery};
use crate::error::GatewayError;

/// See the module.
#[derive(Debug)]
pub struct JobCaller {
    deliveries: DeliverySender,
    /// The actor that answers.
    holder: &'static str,
    /// Whether an end without a word would be wrong.
    owes_end: bool,
}

impl JobCaller {
    /// The client at the other side of `deliveries`, served by the actor of this kind.
    #[must_use]
    pub fn new(deliveries: DeliverySender, holder: &'static str) -> Self {
        Self { deliveries, holder, owes_end: true }
    }

    /// Sends jobs. Jobs that the client cannot get are given back by dropping them.
    pub fn send(&self, delivery: JobDelivery) {
        // Actors send no more than the channel holds before jobs are taken, so only a client that
        // went away refuses.
        drop(self.deliveries.try_send(Ok(delivery)));
    }

    /// From now on an abrupt end is as good as a proper one. Clients lose the jobs they have when a
    /// poll fails after some came (the Go client drops them), so it then just ends.
    pub fn may_end_early(&mut self) {
        self.owes_end = false;
    }

    /// Ends the call without an error.
    pub fn complete(mut self) {
        self.owes_end = false;
    }

    /// Ends the call with an error.
    pub fn fail(mut self, error: GatewayError) {
        self.owes_end = false;
        // A client that is gone needs none.
        drop(self.deliveries.try_send(Err(error)));
    }

    /// Whether the client went away.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.deliveries.is_closed()
    }
}

impl Drop for JobCaller {
    fn drop(&mut self) {
        if self.owes_end {
            let restarted = GatewayError::ActorRestarted { actor: self.holder, partition: None };
            drop(self.deliveries.try_send(Err(restarted)));
        }
    }
}
