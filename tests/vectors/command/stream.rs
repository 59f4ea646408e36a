//! Job streams.

use beegate::model::StreamErrorCode;
use beegate::wire::record::{JobPush, JobStreamMetadata, Record};
use beegate::wire::sbe::Message;
use beegate::wire::sbe::stream::{
    AddStreamRequest, AddStreamResponse, PushStreamRequest, PushStreamResponse,
    RemoveStreamRequest, RemoveStreamResponse, StreamError, StreamErrorDetail,
};
use bytes::Bytes;
use uuid::Uuid;

use super::{assert_both_ways, assert_encodes, encoded, vector};
use crate::support::hex;

const ID: Uuid = Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10);

fn metadata() -> JobStreamMetadata {
    JobStreamMetadata {
        worker: "wk".to_owned(),
        timeout: 60_000,
        variables: vec!["a".to_owned(), "b".to_owned()],
        tenant_ids: vec!["<default>".to_owned()],
    }
}

#[test]
fn payloads() {
    let file = "stream/stream-metadata.hex";
    assert_eq!(hex(&metadata().to_bytes()), hex(&vector(file)));
    assert_eq!(JobStreamMetadata::from_bytes(&vector(file)).expect(file), metadata());
    let file = "stream/stream-push-payload.hex";
    let push = JobPush::from_bytes(&vector(file)).expect(file);
    assert_eq!(push.key, 2_251_799_813_685_257);
    assert_eq!(hex(&push.to_bytes()), hex(&vector(file)));
}

#[test]
fn requests() {
    let add = AddStreamRequest {
        id: ID,
        stream_type: "job-type".into(),
        metadata: metadata().to_bytes(),
    };
    assert_both_ways("stream/stream-add-request.hex", &add);
    assert_both_ways("stream/stream-remove-request.hex", &RemoveStreamRequest { id: ID });
    let payload = vector("stream/stream-push-payload.hex");
    assert_both_ways("stream/stream-push-request.hex", &PushStreamRequest { id: ID, payload });
}

#[test]
fn captured_requests() {
    let file = "stream/captured-stream-add.payload.hex";
    let add = AddStreamRequest::decode(&vector(file)).expect(file);
    assert_eq!(add.stream_type, "stream-job");
    let metadata = JobStreamMetadata::from_bytes(&add.metadata).expect(file);
    assert_eq!((metadata.worker.as_str(), metadata.timeout), ("sw", 60_000));
    assert_encodes(file, &AddStreamRequest { metadata: metadata.to_bytes(), ..add });
    let file = "stream/captured-stream-push.payload.hex";
    let push = PushStreamRequest::decode(&vector(file)).expect(file);
    let job = JobPush::from_bytes(&push.payload).expect(file);
    assert_eq!((job.record.job_type.as_str(), job.record.worker.as_str()), ("stream-job", "sw"));
    assert_encodes(file, &push);
}

#[test]
fn replies() {
    assert_both_ways("stream/stream-add-response.hex", &AddStreamResponse);
    assert_both_ways("stream/stream-remove-response.hex", &RemoveStreamResponse);
    assert_both_ways("stream/stream-push-response.hex", &PushStreamResponse);
    let mut error = StreamError {
        code: StreamErrorCode::Exhausted,
        message: "top".to_owned(),
        details: Vec::new(),
    };
    assert_both_ways("stream/stream-error-response-no-details.hex", &error);
    let detail = |code, message: &str| StreamErrorDetail { code, message: message.to_owned() };
    error.details.push(detail(StreamErrorCode::Blocked, "d1"));
    error.details.push(detail(StreamErrorCode::Internal, "d2x"));
    assert_both_ways("stream/stream-error-response-details.hex", &error);
}

/// The messages of job streams that were recorded together with the cluster protocol.
mod of_the_cluster_area {
    use super::*;

    const ID: Uuid = Uuid::from_u128(0xbe0b_8690_94dc_4c69_9274_9656_c18d_48e1);

    fn vector(file: &str) -> Bytes {
        crate::support::bytes("cluster", file).into()
    }

    #[track_caller]
    fn assert_both_ways<M: Message + PartialEq + std::fmt::Debug>(file: &str, message: &M) {
        assert_eq!(hex(&encoded(message)), hex(&vector(file)), "{file}");
        assert_eq!(&M::decode(&vector(file)).expect(file), message, "{file}");
    }

    #[test]
    fn requests_and_payloads() {
        let metadata = JobStreamMetadata {
            worker: "w".to_owned(),
            timeout: 60_000,
            variables: vec!["x".to_owned()],
            tenant_ids: vec!["<default>".to_owned()],
        };
        assert_eq!(hex(&metadata.to_bytes()), hex(&vector("stream-metadata.hex")));
        let minimal = JobStreamMetadata {
            timeout: 1_000,
            tenant_ids: vec!["<default>".to_owned()],
            ..Default::default()
        };
        assert_eq!(hex(&minimal.to_bytes()), hex(&vector("stream-metadata-minimal.hex")));
        let metadata = metadata.to_bytes();
        let add = AddStreamRequest { id: ID, stream_type: "t1".into(), metadata };
        assert_both_ways("stream-add-request.hex", &add);
        assert_both_ways("stream-remove-request.hex", &RemoveStreamRequest { id: ID });

        let push = JobPush {
            key: 4_503_599_627_370_506,
            ..JobPush::from_bytes(&vector("stream-push-payload.hex")).expect("a push")
        };
        assert_eq!((push.record.job_type.as_str(), push.record.retries), ("t1", 3));
        assert_eq!((push.record.deadline, &*push.record.element_id), (1_700_000_060_000, "s1"));
        let payload = push.to_bytes();
        assert_both_ways("stream-push-request.hex", &PushStreamRequest { id: ID, payload });
    }

    #[test]
    fn replies() {
        assert_both_ways("stream-add-response.hex", &AddStreamResponse);
        assert_both_ways("stream-remove-response.hex", &RemoveStreamResponse);
        assert_both_ways("stream-push-response.hex", &PushStreamResponse);
        let detail = |code, message: &str| StreamErrorDetail { code, message: message.to_owned() };
        let not_found = StreamError {
            code: StreamErrorCode::NotFound,
            message: "nope".to_owned(),
            details: Vec::new(),
        };
        assert_both_ways("stream-error-not-found.hex", &not_found);
        let exhausted = StreamError {
            code: StreamErrorCode::Exhausted,
            message: "all blocked".to_owned(),
            details: vec![
                detail(StreamErrorCode::Blocked, "b1"),
                detail(StreamErrorCode::Internal, "i2"),
            ],
        };
        assert_both_ways("stream-error-exhausted.hex", &exhausted);
    }
}
