//! Over loopback: what the unit tests of the parts cannot show.

mod client;
mod server;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::wire::address::Address;
use crate::wire::frame::Frame;

pub const LIMIT: usize = 1 << 20;
pub const HANDSHAKE: [u8; 6] = [0xeb, 0x6e, 0xec, 0x8a, 0, 2];
pub const SENDER: &[u8] = b"\x00\x09127.0.0.1\x00\x00\x79\x25";

pub fn endpoint(port: u16) -> Endpoint {
    let options =
        EndpointOptions { connect_timeout: Duration::from_secs(2), frame_bytes_max: LIMIT };
    Endpoint::new("zeebe-cluster", Address::new("127.0.0.1", port), options)
}

/// Fails the test instead of hanging it.
pub async fn soon<F: Future>(what: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(10), what).await.expect("takes too long")
}

/// A server with one handler of each kind, and its address. It stops with the test's runtime.
pub async fn serve(options: ServeOptions) -> Address {
    let listener = Listener::bind("127.0.0.1", 0).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut handlers = Handlers::new();
    handlers.on("echo", |message: Message, responder: Responder| responder.reply(message.payload));
    handlers.on("silent", |_: Message, _: Responder| {});
    handlers.on_async("fail", |_| async { Answer::Error("Buffer underflow.".to_owned()) });
    handlers.on_async("sender", |message| async move {
        Answer::Reply(Bytes::from(message.sender.to_string()))
    });
    handlers.on_async("slow", |message| async move {
        let millis = u64::from(message.payload[0]);
        tokio::time::sleep(Duration::from_millis(millis)).await;
        Answer::Reply(message.payload)
    });
    let stop = CancellationToken::new();
    tokio::spawn(listener.serve(endpoint(port), Arc::new(handlers), options, stop));
    Address::new("127.0.0.1", port)
}

pub async fn connect_raw(address: &Address) -> TcpStream {
    TcpStream::connect((&*address.host, address.port)).await.unwrap()
}

/// A raw connection after its handshake; the sender address is still to be written.
pub async fn shake_hands(address: &Address) -> TcpStream {
    let mut stream = connect_raw(address).await;
    stream.write_all(&HANDSHAKE).await.unwrap();
    let mut answer = [0; 6];
    soon(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer, HANDSHAKE);
    stream
}

/// Everything the peer sends until it closes.
pub async fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is as good as an orderly end here.
    let _reset = soon(stream.read_to_end(&mut bytes)).await;
    bytes
}

pub fn reply_of(frame: &Frame) -> (i64, crate::wire::frame::Status, Bytes) {
    match frame {
        Frame::Reply { id, status, payload } => (*id, *status, payload.clone()),
        Frame::Request { subject, .. } => panic!("a request for {subject}"),
    }
}
