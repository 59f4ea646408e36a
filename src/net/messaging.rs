//! The client side for the internal API: requests and one-way messages to any address.
//!
//! One pooled connection per address carries all subjects, many requests in flight. It is opened
//! when first needed, opened again after it broke, and closed after a while without use. SWIM asks
//! over fresh connections instead, as its JVM peers do (cluster-protocol §1.6).
//!
//! Commands to partition leaders do not go this way; their owner dials for itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::connection::{Connection, ConnectionError};
use super::dial::DialError;
use super::endpoint::Endpoint;
use super::peer::{Outgoing, Peer};
use crate::wire::address::Address;
use crate::wire::frame::{Frame, FrameError, Status};

/// Limits of a messenger.
#[derive(Clone, Copy, Debug)]
pub struct MessengerOptions {
    /// Addresses with a pooled connection at a time.
    pub peers: usize,
    /// Messages that wait for one connection.
    pub queued_per_peer: usize,
    /// Requests without answer on one connection.
    pub in_flight_per_peer: usize,
    /// A pooled connection is closed after this long without use.
    pub idle_timeout: Duration,
}

impl Default for MessengerOptions {
    fn default() -> Self {
        Self {
            peers: 4096,
            queued_per_peer: 1024,
            in_flight_per_peer: 8192,
            idle_timeout: Duration::from_secs(60),
        }
    }
}

