//! Any bytes as every SBE message: an error, or a message that survives writing and reading.

#![no_main]

use beegate::wire::sbe::{
    CommandReply, ErrorResponse, ExecuteCommandRequest, ExecuteCommandResponse,
    ExecuteQueryRequest, ExecuteQueryResponse, Message, admin, backup, stream,
};
use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;

fn check<M: Message + PartialEq + std::fmt::Debug>(input: &Bytes) {
    let Ok(message) = M::decode(input) else { return };
    let mut out = BytesMut::new();
    message.encode(&mut out);
    assert_eq!(M::decode(&out.freeze()).as_ref(), Ok(&message));
}

fuzz_target!(|data: &[u8]| {
    let input = Bytes::copy_from_slice(data);
    _ = CommandReply::decode(&input);
    check::<ExecuteCommandRequest>(&input);
    check::<ExecuteCommandResponse>(&input);
    check::<ErrorResponse>(&input);
    check::<ExecuteQueryRequest>(&input);
    check::<ExecuteQueryResponse>(&input);
    check::<admin::AdminRequest>(&input);
    check::<admin::AdminResponse>(&input);
    check::<backup::BackupRequest>(&input);
    check::<backup::BackupStatusResponse>(&input);
    check::<backup::BackupListResponse>(&input);
    check::<stream::AddStreamRequest>(&input);
    check::<stream::RemoveStreamRequest>(&input);
    check::<stream::PushStreamRequest>(&input);
    check::<stream::StreamError>(&input);
});
