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
    assert_eq!(
        refusal(b"<x>"),
        "Fatal Error: URI=null Line=1: XML document structures must start and end within the same entity."
    );
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
