//! The response body on its way to HTTP/2: ends at the call's deadline, survives a panic in a
//! stream, and tells which job deliveries left for the client.
//!
//! The last byte of a message with jobs is a frame of its own. HTTP/2 takes it only when the
//! client's window has room for it, so when the body is polled again all of the message may be
//! sent, and the next flush shows that the system accepted it. Until then nothing more is taken
//! from the call's stream: a client that does not read holds one message, which is returned when
//! it leaves.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Sleep;
use tonic::Status;
use tonic::body::Body;

use super::transport::{Flush, Wire};
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

    /// The oldest `count` deliveries left.
    fn settle(&self, count: usize, wire: Option<&Wire>) {
        let settled: Vec<Outgoing> = {
            let mut entered = self.lock();
            let count = count.min(entered.len());
            entered.drain(..count).collect()
        };
        for Outgoing { mut delivery, returned, reason } in settled {
            let recall = delivery.recall(&returned);
            delivery.delivered_except(returned, reason);
            if let (Some(wire), Some(recall)) = (wire, recall) {
                wire.doubt(recall);
            }
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

/// How far the deliveries of the frame handed out last are.
#[derive(Debug)]
enum Departure {
    /// Nothing is on its way.
    None,
    /// All but the last byte was handed to HTTP/2.
    LastByte(Bytes),
    /// The last byte was, too.
    Handed,
    /// HTTP/2 may send all of it; it has left when this flush is complete.
    Flushing(Flush),
}

/// The body of a call's response.
pub struct CallBody {
    inner: Body,
    deadline: Option<Pin<Box<Sleep>>>,
    ledger: Option<Ledger>,
    /// What the call that gets jobs holds of the budget in bytes.
    _request: Option<Arc<RequestBytes>>,
    wire: Option<Arc<Wire>>,
    /// Deliveries that are part of the frame handed out last.
    in_last_frame: usize,
    departure: Departure,
    ended: bool,
}

impl CallBody {
    /// Wraps the library's body.
    #[must_use]
    pub fn new(inner: Body, deadline: Option<Pin<Box<Sleep>>>) -> Self {
        Self {
            inner,
            deadline,
            ledger: None,
            _request: None,
            wire: None,
            in_last_frame: 0,
            departure: Departure::None,
            ended: false,
        }
    }

    /// The same for a call that gets jobs: the deliveries that are part of its messages, on their
    /// way over `wire`, and what its request holds of the budget.
    #[must_use]
    pub fn with_jobs(self, ledger: Ledger, request: Arc<RequestBytes>, wire: Arc<Wire>) -> Self {
        Self { ledger: Some(ledger), _request: Some(request), wire: Some(wire), ..self }
    }

    /// Splits the last byte off a frame with jobs.
    fn depart(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        self.in_last_frame = self.ledger.as_ref().map_or(0, Ledger::len);
        if self.in_last_frame == 0 {
            return frame;
        }
        match frame.into_data() {
            Ok(mut all) if all.len() > 1 => {
                self.departure = Departure::LastByte(all.split_off(all.len() - 1));
                Frame::data(all)
            }
            Ok(all) => {
                self.departure = Departure::Handed;
                Frame::data(all)
            }
            Err(other) => other,
        }
    }

    /// Waits until the deliveries of the last frame have left; a piece of it may be first.
    fn poll_departed(&mut self, cx: &Context<'_>) -> Poll<Option<Frame<Bytes>>> {
        if let Departure::LastByte(_) = &self.departure
            && let Departure::LastByte(last) =
                std::mem::replace(&mut self.departure, Departure::Handed)
        {
            return Poll::Ready(Some(Frame::data(last)));
        }
        if let (Departure::Handed, Some(wire)) = (&self.departure, &self.wire) {
            self.departure = Departure::Flushing(wire.flush());
        }
        if let (Departure::Flushing(flush), Some(wire)) = (&self.departure, &self.wire) {
            ready!(wire.flushed(*flush, cx));
        }
        self.departure = Departure::None;
        if let Some(ledger) = &self.ledger {
            ledger.settle(self.in_last_frame, self.wire.as_deref());
            self.in_last_frame = 0;
        }
        Poll::Ready(None)
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
        if let Some(frame) = ready!(this.poll_departed(cx)) {
            return Poll::Ready(Some(Ok(frame)));
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
            return polled.map(|frame| frame.map(|frame| frame.map(|frame| this.depart(frame))));
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
