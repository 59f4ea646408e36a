//! The connection to the leader of one partition.
//!
//! Dispatcher → **leader connection** → wire → broker; the answer goes straight from the
//! connection's request table to whoever waits. Follows the leader in the cluster view, pipelines
//! all commands over one connection, opens it anew after it broke, and tells whether the leader
//! answers.
//!
//! Invariants: a command in here ends with its answer, bounces to the dispatcher, or answers from
//! being dropped; only what is certainly unsent is reported as not executed; what a broker cannot
//! answer any more fails at once, not at its deadline.

mod dialing;
mod gauges;
mod line;
mod link;
mod parts;
mod reply;
mod timers;
mod vitals;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Supervised};
use serde_json::json;

use super::alarm::Alarm;
use super::dispatcher::{Dispatcher, ViewChanged};
use super::mailbox::{Mail, Mailbox};
use super::shared::Shared;
use super::ticket::Ticket;
use super::{LEADER_CONNECTION, supervise};
use crate::error::GatewayError;
use crate::model::{Millis, PartitionId};
use crate::routing::Gate;
use crate::routing::health::PING_AFTER;

use gauges::Gauges;
use link::Link;
pub use parts::{Evidence, LeaderHint, Links, Target};
use parts::{Parts, is_suspected, target};
use timers::Retiring;

/// Kind of this actor.
pub const KIND: &str = "leader-connection";

/// How often given-up requests are cleared out and figures published.
const SWEEP: Duration = Duration::from_secs(1);
/// A connection that held this long and brought something is opened anew at once when it breaks.
const STEADY: Millis = Millis(1_000);

/// A command for the partition.
#[derive(Debug)]
pub struct Transmit(pub Ticket);

/// A pump of a connection ended.
#[derive(Debug)]
pub struct LinkLost {
    generation: u64,
    cause: String,
}

enum State {
    /// No leader to connect to.
    Idle,
    /// Connecting; commands wait in `pending`.
    Dialing,
    /// Connected.
    Up(Link),
    /// Between two attempts to connect; commands fail with this.
    Resting(GatewayError),
}

/// See the module.
pub struct LeaderConnection {
    parts: Parts,
    target: Option<Target>,
    last_dialed: Option<Target>,
    state: State,
    pending: VecDeque<Ticket>,
    retiring: Vec<Retiring>,
    /// Attempts to connect that failed in a row.
    failures: u32,
    generation: u64,
    alarm: Alarm,
}

/// Starts the leader connection of a partition; the gate tells whether the leader answers.
pub(super) fn start(
    shared: &Shared,
    links: &Links,
    dispatcher: Mailbox<Dispatcher>,
    partition: PartitionId,
) -> (Mailbox<LeaderConnection>, Arc<Gate>) {
    let gauges = Arc::new(Gauges::default());
    let gate = Arc::clone(&gauges.gate);
    let observed: Arc<Gauges> = Arc::clone(&gauges);
    let cell = shared.register(KIND, &[("partition", partition.to_string())], observed);
    let supervision = shared.supervision(LEADER_CONNECTION);
    let arbiter = shared.spawner().nth(usize::from(partition.0).saturating_sub(1));
    let requests = shared.requests().partition(partition);
    let (shared, links) = (shared.clone(), links.clone());
    let mailbox = supervise::start(arbiter, cell, supervision, move |mailbox| {
        LeaderConnection::new(Parts {
            shared,
            links,
            partition,
            mailbox,
            dispatcher,
            gauges,
            requests,
        })
    });
    (mailbox, gate)
}

impl LeaderConnection {
    fn new(parts: Parts) -> Self {
        Self {
            parts,
            target: None,
            last_dialed: None,
            state: State::Idle,
            pending: VecDeque::new(),
            retiring: Vec::new(),
            failures: 0,
            generation: 0,
            alarm: Alarm::default(),
        }
    }

