//! Tests of the reader on whole resources.

use super::support::ALL;
use super::*;

const JOB: &[u8] = include_bytes!("../../../../tests/vectors/resources/cvec-job.bpmn");
const MESSAGE: &[u8] = include_bytes!("../../../../tests/vectors/resources/cvec-message.bpmn");
const THROW: &[u8] = include_bytes!("../../../../tests/vectors/resources/cvec-throw.bpmn");
const BROKEN: &[u8] = include_bytes!("../../../../tests/vectors/resources/cvec-broken.bpmn");
const INVALID: &[u8] = include_bytes!("../../../../tests/vectors/resources/cvec-invalid.bpmn");
const NOEXEC: &[u8] = include_bytes!("../../../../tests/vectors/resources/cvec-noexec.bpmn");
const USER_TASK: &[u8] = include_bytes!("../../../../tests/vectors/resources/cvec-usertask.bpmn");

fn refusal(xml: &[u8]) -> String {
    parse(xml).expect_err("must be refused").to_string()
}

#[test]
fn rejections_are_those_recorded() {
    assert_eq!(
        refusal(BROKEN),
        "Fatal Error: URI=null Line=2: The prefix \"bpmn\" for element \"bpmn:definitions\" is not bound."
    );
    assert_eq!(refusal(b""), "Fatal Error: URI=null Line=1: Premature end of file.");
    assert_eq!(refusal(&[0; 4096]), "Fatal Error: URI=null Line=1: Premature end of file.");
    assert_eq!(refusal(b"<!-- x -->"), "Fatal Error: URI=null Line=1: Premature end of file.");
    for unclosed in ["<x>", "<x", "<!-- <y> --><x a='1'"] {
        assert_eq!(
            refusal(unclosed.as_bytes()),
            "Fatal Error: URI=null Line=1: XML document structures must start and end within the same entity."
        );
    }
    assert_eq!(
        refusal(NOEXEC),
        "- Element: definitions\n    - ERROR: Must contain at least one executable process\n"
    );
    assert_eq!(
        refusal(INVALID),
        "- Element: task\n    - ERROR: Must have exactly one 'zeebe:taskDefinition' extension element\n"
    );
}

#[test]
fn a_job_task_keeps_type_retries_and_headers() {
    let process = parse(JOB).expect("valid").remove(0);
    let index = process.find("task").expect("there");
    let ElementKind::JobTask(job) = &process.element(index).kind else { panic!("a job task") };
    assert_eq!(job.job_type.text(), "jobType");
    assert!(!job.job_type.is_static());
    assert_eq!(job.retries.static_text(), Some("3"));
    assert_eq!(job.headers, [("h1".to_owned(), "v1".to_owned())]);
    assert_eq!(process.element(index).bpmn_element_type(), "SERVICE_TASK");
}

#[test]
fn messages_and_boundary_events_are_linked() {
    let process = parse(MESSAGE).expect("valid").remove(0);
    let wait = process.element(process.find("wait").expect("there"));
    let ElementKind::IntermediateCatchEvent(Catch::Message(message)) = &wait.kind else {
        panic!("a message catch event")
    };
    assert_eq!(message.name.static_text(), Some("cvec-msg"));
    assert_eq!(message.correlation_key.as_ref().map(|key| key.text()), Some("key"));

    let process = parse(THROW).expect("valid").remove(0);
    let task = process.find("task").expect("there");
    let catch = process.find("catch").expect("there");
    assert_eq!(process.element(task).boundary_events, [catch]);
}

#[test]
fn what_the_engine_does_not_run_is_named() {
    let text = refusal(USER_TASK);
    assert!(text.contains("- Element: ut\n"), "{text}");
    assert!(text.contains("Elements of type 'userTask' are currently not supported"), "{text}");
    assert!(parse_with(USER_TASK, ALL).is_err());
}

/// A process around `inner`, with what it refers to.
fn with(inner: &str) -> Vec<u8> {
    format!(
        r#"<b:definitions xmlns:b="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:z="http://camunda.org/schema/zeebe/1.0">
        <b:message id="m" name="paid"><b:extensionElements><z:subscription correlationKey="=id"/></b:extensionElements></b:message>
        <b:error id="e" errorCode="NO"/>
        <b:process id="p" isExecutable="true">{inner}</b:process></b:definitions>"#
    )
    .into_bytes()
}

