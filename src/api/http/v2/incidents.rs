//! `/v2/incidents`.

use super::super::endpoint::Input;
use super::super::json::request;
use super::super::problem::{Problem, Violations};
use crate::model::{Command, CommandKind};
use crate::wire::record::IncidentRecord;

request! {
    struct ResolveRequest<'a> {
        operation_reference: i64 = "operationReference";
    }
}

/// 8.6 does not read the body; from 8.8 on it may name a reference.
pub(super) fn resolve(input: &Input<'_>) -> Result<Command, Problem> {
    let request: ResolveRequest<'_> =
        if input.exact { ResolveRequest::default() } else { input.optional()? };
    let mut violations = Violations::default();
    violations.operation_reference(request.operation_reference);
    violations.check()?;
    let command = input.keyed(CommandKind::ResolveIncident, &IncidentRecord::default());
    Ok(Command { operation_reference: request.operation_reference, ..command })
}
