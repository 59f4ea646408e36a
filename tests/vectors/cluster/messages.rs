//! Broker info, events, cluster configuration, heartbeats, plain Kryo objects.

use std::collections::BTreeSet;

use beegate::model::{BrokerId, Millis, PartitionHealth, PartitionId, PartitionRole};
use beegate::wire::broker_info::BrokerInfo;
use beegate::wire::configuration::{self as config, ClusterTopology, State};
use beegate::wire::kryo::Basic;
use beegate::wire::{events, heartbeat};
use prost::Message as _;

use super::{assert_bytes, vector};
use crate::support::{self, damage};

fn three_partitions() -> BrokerInfo {
    let each = [PartitionId(1), PartitionId(2), PartitionId(3)];
    BrokerInfo {
        node_id: BrokerId(0),
        partitions_count: 3,
        cluster_size: 1,
        replication_factor: 1,
        addresses: vec![("commandApi".into(), "127.0.0.1:26501".into())],
        roles: each.map(|id| (id, PartitionRole::Leader)).into(),
        leader_terms: each.map(|id| (id, 1)).into(),
        version: "8.6.0".into(),
        health: each.map(|id| (id, PartitionHealth::Healthy)).into(),
    }
}

fn mixed() -> BrokerInfo {
    let [one, two, three] = [PartitionId(1), PartitionId(2), PartitionId(3)];
    BrokerInfo {
        node_id: BrokerId(2),
        partitions_count: 3,
        cluster_size: 3,
        replication_factor: 3,
        addresses: vec![("commandApi".into(), "broker-2:26501".into())],
        roles: vec![
            (one, PartitionRole::Leader),
            (two, PartitionRole::Follower),
            (three, PartitionRole::Inactive),
        ],
        leader_terms: vec![(one, 7)],
        version: "8.6.0".into(),
        health: vec![
            (one, PartitionHealth::Healthy),
            (two, PartitionHealth::Unhealthy),
            (three, PartitionHealth::Dead),
        ],
    }
}

fn starting() -> BrokerInfo {
    BrokerInfo { roles: vec![], leader_terms: vec![], health: vec![], ..three_partitions() }
}

#[test]
fn broker_infos() {
    for (file, info) in [
        ("brokerinfo-3-partitions.hex", three_partitions()),
        ("brokerinfo-mixed.hex", mixed()),
        ("brokerinfo-no-partitions.hex", starting()),
    ] {
        assert_bytes(file, &info.encode().unwrap());
        assert_eq!(BrokerInfo::decode(&vector(file)), Ok(info), "{file}");
        let whole = vector(file).len();
        damage(&vector(file), |bytes| {
            assert!(bytes.len() == whole || BrokerInfo::decode(bytes).is_err(), "{file}");
            drop(BrokerInfo::decode(bytes));
        });
    }
    let property = support::text("cluster", "brokerinfo-3-partitions.b64.txt");
    assert_eq!(three_partitions().to_property().unwrap(), property.trim());
    assert_eq!(BrokerInfo::from_property(property.trim()), Ok(three_partitions()));
}

#[test]
fn event_subscriptions() {
    let topics = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    for (file, names, property) in [
        (
            "event-subscriptions-jobsAvailable.hex",
            topics(&["jobsAvailable"]),
            "KIIDAGpvYnNBdmFpbGFibOU=",
        ),
        ("event-subscriptions-empty.hex", topics(&[]), "KAE="),
    ] {
        assert_bytes(file, &events::encode_topics(&names));
        assert_eq!(events::decode_topics(&vector(file)), Ok(names.clone()), "{file}");
        assert_eq!(events::topics_to_property(&names), property);
        assert_eq!(events::topics_from_property(property), Ok(names));
        damage(&vector(file), |bytes| drop(events::decode_topics(bytes)));
    }
    damage(&vector("event-subscriptions-two.hex"), |bytes| drop(events::decode_topics(bytes)));
    let two = events::decode_topics(&vector("event-subscriptions-two.hex"));
    assert_eq!(two, Ok(topics(&["jobsAvailable", "t"])));
}

