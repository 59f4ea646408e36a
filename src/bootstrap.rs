//! Starts everything in order, waits, and stops it in the reverse order.
//!
//! The main thread runs the actix system: REST, monitoring, admin. The actors, gRPC and the
//! embedded broker have threads of their own.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::actors::gateway::{Gateway, MemberOptions, StartError};
use crate::actors::start::Shutdown;
use crate::actors::supervise::Fatal;
use crate::api::admin::{Lifecycle, Observation, serve_admin, serve_monitoring};
use crate::api::grpc::{self, GrpcServer};
use crate::api::http::{self, Listening};
use crate::auth::{self, Authenticator};
use crate::broker::{self, BrokerError, BrokerHandle};
use crate::config::Config;
use crate::metrics;

/// Why the process did not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The embedded broker did not start.
    #[error("embedded broker: {0}")]
    Broker(#[from] BrokerError),
    /// The actors did not start.
    #[error("gateway: {0}")]
    Gateway(#[from] StartError),
    /// The gRPC frontend did not start.
    #[error("gRPC frontend: {0}")]
    Grpc(#[from] grpc::ServeError),
    /// Callers cannot be authenticated.
    #[error("authentication: {0}")]
    Authentication(#[from] auth::StartError),
    /// An HTTP port cannot be served.
    #[error("cannot listen on {host}:{port} (`{table}.host`, `{table}.port`): {cause}")]
    Http {
        /// Table of the configuration.
        table: &'static str,
        /// Its host.
        host: String,
        /// Its port.
        port: u16,
        /// The system's reason.
        cause: io::Error,
    },
    /// Signals cannot be received.
    #[error("cannot listen for signals: {0}")]
    Signals(io::Error),
    /// A part that the gateway cannot do without failed too often.
    #[error("gave up: {0}")]
    Fatal(String),
}

/// Runs until a signal or a fatal failure.
///
/// # Errors
/// [`RunError`]; whatever was started is stopped again.
pub fn run(config: Config) -> Result<(), RunError> {
    let began = Instant::now();
    let broker = match config.embedded_broker() {
        true => Some(broker::start(&config.broker, &config.cluster)?),
        false => None,
    };
    let result = actix_rt::System::new().block_on(serve(&config, broker.as_ref(), began));
    if let Some(broker) = broker {
        broker.stop();
    }
    log::info!("event=stopped");
    result
}

/// How the gateway is a member. The embedded broker has the well-known ports, so the gateway beside it
/// takes a free one.
fn member(config: &Config, broker: Option<&BrokerHandle>) -> Result<MemberOptions, StartError> {
    match broker {
        None => MemberOptions::configured(config),
        Some(broker) => Ok(MemberOptions::beside(broker.internal_address())),
    }
}

async fn serve(
    config: &Config,
    broker: Option<&BrokerHandle>,
    began: Instant,
) -> Result<(), RunError> {
    let mut signals = Signals::new().map_err(RunError::Signals)?;
    let (failed, mut failures) = mpsc::unbounded_channel();
    let fatal = Fatal::new(move |why| {
        if failed.send(why.to_owned()).is_err() {
            log::error!("event=fatal_after_stop cause=\"{why}\"");
        }
    });
    let options = member(config, broker)?;
    let (gateway, shutdown) =
        Gateway::start(config.clone(), options, metrics::Registry::default(), fatal).await?;
    let frontends = match Frontends::start(config, &gateway, broker) {
        Ok(frontends) => frontends,
        Err(error) => {
            shutdown.stop(Duration::ZERO).await;
            return Err(error);
        }
    };
    let took_ms = began.elapsed().as_millis();
    log::info!("event=started took_ms={took_ms} {}", frontends.addresses());
    let outcome = tokio::select! {
        name = signals.next() => {
            log::info!("event=stopping cause={name}");
            Ok(())
        }
        Some(why) = failures.recv() => Err(RunError::Fatal(why)),
    };
    tokio::select! {
        () = frontends.stop(config.shutdown.grace, shutdown) => {}
        name = signals.next() => log::warn!("event=stopping_now cause=\"second {name}\""),
    }
    outcome
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Everything that listens for clients and operators.
struct Frontends {
    lifecycle: Lifecycle,
    grpc: GrpcServer,
    grpc_shutdown: CancellationToken,
    rest: Option<Http>,
    monitoring: Http,
    admin: Option<Http>,
}

struct Http {
    address: Option<SocketAddr>,
    handle: ServerHandle,
}

impl Http {
    /// Lets a bound server answer.
    fn run(listening: Listening) -> Self {
        let handle = listening.server.handle();
        actix_rt::spawn(async move {
            if let Err(error) = listening.server.await {
                log::error!("event=http_server_ended cause=\"{error}\"");
            }
        });
        Self { address: listening.addresses.first().copied(), handle }
    }
}

impl Frontends {
    fn start(
        config: &Config,
        gateway: &Gateway,
        broker: Option<&BrokerHandle>,
    ) -> Result<Self, RunError> {
        let lifecycle = Lifecycle::default();
        let authenticator = Authenticator::start(config)?;
        let rest = match config.rest.enabled {
            true => Some(Http::run(
                http::serve_guarded(config, gateway.clone(), authenticator.clone())
                    .map_err(|e| http_error("rest", &config.rest.host, config.rest.port, e))?,
            )),
            false => None,
        };
        let monitoring =
            serve_monitoring(config, gateway.clone(), lifecycle.clone()).map_err(|e| {
                http_error("monitoring", &config.monitoring.host, config.monitoring.port, e)
            })?;
        let observations = broker.map(|broker| {
            let shows = "the embedded broker: partitions, their engines, open incidents";
            Observation::new("/broker", shows, broker.observer())
        });
        let admin = match config.admin.enabled {
            true => Some(Http::run(
                serve_admin(config, gateway.clone(), observations.into_iter().collect())
                    .map_err(|e| http_error("admin", &config.admin.host, config.admin.port, e))?,
            )),
            false => None,
        };
        let grpc_shutdown = CancellationToken::new();
        let grpc =
            grpc::serve_guarded(config, gateway.clone(), authenticator, grpc_shutdown.clone())?;
        lifecycle.started();
        let monitoring = Http::run(monitoring);
        Ok(Self { lifecycle, grpc, grpc_shutdown, rest, monitoring, admin })
    }

    fn addresses(&self) -> String {
        let shown = |http: Option<&Http>| {
            http.and_then(|http| http.address).map_or("off".to_owned(), |a| a.to_string())
        };
        format!(
            "grpc={} rest={} monitoring={} admin={}",
            self.grpc.address(),
            shown(self.rest.as_ref()),
            shown(Some(&self.monitoring)),
            shown(self.admin.as_ref()),
        )
    }

    /// Not ready first, then no new calls, then the end of those that run, then the actors; the
    /// monitoring port last, so that the stop can be watched.
    async fn stop(self, grace: Duration, actors: Shutdown) {
        self.lifecycle.stopping();
        self.grpc_shutdown.cancel();
        if let Some(rest) = &self.rest {
            // Graceful: actix waits for running requests for its own, equal, grace time.
            drop(rest.handle.stop(true));
        }
        let left = actors.stop(grace).await;
        if left > 0 {
            log::warn!("event=commands_cut_off count={left}");
        }
        self.grpc.stopped().cancelled().await;
        if let Some(admin) = &self.admin {
            admin.handle.stop(false).await;
        }
        self.monitoring.handle.stop(false).await;
    }
}

fn http_error(table: &'static str, host: &str, port: u16, cause: io::Error) -> RunError {
    RunError::Http { table, host: host.to_owned(), port, cause }
}
