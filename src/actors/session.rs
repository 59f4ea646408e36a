//! One client connection: what it may have in flight, and what it did.
//!
//! First actor on the path of a command: frontend → **session** → dispatcher. A session is not
//! restarted after a panic: what waits in it fails, it takes no more, and its frontend closes the
//! connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use actix::{Actor, ActorContext, Context, Handler, Supervised};
use serde_json::{Value, json};

use super::admission::{Budget, Permit};
use super::cell::Observe;
use super::dispatcher::{Dispatch, Dispatcher};
use super::mailbox::{Mail, Mailbox};
use super::shared::Shared;
use super::supervise::{self, Policy};
use super::ticket::Ticket;
use crate::error::GatewayError;
use crate::model::Frontend;

/// Kind of this actor.
pub const KIND: &str = "session";

/// What is known of a client when its connection opens.
#[derive(Clone, Debug)]
pub struct SessionInfo {
    /// Which frontend accepted it.
    pub frontend: Frontend,
    /// The client's address.
    pub peer: Option<SocketAddr>,
}

/// Of a session, what the frontend, the actor and the admin endpoint share.
#[derive(Debug)]
pub(super) struct SessionState {
    pub id: u64,
    pub info: SessionInfo,
    pub in_flight: Budget,
    commands: AtomicU64,
    pub refused: AtomicU64,
    pub polls: AtomicU64,
    pub streams: AtomicU64,
    _place: Permit,
}

impl Observe for SessionState {
    fn observe(&self) -> Value {
        json!({
            "frontend": match self.info.frontend {
                Frontend::Grpc => "grpc",
                Frontend::Rest => "rest",
            },
            "peer": self.info.peer.map(|peer| peer.to_string()),
            "in_flight": self.in_flight.used(),
            "in_flight_limit": self.in_flight.limit(),
            "commands": self.commands.load(Relaxed),
            "refused": self.refused.load(Relaxed),
            "polls": self.polls.load(Relaxed),
            "streams": self.streams.load(Relaxed),
        })
    }
}

/// See the module.
#[derive(Debug)]
pub struct Session {
    mailbox: Mailbox<Session>,
    state: Arc<SessionState>,
    dispatcher: Mailbox<Dispatcher>,
}

/// A command of the client.
#[derive(Debug)]
pub struct Execute(pub Ticket);

/// The connection is gone.
#[derive(Debug)]
pub struct Close;

/// Opens a session.
///
/// # Errors
/// [`GatewayError::Overloaded`], [`GatewayError::ShuttingDown`].
pub(super) fn open(
    shared: &Shared,
    dispatcher: Mailbox<Dispatcher>,
    id: u64,
    info: SessionInfo,
) -> Result<(Mailbox<Session>, Arc<SessionState>), GatewayError> {
    let place = shared.admission().admit_session()?;
    let state = Arc::new(SessionState {
        id,
        info,
        in_flight: shared.admission().session_budget(),
        commands: AtomicU64::new(0),
        refused: AtomicU64::new(0),
        polls: AtomicU64::new(0),
        streams: AtomicU64::new(0),
        _place: place,
    });
    let observed: Arc<SessionState> = Arc::clone(&state);
    let cell = shared.register(KIND, &[("id", id.to_string())], observed);
    let supervision = shared.supervision(Policy::Never);
    let own = Arc::clone(&state);
    let mailbox = supervise::start(shared.spawner().next(), cell, supervision, move |mailbox| {
        Session { mailbox, state: own, dispatcher }
    });
    Ok((mailbox, state))
}

impl Actor for Session {
    type Context = Context<Self>;
}

impl Supervised for Session {}

impl Handler<Mail<Execute>> for Session {
    type Result = ();

    fn handle(&mut self, mail: Mail<Execute>, _: &mut Self::Context) {
        let Execute(mut ticket) = mail.open();
        self.state.commands.fetch_add(1, Relaxed);
        ticket.held_by(super::dispatcher::KIND);
        self.mailbox.cell().sent();
        self.dispatcher.send(Dispatch(ticket));
    }
}

impl Handler<Mail<Close>> for Session {
    type Result = ();

    fn handle(&mut self, mail: Mail<Close>, context: &mut Self::Context) {
        let Close = mail.open();
        self.mailbox.cell().exit();
        context.stop();
    }
}
