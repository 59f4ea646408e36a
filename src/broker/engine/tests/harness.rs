//! A cluster of engines with a simulated clock and network.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::broker::engine::{
    CommandInput, Engine, EngineConfig, Event, Input, Output, PartitionMessage, RequestId,
    Response, StreamId, Tenants,
};
use crate::model::{CommandKind, Key, Millis, PartitionId, RejectionType};
use crate::wire::msgpack::{Reader, Writer};
use crate::wire::record::{
    DeploymentRecord, DeploymentResource, Document, JobBatchRecord, JobRecord, MessageRecord,
    ProcessInstanceCreationRecord, ProcessInstanceResultRecord, Record,
};

/// How the network between partitions behaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Network {
    /// Delivers everything at once, in order.
    Perfect,
    /// Repeats and reorders; the number is the seed.
    Chaotic(u64),
    /// Delivers nothing.
    Cut,
}

pub struct Cluster {
    pub engines: Vec<Engine>,
    pub now: Millis,
    pub network: Network,
    pub replies: BTreeMap<RequestId, Response>,
    pub pushed: Vec<(StreamId, Key, JobRecord)>,
    pub available: Vec<String>,
    journals: Vec<Vec<Event>>,
    in_flight: VecDeque<(PartitionId, PartitionId, PartitionMessage)>,
    requests: u64,
    random: u64,
}

pub const START: Millis = Millis(1_800_000_000_000);

impl Cluster {
    pub fn new(partitions: u16) -> Self {
        Self::configured(partitions, |_| {})
    }

    pub fn configured(partitions: u16, configure: impl Fn(&mut EngineConfig)) -> Self {
        let engine = |number| {
            let mut config = EngineConfig::new(PartitionId(number), partitions);
            config.keep_events = true;
            configure(&mut config);
            Engine::new(config)
        };
        Self {
            engines: (1..=partitions).map(engine).collect(),
            now: START,
            network: Network::Perfect,
            replies: BTreeMap::new(),
            pushed: Vec::new(),
            available: Vec::new(),
            journals: vec![Vec::new(); usize::from(partitions)],
            in_flight: VecDeque::new(),
            requests: 0,
            random: 1,
        }
    }

    pub fn input(&mut self, partition: u16, input: Input) {
        self.step(partition, input);
        self.settle();
    }

    fn step(&mut self, partition: u16, input: Input) {
        let mut out = Vec::new();
        let index = usize::from(partition - 1);
        self.engines[index].handle(self.now, input, &mut out);
        let events = self.engines[index].take_events();
        self.journals[index].extend(events);
        for output in out {
            match output {
                Output::Reply { request, response } => {
                    let earlier = self.replies.insert(request, response);
                    assert_eq!(earlier, None, "{request:?} was answered twice");
                }
                Output::ToPartition { to, message } => {
                    self.in_flight.push_back((PartitionId(partition), to, message));
                }
                Output::JobsAvailable { job_type } => self.available.push(job_type),
                Output::PushJob { stream, key, job } => self.pushed.push((stream, key, *job)),
            }
        }
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % sides
    }

    /// Delivers messages and takes up postponed work until nothing moves any more.
    pub fn settle(&mut self) {
        if let Network::Chaotic(seed) = self.network {
            self.random = self.random.wrapping_add(seed) | 1;
        }
        for _ in 0..100_000 {
            let postponed = (1..=self.engines.len() as u16)
                .find(|p| self.engines[usize::from(p - 1)].next_due() == Some(Millis(i64::MIN)));
            if let Some(partition) = postponed {
                self.step(partition, Input::Tick);
            }
            let Some((from, to, message)) = self.next_message() else {
                if postponed.is_none() {
                    return;
                }
                continue;
            };
            self.step(to.0, Input::FromPartition { from, message });
        }
        panic!("the cluster does not come to rest");
    }

