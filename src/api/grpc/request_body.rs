//! The request body of a call on its way to the library: one message, nothing after it, inflated
//! already, and paid for from the budget in bytes before there is memory for it.
//!
//! No rpc served here takes a stream of requests, and the library ignores what follows the first
//! message; the JVM gateway refuses such a call, and so does this (gateway-behaviour §1).
//!
//! A plain message is paid for when its length is known, after five bytes. A compressed one is
//! inflated here, piece by piece as it arrives, and paid for as it grows: what is over the message
//! limit or over the budget ends the call before it is in memory.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;
use tonic::Status;

use super::inflate::{Inflate, InflateError};
use super::status::{status, too_large};
use crate::actors::gateway::RequestBytes;
use crate::config::Compatibility;

/// Bytes before a message: a flag and its length.
const HEADER: usize = 5;

/// How long a client may take to send its message.
const TIME_MAX: Duration = Duration::from_secs(60);

/// What holds for the body of a call.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Whether the call says that its messages are compressed with gzip.
    pub gzip: bool,
    /// Largest message, inflated, in bytes.
    pub limit: usize,
    /// How failures look.
    pub compatibility: Compatibility,
}

/// See the module.
pub struct RequestBody<B> {
    inner: B,
    bytes: Arc<RequestBytes>,
    rules: Rules,
    state: State,
    /// Runs while the client is waited for.
    patience: Option<Pin<Box<Sleep>>>,
}

/// Where in the body it is.
enum State {
    /// In the header, of which so many bytes are here.
    Header([u8; HEADER], usize),
    /// In a message that is passed on as it comes; so many bytes are to come.
    Plain(usize),
    /// In a compressed message; so many bytes are to come.
    Compressed(Box<Inflate>, usize),
    /// Over.
    Ended,
}

impl<B> RequestBody<B> {
    /// Wraps the transport's body. What it needs is held in `bytes`.
    pub fn new(inner: B, bytes: Arc<RequestBytes>, rules: Rules) -> Self {
        Self { inner, bytes, rules, state: State::Header([0; HEADER], 0), patience: None }
    }

    /// Takes bytes of the client; gives what the library gets, if anything.
    fn take(&mut self, data: Bytes) -> Result<Option<Bytes>, Status> {
        match &mut self.state {
            State::Header(header, have) => {
                let first = *have == 0;
                let (head, rest) = data.split_at(data.len().min(HEADER - *have));
                for (to, byte) in header.iter_mut().skip(*have).zip(head) {
                    *to = *byte;
                }
                *have += head.len();
                if *have < HEADER {
                    return Ok(None);
                }
                let (header, rest) = (*header, data.slice_ref(rest));
                self.begin(header, rest, first.then_some(data))
            }
            State::Plain(left) => match left.checked_sub(data.len()) {
                Some(after) => {
                    *left = after;
                    Ok(Some(data))
                }
                None => Err(Status::internal("Too many requests")),
            },
            State::Compressed(inflate, left) => {
                let Some(after) = left.checked_sub(data.len()) else {
                    return Err(Status::internal("Too many requests"));
                };
                *left = after;
                let inflated = match inflate.push(&data) {
                    Ok(()) if after > 0 => return Ok(None),
                    Ok(()) => inflate.finish(),
                    Err(error) => Err(error),
                };
                self.state = State::Plain(0);
                inflated.map(Some).map_err(|error| self.refuse(error))
            }
            State::Ended => Ok(None),
        }
    }

    /// Begins a message whose header is here; `rest` is what came behind it, and `whole` is both
    /// if they came together.
    fn begin(
        &mut self,
        header: [u8; HEADER],
        rest: Bytes,
        whole: Option<Bytes>,
    ) -> Result<Option<Bytes>, Status> {
        let [flag, length @ ..] = header;
        let length = u32::from_be_bytes(length) as usize;
        if length > self.rules.limit {
            return Err(too_large(self.rules.limit, Some(length), self.rules.compatibility));
        }
        if flag == 1 && self.rules.gzip {
            let inflate = Inflate::new(Arc::clone(&self.bytes), self.rules.limit);
            self.state = State::Compressed(Box::new(inflate), length);
            return self.take(rest);
        }
        self.bytes.hold(length).map_err(|error| status(&error, self.rules.compatibility))?;
        let Some(left) = length.checked_sub(rest.len()) else {
            return Err(Status::internal("Too many requests"));
        };
        self.state = State::Plain(left);
        Ok(Some(whole.unwrap_or_else(|| {
            let mut joined = BytesMut::with_capacity(HEADER + rest.len());
            joined.extend_from_slice(&header);
            joined.extend_from_slice(&rest);
            joined.freeze()
        })))
    }

    fn refuse(&self, error: InflateError) -> Status {
        match error {
            InflateError::TooLarge => too_large(self.rules.limit, None, self.rules.compatibility),
            InflateError::NoRoom(error) => status(&error, self.rules.compatibility),
            InflateError::Broken(cause) => {
                Status::internal(format!("Can't decompress gRPC message: {cause}"))
            }
        }
    }

    /// Whether the client stopped within the message.
    fn is_cut_off(&self) -> bool {
        match self.state {
            State::Header(_, have) => have > 0,
            State::Plain(left) | State::Compressed(_, left) => left > 0,
            State::Ended => false,
        }
    }

    /// Whether the client took too long.
    fn is_too_late(&mut self, cx: &mut Context<'_>) -> bool {
        let sleep = || Box::pin(tokio::time::sleep(TIME_MAX));
        self.patience.get_or_insert_with(sleep).as_mut().poll(cx).is_ready()
    }
}

impl<B> Body for RequestBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let this = self.get_mut();
        loop {
            if matches!(this.state, State::Ended) {
                return Poll::Ready(None);
            }
            let polled = match Pin::new(&mut this.inner).poll_frame(cx) {
                Poll::Ready(polled) => polled,
                Poll::Pending if this.is_too_late(cx) => {
                    this.state = State::Ended;
                    let text = format!("the request did not arrive within {TIME_MAX:?}");
                    return Poll::Ready(Some(Err(Status::deadline_exceeded(text))));
                }
                Poll::Pending => return Poll::Pending,
            };
            let taken = match polled {
                None if this.is_cut_off() => {
                    Err(Status::internal("Encountered end-of-stream mid-frame"))
                }
                None => return Poll::Ready(None),
                Some(Err(error)) => Err(Status::from_error(error.into())),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => this.take(data),
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
            };
            match taken {
                Ok(None) => {}
                Ok(Some(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Err(status) => {
                    this.state = State::Ended;
                    return Poll::Ready(Some(Err(status)));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.state, State::Ended)
            || (self.inner.is_end_stream() && matches!(self.state, State::Plain(0)))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
