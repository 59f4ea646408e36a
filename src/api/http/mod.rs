//! The REST frontend: `/v2` as the JVM gateway serves it, over HTTP/1.1 and h2c.
//!
//! Path of a request: `router` finds its row in the table `v2::ENDPOINTS`, `body` reads what
//! it carries, the row's translation turns that into a command, the connection's session executes
//! it, and the row's answer is written from the reply. `dispatch` is that sequence. Failures
//! before an endpoint is chosen look as `fallback` writes them, all later ones are a
//! `problem::Problem`.
//!
//! Differences from the JVM gateway, each harmless to clients: an error does not close the
//! connection, a JSON body has a limit (`rest.max_body_size`, 413), a multipart body without
//! boundary is the client's fault (400), explicit nulls are named in plain words, polls longer
//! than 30 s are allowed, and jobs of a client that went away are given back.

mod body;
mod connection;
mod dispatch;
mod endpoint;
mod fallback;
mod frontend;
mod jobs_body;
mod json;
mod media;
mod multipart;
pub(in crate::api) mod problem;
mod router;
mod tenant;
mod v2;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web::{self, Data};
use actix_web::{App, HttpServer};

pub(in crate::api) use fallback::Miss;

use crate::actors::gateway::Gateway;
use crate::config::Config;

/// More workers than this gain nothing: they only parse and translate.
const WORKERS_MAX: usize = 4;

/// How long an idle connection is kept. Clients pool connections; balancers close after 60 s.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// A server that was bound: it answers while `server` is awaited or spawned.
#[allow(missing_debug_implementations, reason = "actix-web's server has no Debug")]
pub struct Listening {
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
    /// The server; its handle stops it.
    pub server: Server,
}

/// Binds the REST frontend to `rest.host` and `rest.port`, and adds its metrics to the gateway's.
/// Call it inside an actix system.
///
/// # Errors
/// When an address cannot be bound.
pub fn serve(config: &Config, gateway: Gateway) -> io::Result<Listening> {
    let sessions = gateway.clone();
    let frontend = Data::new(frontend::Frontend::new(config, gateway));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = match config.threads.http {
        0 => cores.min(WORKERS_MAX),
        given => given,
    };
    let server = HttpServer::new(move || {
        App::new().app_data(frontend.clone()).default_service(web::to(dispatch::handle))
    })
    .on_connect(move |io, data| connection::open(&sessions, io, data))
    .workers(workers)
    .max_connections(config.limits.sessions)
    .keep_alive(KEEP_ALIVE)
    // A client that closes its connection is gone: what it waits for is given up.
    .h1_allow_half_closed(false)
    .shutdown_timeout(config.shutdown.grace.as_secs())
    .disable_signals()
    .bind_auto_h2c((config.rest.host.as_str(), config.rest.port))?;
    Ok(Listening { addresses: server.addrs(), server: server.run() })
}
