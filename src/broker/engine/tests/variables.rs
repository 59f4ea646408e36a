//! Variables and their scopes.

use serde_json::json;

use super::harness::{Cluster, json as to_json, rejected};
use super::models::{end, flows, io, mapped_task, process, start, sub_process, task};
use crate::broker::engine::Response;
use crate::model::{Key, RejectionType};

#[test]
fn output_mappings_decide_what_leaves_a_task() {
    let mut cluster = Cluster::new(1);
    let mapping = io(
        &[("=order.id", "id"), ("=id + 1", "next")],
        &[("=result", "order.result"), ("=next", "plain")],
    );
    let body = [start("s"), mapped_task("t", "work", &mapping), end("e"), flows("s>t>e")].concat();
    cluster.deploy(&process("p", &body));
    let request = cluster.start(1, "p", json!({"order": {"id": 7}}));
    let (job, record) = cluster.take(1, "work");
    assert_eq!(to_json(&record.variables), json!({"id": 7, "next": 8, "order": {"id": 7}}));
    cluster.complete(job, json!({"result": "ok", "noise": 1}));
    let expected = json!({"order": {"id": 7, "result": "ok"}, "plain": 8});
    assert_eq!(cluster.result(request), expected);
}

#[test]
fn without_output_mappings_a_result_goes_where_the_variable_is() {
    let mut cluster = Cluster::new(1);
    let mapping = io(&[("=a", "local")], &[]);
    let body = [start("s"), mapped_task("t", "work", &mapping), end("e"), flows("s>t>e")].concat();
    cluster.deploy(&process("p", &body));
    let request = cluster.start(1, "p", json!({"a": 1}));
    let (job, _) = cluster.take(1, "work");
    cluster.complete(job, json!({"local": 2, "a": 3, "new": 4}));
    assert_eq!(cluster.result(request), json!({"a": 3, "new": 4}));
}

#[test]
fn variables_are_set_locally_or_propagated() {
    let mut cluster = Cluster::new(1);
    let inner = [start("is"), task("t", "work"), flows("is>t")].concat();
    let body = [start("s"), sub_process("sub", &inner), end("e"), flows("s>sub>e")].concat();
    cluster.deploy(&process("p", &body));
    let request = cluster.start(1, "p", json!({"a": 1}));
    let (job, record) = cluster.take(1, "work");
    let element = Key(record.element_instance_key);
    let response = cluster.set_variables(element, json!({"a": 2, "new": 1}), false);
    assert!(matches!(response, Response::Event { .. }), "{response:?}");
    cluster.set_variables(element, json!({"a": "local", "own": true}), true);
    cluster.fail(job, 1, 0);
    let (job, record) = cluster.take(1, "work");
    let expected = json!({"a": "local", "own": true, "new": 1});
    assert_eq!(to_json(&record.variables), expected);
    cluster.complete(job, json!({}));
    assert_eq!(cluster.result(request), json!({"a": 2, "new": 1}));
}

#[test]
fn variables_of_an_unknown_element_cannot_be_set() {
    let mut cluster = Cluster::new(1);
    let response = cluster.set_variables(Key(2251799814685247), json!({"a": 1}), false);
    let reason = "Expected to update variables for element with key '2251799814685247', but no \
                  such element was found";
    assert_eq!(rejected(&response), (RejectionType::NotFound, reason));
}
