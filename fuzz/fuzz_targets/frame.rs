//! Any byte stream as frames, cut in any way.

#![no_main]

use beegate::wire::Address;
use beegate::wire::frame::{
    Frame, FrameDecoder, FrameEncoder, FrameError, Handshake, ProtocolVersion,
};
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 1 << 16;

fn drain(
    decoder: &mut FrameDecoder,
    input: &mut BytesMut,
    frames: &mut Vec<Frame>,
) -> Result<(), FrameError> {
    while let Some(frame) = decoder.decode(input)? {
        frames.push(frame);
    }
    Ok(())
}

fuzz_target!(|data: (bool, u8, &[u8])| {
    let (first_version, cut, stream) = data;
    let version = if first_version { ProtocolVersion::V1 } else { ProtocolVersion::V2 };

    let mut whole = FrameDecoder::new(version, LIMIT);
    let (mut input, mut frames) = (BytesMut::from(stream), Vec::new());
    let outcome = drain(&mut whole, &mut input, &mut frames);

    // However the stream is cut, the frames and the error are the same.
    let mut pieces = FrameDecoder::new(version, LIMIT);
    let (mut input, mut again) = (BytesMut::new(), Vec::new());
    let mut outcome_again = Ok(());
    for piece in stream.chunks(usize::from(cut) + 1) {
        input.extend_from_slice(piece);
        outcome_again = drain(&mut pieces, &mut input, &mut again);
        if outcome_again.is_err() {
            break;
        }
    }
    assert_eq!((&outcome, &frames), (&outcome_again, &again));
    assert_eq!(whole.sender(), pieces.sender());

    // What was read can be written, and reads the same.
    let sender = Address::new("127.0.0.1", 26502);
    let mut encoder = FrameEncoder::new(version, &sender).expect("an address of either version");
    let mut written = BytesMut::new();
    for frame in &frames {
        match frame {
            Frame::Request { id, subject, payload } => {
                encoder.request(&mut written, *id, subject.as_str(), payload)
            }
            Frame::Reply { id, status, payload } => {
                encoder.reply(&mut written, *id, *status, payload)
            }
        }
        .expect("it was read, so it fits");
    }
    let (mut decoder, mut back) = (FrameDecoder::new(version, LIMIT), Vec::new());
    drain(&mut decoder, &mut written, &mut back).expect("frames of our own");
    assert_eq!(frames, back);

    if let Some(handshake) = Handshake::take(&mut BytesMut::from(stream)) {
        assert_eq!(handshake.encode(), stream[..Handshake::LEN]);
        _ = handshake.accept(handshake.preamble).expect("our own cluster");
        _ = handshake.confirm(0);
    }
});
