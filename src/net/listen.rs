//! The server side: accepts connections and hands their requests to the handlers.
//!
//! Invariants: at most `connections` connections; a connection's unanswered requests weigh at most
//! `in_flight_bytes`, beyond that it is not read until answers have left; hostile bytes end their own
//! connection only.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::connection::{Connection, ConnectionError, FramedReader, FramedWriter};
use super::endpoint::Endpoint;
use super::handlers::{Handlers, Message, Outgoing, Responder};
use super::keep_alive::{Due, HEARTBEAT_SUBJECT, HEARTBEAT_TIMEOUT, KeepAlive};
use super::resolve::Resolver;
use super::sockets::{self, TcpListener, TcpStream};
use super::transport::Transport;
use crate::chance::select;
use crate::clock::instant;
use crate::wire::address::Address;
use crate::wire::frame::{Frame, FrameError, Handshake, HandshakeError, Status};
use crate::wire::heartbeat::Role;

/// Pause after a failed accept, for example while the process has no free file descriptor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Weight unit of the in-flight budget; every request weighs at least one.
const BUDGET_UNIT: usize = 1 << 10;
/// Replies encoded into one burst.
const REPLIES_PER_BURST: usize = 256;

/// Limits of a server.
#[derive(Clone, Copy, Debug)]
pub struct ServeOptions {
    /// Connections at a time; further ones are closed at once.
    pub connections: usize,
    /// Unanswered requests per connection, by the size of their payloads and at least 1 KiB each.
    pub in_flight_bytes: usize,
    /// Limit for a peer's handshake.
    pub handshake_timeout: Duration,
    /// A peer that takes no byte of its replies for this long is disconnected.
    pub write_timeout: Duration,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            connections: 1024,
            in_flight_bytes: 64 << 20,
            handshake_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(30),
        }
    }
}

/// A bound TCP socket that does not accept yet.
#[derive(Debug)]
pub struct Listener {
    tcp: TcpListener,
}

