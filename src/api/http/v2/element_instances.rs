//! `/v2/element-instances`.

use super::super::endpoint::Input;
use super::super::json::{Variables, document, request};
use super::super::problem::{Problem, Violations};
use crate::model::{Command, CommandKind, Route};
use crate::wire::record::{Symbol, VariableDocumentRecord};

request! {
    struct SetVariablesRequest<'a> {
        variables: Variables<'a> = "variables";
        local: bool = "local" or false;
        operation_reference: i64 = "operationReference";
    }
}

/// The key only chooses the partition; the command itself names the scope in its record
/// (command-api §2.7).
pub(super) fn set_variables(input: &Input<'_>) -> Result<Command, Problem> {
    let request: SetVariablesRequest<'_> = input.required()?;
    let mut violations = Violations::default();
    if request.variables.is_none_or(|variables| variables.is_empty()) {
        violations.missing("variables");
    }
    violations.operation_reference(request.operation_reference);
    violations.check()?;
    let local = request.local.ok_or_else(|| Problem::null("local"))?;
    let record = VariableDocumentRecord {
        scope_key: input.key.0,
        update_semantics: Symbol::Borrowed(if local { "LOCAL" } else { "PROPAGATE" }),
        variables: document(request.variables)?,
    };
    let command = input.unkeyed(CommandKind::SetVariables, Route::Key(input.key), &record);
    Ok(Command { operation_reference: request.operation_reference, ..command })
}
