//! Opening a connection: resolve, connect, handshake (cluster-protocol §1.1).

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::connection::{Connection, FramedReader, FramedWriter};
use super::endpoint::Endpoint;
use super::resolve::Resolver;
use super::sockets::{self, TcpStream};
use super::transport::Transport;
use crate::wire::address::Address;
use crate::wire::frame::{
    FrameDecoder, FrameEncoder, FrameError, Handshake, HandshakeError, ProtocolVersion,
};

/// Why no connection was opened. Nothing was sent over it in any case.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The host name has no address.
    #[error("cannot resolve {address}: {source}")]
    Resolve {
        /// Whom we wanted.
        address: Address,
        /// The resolver's reason.
        source: io::Error,
    },
    /// No address of the host took the connection; the reason is the last one's.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Whom we wanted.
        address: Address,
        /// The system's reason.
        source: io::Error,
    },
    /// It took too long.
    #[error("connecting to {address} timed out after {after:?}")]
    Timeout {
        /// Whom we wanted.
        address: Address,
        /// How long we waited.
        after: Duration,
    },
    /// The peer closed during the handshake: it is of another cluster, or overloaded, or wants TLS.
    #[error("{address} closed the connection during the handshake")]
    Closed {
        /// Whom we wanted.
        address: Address,
    },
    /// The peer's answer is no handshake of this cluster.
    #[error("handshake with {address} failed: {source}")]
    Handshake {
        /// Whom we wanted.
        address: Address,
        /// What is wrong.
        source: HandshakeError,
    },
    /// Our own address cannot be said in the version that the peer chose.
    #[error("cannot introduce ourselves to {address}: {source}")]
    Sender {
        /// Whom we wanted.
        address: Address,
        /// What is wrong.
        source: FrameError,
    },
}

impl Endpoint {
    /// Opens a connection to `address`, within the endpoint's connect timeout. The addresses of a name
    /// are tried in order; after a failure it is resolved anew.
    ///
    /// # Errors
    /// See [`DialError`].
    pub async fn dial(&self, address: &Address) -> Result<Connection<TcpStream>, DialError> {
        let after = self.options().connect_timeout;
        let timeout = |_| DialError::Timeout { address: address.clone(), after };
        let dialed = tokio::time::timeout(after, self.dial_unlimited(address)).await;
        dialed
            .map_err(timeout)
            .and_then(|dialed| dialed)
            .inspect_err(|_| self.resolver().forget(address))
    }

    async fn dial_unlimited(&self, address: &Address) -> Result<Connection<TcpStream>, DialError> {
        let stream = connect(self.resolver(), address).await?;
        self.initiate(stream, address).await
    }

    /// Runs the initiator's side of the handshake over an open stream; `address` is only named in
    /// errors.
    ///
    /// # Errors
    /// See [`DialError`].
    pub async fn initiate<S: Transport>(
        &self,
        stream: S,
        address: &Address,
    ) -> Result<Connection<S>, DialError> {
        let lost = |source: io::Error| match source.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => DialError::Closed { address: address.clone() },
            _ => DialError::Connect { address: address.clone(), source },
        };
        let (mut read, mut write) = stream.into_halves();
        let offer = Handshake::offer(self.preamble()).encode();
        write.write_all(&offer).await.map_err(lost)?;
        write.flush().await.map_err(lost)?;
        let mut answer = [0; Handshake::LEN];
        read.read_exact(&mut answer).await.map_err(lost)?;
        let version = Handshake::decode(answer)
            .confirm(self.preamble())
            .map_err(|source| DialError::Handshake { address: address.clone(), source })?;
        self.framed::<S>(read, write, version, BytesMut::new())
            .map_err(|source| DialError::Sender { address: address.clone(), source })
    }

    /// Both halves of a connection whose handshake is done; `received` came after it already.
    pub(super) fn framed<S: Transport>(
        &self,
        read: S::Read,
        write: S::Write,
        version: ProtocolVersion,
        received: BytesMut,
    ) -> Result<Connection<S>, FrameError> {
        let decoder = FrameDecoder::new(version, self.options().frame_bytes_max);
        let encoder = FrameEncoder::new(version, self.advertised())?;
        Ok(Connection {
            reader: FramedReader::new(read, received, decoder),
            writer: FramedWriter::new(write, encoder),
        })
    }
}

async fn connect(resolver: &Resolver, address: &Address) -> Result<TcpStream, DialError> {
    let resolved = resolver
        .resolve(address)
        .await
        .map_err(|source| DialError::Resolve { address: address.clone(), source })?;
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for candidate in resolved {
        match TcpStream::connect(candidate).await {
            Ok(stream) => {
                sockets::tune(&stream);
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(DialError::Connect { address: address.clone(), source: last })
}
