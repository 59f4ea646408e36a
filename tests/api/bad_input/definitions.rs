//! Models, expressions, processes and keys that are not what they should be.

use beegate::api::grpc::proto as pb;
use beegate::model::{Key, PartitionId};
use tonic::Code;

use super::stand::{Stand, complete, creation, eventually, process, refused, take, task_process};
use crate::http::Request;

/// An entity that doubles itself to a gigabyte, and one that reads a file.
const BOMB: &str = r#"<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "aaaaaaaaaa">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL">&c;</definitions>"#;
const FILE: &str =
    r#"<!DOCTYPE d [<!ENTITY f SYSTEM "file:///etc/passwd">]><definitions>&f;</definitions>"#;

/// A choice with this condition, then a task.
fn condition(id: &str, expression: &str) -> String {
    process(
        id,
        &format!(
            r#"<startEvent id="start"/><sequenceFlow id="f1" sourceRef="start" targetRef="choice"/>
            <exclusiveGateway id="choice" default="f3"/>
            <sequenceFlow id="f2" sourceRef="choice" targetRef="task">
              <conditionExpression xsi:type="tFormalExpression">{expression}</conditionExpression>
            </sequenceFlow>
            <sequenceFlow id="f3" sourceRef="choice" targetRef="end"/>
            <serviceTask id="task"><extensionElements><zeebe:taskDefinition type="chosen"/>
            </extensionElements></serviceTask>
            <sequenceFlow id="f4" sourceRef="task" targetRef="end"/><endEvent id="end"/>"#
        ),
    )
}

