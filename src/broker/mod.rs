//! The embedded broker: a cluster member that executes processes (ADR 0005).
//!
//! It is reached only over loopback in the real protocol, so a gateway cannot tell it from a JVM
//! broker, and a JVM gateway can be pointed at it.
//!
//! ```text
//! command port ──▶ command_api, management ──▶ partition 1..N (one engine each)
//! internal port ─▶ membership, configuration, jobs            │
//!                     ▲────── hub ◀── jobs, messages ◀────────┘
//! ```
//!
//! Everything runs on one thread with one current-thread runtime: memory stays small, and engines
//! need no locks. Invariants: whatever arrives at a port ends in an answer, in the end of its own
//! connection, or in nothing; a panic of an engine ends its partition, never the process.

pub mod bpmn;
pub mod engine;
pub mod feel;

mod authorization;
mod command_api;
mod configuration;
mod hub;
mod jobs;
mod limits;
mod management;
mod member;
mod partition;
mod reply;
mod server;
mod streams;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use tokio_util::sync::CancellationToken;

use crate::config;
use crate::model::PartitionId;
use crate::wire::address::Address;
use engine::{Engine, EngineConfig};
use hub::Hub;
use partition::Processor;

pub use limits::Limits;
pub use member::VERSION;

/// Most partitions a broker can announce (cluster-protocol §4).
const PARTITIONS_MAX: u16 = 254;

/// Why the broker did not start.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// A number of partitions that cannot be.
    #[error("`broker.partitions` is {0}; it must be between 1 and {PARTITIONS_MAX}")]
    Partitions(u16),
    /// A port cannot be bound.
    #[error("cannot listen on {address} (`broker.host`, `{key}`): {source}")]
    Bind {
        /// The configuration key of the port.
        key: &'static str,
        /// What it says.
        address: Address,
        /// The system's reason.
        source: io::Error,
    },
    /// The system has no thread or no runtime for it.
    #[error("cannot start the broker's thread: {0}")]
    Thread(#[from] io::Error),
    /// Its thread ended while it started.
    #[error("the broker's thread ended before it was ready")]
    Ended,
}

/// A running broker. Dropping it stops the broker, too.
#[derive(Debug)]
pub struct BrokerHandle {
    command_address: Address,
    internal_address: Address,
    hub: Arc<Hub>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// Starts a broker and returns once it serves, which takes milliseconds; blocks the caller so long.
///
/// # Errors
/// See [`BrokerError`].
pub fn start(
    config: &config::Broker,
    cluster: &config::Cluster,
) -> Result<BrokerHandle, BrokerError> {
    let partitions = config.partitions;
    start_with(config, cluster, Limits::default(), move |id| {
        Engine::new(EngineConfig::new(id, partitions))
    })
}

/// [`start`] with other limits and engines.
fn start_with<P: Processor>(
    config: &config::Broker,
    cluster: &config::Cluster,
    limits: Limits,
    engines: impl Fn(PartitionId) -> P + Send + 'static,
) -> Result<BrokerHandle, BrokerError> {
    check(config)?;
    let stop = CancellationToken::new();
    let (ready, started) = mpsc::sync_channel(1);
    let (config, cluster) = (config.clone(), cluster.clone());
    let stopped = stop.clone();
    let run = move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return report(&ready, Err(error.into())),
        };
        runtime.block_on(async {
            let server = match server::Sockets::bind(&config).await {
                Ok(sockets) => server::Server::new(sockets, &config, &cluster, limits, &engines),
                Err(error) => Err(error),
            };
            match server {
                Ok(server) => {
                    report(&ready, Ok(Arc::clone(server.hub())));
                    server.run(stopped).await;
                }
                Err(error) => report(&ready, Err(error)),
            }
        });
        log::info!("event=broker_stopped");
    };
    let thread = std::thread::Builder::new().name("broker".to_owned()).spawn(run)?;
    let hub = started.recv().map_err(|_| BrokerError::Ended)??;
    Ok(BrokerHandle::new(hub, stop, Some(thread)))
}

/// Starts a broker on the runtime of the caller instead of a thread of its own. It runs until the
/// handle is dropped or the runtime is.
///
/// # Errors
/// See [`BrokerError`].
pub async fn start_here(
    config: &config::Broker,
    cluster: &config::Cluster,
) -> Result<BrokerHandle, BrokerError> {
    check(config)?;
    let partitions = config.partitions;
    let engines = move |id| Engine::new(EngineConfig::new(id, partitions));
    let sockets = server::Sockets::bind(config).await?;
    let server = server::Server::new(sockets, config, cluster, Limits::default(), &engines)?;
    let (hub, stop) = (Arc::clone(server.hub()), CancellationToken::new());
    tokio::spawn(server.run(stop.clone()));
    Ok(BrokerHandle::new(hub, stop, None))
}

fn check(config: &config::Broker) -> Result<(), BrokerError> {
    if (1..=PARTITIONS_MAX).contains(&config.partitions) {
        return Ok(());
    }
    Err(BrokerError::Partitions(config.partitions))
}

fn report<T>(ready: &mpsc::SyncSender<T>, what: T) {
    if ready.send(what).is_err() {
        log::debug!("event=broker_start_abandoned");
    }
}

impl BrokerHandle {
    fn new(hub: Arc<Hub>, stop: CancellationToken, thread: Option<JoinHandle<()>>) -> Self {
        let command_address = hub.command_address().clone();
        let internal_address = hub.messenger().endpoint().advertised().clone();
        log::info!(
            "event=broker_started command_api={command_address} internal={internal_address}"
        );
        Self { command_address, internal_address, hub, stop, thread }
    }

    /// Where commands are taken.
    #[must_use]
    pub fn command_address(&self) -> &Address {
        &self.command_address
    }

    /// Where members are taken: the contact point for gateways.
    #[must_use]
    pub fn internal_address(&self) -> &Address {
        &self.internal_address
    }

    /// Its state for the admin endpoint. Never waits for an engine; at most 100 ms old.
    #[must_use]
    pub fn observe(&self) -> serde_json::Value {
        self.hub.observe()
    }

    /// [`Self::observe`], to be called from elsewhere.
    pub fn observer(&self) -> impl Fn() -> serde_json::Value + Send + Sync + 'static {
        let hub = Arc::clone(&self.hub);
        move || hub.observe()
    }

    /// Whether its thread lives; one without a thread lives as long as its runtime.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_none_or(|thread| !thread.is_finished())
    }

    /// Stops serving, closes all connections and waits for the thread. What the engines hold is
    /// gone then.
    pub fn stop(mut self) {
        self.stop.cancel();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            log::error!("event=broker_panicked");
        }
    }
}

impl Drop for BrokerHandle {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
