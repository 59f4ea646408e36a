//! Instructions of the pieces of the hot path, counted by callgrind: the same on every run, however
//! busy the machine is.
//!
//! Runs itself under valgrind, each case with few and with many repetitions; the difference is what
//! a repetition costs, without start-up and warm-up. Without valgrind it says so and does nothing.

mod fixtures;

use std::hint::black_box;
use std::process::{Command, ExitCode, Stdio};

use beegate::broker::engine::{
    CommandInput, Engine, EngineConfig, Input, Output, RequestId, Response, Tenants,
};
use beegate::model::{CommandKind, Key, Millis, PartitionId, ValueType};
use beegate::wire::Address;
use beegate::wire::frame::{FrameDecoder, FrameEncoder, ProtocolVersion};
use beegate::wire::msgpack::json::{JsonDialect, document_from_json, msgpack_to_json};
use beegate::wire::record::{
    JobBatchRecord, JobRecord, ProcessInstanceCreationRecord, ProcessInstanceResultRecord, Record,
};
use beegate::wire::sbe::{CommandReply, Message};
use bytes::BytesMut;
use fixtures::{
    activated_jobs, creation, deployment, document, encoded, reply, request, variables,
};
use serde_json::Value;

const FEW: u64 = 20;
const MANY: u64 = 120;
const NOW: Millis = Millis(1_800_000_000_000);

/// A piece of work: prepares once, then repeats.
type Case = (&'static str, fn(u64));

const CASES: [Case; 12] = [
    ("encode CreateProcessInstance, 1 KB of variables", encode_create),
    ("decode its reply", decode_reply),
    ("encode and decode a frame of 1.2 KB", frame),
    ("JSON to MsgPack, 1 KB, gRPC", |times| to_msgpack(times, JsonDialect::Lenient)),
    ("JSON to MsgPack, 1 KB, REST", |times| to_msgpack(times, JsonDialect::Strict)),
    ("  reference: serde_json + rmp-serde", to_msgpack_by_serde),
    ("MsgPack to JSON, 1 KB", to_json),
    ("  reference: rmp-serde + serde_json", to_json_by_serde),
    ("decode ActivateJobs reply, 32 jobs of 1 KB", decode_jobs),
    ("encode ActivateJobs reply, 32 jobs of 1 KB", encode_jobs),
    ("engine: create an instance that ends at once", engine_quick),
    ("engine: create, activate, complete one task", engine_one_task),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["run", case, times] => {
            let (case, times) = (case.parse::<usize>(), times.parse::<u64>());
            let (Ok(case), Ok(times)) = (case, times) else { return ExitCode::from(2) };
            let Some((_, run)) = CASES.get(case) else { return ExitCode::from(2) };
            run(times);
            ExitCode::SUCCESS
        }
        words if words.contains(&"--bench") => count_all(),
        // As a test: every case works.
        _ => {
            CASES.iter().for_each(|(_, run)| run(2));
            ExitCode::SUCCESS
        }
    }
}

