//! An engine that does what the value of a command says.

use crate::broker::engine::{
    CommandInput, EngineStats, Input, JobStream, Output, PartitionMessage, RequestId, Response,
};
use crate::broker::partition::Processor;
use crate::model::{Key, Millis, PartitionId};
use crate::wire::record::JobRecord;

/// | value | what happens |
/// |---|---|
/// | `hold` | the answer waits for `release` |
/// | `later` | it comes with a tick, 30 ms on |
/// | `ask` | it comes after partition 2 was asked and answered |
/// | `push` | a job goes to the first job stream |
/// | `failed` | answers the keys of failed pushes |
/// | `streams` | answers the types of the job streams |
/// | `panic` | panics |
/// | other | answered at once with the same value |
#[derive(Debug, Default)]
pub struct Script {
    held: Vec<RequestId>,
    later: Vec<(Millis, RequestId)>,
    asked: Vec<RequestId>,
    streams: Vec<JobStream>,
    failed: Vec<Key>,
    partition: u16,
}

impl Script {
    pub fn new(partition: PartitionId) -> Self {
        Self { partition: partition.0, ..Self::default() }
    }

    fn command(&mut self, now: Millis, command: CommandInput, out: &mut Vec<Output>) {
        let request = command.request;
        let text = String::from_utf8_lossy(&command.value).into_owned();
        match text.as_str() {
            "hold" => self.held.push(request),
            "later" => self.later.push((now + Millis(30), request)),
            "ask" => {
                self.asked.push(request);
                out.push(message(2, 1));
            }
            "panic" => panic!("as told"),
            "push" => {
                let job = JobRecord { job_type: self.streams[0].job_type.clone(), ..job() };
                let (stream, key) = (self.streams[0].id, Key(42));
                out.push(Output::PushJob { stream, key, job: Box::new(job) });
                out.push(answer(request, "pushed"));
            }
            "failed" => out.push(answer(request, &format!("{:?}", self.failed))),
            "streams" => {
                let types: Vec<_> = self.streams.iter().map(|s| s.job_type.as_str()).collect();
                out.push(answer(request, &types.join(",")));
            }
            "release" => {
                out.extend(self.held.drain(..).map(|held| answer(held, "released")));
                out.push(answer(request, "done"));
            }
            other => {
                if let Some(job_type) = other.strip_prefix("available ") {
                    out.push(Output::JobsAvailable { job_type: job_type.to_owned() });
                }
                out.push(answer(request, other));
            }
        }
    }
}

fn job() -> JobRecord {
    JobRecord { worker: "w".to_owned(), retries: 3, ..JobRecord::default() }
}

fn message(to: u16, through: u64) -> Output {
    Output::ToPartition { to: PartitionId(to), message: PartitionMessage::Acknowledge { through } }
}

fn answer(request: RequestId, value: &str) -> Output {
    let response = Response::Event {
        key: Key(7),
        value_type: crate::model::ValueType::Message,
        intent: 1,
        value: value.to_owned().into(),
    };
    Output::Reply { request, response }
}

impl Processor for Script {
    fn handle(&mut self, now: Millis, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Command(command) => self.command(now, command, out),
            Input::FromPartition { from, .. } if self.partition == 1 => {
                out.extend(self.asked.drain(..).map(|asked| answer(asked, &format!("by {from}"))));
            }
            Input::FromPartition { from, .. } => out.push(message(from.0, 1)),
            Input::PushFailed { key } => self.failed.push(key),
            Input::StreamsChanged { streams } => self.streams = streams,
            Input::Tick => {
                let (due, later) = self.later.iter().partition(|(due, _)| *due <= now);
                self.later = later;
                let due: Vec<_> = due;
                out.extend(due.into_iter().map(|(_, request)| answer(request, "later")));
            }
        }
    }

    fn next_due(&self) -> Option<Millis> {
        self.later.iter().map(|(due, _)| *due).min()
    }

    fn observe(&self) -> EngineStats {
        EngineStats { held_requests: self.held.len(), ..EngineStats::default() }
    }
}
