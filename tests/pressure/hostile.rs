//! Input made to cost much: bombs, bottomless nesting, endless strings. It is answered soon, and costs
//! no more memory than its size.

use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use beegate::api::grpc::proto as pb;
use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress};
use http_body::{Body as HttpBody, Frame};
use tonic::Code;
use tonic::body::Body;
use tonic::codegen::Service as _;
use tonic::transport::Channel;

use crate::process::{MIB, PATIENCE, Process, creation, document};

/// Much more than any of it takes on an idle machine.
const SOON: Duration = Duration::from_secs(20);

/// A gzip stream of 4 MB that inflates to 4 GB: the same compressed mebibyte again and again.
fn bomb() -> Vec<u8> {
    let mut deflate = Compress::new(Compression::best(), false);
    let mut mebibyte = Vec::with_capacity(64 * 1024);
    deflate.compress_vec(&vec![0; MIB], &mut mebibyte, FlushCompress::Full).expect("compresses");
    let mut bomb = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    while bomb.len() + mebibyte.len() <= 4 * MIB {
        bomb.extend_from_slice(&mebibyte);
    }
    assert!(bomb.len() / mebibyte.len() > 3900, "{} bytes each", mebibyte.len());
    bomb
}

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

/// Sends message bytes that say that they are compressed; the status and its text, which are empty
/// for a success.
async fn send_compressed(channel: &mut Channel, message: &[u8]) -> (String, String) {
    let mut framed = vec![1];
    framed.extend(u32::try_from(message.len()).expect("a length").to_be_bytes());
    framed.extend_from_slice(message);
    let request = http::Request::post("http://a/gateway_protocol.Gateway/PublishMessage")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-encoding", "gzip")
        .body(Body::new(Whole(Some(framed.into()))))
        .expect("a request");
    std::future::poll_fn(|cx| channel.poll_ready(cx)).await.expect("ready");
    let answer = tokio::time::timeout(PATIENCE, channel.call(request)).await;
    let answer = answer.expect("in time").expect("an answer");
    let header = |name: &str| {
        let value = answer.headers().get(name).map(|value| value.to_str().expect("text"));
        value.unwrap_or_default().replace("%20", " ")
    };
    (header("grpc-status"), header("grpc-message"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bomb_costs_nothing() {
    let process = Process::start(&["threads.grpc=2"]).await;
    let channel = Channel::from_shared(process.grpc.clone()).expect("an address");
    let mut channel = channel.connect().await.expect("connects");
    // What any first compressed request needs.
    let mut small = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
    small.write_all(&[0x12, 1, b'k']).expect("compresses");
    let small = small.finish().expect("compresses");
    assert_eq!(send_compressed(&mut channel, &small).await.0, "");
    let (bomb, before) = (bomb(), process.peak());
    let begin = Instant::now();
    let (code, text) = send_compressed(&mut channel, &bomb).await;
    let (took, cost) = (begin.elapsed(), process.peak().saturating_sub(before));
    println!("4 GB: {took:?}, {} KiB", cost / 1024);
    assert_eq!((&*code, &*text), ("8", "Decompressed gRPC message exceeds maximum size 4194304"));
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(cost < 8 * MIB, "{cost} bytes");
    // Cut off, spoilt, and with something behind it.
    for spoilt in [&bomb[..20], b"gzip", &[]] {
        assert_eq!(send_compressed(&mut channel, spoilt).await.0, "13");
    }
    assert_eq!(send_compressed(&mut channel, &[&small[..], b"more"].concat()).await.0, "");
}

/// Texts that are hard on a reader of JSON, and whether they are a document after all.
fn hard() -> Vec<(&'static str, String, bool)> {
    let million = 1_000_000;
    vec![
        ("10^6 lists", format!("{{\"a\":{}{}}}", "[".repeat(million), "]".repeat(million)), false),
        ("10^6 open lists", format!("{{\"a\":{}", "[".repeat(million)), false),
        ("10^5 open objects", "{\"a\":".repeat(100_000), false),
        ("10^6 closed lists", "]".repeat(million), false),
        ("10^6 numbers", format!("{{\"a\":[{}1]}}", "1,".repeat(million)), true),
        ("10^5 times one name", format!("{{{}\"a\":1}}", "\"a\":1,".repeat(100_000)), true),
        ("10^6 digits", format!("{{\"a\":{}}}", "1".repeat(million)), false),
        ("10^6 digits behind the point", format!("{{\"a\":0.{}}}", "1".repeat(million)), true),
        ("an endless exponent", format!("{{\"a\":1e{}}}", "9".repeat(million)), true),
        ("10^6 escapes", format!("{{\"a\":\"{}\"}}", "\\u00e4".repeat(500_000)), true),
        ("no end", format!("{{\"a\":\"{}", "x".repeat(3_000_000)), false),
        ("NaN", "{\"a\":NaN}".to_owned(), false),
        ("2^53±1", "{\"a\":9007199254740991,\"b\":9007199254740993}".to_owned(), true),
        ("1e400", "{\"a\":1e400,\"b\":-1e400,\"c\":1e-400}".to_owned(), true),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hard_documents_are_answered_soon_and_cost_no_more_than_their_size() {
    let process = Process::start(&["threads.grpc=2", "threads.http=2"]).await;
    process.deploy("p").await;
    let mut client = process.client().await;
    let rest = reqwest::Client::new();
    // The largest there is, so that what is measured is not the first use of anything.
    drop(client.create_process_instance(creation("p", document(4_000_000))).await);
    let before = process.peak();
    for (name, text, is_document) in hard() {
        let begin = Instant::now();
        let answered = client.create_process_instance(creation("p", text.clone())).await;
        // A broker may still say that it is too much for it.
        let code = answered.as_ref().map_or_else(tonic::Status::code, |_| Code::Ok);
        assert_eq!(code == Code::InvalidArgument, !is_document, "{name}: {answered:?}");
        let body = format!(r#"{{"processDefinitionId":"p","variables":{text}}}"#);
        let post = rest
            .post(format!("{}/v2/process-instances", process.rest))
            .header("content-type", "application/json")
            .body(body);
        let answer = tokio::time::timeout(PATIENCE, post.send()).await.expect("in time");
        let status = answer.expect("an answer").status().as_u16();
        assert_eq!(status == 400, !is_document, "{name}: {status}");
        assert!(begin.elapsed() < SOON, "{name}: {:?}", begin.elapsed());
    }
    // A few copies of the largest of them: as it came, translated, on its way to the broker.
    let cost = process.peak().saturating_sub(before);
    println!("hard documents: {} MiB", cost / MIB);
    assert!(cost < 32 * MIB, "{cost} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_string_of_twenty_million_characters_needs_no_more_than_it_is_paid_for() {
    let large = ["grpc.max_message_size=24MB", "rest.max_body_size=24MB"];
    let process = Process::start(&large).await;
    let text = document(20_000_001);
    let before = process.peak();
    let begin = Instant::now();
    let mut client = process.client().await;
    let refused = client.create_process_instance(creation("p", text.clone())).await;
    println!("20 MB over gRPC: {refused:?} {:?}", begin.elapsed());
    assert!(refused.is_err(), "no broker takes it");
    let post = reqwest::Client::new()
        .post(format!("{}/v2/process-instances", process.rest))
        .header("content-type", "application/json")
        .body(format!(r#"{{"processDefinitionId":"p","variables":{text}}}"#));
    let status = post.send().await.expect("an answer").status();
    assert!(status.as_u16() >= 400, "{status}");
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    let cost = process.peak().saturating_sub(before);
    println!("20 MB: {} MiB", cost / MIB);
    // As it came, decoded, translated, on its way to the broker, each with room to grow; and the
    // allocator may keep what was used for the first while the second is served.
    assert!(cost < 9 * text.len(), "{cost} bytes");
    assert!(client.topology(pb::TopologyRequest {}).await.is_ok(), "it lives");
}
