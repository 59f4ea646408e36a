//! One session per client connection.

use std::any::Any;

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;

use crate::actors::gateway::{Gateway, SessionHandle, SessionInfo};
use crate::error::GatewayError;
use crate::model::Frontend;

/// What is kept with a connection for its requests; it ends with the connection.
#[derive(Debug)]
pub(super) struct Connection {
    /// The session, or why there is none: every request of the connection is answered with that.
    pub(super) session: Result<SessionHandle, GatewayError>,
}

/// Opens the session of a new connection.
pub(super) fn open(gateway: &Gateway, io: &dyn Any, data: &mut Extensions) {
    let peer = io.downcast_ref::<TcpStream>().and_then(|stream| stream.peer_addr().ok());
    let session = gateway.open_session(SessionInfo { frontend: Frontend::Rest, peer });
    if let Err(error) = &session {
        log::warn!("event=rest_session_refused peer={peer:?} error={error:?}");
    }
    data.insert(Connection { session });
}
