//! The connection to the leader of one partition.
//!
//! Dispatcher → **leader connection** → wire → broker; the answer goes straight from the
//! connection's request table to whoever waits. Follows the leader in the cluster view, pipelines
//! all commands over one connection, opens it anew after it broke.
//!
//! Invariants: a command in here ends with its answer, bounces to the dispatcher, or answers from
//! being dropped; only what is certainly unsent is reported as not executed.

mod gauges;
mod link;
mod reply;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use actix::fut::wrap_future;
use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, SpawnHandle, Supervised};
use serde_json::json;
use tokio::net::TcpStream;

use super::dispatcher::{Bounced, Dispatcher, ViewChanged};
use super::mailbox::{Mail, Mailbox};
use super::shared::Shared;
use super::ticket::{Answer, Ticket};
use super::{LEADER_CONNECTION, RECONNECT, supervise};
use crate::clock::iso_duration;
use crate::error::GatewayError;
use crate::metrics::requests::PartitionRequests;
use crate::model::{BrokerId, ClusterView, CommandKind, ErrorCode, Millis, PartitionId};
use crate::net::{Connection, DialError, Endpoint};
use crate::routing::Next;
use crate::wire::Address;

use gauges::Gauges;
use link::Link;

/// Kind of this actor.
pub const KIND: &str = "leader-connection";

/// How often given-up requests are cleared out and figures published.
const SWEEP: Duration = Duration::from_secs(1);
/// How long a broker that lost the leadership may still answer what it was sent. After that a
/// reply is no longer to be expected: the new leader does not know who asked.
const RETIREMENT: Millis = Millis(2_000);

/// What all leader connections need to connect.
#[derive(Clone)]
pub struct Links {
    /// Our identity on the transport.
    pub endpoint: Endpoint,
    /// Told when a leader cannot be reached or no longer leads, so that gossip can be asked.
    pub leader_lost: Arc<dyn Fn(LeaderLost) + Send + Sync>,
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// The view's leader of a partition seems wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderLost {
    /// The partition.
    pub partition: PartitionId,
    /// The address that was to be its leader's.
    pub address: Address,
    /// What was seen.
    pub cause: String,
}

/// A command for the partition.
#[derive(Debug)]
pub struct Transmit(pub Ticket);

/// A pump of a connection ended.
#[derive(Debug)]
pub struct LinkLost {
    generation: u64,
    cause: String,
}

/// What outlives restarts of the actor.
#[derive(Clone)]
pub(crate) struct Parts {
    shared: Shared,
    links: Links,
    partition: PartitionId,
    mailbox: Mailbox<LeaderConnection>,
    dispatcher: Mailbox<Dispatcher>,
    gauges: Arc<Gauges>,
    requests: Arc<PartitionRequests>,
}

impl Parts {
    /// Ends an attempt: with an answer to whoever waits, or back at the dispatcher.
    fn settle(&self, ticket: Ticket, began: Option<Millis>, answer: Answer) {
        let kind = ticket.command().kind;
        if let Some(began) = began {
            let took = (self.shared.clock().now() - began).0.max(0).unsigned_abs();
            self.gauges.took(took);
            let took = Duration::from_millis(took);
            self.requests.ended(kind, took, answer.as_ref().err());
        }
        if let Err(error) = &answer {
            self.note_stale_leader(error);
            if ticket.after_failure(error) != Next::Answer && !ticket.is_abandoned() {
                self.mailbox.cell().sent();
                let mut ticket = ticket;
                ticket.held_by(super::dispatcher::KIND);
                self.dispatcher.send(Bounced { ticket, error: error.clone() });
                return;
            }
        }
        if let Some(Ok(reply)) = ticket.answer(answer)
            && kind == CommandKind::ActivateJobs
        {
            self.shared.late_jobs(self.partition, reply);
        }
    }

    fn note_stale_leader(&self, error: &GatewayError) {
        let stale = match error {
            GatewayError::NoRemoteHandler { .. } => true,
            GatewayError::Broker { code, .. } => *code == ErrorCode::PartitionLeaderMismatch,
            _ => false,
        };
        if stale && let Some(target) = target(&self.shared.view(), self.partition) {
            self.leader_lost(target.address, &error.to_string());
        }
    }

    /// Rare, however many commands fail: each may take gossip's state apart.
    fn leader_lost(&self, address: Address, cause: &str) {
        let now = self.shared.clock().now();
        if !self.gauges.may_hint(now) {
            return;
        }
        let cause = cause.to_owned();
        (self.links.leader_lost)(LeaderLost { partition: self.partition, address, cause });
    }
}

/// The leader as the view has it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    broker: BrokerId,
    address: Address,
    term: i64,
}

