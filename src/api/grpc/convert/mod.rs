//! Protobuf messages ↔ commands and replies: one function per rpc and direction.
//!
//! Pure translation: no IO, no clock. What a command contains is fixed by the broker protocol
//! (command-api §2.7); requests are never judged here beyond what the JVM gateway judges itself
//! (tenants and JSON), everything else is the broker's decision.

pub mod decision;
pub mod deployment;
pub mod document;
pub mod job;
pub mod message;
pub mod newer;
pub mod process_instance;
pub mod variable;

use bytes::Bytes;

use super::caller::Caller;
use crate::error::GatewayError;
use crate::model::{Command, CommandKind, Key, PartitionId, Reply, Route};
use crate::wire::record::Record;

/// A command to the partition in the upper bits of `key`.
fn keyed<R: Record>(kind: CommandKind, key: i64, record: &R, caller: &Caller) -> Command {
    command(kind, Key(key), Route::Key(Key(key)), record, caller)
}

/// A command that addresses no existing entity.
fn unkeyed<R: Record>(kind: CommandKind, route: Route, record: &R, caller: &Caller) -> Command {
    command(kind, Key::NONE, route, record, caller)
}

fn command<R: Record>(
    kind: CommandKind,
    key: Key,
    route: Route,
    record: &R,
    caller: &Caller,
) -> Command {
    // Creation walks over the partitions instead of waiting for one (command-api §3.4).
    let transport_retry = route != Route::Creation;
    Command {
        kind,
        key,
        route,
        operation_reference: None,
        value: record.to_bytes(),
        authorization: caller.authorization(),
        transport_retry,
        timeout: None,
    }
}

trait WithReference {
    /// The command with the client's reference. Its 64 bits are copied as they are
    /// (gateway-behaviour §3).
    fn with_reference(self, reference: Option<u64>) -> Self;
}

impl WithReference for Command {
    fn with_reference(mut self, reference: Option<u64>) -> Self {
        self.operation_reference = reference.map(u64::cast_signed);
        self
    }
}

/// The partition that takes every deployment.
const DEPLOYMENT: Route = Route::Partition(PartitionId::DEPLOYMENT);

/// The record in a reply.
fn read<R: Record>(reply: &Reply) -> Result<R, GatewayError> {
    R::from_bytes(&reply.value).map_err(|e| {
        GatewayError::Internal(format!("unreadable {} in the reply: {e}", reply.value_type))
    })
}

/// Correlation keys route by their bytes.
fn correlation_route(key: &str) -> Route {
    Route::CorrelationKey(Bytes::copy_from_slice(key.as_bytes()))
}

#[cfg(test)]
mod golden_tests;
