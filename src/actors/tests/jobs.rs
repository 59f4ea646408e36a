//! Job streams with a test in the broker's place: registration, pushes, and what becomes of them.

use std::sync::{Arc, Mutex};

use bytes::BytesMut;
use tokio_util::sync::CancellationToken;

use super::broker::{endpoint, view};
use super::*;
use crate::actors::gateway::JobDeliveries;
use crate::actors::test_panic::Panic;
use crate::model::{ActorState, StreamErrorCode, StreamJobs};
use crate::net::{
    Handlers, Listener, Message as Inbound, Messenger, MessengerOptions, Responder, ServeOptions,
};
use crate::wire::record::{JobPush, JobRecord, JobStreamMetadata, Record as _};
use crate::wire::sbe::Message as _;
use crate::wire::sbe::stream::{
    AddStreamRequest, AddStreamResponse, PushStreamRequest, PushStreamResponse,
    RemoveStreamRequest, StreamError,
};

fn encoded(message: &impl crate::wire::sbe::Message) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(&mut out);
    out.freeze()
}

/// A member that serves these handlers; its address.
async fn serve(handlers: Handlers) -> (Address, CancellationToken) {
    let listener = Listener::bind("127.0.0.1", 0).await.unwrap();
    let address = Address::new("127.0.0.1", listener.local_addr().unwrap().port());
    let stop = CancellationToken::new();
    let own = endpoint(address.clone());
    tokio::spawn(listener.serve(own, Arc::new(handlers), ServeOptions::default(), stop.clone()));
    (address, stop)
}

/// A broker that takes note of the streams it is told of, and a gateway that knows it.
struct Stage {
    added: Arc<Mutex<Vec<AddStreamRequest>>>,
    removed: Arc<Mutex<Vec<RemoveStreamRequest>>>,
    session: SessionHandle,
    gateway_address: Address,
    messenger: Messenger,
    gateway: Gateway,
    shutdown: Shutdown,
    _stops: [tokio_util::sync::DropGuard; 2],
}

async fn stage() -> Stage {
    let (added, removed) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let mut handlers = Handlers::new();
    let notes = Arc::clone(&added);
    handlers.on("stream-add", move |message: Inbound, responder: Responder| {
        notes.lock().unwrap().push(AddStreamRequest::decode(&message.payload).unwrap());
        responder.reply(encoded(&AddStreamResponse));
    });
    let notes = Arc::clone(&removed);
    handlers.on("stream-remove", move |message: Inbound, responder: Responder| {
        notes.lock().unwrap().push(RemoveStreamRequest::decode(&message.payload).unwrap());
        responder.reply(Bytes::new());
    });
    let (broker, stop_broker) = serve(handlers).await;
    let (gateway, shutdown) = gateway(config(), view(1, &[Some(&broker)]));
    let mut handlers = Handlers::new();
    shutdown.jobs().register(&mut handlers);
    let (gateway_address, stop_gateway) = serve(handlers).await;
    Stage {
        added,
        removed,
        session: session(&gateway),
        gateway_address,
        messenger: Messenger::new(endpoint(broker), MessengerOptions::default()),
        gateway,
        shutdown,
        _stops: [stop_broker.drop_guard(), stop_gateway.drop_guard()],
    }
}

impl Stage {
    fn open(&self, worker: &str) -> JobDeliveries {
        self.session.stream_jobs(StreamJobs {
            job_type: "t".to_owned(),
            worker: worker.to_owned(),
            timeout_ms: 1000,
            fetch_variables: vec![],
            tenant_ids: vec!["<default>".to_owned()],
        })
    }

    async fn push(&self, id: uuid::Uuid, key: i64) -> Bytes {
        let push = JobPush { key, record: JobRecord { retries: 3, ..Default::default() } };
        let request = PushStreamRequest { id, payload: push.to_bytes() };
        let pushed = self.messenger.request(
            &self.gateway_address,
            "stream-push",
            encoded(&request),
            PATIENCE,
        );
        pushed.await.unwrap()
    }
}

#[tokio::test]
async fn equal_clients_share_a_stream_that_brokers_know_while_it_has_clients() {
    let stage = stage().await;
    let (first, second) = (stage.open("w"), stage.open("w"));
    eventually("added", || stage.added.lock().unwrap().len() == 1).await;
    let added = stage.added.lock().unwrap()[0].clone();
    assert_eq!(added.stream_type, "t");
    drop(first);
    let _other = stage.open("x");
    eventually("the other added", || stage.added.lock().unwrap().len() == 2).await;
    assert_eq!(*stage.removed.lock().unwrap(), []);
    drop(second);
    eventually("removed", || stage.removed.lock().unwrap().len() == 1).await;
    assert_eq!(stage.removed.lock().unwrap()[0].id, added.id);
}

