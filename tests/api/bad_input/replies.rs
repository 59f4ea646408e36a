//! Bytes between gateway and broker that are not what they should be, in both directions.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use beegate::actors::gateway::{Fatal, Gateway};
use beegate::api::grpc::proto as pb;
use beegate::api::grpc::proto::gateway_client::GatewayClient;
use beegate::model::{CommandKind, ErrorCode, RecordType, RejectionType, ValueType};
use beegate::net::{
    Handlers, Listener, Message as Inbound, Messenger, MessengerOptions, RequestError, Responder,
    ServeOptions,
};
use beegate::wire::Address;
use beegate::wire::record::AuthInfo;
use beegate::wire::sbe::{ErrorResponse, ExecuteCommandRequest, ExecuteCommandResponse, Message};
use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::transport::Channel;

use super::stand::{Stand, creation, refused};
use crate::grpc::broker::{RecordedBroker, endpoint};

fn encoded(message: &impl Message) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(&mut out);
    out.freeze()
}

/// The reply to a creation with this value.
fn created(value: &'static [u8]) -> ExecuteCommandResponse {
    ExecuteCommandResponse {
        partition: 1,
        key: 1 << 51,
        record_type: RecordType::Event,
        value_type: ValueType::ProcessInstanceCreation,
        intent: 1,
        rejection_type: RejectionType::NullVal,
        value: Bytes::from_static(value),
        rejection_reason: String::new(),
    }
}

/// A map of 2^32-1 entries that are not there, a text of 4 GiB, nesting, cut text, a reserved byte,
/// no map, a map with a wrong type for a known name.
const BAD_VALUES: [&[u8]; 8] = [
    &[],
    &[0xdf, 0xff, 0xff, 0xff, 0xff],
    &[0x81, 0xdb, 0xff, 0xff, 0xff, 0xff],
    &[0x91; 100_000],
    &[0x81, 0xa9, b'v'],
    &[0xc1],
    &[0x93, 1, 2, 3],
    &[0x81, 0xad, b'b', b'p', b'm', b'n', b'P', b'r', b'o', b'c', b'e', b's', b's', b'I', b'd', 7],
];

fn bad_replies() -> Vec<Bytes> {
    let good = encoded(&created(&[0x80]));
    let changed = |at: usize, to: u8| {
        let mut bytes = good.to_vec();
        bytes[at] = to;
        Bytes::from(bytes)
    };
    let mut replies: Vec<Bytes> = vec![
        Bytes::new(),
        Bytes::from_static(b"garbage"),
        Bytes::from(vec![0xff; 4096]),
        // Another template, another schema.
        changed(2, 99),
        changed(4, 99),
        encoded(&ExecuteCommandResponse { value_type: ValueType::Job, ..created(&[0x80]) }),
    ];
    replies.extend((1..good.len() - 4).step_by(7).map(|length| good.slice(..length)));
    replies.extend(BAD_VALUES.map(|value| encoded(&created(value))));
    replies
}