fn findings(inner: &str) -> String {
    match parse_with(&with(inner), ALL) {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_finding_is_reported() {
    let text = findings(
        r#"<b:startEvent id="s"/><b:exclusiveGateway id="g" default="nope"/>
        <b:serviceTask id="t"><b:extensionElements><z:taskDefinition type="" retries="x"/></b:extensionElements></b:serviceTask>
        <b:callActivity id="c"/><b:endEvent id="end"/>
        <b:intermediateCatchEvent id="w"><b:timerEventDefinition><b:timeDuration>10s</b:timeDuration></b:timerEventDefinition></b:intermediateCatchEvent>
        <b:boundaryEvent id="lost" attachedToRef="gone"><b:errorEventDefinition/></b:boundaryEvent>
        <b:sequenceFlow id="f1" sourceRef="s" targetRef="missing"/>
        <b:sequenceFlow id="f2" sourceRef="g" targetRef="t"><b:conditionExpression>=a &gt;</b:conditionExpression></b:sequenceFlow>
        <b:sequenceFlow id="f3" sourceRef="end" targetRef="t"/>"#,
    );
    insta::assert_snapshot!(text, @r"
- Element: f1
    - ERROR: Attribute 'targetRef' refers to 'missing', which does not exist
- Element: f2
    - ERROR: Failed to parse expression 'a >': expected an expression, found the end of the expression at column 4
- Element: g
    - ERROR: The default flow 'nope' does not exist
- Element: t > extensionElements > taskDefinition
    - ERROR: Attribute 'type' must be present and not empty
    - ERROR: Expected the retries to be a number but found 'x'
- Element: c
    - ERROR: Elements of type 'callActivity' are currently not supported
- Element: w
    - ERROR: Invalid timer expression: '10s' is no duration of the form 'PnYnMnDTnHnMnS'
- Element: lost
    - ERROR: Must be attached to an activity
- Element: end
    - ERROR: End events must not have outgoing sequence flows to other elements.
");
}

#[test]
fn a_choice_needs_conditions_or_a_default() {
    let gateway = |default: &str| {
        findings(&format!(
            r#"<b:startEvent id="s"/><b:exclusiveGateway id="g" {default}/><b:task id="a"/><b:task id="b"/>
            <b:sequenceFlow id="f0" sourceRef="s" targetRef="g"/>
            <b:sequenceFlow id="fa" sourceRef="g" targetRef="a"><b:conditionExpression>=x</b:conditionExpression></b:sequenceFlow>
            <b:sequenceFlow id="fb" sourceRef="g" targetRef="b"/>"#
        ))
    };
    assert_eq!(gateway(r#"default="fb""#), "");
    assert_eq!(
        gateway(""),
        "- Element: fb\n    - ERROR: Must have a condition or be default flow\n"
    );
}

#[test]
fn a_sub_process_is_a_scope_with_its_own_start() {
    let inner = r#"<b:startEvent id="s"/><b:subProcess id="sub"><b:startEvent id="in"/><b:endEvent id="out"/>
        <b:sequenceFlow id="f1" sourceRef="in" targetRef="out"/></b:subProcess>
        <b:boundaryEvent id="late" attachedToRef="sub" cancelActivity="false"><b:timerEventDefinition>
        <b:timeDuration>PT5S</b:timeDuration></b:timerEventDefinition></b:boundaryEvent>
        <b:sequenceFlow id="f0" sourceRef="s" targetRef="sub"/>"#;
    let process = parse_with(&with(inner), ALL).expect("valid").remove(0);
    let sub = process.find("sub").expect("there");
    assert_eq!(process.none_start(sub), process.find("in"));
    assert_eq!(process.none_start(ElementIndex::PROCESS), process.find("s"));
    assert_eq!(process.element(sub).boundary_events, [process.find("late").expect("there")]);
    let crossing =
        inner.replace(r#"sourceRef="s" targetRef="sub""#, r#"sourceRef="s" targetRef="out""#);
    assert!(findings(&crossing).contains("must not cross the border"));
}

#[test]
fn nesting_is_bounded_and_entities_are_refused() {
    let deep = "<b:subProcess id=\"x\">".repeat(50_000) + &"</b:subProcess>".repeat(50_000);
    assert!(findings(&deep).contains("nested more than"));
    let dtd = b"<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>";
    assert_eq!(refusal(dtd), "Fatal Error: URI=null Line=1: DOCTYPE is disallowed.");
}

mod mutations {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Cuts, flips and doubles parts of real models: an answer, never a panic.
        #[test]
        fn a_damaged_model_is_answered(
            which in 0usize..5,
            edits in prop::collection::vec((any::<prop::sample::Index>(), 0u8..4, any::<u8>()), 1..8),
        ) {
            let mut xml = [JOB, MESSAGE, THROW, INVALID, USER_TASK][which].to_vec();
            for (at, edit, byte) in edits {
                let at = at.index(xml.len().max(1));
                match edit {
                    0 => xml.truncate(at),
                    1 => xml.insert(at.min(xml.len()), byte),
                    2 => { if let Some(slot) = xml.get_mut(at) { *slot = byte; } }
                    _ => {
                        let part: Vec<u8> = xml.iter().skip(at).take(usize::from(byte)).copied().collect();
                        xml.extend(part);
                    }
                }
            }
            let _ = parse_with(&xml, ALL);
        }
    }
}
