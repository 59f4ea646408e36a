//! The cluster as gossip tells it, published as one immutable view.
//!
//! Beside the path of a command: membership events, cluster configurations and hints of leader
//! connections come in; each change goes out as a new [`ClusterView`](crate::model::ClusterView),
//! which everybody reads without asking. Rules: [`BrokerDirectory`].
//!
//! Invariant: what is published follows from the members and configurations alone, so a restarted
//! topology publishes the same again.

mod join;
mod observe;

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Context, Handler, Supervised};
use arc_swap::ArcSwapOption;
use bytes::Bytes;
use rand::seq::IteratorRandom as _;

pub use join::{Joined, MemberOptions, StartError, join, serve};
use observe::TopologyState;

use super::alarm::Alarm;
use super::leader::{Evidence, LeaderHint, Target};
use super::mailbox::{Mail, Mailbox};
use super::shared::{BrokerEvent, Shared};
use super::{TOPOLOGY, supervise};
use crate::gossip::{BrokerDirectory, Change, Event};
use crate::model::{MemberState, Millis};
use crate::net::membership::Membership;
use crate::net::{Message, Messenger, Responder};
use crate::wire::configuration;

/// Kind of this actor.
pub const KIND: &str = "topology";

/// How often the published ages of members are brought up to date.
const REFRESH: Duration = Duration::from_secs(1);
/// Members told of a changed cluster configuration (cluster-protocol §5.2).
const CONFIGURATION_FANOUT: usize = 2;

/// A change of the membership.
#[derive(Debug)]
pub struct Gossip(pub Event);

/// A member tells its cluster configuration and, with a responder, asks for ours.
#[derive(Debug)]
pub struct Configuration {
    /// What it says.
    pub message: Message,
    /// Where ours goes.
    pub responder: Option<Responder>,
}

/// What outlives restarts of the actor.
#[derive(Clone)]
struct Parts {
    mailbox: Mailbox<Topology>,
    shared: Shared,
    membership: Membership,
    messenger: Messenger,
    /// The cluster configuration as last merged.
    configuration: Arc<ArcSwapOption<Vec<u8>>>,
}

/// See the module.
pub struct Topology {
    parts: Parts,
    directory: BrokerDirectory,
    published: u64,
    alarm: Alarm,
}

/// Starts the topology over a membership.
#[must_use]
pub fn start(shared: &Shared, membership: Membership, messenger: Messenger) -> Mailbox<Topology> {
    let state = Arc::new(TopologyState::new(shared.clone(), membership.clone()));
    let cell = shared.register(KIND, &[], state);
    let supervision = shared.supervision(TOPOLOGY);
    let shared = shared.clone();
    supervise::start(shared.spawner().control(), cell, supervision, {
        let shared = shared.clone();
        move |mailbox| {
            let configuration = Arc::default();
            Topology::new(Parts { mailbox, shared, membership, messenger, configuration })
        }
    })
}

impl Topology {
    fn new(parts: Parts) -> Self {
        Self { parts, directory: BrokerDirectory::new(), published: 0, alarm: Alarm::default() }
    }

    fn now(&self) -> Millis {
        self.parts.shared.clock().now()
    }

    /// Learns again what the members say: all of it after a start.
    fn relearn(&mut self) {
        if let Some(payload) = self.parts.configuration.load_full()
            && let Err(error) = self.directory.apply_configuration(&payload)
        {
            log::error!("event=own_configuration_unreadable cause=\"{error}\"");
        }
        for known in &self.parts.membership.members().others {
            if known.member.state != Some(MemberState::Dead) {
                self.learn(&Event::MemberAdded(known.member.clone()));
            }
        }
    }

    fn learn(&mut self, event: &Event) -> Vec<Change> {
        let now = self.now();
        self.directory.apply(now, event).unwrap_or_else(|error| {
            log::warn!("event=broker_info_unreadable cause=\"{error}\" in=\"{event:?}\"");
            Vec::new()
        })
    }

    fn gossip(&mut self, event: &Event, context: &mut Context<Self>) {
        log_event(event);
        let changes = self.learn(event);
        // The members of the view changed in any case.
        self.publish(context);
        for change in changes {
            let event = match change {
                Change::BrokerAdded(id) => BrokerEvent::Added(id),
                Change::BrokerRemoved(id) => BrokerEvent::Removed(id),
                Change::BrokerChanged(_) => continue,
            };
            log::info!("event=broker_seen change=\"{change:?}\"");
            self.parts.shared.tell_broker(&event);
        }
    }

    fn publish(&mut self, context: &mut Context<Self>) {
        self.parts.mailbox.cell().sent();
        self.published = self.directory.version();
        self.parts.shared.publish(Arc::new(self.view()));
        self.arm(context);
    }

