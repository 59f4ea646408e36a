//! A broker that answers with what a real one answered, over the real transport on loopback.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use beegate::model::{
    BrokerId, BrokerView, ClusterView, ErrorCode, Key, Millis, PartitionId, PartitionView,
    RecordType, RejectionType, ReplicaView, ValueType,
};
use beegate::model::{PartitionHealth, PartitionRole};
use beegate::net::{
    Endpoint, EndpointOptions, Handlers, Listener, Message as Inbound, Responder, ServeOptions,
};
use beegate::wire::Address;
use beegate::wire::record::{JobBatchRecord, JobRecord, Record as _};
use beegate::wire::sbe::{ErrorResponse, ExecuteCommandRequest, ExecuteCommandResponse, Message};
use bytes::{Bytes, BytesMut};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// What identifies a recorded command.
type Question = (u8, u8, Bytes);

/// What the broker knows and saw.
#[derive(Default)]
pub struct State {
    replies: BTreeMap<Question, VecDeque<Bytes>>,
    /// Jobs waiting to be activated, by partition.
    pub jobs: BTreeMap<u16, VecDeque<(i64, JobRecord)>>,
    /// Jobs that were failed: key, retries, message.
    pub failed: Vec<(i64, i32, String)>,
    /// For how long each of them is kept.
    pub pauses: Vec<i64>,
    /// Job activations asked for.
    pub activations: usize,
    /// Answers this to everything, if set.
    pub error: Option<ErrorCode>,
    /// Answers nothing.
    pub silent: bool,
}

/// A running broker that leads partitions 1 to 3.
pub struct RecordedBroker {
    pub address: Address,
    pub state: Arc<Mutex<State>>,
    stop: CancellationToken,
}

pub fn vectors() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/command")
}

/// All recorded exchanges.
pub fn exchanges() -> Vec<Value> {
    let text = std::fs::read_to_string(vectors().join("vectors.json")).unwrap();
    let index: Value = serde_json::from_str(&text).unwrap();
    index["exchanges"].as_array().unwrap().clone()
}

