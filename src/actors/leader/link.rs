//! One open connection to a partition leader: its waiting requests and its two pumps.
//!
//! Everything here lives on the thread of its [`LeaderConnection`](super::LeaderConnection). The
//! writer encodes all queued commands into one burst and flushes it once; the reader completes the
//! requests of all frames that a read brought. State is borrowed between awaits, never across one.
//!
//! Invariant: a request counts as sent from the moment it enters the burst, so what is reported as
//! unsent was certainly not executed.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::LinkLost;
use super::parts::{Attempt, Evidence, Parts, Target, is_suspected};
use super::reply::interpret;
use super::vitals::Vitals;
use crate::actors::request_table::{Completion, RequestTable};
use crate::actors::supervise::guarded;
use crate::actors::ticket::{Answer, Ticket};
use crate::clock::{instant, iso_duration};
use crate::error::GatewayError;
use crate::model::{CommandKind, Millis, Route};
use crate::net::keep_alive::{Due, HEARTBEAT_TIMEOUT};
use crate::net::sockets::TcpStream;
use crate::net::{
    Connection, ConnectionError, FramedReader, FramedWriter, HEARTBEAT_SUBJECT, KeepAlive,
};
use crate::routing::health::{End, PING_AFTER};
use crate::wire::frame::{Frame, Status};
use crate::wire::heartbeat::Role;
use crate::wire::sbe::{ExecuteCommandRequest, Message};

/// A burst is flushed when it has this size, in bytes; the rest follows in the next one.
const BURST_BYTES: usize = 256 << 10;

/// A request on the connection.
#[derive(Debug)]
struct Request {
    ticket: Ticket,
    began: Millis,
    sent: bool,
}

/// What is remembered of a request that was given up.
type Note = CommandKind;

/// Shared by the actor and the pumps.
struct Line {
    parts: Parts,
    target: Target,
    subject: String,
    table: RefCell<RequestTable<Request, Note>>,
    /// Ids of requests that are not encoded yet.
    unsent: RefCell<VecDeque<i64>>,
    wake: Notify,
    keep_alive: RefCell<KeepAlive>,
    heard: Cell<bool>,
    /// Whether the topology was told that the broker answers as leader.
    confirmed: Cell<bool>,
    vitals: Vitals,
}

