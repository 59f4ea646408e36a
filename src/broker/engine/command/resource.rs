//! Deleting deployed resources.

use super::{Processed, event, reject};
use crate::broker::engine::api::CommandInput;
use crate::broker::engine::event::Event;
use crate::broker::engine::remote::RemoteCommand;
use crate::broker::engine::start_event;
use crate::broker::engine::turn::Turn;
use crate::model::intent::resource_deletion;
use crate::model::{Key, PartitionId, RejectionType, ValueType};
use crate::wire::record::{Record, ResourceDeletionRecord};

/// RESOURCE_DELETION DELETE. Running instances go on with the definition they have.
pub fn delete(turn: &mut Turn<'_>, command: &CommandInput) -> Processed {
    let mut record = ResourceDeletionRecord::from_bytes(&command.value)?;
    let resource = Key(record.resource_key);
    let found = turn.state.definitions.of_any_tenant(resource);
    let Some(definition) = found.filter(|found| command.tenants.contains(&found.tenant)) else {
        let reason =
            format!("Expected to delete resource but no resource found with key `{resource}`");
        return reject(RejectionType::NotFound, reason);
    };
    record.tenant_id = definition.tenant.to_string();
    start_event::delete_definition(turn, resource);
    for partition in (1..=turn.config.partitions).map(PartitionId) {
        if partition != turn.config.partition {
            turn.send(partition, RemoteCommand::DeleteDefinition(resource));
        }
    }
    let key = turn.new_key();
    turn.emit(Event::KeyUsed { key });
    event(key, ValueType::ResourceDeletion, resource_deletion::DELETING, &record)
}
