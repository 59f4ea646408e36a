//! Setting variables from outside.

use super::{Processed, check_size, event, reject};
use crate::broker::engine::api::CommandInput;
use crate::broker::engine::event::Event;
use crate::broker::engine::scope;
use crate::broker::engine::state::entries;
use crate::broker::engine::turn::Turn;
use crate::model::intent::variable_document;
use crate::model::{Key, RejectionType, ValueType};
use crate::wire::record::{Record, VariableDocumentRecord};

/// VARIABLE_DOCUMENT UPDATE.
pub fn update(turn: &mut Turn<'_>, command: &CommandInput) -> Processed {
    let record = VariableDocumentRecord::from_bytes(&command.value)?;
    let variables = entries(&record.variables)?;
    let scope = Key(record.scope_key);
    let element = turn.state.elements.get(scope);
    if element.is_none_or(|element| !command.tenants.contains(&element.definition.tenant)) {
        let reason = format!(
            "Expected to update variables for element with key '{scope}', but no such element was \
             found"
        );
        return reject(RejectionType::NotFound, reason);
    }
    check_size(turn, &record.variables)?;
    match record.update_semantics.as_ref() {
        "LOCAL" => scope::set_local(turn, scope, variables),
        "PROPAGATE" => scope::propagate(turn, scope, variables),
        other => {
            let reason = format!(
                "Expected to update variables with semantics LOCAL or PROPAGATE, but got '{other}'"
            );
            return reject(RejectionType::InvalidArgument, reason);
        }
    }
    let key = turn.new_key();
    turn.emit(Event::KeyUsed { key });
    event(key, ValueType::VariableDocument, variable_document::UPDATED, &record)
}
