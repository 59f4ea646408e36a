//! Puts a broker together: sockets, handlers, partitions, membership.

use std::sync::Arc;

use rand::Rng as _;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::command_api::CommandApi;
use super::hub::Hub;
use super::limits::Limits;
use super::management::{Kind, Management};
use super::partition::{Partition, PartitionTask, Processor};
use super::{BrokerError, configuration, member};
use crate::chance;
use crate::config;
use crate::gossip::{Event, SwimConfig};
use crate::model::{BrokerId, MemberId, PartitionId};
use crate::net::sockets::UdpSocket;
use crate::net::{
    Candidate, Endpoint, EndpointOptions, Handlers, Listener, MembershipOptions, Message,
    Messenger, MessengerOptions, Responder, ServeOptions,
};
use crate::wire::address::Address;
use crate::wire::broker_info::PROPERTY;
use crate::wire::swim::{Properties, Version};

/// Membership events that wait for the broker to react.
const EVENTS_MAX: usize = 256;

/// The bound sockets of a broker.
#[derive(Debug)]
pub struct Sockets {
    command: Listener,
    command_address: Address,
    internal: Listener,
    udp: UdpSocket,
    internal_address: Address,
}

impl Sockets {
    /// Binds both ports.
    ///
    /// # Errors
    /// One of them cannot be bound.
    pub async fn bind(config: &config::Broker) -> Result<Self, BrokerError> {
        let failed = |key, port| {
            move |source| BrokerError::Bind {
                key,
                address: Address::new(config.host.as_str(), port),
                source,
            }
        };
        let command = async {
            let listener = Listener::bind(&config.host, config.command_port).await?;
            let port = listener.local_addr()?.port();
            Ok((listener, port))
        };
        let internal = async {
            let (listener, udp) = crate::net::bind(&config.host, config.internal_port).await?;
            let port = listener.local_addr()?.port();
            Ok((listener, udp, port))
        };
        let (command, command_port) =
            command.await.map_err(failed("broker.command_port", config.command_port))?;
        let (internal, udp, internal_port) =
            internal.await.map_err(failed("broker.internal_port", config.internal_port))?;
        Ok(Self {
            command,
            command_address: Address::new(config.host.as_str(), command_port),
            internal,
            udp,
            internal_address: Address::new(config.host.as_str(), internal_port),
        })
    }
}

/// A broker that is complete but does not run yet.
pub struct Server<P> {
    sockets: Sockets,
    hub: Arc<Hub>,
    tasks: Vec<PartitionTask<P, Hub>>,
    candidate: Candidate,
    membership: MembershipOptions,
    command_endpoint: Endpoint,
    command_handlers: Handlers,
    internal_handlers: Handlers,
    serving: ServeOptions,
}

impl<P: Processor> Server<P> {
    /// Makes all parts; nothing is served before [`Server::run`].
    ///
    /// # Errors
    /// The broker cannot be announced.
    pub fn new(
        sockets: Sockets,
        config: &config::Broker,
        cluster: &config::Cluster,
        limits: Limits,
        engines: &(impl Fn(PartitionId) -> P + ?Sized),
    ) -> Result<Self, BrokerError> {
        let options = EndpointOptions {
            connect_timeout: cluster.connect_timeout,
            frame_bytes_max: limits.frame_bytes,
        };
        // Two endpoints with a counter of their own each, like a JVM broker's (cluster-protocol §0).
        let endpoint = |address: &Address| Endpoint::new(&cluster.name, address.clone(), options);
        let internal_endpoint = endpoint(&sockets.internal_address);
        let messenger = Messenger::new(internal_endpoint, MessengerOptions::default());
        let candidate = Candidate::new();
        let node = BrokerId(config.node_id);
        let topology = configuration::initial(node, config.partitions);
        let hub = Arc::new(Hub::new(
            node,
            sockets.command_address.clone(),
            candidate.membership(),
            messenger,
            &topology,
            &limits,
        ));
        let (partitions, tasks) = (1..=config.partitions)
            .map(PartitionId)
            .map(|id| Partition::new(id, engines(id), limits, Arc::clone(&hub)))
            .unzip();
        hub.set_partitions(partitions);
        let announcement =
            hub.announcement().map_err(|_| BrokerError::Partitions(config.partitions))?;
        let mut internal_handlers = Handlers::new();
        candidate.register(&mut internal_handlers);
        configuration::register(&mut internal_handlers, hub.membership(), &topology);
        register_streams(&mut internal_handlers, &hub);
        Ok(Self {
            command_endpoint: endpoint(&sockets.command_address),
            command_handlers: command_handlers(&hub, limits),
            internal_handlers,
            membership: MembershipOptions {
                id: MemberId::new(node.to_string()),
                version: Version::new(8, 6, 0),
                properties: Properties::from([(PROPERTY.to_owned(), announcement)]),
                config: SwimConfig::from((&cluster.membership, limits.members)),
                contact_points: Vec::new(),
                seed: chance::rng().random(),
            },
            sockets,
            hub,
            tasks,
            candidate,
            serving: ServeOptions {
                connections: limits.connections,
                in_flight_bytes: 2 * limits.frame_bytes,
                ..ServeOptions::default()
            },
        })
    }

    /// What its parts share.
    #[must_use]
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Runs until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        for task in self.tasks {
            tokio::spawn(task.run());
        }
        let (events, reactions) = mpsc::channel::<Event>(EVENTS_MAX);
        tokio::spawn(member::follow(Arc::clone(&self.hub), reactions));
        let messenger = self.hub.messenger().clone();
        let internal_endpoint = messenger.endpoint().clone();
        tokio::spawn(self.candidate.run(self.membership, messenger, self.sockets.udp, events));
        let command = self.sockets.command.serve(
            self.command_endpoint,
            Arc::new(self.command_handlers),
            self.serving,
            stop.clone(),
        );
        let internal = self.sockets.internal.serve(
            internal_endpoint,
            Arc::new(self.internal_handlers),
            self.serving,
            stop,
        );
        tokio::join!(command, internal);
    }
}

fn command_handlers(hub: &Hub, limits: Limits) -> Handlers {
    let mut handlers = Handlers::new();
    for partition in hub.partitions() {
        let id = partition.id();
        let command = CommandApi { partition: partition.clone(), limits };
        handlers.on(&format!("command-api-{id}"), command);
        for (name, kind) in
            [("query", Kind::Query), ("admin", Kind::Admin), ("backup", Kind::Backup)]
        {
            let management = Management {
                kind,
                partition: partition.clone(),
                limits,
                exporting: Arc::clone(hub.exporting()),
            };
            handlers.on(&format!("{name}-api-{id}"), management);
        }
    }
    handlers
}

fn register_streams(handlers: &mut Handlers, hub: &Arc<Hub>) {
    let shared = Arc::clone(hub);
    handlers.on("stream-add", move |message: Message, responder: Responder| {
        shared.streams_changed(shared.jobs().add(&message, responder));
    });
    let shared = Arc::clone(hub);
    handlers.on("stream-remove", move |message: Message, responder: Responder| {
        shared.streams_changed(shared.jobs().remove(&message, responder));
    });
    let shared = Arc::clone(hub);
    handlers.on("stream-remove-all", move |message: Message, responder: Responder| {
        shared.streams_changed(shared.jobs().remove_all(&message, responder));
    });
}
