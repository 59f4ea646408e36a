//! A command through session, dispatcher and leader connection to a broker on loopback that answers
//! at once, beside a bare framed round trip to the same broker.
//!
//! The bare one is the floor of this machine in this run: what the path adds is the difference.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use beegate::actors::gateway::{Fatal, Gateway, SessionHandle, SessionInfo};
use beegate::config::Config;
use beegate::model::{
    BrokerId, BrokerView, ClusterView, Command, CommandKind, Frontend, Key, Millis, PartitionId,
    PartitionView, RecordType, RejectionType, Route, ValueType,
};
use beegate::net::{
    Endpoint, EndpointOptions, Handlers, Listener, Message as Inbound, Responder, ServeOptions,
};
use beegate::wire::Address;
use beegate::wire::sbe::{ExecuteCommandRequest, ExecuteCommandResponse, Message};
use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::future::join_all;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

const DEPTHS: [u64; 2] = [1, 256];

fn endpoint(advertised: Address) -> Endpoint {
    let options =
        EndpointOptions { connect_timeout: Duration::from_secs(1), frame_bytes_max: 4 << 20 };
    Endpoint::new("path-bench", advertised, options)
}

async fn broker() -> Address {
    let listener = Listener::bind("127.0.0.1", 0).await.expect("a free port");
    let address = Address::new("127.0.0.1", listener.local_addr().expect("bound").port());
    let mut handlers = Handlers::new();
    handlers.on("command-api-1", |message: Inbound, responder: Responder| {
        let request = ExecuteCommandRequest::decode(&message.payload).expect("a command");
        let response = ExecuteCommandResponse {
            partition: 1,
            key: request.key,
            record_type: RecordType::Event,
            value_type: ValueType::Job,
            intent: 2,
            rejection_type: RejectionType::NullVal,
            value: request.value,
            rejection_reason: String::new(),
        };
        let mut out = BytesMut::new();
        response.encode(&mut out);
        responder.reply(out.freeze());
    });
    let serving = listener.serve(
        endpoint(address.clone()),
        Arc::new(handlers),
        ServeOptions::default(),
        CancellationToken::new(),
    );
    tokio::spawn(serving);
    address
}

fn view(broker: &Address) -> ClusterView {
    let partition = PartitionView {
        id: PartitionId(1),
        leader: Some(BrokerId(0)),
        term: 1,
        followers: Vec::new(),
        inactive: Vec::new(),
        leader_source: "bench",
        leader_seen: Millis(0),
    };
    let broker = BrokerView {
        id: BrokerId(0),
        command_address: broker.to_string(),
        internal_address: broker.to_string(),
        version: "8.6.0".to_owned(),
        replicas: Vec::new(),
    };
    ClusterView {
        cluster_size: 1,
        partitions_count: 1,
        partitions: vec![partition],
        brokers: vec![broker],
        ..ClusterView::default()
    }
}

fn command() -> Command {
    let key = Key::new(PartitionId(1), 1);
    Command {
        kind: CommandKind::CompleteJob,
        key,
        route: Route::Key(key),
        operation_reference: None,
        value: Bytes::from_static(&[0x80; 200]),
        authorization: Bytes::from_static(&[0x80]),
        transport_retry: true,
        timeout: None,
    }
}

async fn through_actors(session: &SessionHandle, depth: u64) {
    let calls = (0..depth).map(|_| session.execute(command()));
    for answer in join_all(calls).await {
        black_box(answer.expect("answered"));
    }
}

async fn bare(endpoint: &Endpoint, address: &Address, depth: u64, rounds: u64) -> Duration {
    let mut connection = endpoint.dial(address).await.expect("connected");
    let Command { key, value, authorization, .. } = command();
    let request = ExecuteCommandRequest {
        partition: 1,
        key: key.0,
        value_type: ValueType::Job.to_wire(),
        intent: 1,
        operation_reference: -1,
        value,
        authorization,
    };
    let mut payload = BytesMut::new();
    request.encode(&mut payload);
    let mut frames = Vec::new();
    let started = Instant::now();
    for _ in 0..rounds {
        for _ in 0..depth {
            let id = endpoint.next_message_id();
            connection.writer.request(id, "command-api-1", &payload).expect("short");
        }
        connection.writer.flush().await.expect("written");
        let mut left = depth;
        while left > 0 {
            left -= connection.reader.read(&mut frames).await.expect("answered") as u64;
            frames.clear();
        }
    }
    started.elapsed()
}

fn path(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let address = runtime.block_on(broker());
    let own = endpoint(Address::new("127.0.0.1", 1));
    let fatal = Fatal::new(|reason| eprintln!("{reason}"));
    let (gateway, _shutdown) =
        Gateway::detached(Config::defaults(), own.clone(), view(&address), fatal).expect("threads");
    let info = SessionInfo { frontend: Frontend::Grpc, peer: None };
    let session = gateway.open_session(info).expect("room");
    let mut group = criterion.benchmark_group("path");
    for depth in DEPTHS {
        group.throughput(Throughput::Elements(depth));
        group.bench_function(format!("bare/{depth}"), |bencher| {
            bencher.iter_custom(|rounds| runtime.block_on(bare(&own, &address, depth, rounds)));
        });
        group.bench_function(format!("actors/{depth}"), |bencher| {
            bencher.iter_custom(|rounds| {
                runtime.block_on(async {
                    through_actors(&session, depth).await;
                    let started = Instant::now();
                    for _ in 0..rounds {
                        through_actors(&session, depth).await;
                    }
                    started.elapsed()
                })
            });
        });
    }
    group.finish();
}

criterion_group!(benches, path);
criterion_main!(benches);
