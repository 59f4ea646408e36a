//! Sends each command to the leader of its partition, and decides what follows a failure.
//!
//! Session → **dispatcher** → leader connection. Reads the cluster view, never waits. Commands
//! between two attempts rest in one queue with one timer. Rules: [`routing`](crate::routing).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use actix::{Actor, AsyncContext, Context, Handler, Supervised};
use serde_json::{Value, json};

use super::admission::Budget;
use super::alarm::Alarm;
use super::cell::Observe;
use super::leader::{self, LeaderConnection, Links, Transmit};
use super::mailbox::{Mail, Mailbox};
use super::shared::Shared;
use super::ticket::Ticket;
use super::{DISPATCHER, supervise};
use crate::clock::iso_duration;
use crate::error::GatewayError;
use crate::model::{ClusterView, CommandKind, Millis, PartitionId};
use crate::routing::{Gate, Next, RetryQueue, Router, Turn};

/// Kind of this actor.
pub const KIND: &str = "dispatcher";

/// How often commands that nobody waits for any more are cleared out of the queue.
const SWEEP: Millis = Millis(1_000);

/// A command whose partition is to be chosen.
#[derive(Debug)]
pub struct Dispatch(pub Ticket);

/// A command that came back from a leader connection, because another attempt may follow.
#[derive(Debug)]
pub struct Bounced {
    /// The command.
    pub ticket: Ticket,
    /// Why this attempt failed.
    pub error: GatewayError,
}

/// A new cluster view was published.
#[derive(Clone, Copy, Debug)]
pub struct ViewChanged;

/// One partition's connection and limit. They outlive restarts of the dispatcher.
#[derive(Clone, Debug)]
struct Lane {
    leader: Mailbox<LeaderConnection>,
    budget: Budget,
    /// Whether the leader answers.
    gate: Arc<Gate>,
}

/// What outlives restarts of the dispatcher.
#[derive(Clone)]
struct Parts {
    mailbox: Mailbox<Dispatcher>,
    shared: Shared,
    links: Links,
    lanes: Arc<Mutex<BTreeMap<PartitionId, Lane>>>,
    gauges: Arc<Gauges>,
}

#[derive(Debug, Default)]
struct Gauges {
    dispatched: AtomicU64,
    retried: AtomicU64,
    moved: AtomicU64,
    refused: AtomicU64,
    resting: AtomicU64,
    shared_picks: AtomicU64,
    creation_picks: AtomicU64,
}

impl Observe for Gauges {
    fn observe(&self) -> Value {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        json!({
            "dispatched": read(&self.dispatched),
            "retried_same_partition": read(&self.retried),
            "moved_to_next_partition": read(&self.moved),
            "refused": read(&self.refused),
            "waiting_for_retry": read(&self.resting),
            "round_robin_picks": read(&self.shared_picks),
            "creation_picks": read(&self.creation_picks),
        })
    }
}

/// See the module.
pub struct Dispatcher {
    parts: Parts,
    lanes: BTreeMap<PartitionId, Lane>,
    router: Router,
    resting: RetryQueue<Ticket>,
    alarm: Alarm,
}

/// Starts the dispatcher; it starts the leader connections.
#[must_use]
pub fn start(shared: &Shared, links: Links) -> Mailbox<Dispatcher> {
    let gauges = Arc::new(Gauges::default());
    let observed: Arc<Gauges> = Arc::clone(&gauges);
    let cell = shared.register(KIND, &[], observed);
    let supervision = shared.supervision(DISPATCHER);
    let (own, lanes) = (shared.clone(), Arc::default());
    supervise::start(shared.spawner().path(), cell, supervision, move |mailbox| {
        Dispatcher::new(Parts { mailbox, shared: own, links, lanes, gauges })
    })
}

impl Dispatcher {
    fn new(parts: Parts) -> Self {
        let lanes = parts.lanes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self {
            parts,
            lanes,
            router: Router::default(),
            resting: RetryQueue::default(),
            alarm: Alarm::default(),
        }
    }

    #[cfg(test)]
    pub(super) fn leaders(&self) -> impl Iterator<Item = &Mailbox<LeaderConnection>> {
        self.lanes.values().map(|lane| &lane.leader)
    }