    fn next_message(&mut self) -> Option<(PartitionId, PartitionId, PartitionMessage)> {
        match self.network {
            Network::Perfect => self.in_flight.pop_front(),
            Network::Cut => {
                self.in_flight.clear();
                None
            }
            Network::Chaotic(_) if self.in_flight.is_empty() => None,
            Network::Chaotic(_) => {
                let index = self.roll(self.in_flight.len() as u64) as usize;
                match self.roll(4) {
                    // Delivered, and once more later.
                    0 => self.in_flight.get(index).cloned(),
                    _ => self.in_flight.remove(index),
                }
            }
        }
    }

    /// Lets time pass; everything that becomes due on the way happens at its time.
    pub fn advance(&mut self, millis: i64) {
        let end = self.now + Millis(millis);
        loop {
            let due = self.engines.iter().filter_map(Engine::next_due).min();
            let Some(due) = due.filter(|due| *due <= end) else { break };
            self.now = self.now.max(due);
            for partition in 1..=self.engines.len() as u16 {
                if self.engines[usize::from(partition - 1)]
                    .next_due()
                    .is_some_and(|d| d <= self.now)
                {
                    self.input(partition, Input::Tick);
                }
            }
        }
        self.now = end;
    }

    /// Sends a command; the reply may come at once, later, or never.
    pub fn send(&mut self, partition: u16, kind: CommandKind, key: Key, value: Bytes) -> RequestId {
        self.requests += 1;
        let request = RequestId(self.requests);
        let command = CommandInput {
            request,
            value_type: kind.value_type(),
            intent: kind.intent(),
            key,
            operation_reference: None,
            tenants: Tenants::Default,
            value,
        };
        self.input(partition, Input::Command(command));
        request
    }

    /// Sends a command and takes its reply.
    pub fn call(
        &mut self,
        partition: u16,
        kind: CommandKind,
        key: Key,
        record: &impl Record,
    ) -> Response {
        let request = self.send(partition, kind, key, record.to_bytes());
        self.replies.remove(&request).unwrap_or_else(|| panic!("no reply to {kind:?}"))
    }

    pub fn deploy(&mut self, xml: &str) -> DeploymentRecord {
        self.deploy_as("process.bpmn", xml)
    }

    pub fn deploy_as(&mut self, name: &str, xml: &str) -> DeploymentRecord {
        let response = self.call(1, CommandKind::Deploy, Key::NONE, &deployment(&[(name, xml)]));
        done(&response).1
    }

    pub fn create(
        &mut self,
        partition: u16,
        process_id: &str,
        variables: serde_json::Value,
    ) -> Key {
        let record = creation(process_id, variables);
        let kind = CommandKind::CreateProcessInstance;
        let created: ProcessInstanceCreationRecord =
            done(&self.call(partition, kind, Key::NONE, &record)).1;
        Key(created.process_instance_key)
    }

    /// Starts an instance whose result is awaited.
    pub fn start(
        &mut self,
        partition: u16,
        process_id: &str,
        variables: serde_json::Value,
    ) -> RequestId {
        let record = creation(process_id, variables);
        let kind = CommandKind::CreateProcessInstanceWithResult;
        self.send(partition, kind, Key::NONE, record.to_bytes())
    }

    /// The variables of an instance that ended and was awaited.
    pub fn result(&mut self, request: RequestId) -> serde_json::Value {
        let response = self.replies.remove(&request).expect("the instance has ended");
        json(&done::<ProcessInstanceResultRecord>(&response).1.variables)
    }

    pub fn activate(&mut self, partition: u16, job_type: &str, max: i32) -> Vec<(Key, JobRecord)> {
        let batch = JobBatchRecord {
            job_type: job_type.to_owned(),
            worker: "worker".to_owned(),
            timeout: 60_000,
            max_jobs_to_activate: max,
            ..JobBatchRecord::default()
        };
        let response = self.call(partition, CommandKind::ActivateJobs, Key::NONE, &batch);
        let batch: JobBatchRecord = done(&response).1;
        batch.job_keys.into_iter().map(Key).zip(batch.jobs).collect()
    }

    /// Activates the one job there is.
    pub fn take(&mut self, partition: u16, job_type: &str) -> (Key, JobRecord) {
        let mut jobs = self.activate(partition, job_type, 10);
        assert_eq!(jobs.len(), 1, "jobs of type {job_type}");
        jobs.remove(0)
    }

