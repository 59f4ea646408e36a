//! The command port: answers, refusals, limits, hostile bytes.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::wire::sbe::ExecuteQueryRequest;
use crate::wire::sbe::admin::{AdminRequest, AdminResponse};
use crate::wire::sbe::backup::BackupRequest;

#[tokio::test]
async fn commands_are_answered_by_their_partition() {
    let broker = scripted(Limits::default());
    let messenger = messenger();
    let payload = reply::encode(&command("hello"));
    // The partition in the request itself does not count (command-api §1.2).
    let answer = ask(&messenger, &broker, "command-api-3", payload).await.unwrap();
    let response = ExecuteCommandResponse::decode(&answer).unwrap();
    assert_eq!((response.partition, response.key), (3, 7));
    assert_eq!(response.value_type, ValueType::Message);
    assert_eq!(response.value, "hello");
    assert_eq!(run(&messenger, &broker, "later").await, "later");
    assert_eq!(run(&messenger, &broker, "ask").await, "by 2");
    let held = run(&messenger, &broker, "hold");
    let release = run(&messenger, &broker, "release");
    let (held, release) = tokio::join!(held, release);
    assert_eq!((held, release), ("released".into(), "done".into()));
}

#[tokio::test]
async fn refusals_have_the_codes_of_a_jvm_broker() {
    let broker = scripted(Limits::default());
    let good = reply::encode(&command("hello"));
    let mut template = good.to_vec();
    template[2] = 99;
    let (code, text) = refused(&broker, "command-api-1", template.into()).await;
    assert_eq!(code, ErrorCode::InvalidMessageTemplate);
    let expected =
        "Expected to handle only messages with template IDs of [20], but received one with id '99'";
    assert_eq!(text, expected);
    for length in 0..good.len() {
        let cut = good.slice(..length);
        let answer = ask(&messenger(), &broker, "command-api-1", cut).await.unwrap();
        if Header::decode(&answer).unwrap().is::<ErrorResponse>() {
            let error = ErrorResponse::decode(&answer).unwrap();
            assert_eq!(error.code, ErrorCode::MalformedRequest, "{length}");
            let text = "Expected to handle client message, but could not read it: ";
            assert!(error.message.starts_with(text), "{}", error.message);
        } else {
            // A request that ends after its value has no authorization, which is allowed.
            let value_end = good.len() - AuthInfo::unknown().len() - 4;
            assert_eq!(length, value_end);
        }
    }
    let no_authorization = ExecuteCommandRequest { authorization: Bytes::new(), ..command("x") };
    let (code, _) = refused(&broker, "command-api-1", reply::encode(&no_authorization)).await;
    assert_eq!(code, ErrorCode::MalformedRequest);
    let large = reply::encode(&command(&"x".repeat(5 << 20)));
    let (code, text) = refused(&broker, "command-api-1", large).await;
    assert_eq!(code, ErrorCode::MalformedRequest);
    assert_eq!(text, "Request size is above configured maxMessageSize.");
    for subject in ["command-api-4", "command-api-0", "command-api-x", "stream-add", ""] {
        let error = ask(&messenger(), &broker, subject, good.clone()).await.unwrap_err();
        assert!(matches!(error, RequestError::NoHandler { .. }), "{subject}: {error}");
    }
}

#[tokio::test]
async fn the_request_limit_spares_what_finishes_work() {
    let broker = scripted(Limits { held_requests: 2, ..Limits::default() });
    let messenger = messenger();
    let hold = || async {
        let payload = reply::encode(&command("hold"));
        ask(&messenger, &broker, "command-api-1", payload).await.unwrap()
    };
    let rest = async {
        eventually(|| broker.observe()["partitions"][0]["stats"]["held_requests"] == 2).await;
        let (code, text) =
            refused(&broker, "command-api-1", reply::encode(&command("anything"))).await;
        assert_eq!(code, ErrorCode::ResourceExhausted);
        let expected = "Failed to write client request to partition '1', because the request \
                        limit is exhausted.";
        assert_eq!(text, expected);
        let complete = ExecuteCommandRequest {
            value_type: ValueType::Job.to_wire(),
            intent: crate::model::intent::job::COMPLETE,
            ..command("release")
        };
        let answer =
            ask(&messenger, &broker, "command-api-1", reply::encode(&complete)).await.unwrap();
        assert_eq!(ExecuteCommandResponse::decode(&answer).unwrap().value, "done");
    };
    let (one, two, ()) = tokio::join!(hold(), hold(), rest);
    for answer in [one, two] {
        assert_eq!(ExecuteCommandResponse::decode(&answer).unwrap().value, "released");
    }
    assert_eq!(broker.observe()["partitions"][0]["stats"]["refused"], 1);
}

