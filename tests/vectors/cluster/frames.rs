//! Handshake and frames.

use beegate::wire::Address;
use beegate::wire::frame::{
    Frame, FrameDecoder, FrameEncoder, Handshake, ProtocolVersion, Status, cluster_preamble,
};
use bytes::{Bytes, BytesMut};

use super::{assert_bytes, vector};
use crate::support::damage;

const LIMIT: usize = 4 << 20;

enum Message {
    Request(i64, &'static str, &'static [u8]),
    Reply(i64, Status, &'static [u8]),
}

use Message::{Reply, Request};

struct Stream {
    file: &'static str,
    version: ProtocolVersion,
    port: u16,
    messages: Vec<Message>,
}

fn stream(file: &'static str, port: u16, messages: Vec<Message>) -> Stream {
    Stream { file, version: ProtocolVersion::V2, port, messages }
}

fn streams() -> Vec<Stream> {
    let v1 = |stream: Stream| Stream { version: ProtocolVersion::V1, ..stream };
    let hello = || Request(1, "command-api-1", b"hello");
    let world = || Reply(1, Status::Ok, b"world");
    let (gateway, broker) = (31013, 26502);
    vec![
        stream("tcp-v2-request-first.hex", gateway, vec![hello()]),
        stream(
            "tcp-v2-request-two.hex",
            gateway,
            vec![hello(), Request(300, "atomix-membership-probe", b"")],
        ),
        stream("tcp-v2-request-big.hex", gateway, vec![Request(i64::MAX, "sé", &[0; 200])]),
        stream("tcp-v2-request-neg-id.hex", gateway, vec![Request(-1, "x", b"")]),
        stream("tcp-v2-reply-ok-first.hex", broker, vec![world()]),
        stream("tcp-v2-reply-two.hex", broker, vec![world(), Reply(300, Status::Ok, b"")]),
        stream(
            "tcp-v2-reply-no-handler.hex",
            broker,
            vec![Reply(7, Status::NoHandler, b"stream-add")],
        ),
        stream(
            "tcp-v2-reply-handler-exception.hex",
            broker,
            vec![Reply(8, Status::HandlerException, b"boom")],
        ),
        stream(
            "tcp-v2-reply-protocol-exception.hex",
            broker,
            vec![Reply(9, Status::ProtocolException, b"")],
        ),
        v1(stream("tcp-v1-request-first.hex", gateway, vec![hello()])),
        v1(stream("tcp-v1-reply-first.hex", broker, vec![world()])),
        stream(
            "event-jobsAvailable-frame.hex",
            broker,
            vec![Request(140, "jobsAvailable", b"\x03t\xb1")],
        ),
        stream("hb-867-heartbeat-frame.hex", 0, vec![Request(2, "internal-heartbeat", b"")]),
    ]
}

/// The heartbeat vector is a later frame of its connection, so no sender address precedes it.
fn has_sender(stream: &Stream) -> bool {
    stream.port != 0
}

fn decoder(stream: &Stream) -> FrameDecoder {
    let mut decoder = FrameDecoder::new(stream.version, LIMIT);
    if !has_sender(stream) {
        let mut sender = BytesMut::from(&b"\0\x01h\0\0\0\x01"[..]);
        assert_eq!(decoder.decode(&mut sender), Ok(None));
    }
    decoder
}

fn encode(stream: &Stream) -> BytesMut {
    let sender = Address::new("127.0.0.1", stream.port);
    let mut encoder = FrameEncoder::new(stream.version, &sender).unwrap();
    let mut out = BytesMut::new();
    if !has_sender(stream) {
        encoder.request(&mut out, 1, "first", b"").unwrap();
        out.clear();
    }
    for message in &stream.messages {
        match message {
            Request(id, subject, payload) => {
                encoder.request(&mut out, *id, subject, payload).unwrap();
            }
            Reply(id, status, payload) => encoder.reply(&mut out, *id, *status, payload).unwrap(),
        }
    }
    out
}

#[test]
fn streams_are_written_and_read_as_recorded() {
    for stream in streams() {
        assert_bytes(stream.file, &encode(&stream));
        let (mut decoder, mut input) = (decoder(&stream), BytesMut::from(&*vector(stream.file)));
        for message in &stream.messages {
            let frame = decoder.decode(&mut input).unwrap().expect("a whole frame");
            match (message, frame) {
                (Request(id, text, content), Frame::Request { id: found, subject, payload }) => {
                    assert_eq!((*id, *text), (found, subject.as_str()), "{}", stream.file);
                    assert_eq!(payload, Bytes::from_static(content), "{}", stream.file);
                }
                (Reply(id, outcome, content), Frame::Reply { id: found, status, payload }) => {
                    assert_eq!((*id, *outcome), (found, status), "{}", stream.file);
                    assert_eq!(payload, Bytes::from_static(content), "{}", stream.file);
                }
                (_, frame) => panic!("{}: {frame:?}", stream.file),
            }
        }
        assert_eq!(decoder.decode(&mut input), Ok(None), "{}", stream.file);
        assert!(input.is_empty(), "{}: bytes left", stream.file);
        if has_sender(&stream) {
            assert_eq!(decoder.sender(), Some(&Address::new("127.0.0.1", stream.port)));
        }
    }
}

#[test]
fn damaged_streams_give_errors_or_values() {
    for stream in streams() {
        damage(&vector(stream.file), |bytes| {
            let (mut decoder, mut input) = (decoder(&stream), BytesMut::from(bytes));
            let mut frames = 0;
            while let Ok(Some(_)) = decoder.decode(&mut input) {
                frames += 1;
            }
            assert!(frames <= bytes.len(), "frames out of nothing");
        });
    }
}

#[test]
fn handshakes() {
    for (file, name) in [
        ("tcp-handshake-client-v2.hex", "zeebe-cluster"),
        ("tcp-handshake-server-v2.hex", "zeebe-cluster"),
        ("tcp-handshake-cluster-abc-v2.hex", "abc"),
    ] {
        let preamble = cluster_preamble(name);
        assert_bytes(file, &Handshake::offer(preamble).encode());
        let mut input = BytesMut::from(&*vector(file));
        let offered = Handshake::take(&mut input).expect("six bytes");
        assert_eq!(offered.confirm(preamble), Ok(ProtocolVersion::V2));
        let (answer, version) = offered.accept(preamble).unwrap();
        assert_bytes(file, &answer.encode());
        assert_eq!(version, ProtocolVersion::V2);
    }
}
