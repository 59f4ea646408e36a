//! An actor's address that counts what waits behind it.
//!
//! actix tells nobody how long a mailbox is, and its capacity bounds nothing. So messages travel as
//! [`Mail`], which counts itself in the receiver's cell from being sent until being opened or
//! dropped. How much may be waiting is decided earlier, by permits ([`admission`](super::admission)).

use std::fmt;
use std::sync::Arc;

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Context, Handler, Message};

use super::cell::ActorCell;

/// A message on its way.
#[derive(Debug)]
pub struct Mail<M> {
    message: Option<M>,
    cell: Arc<ActorCell>,
}

impl<M: Send + 'static> Message for Mail<M> {
    type Result = ();
}

impl<M> Mail<M> {
    fn new(message: M, cell: &Arc<ActorCell>) -> Self {
        cell.queued();
        Self { message: Some(message), cell: Arc::clone(cell) }
    }

    /// The message; it counts as received.
    #[must_use]
    pub fn open(mut self) -> M {
        self.cell.received();
        self.message.take().expect("a mail is opened by value, so only once")
    }
}

impl<M> Drop for Mail<M> {
    fn drop(&mut self) {
        self.cell.unqueued();
    }
}

/// Address of a supervised actor; stays valid across restarts.
pub struct Mailbox<A: Actor> {
    addr: Addr<A>,
    cell: Arc<ActorCell>,
}

impl<A: Actor> Clone for Mailbox<A> {
    fn clone(&self) -> Self {
        Self { addr: self.addr.clone(), cell: Arc::clone(&self.cell) }
    }
}

impl<A: Actor> fmt::Debug for Mailbox<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mailbox({})", self.cell.name())
    }
}

impl<A: Actor<Context = Context<A>>> Mailbox<A> {
    pub(super) fn new(addr: Addr<A>, cell: Arc<ActorCell>) -> Self {
        Self { addr, cell }
    }

    /// Sends a message. It is dropped when the actor ended for good; what must not get lost answers
    /// from its own drop, as a [`Ticket`](super::ticket::Ticket) does.
    pub fn send<M>(&self, message: M)
    where
        M: Send + 'static,
        A: Handler<Mail<M>>,
        A::Context: ToEnvelope<A, Mail<M>>,
    {
        self.addr.do_send(Mail::new(message, &self.cell));
    }

    /// The receiver, seen from outside.
    #[must_use]
    pub fn cell(&self) -> &Arc<ActorCell> {
        &self.cell
    }

    /// Whether the actor still takes messages.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.addr.connected()
    }
}
