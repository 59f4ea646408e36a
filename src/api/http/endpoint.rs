//! What an endpoint is: a row that says how a request becomes a command and a reply an answer.

use actix_web::http::Method;

use super::json::{FromJson, Newer, Object};
use super::media::{self, JSON, PROBLEM};
use super::multipart::Part;
use super::problem::Problem;
use super::tenant::Tenancy;
use crate::model::{Command, CommandKind, Key, Reply, Route};
use crate::wire::DecodeError;
use crate::wire::record::Record;

const MULTIPART: &str = "multipart/form-data";
/// What the content of a document is served as, whatever it is: no browser may run it.
pub(super) const OCTETS: &str = "application/octet-stream";

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
    /// Whether it is newer than 8.6.
    pub(super) newer: bool,
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
    /// The same from 8.8 on; 8.6 demands the media type of a body that it does not read.
    OptionalSince88,
    /// `multipart/form-data`.
    Multipart,
    /// `multipart/form-data` that is read while it comes.
    Upload,
}

/// What an endpoint does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    /// Sends a command and answers with its reply; without an answer, with 204.
    Command { translate: Translate, answer: Option<Answer> },
    /// The same, but only clients that need the content of 8.9 get it.
    CommandOf89 { translate: Translate, answer: Answer },
    /// Sends a command to every partition and answers with 204 when all did it. Exactly as in 8.6
    /// only one partition gets it.
    EveryPartition { translate: Translate },
    /// Polls for jobs.
    ActivateJobs,
    /// Something with documents.
    Documents(DocumentAction),
    /// Shows the cluster.
    Topology,
    /// Shows that there is no licence.
    License,
    /// Says whether any partition can work.
    Status,
    /// Says who the caller is.
    Myself,
    /// Describes all endpoints.
    OpenApi,
    /// Always fails as a bad request with this detail, as the JVM gateway does.
    Refuse(&'static str),
}

/// What is done with documents (rest-v2 §5.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DocumentAction {
    /// Stores one.
    Create,
    /// Stores several.
    CreateBatch,
    /// Reads one.
    Read,
    /// Deletes one.
    Delete,
    /// Makes a link to one.
    Link,
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
            Body::Required | Body::Optional | Body::OptionalSince88 => Some(JSON),
            Body::Multipart | Body::Upload => Some(MULTIPART),
        }
    }

    /// Whether it takes a body of this media type.
    pub(super) fn takes_type(&self, media_type: &str, exact: bool) -> bool {
        match self.body {
            Body::None => true,
            Body::Required | Body::Optional | Body::OptionalSince88 => {
                media::is_json(media_type, exact)
            }
            Body::Multipart | Body::Upload => media_type == MULTIPART,
        }
    }

    /// The media types of its answers.
    pub(super) fn produces(&self) -> &'static [&'static str] {
        match self.action {
            Action::Topology
            | Action::License
            | Action::Status
            | Action::Myself
            | Action::OpenApi => &[JSON],
            Action::Documents(DocumentAction::Read) => &[OCTETS, JSON, PROBLEM],
            _ => &[JSON, PROBLEM],
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
    /// Answer exactly as 8.6 does.
    pub(super) exact: bool,
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

    /// Refuses a member of newer versions that changes what a request means and that no broker of
    /// 8.6 understands. Exactly as in 8.6 it is ignored.
    pub(super) fn newer(&self, name: &str, given: Option<Newer>) -> Result<(), Problem> {
        if self.exact || !given.is_some_and(|value| value.says_something()) {
            return Ok(());
        }
        Err(Problem::invalid(format!(
            "The member '{name}' is not supported: it has no meaning for brokers of 8.6, and \
             without it the request would do something else."
        )))
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
