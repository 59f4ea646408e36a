//! What a leader connection keeps through its restarts, and whom it tells what it sees.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::LeaderConnection;
use super::gauges::Gauges;
use crate::actors::dispatcher::{self, Bounced, Dispatcher};
use crate::actors::mailbox::Mailbox;
use crate::actors::shared::Shared;
use crate::actors::ticket::{Answer, Ticket};
use crate::error::GatewayError;
use crate::metrics::requests::PartitionRequests;
use crate::model::{
    BrokerId, ClusterView, CommandKind, ErrorCode, MemberState, Millis, PartitionId,
};
use crate::net::Endpoint;
use crate::routing::{Ailment, Next};
use crate::wire::Address;

/// What all leader connections need to connect.
#[derive(Clone)]
pub struct Links {
    /// Our identity on the transport.
    pub endpoint: Endpoint,
    /// Told what connections find out about leaders before gossip does.
    pub leader_hint: Arc<dyn Fn(LeaderHint) + Send + Sync>,
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Something was found out about a leadership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderHint {
    /// Which.
    pub target: Target,
    /// What.
    pub evidence: Evidence,
}

/// What speaks for or against a leadership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The broker executed or rejected a command.
    Answered,
    /// The broker said that it does not lead, or cannot be reached: why.
    Lost(String),
}

/// A leadership as the view has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Of this partition,
    pub partition: PartitionId,
    /// by this broker,
    pub broker: BrokerId,
    /// which listens here for commands,
    pub address: Address,
    /// in this term.
    pub term: i64,
}

/// The partition's leader in the view.
pub(super) fn target(view: &ClusterView, partition: PartitionId) -> Option<Target> {
    let seen = view.partition(partition.0.into())?;
    let broker = view.broker(seen.leader?)?;
    match broker.command_address.parse() {
        Ok(address) => Some(Target { partition, broker: broker.id, address, term: seen.term }),
        Err(error) => {
            log::warn!("event=leader_address_unreadable partition={partition} cause=\"{error}\"");
            None
        }
    }
}

/// Whether gossip suspects the member that this broker is.
pub(super) fn is_suspected(view: &ClusterView, broker: BrokerId) -> bool {
    view.broker(broker).is_some_and(|broker| {
        let is_it = |address: &str| address == broker.internal_address;
        view.members.iter().any(|m| m.state == MemberState::Suspect && is_it(&m.address))
    })
}

/// An attempt that was made over a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt<'a> {
    pub target: &'a Target,
    pub began: Millis,
}

/// What outlives restarts of the actor.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(super) shared: Shared,
    pub(super) links: Links,
    pub(super) partition: PartitionId,
    pub(super) mailbox: Mailbox<LeaderConnection>,
    pub(super) dispatcher: Mailbox<Dispatcher>,
    pub(super) gauges: Arc<Gauges>,
    pub(super) requests: Arc<PartitionRequests>,
}

impl Parts {
    /// Ends an attempt: with an answer to whoever waits, or back at the dispatcher.
    pub(super) fn settle(&self, ticket: Ticket, attempt: Option<Attempt<'_>>, answer: Answer) {
        let kind = ticket.command().kind;
        if let Some(Attempt { target, began }) = attempt {
            let took = (self.shared.clock().now() - began).0.max(0).unsigned_abs();
            self.gauges.took(took);
            let took = Duration::from_millis(took);
            self.requests.ended(kind, took, answer.as_ref().err());
            if let Err(error) = &answer
                && denies_leadership(error)
            {
                self.leader_lost(target, &error.to_string());
            }
        }
        if let Err(error) = &answer
            && ticket.after_failure(error) != Next::Answer
            && !ticket.is_abandoned()
        {
            self.mailbox.cell().sent();
            let mut ticket = ticket;
            ticket.held_by(dispatcher::KIND);
            self.dispatcher.send(Bounced { ticket, error: error.clone() });
            return;
        }
        if let Some(Ok(reply)) = ticket.answer(answer)
            && kind == CommandKind::ActivateJobs
        {
            self.shared.late_jobs(self.partition, reply);
        }
    }

    /// Rare, however many commands fail: each may take gossip's state apart.
    pub(super) fn leader_lost(&self, target: &Target, cause: &str) {
        if self.gauges.may_hint(self.shared.clock().now()) {
            self.hint(target, Evidence::Lost(cause.to_owned()));
        }
    }

    /// Tells the topology.
    pub(super) fn hint(&self, target: &Target, evidence: Evidence) {
        (self.links.leader_hint)(LeaderHint { target: target.clone(), evidence });
    }

    /// Publishes how the leader is; `busy` as for [`Gate::set`](crate::routing::Gate::set).
    pub(super) fn judge(&self, verdict: Option<Ailment>, busy: bool) {
        let now = self.shared.clock().now();
        if !self.gauges.gate.set(now, verdict, busy) {
            return;
        }
        self.requests.set_ejected(verdict.is_some());
        match verdict {
            Some(ailment) => log::warn!(
                "event=partition_ejected partition={} cause={}",
                self.partition,
                ailment.name()
            ),
            None => log::info!("event=partition_restored partition={}", self.partition),
        }
    }
}

fn denies_leadership(error: &GatewayError) -> bool {
    match error {
        GatewayError::NoRemoteHandler { .. } => true,
        GatewayError::Broker { code, .. } => *code == ErrorCode::PartitionLeaderMismatch,
        _ => false,
    }
}