impl Listener {
    /// Binds `host:port`; port 0 takes a free one. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The host has no address, or the port is taken.
    pub async fn bind(host: &str, port: u16) -> io::Result<Self> {
        let candidates = Resolver::default().resolve(&Address::new(host, port)).await?;
        Ok(Self { tcp: sockets::listen(&candidates).await? })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Serves until `stop`; then closes all connections and returns.
    pub async fn serve(
        self,
        endpoint: Endpoint,
        handlers: Arc<Handlers>,
        options: ServeOptions,
        stop: CancellationToken,
    ) {
        let mut connections = JoinSet::new();
        loop {
            let accepted = select! {
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => continue,
                accepted = self.tcp.accept() => accepted,
            };
            match accepted {
                Ok((_, peer)) if connections.len() >= options.connections => {
                    log::warn!(
                        "event=connection_refused peer={peer} reason=\"limit of {} connections\"",
                        options.connections
                    );
                }
                Ok((stream, peer)) => {
                    sockets::tune(&stream);
                    let (endpoint, handlers) = (endpoint.clone(), Arc::clone(&handlers));
                    connections.spawn(serve_peer(stream, peer, endpoint, handlers, options));
                }
                Err(error) => {
                    log::warn!("event=accept_failed error=\"{error}\"");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        connections.shutdown().await;
    }
}

async fn serve_peer(
    stream: TcpStream,
    peer: SocketAddr,
    endpoint: Endpoint,
    handlers: Arc<Handlers>,
    options: ServeOptions,
) {
    match serve_connection(stream, &endpoint, &handlers, options).await {
        Ok(()) => log::debug!("event=connection_closed peer={peer}"),
        Err(error) => log::debug!("event=connection_ended peer={peer} reason=\"{error}\""),
    }
}

/// Why an accepted connection ended other than by the peer's wish.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The peer sent no complete handshake in time, or closed before.
    #[error("no handshake")]
    NoHandshake,
    /// The peer is of another cluster.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// Our address cannot be said in the peer's version.
    #[error(transparent)]
    Sender(#[from] FrameError),
    /// The established connection failed.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
}

/// Serves one connection from its handshake to its end.
///
/// # Errors
/// Anything but the peer closing it between two frames or within one.
pub async fn serve_connection<S: Transport>(
    stream: S,
    endpoint: &Endpoint,
    handlers: &Handlers,
    options: ServeOptions,
) -> Result<(), ServeError> {
    let handshake = accept::<S>(stream, endpoint);
    let Connection { reader, writer } =
        match tokio::time::timeout(options.handshake_timeout, handshake).await {
            Ok(result) => result?,
            Err(_) => return Err(ServeError::NoHandshake),
        };
    let (replies, outgoing) = mpsc::unbounded_channel();
    let units = (options.in_flight_bytes / BUDGET_UNIT).clamp(1, Semaphore::MAX_PERMITS);
    let intake = Intake {
        number: CONNECTIONS.fetch_add(1, Ordering::Relaxed),
        handlers,
        replies,
        budget: Arc::new(Semaphore::new(units)),
        units: u32::try_from(units).unwrap_or(u32::MAX),
        keep_alive: Mutex::new(KeepAlive::new(Role::Acceptor, instant())),
        heartbeats: tokio::sync::Notify::new(),
    };
    let ended = select! {
        ended = intake.read(reader) => ended,
        ended = intake.write(writer, outgoing, endpoint, options.write_timeout) => ended,
    };
    match ended {
        Err(ConnectionError::Closed) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The acceptor's side of the handshake. What the peer sent beyond it, or how it was cut, does not
/// matter here, unlike at a JVM acceptor (cluster-protocol §1.1).
async fn accept<S: Transport>(stream: S, endpoint: &Endpoint) -> Result<Connection<S>, ServeError> {
    let (mut read, mut write) = stream.into_halves();
    let mut received = BytesMut::with_capacity(256);
    let offer = loop {
        if let Some(offer) = Handshake::take(&mut received) {
            break offer;
        }
        match read.read_buf(&mut received).await {
            Ok(0) | Err(_) => return Err(ServeError::NoHandshake),
            Ok(_) => {}
        }
    };
    let (answer, version) = offer.accept(endpoint.preamble())?;
    write.write_all(&answer.encode()).await.map_err(ConnectionError::from)?;
    write.flush().await.map_err(ConnectionError::from)?;
    Ok(endpoint.framed::<S>(read, write, version, received)?)
}

/// How many connections were accepted so far, in this process.
static CONNECTIONS: AtomicU64 = AtomicU64::new(0);

/// What the two directions of an accepted connection share.
struct Intake<'a> {
    /// Tells connections apart in the log: message ids are only unique within one.
    number: u64,
    handlers: &'a Handlers,
    replies: mpsc::UnboundedSender<Outgoing>,
    budget: Arc<Semaphore>,
    units: u32,
    keep_alive: Mutex<KeepAlive>,
    /// Tells the writing side that the peer knows heartbeats.
    heartbeats: tokio::sync::Notify,
}

impl Intake<'_> {
    async fn read<R: AsyncRead + Unpin>(
        &self,
        mut reader: FramedReader<R>,
    ) -> Result<(), ConnectionError> {
        let mut frames = Vec::new();
        loop {
            let result = reader.read(&mut frames).await;
            self.clock(|clock| clock.read(instant()));
            if let Some(sender) = reader.sender() {
                for frame in frames.drain(..) {
                    self.dispatch(frame, sender).await;
                }
            }
            result?;
        }
    }

    async fn dispatch(&self, frame: Frame, sender: &Address) {
        if self.clock(|clock| clock.swallow(&frame)) {
            self.heartbeats.notify_one();
            return;
        }
        // We ask nothing on a connection that we accepted, so replies are strays.
        let Frame::Request { id, subject, payload } = frame else { return };
        let weight = 1 + u32::try_from(payload.len() / BUDGET_UNIT).unwrap_or(u32::MAX - 1);
        let weight = weight.min(self.units);
        let Ok(permit) = Arc::clone(&self.budget).acquire_many_owned(weight).await else {
            return;
        };
        let responder = Responder::new(id, self.replies.clone(), permit);
        log::trace!("event=request connection={} id={id} subject={subject}", self.number);
        match self.handlers.get(subject.as_str()) {
            Some(handler) => {
                handler.handle(Message { subject, payload, sender: sender.clone() }, responder);
            }
            None => {
                log::debug!("event=no_handler subject={subject} sender={sender}");
                responder.no_handler(&subject);
            }
        }
    }

    async fn write<W: AsyncWrite + Unpin>(
        &self,
        mut writer: FramedWriter<W>,
        mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
        endpoint: &Endpoint,
        patience: Duration,
    ) -> Result<(), ConnectionError> {
        let mut burst = Vec::new();
        loop {
            let due = match self.clock(|clock| clock.due(instant())) {
                Due::Close => return Err(ConnectionError::Silent(HEARTBEAT_TIMEOUT)),
                Due::Send => {
                    let id = endpoint.next_message_id();
                    writer.request(id, HEARTBEAT_SUBJECT, &[])?;
                    self.clock(|clock| clock.sent(id, instant()));
                    None
                }
                Due::At(due) => due,
            };
            if writer.buffered() == 0 {
                select! {
                    _ = outgoing.recv_many(&mut burst, REPLIES_PER_BURST) => {}
                    () = self.heartbeats.notified() => continue,
                    () = sleep_until(due) => continue,
                }
            }
            for reply in &burst {
                log::trace!(
                    "event=reply connection={} id={} status={:?} held={}",
                    self.number,
                    reply.id,
                    reply.status,
                    reply.permit.is_none()
                );
                encode(&mut writer, reply)?;
            }
            writer.flush_within(patience).await?;
            // Only now: the permits count what has not left yet.
            burst.clear();
            self.clock(|clock| clock.wrote(instant()));
        }
    }

    fn clock<T>(&self, with: impl FnOnce(&mut KeepAlive) -> T) -> T {
        with(&mut self.keep_alive.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn encode<W: AsyncWrite + Unpin>(
    writer: &mut FramedWriter<W>,
    reply: &Outgoing,
) -> Result<(), FrameError> {
    match writer.reply(reply.id, reply.status, &reply.payload) {
        Err(FrameError::TooLarge { announced, .. }) => {
            let text = format!("the reply of {announced} bytes does not fit a frame");
            writer.reply(reply.id, Status::HandlerException, text.as_bytes())
        }
        result => result,
    }
}

/// Waits until `due`; forever when there is none.
pub(super) async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