    fn choose(&mut self, mut ticket: Ticket, context: &mut Context<Self>) {
        self.parts.gauges.dispatched.fetch_add(1, Relaxed);
        let (lanes, now) = (&self.lanes, self.parts.shared.clock().now());
        let admits = |partition| lanes.get(&partition).is_none_or(|lane| lane.gate.admits(now));
        let chosen = self.router.choose(ticket.command(), &self.parts.shared.view(), admits);
        match chosen {
            Ok(choice) => {
                *ticket.candidates_mut() = choice.candidates;
                self.transmit(ticket, choice.partition, context);
            }
            Err(error) => self.refuse(ticket, error),
        }
    }

    /// Sends a command to the partition's leader connection, or lets it wait for a leader.
    fn transmit(
        &mut self,
        mut ticket: Ticket,
        partition: PartitionId,
        context: &mut Context<Self>,
    ) {
        ticket.route_to(partition);
        let view = self.parts.shared.view();
        if !view.has_leader(partition) {
            return self.without_leader(ticket, partition, context);
        }
        if let Err(error) = ticket.fit_leader(&self.parts.shared.view()) {
            return self.refuse(ticket, error);
        }
        let lane = self.lane(partition).clone();
        if ticket.command().kind == CommandKind::ActivateJobs && self.spares(&lane, &view) {
            let error = does_not_answer(partition, &lane.gate);
            return self.after(ticket, error, context);
        }
        if let Err(error) = ticket.hold_partition(&lane.budget) {
            return self.after(ticket, of_partition(error, partition), context);
        }
        ticket.held_by(leader::KIND);
        self.parts.mailbox.cell().sent();
        lane.leader.send(Transmit(ticket));
    }

    /// Whether a poll for jobs passes a partition over: its leader does not answer, and another
    /// partition's does. The poll would wait for it instead of asking the next one.
    fn spares(&self, lane: &Lane, view: &ClusterView) -> bool {
        if lane.gate.is_open() || lane.gate.admits(self.parts.shared.clock().now()) {
            return false;
        }
        self.lanes.iter().any(|(id, other)| other.gate.is_open() && view.has_leader(*id))
    }

    fn without_leader(
        &mut self,
        ticket: Ticket,
        partition: PartitionId,
        context: &mut Context<Self>,
    ) {
        let known = self.parts.shared.view().partition(partition.0.into()).is_some();
        let error = if known {
            leader::no_leader(partition)
        } else {
            // The number is only a guess.
            GatewayError::Connect { detail: "no remote address found".to_owned() }
        };
        if ticket.after_failure(&error) == Next::Again {
            let deadline = ticket.deadline();
            self.resting.park(ticket, partition, deadline);
            self.arm(context);
        } else {
            self.after(ticket, error, context);
        }
    }

    fn after(&mut self, mut ticket: Ticket, error: GatewayError, context: &mut Context<Self>) {
        match ticket.after_failure(&error) {
            Next::Answer => self.refuse(ticket, error),
            Next::Again => {
                self.parts.gauges.retried.fetch_add(1, Relaxed);
                let (partition, deadline) = (ticket.partition(), ticket.deadline());
                let now = self.parts.shared.clock().now();
                self.resting.delay(ticket, partition, now, deadline);
                self.arm(context);
            }
            Next::NextPartition => {
                ticket.note_failure(error);
                let (view, now) = (self.parts.shared.view_owned(), self.parts.shared.clock().now());
                let lanes = &self.lanes;
                let admits =
                    |partition| lanes.get(&partition).is_none_or(|lane| lane.gate.admits(now));
                let left = ticket.candidates_mut().as_mut();
                let next = left.and_then(|left| left.next(&view, admits));
                match next {
                    Some(partition) => {
                        self.parts.gauges.moved.fetch_add(1, Relaxed);
                        ticket.start_clock(self.parts.shared.clock().now());
                        self.transmit(ticket, partition, context);
                    }
                    None => ticket.answer_all_failed(),
                }
            }
        }
    }

    fn refuse(&self, ticket: Ticket, error: GatewayError) {
        self.parts.gauges.refused.fetch_add(1, Relaxed);
        // Nobody is told twice: an answer that comes back had nobody waiting for it.
        let _nobody = ticket.answer(Err(error));
    }

