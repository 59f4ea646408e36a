//! A connection after its handshake: frames in bursts in both directions.
//!
//! The owner pumps it: one task may hold both halves in a `select!`, or two tasks one half each.
//! All operations are cancel-safe: what was read or not yet written stays in the half's buffer.
//!
//! Invariants: a read yields every complete frame it brought; writing collects frames in one buffer
//! that [`FramedWriter::flush`] sends with as few system calls as the socket takes.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::transport::Transport;
use crate::wire::address::Address;
use crate::wire::frame::{Frame, FrameDecoder, FrameEncoder, FrameError, Status};

/// Room made for reads, in bytes.
const READ_CHUNK: usize = 16 << 10;
/// Room that is enough for one more read.
const READ_ROOM_MIN: usize = 4 << 10;
/// A write buffer that grew above this is given back once it is empty.
const WRITE_BUFFER_KEPT: usize = 64 << 10;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The peer closed it, possibly within a frame.
    #[error("connection closed by the peer")]
    Closed,
    /// The socket failed.
    #[error("connection failed: {0}")]
    Io(#[from] io::Error),
    /// The peer's bytes are no frames.
    #[error("unreadable frame: {0}")]
    Frame(#[from] FrameError),
    /// Nothing was heard of the peer for too long.
    #[error("nothing heard of the peer for {0:?}")]
    Silent(Duration),
    /// The peer does not take what we write.
    #[error("the peer did not take our bytes for {0:?}")]
    Stalled(Duration),
}

/// Both halves of a connection.
#[derive(Debug)]
pub struct Connection<S: Transport> {
    /// Frames from the peer.
    pub reader: FramedReader<S::Read>,
    /// Frames to the peer.
    pub writer: FramedWriter<S::Write>,
}

/// Reads frames.
#[derive(Debug)]
pub struct FramedReader<R> {
    io: R,
    buffer: BytesMut,
    decoder: FrameDecoder,
}

impl<R: AsyncRead + Unpin> FramedReader<R> {
    /// A reader after the handshake; `buffer` holds what was received beyond it.
    #[must_use]
    pub fn new(io: R, buffer: BytesMut, decoder: FrameDecoder) -> Self {
        Self { io, buffer, decoder }
    }

    /// Waits for bytes and appends the frames they complete, at least one, to `frames`.
    ///
    /// # Errors
    /// The connection is unusable after any error. Frames that came before it are in `frames`.
    pub async fn read(&mut self, frames: &mut Vec<Frame>) -> Result<usize, ConnectionError> {
        loop {
            let before = frames.len();
            while let Some(frame) = self.decoder.decode(&mut self.buffer)? {
                frames.push(frame);
            }
            if frames.len() > before {
                return Ok(frames.len() - before);
            }
            if self.buffer.capacity() - self.buffer.len() < READ_ROOM_MIN {
                self.buffer.reserve(READ_CHUNK);
            }
            if self.io.read_buf(&mut self.buffer).await? == 0 {
                return Err(ConnectionError::Closed);
            }
        }
    }

    /// The peer's advertised address, once its first frame began to arrive.
    #[must_use]
    pub fn sender(&self) -> Option<&Address> {
        self.decoder.sender()
    }
}

/// Writes frames.
#[derive(Debug)]
pub struct FramedWriter<W> {
    io: W,
    buffer: BytesMut,
    encoder: FrameEncoder,
}

impl<W: AsyncWrite + Unpin> FramedWriter<W> {
    /// A writer after the handshake.
    #[must_use]
    pub fn new(io: W, encoder: FrameEncoder) -> Self {
        Self { io, buffer: BytesMut::new(), encoder }
    }

    /// Appends a request to the burst.
    ///
    /// # Errors
    /// Subject or payload too long for the format; the burst is unchanged.
    pub fn request(&mut self, id: i64, subject: &str, payload: &[u8]) -> Result<(), FrameError> {
        self.encoder.request(&mut self.buffer, id, subject, payload)
    }

    /// Appends a reply to the burst.
    ///
    /// # Errors
    /// Payload too long for the format; the burst is unchanged.
    pub fn reply(&mut self, id: i64, status: Status, payload: &[u8]) -> Result<(), FrameError> {
        self.encoder.reply(&mut self.buffer, id, status, payload)
    }

    /// Bytes not yet handed to the socket.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Hands the burst to the socket. When it is cancelled, the rest stays for the next call.
    ///
    /// # Errors
    /// The connection is unusable after any error.
    pub async fn flush(&mut self) -> Result<(), ConnectionError> {
        while !self.buffer.is_empty() {
            if self.io.write_buf(&mut self.buffer).await? == 0 {
                return Err(ConnectionError::Io(io::ErrorKind::WriteZero.into()));
            }
        }
        if self.buffer.capacity() > WRITE_BUFFER_KEPT {
            self.buffer = BytesMut::new();
        }
        self.io.flush().await?;
        Ok(())
    }

    /// Like [`FramedWriter::flush`], but gives up once the peer takes no byte for `patience`.
    ///
    /// # Errors
    /// The connection is unusable after any error.
    pub async fn flush_within(&mut self, patience: Duration) -> Result<(), ConnectionError> {
        loop {
            let before = self.buffered();
            if let Ok(result) = tokio::time::timeout(patience, self.flush()).await {
                return result;
            }
            if self.buffered() == before {
                return Err(ConnectionError::Stalled(patience));
            }
        }
    }
}
