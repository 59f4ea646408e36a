//! Problem details (RFC 9457): how everything looks that goes wrong after an endpoint was chosen.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};

use super::json::{Object, Style, Unreadable, object};
use crate::error::{ErrorClass, GatewayError};
use crate::wire::DecodeError;
use crate::wire::msgpack::json::JsonError;

/// A failed request, before it is known which path it was for (rest-v2 §3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) struct Problem {
    status: StatusCode,
    title: Cow<'static, str>,
    detail: Cow<'static, str>,
    /// Seconds after which the client may try again.
    retry_after: Option<u32>,
    /// The status of 8.6, where it is another.
    exact_status: Option<StatusCode>,
}

/// Title of everything that the JVM's web framework finds wrong with a request by itself.
const BAD_REQUEST: &str = "Bad Request";

impl Problem {
    /// A problem of this status.
    pub(in crate::api) fn new(
        status: StatusCode,
        title: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            title: title.into(),
            detail: detail.into(),
            retry_after: None,
            exact_status: None,
        }
    }

    /// The request cannot be read.
    pub(super) fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, BAD_REQUEST, detail)
    }

    /// The request can be read but breaks a rule.
    pub(super) fn invalid(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", detail)
    }

    /// A member that has a default was given as `null`.
    pub(super) fn null(member: &str) -> Self {
        Self::bad_request(format!("{member} must not be null"))
    }

    /// What 8.6 answers: it has no Retry-After, and tells of back-pressure in its own way.
    pub(super) fn exactly(self) -> Self {
        let status = self.exact_status.unwrap_or(self.status);
        Self { status, retry_after: None, ..self }
    }

    /// Writes what is wrong as members of a larger answer.
    pub(super) fn summary(&self, o: &mut Object<'_>) {
        o.text("detail", &self.detail);
        o.int("status", self.status.as_u16());
        o.text("title", &self.title);
    }

    /// The response; `path` is the request's path without its query.
    pub(in crate::api) fn response(&self, path: &str) -> HttpResponse {
        let mut body = String::with_capacity(128);
        let written = object(&mut body, Style::PLAIN, |o| {
            o.text("type", "about:blank");
            o.text("title", &self.title);
            o.int("status", self.status.as_u16());
            // The JVM gateway leaves the detail of some problems out.
            if !self.detail.is_empty() {
                o.text("detail", &self.detail);
            }
            o.text("instance", path);
            Ok(())
        });
        debug_assert_eq!(written, Ok(()), "texts and numbers are always writable");
        let mut response = HttpResponse::build(self.status);
        if let Some(seconds) = self.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        response.content_type("application/problem+json").body(body)
    }
}

impl From<GatewayError> for Problem {
    /// Back-pressure, a broker's or our own, is 503 with Retry-After.
    fn from(error: GatewayError) -> Self {
        let status =
            StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let pressed =
            matches!(error.class(), ErrorClass::Overloaded | ErrorClass::ResourceExhausted);
        // 8.6 has no limits of its own; its brokers' are 429.
        let own = error.class() == ErrorClass::Overloaded;
        let exact_status = if own { StatusCode::TOO_MANY_REQUESTS } else { status };
        Self {
            status: if pressed { StatusCode::SERVICE_UNAVAILABLE } else { status },
            title: error.http_title().into(),
            detail: error.http_detail().into(),
            retry_after: pressed.then_some(1),
            exact_status: Some(exact_status),
        }
    }
}

impl From<Unreadable> for Problem {
    fn from(_: Unreadable) -> Self {
        Self::bad_request("Failed to read request")
    }
}

impl From<JsonError> for Problem {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::IntegerOutOfRange => {
                Self::bad_request("MessagePack cannot serialize BigInteger larger than 2^64-1")
            }
            _ => Unreadable.into(),
        }
    }
}

/// A reply that cannot be turned into a response: the broker sent what the protocol forbids.
impl From<DecodeError> for Problem {
    fn from(error: DecodeError) -> Self {
        GatewayError::Internal(format!("unreadable reply: {error}")).into()
    }
}

/// The violations of a request, in the order they are found.
#[derive(Debug, Default)]
pub(super) struct Violations(Vec<String>);

impl Violations {
    /// Anything.
    pub(super) fn add(&mut self, violation: impl Into<String>) {
        self.0.push(violation.into());
    }

    /// A required field is absent.
    pub(super) fn missing(&mut self, field: &str) {
        self.add(format!("No {field} provided"));
    }

    /// A value breaks its field's rule.
    pub(super) fn value(&mut self, field: &str, value: impl std::fmt::Display, rule: &str) {
        self.add(format!("The value for {field} is '{value}' but must be {rule}"));
    }

    /// Exactly one of two fields must be given.
    pub(super) fn exactly_one(&mut self, names: [&str; 2], given: [bool; 2]) {
        let [a, b] = names;
        match given {
            [false, false] => self.add(format!("At least one of [{a}, {b}] is required")),
            [true, true] => self.add(format!("Only one of [{a}, {b}] is allowed")),
            _ => {}
        }
    }

    /// The client's reference, where given, must be positive.
    pub(super) fn operation_reference(&mut self, value: Option<i64>) {
        if let Some(value) = value.filter(|value| *value < 1) {
            self.value("operationReference", value, "> 0");
        }
    }

    /// A problem that names all violations, if there are any.
    pub(super) fn check(self) -> Result<(), Problem> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(Problem::invalid(self.0.join(". ") + "."))
    }
}
