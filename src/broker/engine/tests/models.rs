//! Processes in XML, written down as short as possible.

/// A process around `body`.
pub fn process(id: &str, body: &str) -> String {
    definitions(&format!(r#"<bpmn:process id="{id}" isExecutable="true">{body}</bpmn:process>"#))
}

/// A document around processes, messages and errors.
pub fn definitions(body: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  id="definitions" targetNamespace="http://bpmn.io/schema/bpmn">{body}</bpmn:definitions>"#
    )
}

pub fn start(id: &str) -> String {
    format!(r#"<bpmn:startEvent id="{id}"/>"#)
}

pub fn end(id: &str) -> String {
    format!(r#"<bpmn:endEvent id="{id}"/>"#)
}

/// Flows between elements: `"a>b>c, b>d"`. The id of a flow is `a-b`.
pub fn flows(text: &str) -> String {
    let mut out = String::new();
    for path in text.split(',') {
        let ids: Vec<&str> = path.split('>').map(str::trim).collect();
        for pair in ids.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            out.push_str(&format!(
                r#"<bpmn:sequenceFlow id="{from}-{to}" sourceRef="{from}" targetRef="{to}"/>"#
            ));
        }
    }
    out
}

/// A flow with a condition.
pub fn when(from: &str, to: &str, condition: &str) -> String {
    format!(
        r#"<bpmn:sequenceFlow id="{from}-{to}" sourceRef="{from}" targetRef="{to}">
<bpmn:conditionExpression xsi:type="bpmn:tFormalExpression">{}</bpmn:conditionExpression>
</bpmn:sequenceFlow>"#,
        escape(condition)
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A service task whose job type is its own text.
pub fn task(id: &str, job_type: &str) -> String {
    mapped_task(id, job_type, "")
}

/// A service task with further extension elements.
pub fn mapped_task(id: &str, job_type: &str, extensions: &str) -> String {
    format!(
        r#"<bpmn:serviceTask id="{id}"><bpmn:extensionElements>
<zeebe:taskDefinition type="{}" retries="3"/>{extensions}
</bpmn:extensionElements></bpmn:serviceTask>"#,
        escape(job_type)
    )
}

/// `zeebe:ioMapping` with these inputs and outputs.
pub fn io(inputs: &[(&str, &str)], outputs: &[(&str, &str)]) -> String {
    let line = |kind: &str, (source, target): &(&str, &str)| {
        format!(r#"<zeebe:{kind} source="{}" target="{target}"/>"#, escape(source))
    };
    let inputs: String = inputs.iter().map(|mapping| line("input", mapping)).collect();
    let outputs: String = outputs.iter().map(|mapping| line("output", mapping)).collect();
    format!("<zeebe:ioMapping>{inputs}{outputs}</zeebe:ioMapping>")
}

/// A message with the id `<name>-id`.
pub fn message(name: &str, correlation_key: &str) -> String {
    format!(
        r#"<bpmn:message id="{name}-id" name="{name}"><bpmn:extensionElements>
<zeebe:subscription correlationKey="{}"/></bpmn:extensionElements></bpmn:message>"#,
        escape(correlation_key)
    )
}

/// An event definition for the message of this name.
pub fn on_message(name: &str) -> String {
    format!(r#"<bpmn:messageEventDefinition messageRef="{name}-id"/>"#)
}

/// A timer event definition; `kind` is `timeDuration`, `timeDate` or `timeCycle`.
pub fn on_timer(kind: &str, text: &str) -> String {
    format!(
        r#"<bpmn:timerEventDefinition><bpmn:{kind} xsi:type="bpmn:tFormalExpression">{}</bpmn:{kind}></bpmn:timerEventDefinition>"#,
        escape(text)
    )
}

pub fn catch(id: &str, definition: &str) -> String {
    format!(r#"<bpmn:intermediateCatchEvent id="{id}">{definition}</bpmn:intermediateCatchEvent>"#)
}

pub fn boundary(id: &str, activity: &str, interrupting: bool, definition: &str) -> String {
    format!(
        r#"<bpmn:boundaryEvent id="{id}" attachedToRef="{activity}" cancelActivity="{interrupting}">{definition}</bpmn:boundaryEvent>"#
    )
}

pub fn gateway(kind: &str, id: &str) -> String {
    format!(r#"<bpmn:{kind}Gateway id="{id}"/>"#)
}

/// An exclusive gateway with a default flow.
pub fn choice(id: &str, default_target: &str) -> String {
    format!(r#"<bpmn:exclusiveGateway id="{id}" default="{id}-{default_target}"/>"#)
}

/// An error with the id `<code>-id`.
pub fn error(code: &str) -> String {
    format!(r#"<bpmn:error id="{code}-id" name="{code}" errorCode="{code}"/>"#)
}

/// An event definition for the error with this code.
pub fn on_error(code: &str) -> String {
    format!(r#"<bpmn:errorEventDefinition errorRef="{code}-id"/>"#)
}

pub fn sub_process(id: &str, body: &str) -> String {
    format!(r#"<bpmn:subProcess id="{id}">{body}</bpmn:subProcess>"#)
}

/// `process` with one service task.
pub fn one_task(id: &str, job_type: &str) -> String {
    let body = [start("start"), task("task", job_type), end("end"), flows("start>task>end")];
    process(id, &body.concat())
}