fn target(view: &ClusterView, partition: PartitionId) -> Option<Target> {
    let seen = view.partition(partition.0.into())?;
    let broker = view.broker(seen.leader?)?;
    match broker.command_address.parse() {
        Ok(address) => Some(Target { broker: broker.id, address, term: seen.term }),
        Err(error) => {
            log::warn!("event=leader_address_unreadable partition={partition} cause=\"{error}\"");
            None
        }
    }
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
    /// Connections to brokers that led the partition before, until the time beside them.
    retiring: Vec<(Millis, Link)>,
    /// Attempts to connect that failed in a row.
    failures: u32,
    generation: u64,
    timer: Option<(Millis, SpawnHandle)>,
}

/// Starts the leader connection of a partition.
pub(super) fn start(
    shared: &Shared,
    links: &Links,
    dispatcher: Mailbox<Dispatcher>,
    partition: PartitionId,
) -> Mailbox<LeaderConnection> {
    let gauges = Arc::new(Gauges::default());
    let observed: Arc<Gauges> = Arc::clone(&gauges);
    let cell = shared.register(KIND, &[("partition", partition.to_string())], observed);
    let supervision = shared.supervision(LEADER_CONNECTION);
    let arbiter = shared.spawner().nth(usize::from(partition.0).saturating_sub(1));
    let requests = shared.requests().partition(partition);
    let (shared, links) = (shared.clone(), links.clone());
    supervise::start(arbiter, cell, supervision, move |mailbox| {
        LeaderConnection::new(Parts {
            shared,
            links,
            partition,
            mailbox,
            dispatcher,
            gauges,
            requests,
        })
    })
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
            timer: None,
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
        let deadline = ticket.deadline();
        match &self.state {
            State::Up(link) => link.send(ticket),
            State::Dialing => self.pending.push_back(ticket),
            State::Resting(error) => {
                return self.parts.settle(ticket, None, Err(error.clone()));
            }
            State::Idle => {
                let partition = self.parts.partition;
                let detail =
                    format!("no remote address found: partition {partition} has no known leader");
                return self.parts.settle(ticket, None, Err(GatewayError::Connect { detail }));
            }
        }
        self.arm_for(deadline, context);
    }

    fn follow_view(&mut self, context: &mut Context<Self>) {
        let found = target(&self.parts.shared.view(), self.parts.partition);
        let known = std::mem::replace(&mut self.target, found.clone());
        let Some(found) = found else {
            // An open connection stays: what it was sent may still be answered.
            if matches!(self.state, State::Dialing | State::Resting(_)) {
                self.generation += 1;
                self.state = State::Idle;
                self.fail_pending(&self.unreachable("the partition lost its leader"));
            }
            return self.publish();
        };
        let moved = match &self.state {
            State::Up(link) => *link.address() != found.address,
            State::Dialing => known.is_none_or(|known| known.address != found.address),
            State::Resting(_) => known.is_none_or(|known| known != found),
            State::Idle => true,
        };
        if moved {
            if self.last_dialed.as_ref() != self.target.as_ref() {
                self.failures = 0;
            }
            self.retire(context);
            self.dial(context);
        } else {
            self.publish();
        }
    }

    /// Keeps the present connection only for the answers it still owes.
    fn retire(&mut self, context: &mut Context<Self>) {
        if let State::Up(link) = std::mem::replace(&mut self.state, State::Idle)
            && !link.is_idle()
        {
            let end = self.now() + RETIREMENT;
            self.retiring.push((end, link));
            self.arm_for(end, context);
        }
    }

    fn dial(&mut self, context: &mut Context<Self>) {
        let Some(target) = &self.target else { return };
        self.last_dialed.clone_from(&self.target);
        self.generation += 1;
        self.state = State::Dialing;
        let (generation, address) = (self.generation, target.address.clone());
        let endpoint = self.parts.links.endpoint.clone();
        let dialing = async move { (endpoint.dial(&address).await, address) };
        context.spawn(wrap_future::<_, Self>(dialing).map(
            move |(result, address), this, context| {
                if generation == this.generation {
                    this.dialed(address, result, context);
                }
            },
        ));
        self.publish();
    }

    fn dialed(
        &mut self,
        address: Address,
        result: Result<Connection<TcpStream>, DialError>,
        context: &mut Context<Self>,
    ) {
        let partition = self.parts.partition;
        match result {
            Ok(connection) => {
                log::info!("event=leader_connected partition={partition} address={address}");
                self.parts.gauges.connects.fetch_add(1, Relaxed);
                let link = Link::open(&self.parts, self.generation, address, connection);
                for ticket in self.pending.drain(..) {
                    link.send(ticket);
                }
                self.state = State::Up(link);
                self.publish();
            }
            Err(error) => {
                let text =
                    format!("Failed to connect to the leader of partition {partition}: {error}");
                let error = match error {
                    DialError::Timeout { .. } => GatewayError::ConnectTimeout { detail: text },
                    _ => GatewayError::Connect { detail: text },
                };
                self.fail_pending(&error);
                self.rest(address, error, context);
            }
        }
    }

    /// Waits before the next attempt to connect.
    fn rest(&mut self, address: Address, error: GatewayError, context: &mut Context<Self>) {
        self.failures = self.failures.saturating_add(1);
        let pause = RECONNECT.pause(self.failures);
        if self.failures == 1 {
            log::warn!(
                "event=leader_unreachable partition={} address={address} cause=\"{error}\"",
                self.parts.partition
            );
        }
        self.parts.gauges.losses.fetch_add(1, Relaxed);
        self.parts.leader_lost(address, &error.to_string());
        self.state = State::Resting(error);
        let generation = self.generation;
        context.run_later(pause, move |this, context| {
            if this.generation == generation && matches!(this.state, State::Resting(_)) {
                this.dial(context);
            }
        });
        self.publish();
    }

    fn link_lost(&mut self, lost: &LinkLost, context: &mut Context<Self>) {
        let is_lost = |link: &Link| link.generation == lost.generation;
        if let Some(at) = self.retiring.iter().position(|(_, link)| is_lost(link)) {
            return self.retiring.swap_remove(at).1.close(&lost.cause);
        }
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Up(link) if is_lost(&link) => {
                if link.heard() {
                    self.failures = 0;
                }
                let address = link.address().clone();
                link.close(&lost.cause);
                if self.target.is_some() {
                    let error = self.unreachable(&lost.cause);
                    self.rest(address, error, context);
                } else {
                    self.publish();
                }
            }
            other => self.state = other,
        }
    }

    fn unreachable(&self, cause: &str) -> GatewayError {
        let partition = self.parts.partition;
        let detail = format!("No connection to the leader of partition {partition}: {cause}");
        GatewayError::Connect { detail }
    }

    fn fail_pending(&mut self, error: &GatewayError) {
        for ticket in self.pending.drain(..) {
            self.parts.settle(ticket, None, Err(error.clone()));
        }
    }

    /// Answers what is overdue.
    fn expire(&mut self, context: &mut Context<Self>) {
        self.timer = None;
        let now = self.now();
        if let State::Up(link) = &self.state {
            link.expire(now);
        }
        for (_, link) in &self.retiring {
            link.expire(now);
        }
        let over = |end: Millis, link: &Link| end <= now || link.is_idle();
        let (ended, kept): (Vec<_>, Vec<_>) =
            self.retiring.drain(..).partition(|(end, link)| over(*end, link));
        self.retiring = kept;
        for (_, link) in ended {
            link.close("another broker leads the partition");
        }
        self.expire_pending(now);
        let next = self.next_deadline();
        if let Some(next) = next {
            self.arm_for(next, context);
        }
    }

    fn expire_pending(&mut self, now: Millis) {
        let overdue = |ticket: &Ticket| ticket.deadline() <= now;
        let (expired, kept): (VecDeque<_>, VecDeque<_>) = self.pending.drain(..).partition(overdue);
        self.pending = kept;
        for ticket in expired {
            let after = iso_duration(ticket.timeout());
            let cause = format!("Request timed out after {after}");
            self.parts.settle(ticket, None, Err(GatewayError::Timeout { cause }));
        }
    }

    fn next_deadline(&self) -> Option<Millis> {
        let current = match &self.state {
            State::Up(link) => link.next_deadline(),
            _ => None,
        };
        let retiring = self
            .retiring
            .iter()
            .flat_map(|(end, link)| std::iter::once(*end).chain(link.next_deadline()));
        let pending = self.pending.iter().map(Ticket::deadline);
        current.into_iter().chain(retiring).chain(pending).min()
    }

    /// Makes sure that the one timer fires at `at` or before.
    fn arm_for(&mut self, at: Millis, context: &mut Context<Self>) {
        if let Some((armed, handle)) = self.timer {
            if armed <= at {
                return;
            }
            context.cancel_future(handle);
        }
        let wait = self.parts.shared.clock().until(at);
        self.timer = Some((at, context.run_later(wait, Self::expire)));
    }

    fn sweep(&mut self) {
        let now = self.now();
        self.pending.retain(|ticket| !ticket.is_abandoned());
        if let State::Up(link) = &self.state {
            link.sweep(now);
        }
        for (_, link) in &self.retiring {
            link.sweep(now);
        }
        self.parts.gauges.pending.store(self.pending.len() as u64, Relaxed);
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