    fn lane(&mut self, partition: PartitionId) -> &Lane {
        let parts = &self.parts;
        self.lanes.entry(partition).or_insert_with(|| {
            let dispatcher = parts.mailbox.clone();
            let (leader, gate) = leader::start(&parts.shared, &parts.links, dispatcher, partition);
            let budget = parts.shared.admission().partition_budget();
            let lane = Lane { leader, budget, gate };
            let mut lanes = parts.lanes.lock().unwrap_or_else(PoisonError::into_inner);
            lanes.insert(partition, lane.clone());
            lane
        })
    }

    /// Tries again what waited long enough, and ends what waited too long.
    fn turn(&mut self, context: &mut Context<Self>) {
        self.alarm.rang();
        let now = self.parts.shared.clock().now();
        while let Some(turn) = self.resting.take_due(now) {
            match turn {
                Turn::Again(ticket) if ticket.is_abandoned() => drop(ticket),
                Turn::Again(ticket) => {
                    let partition = ticket.partition();
                    self.transmit(ticket, partition, context);
                }
                Turn::Expired(ticket) => {
                    let (after, partition) = (iso_duration(ticket.timeout()), ticket.partition());
                    let cause = format!("Request timed out after {after} (partition {partition})");
                    self.refuse(ticket, GatewayError::Timeout { cause });
                }
            }
        }
        self.arm(context);
    }

    /// Sets the one timer to when the next resting command is due.
    fn arm(&mut self, context: &mut Context<Self>) {
        let gauges = &self.parts.gauges;
        gauges.resting.store(self.resting.len() as u64, Relaxed);
        let Some(due) = self.resting.next_due() else { return };
        self.alarm.set_by(due, self.parts.shared.clock(), context, Self::turn);
    }

    fn sweep(&mut self, context: &mut Context<Self>) {
        drop(self.resting.take_if(Ticket::is_abandoned));
        let (shared, creation) = self.router.picks();
        self.parts.gauges.shared_picks.store(shared, Relaxed);
        self.parts.gauges.creation_picks.store(creation, Relaxed);
        self.arm(context);
    }

    fn follow_view(&mut self, context: &mut Context<Self>) {
        let view = self.parts.shared.view_owned();
        for partition in &view.partitions {
            self.lane(partition.id);
        }
        for lane in self.lanes.values() {
            lane.leader.send(ViewChanged);
        }
        for ticket in self.resting.wake(|partition| view.has_leader(partition)) {
            let partition = ticket.partition();
            self.transmit(ticket, partition, context);
        }
    }
}

fn does_not_answer(partition: PartitionId, gate: &Gate) -> GatewayError {
    let cause = gate.ejected().map_or("healing", |(ailment, _)| ailment.name());
    let detail = format!("the leader of partition {partition} does not answer ({cause})");
    GatewayError::Connect { detail }
}

/// Names the partition whose limit was reached.
fn of_partition(error: GatewayError, partition: PartitionId) -> GatewayError {
    match error {
        GatewayError::Overloaded { limit, detail } => {
            GatewayError::Overloaded { limit, detail: format!("{detail} (partition {partition})") }
        }
        other => other,
    }
}

impl Actor for Dispatcher {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        let every = std::time::Duration::from_millis(SWEEP.0.unsigned_abs());
        context.run_interval(every, Self::sweep);
        self.follow_view(context);
    }
}

impl Supervised for Dispatcher {
    fn restarting(&mut self, _: &mut Self::Context) {
        *self = Self::new(self.parts.clone());
    }
}

impl Handler<Mail<Dispatch>> for Dispatcher {
    type Result = ();

    fn handle(&mut self, mail: Mail<Dispatch>, context: &mut Self::Context) {
        self.choose(mail.open().0, context);
    }
}

impl Handler<Mail<Bounced>> for Dispatcher {
    type Result = ();

    fn handle(&mut self, mail: Mail<Bounced>, context: &mut Self::Context) {
        let Bounced { ticket, error } = mail.open();
        self.after(ticket, error, context);
    }
}

impl Handler<Mail<ViewChanged>> for Dispatcher {
    type Result = ();

    fn handle(&mut self, mail: Mail<ViewChanged>, context: &mut Self::Context) {
        let ViewChanged = mail.open();
        self.follow_view(context);
    }
}
