//! Properties of the pair of encoder and decoder; golden bytes are in `tests/vectors`.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::*;

const LIMIT: usize = 1 << 16;

fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let payload = proptest::collection::vec(any::<u8>(), 0..300);
    let request = (any::<i64>(), "\\PC{0,40}", payload.clone()).prop_map(|(id, text, payload)| {
        let subject = Subject::new(Bytes::from(text)).unwrap();
        Frame::Request { id, subject, payload: payload.into() }
    });
    let reply = (any::<i64>(), 0u8..4, payload).prop_map(|(id, status, payload)| Frame::Reply {
        id,
        status: Status::from_wire(status).unwrap(),
        payload: payload.into(),
    });
    proptest::collection::vec(prop_oneof![request, reply], 0..6)
}

fn encode(version: ProtocolVersion, sender: &Address, frames: &[Frame]) -> BytesMut {
    let mut encoder = FrameEncoder::new(version, sender).unwrap();
    let mut out = BytesMut::new();
    for frame in frames {
        match frame {
            Frame::Request { id, subject, payload } => {
                encoder.request(&mut out, *id, subject.as_str(), payload).unwrap();
            }
            Frame::Reply { id, status, payload } => {
                encoder.reply(&mut out, *id, *status, payload).unwrap();
            }
        }
    }
    out
}

fn drain(decoder: &mut FrameDecoder, input: &mut BytesMut) -> Result<Vec<Frame>, FrameError> {
    let mut frames = Vec::new();
    while let Some(frame) = decoder.decode(input)? {
        frames.push(frame);
    }
    Ok(frames)
}

proptest! {
    #[test]
    fn any_split_gives_the_same_frames(
        frames in frames(),
        cuts in proptest::collection::vec(1usize..40, 0..60),
        v1: bool,
    ) {
        let version = if v1 { ProtocolVersion::V1 } else { ProtocolVersion::V2 };
        let sender = Address::new("127.0.0.1", 26502);
        let bytes = encode(version, &sender, &frames);
        let mut decoder = FrameDecoder::new(version, LIMIT);
        let (mut rest, mut input, mut seen) = (&bytes[..], BytesMut::new(), Vec::new());
        for cut in cuts {
            let (head, tail) = rest.split_at(cut.min(rest.len()));
            input.extend_from_slice(head);
            seen.extend(drain(&mut decoder, &mut input).unwrap());
            rest = tail;
        }
        input.extend_from_slice(rest);
        seen.extend(drain(&mut decoder, &mut input).unwrap());
        prop_assert_eq!(&seen, &frames);
        prop_assert!(input.is_empty());
        prop_assert_eq!(decoder.sender(), (!frames.is_empty()).then_some(&sender));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, v1: bool) {
        let version = if v1 { ProtocolVersion::V1 } else { ProtocolVersion::V2 };
        let mut input = BytesMut::from(&bytes[..]);
        let _typed = drain(&mut FrameDecoder::new(version, LIMIT), &mut input);
    }
}

#[test]
fn an_announced_length_above_the_limit_is_refused_before_it_arrives() {
    let mut input = BytesMut::from(&b"\x00\x01h\x00\x00\x00\x01\x01\x05\x81\x80\x04"[..]);
    let mut decoder = FrameDecoder::new(ProtocolVersion::V2, LIMIT);
    let error = FrameError::TooLarge { announced: 65537, limit: LIMIT };
    assert_eq!(decoder.decode(&mut input), Err(error));
}

#[test]
fn malformed_streams_have_precise_errors() {
    let cases: [(&[u8], FrameError); 7] = [
        (b"\x04\x01", FrameError::InvalidSender("host is too long")),
        (b"\x00\x01\xff\0\0\0\x01", FrameError::InvalidSender("host is not UTF-8")),
        (b"\x00\x01h\0\x01\0\0", FrameError::InvalidSender("port is out of range")),
        (b"\x00\x01h\0\0\0\x01\x03", FrameError::UnknownType(3)),
        (b"\x00\x01h\0\0\0\x01\x01\x05\xff\xff\xff\xff\xff", FrameError::InvalidLength),
        (b"\x00\x01h\0\0\0\x01\x02\x05\x00\x04", FrameError::UnknownStatus(4)),
        (b"\x00\x01h\0\0\0\x01\x01\x05\x00\x80\x00", FrameError::SubjectTooLong(32768)),
    ];
    for (bytes, error) in cases {
        let mut decoder = FrameDecoder::new(ProtocolVersion::V2, LIMIT);
        assert_eq!(decoder.decode(&mut BytesMut::from(bytes)), Err(error), "{bytes:02x?}");
    }
}

#[test]
fn version_1_refuses_a_name_as_sender() {
    let error = FrameEncoder::new(ProtocolVersion::V1, &Address::new("broker-0", 1)).err();
    assert_eq!(error, Some(FrameError::SenderNotIp("broker-0".to_owned())));
}