    pub fn complete(&mut self, job: Key, variables: serde_json::Value) -> Response {
        let record = JobRecord { variables: document(variables), ..JobRecord::default() };
        self.call(partition_of(job), CommandKind::CompleteJob, job, &record)
    }

    pub fn fail(&mut self, job: Key, retries: i32, backoff: i64) -> Response {
        let record = JobRecord {
            retries,
            retry_backoff: backoff,
            error_message: "boom".to_owned(),
            ..JobRecord::default()
        };
        self.call(partition_of(job), CommandKind::FailJob, job, &record)
    }

    pub fn publish(
        &mut self,
        partition: u16,
        name: &str,
        correlation_key: &str,
        ttl: i64,
        variables: serde_json::Value,
    ) -> Response {
        let record = MessageRecord {
            name: name.to_owned(),
            correlation_key: correlation_key.to_owned(),
            time_to_live: ttl,
            variables: document(variables),
            ..MessageRecord::default()
        };
        self.call(partition, CommandKind::PublishMessage, Key::NONE, &record)
    }

    /// Running process instances in the whole cluster.
    pub fn running(&self) -> usize {
        self.engines.iter().map(|engine| engine.observe().process_instances).sum()
    }

    /// The keys of all open incidents, oldest first, of a partition.
    pub fn incidents(&self, partition: u16) -> Vec<(Key, &'static str, String)> {
        let incidents = &self.engines[usize::from(partition - 1)].state.incidents;
        incidents.iter().map(|i| (i.key, i.kind.name(), i.message.clone())).collect()
    }

    /// Replays all events into fresh engines and compares.
    pub fn check_replay(&self) {
        for (engine, journal) in self.engines.iter().zip(&self.journals) {
            let mut replayed = Engine::new(engine.config.clone());
            for event in journal {
                replayed.replay(event.clone());
            }
            assert!(replayed.state == engine.state, "replaying the events gives another state");
        }
    }

    /// Checks that nothing is left of what was executed.
    pub fn check_empty(&self) {
        for engine in &self.engines {
            let stats = engine.observe();
            let left = stats.process_instances
                + stats.element_instances
                + stats.jobs_activatable
                + stats.jobs_activated
                + stats.jobs_failed
                + stats.message_subscriptions
                + stats.timers
                + stats.incidents
                + stats.variables
                + stats.held_requests
                + stats.unacknowledged
                + stats.queued_steps;
            assert_eq!(left, 0, "left over: {stats:?}");
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check_replay();
        }
    }
}

pub fn partition_of(key: Key) -> u16 {
    u16::try_from(key.partition_number()).expect("a key of this cluster")
}

pub fn deployment(resources: &[(&str, &str)]) -> DeploymentRecord {
    let resource = |(name, content): &(&str, &str)| DeploymentResource {
        resource_name: (*name).to_owned(),
        resource: crate::wire::record::Binary(Bytes::copy_from_slice(content.as_bytes())),
    };
    DeploymentRecord {
        resources: resources.iter().map(resource).collect(),
        ..DeploymentRecord::default()
    }
}

pub fn creation(process_id: &str, variables: serde_json::Value) -> ProcessInstanceCreationRecord {
    ProcessInstanceCreationRecord {
        bpmn_process_id: process_id.to_owned(),
        variables: document(variables),
        ..ProcessInstanceCreationRecord::default()
    }
}

/// Key and record of a success reply.
#[track_caller]
pub fn done<R: Record>(response: &Response) -> (Key, R) {
    match response {
        Response::Event { key, value, .. } => {
            (*key, R::from_bytes(value).expect("a readable record"))
        }
        other => panic!("not done: {other:?}"),
    }
}

/// Type and reason of a rejection.
#[track_caller]
pub fn rejected(response: &Response) -> (RejectionType, &str) {
    match response {
        Response::Rejection { rejection, reason, .. } => (*rejection, reason),
        other => panic!("not rejected: {other:?}"),
    }
}

