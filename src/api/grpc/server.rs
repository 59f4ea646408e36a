//! Accepts connections on a runtime of its own, so that slow translation never delays the actors.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::caller::Caller;
use super::connection::ConnectionService;
use super::guard::Guard;
use super::health::HealthService;
use super::reflection::Reflection;
use super::service::{GatewayService, Settings};
use super::transport::{Wire, WireIo};
use crate::actors::gateway::{Gateway, SessionInfo};
use crate::auth::Authenticator;
use crate::config::Config;
use crate::model::Frontend;

/// HTTP/2 windows of a stream and of a connection, in bytes (gateway-behaviour §1).
const WINDOW: u32 = 1 << 20;
/// Longest request headers, in bytes.
const MAX_HEADERS: u32 = 8192;
/// Concurrent streams the JVM gateway announces; the session's own limit answers before.
const MAX_STREAMS: u32 = i32::MAX as u32;
/// Response bytes a stream may have buffered before its call is asked for no more: what makes a
/// slow reader of a job stream count as blocked (gateway-behaviour §9.4).
const SEND_BUFFER: usize = 32 * 1024;
/// A connection whose peer answers no ping for this long after an idle interval is dead.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Pause after a failed accept, which usually means that file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the frontend cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be bound.
    #[error("cannot listen for gRPC on {address}: {cause}")]
    Bind {
        /// The configured address.
        address: String,
        /// The system's answer.
        cause: io::Error,
    },
    /// The descriptors for reflection cannot be read.
    #[error("cannot serve gRPC reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// Callers cannot be authenticated.
    #[error(transparent)]
    Authentication(#[from] crate::auth::StartError),
    /// The runtime cannot be built.
    #[error("cannot start the gRPC threads: {0}")]
    Threads(io::Error),
}

/// The running frontend.
#[derive(Debug)]
pub struct GrpcServer {
    address: SocketAddr,
    thread: JoinHandle<()>,
    stopped: CancellationToken,
}

impl GrpcServer {
    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cancelled when the last connection has ended after a shutdown.
    #[must_use]
    pub fn stopped(&self) -> CancellationToken {
        self.stopped.clone()
    }

    /// Waits, blocking, until it has stopped.
    pub fn join(self) {
        if self.thread.join().is_err() {
            log::error!("event=grpc_thread_panicked");
        }
    }
}

/// Starts the frontend, with an authenticator of its own where the configuration asks for one.
///
/// # Errors
/// As [`serve_guarded`].
pub fn serve(
    config: &Config,
    gateway: Gateway,
    shutdown: CancellationToken,
) -> Result<GrpcServer, ServeError> {
    serve_guarded(config, gateway, Authenticator::start(config)?, shutdown)
}

/// Starts the frontend. Cancelling `shutdown` makes it report NOT_SERVING, stop accepting, announce
/// the end to its connections, and after `shutdown.grace` reset the calls that are left.
///
/// # Errors
/// [`ServeError`] when it cannot listen or start its threads.
pub fn serve_guarded(
    config: &Config,
    gateway: Gateway,
    authenticator: Option<Authenticator>,
    shutdown: CancellationToken,
) -> Result<GrpcServer, ServeError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads(config.threads.grpc))
        .thread_name("grpc")
        .enable_all()
        .build()
        .map_err(ServeError::Threads)?;
    let address = format!("{}:{}", config.grpc.host, config.grpc.port);
    let bind_error = |cause| ServeError::Bind { address: address.clone(), cause };
    let listener = std::net::TcpListener::bind(&address).map_err(bind_error)?;
    listener.set_nonblocking(true).map_err(bind_error)?;
    let local = listener.local_addr().map_err(bind_error)?;
    let listener = {
        let _runtime = runtime.enter();
        TcpListener::from_std(listener).map_err(bind_error)?
    };
    let (serving, health) = watch::channel(true);
    let acceptor = Acceptor {
        gateway,
        caller: Arc::new(Caller::anonymous(config.multi_tenancy.enabled)),
        guard: authenticator.map(|one| Guard::new(one, config.multi_tenancy.enabled)),
        health: HealthService::new(health),
        reflection: config.grpc.reflection.then(Reflection::new).transpose()?,
        settings: Settings {
            max_message_size: config.grpc.max_message_size,
            compression: config.grpc.compression,
            compatibility: config.compatibility,
        },
        connections: Arc::new(Semaphore::new(config.limits.sessions.min(Semaphore::MAX_PERMITS))),
        tasks: TaskTracker::new(),
        shutdown,
        abort: CancellationToken::new(),
    };
    let grace = config.shutdown.grace;
    let stopped = CancellationToken::new();
    let done = stopped.clone().drop_guard();
    let thread = std::thread::Builder::new()
        .name("grpc-accept".to_owned())
        .spawn(move || {
            let _done = done;
            runtime.block_on(acceptor.run(listener, serving, grace));
        })
        .map_err(ServeError::Threads)?;
    log::info!("event=grpc_listens at={local}");
    Ok(GrpcServer { address: local, thread, stopped })
}

