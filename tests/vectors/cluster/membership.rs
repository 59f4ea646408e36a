//! Membership payloads and datagrams.

use beegate::model::{MemberId, MemberState, Millis};
use beegate::wire::Address;
use beegate::wire::frame::cluster_preamble;
use beegate::wire::swim::{
    Datagram, GOSSIP_SUBJECT, Member, Request, RequestKind, Response, Version, decode_gossip,
    encode_gossip,
};

use super::{assert_bytes, vector};
use crate::support::{self, damage};

const PLACEHOLDER_ID: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

fn gateway_without_properties() -> Member {
    Member {
        id: MemberId::new("gw-a"),
        address: Address::new("127.0.0.1", 31013),
        version: Some(Version::new(8, 6, 0)),
        timestamp: Millis(1_700_000_000_000),
        incarnation: 1_700_000_000_001,
        state: Some(MemberState::Alive),
        properties: [].into(),
    }
}

fn gateway() -> Member {
    let topics = ("event-service-topics-subscribed".into(), "KIIDAGpvYnNBdmFpbGFibOU=".into());
    Member { properties: [topics].into(), ..gateway_without_properties() }
}

fn gateway_in(state: MemberState) -> Member {
    Member { state: Some(state), ..gateway() }
}

fn broker() -> Member {
    let info = support::text("cluster", "brokerinfo-3-partitions.b64.txt").trim().to_owned();
    Member {
        id: MemberId::new("0"),
        address: Address::new("127.0.0.1", 26502),
        timestamp: Millis(1_699_999_990_000),
        incarnation: 1_699_999_990_001,
        properties: [("brokerInfo".into(), info)].into(),
        ..gateway_without_properties()
    }
}

fn broker_with_dns_name() -> Member {
    let snapshot = Version { pre_release: Some("SNAPSHOT".into()), ..Version::new(8, 6, 0) };
    Member {
        address: Address::new("broker-0.zeebe.svc.cluster.local", 26502),
        version: Some(snapshot),
        ..broker()
    }
}

/// The broker with a long property; its value is only stated by the bytes.
fn large_broker() -> Member {
    let file = "swim-sync-request-broker-60-partitions.hex";
    let decoded = match RequestKind::Sync.decode_request(&vector(file)) {
        Ok(Request::Sync(member)) => *member,
        other => panic!("{other:?}"),
    };
    assert_eq!(decoded.properties["brokerInfo"].len(), 1864);
    let properties = decoded.properties.clone();
    assert_eq!(decoded, Member { properties, ..broker() });
    decoded
}

fn placeholder(of: Address) -> Member {
    Member::placeholder(MemberId::new(PLACEHOLDER_ID), of)
}

fn probe(prober: Member, target: Member) -> Request {
    Request::Probe { prober: Box::new(prober), target: Box::new(target) }
}

fn sync(member: Member) -> Request {
    Request::Sync(Box::new(member))
}

fn requests() -> Vec<(&'static str, Request)> {
    let suspected = || gateway_in(MemberState::Suspect);
    vec![
        ("swim-sync-request-no-props.hex", sync(gateway_without_properties())),
        ("swim-sync-request-gateway.hex", sync(gateway())),
        ("swim-sync-request-broker.hex", sync(broker())),
        ("swim-member-broker-dns-snapshot.hex", sync(broker_with_dns_name())),
        ("swim-member-suspect.hex", sync(suspected())),
        ("swim-member-dead.hex", sync(gateway_in(MemberState::Dead))),
        ("swim-sync-request-broker-60-partitions.hex", sync(large_broker())),
        ("swim-probe-request-bootstrap.hex", probe(gateway(), bootstrap_target())),
        ("swim-probe-request-known.hex", probe(gateway(), broker())),
        ("swim-probe-request-to-suspect.hex", probe(broker(), suspected())),
        ("swim-probe-request-60-partitions.hex", probe(gateway(), large_broker())),
        ("swim-probe-request-indirect-request.hex", Request::ProbeFor(Box::new(broker()))),
    ]
}

/// The contact point's placeholder; its random id is only stated by the bytes.
fn bootstrap_target() -> Member {
    let payload = vector("swim-probe-request-bootstrap.hex");
    match RequestKind::Probe.decode_request(&payload) {
        Ok(Request::Probe { target, .. }) => {
            assert_eq!(target.id.as_str().len(), PLACEHOLDER_ID.len());
            let expected = placeholder(Address::new("127.0.0.1", 26502));
            assert_eq!(*target, Member { id: target.id.clone(), ..expected });
            *target
        }
        other => panic!("{other:?}"),
    }
}

/// The same values in other bytes, which only decoding meets.
fn foreign_requests() -> Vec<(&'static str, Request)> {
    vec![
        ("swim-probe-request-relayed.hex", probe(gateway(), broker())),
        ("swim-probe-request-bootstrap-compact.hex", probe(gateway(), bootstrap_target())),
        ("swim-probe-request-60-partitions-compact.hex", probe(gateway(), large_broker())),
    ]
}

