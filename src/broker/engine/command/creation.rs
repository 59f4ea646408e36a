//! Starting process instances.

use std::sync::Arc;

use super::{Outcome, Processed, Refusal, check_size, event, reject};
use crate::broker::bpmn::ElementIndex;
use crate::broker::engine::api::CommandInput;
use crate::broker::engine::element;
use crate::broker::engine::event::Event;
use crate::broker::engine::state::{Definition, Entries, entries};
use crate::broker::engine::turn::Turn;
use crate::model::intent::process_instance_creation;
use crate::model::{Key, RejectionType, ValueType};
use crate::wire::record::{ProcessInstanceCreationRecord, Record};

/// What a valid creation command comes to.
struct Creation {
    record: ProcessInstanceCreationRecord,
    definition: Arc<Definition>,
    starts: Vec<ElementIndex>,
    variables: Entries,
}

/// PROCESS_INSTANCE_CREATION CREATE.
pub fn create(turn: &mut Turn<'_>, command: &CommandInput) -> Processed {
    let Creation { mut record, definition, starts, variables } = validate(turn, command)?;
    let process_instance = element::start_process(turn, &definition, variables, &starts);
    record.process_instance_key = process_instance.0;
    definition.process_id().clone_into(&mut record.bpmn_process_id);
    record.process_definition_key = definition.key.0;
    record.version = definition.version;
    let key = turn.new_key();
    turn.emit(Event::KeyUsed { key });
    let value_type = ValueType::ProcessInstanceCreation;
    event(key, value_type, process_instance_creation::CREATED, &record)
}

/// PROCESS_INSTANCE_CREATION CREATE_WITH_AWAITING_RESULT: answered when the instance ends.
pub fn create_with_result(turn: &mut Turn<'_>, command: &CommandInput) -> Processed {
    let Creation { record, definition, starts, variables } = validate(turn, command)?;
    let process_instance = element::start_process(turn, &definition, variables, &starts);
    turn.emit(Event::ResultAwaited {
        process_instance,
        request: command.request,
        fetch_variables: record.fetch_variables,
    });
    Ok(Outcome::Held)
}

fn validate(turn: &Turn<'_>, command: &CommandInput) -> Result<Creation, Refusal> {
    let record = ProcessInstanceCreationRecord::from_bytes(&command.value)?;
    let variables = entries(&record.variables)?;
    let definition = find(turn, &record)?.clone();
    let starts = starts(&definition, &record)?;
    check_size(turn, &record.variables)?;
    Ok(Creation { record, definition, starts, variables })
}

fn find<'a>(
    turn: &'a Turn<'_>,
    record: &ProcessInstanceCreationRecord,
) -> Result<&'a Arc<Definition>, Refusal> {
    let definitions = &turn.state.definitions;
    let (tenant, id, version) = (&record.tenant_id, &record.bpmn_process_id, record.version);
    let found = if !id.is_empty() && version < 0 {
        definitions.latest(tenant, id)
    } else if !id.is_empty() {
        definitions.version(tenant, id, version)
    } else if record.process_definition_key >= 0 {
        definitions.get(Key(record.process_definition_key), tenant)
    } else {
        let reason = "Expected at least a bpmnProcessId or a key greater than -1, but none given";
        return reject(RejectionType::InvalidArgument, reason);
    };
    let missing = || {
        let wanted = if id.is_empty() {
            format!("key '{}'", record.process_definition_key)
        } else if version < 0 {
            format!("process ID '{id}'")
        } else {
            format!("process ID '{id}' and version '{version}'")
        };
        let reason = format!("Expected to find process definition with {wanted}, but none found");
        reject(RejectionType::NotFound, reason)
    };
    found.map_or_else(missing, Ok)
}

/// The elements to begin with: those asked for, else the none start event.
fn starts(
    definition: &Definition,
    record: &ProcessInstanceCreationRecord,
) -> Result<Vec<ElementIndex>, Refusal> {
    let process = &definition.process;
    if record.start_instructions.is_empty() {
        return match process.none_start(ElementIndex::PROCESS) {
            Some(start) => Ok(vec![start]),
            None => reject(
                RejectionType::InvalidState,
                "Expected to create instance of process with none start event, but there is no \
                 such event",
            ),
        };
    }
    let mut starts = Vec::with_capacity(record.start_instructions.len());
    for instruction in &record.start_instructions {
        let id = &instruction.element_id;
        let Some(element) = process.find(id) else {
            let reason = format!(
                "Expected to create instance of process with start instructions but no element \
                 found with id '{id}'."
            );
            return reject(RejectionType::InvalidArgument, reason);
        };
        if let Err(problem) = element::can_start_at(process, element) {
            let reason = format!(
                "Expected to create instance of process with start instructions but the element \
                 with id '{id}' {problem}"
            );
            return reject(RejectionType::InvalidArgument, reason);
        }
        starts.push(element);
    }
    Ok(starts)
}
