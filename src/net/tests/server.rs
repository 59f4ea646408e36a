//! The accepting side against raw bytes.

use super::*;
use crate::wire::frame::Status;

async fn collect(connection: &mut Connection<TcpStream>, count: usize) -> Vec<Frame> {
    let mut frames = Vec::new();
    while frames.len() < count {
        soon(connection.reader.read(&mut frames)).await.unwrap();
    }
    frames
}

#[tokio::test]
async fn a_frame_in_the_segment_of_the_handshake_is_not_lost() {
    let address = serve(ServeOptions::default()).await;
    let mut stream = connect_raw(&address).await;
    let mut bytes = HANDSHAKE.to_vec();
    bytes.extend_from_slice(SENDER);
    bytes.extend_from_slice(b"\x01\x07\x02hi\x00\x04echo");
    stream.write_all(&bytes).await.unwrap();
    let port = address.port.to_be_bytes();
    let mut expected = HANDSHAKE.to_vec();
    expected.extend_from_slice(b"\x00\x09127.0.0.1\x00\x00");
    expected.extend_from_slice(&port);
    expected.extend_from_slice(b"\x02\x07\x02hi\x00");
    let mut received = vec![0; expected.len()];
    soon(stream.read_exact(&mut received)).await.unwrap();
    assert_eq!(received, expected);
}