fn count_all() -> ExitCode {
    let valgrind = Command::new("valgrind").arg("--version").output();
    let version = match valgrind {
        Ok(output) if output.status.success() => output.stdout,
        _ => {
            println!("skipped: instructions are counted by valgrind, which is not installed");
            return ExitCode::SUCCESS;
        }
    };
    println!("instructions per repetition, {}", String::from_utf8_lossy(&version).trim());
    for (index, (name, _)) in CASES.iter().enumerate() {
        match count(index, FEW).and_then(|few| Ok((few, count(index, MANY)?))) {
            Ok((few, many)) => println!("{name:<50} {:>10}", (many - few) / (MANY - FEW)),
            Err(why) => {
                eprintln!("{name}: {why}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Instructions of this program when it runs one case so often.
fn count(case: usize, times: u64) -> Result<u64, String> {
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(own)
        .args(["run", &case.to_string(), &times.to_string()])
        .stdin(Stdio::null())
        .output()
        .map_err(|e| e.to_string())?;
    let report = String::from_utf8_lossy(&output.stderr);
    let collected = report.lines().find_map(|line| line.split_once("Collected : "));
    let count = collected.and_then(|(_, count)| count.trim().parse().ok());
    count.filter(|_| output.status.success()).ok_or_else(|| report.into_owned())
}

fn encode_create(times: u64) {
    let create = creation("order");
    let mut out = BytesMut::with_capacity(64 * 1024);
    for _ in 0..times {
        out.clear();
        let kind = CommandKind::CreateProcessInstance;
        request(kind, Key::NONE, black_box(&create).to_bytes()).encode(&mut out);
        black_box(&out);
    }
}

fn decode_reply(times: u64) {
    let reply = reply(ValueType::ProcessInstanceCreation, creation("order").to_bytes());
    for _ in 0..times {
        match CommandReply::decode(black_box(&reply)) {
            Ok(CommandReply::Response(reply)) => {
                let record = ProcessInstanceCreationRecord::from_bytes(&reply.value);
                black_box(record.expect("a record"));
            }
            other => panic!("{other:?}"),
        }
    }
}

fn frame(times: u64) {
    let kind = CommandKind::CreateProcessInstance;
    let payload = encoded(&request(kind, Key::NONE, creation("order").to_bytes()));
    let address = Address::new("127.0.0.1", 26501);
    let mut encoder = FrameEncoder::new(ProtocolVersion::V2, &address).expect("short");
    let mut decoder = FrameDecoder::new(ProtocolVersion::V2, 4 << 20);
    for id in 0..times {
        let mut buffer = BytesMut::with_capacity(payload.len() + 64);
        encoder.request(&mut buffer, id as i64, "command-api-1", &payload).expect("short");
        black_box(decoder.decode(&mut buffer).expect("a frame").expect("complete"));
    }
}

fn to_msgpack(times: u64, dialect: JsonDialect) {
    let text = variables();
    for _ in 0..times {
        black_box(document_from_json(black_box(&text), dialect).expect("an object"));
    }
}

fn to_msgpack_by_serde(times: u64) {
    let text = variables();
    for _ in 0..times {
        let tree: Value = serde_json::from_str(black_box(&text)).expect("JSON");
        black_box(rmp_serde::to_vec(&tree).expect("MsgPack"));
    }
}

fn to_json(times: u64) {
    let document = document();
    for _ in 0..times {
        black_box(msgpack_to_json(black_box(document.as_msgpack())).expect("MsgPack"));
    }
}

fn to_json_by_serde(times: u64) {
    let document = document();
    for _ in 0..times {
        let bytes = black_box(document.as_msgpack());
        let tree: Value = rmp_serde::from_slice(bytes).expect("MsgPack");
        black_box(serde_json::to_string(&tree).expect("JSON"));
    }
}

fn decode_jobs(times: u64) {
    let reply = reply(ValueType::JobBatch, activated_jobs().to_bytes());
    for _ in 0..times {
        match CommandReply::decode(black_box(&reply)) {
            Ok(CommandReply::Response(reply)) => {
                black_box(JobBatchRecord::from_bytes(&reply.value).expect("a record"));
            }
            other => panic!("{other:?}"),
        }
    }
}

fn encode_jobs(times: u64) {
    let batch = activated_jobs();
    for _ in 0..times {
        black_box(reply(ValueType::JobBatch, black_box(&batch).to_bytes()));
    }
}

/// An engine of one partition with the processes deployed.
struct Bench {
    engine: Engine,
    out: Vec<Output>,
}

impl Bench {
    fn new() -> Self {
        let engine = Engine::new(EngineConfig::new(PartitionId(1), 1));
        let mut bench = Self { engine, out: Vec::new() };
        bench.call(CommandKind::Deploy, Key::NONE, &deployment());
        bench
    }

    /// Sends a command and gives key and record of its event.
    fn call(&mut self, kind: CommandKind, key: Key, record: &impl Record) -> (Key, bytes::Bytes) {
        self.out.clear();
        let command = CommandInput {
            request: RequestId(1),
            value_type: kind.value_type(),
            intent: kind.intent(),
            key,
            operation_reference: None,
            tenants: Tenants::Default,
            value: record.to_bytes(),
        };
        self.engine.handle(NOW, Input::Command(command), &mut self.out);
        let event = self.out.drain(..).find_map(|output| match output {
            Output::Reply { response: Response::Event { key, value, .. }, .. } => {
                Some((key, value))
            }
            Output::Reply { response, .. } => panic!("{response:?}"),
            _ => None,
        });
        event.expect("answered")
    }
}

fn engine_quick(times: u64) {
    let mut bench = Bench::new();
    let create = creation("quick");
    for _ in 0..times {
        let kind = CommandKind::CreateProcessInstanceWithResult;
        let (_, result) = bench.call(kind, Key::NONE, &create);
        ProcessInstanceResultRecord::from_bytes(&result).expect("a result");
    }
    assert_eq!(bench.engine.observe().process_instances, 0, "an instance is left");
}

fn engine_one_task(times: u64) {
    let mut bench = Bench::new();
    let create = creation("one-task");
    let activate = JobBatchRecord {
        job_type: "work".to_owned(),
        worker: "bench".to_owned(),
        timeout: 60_000,
        max_jobs_to_activate: 1,
        ..Default::default()
    };
    for _ in 0..times {
        bench.call(CommandKind::CreateProcessInstance, Key::NONE, &create);
        let (_, batch) = bench.call(CommandKind::ActivateJobs, Key::NONE, &activate);
        let batch = JobBatchRecord::from_bytes(&batch).expect("jobs");
        let job = Key(*batch.job_keys.first().expect("a job"));
        bench.call(CommandKind::CompleteJob, job, &JobRecord::default());
    }
    assert_eq!(bench.engine.observe().process_instances, 0, "an instance is left");
}
