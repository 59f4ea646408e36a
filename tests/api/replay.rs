//! What the JVM gateway answered without asking a broker, this gateway answers too.

use serde_json::Value;

use crate::http::{Request, Response};
use crate::rest::{config, without_brokers};
use crate::vectors::{request, steps};

const FILES: &[&str] = &[
    "01-get.json",
    "02-deployments.json",
    "03-process-instances.json",
    "04-bad-input.json",
    "05-jobs.json",
    "06-messages-signals.json",
    "07-decisions.json",
    "08-incidents-variables-resources.json",
    "09-documents.json",
    "10-user-tasks.json",
    "11-admin.json",
    "12-user-task-lifecycle.json",
    "13-clock.json",
    "14-size-limits.json",
];

/// Recorded steps that this gateway answers otherwise on purpose, and why.
const OTHERWISE: &[(&str, &str)] = &[
    ("multipart without boundary", "it is the client's fault: 400, where the JVM fails with 500"),
    ("status (8.8)", "served, as in 8.8"),
    ("authentication/me (8.8)", "served, as in 8.8"),
    ("topology with vendor accept string keys", "keys as strings, as in 8.7"),
    ("vendor content type", "served, as in 8.7"),
    ("license", "8.8 has a member more"),
    ("resolve unknown", "a resolution needs no body and so no Content-Type, as in 8.8"),
    ("get unknown store", "it is the client's fault: 400, where the JVM fails with 500"),
];

/// The same where answers are to be exactly those of 8.6.
const OTHERWISE_EXACTLY: &[(&str, &str)] = &[
    ("patch authorization bad enum", "refused either way"),
    ("wrong accept", "browsers get a page of our own"),
    ("huge body (5 MB of variables)", "over rest.max_body_size"),
    ("string longer than 20,000,000 characters: rejected by the JSON parser", "the same"),
    ("link no expiry", "the member is named, where the JVM names a parameter of its code"),
    ("create with metadata part without content type", "no other formats are accepted"),
    ("content of that document", "stored documents can be read, which needs the step before"),
];

/// Recorded problems whose detail is the text of a Java exception; ours names the member instead.
fn is_java_text(detail: &str) -> bool {
    detail.starts_with("Cannot invoke ")
}

/// Whether a broker had no part in the answer.
fn is_from_the_gateway(expected: &Value) -> bool {
    let body = &expected["body_json"];
    let refused = body["detail"].as_str().is_some_and(|text| text.starts_with("Command '"));
    let status = expected["status"].as_u64().expect("a status");
    let known = matches!(status, 400 | 401 | 404 | 405 | 406 | 413 | 415)
        || matches!(body["title"].as_str(), Some("Filter issue"))
        || body["detail"] == "Failed to get document content";
    let routed = body["status"].is_null() || body["timestamp"].is_string();
    let checked = matches!(
        body["title"].as_str(),
        Some("Bad Request" | "INVALID_ARGUMENT" | "UNAUTHORIZED" | "Unsupported Media Type")
    ) || body["title"].as_str().is_some_and(|title| title.contains(".Document"))
        || body["title"] == "Filter issue";
    known && !refused && (routed || checked)
}

/// The problem document with its members in the order of the JVM gateway.
fn problem_text(body: &Value, instance: &str) -> String {
    format!(
        r#"{{"type":{},"title":{},"status":{},"detail":{},"instance":"{instance}"}}"#,
        body["type"], body["title"], body["status"], body["detail"]
    )
}

/// What the JVM's servlet filter writes has its members in another order.
fn filter_text(body: &Value) -> String {
    format!(
        r#"{{"type":{},"status":{},"title":{},"detail":{},"instance":{}}}"#,
        body["type"], body["status"], body["title"], body["detail"], body["instance"]
    )
}

