//! The request body of a call on its way to the library: one message, and nothing after it.
//!
//! No rpc takes a stream of requests, and the library ignores what follows the first message; the
//! JVM gateway refuses such a call, and so does this (gateway-behaviour §1).

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tonic::Status;

/// Bytes before a message: a flag and its length.
const HEADER: usize = 5;

/// A body that fails with INTERNAL where a second message begins.
pub struct OneMessage<B> {
    inner: B,
    counter: Counter,
}

impl<B> OneMessage<B> {
    /// Wraps the transport's body.
    pub fn new(inner: B) -> Self {
        Self { inner, counter: Counter::default() }
    }
}

impl<B> Body for OneMessage<B>
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
        Pin::new(&mut this.inner).poll_frame(cx).map(|polled| {
            let frame = match polled? {
                Ok(frame) => frame,
                Err(error) => return Some(Err(Status::from_error(error.into()))),
            };
            match frame.data_ref() {
                Some(data) if this.counter.exceeds(data) => {
                    Some(Err(Status::internal("Too many requests")))
                }
                _ => Some(Ok(frame)),
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Where in the message the body is.
#[derive(Default)]
struct Counter {
    header: [u8; HEADER],
    header_bytes: usize,
    message_bytes: usize,
}

impl Counter {
    /// Takes note of more bytes; whether some of them are behind the first message.
    fn exceeds(&mut self, data: &[u8]) -> bool {
        let wanted = HEADER - self.header_bytes;
        let (header, message) = data.split_at(wanted.min(data.len()));
        for (to, byte) in self.header.iter_mut().skip(self.header_bytes).zip(header) {
            *to = *byte;
        }
        self.header_bytes += header.len();
        self.message_bytes += message.len();
        let [_flag, length @ ..] = self.header;
        let length = u32::from_be_bytes(length) as usize;
        self.header_bytes == HEADER && self.message_bytes > length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exceeds_at(bytes: &[u8], piece: usize) -> Option<usize> {
        let mut counter = Counter::default();
        bytes.chunks(piece).position(|chunk| counter.exceeds(chunk))
    }

    #[test]
    fn what_follows_the_first_message_is_noticed_however_it_is_cut() {
        let one = [0, 0, 0, 0, 2, 7, 7];
        let two = [0, 0, 0, 0, 2, 7, 7, 0];
        for piece in 1..=two.len() {
            assert_eq!(exceeds_at(&one, piece), None, "{piece}");
            assert_eq!(exceeds_at(&two, piece), Some(7 / piece), "{piece}");
        }
        assert_eq!(exceeds_at(&[0, 0, 0, 0, 0], 5), None);
        assert_eq!(exceeds_at(&[0; 6], 6), Some(0));
    }
}