#[tokio::test]
async fn queues_are_bounded() {
    let limits = Limits { queued_commands: 0, queued_bytes: 4, ..Limits::default() };
    let broker = scripted(limits);
    let (code, text) = refused(&broker, "command-api-2", reply::encode(&command("tiny"))).await;
    assert_eq!(code, ErrorCode::ResourceExhausted);
    assert!(text.contains("partition '2', because the request limit"), "{text}");
    let (code, text) = refused(&broker, "command-api-2", reply::encode(&command("large"))).await;
    assert_eq!(code, ErrorCode::ResourceExhausted);
    assert!(text.contains("because the write limit"), "{text}");
}

#[tokio::test]
async fn a_panicking_engine_ends_its_partition_only() {
    let broker = scripted(Limits::default());
    let messenger = messenger();
    let held = async {
        let payload = reply::encode(&command("hold"));
        ask(&messenger, &broker, "command-api-1", payload).await.unwrap()
    };
    let rest = async {
        eventually(|| broker.observe()["partitions"][0]["stats"]["held_requests"] == 1).await;
        refused(&broker, "command-api-1", reply::encode(&command("panic"))).await
    };
    let (held, panicked) = tokio::join!(held, rest);
    let expected = "Partition '1' failed and does not process commands any more";
    assert_eq!(ErrorResponse::decode(&held).unwrap().message, expected);
    assert_eq!(panicked, (ErrorCode::InternalError, expected.to_owned()));
    let again = refused(&broker, "command-api-1", reply::encode(&command("x"))).await;
    assert_eq!(again, (ErrorCode::InternalError, expected.to_owned()));
    let other = ask(&messenger, &broker, "command-api-2", reply::encode(&command("x"))).await;
    assert!(Header::decode(&other.unwrap()).unwrap().is::<ExecuteCommandResponse>());
    let observed = broker.observe();
    assert_eq!(observed["partitions"][0]["healthy"], false);
    assert_eq!(observed["partitions"][0]["stats"]["failure"], "as told");
    assert_eq!(observed["partitions"][1]["healthy"], true);
}

#[tokio::test]
async fn management_requests_are_answered_or_refused() {
    let broker = scripted(Limits::default());
    let query = ExecuteQueryRequest { partition: 1, key: 1, value_type: 0 };
    let (code, _) = refused(&broker, "query-api-1", reply::encode(&query)).await;
    assert_eq!(code, ErrorCode::UnsupportedMessage);
    let (code, text) = refused(&broker, "backup-api-1", backup()).await;
    assert_eq!(code, ErrorCode::UnsupportedMessage);
    assert!(text.starts_with("Cannot process backup requests. No backup store"), "{text}");
    use crate::model::AdminRequestType as Kind;
    for (kind, mode) in [
        (Kind::PauseExporting, "PAUSED"),
        (Kind::SoftPauseExporting, "SOFT_PAUSED"),
        (Kind::ResumeExporting, "EXPORTING"),
        (Kind::StepDownIfNotPrimary, "EXPORTING"),
    ] {
        let answer = ask(&messenger(), &broker, "admin-api-1", admin(kind)).await.unwrap();
        assert_eq!(AdminResponse::decode(&answer).unwrap().payload, "");
        assert_eq!(broker.observe()["exporting"], mode);
    }
    let answer = ask(&messenger(), &broker, "admin-api-2", admin(Kind::GetFlowControl)).await;
    let json = AdminResponse::decode(&answer.unwrap()).unwrap().payload;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["requestLimiter"]["limit"], 4096);
    for kind in [Kind::BanInstance, Kind::SetFlowControl, Kind::Unknown(99)] {
        let (code, _) = refused(&broker, "admin-api-1", admin(kind)).await;
        assert_eq!(code, ErrorCode::UnsupportedMessage, "{kind}");
    }
    let (code, _) = refused(&broker, "admin-api-1", backup()).await;
    assert_eq!(code, ErrorCode::InvalidMessageTemplate);
    for subject in ["query-api-1", "admin-api-1", "backup-api-1"] {
        let (code, _) = refused(&broker, subject, Bytes::from_static(&[1, 2, 3])).await;
        assert_eq!(code, ErrorCode::MalformedRequest);
    }
}

