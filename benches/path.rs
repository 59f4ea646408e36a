//! The whole in-process path, each part beside the one it contains, so that every figure is a ratio
//! of its own run.
//!
//! `scripted`: a command through session, dispatcher and leader connection to a broker on loopback
//! that answers at once, beside a bare framed round trip to the same broker: the floor.
//! `embedded`: CreateProcessInstance, which ends at once, on the embedded broker: bare, through
//! the actors' door, and through gRPC with a client in the same process, whose cost is included.

mod fixtures;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use beegate::actors::gateway::{Fatal, Gateway, SessionHandle, SessionInfo};
use beegate::api::grpc::{self, proto as pb};
use beegate::broker;
use beegate::config::Config;
use beegate::model::{
    BrokerId, BrokerView, ClusterView, Command, CommandKind, Frontend, Key, Millis, PartitionId,
    PartitionView, Route, ValueType,
};
use beegate::net::{
    Connection, Endpoint, EndpointOptions, Handlers, Listener, Message as Inbound, Responder,
    ServeOptions,
};
use beegate::wire::Address;
use beegate::wire::record::{AuthInfo, Record};
use beegate::wire::sbe::{ExecuteCommandRequest, Message};
use bytes::Bytes;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use futures::future::join_all;
use pb::gateway_client::GatewayClient;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

const CLUSTER: &str = "path-bench";
/// Calls in flight.
const DEPTHS: [u64; 2] = [1, 64];

fn endpoint(cluster: &str) -> Endpoint {
    advertised(cluster, Address::new("127.0.0.1", 1))
}

fn advertised(cluster: &str, address: Address) -> Endpoint {
    let options =
        EndpointOptions { connect_timeout: Duration::from_secs(1), frame_bytes_max: 4 << 20 };
    Endpoint::new(cluster, address, options)
}

