//! Cost of the codecs on the hot path.
//!
//! `serde_json` and `rmp-serde` convert the same text in the same run as a reference, so that a
//! result is a ratio and not only a number of this machine.

mod fixtures;

use std::hint::black_box;

use beegate::model::{CommandKind, Key, ValueType};
use beegate::wire::msgpack::json::{JsonDialect, document_from_json, msgpack_to_json};
use beegate::wire::record::{JobBatchRecord, Record};
use beegate::wire::sbe::{CommandReply, Message};
use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fixtures::{activated_jobs, creation, document, reply, request, variables};
use serde_json::Value;

fn commands(criterion: &mut Criterion) {
    let create = creation("order");
    let kind = CommandKind::CreateProcessInstance;
    let mut out = BytesMut::with_capacity(64 * 1024);
    criterion.bench_function("encode create-instance command", |bencher| {
        bencher.iter(|| {
            out.clear();
            request(kind, Key::NONE, black_box(&create).to_bytes()).encode(&mut out);
            black_box(out.len())
        });
    });

    let reply = reply(ValueType::JobBatch, activated_jobs().to_bytes());
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
    let msgpack = document().as_msgpack().clone();

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
