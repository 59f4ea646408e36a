//! What the actor and the two pumps of a connection share, and the pumps themselves.
//!
//! State is borrowed between awaits, never across one. Invariant: a request counts as sent from the
//! moment it enters the burst, so what is reported as unsent was certainly not executed.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;

use super::parts::{Attempt, Evidence, Parts, Target};
use super::reply::interpret;
use super::vitals::Vitals;
use crate::actors::request_table::{Completion, RequestTable};
use crate::actors::ticket::{Answer, Ticket};
use crate::chance::select;
use crate::clock::instant;
use crate::error::GatewayError;
use crate::model::{CommandKind, Millis};
use crate::net::keep_alive::{Due, HEARTBEAT_TIMEOUT};
use crate::net::{ConnectionError, FramedReader, FramedWriter, HEARTBEAT_SUBJECT, KeepAlive};
use crate::routing::health::End;
use crate::wire::frame::{Frame, Status};
use crate::wire::sbe::{ExecuteCommandRequest, Message};

/// A burst is flushed when it has this size, in bytes; the rest follows in the next one.
const BURST_BYTES: usize = 256 << 10;

/// A request on the connection.
#[derive(Debug)]
pub(super) struct Request {
    pub ticket: Ticket,
    pub began: Millis,
    pub sent: bool,
}

/// What is remembered of a request that was given up.
pub(super) type Note = CommandKind;

/// Shared by the actor and the pumps.
pub(super) struct Line {
    pub parts: Parts,
    pub target: Target,
    pub subject: String,
    pub table: RefCell<RequestTable<Request, Note>>,
    /// Ids of requests that are not encoded yet.
    pub unsent: RefCell<VecDeque<i64>>,
    pub wake: Notify,
    pub keep_alive: RefCell<KeepAlive>,
    pub heard: Cell<bool>,
    /// Whether the topology was told that the broker answers as leader.
    pub confirmed: Cell<bool>,
    pub vitals: Vitals,
}

/// An unsent request leaves nothing that a reply could be late for.
pub(super) fn note(request: &Request) -> Option<Note> {
    request.sent.then(|| request.ticket.command().kind)
}

pub(super) async fn read<R>(line: Rc<Line>, mut reader: FramedReader<R>) -> ConnectionError
where
    R: AsyncRead + Unpin,
{
    let mut frames = Vec::new();
    loop {
        let result = reader.read(&mut frames).await;
        line.keep_alive.borrow_mut().read(instant());
        if result.is_ok() {
            line.vitals.received(line.now());
        }
        for frame in frames.drain(..) {
            line.receive(frame);
        }
        if let Err(error) = result {
            return error;
        }
    }
}

pub(super) async fn write<W>(line: Rc<Line>, mut writer: FramedWriter<W>) -> ConnectionError
where
    W: AsyncWrite + Unpin,
{
    let mut scratch = BytesMut::new();
    loop {
        line.fill(&mut writer, &mut scratch);
        if writer.buffered() > 0 {
            line.parts.gauges.bursts.fetch_add(1, Relaxed);
            match tokio::time::timeout(HEARTBEAT_TIMEOUT, writer.flush()).await {
                Ok(Ok(())) => line.keep_alive.borrow_mut().wrote(instant()),
                Ok(Err(error)) => return error,
                Err(_) => return ConnectionError::Stalled(HEARTBEAT_TIMEOUT),
            }
            continue;
        }
        let due = match line.vitals.take_ping() {
            true => Due::Send,
            false => line.keep_alive.borrow().due(instant()),
        };
        match due {
            Due::Close => return ConnectionError::Silent(HEARTBEAT_TIMEOUT),
            Due::Send => {
                let id = line.parts.links.endpoint.next_message_id();
                if let Err(error) = writer.request(id, HEARTBEAT_SUBJECT, &[]) {
                    return error.into();
                }
                line.keep_alive.borrow_mut().sent(id, instant());
            }
            Due::At(None) => line.wake.notified().await,
            Due::At(Some(at)) => {
                select! {
                    () = line.wake.notified() => {}
                    () = tokio::time::sleep_until(at.into()) => {}
                }
            }
        }
    }
}

