//! The internal port: a fake gateway joins, streams jobs, hears events, and leaves.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::*;
use crate::gossip::{Event, SwimConfig};
use crate::model::{BrokerId, MemberId, PartitionHealth, PartitionRole, StreamErrorCode};
use crate::net::{
    Answer, Candidate, Handlers, Membership, MembershipOptions, Message, ServeOptions,
};
use crate::wire::broker_info::{self, BrokerInfo};
use crate::wire::configuration::{self, subject};
use crate::wire::events::{JOBS_AVAILABLE, TOPICS_PROPERTY};
use crate::wire::events::{decode_jobs_available, topics_to_property};
use crate::wire::record::{JobPush, JobStreamMetadata, Record};
use crate::wire::sbe::stream::{
    AddStreamRequest, AddStreamResponse, PushStreamRequest, PushStreamResponse,
    RemoveStreamRequest, StreamError,
};
use crate::wire::swim::{Properties, Version};

/// How the fake gateway answers pushes.
const ACCEPT: u8 = 0;
const REFUSE: u8 = 1;
const FAIL: u8 = 2;

pub struct Gateway {
    messenger: Messenger,
    membership: Membership,
    events: mpsc::Receiver<Event>,
    /// What arrived: subject and payload.
    received: mpsc::UnboundedReceiver<(String, Bytes)>,
    answer: Arc<AtomicU8>,
    driver: tokio::task::JoinHandle<()>,
    _stop: DropGuard,
}

impl Gateway {
    pub async fn join(id: &str, broker: &BrokerHandle) -> Self {
        let (listener, udp) = crate::net::bind("127.0.0.1", 0).await.unwrap();
        let address = Address::new("127.0.0.1", udp.local_addr().unwrap().port());
        let options = EndpointOptions { connect_timeout: TIMEOUT, frame_bytes_max: 1 << 20 };
        let endpoint = Endpoint::new("zeebe-cluster", address, options);
        let messenger = Messenger::new(endpoint.clone(), MessengerOptions::default());
        let candidate = Candidate::new();
        let membership = candidate.membership();
        let mut handlers = Handlers::new();
        candidate.register(&mut handlers);
        let (tell, received) = mpsc::unbounded_channel();
        let answer = Arc::new(AtomicU8::new(ACCEPT));
        for subject in
            ["stream-push", "stream-recreate", JOBS_AVAILABLE, configuration::SYNC_SUBJECT]
        {
            let (tell, answer) = (tell.clone(), Arc::clone(&answer));
            handlers.on_async(subject, move |message: Message| {
                let subject = message.subject.as_str().to_owned();
                let reply = push_answer(&subject, answer.load(Ordering::Relaxed));
                tell.send((subject, message.payload)).unwrap();
                async move { reply }
            });
        }
        let stop = CancellationToken::new();
        let serving = ServeOptions::default();
        tokio::spawn(listener.serve(endpoint, Arc::new(handlers), serving, stop.clone()));
        let topics = BTreeSet::from([JOBS_AVAILABLE.to_owned()]);
        let (_, cluster) = broker_config();
        let options = MembershipOptions {
            id: MemberId::new(id),
            version: Version::new(8, 6, 0),
            properties: Properties::from([(
                TOPICS_PROPERTY.to_owned(),
                topics_to_property(&topics),
            )]),
            config: SwimConfig::from((&cluster.membership, 100)),
            contact_points: vec![broker.internal_address().clone()],
            seed: 5,
        };
        let (sender, events) = mpsc::channel(64);
        let driver = tokio::spawn(candidate.run(options, messenger.clone(), udp, sender));
        let _stop = stop.drop_guard();
        Self { messenger, membership, events, received, answer, driver, _stop }
    }

    async fn event(&mut self) -> Event {
        tokio::time::timeout(TIMEOUT, self.events.recv()).await.expect("no event").unwrap()
    }

    pub async fn expect(&mut self, subject: &str) -> Bytes {
        loop {
            let received = tokio::time::timeout(TIMEOUT, self.received.recv());
            let (found, payload) = received.await.expect("nothing received").unwrap();
            if found == subject {
                return payload;
            }
        }
    }

    fn broker_info(&self) -> BrokerInfo {
        let members = self.membership.members();
        let broker = &members.by_id(&MemberId::new("0")).unwrap().member;
        BrokerInfo::from_property(&broker.properties[broker_info::PROPERTY]).unwrap()
    }

    pub async fn ask(&self, broker: &BrokerHandle, subject: &str, payload: Bytes) -> Bytes {
        let to = broker.internal_address();
        self.messenger.request(to, subject, payload, TIMEOUT).await.unwrap()
    }

    fn leave(self) {
        self.driver.abort();
    }
}