/// A broker that answers everything at partition 1 to 3 with the bytes it is told.
async fn answering(stop: CancellationToken) -> (Address, Arc<Mutex<Bytes>>) {
    let listener = Listener::bind("127.0.0.1", 0).await.expect("listens");
    let address = Address::new("127.0.0.1", listener.local_addr().expect("bound").port());
    let answer = Arc::new(Mutex::new(Bytes::new()));
    let mut handlers = Handlers::new();
    for partition in 1..=3 {
        let answer = Arc::clone(&answer);
        let subject = format!("command-api-{partition}");
        handlers.on(&subject, move |_: Inbound, responder: Responder| {
            responder.reply(answer.lock().expect("whole").clone());
        });
    }
    let own = endpoint(address.clone());
    tokio::spawn(listener.serve(own, Arc::new(handlers), ServeOptions::default(), stop));
    (address, answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreadable_reply_is_one_internal_error_and_the_connection_goes_on() {
    let stop = CancellationToken::new();
    let (address, answer) = answering(stop.clone()).await;
    let mut config = crate::rest::config();
    (config.grpc.host, config.grpc.port) = ("127.0.0.1".to_owned(), 0);
    let fatal = Fatal::new(|cause| panic!("escalated: {cause}"));
    let mut view = RecordedBroker::start().await.view(3);
    view.brokers[0].command_address = address.to_string();
    let own = endpoint(Address::new("127.0.0.1", 1));
    let (gateway, shutdown) =
        Gateway::detached(config.clone(), own, view, fatal).expect("a gateway");
    let server = beegate::api::grpc::serve(&config, gateway.clone(), stop.clone()).expect("serves");
    let channel = Channel::from_shared(format!("http://{}", server.address())).expect("address");
    let mut client = GatewayClient::new(channel.connect().await.expect("connects"));
    for reply in bad_replies() {
        *answer.lock().expect("whole") = reply.clone();
        let shown = reply.slice(..reply.len().min(40));
        let (code, message) = refused(client.create_process_instance(creation("p", "{}")).await);
        assert_eq!(code, Code::Internal, "{shown:?}: {message}");
        let start = "Unexpected error occurred during the request processing: ";
        let cause = message.strip_prefix(start).unwrap_or_else(|| panic!("{shown:?}: {message}"));
        assert!(cause.len() > 10, "{shown:?} has no cause: {message}");
        // A poll goes on to the next partition (command-api §4.1), so it ends without jobs.
        let jobs = super::stand::take(&mut client, "t", 1).await;
        assert_eq!(jobs, [], "{shown:?}");
    }
    *answer.lock().expect("whole") = encoded(&created(&[0x80]));
    client.create_process_instance(creation("p", "{}")).await.expect("readable again");
    for actor in gateway.actors() {
        assert_eq!((actor.restarts.panic, actor.restarts.error), (0, 0), "{}", actor.name);
        if actor.kind == "leader-connection" {
            assert_eq!(actor.observed["connects"].as_u64(), Some(1), "{}", actor.name);
        }
    }
    drop(client);
    stop.cancel();
    assert_eq!(shutdown.stop(Duration::from_secs(5)).await, 0);
}

async fn ask(messenger: &Messenger, to: &Address, payload: Bytes) -> Result<Bytes, RequestError> {
    messenger.request(to, "command-api-1", payload, crate::http::PATIENCE).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_refuses_what_it_cannot_read() {
    let stand = Stand::start(|_| ()).await;
    let to = stand.broker.as_ref().expect("runs").command_address().clone();
    let messenger =
        Messenger::new(endpoint(Address::new("127.0.0.1", 1)), MessengerOptions::default());
    let kinds = [
        CommandKind::CreateProcessInstance,
        CommandKind::CompleteJob,
        CommandKind::ActivateJobs,
        CommandKind::PublishMessage,
        CommandKind::Deploy,
    ];
    for kind in kinds {
        for value in BAD_VALUES {
            let request = ExecuteCommandRequest {
                partition: 1,
                key: -1,
                value_type: kind.value_type().to_wire(),
                intent: kind.intent(),
                operation_reference: -1,
                value: Bytes::from_static(value),
                authorization: AuthInfo::unknown(),
            };
            // The last one is a name that a deployment does not know, which is allowed.
            if kind == CommandKind::Deploy && value.ends_with(&[7]) {
                continue;
            }
            let answer = ask(&messenger, &to, encoded(&request)).await.expect("an answer");
            let shown = &value[..value.len().min(20)];
            let error = ErrorResponse::decode(&answer);
            let error = error.unwrap_or_else(|e| panic!("{kind:?} {shown:02x?}: {e}"));
            assert_eq!(error.code, ErrorCode::MalformedRequest, "{kind:?} {shown:02x?}");
            assert_ne!(error.message, "");
        }
    }
    for (garbage, code) in [
        (&b""[..], ErrorCode::MalformedRequest),
        (b"x", ErrorCode::MalformedRequest),
        (&[0xff; 4096], ErrorCode::InvalidMessageTemplate),
    ] {
        let answer = ask(&messenger, &to, Bytes::from_static(garbage)).await.expect("an answer");
        let error = ErrorResponse::decode(&answer).expect("an error");
        assert_eq!(error.code, code, "{}", error.message);
    }
    let unknown = messenger.request(&to, "command-api-9", Bytes::new(), crate::http::PATIENCE);
    let unknown = unknown.await.expect_err("no such partition");
    assert!(matches!(unknown, RequestError::NoHandler { .. }), "{unknown}");

    // Bytes that are no frames cost their own connection.
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 100], &[0; 100]] {
        let mut stream = TcpStream::connect((to.host.as_ref(), to.port)).await.expect("connects");
        stream.write_all(garbage).await.expect("writes");
        let mut rest = Vec::new();
        let closed = stream.read_to_end(&mut rest);
        // Closed or reset: either way it is over.
        drop(tokio::time::timeout(crate::http::PATIENCE, closed).await.expect("in time"));
    }
    let mut client = stand.client().await;
    let message = pb::PublishMessageRequest { name: "m".into(), ..Default::default() };
    client.publish_message(message).await.expect("the broker still works");
    stand.engines_empty().await;
    drop(client);
    stand.end().await;
}
