//! What a connection runs over: a byte stream that can be split into its two directions.
//!
//! TCP in production; an in-memory pipe in tests and simulations.

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// A byte stream.
pub trait Transport: Send + 'static {
    /// The direction towards us.
    type Read: AsyncRead + Send + Unpin + 'static;
    /// The direction towards the peer.
    type Write: AsyncWrite + Send + Unpin + 'static;

    /// Splits the stream; it closes when both halves are dropped.
    fn into_halves(self) -> (Self::Read, Self::Write);
}

impl Transport for TcpStream {
    type Read = OwnedReadHalf;
    type Write = OwnedWriteHalf;

    fn into_halves(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        self.into_split()
    }
}

impl Transport for DuplexStream {
    type Read = ReadHalf<DuplexStream>;
    type Write = WriteHalf<DuplexStream>;

    fn into_halves(self) -> (ReadHalf<DuplexStream>, WriteHalf<DuplexStream>) {
        tokio::io::split(self)
    }
}
