//! Messages and signals.

use super::document::variables;
use super::{correlation_route, read, unkeyed};
use crate::api::grpc::caller::Caller;
use crate::api::grpc::proto as pb;
use crate::error::GatewayError;
use crate::model::{Command, CommandKind, Reply, Route};
use crate::wire::record::{MessageRecord, SignalRecord};

/// PublishMessage.
///
/// # Errors
/// Tenant and JSON errors.
pub fn publish(
    request: pb::PublishMessageRequest,
    caller: &Caller,
) -> Result<Command, GatewayError> {
    let tenant_id = caller.tenant("PublishMessage", request.tenant_id)?;
    let route = correlation_route(&request.correlation_key);
    let record = MessageRecord {
        name: request.name,
        correlation_key: request.correlation_key,
        time_to_live: request.time_to_live,
        variables: variables(&request.variables)?,
        message_id: request.message_id,
        tenant_id,
        ..Default::default()
    };
    Ok(unkeyed(CommandKind::PublishMessage, route, &record, caller))
}

/// PublishMessage's answer.
///
/// # Errors
/// [`GatewayError::Internal`] when the reply cannot be read.
pub fn published(reply: &Reply) -> Result<pb::PublishMessageResponse, GatewayError> {
    let record: MessageRecord = read(reply)?;
    Ok(pb::PublishMessageResponse { key: reply.key.0, tenant_id: record.tenant_id })
}

/// BroadcastSignal.
///
/// # Errors
/// As [`publish`].
pub fn broadcast(
    request: pb::BroadcastSignalRequest,
    caller: &Caller,
) -> Result<Command, GatewayError> {
    let record = SignalRecord {
        tenant_id: caller.tenant("BroadcastSignal", request.tenant_id)?,
        signal_name: request.signal_name,
        variables: variables(&request.variables)?,
    };
    Ok(unkeyed(CommandKind::BroadcastSignal, Route::RoundRobin, &record, caller))
}

/// BroadcastSignal's answer.
///
/// # Errors
/// As [`published`].
pub fn broadcasted(reply: &Reply) -> Result<pb::BroadcastSignalResponse, GatewayError> {
    let record: SignalRecord = read(reply)?;
    Ok(pb::BroadcastSignalResponse { key: reply.key.0, tenant_id: record.tenant_id })
}
