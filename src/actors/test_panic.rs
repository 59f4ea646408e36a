//! Lets tests panic each kind of actor in a handler.

use std::sync::Mutex;

use actix::{Context, Handler};

use super::activation::JobActivation;
use super::dispatcher::Dispatcher;
use super::job_stream::JobStreamActor;
use super::leader::LeaderConnection;
use super::mailbox::{Mail, Mailbox};
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

/// The topology started last, for the one test that panics it.
static TOPOLOGY: Mutex<Option<Mailbox<Topology>>> = Mutex::new(None);

/// Called when a topology starts.
pub(crate) fn remember(topology: &Mailbox<Topology>) {
    *TOPOLOGY.lock().unwrap() = Some(topology.clone());
}

/// The topology started last.
pub(crate) fn topology() -> Mailbox<Topology> {
    TOPOLOGY.lock().unwrap().clone().expect("a gateway was started")
}

panics!(Dispatcher, JobActivation, JobStreamActor, LeaderConnection, Session, Topology);

impl Handler<Mail<PanicLeaders>> for Dispatcher {
    type Result = ();

    fn handle(&mut self, mail: Mail<PanicLeaders>, _: &mut Context<Self>) {
        let PanicLeaders = mail.open();
        self.leaders().for_each(|leader| leader.send(Panic));
    }
}
