//! `/v2/messages`.

use bytes::Bytes;

use super::super::endpoint::Input;
use super::super::json::{Object, Variables, document, request};
use super::super::problem::{Problem, Violations};
use crate::model::{Command, CommandKind, Reply, Route};
use crate::wire::DecodeError;
use crate::wire::record::{MessageCorrelationRecord, MessageRecord, Record};

request! {
    struct PublishRequest<'a> {
        name: String = "name";
        correlation_key: String = "correlationKey" or String::new();
        time_to_live: i64 = "timeToLive" or 0;
        message_id: String = "messageId";
        variables: Variables<'a> = "variables";
        tenant_id: String = "tenantId";
    }

    struct CorrelateRequest<'a> {
        name: String = "name";
        correlation_key: String = "correlationKey" or String::new();
        variables: Variables<'a> = "variables";
        tenant_id: String = "tenantId";
    }
}

/// The message's name, which must not be blank; `field` is what violations call it.
fn named(name: Option<String>, field: &str) -> Result<String, Problem> {
    let name = name.unwrap_or_default();
    let mut violations = Violations::default();
    if name.trim().is_empty() {
        violations.missing(field);
    }
    violations.check()?;
    Ok(name)
}

pub(super) fn publish(input: &Input<'_>) -> Result<Command, Problem> {
    let request: PublishRequest<'_> = input.required()?;
    let tenant_id = input.tenancy.tenant("Publish Message", request.tenant_id.as_deref())?;
    let name = named(request.name, "name")?;
    let correlation_key = request.correlation_key.ok_or_else(|| Problem::null("correlationKey"))?;
    let route = Route::CorrelationKey(Bytes::copy_from_slice(correlation_key.as_bytes()));
    let record = MessageRecord {
        name,
        correlation_key,
        time_to_live: request.time_to_live.ok_or_else(|| Problem::null("timeToLive"))?,
        variables: document(request.variables)?,
        message_id: request.message_id.unwrap_or_default(),
        tenant_id,
        ..MessageRecord::default()
    };
    Ok(input.unkeyed(CommandKind::PublishMessage, route, &record))
}

pub(super) fn published(reply: &Reply, answer: &mut Object<'_>) -> Result<(), DecodeError> {
    let record = MessageRecord::from_bytes(&reply.value)?;
    answer.key("messageKey", reply.key.0);
    answer.text("tenantId", &record.tenant_id);
    Ok(())
}

pub(super) fn correlate(input: &Input<'_>) -> Result<Command, Problem> {
    let request: CorrelateRequest<'_> = input.required()?;
    let tenant_id = input.tenancy.tenant("Correlate Message", request.tenant_id.as_deref())?;
    let name = named(request.name, "messageName")?;
    let correlation_key = request.correlation_key.ok_or_else(|| Problem::null("correlationKey"))?;
    let route = Route::CorrelationKey(Bytes::copy_from_slice(correlation_key.as_bytes()));
    let record = MessageCorrelationRecord {
        name,
        correlation_key,
        variables: document(request.variables)?,
        tenant_id,
        ..MessageCorrelationRecord::default()
    };
    Ok(input.unkeyed(CommandKind::CorrelateMessage, route, &record))
}

pub(super) fn correlated(reply: &Reply, answer: &mut Object<'_>) -> Result<(), DecodeError> {
    let record = MessageCorrelationRecord::from_bytes(&reply.value)?;
    answer.key("messageKey", record.message_key);
    answer.text("tenantId", &record.tenant_id);
    answer.key("processInstanceKey", record.process_instance_key);
    Ok(())
}
