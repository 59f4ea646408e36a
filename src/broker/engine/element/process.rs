//! Processes and embedded sub-processes: the scopes.

use std::sync::Arc;

use super::{Context, lifecycle};
use crate::broker::bpmn::{ElementIndex, ElementKind, Process};
use crate::broker::engine::api::Response;
use crate::broker::engine::event::Event;
use crate::broker::engine::scope;
use crate::broker::engine::start_event;
use crate::broker::engine::state::{Definition, ElementInstance, Entries};
use crate::broker::engine::step::Step;
use crate::broker::engine::turn::Turn;
use crate::model::intent::{process_instance_creation, process_instance_result};
use crate::model::{Key, RejectionType, ValueType};
use crate::wire::record::{ProcessInstanceCreationRecord, ProcessInstanceResultRecord, Record};

/// Whether an instance can be started at this element; else what stands against it.
///
/// # Errors
/// The second half of a sentence about the element.
pub fn can_start_at(process: &Process, index: ElementIndex) -> Result<(), &'static str> {
    let element = process.element(index);
    match &element.kind {
        ElementKind::Process => Err("is the process itself"),
        ElementKind::StartEvent(_) | ElementKind::BoundaryEvent(_) => {
            Err("is an event that cannot be started at")
        }
        _ if element.flow_scope != Some(ElementIndex::PROCESS) => {
            Err("is inside a sub-process, which the embedded broker does not support")
        }
        _ => Ok(()),
    }
}

/// Starts a process instance at these elements and returns its key.
pub fn start(
    turn: &mut Turn<'_>,
    definition: &Arc<Definition>,
    variables: Entries,
    starts: &[ElementIndex],
) -> Key {
    let key = create(turn, definition, variables);
    for element in starts {
        begin(turn, *element, key);
    }
    key
}

/// Starts a process instance at a start event that was triggered with these variables.
pub fn start_by_event(
    turn: &mut Turn<'_>,
    definition: &Arc<Definition>,
    event: ElementIndex,
    carried: Entries,
) -> Key {
    let key = create(turn, definition, Entries::new());
    lifecycle::activate(turn, event, key, Vec::new(), Some(carried));
    key
}

fn create(turn: &mut Turn<'_>, definition: &Arc<Definition>, variables: Entries) -> Key {
    let key = turn.new_key();
    let instance = Box::new(ElementInstance::process(key, definition.clone()));
    turn.emit(Event::ElementActivating { instance, consumed: Vec::new() });
    scope::set_local(turn, key, variables);
    turn.emit(Event::ElementActivated { key });
    key
}

/// Goes on inside a sub-process.
pub fn enter(turn: &mut Turn<'_>, context: &Context) {
    if let Some(element) = context.definition.process.none_start(context.index) {
        begin(turn, element, context.key);
    }
}

fn begin(turn: &mut Turn<'_>, element: ElementIndex, scope: Key) {
    turn.push(Step::Activate { element, scope, consumed: Vec::new() });
}

/// Ends a process instance that has nothing left to do, and answers who waits for its result.
pub fn completed(turn: &mut Turn<'_>, context: &Context) {
    let key = context.key;
    if let Some(awaiting) = turn.state.requests.get(key) {
        let request = awaiting.request;
        let record = ProcessInstanceResultRecord {
            bpmn_process_id: context.definition.process_id().to_owned(),
            process_definition_key: context.definition.key.0,
            process_instance_key: key.0,
            version: context.definition.version,
            tenant_id: context.definition.tenant.to_string(),
            variables: scope::collect(turn.state, key, &awaiting.fetch_variables),
        };
        turn.emit(Event::ResultSent { process_instance: key });
        let response = Response::Event {
            key,
            value_type: ValueType::ProcessInstanceResult,
            intent: process_instance_result::COMPLETED,
            value: record.to_bytes(),
        };
        turn.reply(request, response);
    }
    turn.emit(Event::ElementCompleted { key });
    start_event::instance_ended(turn, key);
}

/// Ends a process instance that was cancelled. A JVM broker leaves who waits for its result
/// without an answer; here the request is refused.
pub fn terminated(turn: &mut Turn<'_>, key: Key) {
    if let Some(awaiting) = turn.state.requests.get(key) {
        let request = awaiting.request;
        let process_instance_key = key.0;
        let mut record =
            ProcessInstanceCreationRecord { process_instance_key, ..Default::default() };
        if let Some(instance) = turn.state.elements.get(key) {
            instance.definition.process_id().clone_into(&mut record.bpmn_process_id);
            record.process_definition_key = instance.definition.key.0;
            record.version = instance.definition.version;
        }
        turn.emit(Event::ResultSent { process_instance: key });
        let response = Response::Rejection {
            rejection: RejectionType::InvalidState,
            reason: format!(
                "Expected to return the result of process instance '{key}', but it was cancelled"
            ),
            value: record.to_bytes(),
            key: Key::NONE,
            value_type: ValueType::ProcessInstanceCreation,
            intent: process_instance_creation::CREATE_WITH_AWAITING_RESULT,
        };
        turn.reply(request, response);
    }
    turn.emit(Event::ElementTerminated { key });
    start_event::instance_ended(turn, key);
}
