//! One pooled connection of a messenger and the requests on it.
//!
//! ```text
//!  waiting ──message──▶ dialling ──ok──▶ connected ──ended──▶ waiting ──idle──▶ gone
//!                          └──failed: all queued requests fail──▲
//! ```
//!
//! Invariant: every request gets exactly one outcome, unless its caller gave it up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWrite;
use tokio::sync::{mpsc, oneshot};

use super::connection::{Connection, ConnectionError, FramedWriter};
use super::keep_alive::{Due, HEARTBEAT_SUBJECT, HEARTBEAT_TIMEOUT, KeepAlive};
use super::listen::sleep_until;
use super::messaging::{Pool, RequestError, outcome};
use super::sockets::TcpStream;
use crate::chance::select;
use crate::clock::instant;
use crate::wire::address::Address;
use crate::wire::frame::{Frame, FrameError};
use crate::wire::heartbeat::Role;

/// Messages encoded into one burst.
const MESSAGES_PER_BURST: usize = 256;
/// A peer that takes no byte for this long is given up.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);

/// A message to a peer; one without `reply` is one-way.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub subject: Box<str>,
    pub payload: Bytes,
    pub reply: Option<oneshot::Sender<Result<Bytes, RequestError>>>,
}

impl Outgoing {
    fn fail(self, error: RequestError) {
        if let Some(reply) = self.reply {
            // The caller may have given up.
            let _gone = reply.send(Err(error));
        }
    }
}

struct Pending {
    subject: Box<str>,
    reply: oneshot::Sender<Result<Bytes, RequestError>>,
}

/// Drives the connection to one address.
pub(super) struct Peer {
    pool: Arc<Pool>,
    address: Address,
    messages: mpsc::Receiver<Outgoing>,
    pending: BTreeMap<i64, Pending>,
}

/// Whether to look for more messages after a connection ended.
#[derive(PartialEq)]
enum Ended {
    Broken,
    Idle,
}

impl Peer {
    pub(super) fn new(
        pool: Arc<Pool>,
        address: Address,
        messages: mpsc::Receiver<Outgoing>,
    ) -> Self {
        Self { pool, address, messages, pending: BTreeMap::new() }
    }

    pub(super) async fn run(mut self) {
        while let Some(first) = self.next_message().await {
            match self.pool.endpoint.dial(&self.address).await {
                Ok(connection) => {
                    if self.connected(connection, first).await == Ended::Idle {
                        // From here on senders open another; what is queued is still sent.
                        self.messages.close();
                    }
                }
                Err(error) => {
                    let error = RequestError::from(Arc::new(error));
                    first.fail(error.clone());
                    while let Ok(message) = self.messages.try_recv() {
                        message.fail(error.clone());
                    }
                }
            }
        }
    }

    async fn next_message(&mut self) -> Option<Outgoing> {
        let idle = self.pool.options.idle_timeout;
        if let Ok(message) = tokio::time::timeout(idle, self.messages.recv()).await {
            return message;
        }
        self.messages.close();
        self.messages.recv().await
    }

    async fn connected(&mut self, connection: Connection<TcpStream>, first: Outgoing) -> Ended {
        let mut burst = vec![first];
        let error = match self.pump(connection, &mut burst).await {
            Ok(()) => return Ended::Idle,
            Err(error) => error,
        };
        log::debug!("event=peer_connection_ended address={} reason=\"{error}\"", self.address);
        let closed =
            RequestError::Closed { address: self.address.clone(), reason: error.to_string() };
        for message in burst {
            message.fail(closed.clone());
        }
        for pending in std::mem::take(&mut self.pending).into_values() {
            let _gone = pending.reply.send(Err(closed.clone()));
        }
        Ended::Broken
    }

    /// Runs the connection until it breaks (error) or was idle for long (ok).
    async fn pump(
        &mut self,
        connection: Connection<TcpStream>,
        burst: &mut Vec<Outgoing>,
    ) -> Result<(), ConnectionError> {
        let Connection { mut reader, mut writer } = connection;
        let mut frames = Vec::new();
        let mut keep_alive = KeepAlive::new(Role::Initiator, instant());
        let mut used = instant();
        let mut open = true;
        loop {
            self.encode(&mut writer, burst)?;
            if !open && self.pending.is_empty() && writer.buffered() == 0 {
                return Ok(());
            }
            let now = instant();
            let due = match keep_alive.due(now) {
                Due::Close => return Err(ConnectionError::Silent(HEARTBEAT_TIMEOUT)),
                Due::Send => {
                    self.pending.retain(|_, pending| !pending.reply.is_closed());
                    if self.pending.is_empty() && now - used >= self.pool.options.idle_timeout {
                        return Ok(());
                    }
                    let id = self.pool.endpoint.next_message_id();
                    writer.request(id, HEARTBEAT_SUBJECT, &[])?;
                    keep_alive.sent(id, now);
                    None
                }
                Due::At(due) => due,
            };
            let unsent = writer.buffered() > 0;
            select! {
                result = reader.read(&mut frames) => {
                    keep_alive.read(instant());
                    for frame in frames.drain(..) {
                        if !keep_alive.swallow(&frame) {
                            self.settle(frame);
                        }
                    }
                    result?;
                }
                result = writer.flush_within(WRITE_PATIENCE), if unsent => {
                    result?;
                    keep_alive.wrote(instant());
                }
                count = self.messages.recv_many(burst, MESSAGES_PER_BURST),
                    if open && !unsent =>
                {
                    used = instant();
                    open = count > 0;
                }
                () = sleep_until(due), if !unsent => {}
            }
        }
    }

    fn encode<W: AsyncWrite + Unpin>(
        &mut self,
        writer: &mut FramedWriter<W>,
        burst: &mut Vec<Outgoing>,
    ) -> Result<(), FrameError> {
        for message in burst.drain(..) {
            let id = self.pool.endpoint.next_message_id();
            if self.is_full() && message.reply.is_some() {
                message.fail(RequestError::Overloaded { address: self.address.clone() });
                continue;
            }
            match writer.request(id, &message.subject, &message.payload) {
                Err(error) => message.fail(error.into()),
                Ok(()) => {
                    if let Outgoing { subject, reply: Some(reply), .. } = message {
                        self.pending.insert(id, Pending { subject, reply });
                    }
                }
            }
        }
        Ok(())
    }

    fn is_full(&mut self) -> bool {
        let limit = self.pool.options.in_flight_per_peer;
        if self.pending.len() >= limit {
            self.pending.retain(|_, pending| !pending.reply.is_closed());
        }
        self.pending.len() >= limit
    }

    /// Ids nobody waits for are replies to one-way messages, or late ones. A peer does not ask
    /// anything on a connection that we opened.
    fn settle(&mut self, frame: Frame) {
        let Frame::Reply { id, status, payload } = frame else { return };
        if let Some(Pending { subject, reply }) = self.pending.remove(&id) {
            let _gone = reply.send(outcome(&self.address, &subject, status, payload));
        }
    }
}
