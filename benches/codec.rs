//! Cost of the codecs on the hot path.
//!
//! `serde_json` and `rmp-serde` convert the same text in the same run as a reference, so that a
//! result is a ratio and not only a number of this machine.

use std::hint::black_box;

use beegate::model::{CommandKind, RecordType, RejectionType, ValueType};
use beegate::wire::msgpack::json::{JsonDialect, document_from_json, msgpack_to_json};
use beegate::wire::record::{
    AuthInfo, JobBatchRecord, JobRecord, ProcessInstanceCreationRecord, RawValue, Record,
};
use beegate::wire::sbe::{CommandReply, ExecuteCommandRequest, ExecuteCommandResponse, Message};
use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::Value;

/// About 1 KB of variables as an order might have them.
fn variables() -> String {
    let items: Vec<Value> = (0..8)
        .map(|n| {
            serde_json::json!({
                "sku": format!("ART-{n:05}"), "quantity": n + 1, "price": 12.5 + f64::from(n),
                "gift": n % 2 == 0, "note": "wrap in \"blue\" paper",
            })
        })
        .collect();
    serde_json::json!({
        "orderId": "b3f0c8a2-6a55-4a7e-9d0f-0e9a5b0f7c11", "customer": "Jürgen Müller",
        "total": 219.9, "currency": "EUR", "express": true, "coupon": null, "items": items,
    })
    .to_string()
}

/// A reply with 32 jobs of 1 KB of variables each.
fn activated_jobs(variables: &str) -> Bytes {
    let job = JobRecord {
        job_type: "charge-card".to_owned(),
        worker: "worker-7".to_owned(),
        retries: 3,
        deadline: 1_800_000_000_000,
        custom_headers: RawValue(Bytes::from_static(b"\x81\xa1a\xa1b")),
        variables: document_from_json(variables, JsonDialect::Lenient).expect("an object"),
        bpmn_process_id: "order".to_owned(),
        element_id: "charge".to_owned(),
        process_instance_key: 2_251_799_813_685_249,
        ..Default::default()
    };
    let batch = JobBatchRecord {
        job_type: "charge-card".to_owned(),
        job_keys: (0..32).map(|n| 2_251_799_813_685_300 + n).collect(),
        jobs: vec![job; 32],
        ..Default::default()
    };
    let mut out = BytesMut::new();
    ExecuteCommandResponse {
        partition: 1,
        key: 1,
        record_type: RecordType::Event,
        value_type: ValueType::JobBatch,
        intent: 1,
        rejection_type: RejectionType::NullVal,
        value: batch.to_bytes(),
        rejection_reason: String::new(),
    }
    .encode(&mut out);
    out.freeze()
}

fn commands(criterion: &mut Criterion) {
    let text = variables();
    let document = document_from_json(&text, JsonDialect::Lenient).expect("an object");
    let create = ProcessInstanceCreationRecord {
        bpmn_process_id: "order".to_owned(),
        variables: document,
        ..Default::default()
    };
    let mut out = BytesMut::with_capacity(64 * 1024);
    criterion.bench_function("encode create-instance command", |bencher| {
        bencher.iter(|| {
            out.clear();
            ExecuteCommandRequest {
                partition: 1,
                key: -1,
                value_type: CommandKind::CreateProcessInstance.value_type().to_wire(),
                intent: CommandKind::CreateProcessInstance.intent(),
                operation_reference: -1,
                value: black_box(&create).to_bytes(),
                authorization: AuthInfo::default_tenant(),
            }
            .encode(&mut out);
            black_box(out.len())
        });
    });

    let reply = activated_jobs(&text);
    let mut group = criterion.benchmark_group("decode activate-jobs reply of 32 jobs");
    group.throughput(Throughput::Bytes(reply.len() as u64));
    group.bench_function("beegate", |bencher| {
        bencher.iter(|| match CommandReply::decode(black_box(&reply)) {
            Ok(CommandReply::Response(reply)) => JobBatchRecord::from_bytes(&reply.value),
            other => panic!("{other:?}"),
        });
    });
    group.finish();
}

fn transcoding(criterion: &mut Criterion) {
    let text = variables();
    let msgpack = document_from_json(&text, JsonDialect::Lenient).expect("an object");
    let msgpack = msgpack.as_msgpack().clone();

    let mut group = criterion.benchmark_group("JSON to MsgPack, 1 KB");
    group.throughput(Throughput::Bytes(text.len() as u64));
    for dialect in [JsonDialect::Lenient, JsonDialect::Strict] {
        group.bench_function(format!("beegate {dialect:?}"), |bencher| {
            bencher.iter(|| document_from_json(black_box(&text), dialect));
        });
    }
    group.bench_function("serde_json + rmp-serde", |bencher| {
        bencher.iter(|| {
            let tree: Value = serde_json::from_str(black_box(&text)).expect("JSON");
            rmp_serde::to_vec(&tree).expect("MsgPack")
        });
    });
    group.finish();

    let mut group = criterion.benchmark_group("MsgPack to JSON, 1 KB");
    group.throughput(Throughput::Bytes(msgpack.len() as u64));
    group.bench_function("beegate", |bencher| {
        bencher.iter(|| msgpack_to_json(black_box(&msgpack)));
    });
    group.bench_function("serde_json + rmp-serde", |bencher| {
        bencher.iter(|| {
            let tree: Value = rmp_serde::from_slice(black_box(&msgpack)).expect("MsgPack");
            serde_json::to_string(&tree).expect("JSON")
        });
    });
    group.finish();
}

criterion_group!(benches, commands, transcoding);
criterion_main!(benches);
