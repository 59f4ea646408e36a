//! Requests that cannot be read, on both frontends.

use std::pin::Pin;
use std::task::{Context, Poll};

use ::http::{Request, Response, header};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};
use tonic::Code;
use tonic::body::Body;
use tonic::codegen::Service as _;
use tonic::transport::Channel;

use super::stand::{Stand, creation, eventually, refused, task_process};

const SERVICE: &str = "/gateway_protocol.Gateway/";

/// A body of exactly these bytes.
struct Whole(Option<Bytes>);

impl HttpBody for Whole {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// Sends a body as it is; gives back status code and text of the answer.
async fn send(channel: &mut Channel, request: Request<Body>) -> Response<Body> {
    std::future::poll_fn(|cx| channel.poll_ready(cx)).await.expect("ready");
    let answer = tokio::time::timeout(crate::http::PATIENCE, channel.call(request)).await;
    answer.expect("answered in time").expect("an answer")
}

fn post(rpc: &str, body: impl Into<Bytes>) -> Request<Body> {
    Request::post(format!("http://beegate{SERVICE}{rpc}"))
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .body(Body::new(Whole(Some(body.into()))))
        .expect("a request")
}

fn status(response: &Response<Body>) -> (i32, String) {
    let text = |name: &str| {
        let value = response.headers().get(name).map(|value| value.to_str().expect("text"));
        value.unwrap_or_default().replace("%20", " ").replace("%27", "'")
    };
    (text("grpc-status").parse().expect("a status in the headers"), text("grpc-message"))
}

/// A message in its frame.
fn framed(flag: u8, length: usize, message: &[u8]) -> Bytes {
    let length = u32::try_from(length).expect("a length").to_be_bytes();
    [&[flag][..], &length, message].concat().into()
}

const RPCS: [&str; 19] = [
    "ActivateJobs",
    "StreamActivatedJobs",
    "CancelProcessInstance",
    "CompleteJob",
    "CreateProcessInstance",
    "CreateProcessInstanceWithResult",
    "EvaluateDecision",
    "DeployProcess",
    "DeployResource",
    "FailJob",
    "ThrowError",
    "PublishMessage",
    "ResolveIncident",
    "SetVariables",
    "UpdateJobRetries",
    "ModifyProcessInstance",
    "MigrateProcessInstance",
    "BroadcastSignal",
    "UpdateJobTimeout",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreadable_grpc_messages_get_the_recorded_status() {
    let stand = Stand::start(|_| ()).await;
    let mut channel = stand.channel().await;
    let malformed = (2, "Application error processing RPC".to_owned());
    // Cut in a length, endless varint, wrong wire type, group without end, field number 0.
    for message in [
        &[0x0a, 0xff][..],
        &[0x80; 11],
        &[0x0a, 0x7f, 1],
        &[0x0b, 0x0b],
        &[0x00, 0x01],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    ] {
        for rpc in RPCS {
            let frame = framed(0, message.len(), message);
            let response = send(&mut channel, post(rpc, frame)).await;
            assert_eq!(status(&response), malformed, "{rpc} {message:02x?}");
        }
    }
    // Invalid UTF-8 where a text belongs: the variables, and the process id.
    for message in [&[0x22, 2, 0xc3, 0x28][..], &[0x12, 1, 0xff]] {
        let frame = framed(0, message.len(), message);
        let response = send(&mut channel, post("CreateProcessInstance", frame)).await;
        assert_eq!(status(&response), malformed, "{message:02x?}");
    }
    drop(channel);
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_grpc_framing_gets_the_recorded_status() {
    let stand = Stand::start(|_| ()).await;
    let mut channel = stand.channel().await;
    let internal = |text: &str| (13, text.to_owned());
    let cut = internal("Encountered end-of-stream mid-frame");
    let compressed = internal("Can't decode compressed gRPC message as compression not configured");
    let too_large = (8, "gRPC message exceeds maximum size 4194304: 4294967295".to_owned());
    for (bytes, expected) in [
        (framed(0, 10, b"12"), cut.clone()),
        (Bytes::from_static(&[0, 0, 0]), cut),
        (Bytes::new(), internal("Half-closed without a request")),
        ([framed(0, 0, b""), framed(0, 0, b"")].concat().into(), internal("Too many requests")),
        (framed(1, 2, b"12"), compressed),
        (framed(0, u32::MAX as usize, b"12"), too_large),
    ] {
        let response = send(&mut channel, post("CompleteJob", bytes.clone())).await;
        assert_eq!(status(&response), expected, "{bytes:02x?}");
    }
    let response = send(&mut channel, post("CompleteJob", framed(7, 0, b""))).await;
    assert_eq!(status(&response).0, 13, "{response:?}");
    drop(response);
    let mut garbage = post("CompleteJob", framed(1, 4, b"gzip"));
    garbage.headers_mut().insert("grpc-encoding", "gzip".parse().expect("a value"));
    let response = send(&mut channel, garbage).await;
    assert_eq!(status(&response).0, 13, "{response:?}");
    drop(response);
    let mut html = post("CompleteJob", Bytes::new());
    html.headers_mut().insert(header::CONTENT_TYPE, "text/html".parse().expect("a value"));
    let response = send(&mut channel, html).await;
    assert_eq!(response.status(), 415);
    let text = "Content-Type 'text/html' is not supported".to_owned();
    assert_eq!(status(&response), (13, text));
    drop(response);
    // The connection survived all of it.
    let two = framed(0, 0, b"");
    assert_eq!(send(&mut channel, post("Topology", two)).await.status(), 200);
    drop(channel);
    stand.end().await;
}

/// What both frontends must refuse: the text, and the words that name its fault over gRPC.
fn not_documents() -> Vec<(String, &'static str)> {
    let unreadable = "Invalid JSON value: ";
    let not_object = "Property 'variables' is invalid: Expected document to be a root level object";
    let too_large = "MessagePack cannot serialize BigInteger larger than 2^64-1";
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let open = "{\"a\":".repeat(100_000);
    vec![
        ("{".into(), unreadable),
        ("{\"a\":}".into(), unreadable),
        ("{\"a\":NaN}".into(), unreadable),
        ("{\"a\":Infinity}".into(), unreadable),
        ("{\"a\":01}".into(), unreadable),
        ("{a:1}".into(), unreadable),
        ("{\"a\":\"\u{1}\"}".into(), unreadable),
        ("{\"a\":1,}".into(), unreadable),
        ("[1]".into(), not_object),
        ("\"text\"".into(), not_object),
        ("5".into(), not_object),
        ("{\"a\":18446744073709551616}".into(), too_large),
        ("{\"a\":-9223372036854775809}".into(), too_large),
        (deep, unreadable),
        (open, unreadable),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variables_that_are_no_document_are_refused_and_odd_ones_are_kept() {
    let stand = Stand::start(|_| ()).await;
    stand.deploy(&task_process("p", "odd")).await.expect("deploys");
    let mut client = stand.client().await;
    for (text, words) in not_documents() {
        let shown: String = text.chars().take(40).collect();
        let (code, message) = refused(client.create_process_instance(creation("p", &text)).await);
        assert_eq!(code, Code::InvalidArgument, "{shown}: {message}");
        assert!(message.starts_with(words), "{shown}: {message}");
        assert!(message.len() < 8192, "{shown}: {} bytes", message.len());
        let body = format!(r#"{{"processDefinitionId":"p","variables":{text}}}"#);
        let answer = stand.post("/v2/process-instances", body.as_bytes()).await;
        assert_eq!(answer.status, 400, "{shown}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(answer.json()["status"], 400);
    }
    assert_eq!(stand.count("process_instances"), 0, "nothing was executed");
    let text = r#"{"a":1,"a":2,"max":18446744073709551615,"huge":1e400}"#;
    client.create_process_instance(creation("p", text)).await.expect("created");
    let body = format!(r#"{{"processDefinitionId":"p","variables":{text}}}"#);
    let answer = stand.post("/v2/process-instances", body.as_bytes()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let jobs = super::stand::take(&mut client, "odd", 10).await;
    assert_eq!(jobs.len(), 2);
    for job in jobs {
        let variables: serde_json::Value = serde_json::from_str(&job.variables).expect("JSON");
        let expected = serde_json::json!({"a": 2, "max": u64::MAX, "huge": "Infinity"});
        assert_eq!(variables, expected);
        super::stand::complete(&mut client, job.key).await.expect("completes");
    }
    stand.engines_empty().await;
    drop(client);
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rest_bodies_that_cannot_be_read_are_refused() {
    let stand = Stand::start(|_| ()).await;
    let bodies: [&[u8]; 9] = [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe\x00",
        b"{\"processDefinitionId\":\"\xc3\x28\"}",
        b"{\"processDefinitionId\":{}}",
        b"{\"processDefinitionKey\":\"abc\"}",
        b"{\"processDefinitionKey\":1e3}",
    ];
    let paths = [
        "/v2/process-instances",
        "/v2/process-instances/2251799813685249/cancellation",
        "/v2/jobs/activation",
        "/v2/messages/publication",
        "/v2/signals/broadcast",
    ];
    for path in paths {
        for body in bodies {
            let answer = stand.post(path, body).await;
            let client_error = (400..500).contains(&answer.status);
            assert!(client_error, "{path} {}: {answer:?}", body.escape_ascii());
            assert_eq!(answer.json()["status"], answer.status, "{path}");
        }
    }
    for key in ["0", "-1", "abc", "99999999999999999999", "1e3", "%00"] {
        let path = format!("/v2/process-instances/{key}/cancellation");
        let answer = stand.post(&path, b"{}").await;
        let wanted = if matches!(key, "0" | "-1") { 503 } else { 400 };
        assert_eq!(answer.status, wanted, "{path}: {answer:?}");
    }
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_is_refused_by_who_knows_it() {
    let stand = Stand::start(|_| ()).await;
    stand.deploy(&task_process("p", "large")).await.expect("deploys");
    let mut client = stand.client().await;
    let variables = |bytes: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes));
    let (code, message) =
        refused(client.create_process_instance(creation("p", &variables(5_000_000))).await);
    assert_eq!(code, Code::ResourceExhausted);
    assert!(message.starts_with("gRPC message exceeds maximum size 4194304: 50000"), "{message}");
    let rest = |bytes: usize| {
        format!(r#"{{"processDefinitionId":"p","variables":{}}}"#, variables(bytes)).into_bytes()
    };
    let answer = stand.post("/v2/process-instances", &rest(5_000_000)).await;
    assert_eq!(answer.status, 413, "{answer:?}");

    // Fits the gateway, but not the broker's batch: its rejection, at once.
    let (code, message) =
        refused(client.create_process_instance(creation("p", &variables(3_900_000))).await);
    assert_eq!(code, Code::Unknown, "{message}");
    let words = "Command 'CREATE' rejected with code 'EXCEEDED_BATCH_RECORD_SIZE': ";
    assert!(message.starts_with(words), "{message}");
    let answer = stand.post("/v2/process-instances", &rest(3_900_000)).await;
    assert_eq!(
        (answer.status, &answer.json()["title"]),
        (500, &"EXCEEDED_BATCH_RECORD_SIZE".into())
    );
    assert_eq!(stand.count("process_instances"), 0);

    // The same with the commands that change an instance.
    client.create_process_instance(creation("p", "{}")).await.expect("created");
    let job = super::stand::take(&mut client, "large", 1).await.remove(0);
    let set = beegate::api::grpc::proto::SetVariablesRequest {
        element_instance_key: job.process_instance_key,
        variables: variables(3_900_000),
        ..Default::default()
    };
    let (code, message) = refused(client.set_variables(set).await);
    assert!(matches!(code, Code::Unknown | Code::InvalidArgument), "{code:?} {message}");
    let complete = beegate::api::grpc::proto::CompleteJobRequest {
        job_key: job.key,
        variables: variables(3_900_000),
        ..Default::default()
    };
    let (code, message) = refused(client.complete_job(complete).await);
    assert!(matches!(code, Code::Unknown | Code::InvalidArgument), "{code:?} {message}");
    super::stand::complete(&mut client, job.key).await.expect("the job is still there");
    stand.engines_empty().await;
    drop(client);
    eventually("gone", || stand.sessions() == 0).await;
    stand.end().await;
}

/// Brackets and values in any order.
fn nested() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let piece = prop_oneof![
        4 => (1..3000_usize).prop_map(|times| "[".repeat(times)),
        4 => (1..3000_usize).prop_map(|times| "]".repeat(times)),
        2 => (1..3000_usize).prop_map(|times| "{\"a\":".repeat(times)),
        2 => (1..3000_usize).prop_map(|times| "}".repeat(times)),
        1 => prop_oneof![Just("1"), Just(","), Just("\"x\""), Just("null"), Just(" ")]
            .prop_map(str::to_owned),
    ];
    proptest::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat())
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// On a stack smaller than any thread of ours has, there is an answer to any nesting; what is read
    /// is no deeper than the limit and comes out as it went in.
    #[test]
    fn nesting_is_followed_to_its_limit_and_no_further(text in nested()) {
        use beegate::wire::msgpack::json::{JsonDialect, json_to_msgpack, msgpack_to_json};
        let text = format!("{{\"a\":{text}");
        let check = move || {
            for dialect in [JsonDialect::Strict, JsonDialect::Lenient] {
                let begin = std::time::Instant::now();
                if let Ok(bytes) = json_to_msgpack(&text, dialect) {
                    let again = msgpack_to_json(&bytes).expect("what was read can be written");
                    assert!(depth_of(&again) <= dialect.max_depth());
                    assert_eq!(json_to_msgpack(&again, dialect).expect("readable"), bytes);
                }
                assert!(begin.elapsed() < crate::http::PATIENCE);
            }
        };
        let thread = std::thread::Builder::new().stack_size(256 * 1024);
        thread.spawn(check).expect("starts").join().expect("an answer, and no overflow");
    }
}

/// How deep brackets nest in a text without brackets in its strings.
fn depth_of(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut deepest = 0;
    for char in text.chars() {
        match char {
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}