#[test]
fn jobs_available() {
    for (file, job_type) in [
        ("event-jobsAvailable-payload-t1.hex", "t1".to_owned()),
        ("event-jobsAvailable-payload-1char.hex", "x".to_owned()),
        (
            "event-jobsAvailable-payload-40chars.hex",
            "abcdefghijklmnopqrstuvwxyz0123456789ABCD".to_owned(),
        ),
        ("event-jobsAvailable-payload-64chars.hex", "a".repeat(64)),
        ("event-jobsAvailable-payload-utf8.hex", "Aufträge\u{1f600}".to_owned()),
    ] {
        assert_bytes(file, &events::encode_jobs_available(&job_type));
        assert_eq!(events::decode_jobs_available(&vector(file)), Ok(job_type), "{file}");
        damage(&vector(file), |bytes| drop(events::decode_jobs_available(bytes)));
    }
}

#[test]
fn plain_objects() {
    let buffer = Basic::Buffer { direct: false, little_endian: false, bytes: vec![1, 2, 3] };
    for (file, object) in [
        ("kryo-basic-null.hex", Basic::Null),
        ("kryo-basic-empty-string.hex", Basic::String(Some(String::new()))),
        ("kryo-basic-bytes.hex", Basic::Bytes(Some(vec![1, 2, 3]))),
        ("kryo-basic-bytebuffer.hex", buffer),
    ] {
        assert_bytes(file, &object.encode());
        assert_eq!(Basic::decode(&vector(file)), Ok(object), "{file}");
        damage(&vector(file), |bytes| drop(Basic::decode(bytes)));
    }
}

#[test]
fn heartbeats_of_8_8() {
    use heartbeat::Message::{Request, Response, SetupRequest, SetupResponse};
    for (file, message) in [
        (
            "hb-88-setup-request-payload.hex",
            SetupRequest { timeout_ms: 15_000, send_payload: true },
        ),
        ("hb-88-setup-response-payload.hex", SetupResponse { enabled: true, send_payload: true }),
        ("hb-88-heartbeat-request-payload.hex", Request { sent_at: Millis(1_700_000_000_000) }),
        (
            "hb-88-heartbeat-response-payload.hex",
            Response { received_at: Millis(1_700_000_000_001) },
        ),
    ] {
        assert_bytes(file, &message.encode());
        assert_eq!(heartbeat::Message::decode(&vector(file)), Ok(message), "{file}");
        damage(&vector(file), |bytes| drop(heartbeat::Message::decode(bytes)));
    }
}

fn topology(file: &str) -> ClusterTopology {
    let topology = config::decode(&vector(file)).expect("readable").expect("has a configuration");
    assert_bytes(file, &config::encode(Some(&topology)));
    damage(&vector(file), |bytes| drop(config::decode(bytes)));
    topology
}

#[test]
fn configuration_of_one_broker() {
    assert_eq!(config::decode(&vector("topology-gossip-empty.hex")), Ok(None));
    assert_bytes("topology-gossip-empty.hex", &config::encode(None));

    let fresh = topology("topology-gossip-1-broker-3-partitions.hex");
    assert_eq!((fresh.version, fresh.members.len()), (1, 1));
    let member = &fresh.members["0"];
    assert_eq!((member.version, member.state()), (0, State::Active));
    assert_eq!(member.last_updated.unwrap().seconds, -31_557_014_167_219_200);
    assert_eq!(member.partitions.keys().collect::<Vec<_>>(), [&1, &2, &3]);
    assert!(member.partitions.values().all(|p| p.state() == State::Active && p.priority == 1));
    assert_eq!(fresh.cluster_size(), 1);
    assert_eq!((fresh.partitions_count(), fresh.replication_factor()), (3, 1));
    assert_eq!((fresh.active_partitions(), fresh.correlation_partitions()), (None, None));
    assert_eq!(fresh.coordinator().as_str(), "0");
}