pub fn document(value: serde_json::Value) -> Document {
    let mut out = Writer::default();
    write(&value, &mut out);
    Document::from_msgpack(out.finish()).expect("an object")
}

fn write(value: &serde_json::Value, out: &mut Writer) {
    use serde_json::Value;
    match value {
        Value::Null => out.nil(),
        Value::Bool(value) => out.bool(*value),
        Value::Number(number) => match number.as_i64() {
            Some(int) => out.int(int),
            None => out.f64(number.as_f64().expect("a number")),
        },
        Value::String(text) => out.str(text),
        Value::Array(items) => {
            out.array(items.len());
            items.iter().for_each(|item| write(item, out));
        }
        Value::Object(entries) => {
            out.map(entries.len());
            for (name, value) in entries {
                out.str(name);
                write(value, out);
            }
        }
    }
}

/// A document as JSON.
pub fn json(document: &Document) -> serde_json::Value {
    read(&mut Reader::new(document.as_msgpack()))
}

fn read(input: &mut Reader<'_>) -> serde_json::Value {
    use crate::wire::msgpack::Kind;
    use serde_json::Value;
    match input.kind().expect("a value") {
        Kind::Nil => input.nil().map(|()| Value::Null).expect("nil"),
        Kind::Bool => input.bool().expect("a boolean").into(),
        Kind::Int => input.int().expect("an integer").into(),
        Kind::Float => input.f64().expect("a float").into(),
        Kind::Str => input.str().expect("text").into(),
        Kind::Array => {
            let len = input.array().expect("an array");
            Value::Array((0..len).map(|_| read(input)).collect())
        }
        Kind::Map => {
            let len = input.map().expect("a map");
            let entry = |_| (input.str().expect("text").to_owned(), read(input));
            Value::Object((0..len).map(entry).collect())
        }
        other => panic!("no JSON for {other:?}"),
    }
}

impl Cluster {
    pub fn set_variables(
        &mut self,
        scope: Key,
        variables: serde_json::Value,
        local: bool,
    ) -> Response {
        let record = crate::wire::record::VariableDocumentRecord {
            scope_key: scope.0,
            update_semantics: if local { "LOCAL" } else { "PROPAGATE" }.into(),
            variables: document(variables),
        };
        self.call(partition_of(scope), CommandKind::SetVariables, Key::NONE, &record)
    }

    pub fn resolve(&mut self, incident: Key) -> Response {
        let record = crate::wire::record::IncidentRecord::default();
        self.call(partition_of(incident), CommandKind::ResolveIncident, incident, &record)
    }

    pub fn throw(&mut self, job: Key, code: &str, variables: serde_json::Value) -> Response {
        let record = JobRecord {
            error_code: code.to_owned(),
            variables: document(variables),
            ..JobRecord::default()
        };
        self.call(partition_of(job), CommandKind::ThrowError, job, &record)
    }
}

impl Cluster {
    pub fn delete(&mut self, resource: Key) -> Response {
        let record = crate::wire::record::ResourceDeletionRecord {
            resource_key: resource.0,
            tenant_id: String::new(),
        };
        self.call(partition_of(resource), CommandKind::DeleteResource, resource, &record)
    }
}

/// Without waiting for the cluster to come to rest, which an endless loop never does.
impl Cluster {
    pub fn tick(&mut self, partition: u16) {
        self.step(partition, Input::Tick);
    }

    pub fn send_raw(
        &mut self,
        partition: u16,
        kind: CommandKind,
        record: &impl Record,
    ) -> RequestId {
        self.requests += 1;
        let request = RequestId(self.requests);
        let command = CommandInput {
            request,
            value_type: kind.value_type(),
            intent: kind.intent(),
            key: Key::NONE,
            operation_reference: None,
            tenants: Tenants::Default,
            value: record.to_bytes(),
        };
        self.step(partition, Input::Command(command));
        request
    }

    pub fn deploy_raw(&mut self, xml: &str) {
        let request = self.send_raw(1, CommandKind::Deploy, &deployment(&[("p.bpmn", xml)]));
        done::<DeploymentRecord>(&self.replies.remove(&request).expect("a reply"));
    }
}
