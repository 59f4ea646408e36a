//! Recorded conversations between real programs: every byte of every connection is read.

use std::collections::{BTreeMap, HashMap};

use beegate::wire::frame::{
    Frame, FrameDecoder, Handshake, ProtocolVersion, Status, cluster_preamble,
};
use beegate::wire::sbe::{Message, stream};
use beegate::wire::swim::{Datagram, GOSSIP_SUBJECT, RequestKind, decode_gossip, encode_gossip};
use beegate::wire::{configuration, events};
use bytes::{Bytes, BytesMut};

use crate::support::{self, hex, unhex};

/// One direction of a connection.
struct Direction {
    input: BytesMut,
    decoder: Option<FrameDecoder>,
}

/// A connection: requests of the initiator that wait for a reply, and both directions.
struct Connection {
    directions: [Direction; 2],
    waiting: HashMap<i64, String>,
}

/// What was seen, by subject.
#[derive(Default)]
struct Tally {
    requests: BTreeMap<String, usize>,
    replies: BTreeMap<(String, &'static str), usize>,
    datagrams: usize,
    /// Membership messages that we would write with exactly the recorded bytes.
    identical: usize,
    different: usize,
}

const INITIATOR: usize = 0;

impl Connection {
    fn new() -> Self {
        let direction = || Direction { input: BytesMut::new(), decoder: None };
        Self { directions: [direction(), direction()], waiting: HashMap::new() }
    }

    /// A connection whose beginning was not recorded: handshake and senders are past.
    fn midway() -> Self {
        let mut connection = Self::new();
        for direction in &mut connection.directions {
            let mut decoder = FrameDecoder::new(ProtocolVersion::V2, 1 << 20);
            let mut sender = BytesMut::from(&b"\0\x01h\0\0\0\x01"[..]);
            assert_eq!(decoder.decode(&mut sender), Ok(None));
            direction.decoder = Some(decoder);
        }
        connection
    }

    fn feed(&mut self, from: usize, bytes: &[u8], tally: &mut Tally) {
        let direction = &mut self.directions[from];
        direction.input.extend_from_slice(bytes);
        if direction.decoder.is_none() {
            let Some(handshake) = Handshake::take(&mut direction.input) else { return };
            let version = handshake.confirm(cluster_preamble("zeebe-cluster"));
            assert_eq!(version, Ok(ProtocolVersion::V2));
            direction.decoder = Some(FrameDecoder::new(ProtocolVersion::V2, 1 << 20));
        }
        while let Some(frame) = self.next_frame(from) {
            match frame {
                Frame::Request { id, subject, payload } => {
                    assert_eq!(from, INITIATOR, "requests flow from the initiator");
                    check_request(subject.as_str(), &payload, tally);
                    self.waiting.insert(id, subject.to_string());
                }
                Frame::Reply { id, status, payload } => {
                    let subject = self.waiting.remove(&id).expect("a reply to a request");
                    check_reply(&subject, status, &payload, tally);
                }
            }
        }
    }

    fn next_frame(&mut self, from: usize) -> Option<Frame> {
        let Direction { input, decoder } = &mut self.directions[from];
        decoder.as_mut()?.decode(input).expect("frames as real programs write them")
    }
}

fn check_request(subject: &str, payload: &Bytes, tally: &mut Tally) {
    let name = subject.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
    *tally.requests.entry(name).or_default() += 1;
    if let Some(kind) = RequestKind::from_subject(subject) {
        let request = kind.decode_request(payload).expect("a membership request");
        tally.compare(payload, &request.encode());
        return;
    }
    match subject {
        configuration::SYNC_SUBJECT | configuration::GOSSIP_SUBJECT => {
            let decoded = configuration::decode(payload).expect("a configuration");
            assert_eq!(hex(&configuration::encode(decoded.as_ref())), hex(payload));
        }
        events::JOBS_AVAILABLE => {
            let job_type = events::decode_jobs_available(payload).expect("a job type");
            assert_eq!(hex(&events::encode_jobs_available(&job_type)), hex(payload));
        }
        "stream-add" => same_message::<stream::AddStreamRequest>(payload),
        "stream-push" => same_message::<stream::PushStreamRequest>(payload),
        "stream-remove" => same_message::<stream::RemoveStreamRequest>(payload),
        "stream-recreate" => assert!(payload.is_empty(), "it has no payload"),
        _ => assert!(subject.starts_with("command-api-"), "{subject} is read by no codec"),
    }
}

/// Reads an SBE message and writes it again.
fn same_message<M: Message>(payload: &Bytes) {
    let mut written = BytesMut::new();
    M::decode(payload).expect("an SBE message").encode(&mut written);
    assert_eq!(hex(&written), hex(payload));
}

fn check_reply(subject: &str, status: Status, payload: &Bytes, tally: &mut Tally) {
    let outcome = match status {
        Status::Ok => "ok",
        Status::NoHandler => "no handler",
        other => panic!("{subject}: {other:?}"),
    };
    let name = subject.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
    *tally.replies.entry((name, outcome)).or_default() += 1;
    if status == Status::NoHandler {
        assert_eq!(&payload[..], subject.as_bytes(), "the payload repeats the subject");
        return;
    }
    if let Some(kind) = RequestKind::from_subject(subject) {
        let response = kind.decode_response(payload).expect("a membership response");
        tally.compare(payload, &response.encode());
        return;
    }
    match subject {
        configuration::SYNC_SUBJECT => {
            configuration::decode(payload).expect("a configuration");
        }
        "stream-add" => same_message::<stream::AddStreamResponse>(payload),
        "stream-push" => same_message::<stream::PushStreamResponse>(payload),
        "stream-remove" => same_message::<stream::RemoveStreamResponse>(payload),
        "stream-recreate" | events::JOBS_AVAILABLE => assert!(payload.is_empty()),
        _ => assert!(subject.starts_with("command-api-"), "{subject} is read by no codec"),
    }
}

impl Tally {
    fn compare(&mut self, recorded: &[u8], ours: &[u8]) {
        if recorded == ours {
            self.identical += 1;
        } else {
            self.different += 1;
        }
    }