/// A broker that answers every command with its own value.
async fn scripted() -> Address {
    let listener = Listener::bind("127.0.0.1", 0).await.expect("a free port");
    let address = Address::new("127.0.0.1", listener.local_addr().expect("bound").port());
    let mut handlers = Handlers::new();
    handlers.on("command-api-1", |message: Inbound, responder: Responder| {
        let request = ExecuteCommandRequest::decode(&message.payload).expect("a command");
        responder.reply(fixtures::reply(ValueType::Job, request.value));
    });
    let serving = listener.serve(
        advertised(CLUSTER, address.clone()),
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

/// A deployment, or the creation of an instance, as a frontend asks for it.
fn engine_command(kind: CommandKind, record: &impl Record) -> Command {
    Command {
        kind,
        key: Key::NONE,
        route: Route::Partition(PartitionId(1)),
        operation_reference: None,
        value: record.to_bytes(),
        authorization: AuthInfo::default_tenant(),
        transport_retry: true,
        timeout: None,
    }
}

async fn through_actors(session: &SessionHandle, command: &Command, depth: u64, rounds: u64) {
    for _ in 0..rounds {
        let calls = (0..depth).map(|_| session.execute(command.clone()));
        for answer in join_all(calls).await {
            black_box(answer.expect("answered"));
        }
    }
}

async fn through_grpc(
    client: &GatewayClient<Channel>,
    request: &pb::CreateProcessInstanceRequest,
    depth: u64,
    rounds: u64,
) {
    for _ in 0..rounds {
        let calls = (0..depth).map(|_| {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.create_process_instance(request).await }
        });
        for answer in join_all(calls).await {
            black_box(answer.expect("created"));
        }
    }
}

/// The same command without actors: one connection, one write for all calls of a round.
struct Bare {
    endpoint: Endpoint,
    connection: Connection<TcpStream>,
    payload: Bytes,
}

impl Bare {
    async fn connect(endpoint: &Endpoint, to: &Address, command: &Command) -> Self {
        let Command { kind, key, value, .. } = command.clone();
        Self {
            endpoint: endpoint.clone(),
            connection: endpoint.dial(to).await.expect("connected"),
            payload: fixtures::encoded(&fixtures::request(kind, key, value)),
        }
    }

    async fn run(&mut self, depth: u64, rounds: u64) {
        let Self { endpoint, connection, payload } = self;
        let mut frames = Vec::new();
        for _ in 0..rounds {
            for _ in 0..depth {
                let id = endpoint.next_message_id();
                connection.writer.request(id, "command-api-1", payload).expect("short");
            }
            connection.writer.flush().await.expect("written");
            let mut left = depth;
            while left > 0 {
                left -= connection.reader.read(&mut frames).await.expect("answered") as u64;
                frames.clear();
            }
        }
    }
}

/// Actors over a fixed view of one broker.
fn gateway(address: &Address, own: &Endpoint) -> (Gateway, SessionHandle) {
    let fatal = Fatal::new(|reason| eprintln!("{reason}"));
    let (gateway, _shutdown) =
        Gateway::detached(Config::defaults(), own.clone(), view(address), fatal).expect("threads");
    let info = SessionInfo { frontend: Frontend::Grpc, peer: None };
    let session = gateway.open_session(info).expect("room");
    (gateway, session)
}

type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// Measures rounds of calls; one round runs before the clock starts.
fn measure<F: Future<Output = ()>>(
    group: &mut Group<'_>,
    runtime: &Runtime,
    name: &str,
    depth: u64,
    mut rounds_of: impl FnMut(u64) -> F,
) {
    group.throughput(Throughput::Elements(depth));
    group.bench_function(format!("{name}/{depth}"), |bencher| {
        bencher.iter_custom(|rounds| {
            runtime.block_on(rounds_of(1));
            let started = Instant::now();
            runtime.block_on(rounds_of(rounds));
            started.elapsed()
        });
    });
}

/// Bare and through the actors.
fn compare(
    group: &mut Group<'_>,
    runtime: &Runtime,
    bare: &Arc<Mutex<Bare>>,
    session: &SessionHandle,
    command: &Command,
    depth: u64,
) {
    measure(group, runtime, "bare", depth, |rounds| {
        let bare = Arc::clone(bare);
        async move { bare.lock().await.run(depth, rounds).await }
    });
    measure(group, runtime, "actors", depth, |rounds| {
        through_actors(session, command, depth, rounds)
    });
}

fn scripted_broker(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let address = runtime.block_on(scripted());
    let own = endpoint(CLUSTER);
    let (_gateway, session) = gateway(&address, &own);
    let command = command();
    let bare = runtime.block_on(Bare::connect(&own, &address, &command));
    let bare = Arc::new(Mutex::new(bare));
    let mut group = criterion.benchmark_group("scripted");
    for depth in DEPTHS {
        compare(&mut group, &runtime, &bare, &session, &command, depth);
    }
    group.finish();
}

fn embedded_broker(criterion: &mut Criterion) {
    let mut config = Config::defaults();
    (config.broker.command_port, config.broker.internal_port) = (0, 0);
    config.broker.partitions = 1;
    (config.grpc.host, config.grpc.port) = ("127.0.0.1".to_owned(), 0);
    let broker = broker::start(&config.broker, &config.cluster).expect("a broker");

    let runtime = Runtime::new().expect("a runtime");
    let own = endpoint(&config.cluster.name);
    let (gateway, session) = gateway(broker.command_address(), &own);
    let deploy = engine_command(CommandKind::Deploy, &fixtures::deployment());
    runtime.block_on(session.execute(deploy)).expect("deployed");
    let command = engine_command(CommandKind::CreateProcessInstance, &fixtures::creation("quick"));
    let bare = runtime.block_on(Bare::connect(&own, broker.command_address(), &command));
    let bare = Arc::new(Mutex::new(bare));

    let stop = CancellationToken::new();
    let server = grpc::serve(&config, gateway, stop.clone()).expect("a free port");
    let to = format!("http://{}", server.address());
    let to = Channel::from_shared(to).expect("an address");
    let client = GatewayClient::new(runtime.block_on(to.connect()).expect("connected"));
    let request = pb::CreateProcessInstanceRequest {
        bpmn_process_id: "quick".to_owned(),
        version: -1,
        variables: fixtures::variables(),
        ..Default::default()
    };
    let mut group = criterion.benchmark_group("embedded");
    for depth in DEPTHS {
        compare(&mut group, &runtime, &bare, &session, &command, depth);
        measure(&mut group, &runtime, "grpc", depth, |rounds| {
            through_grpc(&client, &request, depth, rounds)
        });
    }
    group.finish();
    drop((client, session));
    stop.cancel();
    server.join();
    broker.stop();
}

criterion_group!(benches, scripted_broker, embedded_broker);
criterion_main!(benches);