#[tokio::test]
async fn bytes_may_come_one_by_one() {
    let address = serve(ServeOptions::default()).await;
    let mut stream = connect_raw(&address).await;
    stream.set_nodelay(true).unwrap();
    let mut bytes = HANDSHAKE.to_vec();
    bytes.extend_from_slice(SENDER);
    bytes.extend_from_slice(b"\x01\x05\x00\x00\x06sender");
    for byte in bytes {
        stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut received = [0; 6 + 15 + 18];
    soon(stream.read_exact(&mut received)).await.unwrap();
    assert_eq!(&received[21..], b"\x02\x05\x0f127.0.0.1:31013");
}

#[tokio::test]
async fn another_cluster_is_refused_without_a_byte_and_an_unknown_version_gets_ours() {
    let address = serve(ServeOptions::default()).await;
    let mut stream = connect_raw(&address).await;
    stream.write_all(&[1, 2, 3, 4, 0, 2]).await.unwrap();
    assert_eq!(read_to_end(&mut stream).await, Vec::<u8>::new());
    let mut stream = connect_raw(&address).await;
    stream.write_all(&[0xeb, 0x6e, 0xec, 0x8a, 0, 9]).await.unwrap();
    let mut answer = [0; 6];
    soon(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer, HANDSHAKE);
}

#[tokio::test]
async fn a_peer_without_handshake_is_dropped() {
    let options =
        ServeOptions { handshake_timeout: Duration::from_millis(50), ..ServeOptions::default() };
    let address = serve(options).await;
    let mut stream = connect_raw(&address).await;
    stream.write_all(&HANDSHAKE[..5]).await.unwrap();
    assert_eq!(read_to_end(&mut stream).await, Vec::<u8>::new());
}

#[tokio::test]
async fn garbage_and_giant_frames_end_their_own_connection_only() {
    let address = serve(ServeOptions::default()).await;
    let good = endpoint(1).dial(&address).await.unwrap();
    for hostile in [
        &b"\xff\xff\xff\xff\xff\xff"[..],
        b"\x00\x01h\x00\x00\x00\x01\x09",
        b"\x00\x01h\x00\x00\x00\x01\x01\x05\xff\xff\xff\xff\x07",
        b"\x00\x01h\x00\x00\x00\x01\x01\x05\xff\xff\xff\xff\xff",
        b"\x00\x01h\x00\x00\x00\x01\x02\x05\x00\x63",
    ] {
        let mut stream = shake_hands(&address).await;
        stream.write_all(hostile).await.unwrap();
        assert_eq!(read_to_end(&mut stream).await, Vec::<u8>::new(), "{hostile:02x?}");
    }
    let Connection { reader, mut writer } = good;
    writer.request(1, "echo", b"still here").unwrap();
    writer.flush().await.unwrap();
    let mut connection = Connection::<TcpStream> { reader, writer };
    let frames = collect(&mut connection, 1).await;
    assert_eq!(reply_of(&frames[0]), (1, Status::Ok, Bytes::from_static(b"still here")));
}

#[tokio::test]
async fn requests_are_pipelined_and_answered_in_any_order() {
    let address = serve(ServeOptions::default()).await;
    let mut connection = endpoint(1).dial(&address).await.unwrap();
    let writer = &mut connection.writer;
    writer.request(1, "slow", &[100]).unwrap();
    writer.request(2, "echo", b"x").unwrap();
    writer.request(3, "nobody", b"").unwrap();
    writer.request(4, "silent", b"").unwrap();
    writer.request(5, "fail", b"").unwrap();
    writer.request(6, "internal-heartbeat-setup", b"\x05\0\x01\0\x0a\0\x02\0").unwrap();
    assert!(writer.buffered() > 0);
    writer.flush().await.unwrap();
    assert_eq!(connection.writer.buffered(), 0);
    let mut replies: Vec<_> = collect(&mut connection, 5).await.iter().map(reply_of).collect();
    assert_eq!(replies[4].0, 1, "the slow one comes last");
    replies.sort_by_key(|reply| reply.0);
    let expected = [
        (1, Status::Ok, &b"\x64"[..]),
        (2, Status::Ok, b"x"),
        (3, Status::NoHandler, b"nobody"),
        (5, Status::HandlerException, b"Buffer underflow."),
        (6, Status::NoHandler, b"internal-heartbeat-setup"),
    ];
    let expected = expected.map(|(id, status, text)| (id, status, Bytes::from_static(text)));
    assert_eq!(replies, expected);
}

#[tokio::test]
async fn a_heartbeat_is_answered_by_one_of_ours_and_by_no_reply() {
    let address = serve(ServeOptions::default()).await;
    let mut connection = endpoint(1).dial(&address).await.unwrap();
    connection.writer.request(1, HEARTBEAT_SUBJECT, b"").unwrap();
    connection.writer.request(2, "echo", b"").unwrap();
    connection.writer.flush().await.unwrap();
    let frames = collect(&mut connection, 1).await;
    assert_eq!(reply_of(&frames[0]).0, 2);
    // The server now knows that we know heartbeats; it sends one after 5 s of silence.
    let frames = collect(&mut connection, 1).await;
    let Frame::Request { subject, payload, .. } = &frames[0] else { panic!("{frames:?}") };
    assert_eq!(subject.as_str(), HEARTBEAT_SUBJECT);
    assert!(payload.is_empty());
}

#[tokio::test]
async fn connections_over_the_limit_are_closed_at_once() {
    let address = serve(ServeOptions { connections: 2, ..ServeOptions::default() }).await;
    let first = shake_hands(&address).await;
    let _second = shake_hands(&address).await;
    let mut third = connect_raw(&address).await;
    let _refused = third.write_all(&HANDSHAKE).await;
    assert_eq!(read_to_end(&mut third).await, Vec::<u8>::new());
    drop(first);
    soon(async {
        while endpoint(1).dial(&address).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn unanswered_requests_over_the_budget_stop_the_reading() {
    let options = ServeOptions { in_flight_bytes: 4 << 10, ..ServeOptions::default() };
    let address = serve(options).await;
    let mut connection = endpoint(1).dial(&address).await.unwrap();
    for id in 1..=4 {
        connection.writer.request(id, "slow", &[200]).unwrap();
    }
    connection.writer.request(5, "echo", b"").unwrap();
    connection.writer.flush().await.unwrap();
    let frames = collect(&mut connection, 5).await;
    // Without a budget the echo would come first.
    assert_ne!(reply_of(&frames[0]).0, 5);
}

#[tokio::test]
async fn version_1_is_spoken_with_who_offers_it() {
    let address = serve(ServeOptions::default()).await;
    let mut stream = connect_raw(&address).await;
    stream.write_all(&[0xeb, 0x6e, 0xec, 0x8a, 0, 1]).await.unwrap();
    stream.write_all(b"\x04\x7f\0\0\x01\0\0\x79\x25\x01\x01\0\0\x06sender").await.unwrap();
    let mut received = [0; 6 + 9 + 18];
    soon(stream.read_exact(&mut received)).await.unwrap();
    assert_eq!(&received[..11], b"\xeb\x6e\xec\x8a\0\x01\x04\x7f\0\0\x01");
    assert_eq!(&received[15..], b"\x02\x01\x0f127.0.0.1:31013");
}
