//! Cancelling process instances.

use super::{Processed, event, reject};
use crate::broker::engine::api::CommandInput;
use crate::broker::engine::element;
use crate::broker::engine::state::Phase;
use crate::broker::engine::turn::Turn;
use crate::model::intent::process_instance;
use crate::model::{RejectionType, ValueType};
use crate::wire::record::{ProcessInstanceRecord, Record};

/// PROCESS_INSTANCE CANCEL.
pub fn cancel(turn: &mut Turn<'_>, command: &CommandInput) -> Processed {
    ProcessInstanceRecord::from_bytes(&command.value)?;
    let key = command.key;
    let instance = turn.state.elements.get(key).filter(|instance| {
        instance.scope.is_none()
            && instance.phase != Phase::Terminating
            && command.tenants.contains(&instance.definition.tenant)
    });
    let Some(instance) = instance else {
        let reason = format!(
            "Expected to cancel a process instance with key '{key}', but no such process was found"
        );
        return reject(RejectionType::NotFound, reason);
    };
    let record = ProcessInstanceRecord {
        bpmn_element_type: "PROCESS".into(),
        element_id: instance.definition.process_id().to_owned(),
        bpmn_process_id: instance.definition.process_id().to_owned(),
        version: instance.definition.version,
        process_definition_key: instance.definition.key.0,
        process_instance_key: key.0,
        tenant_id: instance.definition.tenant.to_string(),
        ..ProcessInstanceRecord::default()
    };
    element::terminate(turn, key, None);
    event(key, ValueType::ProcessInstance, process_instance::ELEMENT_TERMINATING, &record)
}
