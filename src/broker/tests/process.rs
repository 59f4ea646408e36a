//! A process through the wire: deployed, started, its job pushed and completed, its message
//! correlated from another partition, its result awaited.

use super::members::Gateway;
use super::*;
use crate::model::{CommandKind, PartitionId};
use crate::wire::msgpack::Writer;
use crate::wire::record::{
    Binary, DeploymentRecord, DeploymentResource, Document, JobPush, JobRecord, MessageRecord,
    ProcessInstanceCreationRecord, ProcessInstanceResultRecord, Record,
};
use crate::wire::sbe::stream::PushStreamRequest;

const PROCESS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="test">
  <bpmn:process id="order" isExecutable="true">
    <bpmn:startEvent id="start" />
    <bpmn:sequenceFlow id="f1" sourceRef="start" targetRef="charge" />
    <bpmn:serviceTask id="charge">
      <bpmn:extensionElements><zeebe:taskDefinition type="charge" /></bpmn:extensionElements>
    </bpmn:serviceTask>
    <bpmn:sequenceFlow id="f2" sourceRef="charge" targetRef="paid" />
    <bpmn:intermediateCatchEvent id="paid">
      <bpmn:messageEventDefinition messageRef="payment" />
    </bpmn:intermediateCatchEvent>
    <bpmn:sequenceFlow id="f3" sourceRef="paid" targetRef="end" />
    <bpmn:endEvent id="end" />
  </bpmn:process>
  <bpmn:message id="payment" name="payment">
    <bpmn:extensionElements><zeebe:subscription correlationKey="=order" /></bpmn:extensionElements>
  </bpmn:message>
</bpmn:definitions>"#;

async fn send(
    broker: &BrokerHandle,
    partition: u16,
    kind: CommandKind,
    key: i64,
    value: Bytes,
) -> ExecuteCommandResponse {
    let request = ExecuteCommandRequest {
        value_type: kind.value_type().to_wire(),
        intent: kind.intent(),
        key,
        value,
        ..command("")
    };
    let subject = format!("command-api-{partition}");
    let answer = ask(&messenger(), broker, &subject, reply::encode(&request)).await.unwrap();
    let response = ExecuteCommandResponse::decode(&answer)
        .unwrap_or_else(|_| panic!("{:?}", ErrorResponse::decode(&answer)));
    assert_eq!(response.record_type, RecordType::Event, "{}", response.rejection_reason);
    assert_eq!(response.value_type, kind.reply_value_type());
    response
}

fn document(name: &str, value: &str) -> Document {
    let mut writer = Writer::with_capacity(32);
    writer.map(1);
    writer.str(name);
    writer.str(value);
    Document::from_msgpack(writer.finish()).unwrap()
}

#[tokio::test]
async fn a_process_runs_through_the_wire() {
    let (config, cluster) = broker_config();
    let broker = start(&config, &cluster).unwrap();
    let mut gateway = Gateway::join("gateway", &broker).await;
    gateway.expect("stream-recreate").await;
    gateway.ask(&broker, "stream-add", members::stream(1, "charge")).await;

    let deployment = DeploymentRecord {
        resources: vec![DeploymentResource {
            resource_name: "order.bpmn".to_owned(),
            resource: Binary(Bytes::from_static(PROCESS.as_bytes())),
        }],
        ..DeploymentRecord::default()
    };
    send(&broker, 1, CommandKind::Deploy, -1, deployment.to_bytes()).await;

    // On another partition than the deployment went to, with a key that hashes to neither.
    let correlation_key = (0..)
        .map(|n| format!("order-{n}"))
        .find(|key| engine::partition_of_correlation_key(key, 3) == PartitionId(3))
        .unwrap();
    let creation = ProcessInstanceCreationRecord {
        bpmn_process_id: "order".to_owned(),
        variables: document("order", &correlation_key),
        ..ProcessInstanceCreationRecord::default()
    };
    let result = async {
        let kind = CommandKind::CreateProcessInstanceWithResult;
        let response = send(&broker, 2, kind, -1, creation.to_bytes()).await;
        ProcessInstanceResultRecord::from_bytes(&response.value).unwrap()
    };
    let worker = async {
        let pushed = PushStreamRequest::decode(&gateway.expect("stream-push").await).unwrap();
        let JobPush { key, record } = JobPush::from_bytes(&pushed.payload).unwrap();
        assert_eq!((record.job_type.as_str(), record.worker.as_str()), ("charge", "w"));
        assert_eq!(Key(key).partition_number(), 2);
        let done = JobRecord { variables: document("charged", "yes"), ..JobRecord::default() };
        send(&broker, 2, CommandKind::CompleteJob, key, done.to_bytes()).await;
        let message = MessageRecord {
            name: "payment".to_owned(),
            correlation_key: correlation_key.clone(),
            time_to_live: 60_000,
            ..MessageRecord::default()
        };
        send(&broker, 3, CommandKind::PublishMessage, -1, message.to_bytes()).await;
    };
    let (result, ()) =
        tokio::time::timeout(TIMEOUT, async { tokio::join!(result, worker) }).await.unwrap();
    assert_eq!(result.bpmn_process_id, "order");
    assert_eq!(Key(result.process_instance_key).partition_number(), 2);
    let variables = String::from_utf8_lossy(result.variables.as_msgpack()).into_owned();
    assert!(variables.contains("charged"), "{variables}");
    let busy = || broker.observe()["partitions"][1]["stats"]["engine"]["process_instances"] != 0;
    eventually(|| !busy()).await;
    broker.stop();
}