impl Line {
    pub fn now(&self) -> Millis {
        self.parts.shared.clock().now()
    }

    /// Encodes queued commands until the burst is large enough.
    fn fill<W>(&self, writer: &mut FramedWriter<W>, scratch: &mut BytesMut)
    where
        W: AsyncWrite + Unpin,
    {
        let now = self.now();
        while writer.buffered() < BURST_BYTES {
            let Some(id) = self.unsent.borrow_mut().pop_front() else { return };
            let mut table = self.table.borrow_mut();
            let Some(request) = table.get_mut(id) else { continue };
            if request.ticket.is_abandoned() {
                drop(table.cancel(id));
                continue;
            }
            scratch.clear();
            self.encode(&request.ticket, scratch);
            match writer.request(id, &self.subject, scratch) {
                Ok(()) => {
                    request.sent = true;
                    self.vitals.sent(request.ticket.command().kind, now);
                    self.parts.gauges.sent.fetch_add(1, Relaxed);
                }
                Err(error) => {
                    let refused = table.cancel(id);
                    drop(table);
                    if let Some(Request { ticket, began, .. }) = refused {
                        let text = format!("command cannot be sent: {error}");
                        self.settle(ticket, began, Err(GatewayError::InvalidArgument(text)));
                    }
                }
            }
        }
    }

    fn encode(&self, ticket: &Ticket, out: &mut BytesMut) {
        let command = ticket.command();
        let request = ExecuteCommandRequest {
            partition: self.target.partition.0,
            key: command.key.0,
            value_type: command.kind.value_type().to_wire(),
            intent: command.kind.intent(),
            operation_reference: command.operation_reference.unwrap_or(-1),
            value: Bytes::clone(&command.value),
            authorization: Bytes::clone(&command.authorization),
        };
        request.encode(out);
    }

    fn receive(&self, frame: Frame) {
        self.heard.set(true);
        if self.keep_alive.borrow_mut().swallow(&frame) {
            return;
        }
        match frame {
            Frame::Reply { id, status, payload } => self.complete(id, status, &payload),
            Frame::Request { subject, .. } => {
                // Peers ask over connections of their own (cluster-protocol §1.4).
                log::debug!("event=request_on_own_connection subject={subject}");
            }
        }
    }

    fn complete(&self, id: i64, status: Status, payload: &Bytes) {
        let gauges = &self.parts.gauges;
        let completed = self.table.borrow_mut().complete(id);
        match completed {
            Completion::Waiting(Request { ticket, began, .. }) => {
                gauges.received.fetch_add(1, Relaxed);
                let kind = ticket.command().kind;
                self.vitals.ended(kind, self.now(), End::Answered);
                let answer = interpret(kind, &self.subject, &self.target, status, payload);
                self.confirm(&answer);
                self.settle(ticket, began, answer);
            }
            Completion::Orphan(kind) => {
                gauges.late.fetch_add(1, Relaxed);
                self.vitals.answered_late(self.now());
                if kind == CommandKind::ActivateJobs {
                    let answer = interpret(kind, &self.subject, &self.target, status, payload);
                    if let Ok(reply) = answer {
                        self.parts.shared.late_jobs(self.parts.partition, reply);
                    }
                }
            }
            Completion::Unknown => {
                gauges.unknown.fetch_add(1, Relaxed);
            }
        }
    }

    /// Tells the topology once that the broker acts as the leader.
    fn confirm(&self, answer: &Answer) {
        let leads = matches!(answer, Ok(_) | Err(GatewayError::Rejected { .. }));
        if leads && !self.vitals.is_retired() && !self.confirmed.replace(true) {
            self.parts.hint(&self.target, Evidence::Answered);
        }
    }

    pub fn settle(&self, ticket: Ticket, began: Millis, answer: Answer) {
        self.parts.settle(ticket, Some(Attempt { target: &self.target, began }), answer);
    }
}
