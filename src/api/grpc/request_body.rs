//! The request body of a call on its way to the library: one message, nothing after it, inflated
//! already, and paid for from the budget in bytes before there is memory for it.
//!
//! No rpc served here takes a stream of requests, and the library ignores what follows the first
//! message; the JVM gateway refuses such a call, and so does this (gateway-behaviour §1).
//!
//! A plain message is paid for when its length is known, after five bytes. A compressed one is
//! inflated here, piece by piece as it arrives, and paid for as it grows: what is over the message
//! limit or over the budget ends the call before it is in memory.

use std::collections::VecDeque;
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

/// How long a client may take to send its message, as over REST.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What holds for the body of a call.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Whether the call says that its messages are compressed with gzip.
    pub gzip: bool,
    /// Largest message, inflated, in bytes.
    pub limit: usize,
    /// How long the client may take to send it.
    pub patience: Duration,
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
    /// Behind a compressed message, of which these pieces are still to be passed on.
    Inflated(VecDeque<Bytes>),
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
                self.state = State::Inflated(inflated.map_err(|error| self.refuse(error))?);
                Ok(None)
            }
            State::Inflated(_) | State::Ended => Ok(None),
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
            State::Inflated(_) | State::Ended => false,
        }
    }

    /// Whether the client took too long.
    fn is_too_late(&mut self, cx: &mut Context<'_>) -> bool {
        let sleep = || Box::pin(tokio::time::sleep(self.rules.patience));
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
            match &mut this.state {
                State::Inflated(pieces) => match pieces.pop_front() {
                    Some(piece) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                    None => this.state = State::Plain(0),
                },
                State::Ended => return Poll::Ready(None),
                _ => {}
            }
            let polled = match Pin::new(&mut this.inner).poll_frame(cx) {
                Poll::Ready(polled) => polled,
                Poll::Pending if this.is_too_late(cx) => {
                    this.state = State::Ended;
                    let patience = this.rules.patience;
                    let text = format!("the request did not arrive within {patience:?}");
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

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use futures::future::poll_fn;
    use tonic::Code;

    use super::*;
    use crate::actors::gateway::Purpose;

    /// A body of these pieces; then it ends, or stays silent.
    struct Pieces(VecDeque<Bytes>, bool);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            match self.0.pop_front() {
                Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece)))),
                None if self.1 => Poll::Ready(None),
                None => Poll::Pending,
            }
        }
    }

    fn pieces(bytes: &[u8], size: usize) -> Pieces {
        Pieces(bytes.chunks(size).map(Bytes::copy_from_slice).collect(), true)
    }

    fn body(inner: Pieces, room: usize, gzip: bool) -> (RequestBody<Pieces>, Arc<RequestBytes>) {
        let bytes = Arc::new(RequestBytes::of(room, Purpose::Relief));
        let patience = Duration::from_millis(5);
        let compatibility = Compatibility { exact: false };
        let rules = Rules { gzip, limit: 100_000, patience, compatibility };
        (RequestBody::new(inner, Arc::clone(&bytes), rules), bytes)
    }

    /// All that comes out, and how much is held for it.
    fn read(inner: Pieces, room: usize, gzip: bool) -> Result<(Vec<u8>, usize), Status> {
        let (mut body, bytes) = body(inner, room, gzip);
        let mut out = Vec::new();
        loop {
            let frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).now_or_never();
            match frame.expect("never waits").transpose()? {
                Some(frame) => out.extend_from_slice(frame.data_ref().expect("data")),
                None => return Ok((out, bytes.held())),
            }
        }
    }

    fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        [&[flag][..], &length, message].concat()
    }

    fn gzip(message: &[u8]) -> Vec<u8> {
        use std::io::Write as _;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(message).unwrap();
        encoder.finish().unwrap()
    }

    fn code(result: Result<(Vec<u8>, usize), Status>) -> (Code, String) {
        let status = result.expect_err("must be refused");
        (status.code(), status.message().to_owned())
    }

    #[test]
    fn one_message_passes_and_what_follows_is_noticed_however_it_is_cut() {
        let one = framed(0, &[7; 2]);
        let two = [&one[..], &[0]].concat();
        for size in 1..=two.len() {
            assert_eq!(read(pieces(&one, size), 10, false).unwrap(), (one.clone(), 2));
            let (refused, text) = code(read(pieces(&two, size), 10, false));
            assert_eq!((refused, &*text), (Code::Internal, "Too many requests"), "{size}");
            let (refused, text) = code(read(pieces(&one[..one.len() - 1], size), 10, false));
            let cut = "Encountered end-of-stream mid-frame";
            assert_eq!((refused, &*text), (Code::Internal, cut), "{size}");
        }
        assert_eq!(read(pieces(&[], 1), 10, false).unwrap(), (vec![], 0));
        assert_eq!(read(pieces(&[0; 5], 5), 10, false).unwrap(), (vec![0; 5], 0));
    }

    #[test]
    fn it_is_paid_for_before_it_is_here() {
        let announced = framed(0, &[7; 90_000]);
        let (refused, text) = code(read(pieces(&announced[..5], 5), 80_000, false));
        assert_eq!(refused, Code::ResourceExhausted);
        assert!(text.contains("limits.request_bytes"), "{text}");
        let huge = [0, 0xff, 0xff, 0xff, 0xff];
        let (refused, text) = code(read(pieces(&huge, 5), 80_000, false));
        assert_eq!(refused, Code::ResourceExhausted);
        assert_eq!(text, "gRPC message exceeds maximum size 100000: 4294967295");
    }

    #[test]
    fn compressed_messages_come_out_plain_and_are_paid_for_as_they_grow() {
        let message = vec![7; 60_000];
        let sent = framed(1, &gzip(&message));
        for size in [1, 4, 5, 6, 50, 1000] {
            let (out, held) = read(pieces(&sent, size), 200_000, true).unwrap();
            assert_eq!(out, framed(0, &message), "{size}");
            assert!((60_000..60_000 + (64 << 10)).contains(&held), "{held}");
        }
        let (refused, text) = code(read(pieces(&sent, 50), 50_000, true));
        assert_eq!(refused, Code::ResourceExhausted);
        assert!(text.contains("limits.request_bytes"), "{text}");
        let large = framed(1, &gzip(&vec![7; 100_001]));
        let (refused, text) = code(read(pieces(&large, 50), 1_000_000, true));
        assert_eq!(refused, Code::ResourceExhausted);
        assert_eq!(text, "Decompressed gRPC message exceeds maximum size 100000");
        let most = framed(1, &gzip(&vec![7; 100_000]));
        assert_eq!(read(pieces(&most, 50), 1_000_000, true).unwrap().0.len(), 100_005);
        let empty = framed(1, &gzip(&[]));
        assert_eq!(read(pieces(&empty, 3), 0x8000, true).unwrap().0, [0; 5]);
        // A compressed flag without compression is the library's to refuse.
        assert_eq!(read(pieces(&sent, 50), 200_000, false).unwrap().0, sent);
    }

    #[test]
    fn spoilt_compression_is_refused() {
        let good = gzip(&[7; 1000]);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            // Some bits of the header mean nothing.
            if let Err(status) = read(pieces(&framed(1, &bad), 7), 200_000, true) {
                assert!(matches!(status.code(), Code::Internal | Code::ResourceExhausted));
            }
            let short = framed(1, &good[..at]);
            assert_eq!(code(read(pieces(&short, 7), 200_000, true)).0, Code::Internal, "{at}");
        }
    }

    #[tokio::test]
    async fn a_message_that_does_not_come_is_given_up() {
        let announced = framed(0, &[7; 90_000]);
        let first = Bytes::copy_from_slice(&announced[..50]);
        let (mut body, bytes) = body(Pieces([first].into(), false), 100_000, false);
        let first = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        assert_eq!(first.unwrap().unwrap().data_ref().unwrap().len(), 50);
        assert_eq!(bytes.held(), 90_000);
        let late = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        assert_eq!(late.unwrap().unwrap_err().code(), Code::DeadlineExceeded);
        assert!(poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await.is_none());
    }
}