fn push_answer(subject: &str, mode: u8) -> Answer {
    if subject != "stream-push" {
        return Answer::Reply(Bytes::new());
    }
    match mode {
        ACCEPT => Answer::Reply(reply::encode(&PushStreamResponse)),
        REFUSE => Answer::Reply(reply::encode(&StreamError {
            code: StreamErrorCode::Exhausted,
            message: "no client".to_owned(),
            details: Vec::new(),
        })),
        _ => Answer::Error("no".to_owned()),
    }
}

pub fn stream(id: u128, job_type: &str) -> Bytes {
    let metadata = JobStreamMetadata { worker: "w".to_owned(), ..JobStreamMetadata::default() };
    reply::encode(&AddStreamRequest {
        id: Uuid::from_u128(id),
        stream_type: Bytes::from(job_type.to_owned()),
        metadata: metadata.to_bytes(),
    })
}

#[tokio::test]
async fn a_gateway_learns_the_topology_and_is_asked_for_its_streams() {
    let broker = scripted(Limits::default());
    let mut gateway = Gateway::join("gateway", &broker).await;
    let Event::MemberAdded(member) = gateway.event().await else { panic!("not added") };
    assert_eq!((member.id.as_str(), &member.address), ("0", broker.internal_address()));
    assert_eq!(member.version, Some(Version::new(8, 6, 0)));
    let info = gateway.broker_info();
    assert_eq!(info.node_id, BrokerId(0));
    assert_eq!((info.partitions_count, info.cluster_size, info.replication_factor), (3, 1, 1));
    assert_eq!(info.command_address(), Some(broker.command_address().to_string().as_str()));
    let ids = [1, 2, 3].map(PartitionId);
    assert_eq!(info.roles, ids.map(|id| (id, PartitionRole::Leader)));
    assert_eq!(info.leader_terms, ids.map(|id| (id, 1)));
    assert_eq!(info.health, ids.map(|id| (id, PartitionHealth::Healthy)));
    assert_eq!(info.version, "8.6.0");
    let recreate = gateway.expect("stream-recreate").await;
    assert!(recreate.is_empty());
    let mut again = Gateway::join("gateway-2", &broker).await;
    let told = again.expect(configuration::SYNC_SUBJECT).await;
    let topology = configuration::decode(&told).unwrap().unwrap();
    assert_eq!((topology.cluster_size(), topology.partitions_count()), (1, 3));
    assert_eq!(again.ask(&broker, configuration::SYNC_SUBJECT, Bytes::new()).await, told);
}

#[tokio::test]
async fn a_dead_partition_is_announced() {
    let broker = scripted(Limits::default());
    let mut gateway = Gateway::join("gateway", &broker).await;
    gateway.event().await;
    refused(&broker, "command-api-2", reply::encode(&command("panic"))).await;
    while !matches!(gateway.event().await, Event::MetadataChanged(_)) {}
    let health: Vec<_> = gateway.broker_info().health.iter().map(|(_, health)| *health).collect();
    use PartitionHealth::{Dead, Healthy};
    assert_eq!(health, [Healthy, Dead, Healthy]);
}

#[tokio::test]
async fn configuration_requests_are_answered_or_refused() {
    use prost::Message as _;
    let broker = scripted(Limits::default());
    let asker = messenger();
    let ask = |subject: &'static str| {
        let (asker, to) = (asker.clone(), broker.internal_address().clone());
        async move { asker.request(&to, subject, Bytes::new(), TIMEOUT).await }
    };
    let answer = configuration::Response::decode(ask(subject::QUERY).await.unwrap()).unwrap();
    let Some(configuration::response::Response::ClusterTopology(topology)) = answer.response else {
        panic!("{answer:?}")
    };
    assert_eq!(topology.partitions_count(), 3);
    let answer = ask(subject::CLUSTER_SCALE).await.unwrap();
    let answer = configuration::Response::decode(answer).unwrap();
    let Some(configuration::response::Response::Error(error)) = answer.response else {
        panic!("{answer:?}")
    };
    assert_eq!(error.error_code, configuration::RequestErrorCode::OperationNotAllowed as i32);
    // Only members may synchronise, and add streams.
    for subject in [configuration::SYNC_SUBJECT, "stream-add", "stream-remove", "stream-remove-all"]
    {
        let error = ask(subject).await.unwrap_err();
        let RequestError::Remote(text) = error else { panic!("{subject}: {error}") };
        let expected = "Failed to handle message, host 127.0.0.1:9 is not a known cluster member";
        assert_eq!(text, expected);
    }
    for subject in ["command-api-1", "internal-heartbeat-setup", "jobsAvailable"] {
        let error = ask(subject).await.unwrap_err();
        assert!(matches!(error, RequestError::NoHandler { .. }), "{subject}: {error}");
    }
}