#[test]
fn configuration_with_every_field() {
    use config::operation::Step;
    let full = topology("topology-gossip-full.hex");
    assert_eq!((full.version, full.members["0"].version), (7, 3));
    let replica = &full.members["0"].partitions[&1];
    assert_eq!((replica.state(), replica.priority), (State::Active, 2));
    let exporters = replica.config.as_ref().unwrap().exporting.as_ref().unwrap();
    let exporter = &exporters.exporters["es"];
    assert_eq!(exporter.state(), config::ExporterStatus::ExporterDisabled);
    assert_eq!(exporter.metadata_version, 1);
    assert_eq!(exporter.initialized_from.as_deref(), Some("other"));
    let last = full.last_change.as_ref().unwrap();
    assert_eq!((last.id, last.status()), (5, config::ChangeStatus::ChangeCompleted));
    let plan = full.current_change.as_ref().unwrap();
    assert_eq!((plan.id, plan.version), (6, 2));
    assert_eq!(plan.status(), config::ChangeStatus::ChangeInProgress);
    let done = plan.completed_operations[0].operation.as_ref().unwrap();
    assert_eq!((&*done.member_id, &done.step), ("1", &Some(Step::MemberJoin(config::Nothing {}))));
    let next = &plan.pending_operations[0];
    let join = config::PartitionPriority { partition_id: 1, priority: 3 };
    assert_eq!((&*next.member_id, &next.step), ("1", &Some(Step::PartitionJoin(join))));
    assert_eq!(full.routing_state.as_ref().unwrap().version, 4);
    assert_eq!(full.active_partitions(), Some([1, 2, 3].map(PartitionId).into()));
    assert_eq!(full.correlation_partitions(), Some(3));
}

#[track_caller]
fn request<M: prost::Message + Default + PartialEq + std::fmt::Debug>(file: &str, message: &M) {
    assert_bytes(file, &message.encode_to_vec());
    assert_eq!(&M::decode(&*vector(file)).unwrap(), message, "{file}");
    damage(&vector(file), |bytes| drop(M::decode(bytes)));
}

#[test]
fn management_requests() {
    let ids = |ids: &[&str]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(vector("topology-req-query.hex"), b"");
    request(
        "topology-req-add-members.hex",
        &config::MembersRequest { member_ids: ids(&["0", "1"]), dry_run: true },
    );
    request(
        "topology-req-scale-brokers.hex",
        &config::MemberScaleRequest {
            member_ids: ids(&["0", "1"]),
            dry_run: false,
            new_replication_factor: Some(2),
        },
    );
    request(
        "topology-req-join-partition.hex",
        &config::JoinPartitionRequest {
            member_id: "1".into(),
            partition_id: 2,
            priority: 3,
            dry_run: true,
        },
    );
    request(
        "topology-req-patch.hex",
        &config::ClusterPatchRequest {
            members_to_add: ids(&["2"]),
            members_to_remove: ids(&["0"]),
            new_partition_count: Some(4),
            new_replication_factor: Some(3),
            dry_run: true,
        },
    );
    request(
        "topology-req-cluster-scale.hex",
        &config::ClusterScaleRequest {
            new_cluster_size: Some(3),
            new_partition_count: Some(4),
            new_replication_factor: None,
            dry_run: true,
        },
    );
    request(
        "topology-req-force-remove.hex",
        &config::ForceRemoveRequest { members_to_remove: ids(&["2"]), dry_run: false },
    );
    request("topology-req-cancel.hex", &config::CancelChangeRequest { change_id: 6 });
    request(
        "topology-req-exporter-enable.hex",
        &config::EnableExporterRequest {
            exporter_id: "es".into(),
            initialize_from: Some("other".into()),
            dry_run: true,
        },
    );
    request(
        "topology-req-exporter-disable.hex",
        &config::DisableExporterRequest { exporter_id: "es".into(), dry_run: false },
    );
}

#[test]
fn management_responses() {
    use config::response::Response as Kind;
    let decode = |file: &str| {
        let response = config::Response::decode(&*vector(file)).unwrap();
        assert_bytes(file, &response.encode_to_vec());
        damage(&vector(file), |bytes| drop(config::Response::decode(bytes)));
        response.response.expect("one of the kinds")
    };
    let full = topology("topology-gossip-full.hex");
    assert_eq!(decode("topology-resp-topology.hex"), Kind::ClusterTopology(full));
    match decode("topology-resp-change.hex") {
        Kind::TopologyChangeResponse(change) => {
            assert_eq!(change.change_id, 6);
            assert!(!change.planned_changes.is_empty());
            assert!(change.current_topology.contains_key("0"));
        }
        other => panic!("{other:?}"),
    }
    let refusal = config::Error {
        error_code: config::RequestErrorCode::OperationNotAllowed as i32,
        error_message: "no".into(),
    };
    assert_eq!(decode("topology-resp-error.hex"), Kind::Error(refusal));
}
