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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::actors::gateway::Delivered;

    fn body(json: &str) -> (JobsBody, mpsc::Receiver<Delivered>) {
        let (told, outcome) = mpsc::channel();
        let delivery = JobDelivery::new(Vec::new(), Box::new(move |d| told.send(d).unwrap()));
        (JobsBody::new(json.to_owned(), vec![delivery]), outcome)
    }

    fn next(body: &mut JobsBody) -> Option<Bytes> {
        let mut context = Context::from_waker(std::task::Waker::noop());
        match Pin::new(body).poll_next(&mut context) {
            Poll::Ready(piece) => piece.map(|bytes| bytes.unwrap()),
            Poll::Pending => panic!("a body in memory never waits"),
        }
    }

    #[test]
    fn jobs_are_delivered_when_the_body_was_taken_to_its_end() {
        let text = "x".repeat(PIECE + 1);
        let (mut body, outcome) = body(&text);
        assert_eq!(body.size(), BodySize::Sized(PIECE as u64 + 1));
        assert_eq!(next(&mut body).map(|piece| piece.len()), Some(PIECE));
        assert_eq!(next(&mut body).map(|piece| piece.len()), Some(1));
        assert!(outcome.try_recv().is_err());
        assert_eq!(next(&mut body), None);
        assert_eq!(outcome.try_recv(), Ok(Delivered::All));
    }

    #[test]
    fn jobs_go_back_when_the_client_went_away() {
        let (mut body, outcome) = body("{}");
        assert!(next(&mut body).is_some());
        drop(body);
        assert_eq!(outcome.try_recv(), Ok(Delivered::Nothing));
    }
}