#[tokio::test]
async fn jobs_are_pushed_until_somebody_takes_them() {
    let broker = scripted(Limits::default());
    let mut one = Gateway::join("gateway-1", &broker).await;
    let mut two = Gateway::join("gateway-2", &broker).await;
    one.expect("stream-recreate").await;
    two.expect("stream-recreate").await;
    for (gateway, id) in [(&one, 1), (&two, 2)] {
        let answer = gateway.ask(&broker, "stream-add", stream(id, "pay")).await;
        AddStreamResponse::decode(&answer).unwrap();
    }
    let commands = messenger();
    eventually(|| broker.observe()["job_stream_registrations"] == 2).await;
    assert_eq!(run(&commands, &broker, "streams").await, "pay");
    // One refuses, so the other gets the job, whichever is tried first.
    one.answer.store(REFUSE, Ordering::Relaxed);
    assert_eq!(run(&commands, &broker, "push").await, "pushed");
    let pushed = PushStreamRequest::decode(&two.expect("stream-push").await).unwrap();
    assert_eq!(pushed.id, Uuid::from_u128(2));
    let push = JobPush::from_bytes(&pushed.payload).unwrap();
    assert_eq!((push.key, push.record.job_type.as_str()), (42, "pay"));
    assert_eq!(run(&commands, &broker, "failed").await, "[]");
    // Nobody takes it: the partition hears of it.
    two.answer.store(FAIL, Ordering::Relaxed);
    assert_eq!(run(&commands, &broker, "push").await, "pushed");
    let heard = async { while run(&commands, &broker, "failed").await != "[Key(42)]" {} };
    tokio::time::timeout(TIMEOUT, heard).await.expect("the failed push is not reported");
    // The streams of a member that leaves are dropped.
    let remove = reply::encode(&RemoveStreamRequest { id: Uuid::from_u128(1) });
    one.ask(&broker, "stream-remove", remove).await;
    assert_eq!(run(&commands, &broker, "streams").await, "pay");
    two.leave();
    eventually(|| broker.observe()["members"] == 1).await;
    eventually(|| broker.observe()["job_stream_registrations"] == 0).await;
    assert_eq!(run(&commands, &broker, "streams").await, "");
}

#[tokio::test]
async fn stream_requests_that_are_wrong_have_their_answers() {
    let broker = scripted(Limits { job_streams: 1, ..Limits::default() });
    let mut gateway = Gateway::join("gateway", &broker).await;
    gateway.expect("stream-recreate").await;
    let answer = gateway.ask(&broker, "stream-add", stream(1, "")).await;
    assert_eq!(StreamError::decode(&answer).unwrap().code, StreamErrorCode::Invalid);
    for subject in ["stream-add", "stream-remove"] {
        let to = broker.internal_address();
        let cut = stream(1, "pay").slice(..12);
        let error = gateway.messenger.request(to, subject, cut, TIMEOUT).await.unwrap_err();
        assert!(matches!(error, RequestError::Remote(_)), "{error}");
    }
    gateway.ask(&broker, "stream-add", stream(1, "pay")).await;
    let answer = gateway.ask(&broker, "stream-add", stream(2, "pay")).await;
    assert_eq!(StreamError::decode(&answer).unwrap().code, StreamErrorCode::Exhausted);
    assert_eq!(gateway.ask(&broker, "stream-remove-all", Bytes::new()).await, "");
    assert_eq!(broker.observe()["job_stream_registrations"], 0);
}

#[tokio::test]
async fn subscribers_hear_that_jobs_are_available() {
    let broker = scripted(Limits::default());
    let mut gateway = Gateway::join("gateway", &broker).await;
    gateway.expect("stream-recreate").await;
    run(&messenger(), &broker, "available pay").await;
    let payload = gateway.expect(JOBS_AVAILABLE).await;
    assert_eq!(decode_jobs_available(&payload).unwrap(), "pay");
}

#[tokio::test]
async fn a_restarted_broker_finds_its_gateway_again() {
    let broker = scripted(Limits::default());
    let mut gateway = Gateway::join("gateway", &broker).await;
    gateway.expect("stream-recreate").await;
    let (mut config, cluster) = broker_config();
    config.command_port = broker.command_address().port;
    config.internal_port = broker.internal_address().port;
    broker.stop();
    let broker = start_with(&config, &cluster, Limits::default(), Script::new).unwrap();
    gateway.expect("stream-recreate").await;
    assert_eq!(broker.observe()["members"], 1);
    assert_eq!(run(&messenger(), &broker, "hello").await, "hello");
}
