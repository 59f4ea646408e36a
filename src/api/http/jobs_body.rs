//! The body of a job activation: it holds the deliveries until the client's connection took it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;

use crate::actors::gateway::JobDelivery;

/// Written piece by piece, so that the end is reached only when all but the last piece left for
/// the client.
const PIECE: usize = 32 * 1024;

/// JSON of activated jobs. The jobs count as delivered when the body was written to its end; if it
/// is dropped before that, because the client is gone, they go back to the broker.
#[derive(Debug)]
pub(super) struct JobsBody {
    rest: Bytes,
    deliveries: Vec<JobDelivery>,
}

impl JobsBody {
    /// A body that delivers `deliveries` with `json`.
    pub(super) fn new(json: String, deliveries: Vec<JobDelivery>) -> Self {
        Self { rest: json.into(), deliveries }
    }
}

impl MessageBody for JobsBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.rest.len() as u64)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let length = PIECE.min(self.rest.len());
        if length == 0 {
            self.deliveries.drain(..).for_each(JobDelivery::delivered);
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(self.rest.split_to(length))))
    }
}
