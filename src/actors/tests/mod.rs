//! Tests of the whole path against a scripted broker.

mod broker;
mod cluster;
mod failures;
mod faults;
mod jobs;
mod panics;
mod path;

use std::time::Duration;

use bytes::Bytes;

use self::broker::endpoint;
use super::gateway::{Gateway, SessionHandle, SessionInfo, Shutdown};
use super::supervise::Fatal;
use crate::config::Config;
use crate::error::GatewayError;
use crate::model::{ClusterView, Command, CommandKind, Frontend, Key, PartitionId, Reply, Route};
use crate::wire::Address;

/// Longer than anything takes that is expected to happen.
const PATIENCE: Duration = Duration::from_secs(10);

fn config() -> Config {
    let mut config = Config::defaults();
    config.threads.data = 2;
    config
}

fn gateway(config: Config, view: ClusterView) -> (Gateway, Shutdown) {
    let fatal = Fatal::new(|cause| panic!("escalated: {cause}"));
    let own = endpoint(Address::new("127.0.0.1", 1));
    Gateway::detached(config, own, view, fatal).unwrap()
}

fn session(gateway: &Gateway) -> SessionHandle {
    gateway.open_session(SessionInfo { frontend: Frontend::Grpc, peer: None }).unwrap()
}

/// A command for the partition of this key, as gRPC sends it.
fn keyed(partition: u16, counter: u64) -> Command {
    let key = Key::new(PartitionId(partition), counter);
    Command {
        kind: CommandKind::CompleteJob,
        key,
        route: Route::Key(key),
        operation_reference: None,
        value: Bytes::from_static(b"\x80"),
        authorization: Bytes::from_static(b"\x80"),
        transport_retry: true,
        timeout: None,
    }
}

fn creation() -> Command {
    Command {
        kind: CommandKind::CreateProcessInstance,
        key: Key::NONE,
        route: Route::Creation,
        transport_retry: false,
        ..keyed(1, 1)
    }
}

async fn execute(session: &SessionHandle, command: Command) -> Result<Reply, GatewayError> {
    tokio::time::timeout(PATIENCE, session.execute(command)).await.expect("answered in time")
}

/// Waits until `condition` holds.
async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let poll = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    if tokio::time::timeout(PATIENCE, poll).await.is_err() {
        panic!("not within {PATIENCE:?}: {what}");
    }
}
