//! The response body on its way to HTTP/2: ends at the call's deadline, survives a panic in a
//! stream, and tells which job deliveries the transport took.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Sleep;
use tonic::Status;
use tonic::body::Body;

use crate::actors::gateway::{JobDelivery, RequestBytes, Returned};

/// Deliveries whose bytes were given to the library but not yet to HTTP/2.
///
/// What is still in it when the call ends was not handed over, so dropping it gives the jobs back.
#[derive(Clone, Debug, Default)]
pub struct Ledger(Arc<Mutex<Vec<Outgoing>>>);

/// A delivery and which of its jobs are not in the message.
#[derive(Debug)]
struct Outgoing {
    delivery: JobDelivery,
    returned: Vec<Returned>,
    reason: String,
}

impl Ledger {
    /// Notes a delivery whose message is about to be sent; the jobs in `returned` are not part
    /// of it, for the given reason.
    pub fn enter(&self, delivery: JobDelivery, returned: Vec<Returned>, reason: String) {
        self.lock().push(Outgoing { delivery, returned, reason });
    }

    /// The transport took the oldest `count` deliveries.
    fn settle(&self, count: usize) {
        let settled: Vec<Outgoing> = {
            let mut entered = self.lock();
            let count = count.min(entered.len());
            entered.drain(..count).collect()
        };
        for one in settled {
            one.delivery.delivered_except(one.returned, one.reason);
        }
    }

    fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Outgoing>> {
        // The list is whole at every moment, also after a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body of a call's response.
pub struct CallBody {
    inner: Body,
    deadline: Option<Pin<Box<Sleep>>>,
    ledger: Option<Ledger>,
    /// What the call that gets jobs holds of the budget in bytes.
    _request: Option<Arc<RequestBytes>>,
    /// Deliveries that are part of the frame handed out last.
    in_last_frame: usize,
    ended: bool,
}

impl CallBody {
    /// Wraps the library's body; `jobs` is there for a call that gets jobs.
    #[must_use]
    pub fn new(
        inner: Body,
        deadline: Option<Pin<Box<Sleep>>>,
        jobs: Option<(Ledger, Arc<RequestBytes>)>,
    ) -> Self {
        let (ledger, request) = jobs.unzip();
        Self { inner, deadline, ledger, _request: request, in_last_frame: 0, ended: false }
    }

    /// Ends the body with this status as trailers.
    fn end_with(&mut self, status: &Status) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.ended = true;
        self.inner = Body::empty();
        let mut trailers = HeaderMap::new();
        Poll::Ready(Some(match status.add_header(&mut trailers) {
            Ok(()) => Ok(Frame::trailers(trailers)),
            Err(status) => Err(status),
        }))
    }
}

impl HttpBody for CallBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        // HTTP/2 asks for a frame only after it took the one before.
        if let Some(ledger) = &this.ledger {
            ledger.settle(this.in_last_frame);
            this.in_last_frame = 0;
        }
        let inner = Pin::new(&mut this.inner);
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| inner.poll_frame(cx)));
        let Ok(polled) = polled else {
            log::error!("event=grpc_response_panicked");
            let text = "Unexpected error occurred during the request processing: panic";
            return this.end_with(&Status::internal(text));
        };
        if polled.is_ready() {
            // Whatever the library took from the stream so far is in this frame.
            this.in_last_frame = this.ledger.as_ref().map_or(0, Ledger::len);
            return polled;
        }
        let elapsed = this.deadline.as_mut().is_some_and(|at| at.as_mut().poll(cx).is_ready());
        if elapsed {
            return this.end_with(&Status::deadline_exceeded("the call's deadline elapsed"));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        // The library's body must be polled to its end, or the last delivery is never settled.
        self.ended || (self.ledger.is_none() && self.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
