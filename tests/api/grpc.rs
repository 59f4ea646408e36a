//! The gRPC frontend with a real client, the real actors and a broker that answers from recordings.

pub mod broker;
mod embedded;
mod options;
mod recorded;

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use beegate::actors::gateway::{Fatal, Gateway, Shutdown};
use beegate::api::grpc::proto::gateway_client::GatewayClient;
use beegate::api::grpc::{GrpcServer, proto as pb, serve};
use beegate::config::Config;
use beegate::model::ErrorCode;
use beegate::wire::Address;
use bytes::{Buf, BufMut, Bytes};
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use broker::{RecordedBroker, endpoint, exchanges, vectors};

const PATIENCE: Duration = Duration::from_secs(20);

/// A gateway in front of a broker, and a client's channel to it.
struct Stage {
    broker: RecordedBroker,
    gateway: Gateway,
    server: Option<GrpcServer>,
    stop: CancellationToken,
    address: String,
    channel: Channel,
    _shutdown: Shutdown,
}

async fn stage(change: impl FnOnce(&mut Config)) -> Stage {
    let broker = RecordedBroker::start().await;
    let mut config = Config::defaults();
    config.grpc.host = "127.0.0.1".to_owned();
    config.grpc.port = 0;
    config.threads.grpc = 1;
    config.shutdown.grace = Duration::from_secs(5);
    change(&mut config);
    let fatal = Fatal::new(|cause| panic!("escalated: {cause}"));
    let own = endpoint(Address::new("127.0.0.1", 1));
    let (gateway, shutdown) =
        Gateway::detached(config.clone(), own, broker.view(3), fatal).unwrap();
    let stop = CancellationToken::new();
    let server = serve(&config, gateway.clone(), stop.clone()).unwrap();
    let address = format!("http://{}", server.address());
    let channel = Channel::from_shared(address.clone()).unwrap().connect().await.unwrap();
    Stage { broker, gateway, server: Some(server), stop, address, channel, _shutdown: shutdown }
}

impl Stage {
    fn client(&self) -> GatewayClient<Channel> {
        GatewayClient::new(self.channel.clone())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Message bytes as they are.
#[derive(Clone, Copy, Default)]
pub struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, input: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(input.copy_to_bytes(input.remaining())))
    }
}

/// A unary call with message bytes.
async fn call(channel: &Channel, path: &'static str, message: Bytes) -> Result<Bytes, Status> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.map_err(|e| Status::unavailable(e.to_string()))?;
    let path = http::uri::PathAndQuery::from_static(path);
    let call = client.unary(Request::new(message), path, Raw);
    let answer = tokio::time::timeout(PATIENCE, call).await.expect("answered in time");
    answer.map(tonic::Response::into_inner)
}

/// Replaces `{"$file": f}` by the file's content in base64.
fn inline_files(value: &mut Value) {
    if let Some(file) = value.get("$file").and_then(Value::as_str) {
        *value = STANDARD.encode(std::fs::read(vectors().join(file)).unwrap()).into();
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(inline_files),
        Value::Object(members) => members.values_mut().for_each(inline_files),
        _ => {}
    }
}

