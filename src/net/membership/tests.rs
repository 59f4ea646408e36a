//! Real members over loopback find, tell and lose each other.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::*;
use crate::model::MemberState;
use crate::net::{Endpoint, EndpointOptions, MessengerOptions, ServeOptions};
use crate::wire::swim::{Datagram, GOSSIP_SUBJECT};
use crate::wire::swim::{PROBE_REQUEST_SUBJECT, PROBE_SUBJECT, SYNC_SUBJECT};

struct Node {
    membership: Membership,
    events: mpsc::Receiver<Event>,
    address: Address,
    _stop: tokio_util::sync::DropGuard,
    driver: tokio::task::JoinHandle<()>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

async fn start(id: &str, contact_points: Vec<Address>) -> Node {
    let (listener, udp) = bind("127.0.0.1", 0).await.unwrap();
    let address = Address::new("127.0.0.1", udp.local_addr().unwrap().port());
    let endpoint = Endpoint::new(
        "zeebe-cluster",
        address.clone(),
        EndpointOptions { connect_timeout: Duration::from_secs(1), frame_bytes_max: 1 << 20 },
    );
    let candidate = Candidate::new();
    let membership = candidate.membership();
    let mut handlers = Handlers::new();
    candidate.register(&mut handlers);
    let stop = CancellationToken::new();
    let serving = ServeOptions::default();
    tokio::spawn(listener.serve(endpoint.clone(), handlers.into(), serving, stop.clone()));
    let options = MembershipOptions {
        id: MemberId::new(id),
        version: Version::new(8, 6, 0),
        properties: Properties::from([("name".to_owned(), id.to_owned())]),
        config: SwimConfig {
            gossip_interval: Millis(20),
            probe_interval: Millis(50),
            failure_timeout: Millis(200),
            sync_interval: Millis(200),
            ..SwimConfig::default()
        },
        contact_points,
        seed: 1,
    };
    let messenger = Messenger::new(endpoint, MessengerOptions::default());
    let (sender, events) = mpsc::channel(64);
    let driver = tokio::spawn(candidate.run(options, messenger, udp, sender));
    Node { membership, events, address, _stop: stop.drop_guard(), driver }
}

impl Node {
    async fn wait_for(&mut self, what: impl Fn(&Event) -> bool) -> Event {
        let found = async {
            loop {
                let event = self.events.recv().await.expect("the driver runs");
                if what(&event) {
                    return event;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), found).await.expect("takes too long")
    }
}

fn added(id: &'static str) -> impl Fn(&Event) -> bool {
    move |event| matches!(event, Event::MemberAdded(member) if member.id.as_str() == id)
}

#[tokio::test]
async fn members_join_through_a_contact_point_and_are_missed_when_they_die() {
    let mut broker = start("0", Vec::new()).await;
    let contact = vec![broker.address.clone()];
    let mut one = start("gateway-1", contact.clone()).await;
    let mut two = start("gateway-2", contact).await;
    broker.wait_for(added("gateway-1")).await;
    one.wait_for(added("0")).await;
    // The gateways only know the broker; they learn of each other by gossip or synchronisation.
    one.wait_for(added("gateway-2")).await;
    two.wait_for(added("gateway-1")).await;
    let members = two.membership.members();
    assert_eq!(members.own.as_ref().unwrap().id.as_str(), "gateway-2");
    let known = members.by_address(&one.address).unwrap();
    assert_eq!(known.member.id.as_str(), "gateway-1");
    assert_eq!(known.member.state, Some(MemberState::Alive));
    assert_eq!(members.by_id(&MemberId::new("0")).unwrap().member.properties["name"], "0");

    broker.membership.set_property("name", Some("renamed".to_owned()));
    let renamed = two.wait_for(|event| matches!(event, Event::MetadataChanged(_))).await;
    let Event::MetadataChanged(member) = renamed else { unreachable!() };
    assert_eq!(member.properties["name"], "renamed");

    let address = one.address.clone();
    drop(one);
    let gone =
        |event: &Event| matches!(event, Event::MemberRemoved(member) if member.address == address);
    broker.wait_for(gone).await;
    assert!(broker.membership.members().by_address(&address).is_none());
}

#[tokio::test]
async fn who_leaves_is_dropped_without_being_suspected() {
    let mut broker = start("0", Vec::new()).await;
    let gateway = start("gateway", vec![broker.address.clone()]).await;
    broker.wait_for(added("gateway")).await;
    gateway.membership.leave().await;
    let first = broker
        .wait_for(|event| matches!(event, Event::ReachabilityChanged(_) | Event::MemberRemoved(_)))
        .await;
    let Event::MemberRemoved(member) = first else { panic!("{first:?}") };
    assert_eq!(member.id.as_str(), "gateway");
}

#[tokio::test]
async fn hostile_datagrams_and_requests_are_ignored() {
    let mut node = start("0", Vec::new()).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let to = (&*node.address.host, node.address.port);
    let other = Datagram {
        source: Address::new("127.0.0.1", 1),
        subject: "nobody".to_owned(),
        payload: vec![1, 2, 3],
    };
    let gossip = Datagram { subject: GOSSIP_SUBJECT.to_owned(), ..other.clone() };
    let preamble = crate::wire::frame::cluster_preamble("zeebe-cluster");
    for bytes in [
        Vec::new(),
        vec![0xff; 1400],
        other.encode(preamble),
        gossip.encode(preamble),
        gossip.encode(1),
    ] {
        socket.send_to(&bytes, to).await.unwrap();
    }
    let endpoint = Endpoint::new(
        "zeebe-cluster",
        Address::new("127.0.0.1", 9),
        EndpointOptions { connect_timeout: Duration::from_secs(1), frame_bytes_max: 1 << 20 },
    );
    let messenger = Messenger::new(endpoint, MessengerOptions::default());
    for subject in [PROBE_SUBJECT, SYNC_SUBJECT, PROBE_REQUEST_SUBJECT] {
        let body = bytes::Bytes::from_static(b"\xff\xfe\x00garbage");
        let timeout = Duration::from_secs(5);
        let error = messenger.request(&node.address, subject, body, timeout).await.unwrap_err();
        assert!(matches!(error, crate::net::RequestError::Remote(_)), "{subject}: {error}");
    }
    // It still takes members.
    let _gateway = start("gateway", vec![node.address.clone()]).await;
    node.wait_for(added("gateway")).await;
    assert_eq!(node.membership.members().others.len(), 1);
}