fn refusals() -> Vec<(String, &'static [&'static str])> {
    let unexecutable = task_process("x", "t").replace("true", "false");
    let unsupported = process(
        "x",
        r#"<startEvent id="s"/><sequenceFlow id="f" sourceRef="s" targetRef="mine"/>
        <businessRuleTask id="mine"/>"#,
    );
    let nested = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    vec![
        ("this is no XML".into(), &["Fatal Error: URI=null Line=1: "]),
        (String::new(), &["Premature end of file."]),
        ("\0\u{1}\u{2}".into(), &["Fatal Error: URI=null Line=1: "]),
        ("<definitions>".into(), &["Fatal Error: URI=null Line=1: "]),
        (nested, &["'p.bpmn': "]),
        (BOMB.into(), &["DOCTYPE is disallowed."]),
        (FILE.into(), &["DOCTYPE is disallowed."]),
        (unsupported, &["- Element: mine"]),
        (unexecutable, &["Must contain at least one executable process"]),
        (condition("x", "=a &gt; &gt; 1"), &["- Element: f2", "Failed to parse expression"]),
        (condition("x", &"=(".repeat(20_000)), &["- Element: f2", "Failed to parse expression"]),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn models_that_cannot_run_are_refused_and_named() {
    let stand = Stand::start(|_| ()).await;
    for (xml, words) in refusals() {
        let shown: String = xml.chars().take(200).collect();
        let (code, message) = refused(stand.deploy(&xml).await);
        assert_eq!(code, Code::InvalidArgument, "{shown}: {message}");
        let start = "Command 'CREATE' rejected with code 'INVALID_ARGUMENT': Expected to deploy \
                     new resources, but encountered the following errors:";
        assert!(message.starts_with(start), "{shown}: {message}");
        for part in words {
            assert!(message.contains(part), "{shown}: {message}");
        }
        let body = format!(
            "--b\r\nContent-Disposition: form-data; name=\"resources\"; filename=\"p.bpmn\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n{xml}\r\n--b--\r\n"
        );
        let mut request = Request::new("POST", "/v2/deployments")
            .header("Content-Type", "multipart/form-data; boundary=b");
        request.body = Some(body.into_bytes());
        let answer = request.send(stand.rest).await;
        assert_eq!(answer.status, 400, "{shown}: {answer:?}");
    }
    assert_eq!(stand.count("process_definitions"), 0);
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expression_that_fails_waits_as_an_incident_until_it_is_repaired() {
    let stand = Stand::start(|_| ()).await;
    stand.deploy(&condition("decides", "=a &gt; 1")).await.expect("deploys");
    let mut client = stand.client().await;
    let created = client.create_process_instance(creation("decides", "{}")).await;
    let instance = created.expect("created").into_inner().process_instance_key;
    eventually("an incident", || stand.count("incidents") == 1).await;
    let engines = stand.engines();
    let open = engines.iter().find_map(|engine| engine["open_incidents"].get(0));
    let open = open.expect("shown").clone();
    assert_eq!(open["element_id"], "choice", "{open}");
    assert_eq!(open["error_type"], "EXTRACT_VALUE_ERROR", "{open}");
    assert_eq!(open["process_instance_key"], instance, "{open}");
    assert_ne!(open["error_message"], "", "{open}");
    let set = pb::SetVariablesRequest {
        element_instance_key: instance,
        variables: r#"{"a":2}"#.into(),
        ..Default::default()
    };
    client.set_variables(set).await.expect("sets");
    let incident = open["key"].as_i64().expect("a key");
    let resolve = pb::ResolveIncidentRequest { incident_key: incident, ..Default::default() };
    client.resolve_incident(resolve).await.expect("resolves");
    eventually("a job", || stand.count("jobs_activatable") == 1).await;
    let job = take(&mut client, "chosen", 1).await.remove(0);
    assert_eq!(job.process_instance_key, instance);
    complete(&mut client, job.key).await.expect("completes");
    let (code, _) = refused(client.resolve_incident(resolve).await);
    assert_eq!(code, Code::NotFound, "it is resolved");
    stand.engines_empty().await;
    drop(client);
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_processes_and_keys_are_not_found_and_foreign_partitions_unavailable() {
    let stand = Stand::start(|_| ()).await;
    let mut client = stand.client().await;
    let text = "Command 'CREATE' rejected with code 'NOT_FOUND': Expected to find process \
                definition with process ID 'cvec-nope', but none found";
    let unknown = refused(client.create_process_instance(creation("cvec-nope", "{}")).await);
    assert_eq!(unknown, (Code::NotFound, text.to_owned()));
    let answer =
        stand.post("/v2/process-instances", br#"{"processDefinitionId":"cvec-nope"}"#).await;
    assert_eq!((answer.status, &answer.json()["detail"]), (404, &text.into()));

    for partition in 1..=3 {
        let key = Key::new(PartitionId(partition), 999_999).0;
        let (code, message) = refused(complete(&mut client, key).await);
        assert_eq!(code, Code::NotFound, "{message}");
        assert!(message.contains(&key.to_string()), "{message}");
        let cancel =
            pb::CancelProcessInstanceRequest { process_instance_key: key, ..Default::default() };
        assert_eq!(refused(client.cancel_process_instance(cancel).await).0, Code::NotFound);
        let set = pb::SetVariablesRequest { element_instance_key: key, ..Default::default() };
        assert_eq!(refused(client.set_variables(set).await).0, Code::NotFound);
        for path in ["jobs/{}/completion", "process-instances/{}/cancellation"] {
            let path = format!("/v2/{}", path.replace("{}", &key.to_string()));
            let answer = stand.post(&path, b"{}").await;
            assert_eq!((answer.status, &answer.json()["title"]), (404, &"NOT_FOUND".into()));
        }
    }
    // Partitions that do not exist: 0, one too many, the highest, a negative one.
    for key in [0, 1, -1, i64::MIN, i64::MAX, Key::new(PartitionId(4), 1).0] {
        let (code, message) = refused(complete(&mut client, key).await);
        let expected = format!(
            "Expected to execute command on partition {}, but either it does not exist, or the \
             gateway is not yet aware of it",
            key >> 51
        );
        assert_eq!((code, message), (Code::Unavailable, expected));
        let answer = stand.post(&format!("/v2/jobs/{key}/completion"), b"{}").await;
        assert_eq!(answer.status, 503, "{key}: {answer:?}");
    }
    stand.engines_empty().await;
    drop(client);
    stand.end().await;
}
