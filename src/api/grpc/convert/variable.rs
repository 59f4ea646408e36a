//! Variables of a scope, and incidents.

use super::document::variables;
use super::{WithReference as _, command, keyed};
use crate::api::grpc::caller::Caller;
use crate::api::grpc::proto as pb;
use crate::error::GatewayError;
use crate::model::{Command, CommandKind, Key, Reply, Route};
use crate::wire::record::{IncidentRecord, Symbol, VariableDocumentRecord};

/// SetVariables. The scope's key routes the command but is not its key (command-api §2.7).
///
/// # Errors
/// JSON errors.
pub fn set(request: &pb::SetVariablesRequest, caller: &Caller) -> Result<Command, GatewayError> {
    let semantics = if request.local { "LOCAL" } else { "PROPAGATE" };
    let record = VariableDocumentRecord {
        scope_key: request.element_instance_key,
        update_semantics: Symbol::Borrowed(semantics),
        variables: variables(&request.variables)?,
    };
    let route = Route::Key(Key(request.element_instance_key));
    Ok(command(CommandKind::SetVariables, Key::NONE, route, &record, caller)
        .with_reference(request.operation_reference))
}

/// SetVariables' answer.
#[must_use]
pub fn has_set(reply: &Reply) -> pb::SetVariablesResponse {
    pb::SetVariablesResponse { key: reply.key.0 }
}

/// ResolveIncident.
#[must_use]
pub fn resolve_incident(request: &pb::ResolveIncidentRequest, caller: &Caller) -> Command {
    let record = IncidentRecord::default();
    keyed(CommandKind::ResolveIncident, request.incident_key, &record, caller)
        .with_reference(request.operation_reference)
}