fn backup() -> Bytes {
    let kind = crate::model::BackupRequestType::TakeBackup;
    reply::encode(&BackupRequest { partition: 1, kind, backup_id: 7, pattern: false })
}

fn admin(kind: crate::model::AdminRequestType) -> Bytes {
    let payload = Bytes::new();
    reply::encode(&AdminRequest { partition: 1, kind, broker: Some(0), key: -1, payload })
}

#[tokio::test]
async fn hostile_bytes_to_any_port_leave_the_broker_alone() {
    let broker = scripted(Limits::default());
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..60 {
        for port in [broker.command_address().port, broker.internal_address().port] {
            let mut bytes = Vec::new();
            if round % 3 > 0 {
                bytes.extend_from_slice(&[0xeb, 0x6e, 0xec, 0x8a, 0, 2]);
            }
            if round % 3 > 1 {
                bytes.extend_from_slice(b"\x00\x01h\x00\x00\x00\x01\x01");
            }
            for _ in 0..200 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                bytes.push((state >> 56) as u8);
            }
            let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            stream.write_all(&bytes).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut rest = Vec::new();
            // A reset is an answer, too.
            let _reset =
                tokio::time::timeout(TIMEOUT, stream.read_to_end(&mut rest)).await.unwrap();
            let udp = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
            udp.send_to(&bytes, ("127.0.0.1", port)).await.ok();
        }
    }
    assert_eq!(run(&messenger(), &broker, "still here").await, "still here");
    assert!(broker.is_running());
}

#[tokio::test]
async fn the_real_engine_answers_over_the_wire() {
    let (broker, cluster) = broker_config();
    let broker = start(&broker, &cluster).unwrap();
    let request = ExecuteCommandRequest { value_type: 200, ..command("") };
    let (code, text) = refused(&broker, "command-api-1", reply::encode(&request)).await;
    assert_eq!(code, ErrorCode::UnsupportedMessage, "{text}");
    // Empty bytes are no record.
    let request = ExecuteCommandRequest { value: Bytes::new(), ..command("") };
    let (code, text) = refused(&broker, "command-api-2", reply::encode(&request)).await;
    assert_eq!(code, ErrorCode::MalformedRequest, "{text}");
    let job = crate::wire::record::JobRecord::default();
    let request = ExecuteCommandRequest {
        value_type: ValueType::Job.to_wire(),
        intent: crate::model::intent::job::COMPLETE,
        key: Key::new(PartitionId(2), 77).0,
        value: crate::wire::record::Record::to_bytes(&job),
        ..command("")
    };
    let answer = ask(&messenger(), &broker, "command-api-2", reply::encode(&request)).await;
    let response = ExecuteCommandResponse::decode(&answer.unwrap()).unwrap();
    assert_eq!(response.record_type, RecordType::CommandRejection);
    assert_eq!(response.rejection_type, crate::model::RejectionType::NotFound);
    assert_eq!((response.partition, response.intent), (2, request.intent));
    assert!(response.rejection_reason.contains("but no such job"), "{response:?}");
    broker.stop();
}

#[test]
fn start_names_the_key_of_a_taken_port_and_stop_frees_it() {
    let (config, cluster) = broker_config();
    let first = start(&config, &cluster).unwrap();
    let (command, internal) = (first.command_address().port, first.internal_address().port);
    let error =
        start(&config::Broker { command_port: command, ..config.clone() }, &cluster).unwrap_err();
    let expected =
        format!("cannot listen on 127.0.0.1:{command} (`broker.host`, `broker.command_port`): ");
    assert!(error.to_string().starts_with(&expected), "{error}");
    let error =
        start(&config::Broker { internal_port: internal, ..config.clone() }, &cluster).unwrap_err();
    assert!(error.to_string().contains("`broker.internal_port`"), "{error}");
    let error = start(&config::Broker { partitions: 255, ..config.clone() }, &cluster).unwrap_err();
    let expected = "`broker.partitions` is 255; it must be between 1 and 254";
    assert_eq!(error.to_string(), expected);
    first.stop();
    let config = config::Broker {
        command_port: command,
        internal_port: internal,
        partitions: 254,
        ..config
    };
    let second = start(&config, &cluster).unwrap();
    assert!(second.is_running());
    let _: fn(EngineConfig) -> Engine = Engine::new;
    second.stop();
}