#[tokio::test]
async fn a_push_is_accepted_when_the_client_took_the_job() {
    let stage = stage().await;
    let mut deliveries = stage.open("w");
    eventually("added", || stage.added.lock().unwrap().len() == 1).await;
    let id = stage.added.lock().unwrap()[0].id;
    let pushed = stage.push(id, 7);
    let taken = async {
        let delivery = deliveries.next().await.unwrap().unwrap();
        assert_eq!(delivery.jobs[0].key, Key(7));
        delivery.delivered();
    };
    let (reply, ()) = tokio::join!(pushed, taken);
    assert!(PushStreamResponse::decode(&reply).is_ok());

    // A client that goes away with the job leaves it to the broker.
    let pushed = stage.push(id, 8);
    let lost = async { drop(deliveries.next().await.unwrap().unwrap()) };
    let (reply, ()) = tokio::join!(pushed, lost);
    assert_eq!(StreamError::decode(&reply).unwrap().code, StreamErrorCode::Exhausted);

    // A client that does not read holds one job; the next is refused with a detail per client.
    let held = stage.push(id, 9);
    let refused = async {
        loop {
            let reply = stage.push(id, 10).await;
            if let Ok(error) = StreamError::decode(&reply) {
                break error;
            }
        }
    };
    let reads_late = async {
        let error = refused.await;
        assert_eq!((error.code, error.details.len()), (StreamErrorCode::Exhausted, 1));
        deliveries.next().await.unwrap().unwrap().delivered();
    };
    let (reply, ()) = tokio::join!(held, reads_late);
    assert!(PushStreamResponse::decode(&reply).is_ok());
}

#[tokio::test]
async fn pushes_to_unknown_streams_are_refused_and_the_stream_removed() {
    let stage = stage().await;
    let ghost = uuid::Uuid::from_u128(1);
    let reply = stage.push(ghost, 1).await;
    assert_eq!(StreamError::decode(&reply).unwrap().code, StreamErrorCode::NotFound);
    eventually("removed", || {
        stage.removed.lock().unwrap().iter().any(|removed| removed.id == ghost)
    })
    .await;
}

#[tokio::test]
async fn streams_of_an_actor_that_panics_end_once_and_can_be_opened_again() {
    let stage = stage().await;
    let (mut reads, mut waits) = (stage.open("w"), stage.open("x"));
    eventually("added", || stage.added.lock().unwrap().len() == 2).await;
    let added = stage.added.lock().unwrap().clone();
    let shape = |worker: &str| {
        let metadata = |add: &&AddStreamRequest| {
            JobStreamMetadata::from_bytes(&add.metadata).unwrap().worker == worker
        };
        added.iter().find(metadata).unwrap().id
    };
    // A push is under way while the actor panics: its job is in the client's hands.
    let pushed = stage.push(shape("w"), 7);
    let panics = async {
        let delivery = reads.next().await.unwrap().unwrap();
        stage.shutdown.jobs().streams().send(Panic);
        eventually("counted and running again", || {
            let actors = stage.gateway.actors();
            let streams = actors.iter().find(|actor| actor.kind == "job-streams").unwrap();
            streams.restarts.panic == 1 && streams.state == ActorState::Running
        })
        .await;
        delivery.delivered();
    };
    let (reply, ()) = tokio::join!(pushed, panics);
    assert!(PushStreamResponse::decode(&reply).is_ok(), "answered, though the actor is new");
    for deliveries in [&mut reads, &mut waits] {
        let ended = deliveries.next().await.unwrap();
        let restarted = GatewayError::ActorRestarted { actor: "job-streams", partition: None };
        assert_eq!(ended.unwrap_err(), restarted);
        assert!(deliveries.next().await.is_none(), "one end");
    }
    // Brokers learn that the old stream is gone; a new one works.
    let reply = stage.push(shape("x"), 8).await;
    assert_eq!(StreamError::decode(&reply).unwrap().code, StreamErrorCode::NotFound);
    let mut again = stage.open("w");
    eventually("added again", || stage.added.lock().unwrap().len() == 3).await;
    let id = stage.added.lock().unwrap()[2].id;
    let taken = async { again.next().await.unwrap().unwrap().delivered() };
    let (reply, ()) = tokio::join!(stage.push(id, 9), taken);
    assert!(PushStreamResponse::decode(&reply).is_ok());
}
