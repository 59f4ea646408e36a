//! Messages: correlation across partitions, buffering, uniqueness, replies.

use serde_json::json;

use super::harness::{Cluster, Network, done, json as to_json, rejected};
use super::models::{
    boundary, catch, definitions, end, flows, message, on_message, start, sub_process, task,
};
use crate::broker::engine::{Response, partition_of_correlation_key};
use crate::model::{CommandKind, Key, PartitionId, RejectionType};
use crate::wire::record::{MessageCorrelationRecord, MessageRecord, ProcessInstanceRecord};

fn waiting() -> String {
    let body = [start("s"), catch("c", &on_message("paid")), end("e"), flows("s>c>e")].concat();
    let process = format!(r#"<bpmn:process id="p" isExecutable="true">{body}</bpmn:process>"#);
    definitions(&(message("paid", "=order") + &process))
}

/// A key whose partition is `wanted` of `partitions`.
fn key_for(wanted: u16, partitions: u16) -> String {
    (0..)
        .map(|number| format!("order-{number}"))
        .find(|key| partition_of_correlation_key(key, partitions) == PartitionId(wanted))
        .expect("keys spread over all partitions")
}

#[test]
fn the_hash_is_that_of_the_recorded_table() {
    let table: serde_json::Value = serde_json::from_str(include_str!(
        "../../../../tests/vectors/command/routing/correlation-key-partition.json"
    ))
    .expect("a readable table");
    let counts = [1, 2, 3, 4, 5, 6, 7, 8, 16, 100, 1000];
    let entries = table.as_array().expect("a list");
    assert!(entries.len() > 20);
    for entry in entries {
        let key = entry["key"].as_str().expect("a key");
        let partitions = entry["partitions_for_count_1_to_8_then_16_100_1000"].as_array();
        for (partition, count) in partitions.expect("partitions").iter().zip(counts) {
            let found = partition_of_correlation_key(key, count);
            assert_eq!(json!(found.0), *partition, "{key:?} of {count}");
        }
    }
}

#[test]
fn a_message_finds_its_instance_on_any_partition() {
    let mut cluster = Cluster::new(3);
    cluster.deploy(&waiting());
    for instance_partition in 1..=3 {
        for message_partition in 1..=3 {
            let key = key_for(message_partition, 3);
            let request = cluster.start(instance_partition, "p", json!({"order": key}));
            assert_eq!(cluster.running(), 1);
            cluster.publish(message_partition, "paid", "another", 0, json!({}));
            assert_eq!(cluster.running(), 1);
            cluster.publish(message_partition, "paid", &key, 0, json!({"amount": 5}));
            assert_eq!(cluster.result(request), json!({"order": key, "amount": 5}));
        }
    }
    cluster.check_empty();
}

#[test]
fn repeated_and_reordered_messages_between_partitions_change_nothing() {
    for seed in 1..=40 {
        let mut cluster = Cluster::new(2);
        cluster.deploy(&waiting());
        cluster.network = Network::Chaotic(seed);
        let mut requests = Vec::new();
        for number in 0..6_u16 {
            let key = key_for(1 + number % 2, 2) + &number.to_string();
            let at = partition_of_correlation_key(&key, 2).0;
            // Half of the messages come before the instance waits for them.
            if number % 3 == 0 {
                cluster.publish(at, "paid", &key, 60_000, json!({"n": number}));
            }
            requests.push((cluster.start(1 + number / 3, "p", json!({"order": key})), number));
            if number % 3 != 0 {
                cluster.publish(at, "paid", &key, 60_000, json!({"n": number}));
            }
        }
        // What was lost or came too early is sent again after a while.
        cluster.advance(30_000);
        for (request, number) in requests {
            assert_eq!(cluster.result(request)["n"], json!(number), "seed {seed}");
        }
        cluster.advance(60_000);
        cluster.check_empty();
    }
}

#[test]
fn what_a_cut_network_lost_is_sent_again() {
    let mut cluster = Cluster::new(2);
    cluster.deploy(&waiting());
    let key = key_for(2, 2);
    cluster.network = Network::Cut;
    let request = cluster.start(1, "p", json!({"order": key}));
    cluster.publish(2, "paid", &key, 60_000, json!({"n": 1}));
    assert_eq!(cluster.running(), 1);
    cluster.network = Network::Perfect;
    cluster.advance(5_000);
    assert_eq!(cluster.result(request)["n"], json!(1));
}

#[test]
fn a_buffered_message_waits_for_its_instance() {
    let mut cluster = Cluster::new(2);
    cluster.deploy(&waiting());
    let key = key_for(2, 2);
    cluster.publish(2, "paid", &key, 1_000, json!({"n": 1}));
    cluster.advance(999);
    let request = cluster.start(1, "p", json!({"order": key}));
    assert_eq!(cluster.result(request)["n"], json!(1));
    // One process gets a message once.
    cluster.start(1, "p", json!({"order": key}));
    assert_eq!(cluster.running(), 1);
    cluster.advance(1_000);
    assert_eq!(cluster.engines[1].observe().messages, 0);
}

#[test]
fn an_expired_message_is_gone() {
    let mut cluster = Cluster::new(1);
    cluster.deploy(&waiting());
    cluster.publish(1, "paid", "k", 1_000, json!({}));
    cluster.publish(1, "paid", "k", 0, json!({}));
    cluster.publish(1, "paid", "k", -1, json!({}));
    cluster.advance(1_000);
    assert_eq!(cluster.engines[0].observe().messages, 0);
    cluster.start(1, "p", json!({"order": "k"}));
    assert_eq!(cluster.running(), 1);
}

#[test]
fn the_oldest_message_and_the_oldest_instance_come_first() {
    let mut cluster = Cluster::new(1);
    cluster.deploy(&waiting());
    cluster.publish(1, "paid", "k", 10_000, json!({"n": 1}));
    cluster.publish(1, "paid", "k", 10_000, json!({"n": 2}));
    let first = cluster.start(1, "p", json!({"order": "k"}));
    assert_eq!(cluster.result(first)["n"], json!(1));
    let second = cluster.start(1, "p", json!({"order": "k"}));
    assert_eq!(cluster.result(second)["n"], json!(2));

    let first = cluster.start(1, "p", json!({"order": "k2"}));
    let second = cluster.start(1, "p", json!({"order": "k2"}));
    cluster.publish(1, "paid", "k2", 0, json!({"n": 3}));
    assert_eq!(cluster.result(first)["n"], json!(3));
    cluster.publish(1, "paid", "k2", 0, json!({"n": 4}));
    assert_eq!(cluster.result(second)["n"], json!(4));
}

#[test]
fn a_message_id_is_unique_while_the_message_is_buffered() {
    let mut cluster = Cluster::new(1);
    let record = MessageRecord {
        name: "m".into(),
        correlation_key: "k".into(),
        time_to_live: 1_000,
        message_id: "m1".into(),
        ..MessageRecord::default()
    };
    let kind = CommandKind::PublishMessage;
    let (_, published) = done::<MessageRecord>(&cluster.call(1, kind, Key::NONE, &record));
    assert_eq!(published.deadline, cluster.now.0 + 1_000);
    let again = cluster.call(1, kind, Key::NONE, &record);
    let reason = "Expected to publish a new message with id 'm1', but a message with that id was \
                  already published";
    assert_eq!(rejected(&again), (RejectionType::AlreadyExists, reason));
    let other = MessageRecord { correlation_key: "k2".into(), ..record.clone() };
    done::<MessageRecord>(&cluster.call(1, kind, Key::NONE, &other));
    cluster.advance(1_000);
    done::<MessageRecord>(&cluster.call(1, kind, Key::NONE, &record));
}

#[test]
fn a_message_that_lives_for_good_does_not_expire_at_once() {
    let mut cluster = Cluster::new(1);
    cluster.publish(1, "m", "k", i64::MAX, json!({}));
    cluster.advance(1_000_000);
    assert_eq!(cluster.engines[0].observe().messages, 1);
}

fn correlate(cluster: &mut Cluster, partition: u16, key: &str) -> Response {
    let record = MessageCorrelationRecord {
        name: "paid".into(),
        correlation_key: key.into(),
        variables: super::harness::document(json!({"n": 1})),
        ..MessageCorrelationRecord::default()
    };
    cluster.call(partition, CommandKind::CorrelateMessage, Key::NONE, &record)
}

#[test]
fn correlation_is_answered_with_the_instance_reached() {
    let mut cluster = Cluster::new(2);
    cluster.deploy(&waiting());
    let key = key_for(2, 2);
    let response = correlate(&mut cluster, 2, &key);
    let reason = format!(
        "Expected to find subscription for message with name 'paid' and correlation key '{key}', \
         but none was found."
    );
    assert_eq!(rejected(&response), (RejectionType::NotFound, reason.as_str()));
    let instance = cluster.create(1, "p", json!({"order": key}));
    let (reply_key, record) = done::<MessageCorrelationRecord>(&correlate(&mut cluster, 2, &key));
    assert_eq!(reply_key, Key::NONE);
    assert_eq!(record.process_instance_key, instance.0);
    assert!(record.message_key > 0);
    assert_eq!(to_json(&record.variables), json!({"n": 1}));
    assert_eq!(cluster.engines[1].observe().messages, 0);
    cluster.check_empty();
}

#[test]
fn a_correlation_that_meets_an_instance_just_gone_is_answered_too() {
    let mut cluster = Cluster::new(2);
    cluster.deploy(&waiting());
    let key = key_for(2, 2);
    let instance = cluster.create(1, "p", json!({"order": key}));
    cluster.network = Network::Cut;
    cluster.call(
        1,
        CommandKind::CancelProcessInstance,
        instance,
        &ProcessInstanceRecord::default(),
    );
    let record = MessageCorrelationRecord {
        name: "paid".into(),
        correlation_key: key,
        ..MessageCorrelationRecord::default()
    };
    use crate::wire::record::Record;
    let kind = CommandKind::CorrelateMessage;
    let request = cluster.send(2, kind, Key::NONE, record.to_bytes());
    assert!(!cluster.replies.contains_key(&request));
    cluster.network = Network::Perfect;
    cluster.advance(10_000);
    let response = cluster.replies.remove(&request).expect("an answer");
    assert_eq!(rejected(&response).0, RejectionType::NotFound);
    cluster.check_empty();
}

#[test]
fn cancelling_closes_the_subscription() {
    let mut cluster = Cluster::new(2);
    cluster.deploy(&waiting());
    let key = key_for(2, 2);
    let instance = cluster.create(1, "p", json!({"order": key}));
    assert_eq!(cluster.engines[1].observe().message_subscriptions, 1);
    let cancel = ProcessInstanceRecord::default();
    cluster.call(1, CommandKind::CancelProcessInstance, instance, &cancel);
    cluster.check_empty();
}

#[test]
fn a_correlation_key_that_is_null_raises_an_incident() {
    let mut cluster = Cluster::new(1);
    cluster.deploy(&waiting());
    let instance = cluster.create(1, "p", json!({}));
    let (incident, kind, _) = cluster.incidents(1).remove(0);
    assert_eq!(kind, "EXTRACT_VALUE_ERROR");
    cluster.set_variables(instance, json!({"order": 17}), false);
    cluster.resolve(incident);
    cluster.publish(1, "paid", "17", 0, json!({}));
    cluster.check_empty();
}

#[test]
fn boundary_messages_interrupt_or_run_beside() {
    let model = |interrupting| {
        let body = [
            start("s"),
            task("t", "work"),
            boundary("b", "t", interrupting, &on_message("paid")),
            task("after", "after"),
            end("e"),
            flows("s>t>e, b>after"),
        ]
        .concat();
        let process = format!(r#"<bpmn:process id="p" isExecutable="true">{body}</bpmn:process>"#);
        definitions(&(message("paid", "=order") + &process))
    };
    let mut cluster = Cluster::new(2);
    let key = key_for(2, 2);
    cluster.deploy(&model(true));
    cluster.create(1, "p", json!({"order": key}));
    let (job, _) = cluster.take(1, "work");
    cluster.publish(2, "paid", &key, 0, json!({"n": 1}));
    assert_eq!(rejected(&cluster.complete(job, json!({}))).0, RejectionType::NotFound);
    let (after, record) = cluster.take(1, "after");
    assert_eq!(to_json(&record.variables)["n"], json!(1));
    cluster.complete(after, json!({}));
    cluster.check_empty();

    cluster.deploy(&model(false));
    cluster.create(1, "p", json!({"order": key}));
    cluster.publish(2, "paid", &key, 0, json!({}));
    cluster.publish(2, "paid", &key, 0, json!({}));
    assert_eq!(cluster.activate(1, "after", 10).len(), 2);
    let (job, _) = cluster.take(1, "work");
    cluster.complete(job, json!({}));
    assert_eq!(cluster.engines[1].observe().message_subscriptions, 0);
}

#[test]
fn an_event_based_gateway_goes_on_with_the_first_event() {
    let body = [
        start("s"),
        super::models::gateway("eventBased", "g"),
        catch("m", &on_message("paid")),
        catch("t", &super::models::on_timer("timeDuration", "PT10S")),
        task("by-message", "by-message"),
        task("by-timer", "by-timer"),
        flows("s>g>m>by-message, g>t>by-timer"),
    ]
    .concat();
    let process = format!(r#"<bpmn:process id="p" isExecutable="true">{body}</bpmn:process>"#);
    let mut cluster = Cluster::new(1);
    cluster.deploy(&definitions(&(message("paid", "=order") + &process)));
    cluster.create(1, "p", json!({"order": "a"}));
    cluster.publish(1, "paid", "a", 0, json!({"n": 1}));
    let (job, record) = cluster.take(1, "by-message");
    assert_eq!(to_json(&record.variables), json!({"n": 1, "order": "a"}));
    cluster.complete(job, json!({}));
    assert_eq!(cluster.running(), 0);
    cluster.create(1, "p", json!({"order": "b"}));
    cluster.advance(10_000);
    let (job, _) = cluster.take(1, "by-timer");
    cluster.complete(job, json!({}));
    cluster.check_empty();
}

fn started_by_message() -> String {
    let body = [
        format!(r#"<bpmn:startEvent id="s">{}</bpmn:startEvent>"#, on_message("order")),
        task("t", "work"),
        flows("s>t"),
    ]
    .concat();
    let message = r#"<bpmn:message id="order-id" name="order"/>"#;
    let process = format!(r#"<bpmn:process id="p" isExecutable="true">{body}</bpmn:process>"#);
    definitions(&(message.to_owned() + &process))
}

#[test]
fn a_message_starts_an_instance_on_its_own_partition() {
    let mut cluster = Cluster::new(2);
    cluster.deploy(&started_by_message());
    let key = key_for(2, 2);
    cluster.publish(2, "order", &key, 10_000, json!({"n": 1}));
    cluster.publish(2, "order", &key, 10_000, json!({"n": 2}));
    // One instance per correlation key at a time.
    let (job, record) = cluster.take(2, "work");
    assert_eq!(to_json(&record.variables), json!({"n": 1}));
    cluster.complete(job, json!({}));
    let (job, record) = cluster.take(2, "work");
    assert_eq!(to_json(&record.variables), json!({"n": 2}));
    cluster.complete(job, json!({}));
    assert_eq!(cluster.running(), 0);
    // Without a correlation key there is no such limit.
    cluster.publish(1, "order", "", 0, json!({}));
    cluster.publish(1, "order", "", 0, json!({}));
    assert_eq!(cluster.running(), 2);
}

#[test]
fn only_the_newest_version_is_started_by_a_message() {
    let mut cluster = Cluster::new(1);
    cluster.deploy(&started_by_message());
    let newer = started_by_message().replace("work", "newer");
    let deployed = cluster.deploy(&newer);
    cluster.publish(1, "order", "", 0, json!({}));
    assert!(cluster.activate(1, "work", 10).is_empty());
    assert_eq!(cluster.activate(1, "newer", 10).len(), 1);
    let newest = Key(deployed.processes_metadata[0].process_definition_key);
    cluster.delete(newest);
    cluster.publish(1, "order", "", 0, json!({}));
    assert_eq!(cluster.activate(1, "work", 10).len(), 1);
}

#[test]
fn a_message_for_a_sub_process_that_was_left_is_not_taken() {
    let inner = [start("is"), catch("c", &on_message("paid")), flows("is>c")].concat();
    let body = [
        start("s"),
        sub_process("sub", &inner),
        boundary("b", "sub", true, &super::models::on_timer("timeDuration", "PT1S")),
        task("after", "after"),
        flows("s>sub, b>after"),
    ]
    .concat();
    let process = format!(r#"<bpmn:process id="p" isExecutable="true">{body}</bpmn:process>"#);
    let mut cluster = Cluster::new(1);
    cluster.deploy(&definitions(&(message("paid", "=order") + &process)));
    cluster.create(1, "p", json!({"order": "a"}));
    cluster.advance(1_000);
    assert_eq!(cluster.engines[0].observe().message_subscriptions, 0);
    let (after, _) = cluster.take(1, "after");
    cluster.complete(after, json!({}));
    cluster.check_empty();
}