/// Why a request has no result.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RequestError {
    /// No connection; the request was not sent.
    #[error(transparent)]
    Connect(#[from] Arc<DialError>),
    /// No answer in time; the request may have been handled.
    #[error("request {subject} to {address} timed out in {after:?}")]
    Timeout {
        /// The subject.
        subject: String,
        /// Whom we asked.
        address: Address,
        /// How long we waited.
        after: Duration,
    },
    /// The connection ended before the answer; the request may have been handled.
    #[error("connection to {address} ended: {reason}")]
    Closed {
        /// Whom we asked.
        address: Address,
        /// How it ended.
        reason: String,
    },
    /// The peer has no handler for the subject; the request was not handled.
    #[error("no remote handler for {subject} at {address}")]
    NoHandler {
        /// The subject.
        subject: String,
        /// Whom we asked.
        address: Address,
    },
    /// The peer's handler failed.
    #[error("remote handler failed: {0}")]
    Remote(String),
    /// The peer did not understand us.
    #[error("the peer reports a protocol violation")]
    Protocol,
    /// Subject or payload is too long for the format.
    #[error(transparent)]
    TooLarge(#[from] FrameError),
    /// Too many messages wait for this peer; this one was not sent.
    #[error("too many messages wait for {address}")]
    Overloaded {
        /// Whom we wanted to ask.
        address: Address,
    },
}

/// Sends messages to peers. Cheap to clone; clones share the pool. Its methods must be called
/// within a tokio runtime, which then also runs the connections.
#[derive(Clone, Debug)]
pub struct Messenger {
    inner: Arc<Pool>,
}

#[derive(Debug)]
pub(super) struct Pool {
    pub endpoint: Endpoint,
    pub options: MessengerOptions,
    peers: Mutex<HashMap<Address, mpsc::Sender<Outgoing>>>,
}

impl Messenger {
    /// A messenger without any connection yet.
    #[must_use]
    pub fn new(endpoint: Endpoint, options: MessengerOptions) -> Self {
        Self { inner: Arc::new(Pool { endpoint, options, peers: Mutex::default() }) }
    }

    /// The endpoint it sends as.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.inner.endpoint
    }

    /// Asks `subject` at `address` over the pooled connection. `timeout` covers connecting too.
    /// Dropping the future gives the request up; it may still be handled.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub async fn request(
        &self,
        address: &Address,
        subject: &str,
        payload: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, RequestError> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(address, Outgoing { subject: subject.into(), payload, reply: Some(reply) })?;
        match tokio::time::timeout(timeout, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(RequestError::Closed {
                address: address.clone(),
                reason: "the runtime that drove it ended".to_owned(),
            }),
            Err(_) => Err(timed_out(address, subject, timeout)),
        }
    }

    /// Sends a message nobody answers. It is lost without notice when there is no connection.
    ///
    /// # Errors
    /// [`RequestError::Overloaded`].
    pub fn send(&self, address: &Address, subject: &str, body: Bytes) -> Result<(), RequestError> {
        self.enqueue(address, Outgoing { subject: subject.into(), payload: body, reply: None })
    }

    /// Asks over a connection of its own, closed afterwards. `timeout` covers everything.
    ///
    /// # Errors
    /// See [`RequestError`].
    pub async fn request_fresh(
        &self,
        address: &Address,
        subject: &str,
        payload: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, RequestError> {
        tokio::time::timeout(timeout, self.fresh(address, subject, payload))
            .await
            .unwrap_or_else(|_| Err(timed_out(address, subject, timeout)))
    }

    async fn fresh(
        &self,
        address: &Address,
        subject: &str,
        payload: Bytes,
    ) -> Result<Bytes, RequestError> {
        let endpoint = &self.inner.endpoint;
        let Connection { mut reader, mut writer } =
            endpoint.dial(address).await.map_err(Arc::new)?;
        let closed = |error: ConnectionError| RequestError::Closed {
            address: address.clone(),
            reason: error.to_string(),
        };
        let asked = endpoint.next_message_id();
        writer.request(asked, subject, &payload)?;
        writer.flush().await.map_err(closed)?;
        let mut frames = Vec::new();
        loop {
            reader.read(&mut frames).await.map_err(closed)?;
            for frame in frames.drain(..) {
                match frame {
                    Frame::Reply { id, status, payload } if id == asked => {
                        return outcome(address, subject, status, payload);
                    }
                    // Heartbeats of the peer.
                    Frame::Reply { .. } | Frame::Request { .. } => {}
                }
            }
        }
    }

    fn enqueue(&self, address: &Address, message: Outgoing) -> Result<(), RequestError> {
        let mut peers = self.inner.peers();
        let overloaded = || RequestError::Overloaded { address: address.clone() };
        let message = match peers.get(address) {
            None => message,
            Some(queue) => match queue.try_send(message) {
                Ok(()) => return Ok(()),
                Err(mpsc::error::TrySendError::Full(_)) => return Err(overloaded()),
                // Its connection is just being given up: open a new one.
                Err(mpsc::error::TrySendError::Closed(message)) => message,
            },
        };
        peers.retain(|_, queue| !queue.is_closed());
        if peers.len() >= self.inner.options.peers {
            return Err(overloaded());
        }
        let (queue, messages) = mpsc::channel(self.inner.options.queued_per_peer.max(1));
        queue.try_send(message).map_err(|_| overloaded())?;
        peers.insert(address.clone(), queue);
        let peer = Peer::new(Arc::clone(&self.inner), address.clone(), messages);
        tokio::spawn(peer.run());
        Ok(())
    }
}

impl Pool {
    fn peers(&self) -> std::sync::MutexGuard<'_, HashMap<Address, mpsc::Sender<Outgoing>>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn timed_out(address: &Address, subject: &str, after: Duration) -> RequestError {
    RequestError::Timeout { subject: subject.to_owned(), address: address.clone(), after }
}

/// What a reply means to who asked.
pub(super) fn outcome(
    address: &Address,
    subject: &str,
    status: Status,
    payload: Bytes,
) -> Result<Bytes, RequestError> {
    match status {
        Status::Ok => Ok(payload),
        Status::NoHandler => {
            Err(RequestError::NoHandler { subject: subject.to_owned(), address: address.clone() })
        }
        Status::HandlerException => {
            Err(RequestError::Remote(String::from_utf8_lossy(&payload).into_owned()))
        }
        Status::ProtocolException => Err(RequestError::Protocol),
    }
}