    fn view(&self) -> crate::model::ClusterView {
        let members = self.parts.membership.members();
        self.directory.view(self.now(), members.own.as_ref(), &members.others)
    }

    fn refresh(&mut self, context: &mut Context<Self>) {
        if self.directory.version() == self.published {
            self.parts.shared.refresh(Arc::new(self.view()));
        } else {
            self.publish(context);
        }
    }

    /// Wakes when the directory has something to end by itself.
    fn arm(&mut self, context: &mut Context<Self>) {
        let Some(due) = self.directory.poll_timeout() else { return };
        self.alarm.set_by(due, self.parts.shared.clock(), context, Self::timeout);
    }

    fn timeout(&mut self, context: &mut Context<Self>) {
        self.alarm.rang();
        let now = self.now();
        if self.directory.handle_timeout(now) {
            self.publish(context);
        } else {
            self.arm(context);
        }
    }

    fn leader_hint(&mut self, hint: &LeaderHint, context: &mut Context<Self>) {
        let Target { partition, broker, ref address, term } = hint.target;
        let now = self.now();
        let changed = match &hint.evidence {
            Evidence::Answered => self.directory.leader_confirmed(now, partition, broker, term),
            Evidence::Lost(cause) => {
                let doubted = self.directory.leader_lost(now, partition, broker, term);
                if doubted {
                    log::info!(
                        "event=leader_doubted partition={partition} broker={broker} term={term} \
                         address={address} cause=\"{cause}\""
                    );
                }
                doubted
            }
        };
        if changed {
            self.publish(context);
        }
    }

    fn configuration(&mut self, told: Configuration, context: &mut Context<Self>) {
        let Configuration { message, responder } = told;
        if self.parts.membership.members().by_address(&message.sender).is_none() {
            let text = format!(
                "Failed to handle message, host {} is not a known cluster member",
                message.sender
            );
            return responder.into_iter().for_each(|responder| responder.error(text.clone()));
        }
        match self.directory.apply_configuration(&message.payload) {
            Ok(answer) => {
                responder.into_iter().for_each(|to| to.reply(Bytes::from(answer.reply.clone())));
                if answer.changed {
                    self.configuration_changed(context);
                }
            }
            Err(error) => {
                log::warn!("event=configuration_refused from={} cause=\"{error}\"", message.sender);
                responder.into_iter().for_each(|responder| responder.error(error.to_string()));
            }
        }
    }

    fn configuration_changed(&mut self, context: &mut Context<Self>) {
        let payload = self.directory.told_configuration().to_vec();
        let members = self.parts.membership.members();
        let reachable = members.others.iter().map(|known| &known.member);
        let reachable = reachable.filter(|member| member.state == Some(MemberState::Alive));
        for member in reachable.choose_multiple(&mut crate::chance::rng(), CONFIGURATION_FANOUT) {
            let (subject, body) = (configuration::GOSSIP_SUBJECT, Bytes::from(payload.clone()));
            if let Err(error) = self.parts.messenger.send(&member.address, subject, body) {
                log::debug!("event=configuration_not_told to={} cause=\"{error}\"", member.id);
            }
        }
        self.parts.configuration.store(Some(Arc::new(payload)));
        self.publish(context);
    }
}

fn log_event(event: &Event) {
    match event {
        Event::MemberAdded(member) => {
            log::info!("event=member_added id={} address={}", member.id, member.address);
        }
        Event::MemberRemoved(member) => {
            log::info!("event=member_removed id={} address={}", member.id, member.address);
        }
        Event::ReachabilityChanged(member) => {
            log::info!("event=member_reachability id={} state={:?}", member.id, member.state)
        }
        Event::MetadataChanged(member) => {
            log::debug!("event=member_changed id={}", member.id);
        }
        Event::IdentityConflict(member) => log::error!(
            "event=member_id_conflict id={} address={} hint=\"set cluster.member_id\"",
            member.id,
            member.address
        ),
    }
}

impl Actor for Topology {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.run_interval(REFRESH, Self::refresh);
        self.relearn();
        self.publish(context);
    }
}

impl Supervised for Topology {
    fn restarting(&mut self, _: &mut Self::Context) {
        *self = Self::new(self.parts.clone());
    }
}

impl Handler<Mail<Gossip>> for Topology {
    type Result = ();

    fn handle(&mut self, mail: Mail<Gossip>, context: &mut Self::Context) {
        self.gossip(&mail.open().0, context);
    }
}

impl Handler<Mail<LeaderHint>> for Topology {
    type Result = ();

    fn handle(&mut self, mail: Mail<LeaderHint>, context: &mut Self::Context) {
        self.leader_hint(&mail.open(), context);
    }
}

impl Handler<Mail<Configuration>> for Topology {
    type Result = ();

    fn handle(&mut self, mail: Mail<Configuration>, context: &mut Self::Context) {
        self.configuration(mail.open(), context);
    }
}
