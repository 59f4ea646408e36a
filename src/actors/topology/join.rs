//! Joining the cluster: sockets, identity, and the tasks that drive the membership.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use rand::Rng as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Configuration, Gossip, Topology};
use crate::actors::mailbox::Mailbox;
use crate::chance::{self, select};
use crate::config::Config;
use crate::gossip::SwimConfig;
use crate::model::MemberId;
use crate::net::membership::{self, Candidate, Membership, MembershipOptions};
use crate::net::sockets::UdpSocket;
use crate::net::{
    Endpoint, EndpointOptions, Handlers, Listener, Message, Messenger, MessengerOptions, Responder,
    ServeOptions,
};
use crate::wire::Address;
use crate::wire::address::InvalidAddress;
use crate::wire::configuration;
use crate::wire::events::{JOBS_AVAILABLE, TOPICS_PROPERTY, topics_to_property};
use crate::wire::swim::{Properties, Version};

/// The program version that other members see: that of the brokers this gateway is written for.
const VERSION: Version = Version::new(8, 6, 0);
/// Membership events that wait for the topology; the driver waits when it is full.
const EVENTS_MAX: usize = 1024;
/// An address outside every network (RFC 5737), to ask the system which of ours leads outwards.
const SOMEWHERE: &str = "192.0.2.1:9";

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The system refuses a thread.
    #[error("cannot start the actors' threads: {0}")]
    Threads(io::Error),
    /// The port of the cluster transport cannot be bound.
    #[error("cannot listen on {address} (`cluster.host`, `cluster.port`): {source}")]
    Bind {
        /// What the configuration says.
        address: Address,
        /// The system's reason.
        source: io::Error,
    },
    /// A contact point is no address.
    #[error("`cluster.initial_contact_points`: {0}")]
    ContactPoint(#[from] InvalidAddress),
    /// The actors' thread ended.
    #[error("the actors' thread ended while the gateway started")]
    Ended,
}

/// How this gateway is a member; from the configuration, or for an embedded broker.
#[derive(Clone, Debug)]
pub struct MemberOptions {
    /// Host to listen on.
    pub host: String,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// Host that others are told; empty: `host`, or found out where that is a wildcard.
    pub advertised_host: String,
    /// Port that others are told; 0: the one listened on.
    pub advertised_port: u16,
    /// Whom to ask first.
    pub contact_points: Vec<Address>,
}

impl MemberOptions {
    /// As configured.
    ///
    /// # Errors
    /// [`StartError::ContactPoint`].
    pub fn configured(config: &Config) -> Result<Self, StartError> {
        let cluster = &config.cluster;
        let points = cluster.initial_contact_points.iter();
        Ok(Self {
            host: cluster.host.clone(),
            port: cluster.port,
            advertised_host: cluster.advertised_host.clone(),
            advertised_port: cluster.advertised_port,
            contact_points: points.map(|text| text.parse()).collect::<Result<_, _>>()?,
        })
    }

    /// Beside an embedded broker with this internal address: on its host and a free port.
    #[must_use]
    pub fn beside(broker: &Address) -> Self {
        Self {
            host: broker.host.to_string(),
            port: 0,
            advertised_host: String::new(),
            advertised_port: 0,
            contact_points: vec![broker.clone()],
        }
    }
}

/// Sockets and identity of a member that does not take part yet.
#[derive(Debug)]
pub struct Joined {
    /// Our identity on the transport.
    pub endpoint: Endpoint,
    /// Sends to other members.
    pub messenger: Messenger,
    /// The membership.
    pub membership: Membership,
    candidate: Candidate,
    listener: Listener,
    udp: UdpSocket,
    options: MemberOptions,
}

/// Binds the sockets. Must run on the arbiter that will serve them.
///
/// # Errors
/// [`StartError::Bind`].
pub async fn join(config: &Config, options: MemberOptions) -> Result<Joined, StartError> {
    let MemberOptions { host, port, .. } = &options;
    let address = || Address::new(host.as_str(), *port);
    let bind_error = |source| StartError::Bind { address: address(), source };
    let (listener, udp) = membership::bind(host, *port).await.map_err(bind_error)?;
    let bound = listener.local_addr().map_err(bind_error)?;
    let advertised_port =
        if options.advertised_port == 0 { bound.port() } else { options.advertised_port };
    let advertised = Address::new(advertised_host(&options, bound.ip()).await, advertised_port);
    log::info!("event=cluster_member_listens at={bound} advertised={advertised}");
    let limits = EndpointOptions {
        connect_timeout: config.cluster.connect_timeout,
        frame_bytes_max: config.limits.frame_size,
    };
    let endpoint = Endpoint::new(&config.cluster.name, advertised, limits);
    let messenger = Messenger::new(endpoint.clone(), MessengerOptions::default());
    let candidate = Candidate::new();
    let membership = candidate.membership();
    Ok(Joined { endpoint, messenger, membership, candidate, listener, udp, options })
}

