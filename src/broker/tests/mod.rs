//! Whole brokers over loopback, with scripted engines and with the real one.

mod commands;
mod members;
mod process;
mod script;

use std::time::Duration;

use bytes::Bytes;

use super::engine::Engine;
use super::*;
use crate::model::{ErrorCode, Key, RecordType, ValueType};
use crate::net::{Endpoint, EndpointOptions, Messenger, MessengerOptions, RequestError};
use crate::wire::record::AuthInfo;
use crate::wire::sbe::Message as _;
use crate::wire::sbe::{ErrorResponse, ExecuteCommandRequest, ExecuteCommandResponse, Header};
use script::Script;

pub const TIMEOUT: Duration = Duration::from_secs(10);

pub fn broker_config() -> (config::Broker, config::Cluster) {
    let mut config = config::Config::defaults();
    config.broker.command_port = 0;
    config.broker.internal_port = 0;
    config.cluster.membership.gossip_interval = Duration::from_millis(20);
    config.cluster.membership.probe_interval = Duration::from_millis(100);
    config.cluster.membership.probe_timeout = Duration::from_secs(1);
    config.cluster.membership.failure_timeout = Duration::from_millis(300);
    (config.broker, config.cluster)
}

pub fn scripted(limits: Limits) -> BrokerHandle {
    let (broker, cluster) = broker_config();
    start_with(&broker, &cluster, limits, Script::new).unwrap()
}

pub fn messenger() -> Messenger {
    let options = EndpointOptions { connect_timeout: TIMEOUT, frame_bytes_max: 64 << 20 };
    let endpoint = Endpoint::new("zeebe-cluster", Address::new("127.0.0.1", 9), options);
    Messenger::new(endpoint, MessengerOptions::default())
}

/// A command whose value is read by the script.
pub fn command(value: &str) -> ExecuteCommandRequest {
    ExecuteCommandRequest {
        partition: 1,
        key: -1,
        value_type: ValueType::Message.to_wire(),
        intent: 0,
        operation_reference: -1,
        value: Bytes::copy_from_slice(value.as_bytes()),
        authorization: AuthInfo::unknown(),
    }
}

pub async fn ask(
    messenger: &Messenger,
    broker: &BrokerHandle,
    subject: &str,
    payload: Bytes,
) -> Result<Bytes, RequestError> {
    messenger.request(broker.command_address(), subject, payload, TIMEOUT).await
}

/// The error reply to a payload.
pub async fn refused(broker: &BrokerHandle, subject: &str, payload: Bytes) -> (ErrorCode, String) {
    let answer = ask(&messenger(), broker, subject, payload).await.unwrap();
    let ErrorResponse { code, message } = ErrorResponse::decode(&answer).unwrap();
    (code, message)
}

/// The event reply to a scripted command.
pub async fn run(messenger: &Messenger, broker: &BrokerHandle, value: &str) -> Bytes {
    let payload = reply::encode(&command(value));
    let answer = ask(messenger, broker, "command-api-1", payload).await.unwrap();
    let response = ExecuteCommandResponse::decode(&answer).unwrap();
    assert_eq!(response.record_type, RecordType::Event);
    response.value
}

/// Waits until the condition holds, looking again and again.
pub async fn eventually(mut condition: impl FnMut() -> bool) {
    let held = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, held).await.expect("does not come true");
}
