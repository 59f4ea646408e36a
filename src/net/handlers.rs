//! Who handles which subject, and the way back for the answer.
//!
//! A handler is called on the connection's task and must not block; it answers through its
//! [`Responder`], now or later, from any thread. Handlers that wait are async functions.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::wire::address::Address;
use crate::wire::frame::{Status, Subject};

/// A request from a peer.
#[derive(Clone, Debug)]
pub struct Message {
    /// What it is about.
    pub subject: Subject,
    /// Its content.
    pub payload: Bytes,
    /// The sender's advertised address, as it says itself.
    pub sender: Address,
}

/// What a peer gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Status 0 and these bytes.
    Reply(Bytes),
    /// Status 2 and this text.
    Error(String),
    /// Nothing: the subject has one-way messages only.
    Nothing,
}

/// Handles the requests of a subject.
pub trait Handler: Send + Sync + 'static {
    /// Handles one request without blocking. Dropping the responder answers nothing, ever.
    fn handle(&self, message: Message, responder: Responder);
}

impl<F> Handler for F
where
    F: Fn(Message, Responder) + Send + Sync + 'static,
{
    fn handle(&self, message: Message, responder: Responder) {
        self(message, responder);
    }
}

/// The handlers of a server by exact subject. Complete before serving begins.
#[derive(Default)]
pub struct Handlers {
    by_subject: HashMap<Box<str>, Arc<dyn Handler>>,
}

impl Handlers {
    /// No handlers: every request is answered with status 1.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes requests for `subject`; replaces its earlier handler.
    pub fn on(&mut self, subject: &str, handler: impl Handler) {
        self.by_subject.insert(subject.into(), Arc::new(handler));
    }

    /// Takes requests for `subject` with an async function, run as a task of its own.
    pub fn on_async<F, A>(&mut self, subject: &str, handler: F)
    where
        F: Fn(Message) -> A + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        self.on(subject, move |message: Message, responder: Responder| {
            let answer = handler(message);
            tokio::spawn(async move { responder.answer(answer.await) });
        });
    }

    pub(super) fn get(&self, subject: &str) -> Option<&Arc<dyn Handler>> {
        self.by_subject.get(subject)
    }
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_subject.keys()).finish()
    }
}

/// An answer on its way to the connection's writer. The permit is freed once it is dropped, so a
/// peer that does not read its replies gets no more requests in.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub id: i64,
    pub status: Status,
    pub payload: Bytes,
    pub permit: Option<OwnedSemaphorePermit>,
}

/// The way back to who sent a request. Answering after the peer went away does nothing.
#[derive(Debug)]
pub struct Responder {
    id: i64,
    replies: mpsc::UnboundedSender<Outgoing>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Responder {
    pub(super) fn new(
        id: i64,
        replies: mpsc::UnboundedSender<Outgoing>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self { id, replies, permit: Some(permit) }
    }

    /// Status 0 with a result.
    pub fn reply(self, payload: Bytes) {
        self.send(Status::Ok, payload);
    }

    /// Status 2 with a text.
    pub fn error(self, text: impl Into<String>) {
        self.send(Status::HandlerException, Bytes::from(text.into()));
    }

    /// Status 1, as if the subject had no handler.
    pub fn no_handler(self, subject: &Subject) {
        self.send(Status::NoHandler, subject.to_bytes());
    }

    /// The answer of an async handler.
    pub fn answer(self, answer: Answer) {
        match answer {
            Answer::Reply(payload) => self.reply(payload),
            Answer::Error(text) => self.error(text),
            Answer::Nothing => {}
        }
    }

    /// Takes the request out of the connection's budget, for answers that may come much later. The
    /// caller then limits how many it holds.
    pub fn hold(&mut self) {
        self.permit = None;
    }

    /// Whether the connection is gone, so that an answer would reach nobody.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.replies.is_closed()
    }

    fn send(self, status: Status, payload: Bytes) {
        let Self { id, replies, permit } = self;
        if replies.send(Outgoing { id, status, payload, permit }).is_err() {
            log::debug!("event=reply_without_connection id={id}");
        }
    }
}