    fn datagram(&mut self, bytes: &[u8]) {
        let preamble = cluster_preamble("zeebe-cluster");
        let datagram = Datagram::decode(bytes, preamble).expect("a datagram");
        assert_eq!(datagram.subject, GOSSIP_SUBJECT);
        assert_eq!(hex(&datagram.encode(preamble)), hex(bytes));
        let updates = decode_gossip(&datagram.payload).expect("gossip");
        assert!(!updates.is_empty());
        self.compare(&datagram.payload, &encode_gossip(&updates));
        self.datagrams += 1;
    }
}

fn replay(file: &str) -> Tally {
    let mut tally = Tally::default();
    let mut connections = BTreeMap::new();
    let recording = support::text("cluster", file);
    for line in recording.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, last) = (words[1], words[words.len() - 1]);
        if name.eq_ignore_ascii_case("udp") {
            tally.datagram(&unhex(last));
            continue;
        }
        if words[2] == "OPEN" {
            connections.insert(name, Connection::new());
        }
        let Some(direction) = words.iter().find(|word| ["<", ">"].contains(word)) else {
            continue;
        };
        // Connections named `i` were opened by the peer of the recording program.
        let initiator_sends = (*direction == ">") != name.starts_with('i');
        let from = usize::from(!initiator_sends);
        let recorded_from_start = !name.starts_with('c');
        let connection = connections.entry(name).or_insert_with(|| {
            if recorded_from_start { Connection::new() } else { Connection::midway() }
        });
        connection.feed(from, &unhex(last), &mut tally);
    }
    for (name, connection) in &connections {
        for direction in &connection.directions {
            assert!(direction.input.is_empty(), "{file}: {name} ends inside a frame");
        }
    }
    tally
}

/// Requests by subject and outcome; every request of these recordings was answered or is one-way.
fn answered(tally: &Tally) -> Vec<String> {
    let lines = tally.replies.iter();
    lines.map(|((subject, outcome), count)| format!("{subject} {outcome} {count}")).collect()
}

#[test]
fn java_gateway_startup() {
    let tally = replay("rec-java-gateway-startup.txt");
    let expected = [
        "atomix-membership-probe ok 25",
        "atomix-membership-sync ok 3",
        "cluster-topology-sync no handler 1",
        "cluster-topology-sync ok 1",
        "stream-recreate no handler 1",
    ];
    assert_eq!(answered(&tally), expected);
    assert_eq!(tally.requests["cluster-topology-gossip"], 1);
    assert_eq!(tally.datagrams, 5);
    assert_eq!((tally.identical, tally.different), (61, 0));
}

#[test]
fn java_gateway_jobs() {
    let tally = replay("rec-java-gateway-jobs.txt");
    let expected = [
        "atomix-membership-probe ok 33",
        "atomix-membership-sync ok 4",
        "cluster-topology-sync ok 2",
        "command-api- ok 10",
        "jobsAvailable ok 1",
        "stream-add ok 1",
        "stream-push ok 1",
        "stream-remove ok 1",
    ];
    assert_eq!(answered(&tally), expected);
    assert_eq!((tally.identical, tally.different), (74, 0));
}

#[test]
fn minimal_conversation() {
    let tally = replay("rec-minimal-conversation.txt");
    let expected = [
        "atomix-membership-probe ok 23",
        "atomix-membership-sync ok 2",
        "cluster-topology-sync ok 2",
        "command-api- ok 1",
        "stream-recreate ok 1",
    ];
    assert_eq!(answered(&tally), expected);
    assert_eq!(tally.datagrams, 1);
    // The script cuts its chunks differently; what the broker wrote, we write alike.
    assert_eq!((tally.identical, tally.different), (26, 25));
}
