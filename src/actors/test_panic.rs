//! Lets tests panic each kind of actor in a handler.

use actix::{Context, Handler};

use super::dispatcher::Dispatcher;
use super::leader::LeaderConnection;
use super::mailbox::Mail;
use super::session::Session;
use super::topology::Topology;

/// Makes the receiver panic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Panic;

/// Makes the dispatcher send [`Panic`] to all leader connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PanicLeaders;

macro_rules! panics {
    ($($actor:ty),*) => {$(
        impl Handler<Mail<Panic>> for $actor {
            type Result = ();

            fn handle(&mut self, mail: Mail<Panic>, _: &mut Context<Self>) {
                let Panic = mail.open();
                panic!("asked to panic");
            }
        }
    )*};
}

panics!(Dispatcher, LeaderConnection, Session, Topology);

impl Handler<Mail<PanicLeaders>> for Dispatcher {
    type Result = ();

    fn handle(&mut self, mail: Mail<PanicLeaders>, _: &mut Context<Self>) {
        let PanicLeaders = mail.open();
        self.leaders().for_each(|leader| leader.send(Panic));
    }
}
