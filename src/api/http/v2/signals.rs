//! `/v2/signals`.

use super::super::endpoint::Input;
use super::super::json::{Object, Variables, document, request};
use super::super::problem::{Problem, Violations};
use crate::model::{Command, CommandKind, Reply, Route};
use crate::wire::DecodeError;
use crate::wire::record::{Record, SignalRecord};

request! {
    struct BroadcastRequest<'a> {
        signal_name: String = "signalName";
        variables: Variables<'a> = "variables";
        tenant_id: String = "tenantId";
    }
}

pub(super) fn broadcast(input: &Input<'_>) -> Result<Command, Problem> {
    let request: BroadcastRequest<'_> = input.required()?;
    let tenant_id = input.tenancy.tenant("Broadcast Signal", request.tenant_id.as_deref())?;
    let mut violations = Violations::default();
    if request.signal_name.is_none() {
        violations.missing("signalName");
    }
    violations.check()?;
    let record = SignalRecord {
        signal_name: request.signal_name.unwrap_or_default(),
        variables: document(request.variables)?,
        tenant_id,
    };
    Ok(input.unkeyed(CommandKind::BroadcastSignal, Route::RoundRobin, &record))
}

pub(super) fn broadcasted(reply: &Reply, answer: &mut Object<'_>) -> Result<(), DecodeError> {
    let record = SignalRecord::from_bytes(&reply.value)?;
    answer.key("signalKey", reply.key.0);
    answer.text("tenantId", &record.tenant_id);
    Ok(())
}
