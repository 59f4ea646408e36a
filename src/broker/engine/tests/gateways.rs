//! Choosing, forking, joining.

use serde_json::json;

use super::harness::Cluster;
use super::models::{choice, end, flows, gateway, process, start, task, when};

fn branching() -> String {
    let body = [
        start("s"),
        choice("x", "low"),
        task("low", "low"),
        task("high", "high"),
        end("e"),
        flows("s>x>low>e, high>e"),
        when("x", "high", "=amount > 100"),
    ];
    process("p", &body.concat())
}

#[test]
fn an_exclusive_gateway_takes_the_flow_whose_condition_holds() {
    let mut cluster = Cluster::new(1);
    cluster.deploy(&branching());
    cluster.create(1, "p", json!({"amount": 101}));
    cluster.take(1, "high");
    cluster.create(1, "p", json!({"amount": 100}));
    cluster.take(1, "low");
}

#[test]
fn a_condition_that_is_no_boolean_raises_an_incident() {
    let mut cluster = Cluster::new(1);
    cluster.deploy(&branching());
    let instance = cluster.create(1, "p", json!({}));
    let incidents = cluster.incidents(1);
    assert_eq!(incidents[0].1, "EXTRACT_VALUE_ERROR");
    assert!(incidents[0].2.contains("amount > 100"), "{}", incidents[0].2);
    cluster.set_variables(instance, json!({"amount": 500}), false);
    cluster.resolve(incidents[0].0);
    cluster.take(1, "high");
    assert!(cluster.incidents(1).is_empty());
}

#[test]
fn without_a_flow_to_take_there_is_an_incident() {
    let mut cluster = Cluster::new(1);
    let body = [
        start("s"),
        gateway("exclusive", "x"),
        end("a"),
        end("b"),
        flows("s>x"),
        when("x", "a", "=n = 1"),
        when("x", "b", "=n = 2"),
    ];
    cluster.deploy(&process("p", &body.concat()));
    cluster.create(1, "p", json!({"n": 3}));
    assert_eq!(cluster.incidents(1)[0].1, "CONDITION_ERROR");
    cluster.create(1, "p", json!({"n": 2}));
    assert_eq!(cluster.running(), 1);
}

#[test]
fn a_parallel_gateway_forks_and_joins() {
    let mut cluster = Cluster::new(1);
    let body = [
        start("s"),
        gateway("parallel", "fork"),
        task("a", "a"),
        task("b", "b"),
        gateway("parallel", "join"),
        task("after", "after"),
        end("e"),
        flows("s>fork>a>join>after>e, fork>b>join"),
    ];
    cluster.deploy(&process("p", &body.concat()));
    let request = cluster.start(1, "p", json!({}));
    let (a, _) = cluster.take(1, "a");
    let (b, _) = cluster.take(1, "b");
    cluster.complete(b, json!({"b": 1}));
    assert!(cluster.activate(1, "after", 1).is_empty());
    cluster.complete(a, json!({"a": 1}));
    let (after, _) = cluster.take(1, "after");
    cluster.complete(after, json!({}));
    assert_eq!(cluster.result(request), json!({"a": 1, "b": 1}));
    cluster.check_empty();
}

#[test]
fn a_join_counts_tokens_per_flow() {
    // Two tokens on one branch do not make a join go on; each pair does once.
    let mut cluster = Cluster::new(1);
    let body = [
        start("s"),
        gateway("parallel", "f1"),
        gateway("exclusive", "merge"),
        task("a", "a"),
        task("b", "b"),
        gateway("parallel", "join"),
        task("after", "after"),
        flows("s>f1>merge>a>join>after, f1>merge2, f1>b>join"),
        gateway("exclusive", "merge2"),
        flows("merge2>merge"),
    ];
    cluster.deploy(&process("p", &body.concat()));
    cluster.create(1, "p", json!({}));
    for (job, _) in cluster.activate(1, "a", 10) {
        cluster.complete(job, json!({}));
    }
    assert!(cluster.activate(1, "after", 10).is_empty());
    let (b, _) = cluster.take(1, "b");
    cluster.complete(b, json!({}));
    assert_eq!(cluster.activate(1, "after", 10).len(), 1);
}

#[test]
fn an_inclusive_gateway_takes_every_flow_that_holds() {
    let mut cluster = Cluster::new(1);
    let body = [
        start("s"),
        r#"<bpmn:inclusiveGateway id="x" default="x-c"/>"#.to_owned(),
        task("a", "a"),
        task("b", "b"),
        task("c", "c"),
        flows("s>x>c"),
        when("x", "a", "=n > 1"),
        when("x", "b", "=n > 2"),
    ];
    cluster.deploy(&process("p", &body.concat()));
    cluster.create(1, "p", json!({"n": 3}));
    cluster.take(1, "a");
    cluster.take(1, "b");
    assert!(cluster.activate(1, "c", 1).is_empty());
    cluster.create(1, "p", json!({"n": 0}));
    cluster.take(1, "c");
}