fn check(name: &str, sent: &Request, response: &Response, expected: &Value) {
    let status = expected["status"].as_u64().expect("a status");
    assert_eq!(u64::from(response.status), status, "{name}: {response:?}");
    for header in ["content-type", "allow", "accept"] {
        let expected = expected["headers"][header].as_str();
        if expected.is_some() {
            assert_eq!(response.header(header), expected, "{name}: {header}");
        }
    }
    let body = &expected["body_json"];
    if body["timestamp"].is_string() {
        let ours = response.json();
        assert_eq!(ours["error"], body["error"], "{name}");
        assert_eq!(ours["status"], body["status"], "{name}");
        assert_eq!(ours["path"], sent.path.as_str(), "{name}");
        let time = ours["timestamp"].as_str().expect("a time");
        assert!(time.len() == 29 && time.ends_with("+00:00"), "{name}: {time}");
    } else if body["title"] == "Filter issue" {
        assert_eq!(response.body, filter_text(body), "{name}");
    } else if let Some(detail) = body["detail"].as_str() {
        if is_java_text(detail) {
            assert_eq!(response.json()["title"], body["title"], "{name}");
            let ours = response.json();
            let ours = ours["detail"].as_str().expect("a detail");
            assert!(ours.ends_with("must not be null"), "{name}: {ours}");
        } else {
            let instance = body["instance"].as_str().expect("a path");
            let instance = if instance.contains("{{") { sent.path.as_str() } else { instance };
            assert_eq!(response.body, problem_text(body, instance), "{name}");
        }
    } else if expected["body_text"] == "" {
        assert_eq!(response.body, "", "{name}");
    }
}

fn replay(config: beegate::config::Config, otherwise: &'static [&'static [(&str, &str)]]) {
    without_brokers(config, move |to, _| async move {
        let mut checked = 0;
        for file in FILES {
            for step in steps("rest", file) {
                let name = step["name"].as_str().expect("a name");
                let skipped = otherwise.iter().copied().flatten().any(|(other, _)| *other == name);
                if skipped || !is_from_the_gateway(&step["expect"]) {
                    continue;
                }
                let sent = request(&step);
                let response = sent.send(to).await;
                check(&format!("{file}: {name}"), &sent, &response, &step["expect"]);
                checked += 1;
            }
        }
        assert!(checked >= 100, "only {checked} steps");
    });
}

#[test]
fn validation_and_routing_are_those_recorded() {
    replay(config(), &[OTHERWISE, OTHERWISE_EXACTLY]);
}

#[test]
fn exactly_means_with_the_faults_of_8_6() {
    let mut config = config();
    config.compatibility.exact = true;
    replay(config, &[OTHERWISE_EXACTLY]);
}

#[test]
fn multi_tenancy_without_identity_is_as_recorded() {
    let mut config = config();
    config.multi_tenancy.enabled = true;
    without_brokers(config, |to, _| async move {
        let mut checked = 0;
        for step in steps("rest", "20-multitenancy-without-identity.json") {
            let name = step["name"].as_str().expect("a name");
            let of_a_database = name.starts_with("query ");
            if of_a_database || !is_from_the_gateway(&step["expect"]) {
                continue;
            }
            let sent = request(&step);
            check(name, &sent, &sent.send(to).await, &step["expect"]);
            checked += 1;
        }
        assert!(checked >= 9, "only {checked} steps");
    });
}

#[test]
fn without_brokers_commands_fail_as_recorded() {
    without_brokers(config(), |to, _| async move {
        for step in steps("rest", "22-no-brokers-known.json") {
            let name = step["name"].as_str().expect("a name");
            // Polling needs job activation, which this gateway runs without.
            if name == "activate" {
                continue;
            }
            let sent = request(&step);
            let response = sent.send(to).await;
            if name == "topology" {
                let mut ours = response.json();
                ours["gatewayVersion"] = "{{any:string}}".into();
                assert_eq!(ours, step["expect"]["body_json"]);
                continue;
            }
            check(name, &sent, &response, &step["expect"]);
        }
    });
}
