//! `/v2/resources`.

use super::super::endpoint::Input;
use super::super::json::{Newer, Object, request};
use super::super::problem::{Problem, Violations};
use crate::model::{Command, CommandKind, Reply};
use crate::wire::DecodeError;
use crate::wire::record::{Record, ResourceDeletionRecord};

request! {
    struct DeleteRequest<'a> {
        operation_reference: i64 = "operationReference";
        delete_history: Newer = "deleteHistory";
    }
}

pub(super) fn delete(input: &Input<'_>) -> Result<Command, Problem> {
    let request: DeleteRequest<'_> = input.optional()?;
    input.newer("deleteHistory", request.delete_history)?;
    let mut violations = Violations::default();
    violations.operation_reference(request.operation_reference);
    violations.check()?;
    let record =
        ResourceDeletionRecord { resource_key: input.key.0, ..ResourceDeletionRecord::default() };
    let command = input.keyed(CommandKind::DeleteResource, &record);
    Ok(Command { operation_reference: request.operation_reference, ..command })
}

/// What 8.9 answers; the other member it has, the deletion of history, never happens here.
pub(super) fn deleted(reply: &Reply, answer: &mut Object<'_>) -> Result<(), DecodeError> {
    let record = ResourceDeletionRecord::from_bytes(&reply.value)?;
    answer.key("resourceKey", record.resource_key);
    Ok(())
}
