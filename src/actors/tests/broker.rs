//! A broker that does what a script says, over the real transport on loopback.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::model::{
    BrokerId, BrokerView, ClusterView, ErrorCode, Millis, PartitionId, PartitionView, RecordType,
    RejectionType, ValueType,
};
use crate::net::{
    Endpoint, EndpointOptions, Handlers, Listener, Message as Inbound, Responder, ServeOptions,
};
use crate::wire::Address;
use crate::wire::sbe::{ErrorResponse, ExecuteCommandRequest, ExecuteCommandResponse, Message};

pub(crate) const CLUSTER: &str = "actors-test";

/// A request that arrived, with the right to answer it.
pub(crate) struct Arrived {
    pub partition: u16,
    pub request: ExecuteCommandRequest,
    pub responder: Responder,
}

impl Arrived {
    /// Answers with an event that carries the command's value back.
    pub fn complete(self) {
        let response = ExecuteCommandResponse {
            partition: self.partition,
            key: self.request.key,
            record_type: RecordType::Event,
            value_type: ValueType::from_wire(self.request.value_type),
            intent: self.request.intent + 1,
            rejection_type: RejectionType::NullVal,
            value: self.request.value.clone(),
            rejection_reason: String::new(),
        };
        self.responder.reply(encoded(&response));
    }

    /// Answers with an event that carries this value.
    pub fn answer(mut self, value: Bytes) {
        self.request.value = value;
        self.complete();
    }

    /// Answers with an error reply.
    pub fn fail(self, code: ErrorCode, message: &str) {
        let error = ErrorResponse { code, message: message.to_owned() };
        self.responder.reply(encoded(&error));
    }
}

fn encoded(message: &impl Message) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(&mut out);
    out.freeze()
}

/// What the broker does with each request, on its connection's task.
type Script = Arc<Mutex<Box<dyn FnMut(Arrived) + Send>>>;

/// A running broker; dropping it closes its socket and connections.
pub(crate) struct FakeBroker {
    pub address: Address,
    script: Script,
    stop: CancellationToken,
}

impl FakeBroker {
    /// Leads these partitions and answers each command at once.
    pub async fn start(partitions: &[u16]) -> Self {
        Self::start_at(partitions, 0).await
    }

    pub async fn start_at(partitions: &[u16], port: u16) -> Self {
        let listener = Listener::bind("127.0.0.1", port).await.unwrap();
        let address = Address::new("127.0.0.1", listener.local_addr().unwrap().port());
        let script: Script = Arc::new(Mutex::new(Box::new(Arrived::complete)));
        let mut handlers = Handlers::new();
        for &partition in partitions {
            let script = Arc::clone(&script);
            let handler = move |message: Inbound, responder: Responder| {
                let request = ExecuteCommandRequest::decode(&message.payload).unwrap();
                (script.lock().unwrap())(Arrived { partition, request, responder });
            };
            handlers.on(&format!("command-api-{partition}"), handler);
        }
        let stop = CancellationToken::new();
        let serving = listener.serve(
            endpoint(address.clone()),
            Arc::new(handlers),
            ServeOptions::default(),
            stop.clone(),
        );
        tokio::spawn(serving);
        Self { address, script, stop }
    }

    /// Changes what it does from now on.
    pub fn on_command(&self, script: impl FnMut(Arrived) + Send + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    /// Hands all further commands to the test.
    pub fn hold(&self) -> mpsc::UnboundedReceiver<Arrived> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.on_command(move |arrived| {
            let _ended = sender.send(arrived);
        });
        receiver
    }
}

impl Drop for FakeBroker {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) fn endpoint(advertised: Address) -> Endpoint {
    let options =
        EndpointOptions { connect_timeout: Duration::from_secs(1), frame_bytes_max: 4 << 20 };
    Endpoint::new(CLUSTER, advertised, options)
}

/// A view in which these brokers lead these partitions; `None` is a partition without a leader.
pub(crate) fn view(term: i64, leaders: &[Option<&Address>]) -> ClusterView {
    let mut view = ClusterView {
        version: term.unsigned_abs(),
        cluster_size: 1,
        partitions_count: leaders.len() as i32,
        replication_factor: 1,
        ..ClusterView::default()
    };
    for (index, leader) in leaders.iter().enumerate() {
        let id = PartitionId(index as u16 + 1);
        view.partitions.push(PartitionView {
            id,
            leader: leader.map(|_| BrokerId(index as i32)),
            term,
            followers: Vec::new(),
            inactive: Vec::new(),
            leader_source: "test",
            leader_seen: Millis(0),
        });
        if let Some(address) = leader {
            view.brokers.push(BrokerView {
                id: BrokerId(index as i32),
                command_address: address.to_string(),
                internal_address: address.to_string(),
                version: "8.6.0".to_owned(),
                replicas: Vec::new(),
            });
        }
    }
    view
}
