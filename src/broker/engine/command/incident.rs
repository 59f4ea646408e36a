//! Resolving incidents.

use super::{Processed, event, reject};
use crate::broker::engine::api::CommandInput;
use crate::broker::engine::incident;
use crate::broker::engine::turn::Turn;
use crate::model::intent::incident as intents;
use crate::model::{RejectionType, ValueType};
use crate::wire::record::{IncidentRecord, Record};

/// INCIDENT RESOLVE.
pub fn resolve(turn: &mut Turn<'_>, command: &CommandInput) -> Processed {
    IncidentRecord::from_bytes(&command.value)?;
    let key = command.key;
    let Some(found) = turn.state.incidents.get(key) else {
        let reason = format!(
            "Expected to resolve incident with key '{key}', but no such incident was found"
        );
        return reject(RejectionType::NotFound, reason);
    };
    let record = incident::record(turn.state, found);
    incident::resolve(turn, key);
    event(key, ValueType::Incident, intents::RESOLVED, &record)
}
