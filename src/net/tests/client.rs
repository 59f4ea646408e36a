//! The asking side, against our own server and against scripted peers.

use tokio::net::TcpListener;

use super::*;

fn messenger(options: MessengerOptions) -> Messenger {
    Messenger::new(endpoint(31013), options)
}

async fn ask(messenger: &Messenger, to: &Address, subject: &str, body: &'static [u8]) -> Reply {
    soon(messenger.request(to, subject, Bytes::from_static(body), Duration::from_secs(5))).await
}

type Reply = Result<Bytes, RequestError>;

/// A peer that shakes hands and then does what the test says with the connection.
async fn scripted() -> (TcpListener, Address) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, Address::new("127.0.0.1", port))
}

async fn accept(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = soon(listener.accept()).await.unwrap();
    let mut offer = [0; 6];
    soon(stream.read_exact(&mut offer)).await.unwrap();
    stream.write_all(&offer).await.unwrap();
    stream
}

#[tokio::test]
async fn every_status_has_its_outcome() {
    let address = serve(ServeOptions::default()).await;
    let messenger = messenger(MessengerOptions::default());
    assert_eq!(ask(&messenger, &address, "echo", b"hello").await.unwrap(), "hello");
    assert_eq!(ask(&messenger, &address, "sender", b"").await.unwrap(), "127.0.0.1:31013");
    let error = ask(&messenger, &address, "nobody", b"").await.unwrap_err();
    assert_eq!(error.to_string(), format!("no remote handler for nobody at {address}"));
    let error = ask(&messenger, &address, "fail", b"").await.unwrap_err();
    assert!(matches!(&error, RequestError::Remote(text) if text == "Buffer underflow."));
    // Ids are counted over all messages of the endpoint.
    assert_eq!(messenger.endpoint().next_message_id(), 5);
}

#[tokio::test]
async fn many_requests_share_one_connection() {
    let address = serve(ServeOptions { connections: 1, ..ServeOptions::default() }).await;
    let messenger = messenger(MessengerOptions::default());
    let asked = (0..500_u16).map(|n| {
        let (messenger, address) = (messenger.clone(), address.clone());
        async move {
            let body = Bytes::copy_from_slice(&n.to_be_bytes());
            let timeout = Duration::from_secs(5);
            assert_eq!(messenger.request(&address, "echo", body.clone(), timeout).await?, body);
            Ok::<_, RequestError>(())
        }
    });
    for result in soon(futures::future::join_all(asked)).await {
        result.unwrap();
    }
}

#[tokio::test]
async fn a_timeout_leaves_the_connection_to_the_others() {
    let address = serve(ServeOptions { connections: 1, ..ServeOptions::default() }).await;
    let messenger = messenger(MessengerOptions::default());
    let short = Duration::from_millis(30);
    let late = messenger.request(&address, "slow", Bytes::from_static(&[60]), short);
    let other = ask(&messenger, &address, "slow", &[90]);
    let (late, other) = tokio::join!(late, other);
    let error = late.unwrap_err().to_string();
    assert_eq!(error, format!("request slow to {address} timed out in 30ms"));
    assert_eq!(other.unwrap(), &[90][..]);
}

#[tokio::test]
async fn one_way_messages_need_no_answer() {
    let (listener, address) = scripted().await;
    let messenger = messenger(MessengerOptions::default());
    messenger.send(&address, "jobsAvailable", Bytes::from_static(b"\x03\x74\xb1")).unwrap();
    let mut stream = accept(&listener).await;
    let mut received = [0; 15 + 3 + 3 + 2 + 13];
    soon(stream.read_exact(&mut received)).await.unwrap();
    assert_eq!(&received[..15], SENDER);
    assert_eq!(&received[15..], b"\x01\x01\x03\x03\x74\xb1\x00\x0djobsAvailable");
}

#[tokio::test]
async fn a_broken_connection_fails_what_was_sent_and_is_opened_again() {
    let (listener, address) = scripted().await;
    let messenger = messenger(MessengerOptions::default());
    let peer = async {
        let mut first = accept(&listener).await;
        let mut byte = [0];
        first.read_exact(&mut byte).await.unwrap();
        drop(first);
        let mut second = accept(&listener).await;
        let mut request = [0; 15 + 3 + 2 + 4];
        second.read_exact(&mut request).await.unwrap();
        let reply = b"\x00\x01h\x00\x00\x00\x01\x02\x02\x02ok\x00";
        second.write_all(reply).await.unwrap();
        second
    };
    let client = async {
        let error = ask(&messenger, &address, "echo", b"").await.unwrap_err();
        assert!(matches!(error, RequestError::Closed { .. }), "{error}");
        assert_eq!(ask(&messenger, &address, "echo", b"").await.unwrap(), "ok");
    };
    soon(async { tokio::join!(peer, client) }).await;
}

