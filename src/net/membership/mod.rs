//! Makes us a member of the gossip cluster: drives the SWIM core over sockets and time.
//!
//! ```text
//!  Handlers ──requests──▶ ┌──────────┐ ──fresh connections──▶ probes, synchronisations
//!  UDP ─────datagrams───▶ │  driver  │ ──UDP──▶ gossip
//!  Membership ──changes─▶ └──────────┘ ──▶ Members (snapshot), events
//! ```
//!
//! Used alike by the gateway's topology and by the embedded broker. Invariants: the SWIM core sees
//! one input at a time with a clock that never goes back; requests of peers beyond a bound are
//! dropped, so that a flood cannot grow memory; names are resolved anew every few seconds.

mod driver;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};

use super::handlers::{Handlers, Message, Responder};
use super::listen::Listener;
use super::messaging::Messenger;
use super::sockets::UdpSocket;
use crate::clock::whole_millis;
use crate::config;
use crate::gossip::{Counters, Event, KnownMember, Limits, SwimConfig, SwimIdentity};
use crate::model::{MemberId, Millis};
use crate::wire::address::Address;
use crate::wire::swim::{Member, Properties, Request, RequestKind, Version};
use driver::Driver;

/// Requests of peers that wait for the driver.
const INBOUND_MAX: usize = 1024;
/// How long telling everybody that we leave may hold up the end.
const LEAVE_LIMIT: Duration = Duration::from_millis(500);
/// Free TCP ports to try until one is free for UDP, too.
const EPHEMERAL_ATTEMPTS: usize = 16;

/// How to take part.
#[derive(Clone, Debug)]
pub struct MembershipOptions {
    /// Our member id.
    pub id: MemberId,
    /// Version of our program, as peers shall see it.
    pub version: Version,
    /// What we tell about ourselves from the start.
    pub properties: Properties,
    /// Timers and limits.
    pub config: SwimConfig,
    /// Whom to ask first.
    pub contact_points: Vec<Address>,
    /// Seed for the order of probes.
    pub seed: u64,
}

/// All members as of some moment.
#[derive(Clone, Debug, Default)]
pub struct Members {
    /// Ourselves; none until the driver runs.
    pub own: Option<Member>,
    /// All others, by id.
    pub others: Vec<KnownMember>,
    /// What was refused, suspected, refuted so far.
    pub counters: Counters,
}

impl Members {
    /// The member that announces this very address text (cluster-protocol §3.9).
    #[must_use]
    pub fn by_address(&self, address: &Address) -> Option<&KnownMember> {
        self.others.iter().find(|known| known.member.address == *address)
    }

    /// The member with this id.
    #[must_use]
    pub fn by_id(&self, id: &MemberId) -> Option<&KnownMember> {
        self.others.iter().find(|known| known.member.id == *id)
    }
}

#[derive(Debug)]
enum Control {
    SetProperty {
        name: String,
        value: Option<String>,
    },
    SetContactPoints(Vec<Address>),
    /// Answered when everybody has been told.
    Leave(oneshot::Sender<()>),
}

#[derive(Debug)]
struct Inbound {
    request: Request,
    responder: Responder,
}

/// Our membership. Cheap to clone; the driver stops when all handles are gone.
#[derive(Clone, Debug)]
pub struct Membership {
    control: mpsc::UnboundedSender<Control>,
    members: Arc<ArcSwap<Members>>,
}

/// A membership whose driver does not run yet; it takes requests already.
#[derive(Debug)]
pub struct Candidate {
    membership: Membership,
    control: mpsc::UnboundedReceiver<Control>,
    requests: mpsc::Sender<Inbound>,
    inbound: mpsc::Receiver<Inbound>,
}

impl Candidate {
    /// Prepares a membership.
    #[must_use]
    pub fn new() -> Self {
        let (control, changes) = mpsc::unbounded_channel();
        let (requests, inbound) = mpsc::channel(INBOUND_MAX);
        let membership = Membership { control, members: Arc::default() };
        Self { membership, control: changes, requests, inbound }
    }

    /// A handle; shows no members until the driver runs.
    #[must_use]
    pub fn membership(&self) -> Membership {
        self.membership.clone()
    }