    fn now(&self) -> Millis {
        self.parts.shared.clock().now()
    }

    fn transmit(&mut self, ticket: Ticket, context: &mut Context<Self>) {
        if ticket.is_abandoned() {
            return;
        }
        if matches!(self.state, State::Idle) {
            // The dispatcher may have seen a view that is still on its way here.
            self.follow_view(context);
        }
        let mut wake = ticket.deadline();
        match &self.state {
            State::Up(link) => {
                wake = wake.min(self.now() + PING_AFTER);
                link.send(ticket);
            }
            State::Dialing => self.pending.push_back(ticket),
            State::Resting(error) => {
                return self.parts.settle(ticket, None, Err(error.clone()));
            }
            State::Idle => {
                return self.parts.settle(ticket, None, Err(no_leader(self.parts.partition)));
            }
        }
        self.arm_for(wake, context);
    }

    fn follow_view(&mut self, context: &mut Context<Self>) {
        let view = self.parts.shared.view_owned();
        let found = target(&view, self.parts.partition);
        let known = std::mem::replace(&mut self.target, found.clone());
        let Some(found) = found else {
            self.retire("no leader of the partition is known".to_owned(), context);
            self.fail_pending(&no_leader(self.parts.partition));
            return self.publish();
        };
        let moved = match &self.state {
            State::Up(link) => *link.target() != found,
            State::Dialing | State::Resting(_) => known.is_none_or(|known| known != found),
            State::Idle => true,
        };
        if moved {
            if self.last_dialed.as_ref() != Some(&found) {
                self.failures = 0;
            }
            let cause = format!("broker {} leads in term {}", found.broker, found.term);
            self.retire(cause, context);
            if self.failures == 0 {
                self.parts.judge(None, false);
            }
            self.dial(context);
        } else {
            if let State::Up(link) = &self.state {
                link.suspect(is_suspected(&view, found.broker), self.now());
            }
            self.publish();
        }
    }

    /// Publishes the state of the connection.
    fn publish(&self) {
        let (state, error) = match &self.state {
            State::Idle => ("no_leader", None),
            State::Dialing => ("connecting", None),
            State::Up(_) => ("connected", None),
            State::Resting(error) => ("backing_off", Some(error.to_string())),
        };
        self.parts.gauges.connection.store(Arc::new(json!({
            "state": state,
            "leader": self.target.as_ref().map(|target| target.broker),
            "address": self.target.as_ref().map(|target| target.address.to_string()),
            "term": self.target.as_ref().map(|target| target.term),
            "failures_in_a_row": self.failures,
            "error": error,
            "retiring": self.retiring.len(),
            "since": self.now(),
        })));
    }
}

/// The JVM gateway's words, and which partition.
pub(super) fn no_leader(partition: PartitionId) -> GatewayError {
    let detail = format!("no remote address found: partition {partition} has no known leader");
    GatewayError::Connect { detail }
}

impl Actor for LeaderConnection {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(SWEEP, |this, _| this.sweep());
        self.follow_view(context);
    }
}

impl Supervised for LeaderConnection {
    fn restarting(&mut self, _: &mut Self::Context) {
        *self = Self::new(self.parts.clone());
    }
}

impl Handler<Mail<Transmit>> for LeaderConnection {
    type Result = ();

    fn handle(&mut self, mail: Mail<Transmit>, context: &mut Self::Context) {
        self.transmit(mail.open().0, context);
    }
}

impl Handler<Mail<ViewChanged>> for LeaderConnection {
    type Result = ();

    fn handle(&mut self, mail: Mail<ViewChanged>, context: &mut Self::Context) {
        let ViewChanged = mail.open();
        self.follow_view(context);
    }
}

impl Handler<Mail<LinkLost>> for LeaderConnection {
    type Result = ();

    fn handle(&mut self, mail: Mail<LinkLost>, context: &mut Self::Context) {
        self.link_lost(&mail.open(), context);
    }
}