fn responses() -> Vec<(&'static str, RequestKind, Response)> {
    vec![
        (
            "swim-probe-response-gateway.hex",
            RequestKind::Probe,
            Response::Member(Box::new(gateway())),
        ),
        (
            "swim-probe-response-broker.hex",
            RequestKind::Probe,
            Response::Member(Box::new(broker())),
        ),
        ("swim-list-empty.hex", RequestKind::Sync, Response::Members(vec![])),
        ("swim-sync-response-1.hex", RequestKind::Sync, Response::Members(vec![gateway()])),
        (
            "swim-sync-response-2.hex",
            RequestKind::Sync,
            Response::Members(vec![gateway(), broker()]),
        ),
        ("swim-probe-request-indirect-true.hex", RequestKind::ProbeFor, Response::Reachable(true)),
        (
            "swim-probe-request-indirect-false.hex",
            RequestKind::ProbeFor,
            Response::Reachable(false),
        ),
    ]
}

fn gossips() -> Vec<(&'static str, Vec<Member>)> {
    vec![
        ("swim-gossip-1.hex", vec![gateway()]),
        ("swim-gossip-2.hex", vec![gateway_in(MemberState::Suspect), broker()]),
    ]
}

#[test]
fn requests_are_written_and_read() {
    for (file, request) in requests() {
        assert_bytes(file, &request.encode());
        assert_eq!(request.kind().decode_request(&vector(file)), Ok(request), "{file}");
    }
}

#[test]
fn requests_in_other_bytes_are_read() {
    for (file, request) in foreign_requests() {
        assert_eq!(request.kind().decode_request(&vector(file)), Ok(request), "{file}");
    }
}

#[test]
fn responses_are_written_and_read() {
    for (file, kind, response) in responses() {
        assert_bytes(file, &response.encode());
        assert_eq!(kind.decode_response(&vector(file)), Ok(response), "{file}");
    }
    let compact = RequestKind::Sync.decode_response(&vector("swim-sync-response-2-compact.hex"));
    assert_eq!(compact, Ok(Response::Members(vec![gateway(), broker()])));
}

#[test]
fn gossip_is_written_and_read() {
    for (file, updates) in gossips() {
        assert_bytes(file, &encode_gossip(&updates));
        assert_eq!(decode_gossip(&vector(file)), Ok(updates), "{file}");
    }
}

fn datagrams() -> Vec<(&'static str, Datagram)> {
    let gossip = |port: u16, payload: Vec<u8>| Datagram {
        source: Address::new("127.0.0.1", port),
        subject: GOSSIP_SUBJECT.into(),
        payload,
    };
    vec![
        ("udp-datagram-gossip-1.hex", gossip(31013, vector("swim-gossip-1.hex"))),
        ("udp-datagram-gossip-2.hex", gossip(26502, vector("swim-gossip-2.hex"))),
        ("udp-datagram-gossip-60-partitions.hex", gossip(26502, large_gossip())),
        (
            "udp-datagram-short.hex",
            Datagram { subject: "t".into(), ..gossip(31013, vec![1, 2, 3]) },
        ),
    ]
}

fn large_gossip() -> Vec<u8> {
    encode_gossip(&[large_broker()])
}

#[test]
fn datagrams_are_written_and_read() {
    let preamble = cluster_preamble("zeebe-cluster");
    for (file, datagram) in datagrams() {
        assert_bytes(file, &datagram.encode(preamble));
        assert_eq!(Datagram::decode(&vector(file), preamble), Ok(datagram), "{file}");
        assert!(Datagram::decode(&vector(file), preamble + 1).is_err(), "{file}");
    }
}

#[test]
fn damaged_payloads_give_errors_or_values() {
    for (file, request) in requests().into_iter().chain(foreign_requests()) {
        let payload = vector(file);
        damage(&payload, |bytes| {
            let read = request.kind().decode_request(bytes);
            assert!(bytes.len() == payload.len() || read.is_err(), "{file}: cut but whole");
        });
    }
    for (file, kind, _) in responses() {
        damage(&vector(file), |bytes| drop(kind.decode_response(bytes)));
    }
    damage(&vector("swim-sync-response-2-compact.hex"), |bytes| {
        drop(RequestKind::Sync.decode_response(bytes));
    });
    for (file, _) in gossips() {
        damage(&vector(file), |bytes| drop(decode_gossip(bytes)));
    }
    for (file, _) in datagrams() {
        let preamble = cluster_preamble("zeebe-cluster");
        damage(&vector(file), |bytes| {
            if let Ok(read) = Datagram::decode(bytes, preamble) {
                drop(decode_gossip(&read.payload));
            }
        });
    }
}