    /// Adds the membership subjects.
    pub fn register(&self, handlers: &mut Handlers) {
        for kind in [RequestKind::Probe, RequestKind::Sync, RequestKind::ProbeFor] {
            let requests = self.requests.clone();
            handlers.on(kind.subject(), move |message: Message, responder: Responder| {
                match kind.decode_request(&message.payload) {
                    Err(error) => responder.error(error.to_string()),
                    Ok(request) => {
                        if requests.try_send(Inbound { request, responder }).is_err() {
                            log::warn!("event=membership_request_dropped from={}", message.sender);
                        }
                    }
                }
            });
        }
    }

    /// Runs the membership until all its handles are gone or the events' receiver is. `messenger`
    /// says who we are; `udp` is bound to the port of that address.
    pub async fn run(
        self,
        options: MembershipOptions,
        messenger: Messenger,
        udp: UdpSocket,
        events: mpsc::Sender<Event>,
    ) {
        let Self { membership, control, requests, inbound } = self;
        let members = Arc::clone(&membership.members);
        drop((membership, requests));
        let identity = SwimIdentity {
            id: options.id,
            address: messenger.endpoint().advertised().clone(),
            version: Some(options.version),
            properties: options.properties,
        };
        let driver = Driver::new(identity, options.config, options.contact_points, options.seed);
        driver.run(control, inbound, members, messenger, udp, events).await;
    }
}

impl Default for Candidate {
    fn default() -> Self {
        Self::new()
    }
}

impl Membership {
    /// The members as of now. Never waits.
    #[must_use]
    pub fn members(&self) -> Arc<Members> {
        self.members.load_full()
    }

    /// Tells something about ourselves from now on; `None` takes it back.
    pub fn set_property(&self, name: &str, value: Option<String>) {
        self.change(Control::SetProperty { name: name.to_owned(), value });
    }

    /// Replaces the contact points.
    pub fn set_contact_points(&self, contact_points: Vec<Address>) {
        self.change(Control::SetContactPoints(contact_points));
    }

    /// Tells all members that we are gone; returns when they have been told, or after a moment.
    /// The driver answers those who still ask until it is stopped.
    pub async fn leave(&self) {
        let (done, told) = oneshot::channel();
        self.change(Control::Leave(done));
        if tokio::time::timeout(LEAVE_LIMIT, told).await.is_err() {
            log::debug!("event=membership_left_silently");
        }
    }

    fn change(&self, control: Control) {
        if self.control.send(control).is_err() {
            log::debug!("event=membership_stopped");
        }
    }
}

/// Binds a listener and, on the same port, the UDP socket for gossip. Port 0 takes one that is free
/// for both.
///
/// # Errors
/// The port is taken, or the host has no address.
pub async fn bind(host: &str, port: u16) -> std::io::Result<(Listener, UdpSocket)> {
    let mut attempts = if port == 0 { EPHEMERAL_ATTEMPTS } else { 1 };
    loop {
        let listener = Listener::bind(host, port).await?;
        attempts -= 1;
        match UdpSocket::bind(listener.local_addr()?).await {
            Ok(udp) => return Ok((listener, udp)),
            Err(error) if attempts == 0 => return Err(error),
            // The free TCP port is taken for UDP: try another.
            Err(_) => {}
        }
    }
}

impl From<(&config::Membership, usize)> for SwimConfig {
    /// The configured timers, and at most this many members.
    fn from((config, members_max): (&config::Membership, usize)) -> Self {
        let millis = |duration| Millis(whole_millis(duration));
        Self {
            gossip_interval: millis(config.gossip_interval),
            gossip_fanout: config.gossip_fanout,
            probe_interval: millis(config.probe_interval),
            probe_timeout: millis(config.probe_timeout),
            suspect_probes: config.suspect_probes,
            failure_timeout: millis(config.failure_timeout),
            sync_interval: millis(config.sync_interval),
            broadcast_updates: config.broadcast_updates,
            broadcast_disputes: config.broadcast_disputes,
            notify_suspect: config.notify_suspect,
            limits: Limits { members_max, ..Limits::default() },
            ..Self::default()
        }
    }
}