fn threads(configured: usize) -> usize {
    match configured {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    }
}

struct Acceptor {
    gateway: Gateway,
    /// Who makes calls while nobody is asked who they are.
    caller: Arc<Caller>,
    guard: Option<Guard>,
    health: HealthService,
    reflection: Option<Reflection>,
    settings: Settings,
    connections: Arc<Semaphore>,
    tasks: TaskTracker,
    /// Announces the end to connections.
    shutdown: CancellationToken,
    /// Cuts the connections that are left.
    abort: CancellationToken,
}

impl Acceptor {
    async fn run(self, listener: TcpListener, serving: watch::Sender<bool>, grace: Duration) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.shutdown.cancelled() => break,
            };
            match accepted {
                Ok((stream, peer)) => self.admit(stream, peer),
                Err(e) => {
                    log::warn!("event=grpc_not_accepted cause=\"{e}\"");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop(listener);
        serving.send_replace(false);
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            log::warn!("event=grpc_calls_cut_off connections={}", self.tasks.len());
            self.abort.cancel();
            self.tasks.wait().await;
        }
    }

    fn admit(&self, stream: TcpStream, peer: SocketAddr) {
        let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() else {
            log::warn!("event=grpc_refused peer={peer} cause=limits.sessions");
            return;
        };
        if let Err(e) = stream.set_nodelay(true) {
            log::debug!("event=grpc_nodelay_refused peer={peer} cause=\"{e}\"");
        }
        let info = SessionInfo { frontend: Frontend::Grpc, peer: Some(peer) };
        let session = match self.gateway.open_session(info) {
            Ok(session) => session,
            Err(e) => {
                log::warn!("event=grpc_refused peer={peer} cause=\"{e}\"");
                return;
            }
        };
        let service = GatewayService::new(
            self.gateway.clone(),
            session,
            Arc::clone(&self.caller),
            self.settings,
        );
        let wire = Wire::new(stream);
        let service = ConnectionService::new(
            service,
            self.guard.clone(),
            self.health.clone(),
            self.reflection.clone(),
            self.gateway.clone(),
            self.settings,
            Arc::clone(&wire),
        );
        let (shutdown, abort) = (self.shutdown.clone(), self.abort.clone());
        self.tasks.spawn(async move {
            connection(&wire, peer, service, shutdown, abort).await;
            wire.closed(peer).await;
            drop(permit);
        });
    }
}

async fn connection(
    wire: &Arc<Wire>,
    peer: SocketAddr,
    service: ConnectionService,
    shutdown: CancellationToken,
    abort: CancellationToken,
) {
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADERS)
        .max_send_buf_size(SEND_BUFFER)
        .auto_date_header(false)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    let io = TokioIo::new(WireIo(Arc::clone(wire)));
    let mut connection = std::pin::pin!(http.serve_connection(io, service));
    let mut draining = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(e) = ended {
                    log::debug!("event=grpc_connection_ended peer={peer} cause=\"{e}\"");
                }
                return;
            }
            () = shutdown.cancelled(), if !draining => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
            () = abort.cancelled() => return,
        }
    }
}