/// Takes part: answers other members with these handlers and those of the membership, and tells the
/// topology what happens, until `stop`. Must run on the arbiter that [`join`] ran on.
pub fn serve(
    config: &Config,
    joined: Joined,
    mut handlers: Handlers,
    topology: Mailbox<Topology>,
    stop: CancellationToken,
) {
    let Joined { endpoint, messenger, candidate, listener, udp, options, .. } = joined;
    candidate.register(&mut handlers);
    register_configuration(&mut handlers, &topology);
    let limits = ServeOptions::default();
    actix_rt::spawn(listener.serve(endpoint, Arc::new(handlers), limits, stop.clone()));
    let swim = SwimConfig::from((&config.cluster.membership, config.limits.members));
    let id = member_id(&config.cluster.member_id);
    let points: Vec<_> = options.contact_points.iter().map(Address::to_string).collect();
    log::info!("event=cluster_member_joins id={id} contact_points={}", points.join(","));
    let options = MembershipOptions {
        id,
        version: VERSION,
        properties: properties(config),
        config: swim,
        contact_points: options.contact_points,
        seed: chance::rng().random(),
    };
    let (sender, mut events) = mpsc::channel(EVENTS_MAX);
    let driving = candidate.run(options, messenger, udp, sender);
    actix_rt::spawn(async move {
        select! {
            () = driving => log::error!("event=membership_ended"),
            () = stop.cancelled() => log::info!("event=cluster_member_leaves"),
        }
    });
    actix_rt::spawn(async move {
        while let Some(event) = events.recv().await {
            topology.send(Gossip(event));
        }
    });
}

fn register_configuration(handlers: &mut Handlers, topology: &Mailbox<Topology>) {
    let to = topology.clone();
    handlers.on(configuration::SYNC_SUBJECT, move |message: Message, responder: Responder| {
        to.send(Configuration { message, responder: Some(responder) });
    });
    let to = topology.clone();
    handlers.on(configuration::GOSSIP_SUBJECT, move |message: Message, _: Responder| {
        to.send(Configuration { message, responder: None });
    });
}

/// What we tell about ourselves: that we want to hear of available jobs (cluster-protocol §7).
fn properties(config: &Config) -> Properties {
    let mut properties = Properties::new();
    if config.long_polling.enabled {
        let topics = BTreeSet::from([JOBS_AVAILABLE.to_owned()]);
        properties.insert(TOPICS_PROPERTY.to_owned(), topics_to_property(&topics));
    }
    properties
}

/// Two gateways of one id would be taken for one, so the default is random.
fn member_id(configured: &str) -> MemberId {
    if configured.is_empty() {
        return MemberId::new(format!("gateway-{:08x}", chance::rng().random::<u32>()));
    }
    MemberId::new(configured)
}

/// The host that others reach us by.
async fn advertised_host(options: &MemberOptions, bound: IpAddr) -> String {
    if !options.advertised_host.is_empty() {
        return options.advertised_host.clone();
    }
    if !bound.is_unspecified() {
        return options.host.clone();
    }
    // The address that the way to the cluster begins with.
    let contacts = options.contact_points.iter().map(ToString::to_string);
    for target in contacts.chain([SOMEWHERE.to_owned()]) {
        if let Ok(ip) = route_to(&target).await {
            return ip.to_string();
        }
    }
    log::warn!("event=no_route_out hint=\"set cluster.advertised_host\"");
    "127.0.0.1".to_owned()
}

/// Our address on the way to `target`. Sends nothing.
async fn route_to(target: &str) -> io::Result<IpAddr> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in tokio::net::lookup_host(target).await? {
        let any: IpAddr = if address.is_ipv4() {
            std::net::Ipv4Addr::UNSPECIFIED.into()
        } else {
            std::net::Ipv6Addr::UNSPECIFIED.into()
        };
        let socket = tokio::net::UdpSocket::bind((any, 0)).await?;
        match socket.connect(address).await {
            Ok(()) => return Ok(socket.local_addr()?.ip()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wildcard_host_advertises_the_way_to_the_cluster() {
        let options = |host: &str, advertised: &str| MemberOptions {
            host: host.to_owned(),
            advertised_host: advertised.to_owned(),
            ..MemberOptions::beside(&Address::new("127.0.0.1", 26502))
        };
        let any = "0.0.0.0".parse().unwrap();
        assert_eq!(advertised_host(&options("0.0.0.0", ""), any).await, "127.0.0.1");
        assert_eq!(advertised_host(&options("0.0.0.0", "gw.example"), any).await, "gw.example");
        let local = "127.0.0.1".parse().unwrap();
        assert_eq!(advertised_host(&options("localhost", ""), local).await, "localhost");
    }

    #[test]
    fn member_ids_are_random_unless_configured() {
        assert_eq!(member_id("gateway").as_str(), "gateway");
        assert!(member_id("").as_str().starts_with("gateway-"));
        assert_ne!(member_id(""), member_id(""));
    }
}
