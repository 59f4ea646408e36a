//! The body of a job activation: it holds the deliveries until the client's connection took it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::Version;
use bytes::Bytes;
use tokio::time::Sleep;

use crate::actors::gateway::JobDelivery;

/// Written piece by piece, so that the end is reached only when all but the last piece left for
/// the client.
const PIECE: usize = 32 * 1024;

/// How long after its last byte the answer stays open for a sign that the client did not read it.
const LINGER: Duration = Duration::from_millis(100);

/// JSON of activated jobs. The jobs count as delivered when the body was written to its end; if it
/// is dropped before that, because the client is gone, they go back to the broker.
///
/// With HTTP/1.1 the client has the whole answer with its last byte, so the body can stay open a
/// little longer at no cost: whatever comes from the client polls it, its next request, too, and so
/// ends it; but if the connection is reset, because its system threw away what it did not read,
/// the body is dropped.
#[derive(Debug)]
pub(super) struct JobsBody {
    rest: Bytes,
    deliveries: Vec<JobDelivery>,
    lingers: Linger,
}

#[derive(Debug)]
enum Linger {
    Never,
    Later,
    /// The last piece was handed out; it leaves after this poll.
    Until(#[expect(dead_code, reason = "it only has to wake the body")] Pin<Box<Sleep>>),
}

impl JobsBody {
    /// A body that delivers `deliveries` with `json`, for a client of this version.
    pub(super) fn new(json: String, deliveries: Vec<JobDelivery>, version: Version) -> Self {
        // HTTP/2 clients wait for the end, and those of HTTP/1.0 may.
        let lingers = if version == Version::HTTP_11 { Linger::Later } else { Linger::Never };
        Self { rest: json.into(), deliveries, lingers }
    }
}

impl MessageBody for JobsBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.rest.len() as u64)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        let length = PIECE.min(self.rest.len());
        if length > 0 {
            return Poll::Ready(Some(Ok(self.rest.split_to(length))));
        }
        if matches!(self.lingers, Linger::Later) {
            let mut sleep = Box::pin(tokio::time::sleep(LINGER));
            if sleep.as_mut().poll(context).is_pending() {
                self.lingers = Linger::Until(sleep);
                return Poll::Pending;
            }
        }
        self.deliveries.drain(..).for_each(JobDelivery::delivered);
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::actors::gateway::Delivered;

    fn body(json: &str, version: Version) -> (JobsBody, mpsc::Receiver<Delivered>) {
        let (told, outcome) = mpsc::channel();
        let delivery = JobDelivery::new(Vec::new(), Box::new(move |d| told.send(d).unwrap()));
        (JobsBody::new(json.to_owned(), vec![delivery], version), outcome)
    }

    fn poll(body: &mut JobsBody) -> Poll<Option<usize>> {
        let mut context = Context::from_waker(std::task::Waker::noop());
        let polled = Pin::new(body).poll_next(&mut context);
        polled.map(|piece| piece.map(|bytes| bytes.unwrap().len()))
    }

    #[test]
    fn jobs_are_delivered_when_the_body_was_taken_to_its_end() {
        let text = "x".repeat(PIECE + 1);
        let (mut body, outcome) = body(&text, Version::HTTP_2);
        assert_eq!(body.size(), BodySize::Sized(PIECE as u64 + 1));
        assert_eq!(poll(&mut body), Poll::Ready(Some(PIECE)));
        assert_eq!(poll(&mut body), Poll::Ready(Some(1)));
        assert!(outcome.try_recv().is_err());
        assert_eq!(poll(&mut body), Poll::Ready(None));
        assert_eq!(outcome.try_recv(), Ok(Delivered::All));
    }

    #[tokio::test]
    async fn jobs_go_back_when_the_client_went_away() {
        for version in [Version::HTTP_11, Version::HTTP_2] {
            let (mut body, outcome) = body("{}", version);
            assert_eq!(poll(&mut body), Poll::Ready(Some(2)));
            drop(body);
            assert_eq!(outcome.try_recv(), Ok(Delivered::Nothing));
        }
        // Reset after all was written.
        let (mut body, outcome) = body("{}", Version::HTTP_11);
        assert_eq!(poll(&mut body), Poll::Ready(Some(2)));
        assert_eq!(poll(&mut body), Poll::Pending);
        drop(body);
        assert_eq!(outcome.try_recv(), Ok(Delivered::Nothing));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_was_written_ends_with_the_next_event_or_soon() {
        let (mut one, outcome) = body("{}", Version::HTTP_11);
        assert_eq!((poll(&mut one), poll(&mut one)), (Poll::Ready(Some(2)), Poll::Pending));
        assert_eq!(poll(&mut one), Poll::Ready(None), "the next request came");
        assert_eq!(outcome.try_recv(), Ok(Delivered::All));

        let (mut other, outcome) = body("{}", Version::HTTP_11);
        let began = tokio::time::Instant::now();
        while std::future::poll_fn(|cx| Pin::new(&mut other).poll_next(cx)).await.is_some() {}
        assert_eq!(began.elapsed().as_millis(), LINGER.as_millis());
        assert_eq!(outcome.try_recv(), Ok(Delivered::All));
    }
}