/// Why a connection is not used any more.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending<'a> {
    /// It closed, for this reason.
    Closed(&'a str),
    /// Its broker does not lead any more, because of this.
    Deposed(&'a str),
}

/// The actor's handle. Dropping it ends the pumps and drops what waits, which answers it.
pub(super) struct Link {
    pub generation: u64,
    opened: Millis,
    line: Rc<Line>,
    pumps: [JoinHandle<()>; 2],
}

impl Link {
    /// Takes a connection into use.
    pub fn open(
        parts: &Parts,
        generation: u64,
        target: Target,
        connection: Connection<TcpStream>,
    ) -> Self {
        let opened = parts.shared.clock().now();
        let vitals = Vitals::new(parts, opened);
        vitals.suspect(is_suspected(&parts.shared.view(), target.broker), opened);
        let line = Rc::new(Line {
            subject: format!("command-api-{}", parts.partition),
            parts: parts.clone(),
            target,
            table: RefCell::default(),
            unsent: RefCell::default(),
            wake: Notify::new(),
            keep_alive: RefCell::new(KeepAlive::new(Role::Initiator, instant())),
            heard: Cell::new(false),
            confirmed: Cell::new(false),
            vitals,
        });
        let Connection { reader, writer } = connection;
        let pumps = [
            spawn_pump(&line, generation, read(Rc::clone(&line), reader)),
            spawn_pump(&line, generation, write(Rc::clone(&line), writer)),
        ];
        Self { generation, opened, line, pumps }
    }

    /// Whom it is connected to.
    pub fn target(&self) -> &Target {
        &self.line.target
    }

    /// Since when.
    pub fn opened(&self) -> Millis {
        self.opened
    }

    /// Whether anything was ever received.
    pub fn heard(&self) -> bool {
        self.line.heard.get()
    }

    /// Whether no request waits.
    pub fn is_idle(&self) -> bool {
        self.line.table.borrow().is_empty()
    }

    /// Queues a command for the next burst.
    pub fn send(&self, ticket: Ticket) {
        let line = &self.line;
        let id = line.parts.links.endpoint.next_message_id();
        let request = Request { began: line.now(), sent: false, ticket };
        let replaced = line.table.borrow_mut().allocate(id, request.ticket.deadline(), request);
        debug_assert!(replaced.is_none(), "message ids are unique");
        line.unsent.borrow_mut().push_back(id);
        line.wake.notify_one();
    }

    /// When [`Link::expire`] or [`Link::check`] next has something to do.
    pub fn next_deadline(&self) -> Option<Millis> {
        let line = &self.line;
        // What the writer cannot get rid of is watched from when it does.
        let unsent = !line.unsent.borrow().is_empty() && !line.vitals.is_retired();
        let look = unsent.then(|| line.now() + PING_AFTER);
        let deadline = line.table.borrow().next_deadline();
        deadline.into_iter().chain(line.vitals.next_check()).chain(look).min()
    }

    /// Judges whether the broker answers, and asks it for a sign of life if need be.
    pub fn check(&self, now: Millis) {
        if self.line.vitals.check(now) {
            self.line.wake.notify_one();
        }
    }

    /// Takes note of what gossip thinks of the broker.
    pub fn suspect(&self, suspected: bool, now: Millis) {
        if self.line.vitals.suspect(suspected, now) {
            self.line.wake.notify_one();
        }
    }

    /// Sends nothing more; gives back what was not sent.
    pub fn retire(&self) -> Vec<Ticket> {
        let line = &self.line;
        line.vitals.retire();
        let unsent = std::mem::take(&mut *line.unsent.borrow_mut());
        let mut table = line.table.borrow_mut();
        unsent.into_iter().filter_map(|id| table.cancel(id)).map(|r| r.ticket).collect()
    }

    /// Answers requests whose time is over.
    pub fn expire(&self, now: Millis) {
        let line = &self.line;
        loop {
            let expired = line.table.borrow_mut().expire(now, note);
            let Some(Request { ticket, began, sent }) = expired else { return };
            if sent {
                line.vitals.ended(ticket.command().kind, now, End::TimedOut);
            }
            line.parts.gauges.timeouts.fetch_add(1, Relaxed);
            // Each attempt gets what is left of the time; the first one, all of it.
            let given = if ticket.attempt() == 1 || ticket.command().route == Route::Creation {
                ticket.timeout()
            } else {
                Duration::from_millis((ticket.deadline() - began).0.max(0).unsigned_abs())
            };
            let Target { partition, address, .. } = &line.target;
            let cause = format!(
                "Request {} to {address} timed out in {} (partition {partition})",
                line.subject,
                iso_duration(given)
            );
            line.settle(ticket, began, Err(GatewayError::Timeout { cause }));
        }
    }

    /// Lets go of requests that nobody waits for any more.
    pub fn sweep(&self, now: Millis) {
        let abandoned = |request: &Request| request.ticket.is_abandoned();
        let mut table = self.line.table.borrow_mut();
        for id in table.ids_where(abandoned) {
            let given_up = table.orphan(id, now, note);
            if let Some(Request { ticket, sent: true, .. }) = given_up {
                self.line.vitals.ended(ticket.command().kind, now, End::GivenUp);
            }
        }
        let gauges = &self.line.parts.gauges;
        gauges.in_flight.store(table.len() as u64, Relaxed);
        gauges.orphans.store(table.orphans() as u64, Relaxed);
    }

    /// Ends the connection and fails what waits: certainly unsent commands may be sent elsewhere,
    /// the others may have been executed.
    pub fn close(self, ending: Ending<'_>) {
        let Target { partition, address, broker, .. } = &self.line.target;
        for Request { ticket, began, sent } in self.line.table.borrow_mut().drain() {
            let error = match ending {
                Ending::Closed(cause) | Ending::Deposed(cause) if !sent => GatewayError::Connect {
                    detail: format!(
                        "Failed to send to the leader of partition {partition} at {address}: \
                         {cause}"
                    ),
                },
                Ending::Closed(cause) => GatewayError::ConnectionClosed {
                    detail: format!(
                        "Connection to the leader of partition {partition} at {address} ({cause}) \
                         was closed"
                    ),
                },
                Ending::Deposed(cause) => GatewayError::LeaderChanged {
                    detail: format!(
                        "Broker {broker} at {address} does not lead partition {partition} any more \
                         ({cause}); the command may or may not have been executed"
                    ),
                },
            };
            self.line.settle(ticket, began, Err(error));
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        for pump in &self.pumps {
            pump.abort();
        }
        // The pumps may hold the line a little longer; what waits in it must not.
        if let Ok(mut table) = self.line.table.try_borrow_mut() {
            drop(table.drain());
        }
    }
}

/// An unsent request leaves nothing that a reply could be late for.
fn note(request: &Request) -> Option<Note> {
    request.sent.then(|| request.ticket.command().kind)
}

fn spawn_pump<F>(line: &Rc<Line>, generation: u64, pump: F) -> JoinHandle<()>
where
    F: Future<Output = ConnectionError> + 'static,
{
    let mailbox = line.parts.mailbox.clone();
    let pump = guarded(std::sync::Arc::clone(mailbox.cell()), pump);
    actix_rt::spawn(async move {
        let cause = match pump.await {
            Ok(error) => error.to_string(),
            Err(panic) => format!("internal failure: {panic}"),
        };
        mailbox.send(LinkLost { generation, cause });
    })
}

async fn read<R>(line: Rc<Line>, mut reader: FramedReader<R>) -> ConnectionError
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

async fn write<W>(line: Rc<Line>, mut writer: FramedWriter<W>) -> ConnectionError
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
                tokio::select! {
                    () = line.wake.notified() => {}
                    () = tokio::time::sleep_until(at.into()) => {}
                }
            }
        }
    }
}

impl Line {
    fn now(&self) -> Millis {
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

    fn settle(&self, ticket: Ticket, began: Millis, answer: Answer) {
        self.parts.settle(ticket, Some(Attempt { target: &self.target, began }), answer);
    }
}
