//! Timers.

use serde_json::json;

use super::harness::{Cluster, START, rejected};
use super::models::{boundary, catch, end, flows, on_timer, process, start, task};
use crate::model::{CommandKind, Key, Millis, RejectionType};
use crate::wire::record::{ClockRecord, ProcessInstanceRecord};

fn delayed(text: &str) -> String {
    let body = [start("s"), catch("c", &on_timer("timeDuration", text)), end("e"), flows("s>c>e")];
    process("p", &body.concat())
}

#[test]
fn a_timer_delays_as_long_as_it_says() {
    let mut cluster = Cluster::new(1);
    cluster.deploy(&delayed("=wait"));
    let request = cluster.start(1, "p", json!({"wait": "PT1M30S"}));
    assert_eq!(cluster.engines[0].next_due(), Some(START + Millis(90_000)));
    cluster.advance(89_999);
    assert_eq!(cluster.running(), 1);
    cluster.advance(1);
    cluster.result(request);
    cluster.check_empty();
}

#[test]
fn a_duration_that_is_none_raises_an_incident() {
    let mut cluster = Cluster::new(1);
    cluster.deploy(&delayed("=wait"));
    let instance = cluster.create(1, "p", json!({"wait": "soon"}));
    let (incident, kind, text) = cluster.incidents(1).remove(0);
    assert_eq!(kind, "EXTRACT_VALUE_ERROR");
    assert!(text.contains("soon"), "{text}");
    cluster.set_variables(instance, json!({"wait": "PT1S"}), false);
    cluster.resolve(incident);
    cluster.advance(1_000);
    cluster.check_empty();
}

#[test]
fn cancelling_stops_the_timer() {
    let mut cluster = Cluster::new(1);
    cluster.deploy(&delayed("PT1H"));
    let instance = cluster.create(1, "p", json!({}));
    let cancel = ProcessInstanceRecord::default();
    cluster.call(1, CommandKind::CancelProcessInstance, instance, &cancel);
    assert_eq!(cluster.engines[0].next_due(), None);
    cluster.check_empty();
}

#[test]
fn a_boundary_timer_interrupts() {
    let mut cluster = Cluster::new(1);
    let body = [
        start("s"),
        task("t", "work"),
        boundary("b", "t", true, &on_timer("timeDuration", "PT5S")),
        task("late", "late"),
        flows("s>t, b>late"),
    ];
    cluster.deploy(&process("p", &body.concat()));
    cluster.create(1, "p", json!({}));
    let (job, _) = cluster.take(1, "work");
    cluster.advance(5_000);
    assert_eq!(rejected(&cluster.complete(job, json!({}))).0, RejectionType::NotFound);
    let (late, _) = cluster.take(1, "late");
    cluster.complete(late, json!({}));
    cluster.check_empty();
}

#[test]
fn a_repeating_boundary_timer_fires_as_often_as_it_says() {
    let mut cluster = Cluster::new(1);
    let body = [
        start("s"),
        task("t", "work"),
        boundary("b", "t", false, &on_timer("timeCycle", "R3/PT5S")),
        task("remind", "remind"),
        flows("s>t, b>remind"),
    ];
    cluster.deploy(&process("p", &body.concat()));
    cluster.create(1, "p", json!({}));
    cluster.advance(14_999);
    assert_eq!(cluster.activate(1, "remind", 10).len(), 2);
    cluster.advance(100_000);
    assert_eq!(cluster.engines[0].observe().timers, 0);
    assert_eq!(cluster.engines[0].observe().jobs_activatable, 2 + 1 + 1);
}

#[test]
fn a_date_timer_fires_at_its_date() {
    let mut cluster = Cluster::new(1);
    let text = "2027-01-15T08:00:01Z";
    let body = [start("s"), catch("c", &on_timer("timeDate", text)), flows("s>c")].concat();
    cluster.deploy(&process("p", &body));
    cluster.create(1, "p", json!({}));
    assert_eq!(cluster.engines[0].next_due(), Some(START + Millis(1_000)));
    cluster.advance(1_000);
    cluster.check_empty();
}

#[test]
fn a_timer_start_event_starts_instances_of_the_newest_version_on_one_partition() {
    let mut cluster = Cluster::new(3);
    let model = |job: &str| {
        let timer = on_timer("timeCycle", "R/PT10S");
        let event = format!(r#"<bpmn:startEvent id="s">{timer}</bpmn:startEvent>"#);
        process("p", &[event, task("t", job), flows("s>t")].concat())
    };
    cluster.deploy(&model("old"));
    cluster.advance(10_000);
    assert_eq!(cluster.activate(1, "old", 10).len(), 1);
    let newest = cluster.deploy(&model("new"));
    cluster.advance(20_000);
    assert_eq!(cluster.activate(1, "new", 10).len(), 2);
    assert_eq!(cluster.running(), 3);
    cluster.delete(Key(newest.processes_metadata[0].process_definition_key));
    cluster.advance(10_000);
    assert_eq!(cluster.activate(1, "old", 10).len(), 1);
}

#[test]
fn a_pinned_clock_stands_still_and_can_be_moved() {
    let mut cluster = Cluster::new(1);
    cluster.deploy(&delayed("PT1H"));
    let pin = |time: i64| ClockRecord { time };
    cluster.call(1, CommandKind::PinClock, Key::NONE, &pin(START.0));
    cluster.create(1, "p", json!({}));
    assert_eq!(cluster.engines[0].next_due(), None);
    cluster.advance(7_200_000);
    assert_eq!(cluster.running(), 1);
    cluster.call(1, CommandKind::PinClock, Key::NONE, &pin(START.0 + 3_600_000));
    cluster.advance(0);
    assert_eq!(cluster.running(), 0);
    cluster.call(1, CommandKind::ResetClock, Key::NONE, &pin(0));
    cluster.create(1, "p", json!({}));
    cluster.advance(3_600_000);
    cluster.check_empty();
}