#[tokio::test]
async fn refused_and_foreign_peers_are_named() {
    let (listener, address) = scripted().await;
    let messenger = messenger(MessengerOptions::default());
    let foreign = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(&[0, 0, 0, 1, 0, 2]).await.unwrap();
        stream
    };
    let (error, _open) = tokio::join!(ask(&messenger, &address, "echo", b""), foreign);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("peer is of another cluster"), "{error}");
    drop(listener);
    let error = ask(&messenger, &address, "echo", b"").await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot connect to {address}")), "{error}");
    assert!(matches!(error, RequestError::Connect(_)));
}

#[tokio::test]
async fn a_peer_that_never_shakes_hands_times_out() {
    let (_listener, address) = scripted().await;
    let options =
        EndpointOptions { connect_timeout: Duration::from_millis(40), frame_bytes_max: LIMIT };
    let endpoint = Endpoint::new("zeebe-cluster", Address::new("127.0.0.1", 1), options);
    let error = soon(endpoint.dial(&address)).await.unwrap_err();
    assert_eq!(error.to_string(), format!("connecting to {address} timed out after 40ms"));
}

#[tokio::test]
async fn a_fresh_request_has_a_connection_of_its_own() {
    let (listener, address) = scripted().await;
    let messenger = messenger(MessengerOptions::default());
    let peer = async {
        let mut stream = accept(&listener).await;
        let mut request = [0; 15 + 3 + 4 + 2 + 23];
        stream.read_exact(&mut request).await.unwrap();
        // A heartbeat and a reply to nobody come first.
        let frames = b"\x00\x01h\x00\x00\x00\x01\x01\x63\x00\x00\x12internal-heartbeat\
                       \x02\x63\x00\x00\x02\x01\x03yes\x00";
        stream.write_all(frames).await.unwrap();
        read_to_end(&mut stream).await
    };
    let body = Bytes::from_static(b"ping");
    let timeout = Duration::from_secs(5);
    let asked = messenger.request_fresh(&address, "atomix-membership-probe", body, timeout);
    let (reply, rest) = soon(async { tokio::join!(asked, peer) }).await;
    assert_eq!(reply.unwrap(), "yes");
    assert!(rest.is_empty(), "closed after the reply");
}

#[tokio::test]
async fn what_is_over_the_limits_is_refused_before_it_is_sent() {
    let (_listener, address) = scripted().await;
    let messenger =
        messenger(MessengerOptions { peers: 1, queued_per_peer: 2, ..MessengerOptions::default() });
    messenger.send(&address, "a", Bytes::new()).unwrap();
    messenger.send(&address, "a", Bytes::new()).unwrap();
    let error = messenger.send(&address, "a", Bytes::new()).unwrap_err();
    assert!(matches!(error, RequestError::Overloaded { .. }), "{error}");
    let other = Address::new("127.0.0.1", 9);
    let error = messenger.send(&other, "a", Bytes::new()).unwrap_err();
    assert!(matches!(error, RequestError::Overloaded { .. }), "{error}");
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_opened_again_when_needed() {
    let (listener, address) = scripted().await;
    let messenger = messenger(MessengerOptions {
        idle_timeout: Duration::from_millis(10),
        ..MessengerOptions::default()
    });
    messenger.send(&address, "a", Bytes::new()).unwrap();
    let mut stream = accept(&listener).await;
    read_to_end(&mut stream).await;
    messenger.send(&address, "a", Bytes::new()).unwrap();
    accept(&listener).await;
}

#[tokio::test]
async fn the_transport_may_be_a_pipe_in_memory() {
    let (near, far) = tokio::io::duplex(64);
    let mut handlers = Handlers::new();
    handlers.on("echo", |message: Message, responder: Responder| responder.reply(message.payload));
    let server = endpoint(2);
    let serving = listen::serve_connection(far, &server, &handlers, ServeOptions::default());
    let asking = async {
        let peer = Address::new("127.0.0.1", 2);
        let mut connection = endpoint(1).initiate(near, &peer).await.unwrap();
        let body = vec![7; 5000];
        connection.writer.request(1, "echo", &body).unwrap();
        let Connection { mut reader, mut writer } = connection;
        let mut frames = Vec::new();
        let (flushed, read) = tokio::join!(writer.flush(), reader.read(&mut frames));
        flushed.unwrap();
        read.unwrap();
        assert_eq!(reply_of(&frames[0]).2, body);
        assert_eq!(reader.sender(), Some(&peer));
    };
    let (served, ()) = soon(async { tokio::join!(serving, asking) }).await;
    served.unwrap();
}