fn hex(file: &str) -> Bytes {
    let text = std::fs::read_to_string(vectors().join(file)).unwrap();
    let text = text.trim();
    let byte = |i: usize| u8::from_str_radix(&text[i..i + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

pub fn endpoint(advertised: Address) -> Endpoint {
    let options =
        EndpointOptions { connect_timeout: Duration::from_secs(1), frame_bytes_max: 32 << 20 };
    Endpoint::new("zeebe-cluster", advertised, options)
}

impl RecordedBroker {
    pub async fn start() -> Self {
        let listener = Listener::bind("127.0.0.1", 0).await.unwrap();
        let address = Address::new("127.0.0.1", listener.local_addr().unwrap().port());
        let state = Arc::new(Mutex::new(State { replies: recorded(), ..Default::default() }));
        let mut handlers = Handlers::new();
        for partition in 1..=3u16 {
            let state = Arc::clone(&state);
            handlers.on(
                &format!("command-api-{partition}"),
                move |message: Inbound, responder: Responder| {
                    let request = ExecuteCommandRequest::decode(&message.payload).unwrap();
                    if let Some(reply) = state.lock().unwrap().answer(partition, &request) {
                        responder.reply(reply);
                    }
                },
            );
        }
        let stop = CancellationToken::new();
        let (own, handlers) = (endpoint(address.clone()), Arc::new(handlers));
        tokio::spawn(listener.serve(own, handlers, ServeOptions::default(), stop.clone()));
        Self { address, state, stop }
    }

    pub fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The cluster of this broker alone, leading so many of its three partitions.
    pub fn view(&self, led: u16) -> ClusterView {
        let partition = |id: u16| PartitionView {
            id: PartitionId(id),
            leader: (id <= led).then_some(BrokerId(0)),
            term: 1,
            followers: vec![],
            inactive: vec![],
            leader_source: "test",
            leader_seen: Millis(0),
        };
        let replica = |id: u16| ReplicaView {
            partition: PartitionId(id),
            role: PartitionRole::Leader,
            health: PartitionHealth::Healthy,
        };
        ClusterView {
            version: u64::from(led) + 1,
            cluster_size: 1,
            partitions_count: 3,
            replication_factor: 1,
            partitions: (1..=3).map(partition).collect(),
            brokers: vec![BrokerView {
                id: BrokerId(0),
                command_address: self.address.to_string(),
                internal_address: self.address.to_string(),
                version: "8.6.0".to_owned(),
                replicas: (1..=led).map(replica).collect(),
            }],
            ..ClusterView::default()
        }
    }
}

impl Drop for RecordedBroker {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The replies to the recorded gRPC commands, in the order they were given.
fn recorded() -> BTreeMap<Question, VecDeque<Bytes>> {
    let mut replies: BTreeMap<Question, VecDeque<Bytes>> = BTreeMap::new();
    for exchange in exchanges() {
        let (Some(request), Some(response)) =
            (exchange["requestFile"].as_str(), exchange["responseFile"].as_str())
        else {
            continue;
        };
        if !request.starts_with("grpc/") {
            continue;
        }
        let request = ExecuteCommandRequest::decode(&hex(request)).unwrap();
        let question = (request.value_type, request.intent, request.value);
        replies.entry(question).or_default().push_back(hex(response));
    }
    replies
}

fn encoded(message: &impl Message) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(&mut out);
    out.freeze()
}

impl State {
    fn answer(&mut self, partition: u16, request: &ExecuteCommandRequest) -> Option<Bytes> {
        if self.silent {
            return None;
        }
        if let Some(code) = self.error {
            let message = "as the test wants it".to_owned();
            return Some(encoded(&ErrorResponse { code, message }));
        }
        let question = (request.value_type, request.intent, request.value.clone());
        match (ValueType::from_wire(request.value_type), request.intent) {
            (ValueType::JobBatch, 0) => Some(self.activate(partition, request)),
            (ValueType::Job, 5) if !self.replies.contains_key(&question) => {
                let job = JobRecord::from_bytes(&request.value).unwrap();
                self.failed.push((request.key, job.retries, job.error_message));
                self.pauses.push(job.retry_backoff);
                Some(event(partition, request, request.key, request.value.clone()))
            }
            _ => {
                let replies = self.replies.get_mut(&question);
                let reply = replies.and_then(|replies| match replies.len() {
                    1 => replies.front().cloned(),
                    _ => replies.pop_front(),
                });
                Some(reply.unwrap_or_else(|| {
                    let message = "nothing like this was recorded".to_owned();
                    encoded(&ErrorResponse { code: ErrorCode::InternalError, message })
                }))
            }
        }
    }

    fn activate(&mut self, partition: u16, request: &ExecuteCommandRequest) -> Bytes {
        self.activations += 1;
        let mut batch = JobBatchRecord::from_bytes(&request.value).unwrap();
        if batch.timeout < 1 {
            return encoded(&ExecuteCommandResponse {
                partition,
                key: -1,
                record_type: RecordType::CommandRejection,
                value_type: ValueType::JobBatch,
                intent: 0,
                rejection_type: RejectionType::InvalidArgument,
                value: request.value.clone(),
                rejection_reason: "Expected timeout to be greater than zero".to_owned(),
            });
        }
        let waiting = self.jobs.entry(partition).or_default();
        let max = usize::try_from(batch.max_jobs_to_activate).unwrap();
        for (key, job) in waiting.drain(..max.min(waiting.len())) {
            batch.job_keys.push(key);
            batch.jobs.push(job);
        }
        event(partition, request, 1, batch.to_bytes())
    }

    /// A job of this size waits at a partition; returns its key.
    pub fn add_job(&mut self, partition: u16, variables: &Bytes) -> i64 {
        let waiting = self.jobs.entry(partition).or_default();
        let key = Key::new(PartitionId(partition), 1000 + waiting.len() as u64).0;
        let job = JobRecord {
            job_type: "t".to_owned(),
            retries: 3,
            variables: beegate::wire::record::Document::from_msgpack(variables.clone()).unwrap(),
            ..Default::default()
        };
        waiting.push_back((key, job));
        key
    }
}

fn event(partition: u16, request: &ExecuteCommandRequest, key: i64, value: Bytes) -> Bytes {
    encoded(&ExecuteCommandResponse {
        partition,
        key,
        record_type: RecordType::Event,
        value_type: ValueType::from_wire(request.value_type),
        intent: request.intent + 1,
        rejection_type: RejectionType::NullVal,
        value,
        rejection_reason: String::new(),
    })
}
