//! A gateway that finds its broker by gossip.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use super::broker::FakeBroker;
use super::*;
use crate::actors::gateway::MemberOptions;
use crate::actors::test_panic;
use crate::gossip::SwimConfig;
use crate::metrics;
use crate::model::{
    ActorState, BrokerId, ErrorCode, MemberId, Millis, PartitionHealth, PartitionRole,
};
use crate::net::membership::{self, Candidate, MembershipOptions};
use crate::net::{Endpoint, EndpointOptions, Handlers, Messenger, MessengerOptions, ServeOptions};
use crate::wire::broker_info::{BrokerInfo, COMMAND_API, PROPERTY};
use crate::wire::swim::Version;

/// Gossips that this broker leads partition 1; gives back the contact point.
async fn announce(config: &Config, command: &Address, stop: CancellationToken) -> Address {
    let (listener, udp) = membership::bind("127.0.0.1", 0).await.unwrap();
    let own = Address::new("127.0.0.1", listener.local_addr().unwrap().port());
    let options =
        EndpointOptions { connect_timeout: PATIENCE, frame_bytes_max: config.limits.frame_size };
    let endpoint = Endpoint::new(&config.cluster.name, own.clone(), options);
    let messenger = Messenger::new(endpoint.clone(), MessengerOptions::default());
    let candidate = Candidate::new();
    let mut handlers = Handlers::new();
    candidate.register(&mut handlers);
    let serve = ServeOptions::default();
    tokio::spawn(listener.serve(endpoint, handlers.into(), serve, stop.clone()));
    let info = BrokerInfo {
        node_id: BrokerId(0),
        partitions_count: 1,
        cluster_size: 1,
        replication_factor: 1,
        addresses: vec![(COMMAND_API.to_owned(), command.to_string())],
        roles: vec![(PartitionId(1), PartitionRole::Leader)],
        leader_terms: vec![(PartitionId(1), 1)],
        version: "8.6.0".to_owned(),
        health: vec![(PartitionId(1), PartitionHealth::Healthy)],
    };
    let member = MembershipOptions {
        id: MemberId::new("0"),
        version: Version::new(8, 6, 0),
        properties: BTreeMap::from([(PROPERTY.to_owned(), info.to_property().unwrap())]),
        config: SwimConfig { gossip_interval: Millis(20), ..SwimConfig::default() },
        contact_points: Vec::new(),
        seed: 1,
    };
    let (events, mut seen) = tokio::sync::mpsc::channel(64);
    tokio::spawn(async move { while seen.recv().await.is_some() {} });
    // Kept by the task: the driver ends when no handle is left.
    let handle = candidate.membership();
    tokio::spawn(async move {
        tokio::select! {
            () = candidate.run(member, messenger, udp, events) => {}
            () = stop.cancelled() => drop(handle),
        }
    });
    own
}

#[tokio::test]
async fn a_gateway_joins_finds_the_leader_and_shows_what_it_knows() {
    let mut config = config();
    config.cluster.name = broker::CLUSTER.to_owned();
    let broker = FakeBroker::start(&[1]).await;
    let stop = CancellationToken::new();
    let contact = announce(&config, &broker.address, stop.clone()).await;
    let fatal = Fatal::new(|cause| panic!("escalated: {cause}"));
    let (gateway, shutdown) = Gateway::start(
        config,
        MemberOptions::beside(&contact),
        metrics::Registry::default(),
        fatal,
    )
    .await
    .unwrap();
    eventually("a leader", || gateway.view().has_leader(PartitionId(1))).await;
    let reply = execute(&session(&gateway), keyed(1, 3)).await.unwrap();
    assert_eq!(reply.key, Key::new(PartitionId(1), 3));

    let view = gateway.view();
    assert_eq!((view.cluster_size, view.partitions_count), (1, 1));
    assert_eq!(view.brokers[0].command_address, broker.address.to_string());
    assert_eq!(view.members.len(), 2, "the broker and ourselves");
    let actors = gateway.actors();
    let kinds: Vec<&str> = actors.iter().map(|actor| actor.kind).collect();
    for kind in ["topology", "dispatcher", "leader-connection"] {
        assert!(kinds.contains(&kind), "{kind} not in {kinds:?}");
    }
    let topology = actors.iter().find(|actor| actor.kind == "topology").unwrap();
    assert_eq!(topology.observed["partitions"][0]["leader"], 0);

    // A denied leadership is doubted at once, and believed again soon.
    broker.on_command(|arrived| arrived.fail(ErrorCode::PartitionLeaderMismatch, "not me"));
    let rest = Command { transport_retry: false, ..keyed(1, 4) };
    let error = execute(&session(&gateway), rest).await.unwrap_err();
    assert_eq!(error.to_string(), "not me (partition 1)");
    let denied = std::time::Instant::now();
    eventually("doubted", || !gateway.view().has_leader(PartitionId(1))).await;
    assert!(denied.elapsed() < std::time::Duration::from_millis(200), "{:?}", denied.elapsed());
    broker.on_command(broker::Arrived::complete);
    assert!(execute(&session(&gateway), keyed(1, 5)).await.is_ok());
    assert!(denied.elapsed() < std::time::Duration::from_secs(1), "{:?}", denied.elapsed());
    eventually("confirmed", || gateway.view().partitions[0].leader_source == "reply").await;

    // A topology that panics publishes the same again, and commands go on meanwhile.
    let before = gateway.view();
    let stop_load = CancellationToken::new();
    let load: Vec<_> = (0..16)
        .map(|caller| {
            let (session, stop) = (session(&gateway), stop_load.clone());
            tokio::spawn(async move {
                let mut calls = 0;
                while !stop.is_cancelled() {
                    let command = keyed(1, caller);
                    let key = command.key;
                    assert_eq!(execute(&session, command).await.map(|reply| reply.key), Ok(key));
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    test_panic::topology().send(test_panic::Panic);
    eventually("restarted and running", || {
        let topology = gateway.actors().into_iter().find(|a| a.kind == "topology").unwrap();
        topology.restarts.panic == 1 && topology.state == ActorState::Running
    })
    .await;
    eventually("the same view", || {
        let view = gateway.view();
        view.brokers == before.brokers && view.has_leader(PartitionId(1))
    })
    .await;
    stop_load.cancel();
    for caller in load {
        assert!(caller.await.unwrap() > 0, "no command failed, and there were some");
    }
    stop.cancel();
    assert_eq!(shutdown.stop(PATIENCE).await, 0);
}
