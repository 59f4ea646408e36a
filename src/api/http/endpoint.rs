//! What an endpoint is: a row that says how a request becomes a command and a reply an answer.

use actix_web::http::Method;

use super::json::{FromJson, Object};
use super::multipart::Part;
use super::problem::Problem;
use super::tenant::Tenancy;
use crate::model::{Command, CommandKind, Key, Reply, Route};
use crate::wire::DecodeError;
use crate::wire::record::Record;

/// One row of the table of endpoints (rest-v2 §5).
#[derive(Debug)]
pub(super) struct Endpoint {
    /// The method.
    pub(super) method: Method,
    /// The path; a segment in braces is the key of the addressed entity.
    pub(super) path: &'static str,
    /// What body it takes.
    pub(super) body: Body,
    /// What it does.
    pub(super) action: Action,
}

/// What body an endpoint takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// None; whatever is there is not read.
    None,
    /// A JSON object.
    Required,
    /// A JSON object, or nothing at all.
    Optional,
    /// `multipart/form-data`.
    Multipart,
}

/// What an endpoint does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    /// Sends a command and answers with its reply; without an answer, with 204.
    Command { translate: Translate, answer: Option<Answer> },
    /// Polls for jobs.
    ActivateJobs,
    /// Shows the cluster.
    Topology,
    /// Shows that there is no licence.
    License,
    /// Says whether any partition can work.
    Status,
    /// Always fails as a bad request with this detail, as the JVM gateway does.
    Refuse(&'static str),
}

/// Turns a request into a command, or says what is wrong with it.
pub(super) type Translate = fn(&Input<'_>) -> Result<Command, Problem>;

/// Writes the answer's members.
pub(super) type Answer = fn(&Reply, &mut Object<'_>) -> Result<(), DecodeError>;

impl Endpoint {
    /// The media type of its body, if it demands one.
    pub(super) fn takes(&self) -> Option<&'static str> {
        match self.body {
            Body::None => None,
            Body::Required | Body::Optional => Some("application/json"),
            Body::Multipart => Some("multipart/form-data"),
        }
    }

    /// The media types of its answers.
    pub(super) fn produces(&self) -> &'static [&'static str] {
        match self.action {
            Action::Topology | Action::License | Action::Status => &["application/json"],
            _ => &["application/json", "application/problem+json"],
        }
    }
}

/// A request, ready to be translated.
#[derive(Debug)]
pub(super) struct Input<'a> {
    /// The key in the path, or [`Key::NONE`].
    pub(super) key: Key,
    /// The body.
    pub(super) body: &'a [u8],
    /// The parts of a multipart body.
    pub(super) parts: &'a [Part],
    /// Tenant rules.
    pub(super) tenancy: Tenancy,
}

impl<'a> Input<'a> {
    /// The body, which must be there.
    pub(super) fn required<T: FromJson<'a>>(&self) -> Result<T, Problem> {
        match self.given() {
            Some(text) => Ok(read(text)?),
            None => Err(Problem::bad_request("Required request body is missing")),
        }
    }

    /// The body, or what an empty object means.
    pub(super) fn optional<T: FromJson<'a> + Default>(&self) -> Result<T, Problem> {
        match self.given() {
            Some(text) => Ok(read(text)?),
            None => Ok(T::default()),
        }
    }

    /// The body; nothing and `null` count as none.
    fn given(&self) -> Option<&'a [u8]> {
        let text = self.body.trim_ascii_start();
        let null = text.strip_prefix(b"null");
        let none = null.is_some_and(|rest| !rest.first().is_some_and(u8::is_ascii_alphanumeric));
        (!text.is_empty() && !none).then_some(text)
    }

    /// A command for the entity whose key is in the path.
    pub(super) fn keyed(&self, kind: CommandKind, record: &impl Record) -> Command {
        self.command(kind, Route::Key(self.key), self.key, record)
    }

    /// A command that addresses no existing entity.
    pub(super) fn unkeyed(&self, kind: CommandKind, route: Route, record: &impl Record) -> Command {
        self.command(kind, route, Key::NONE, record)
    }

    /// REST sends every command once: no waiting for a leader, no other partition
    /// (command-api §3.6).
    fn command(&self, kind: CommandKind, route: Route, key: Key, record: &impl Record) -> Command {
        Command {
            kind,
            key,
            route,
            operation_reference: None,
            value: record.to_bytes(),
            authorization: self.tenancy.authorization(),
            transport_retry: false,
            timeout: None,
        }
    }
}

fn read<'a, T: FromJson<'a>>(text: &'a [u8]) -> Result<T, super::json::Unreadable> {
    let text = std::str::from_utf8(text).map_err(|_| super::json::Unreadable)?;
    T::from_json(text)
}