/// Removes what 8.6 clients do not know.
fn without_newer_fields(value: &mut Value) {
    if let Value::Object(members) = value {
        members.remove("decisionEvaluationKey");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recorded_call_gets_its_recorded_answer() {
    let stage = stage(|_| ()).await;
    let file = beegate::api::grpc::proto::FILE_DESCRIPTOR_SET;
    let pool = DescriptorPool::decode(file).unwrap();
    let service = pool.get_service_by_name("gateway_protocol.Gateway").unwrap();
    let mut rpcs = std::collections::BTreeSet::new();
    for exchange in exchanges() {
        let name = exchange["name"].as_str().unwrap();
        let input = &exchange["input"];
        let Some(rpc) = input["rpc"].as_str().filter(|rpc| {
            let recorded = exchange["responseFile"].is_string() && exchange["result"].is_object();
            name.starts_with("grpc/") && recorded && *rpc != "ActivateJobs"
        }) else {
            continue;
        };
        // Numbered exchanges belong to one call over several partitions.
        if name.contains('.') {
            continue;
        }
        let method = service.methods().find(|method| method.name() == rpc).unwrap();
        let mut json = input["request"].clone();
        inline_files(&mut json);
        let request = DynamicMessage::deserialize(method.input(), json).unwrap().encode_to_vec();
        let path: &'static str = format!("/gateway_protocol.Gateway/{rpc}").leak();
        let result = call(&stage.channel, path, request.into()).await;
        let expected = &exchange["result"];
        match (expected["status"].as_str().unwrap(), result) {
            ("OK", Ok(bytes)) => {
                let answer = DynamicMessage::decode(method.output(), bytes).unwrap();
                let mut answer = serde_json::to_value(&answer).unwrap();
                without_newer_fields(&mut answer);
                assert_eq!(answer, expected["response"], "{name}");
            }
            ("OK", Err(status)) => panic!("{name}: {status}"),
            (_, Ok(_)) => panic!("{name}: must fail"),
            (_, Err(status)) => {
                assert_eq!(i64::from(status.code() as i32), expected["code"], "{name}");
                assert_eq!(status.message(), expected["message"], "{name}");
                let details = tonic_types::Status::decode(status.details()).unwrap();
                assert_eq!(details.message, status.message(), "{name}");
            }
        }
        rpcs.insert(rpc.to_owned());
    }
    assert_eq!(rpcs.len(), 18, "{rpcs:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topology_tells_the_view() {
    let stage = stage(|_| ()).await;
    let answer = stage.client().topology(pb::TopologyRequest {}).await.unwrap().into_inner();
    assert_eq!(answer.gateway_version, "8.6.0");
    assert_eq!((answer.cluster_size, answer.partitions_count), (1, 3));
    assert_eq!(answer.brokers[0].port, i32::from(stage.broker.address.port));
    assert_eq!(answer.brokers[0].partitions.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_of_the_transport_read_as_recorded() {
    let stage = stage(|_| ()).await;
    let channel = &stage.channel;
    let refused = |result: Result<Bytes, Status>| {
        let status = result.expect_err("must be refused");
        (status.code(), status.message().to_owned())
    };
    let unknown = call(channel, "/gateway_protocol.Gateway/Nope", Bytes::new()).await;
    let text = "Method not found: gateway_protocol.Gateway/Nope".to_owned();
    assert_eq!(refused(unknown), (Code::Unimplemented, text));
    let reflection = call(channel, "/grpc.reflection.v1.ServerReflection/X", Bytes::new()).await;
    let text = "Method not found: grpc.reflection.v1.ServerReflection/X".to_owned();
    assert_eq!(refused(reflection), (Code::Unimplemented, text));
    let publish = "/gateway_protocol.Gateway/PublishMessage";
    let malformed = call(channel, publish, Bytes::from_static(&[0x0a, 0xff])).await;
    let text = "Application error processing RPC".to_owned();
    assert_eq!(refused(malformed), (Code::Unknown, text));
    let big = call(channel, publish, Bytes::from(vec![0; 5_000_000])).await;
    let text = "gRPC message exceeds maximum size 4194304: 5000000".to_owned();
    assert_eq!(refused(big), (Code::ResourceExhausted, text));
    // The connection survived all of that.
    assert!(stage.client().topology(pb::TopologyRequest {}).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gzip_requests_are_read_and_answers_are_not_compressed() {
    let stage = stage(|_| ()).await;
    let mut client = stage
        .client()
        .send_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Gzip);
    let answer = client.topology(pb::TopologyRequest {}).await.unwrap();
    let encoding = answer.metadata().get("grpc-encoding").unwrap();
    assert_eq!(encoding, "identity");
    let bad =
        pb::CompleteJobRequest { job_key: 1 << 51, variables: "[1]".repeat(1000), result: None };
    let refused = client.complete_job(bad).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    // Small on the wire, too large when it is unpacked.
    let bomb =
        pb::CompleteJobRequest { job_key: 1 << 51, variables: " ".repeat(8 << 20), result: None };
    let refused = client.complete_job(bomb).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_have_the_codes_of_the_table() {
    let stage = stage(|config| config.cluster.request_timeout = Duration::from_millis(300)).await;
    let complete = |key| pb::CompleteJobRequest { job_key: key, ..Default::default() };
    let mut client = stage.client();
    let missing = client.complete_job(complete(0)).await.unwrap_err();
    assert_eq!(missing.code(), Code::Unavailable);
    assert!(missing.message().contains("partition 0"), "{missing}");
    for (error, code) in [
        (ErrorCode::ResourceExhausted, Code::ResourceExhausted),
        (ErrorCode::MalformedRequest, Code::InvalidArgument),
        (ErrorCode::InternalError, Code::Internal),
    ] {
        stage.broker.state().error = Some(error);
        let status = client.complete_job(complete(1 << 51)).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
    }
    stage.broker.state().silent = true;
    let late = client.complete_job(complete(1 << 51)).await.unwrap_err();
    assert_eq!(late.code(), Code::DeadlineExceeded);
    assert!(late.message().starts_with("Time out between gateway and broker: "), "{late}");
    let tenant = pb::PublishMessageRequest { tenant_id: "foo".into(), ..Default::default() };
    let refused = client.publish_message(tenant).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_ends_at_the_clients_deadline() {
    let stage = stage(|_| ()).await;
    stage.broker.state().silent = true;
    let mut request =
        Request::new(pb::CompleteJobRequest { job_key: 1 << 51, ..Default::default() });
    request.set_timeout(Duration::from_millis(200));
    let begin = Instant::now();
    let status = stage.client().complete_job(request).await.unwrap_err();
    assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status}");
    assert!(begin.elapsed() < Duration::from_secs(10));
}

fn activation(request_timeout: i64) -> pb::ActivateJobsRequest {
    pb::ActivateJobsRequest {
        r#type: "t".into(),
        worker: "w".into(),
        timeout: 60_000,
        max_jobs_to_activate: 10,
        request_timeout,
        ..Default::default()
    }
}

/// All messages of a poll.
async fn poll(
    stage: &Stage,
    request: pb::ActivateJobsRequest,
) -> Result<Vec<pb::ActivateJobsResponse>, Status> {
    let all = async {
        let mut stream = stage.client().activate_jobs(request).await?.into_inner();
        let mut messages = Vec::new();
        while let Some(message) = stream.message().await? {
            messages.push(message);
        }
        Ok(messages)
    };
    tokio::time::timeout(PATIENCE, all).await.expect("ends in time")
}

const NO_VARIABLES: Bytes = Bytes::from_static(&[0x80]);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poll_gets_one_message_per_partition_with_jobs() {
    let stage = stage(|_| ()).await;
    let keys = {
        let mut state = stage.broker.state();
        [1, 2].map(|partition| state.add_job(partition, &NO_VARIABLES))
    };
    let messages = poll(&stage, activation(-1)).await.unwrap();
    assert_eq!(messages.len(), 2);
    let mut delivered: Vec<i64> =
        messages.iter().flat_map(|message| message.jobs.iter().map(|job| job.key)).collect();
    delivered.sort_unstable();
    assert_eq!(delivered, keys);
    assert_eq!(messages[0].jobs[0].variables, "{}");
    assert_eq!(stage.broker.state().activations, 3);
    assert_eq!(stage.broker.state().failed, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polls_end_as_the_protocol_says() {
    let stage = stage(|_| ()).await;
    assert_eq!(poll(&stage, activation(-1)).await.unwrap(), []);
    let begin = Instant::now();
    assert_eq!(poll(&stage, activation(300)).await.unwrap(), []);
    assert!(begin.elapsed() >= Duration::from_millis(300));
    let asked = stage.broker.state().activations;
    let none = pb::ActivateJobsRequest { max_jobs_to_activate: 0, ..activation(-1) };
    assert_eq!(poll(&stage, none).await.unwrap(), []);
    assert_eq!(stage.broker.state().activations, asked);
    let rejected = pb::ActivateJobsRequest { timeout: 0, ..activation(-1) };
    let rejected = poll(&stage, rejected).await.unwrap_err();
    assert_eq!(rejected.code(), Code::InvalidArgument);
    assert!(rejected.message().starts_with("Command 'ACTIVATE' rejected with code"), "{rejected}");
    stage.broker.state().error = Some(ErrorCode::ResourceExhausted);
    let exhausted = poll(&stage, activation(-1)).await.unwrap_err();
    assert_eq!(exhausted.code(), Code::ResourceExhausted);
    assert!(exhausted.message().starts_with("Expected to activate jobs of type 't'"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_poll_is_woken_by_a_new_leader() {
    let stage = stage(|_| ()).await;
    stage.gateway.publish(stage.broker.view(1));
    stage.broker.state().add_job(3, &NO_VARIABLES);
    let waiting = poll(&stage, activation(60_000));
    let wake = async {
        while stage.broker.state().activations == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        stage.gateway.publish(stage.broker.view(3));
    };
    let (messages, ()) = tokio::join!(waiting, wake);
    assert_eq!(messages.unwrap().len(), 1);
}

/// Waits until the condition holds.
async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < PATIENCE, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_do_not_fit_the_message_are_given_back() {
    let stage = stage(|config| config.grpc.max_message_size = 1000).await;
    // {"a": "xxx…"}: 300 bytes of text.
    let mut variables = vec![0x81, 0xa1, b'a', 0xda, 0x01, 0x2c];
    variables.extend([b'x'; 300]);
    let variables = Bytes::from(variables);
    let keys: Vec<i64> = {
        let mut state = stage.broker.state();
        (0..3).map(|_| state.add_job(1, &variables)).collect()
    };
    let messages = poll(&stage, activation(-1)).await.unwrap();
    let delivered: Vec<i64> =
        messages.iter().flat_map(|message| message.jobs.iter().map(|job| job.key)).collect();
    assert_eq!(delivered, keys[..2]);
    eventually("given back", || stage.broker.state().failed.len() == 1).await;
    let failed = stage.broker.state().failed.clone();
    let reason = "the response is bigger than the maximum allowed message size 1000".to_owned();
    assert_eq!(failed, [(keys[2], 3, reason)]);
    assert_eq!(stage.broker.state().pauses, [0], "the next poll can have it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_fits_no_message_fails_with_the_reason_and_a_pause() {
    for exact in [false, true] {
        let stage = stage(|config| {
            config.grpc.max_message_size = 1000;
            config.compatibility.exact = exact;
        })
        .await;
        // {"a": "xxx…"}: 1000 bytes of text.
        let mut variables = vec![0x81, 0xa1, b'a', 0xda, 0x03, 0xe8];
        variables.extend([b'x'; 1000]);
        let key = stage.broker.state().add_job(1, &Bytes::from(variables));
        let answer = poll(&stage, activation(300)).await;
        assert_eq!(answer.unwrap(), [], "it waits and ends as if empty");
        let state = stage.broker.state();
        let [(failed, retries, reason)] = &state.failed[..] else { panic!("{:?}", state.failed) };
        assert_eq!((*failed, &state.pauses[..]), (key, &[10_000][..]));
        if exact {
            let jvm = "the response is bigger than the maximum allowed message size 1000";
            assert_eq!((*retries, reason.as_str()), (3, jvm));
        } else {
            let named = format!("Job {key} of type '");
            assert!(*retries == 2 && reason.starts_with(&named), "{retries} {reason}");
            assert!(reason.contains("message size is 1000"), "{reason}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_request_message_is_refused() {
    let stage = stage(|_| ()).await;
    let send = async |count: usize| {
        let mut client = tonic::client::Grpc::new(stage.channel.clone());
        client.ready().await.unwrap();
        let messages = tokio_stream::iter(vec![Bytes::new(); count]);
        let path = http::uri::PathAndQuery::from_static("/gateway_protocol.Gateway/Topology");
        let call = client.client_streaming(Request::new(messages), path, Raw);
        tokio::time::timeout(PATIENCE, call).await.expect("answered in time")
    };
    assert!(send(1).await.is_ok());
    let refused = send(2).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::Internal, "Too many requests"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_a_client_that_went_away_are_given_back() {
    let stage = stage(|_| ()).await;
    // The client gives up while the broker has not answered; the answer comes with jobs.
    stage.gateway.publish(stage.broker.view(1));
    let request = pb::ActivateJobsRequest { max_jobs_to_activate: 1, ..activation(60_000) };
    let mut client = stage.client();
    let waiting = tokio::spawn(async move { client.activate_jobs(request).await.map(|_| ()) });
    eventually("asked", || stage.broker.state().activations == 1).await;
    waiting.abort();
    assert!(waiting.await.is_err());
    let key = stage.broker.state().add_job(3, &NO_VARIABLES);
    stage.gateway.publish(stage.broker.view(3));
    // Either nobody asks any more, or the job comes back with its retries.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let waiting_jobs = stage.broker.state().jobs[&3].len();
    let failed = stage.broker.state().failed.clone();
    assert_eq!(waiting_jobs + failed.len(), 1, "{failed:?}");
    assert!(failed.iter().all(|(failed, retries, _)| (*failed, *retries) == (key, 3)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn job_streams_open_without_brokers_and_check_their_request() {
    let stage = stage(|_| ()).await;
    let mut client = stage.client();
    let request = |job_type: &str, timeout| pb::StreamActivatedJobsRequest {
        r#type: job_type.into(),
        timeout,
        ..Default::default()
    };
    let blank = client.stream_activated_jobs(request(" ", 1)).await.unwrap_err();
    assert_eq!(blank.code(), Code::InvalidArgument);
    assert!(blank.details().is_empty());
    let late = client.stream_activated_jobs(request("t", 0)).await.unwrap_err();
    assert!(late.message().ends_with("but it was 0"), "{late}");
    let mut stream = client.stream_activated_jobs(request("t", 1000)).await.unwrap().into_inner();
    let silence = tokio::time::timeout(Duration::from_millis(200), stream.message()).await;
    assert!(silence.is_err(), "it stays open");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_told_until_the_end() {
    let mut stage = stage(|_| ()).await;
    let mut client = HealthClient::new(stage.channel.clone());
    for service in ["", "gateway_protocol.Gateway"] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let status = client.check(request).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving);
    }
    let unknown = HealthCheckRequest { service: "x".to_owned() };
    let refused = client.check(unknown.clone()).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::NotFound, "unknown service x"));
    let mut unknown = client.watch(unknown).await.unwrap().into_inner();
    let first = unknown.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::ServiceUnknown);
    drop(unknown);
    let mut watch = client.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    stage.stop.cancel();
    let last = tokio::time::timeout(PATIENCE, watch.message()).await.unwrap().unwrap().unwrap();
    assert_eq!(last.status(), ServingStatus::NotServing);
    drop((watch, client));
    let server = stage.server.take().unwrap();
    let joined = tokio::task::spawn_blocking(move || server.join());
    tokio::time::timeout(PATIENCE, joined).await.expect("stops in time").unwrap();
}
