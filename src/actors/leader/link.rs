//! One open connection to a partition leader: its waiting requests and its two pumps.
//!
//! Everything here lives on the thread of its [`LeaderConnection`](super::LeaderConnection). The
//! writer encodes all queued commands into one burst and flushes it once; the reader completes the
//! requests of all frames that a read brought.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::LinkLost;
use super::line::{Line, Request, note, read, write};
use super::parts::{Parts, Target, is_suspected};
use super::vitals::Vitals;
use crate::actors::supervise::guarded;
use crate::actors::ticket::Ticket;
use crate::clock::{instant, iso_duration};
use crate::error::GatewayError;
use crate::model::{Millis, Route};
use crate::net::sockets::TcpStream;
use crate::net::{Connection, ConnectionError, KeepAlive};
use crate::routing::health::{End, PING_AFTER};
use crate::wire::heartbeat::Role;

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
