//! Whatever clients do: no panic, one answer per command, and a journal that tells the state.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::harness::{Cluster, Network, creation, document, partition_of};
use super::models::{
    boundary, catch, choice, definitions, end, error, flows, gateway, message, on_error,
    on_message, on_timer, start, sub_process, task, when,
};
use crate::broker::engine::{CommandInput, Input, RequestId, Tenants};
use crate::model::{CommandKind, Key, ValueType};
use crate::wire::record::{
    JobRecord, MessageCorrelationRecord, MessageRecord, ProcessInstanceRecord, Record,
};

/// Every behaviour in one process.
fn everything() -> String {
    let inner = [
        start("is"),
        task("it", "inner"),
        boundary("late", "it", false, &on_timer("timeCycle", "R2/PT3S")),
        end("ie"),
        flows("is>it>ie, late>ie"),
    ];
    let body = [
        start("s"),
        gateway("parallel", "fork"),
        task("work", "work"),
        boundary("caught", "work", true, &on_error("E1")),
        catch("wait", &on_message("paid")),
        sub_process("sub", &inner.concat()),
        boundary("stop", "sub", true, &on_message("stop")),
        choice("x", "join2"),
        gateway("exclusive", "join2"),
        gateway("eventBased", "g"),
        catch("g-message", &on_message("paid")),
        catch("g-timer", &on_timer("timeDuration", "PT5S")),
        gateway("parallel", "join"),
        end("e"),
        end("stopped"),
        flows("s>fork>work>x>join2, fork>wait>join, fork>sub>join, caught>join2, stop>stopped"),
        when("x", "g", "=again = true"),
        flows("g>g-message>join2, g>g-timer>join2, join2>join>e"),
    ];
    let process =
        format!(r#"<bpmn:process id="p" isExecutable="true">{}</bpmn:process>"#, body.concat());
    let parts = [message("paid", "=key"), message("stop", "=key"), error("E1"), process];
    definitions(&parts.concat())
}

#[derive(Clone, Debug)]
enum Action {
    Create { partition: u16, key: u8, again: bool, awaited: bool },
    Activate { partition: u16, inner: bool, max: i32 },
    Complete { job: usize, again: bool },
    Fail { job: usize, retries: i32, backoff: i64 },
    Throw { job: usize, caught: bool },
    Publish { name: &'static str, key: u8, ttl: i64, id: bool },
    Correlate { key: u8 },
    Cancel { instance: usize },
    ResolveAll,
    SetVariables { instance: usize, local: bool },
    PushFailed { job: usize },
    Advance { millis: i64 },
    Network { chaotic: bool, seed: u64 },
    Garbage { value_type: u8, intent: u8, key: i64, value: Vec<u8> },
}

fn action() -> impl Strategy<Value = Action> {
    use Action::*;
    let name = prop_oneof![Just("paid"), Just("stop")];
    prop_oneof![
        4 => (1..=2_u16, 0..4_u8, any::<bool>(), any::<bool>()).prop_map(
            |(partition, key, again, awaited)| Create { partition, key, again, awaited }),
        4 => (1..=2_u16, any::<bool>(), 1..4_i32).prop_map(
            |(partition, inner, max)| Activate { partition, inner, max }),
        5 => (any::<usize>(), any::<bool>()).prop_map(|(job, again)| Complete { job, again }),
        2 => (any::<usize>(), 0..3_i32, prop_oneof![Just(0), Just(700)]).prop_map(
            |(job, retries, backoff)| Fail { job, retries, backoff }),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(job, caught)| Throw { job, caught }),
        4 => (name, 0..4_u8, prop_oneof![Just(0), Just(3_000)], any::<bool>()).prop_map(
            |(name, key, ttl, id)| Publish { name, key, ttl, id }),
        2 => (0..4_u8).prop_map(|key| Correlate { key }),
        1 => any::<usize>().prop_map(|instance| Cancel { instance }),
        1 => Just(ResolveAll),
        1 => (any::<usize>(), any::<bool>()).prop_map(
            |(instance, local)| SetVariables { instance, local }),
        1 => any::<usize>().prop_map(|job| PushFailed { job }),
        3 => (0..8_000_i64).prop_map(|millis| Advance { millis }),
        1 => (any::<bool>(), any::<u64>()).prop_map(|(chaotic, seed)| Network { chaotic, seed }),
        1 => (any::<u8>(), 0..25_u8, any::<i64>(), vec(any::<u8>(), 0..40)).prop_map(
            |(value_type, intent, key, value)| Garbage { value_type, intent, key, value }),
    ]
}

/// What a client knows.
struct Client {
    cluster: Cluster,
    jobs: Vec<Key>,
    instances: Vec<Key>,
    held: Vec<RequestId>,
}

fn pick(keys: &[Key], index: usize) -> Key {
    match keys.len() {
        0 => Key(2251799814685247),
        len => keys[index % len],
    }
}

impl Client {
    fn perform(&mut self, action: Action) {
        match action {
            Action::Create { partition, key, again, awaited } => {
                let variables = json!({"key": key.to_string(), "again": again});
                if awaited {
                    let request = self.cluster.start(partition, "p", variables);
                    self.held.push(request);
                } else {
                    self.instances.push(self.cluster.create(partition, "p", variables));
                }
            }
            Action::Activate { partition, inner, max } => {
                let job_type = if inner { "inner" } else { "work" };
                for (key, record) in self.cluster.activate(partition, job_type, max) {
                    self.jobs.push(key);
                    self.instances.push(Key(record.process_instance_key));
                    self.instances.push(Key(record.element_instance_key));
                }
            }
            Action::Complete { job, again } => {
                let job = pick(&self.jobs, job);
                self.cluster.complete(job, json!({"again": again}));
            }
            Action::Fail { job, retries, backoff } => {
                let job = pick(&self.jobs, job);
                self.cluster.fail(job, retries, backoff);
            }
            Action::Throw { job, caught } => {
                let job = pick(&self.jobs, job);
                let code = if caught { "E1" } else { "E2" };
                self.cluster.throw(job, code, json!({"thrown": true}));
            }
            other => self.perform_more(other),
        }
    }

    fn perform_more(&mut self, action: Action) {
        let cluster = &mut self.cluster;
        match action {
            Action::Publish { name, key, ttl, id } => {
                let record = MessageRecord {
                    name: name.to_owned(),
                    correlation_key: key.to_string(),
                    time_to_live: ttl,
                    message_id: if id { "same".to_owned() } else { String::new() },
                    ..MessageRecord::default()
                };
                let partition = home(key);
                cluster.call(partition, CommandKind::PublishMessage, Key::NONE, &record);
            }
            Action::Correlate { key } => {
                let record = MessageCorrelationRecord {
                    name: "paid".to_owned(),
                    correlation_key: key.to_string(),
                    variables: document(json!({"c": key})),
                    ..MessageCorrelationRecord::default()
                };
                let kind = CommandKind::CorrelateMessage;
                let request = cluster.send(home(key), kind, Key::NONE, record.to_bytes());
                self.held.push(request);
            }
            Action::Cancel { instance } => {
                let key = pick(&self.instances, instance);
                let record = ProcessInstanceRecord::default();
                cluster.call(partition_of(key), CommandKind::CancelProcessInstance, key, &record);
            }
            Action::ResolveAll => {
                for partition in 1..=2 {
                    for (incident, ..) in cluster.incidents(partition) {
                        cluster.resolve(incident);
                    }
                }
            }
            Action::SetVariables { instance, local } => {
                let key = pick(&self.instances, instance);
                cluster.set_variables(key, json!({"set": 1, "again": false}), local);
            }
            Action::PushFailed { job } => {
                let key = pick(&self.jobs, job);
                cluster.input(partition_of(key), Input::PushFailed { key });
            }
            Action::Advance { millis } => cluster.advance(millis),
            Action::Network { chaotic, seed } => {
                cluster.network = if chaotic { Network::Chaotic(seed) } else { Network::Perfect };
            }
            Action::Garbage { value_type, intent, key, value } => {
                self.garbage(value_type, intent, key, value);
            }
            other => unreachable!("{other:?} is performed above"),
        }
    }

    fn garbage(&mut self, value_type: u8, intent: u8, key: i64, value: Vec<u8>) {
        let request = RequestId(1_000_000 + self.cluster.replies.len() as u64);
        let command = CommandInput {
            request,
            value_type: ValueType::from_wire(value_type),
            intent,
            key: Key(key),
            operation_reference: None,
            tenants: Tenants::All,
            value: Bytes::from(value),
        };
        self.cluster.input(1, Input::Command(command));
        assert!(self.cluster.replies.contains_key(&request), "no answer to garbage");
    }

    /// Ends everything that still runs.
    fn wind_down(&mut self) {
        self.cluster.network = Network::Perfect;
        self.cluster.advance(60_000);
        for partition in 1..=2_u16 {
            let elements = &self.cluster.engines[usize::from(partition - 1)].state.elements;
            for key in elements.process_instance_keys() {
                let record = ProcessInstanceRecord::default();
                self.cluster.call(partition, CommandKind::CancelProcessInstance, key, &record);
            }
        }
        self.cluster.advance(60_000);
        self.cluster.check_empty();
        for request in &self.held {
            assert!(self.cluster.replies.contains_key(request), "{request:?} has no answer");
        }
        for engine in &self.cluster.engines {
            assert_eq!(engine.observe().messages, 0);
        }
    }
}

fn home(key: u8) -> u16 {
    crate::broker::engine::partition_of_correlation_key(&key.to_string(), 2).0
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_commands_is_answered_and_leaves_nothing(actions in vec(action(), 1..80)) {
        let mut cluster = Cluster::new(2);
        cluster.deploy(&everything());
        let mut client =
            Client { cluster, jobs: Vec::new(), instances: Vec::new(), held: Vec::new() };
        for action in actions {
            client.perform(action);
            client.cluster.check_replay();
        }
        client.wind_down();
    }

    #[test]
    fn any_bytes_as_a_record_are_answered(kind in 0..CommandKind::ALL.len(), value in vec(any::<u8>(), 0..60)) {
        let mut cluster = Cluster::new(1);
        let kind = CommandKind::ALL[kind];
        let request = cluster.send(1, kind, Key(1 << 51), Bytes::from(value));
        prop_assert!(cluster.replies.contains_key(&request));
    }
}

#[test]
fn a_job_record_with_huge_numbers_is_answered() {
    let mut cluster = Cluster::new(1);
    cluster.deploy(&everything());
    cluster.create(1, "p", json!({"key": "1"}));
    let (job, _) = cluster.take(1, "work");
    let record = JobRecord { timeout: i64::MAX, ..JobRecord::default() };
    cluster.call(1, CommandKind::UpdateJobTimeout, job, &record);
    cluster.fail(job, i32::MAX, i64::MAX);
    let creation = creation("p", json!({"key": "2"}));
    cluster.call(1, CommandKind::CreateProcessInstance, Key::NONE, &creation);
}
