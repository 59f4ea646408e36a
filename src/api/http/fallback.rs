//! Answers to requests that reach no endpoint. They are not problem details (rest-v2 §3.2).

use actix_web::http::header::{self, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};

use super::json::{Style, object};
use super::media::{ErrorForm, error_form};

/// Why no endpoint was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::api) enum Miss {
    /// No such path.
    NotFound,
    /// The path exists, but not with this method.
    Method {
        /// The methods it exists with, sorted.
        allowed: Vec<Method>,
    },
    /// The endpoint does not take this kind of body.
    MediaType {
        /// What it takes.
        takes: &'static str,
    },
    /// The client does not accept what the endpoint produces.
    NotAcceptable {
        /// What it produces, as a list.
        produces: String,
    },
}

impl Miss {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::MediaType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotAcceptable { .. } => StatusCode::NOT_ACCEPTABLE,
        }
    }

    /// The response.
    pub(in crate::api) fn response(&self, request: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::build(self.status());
        match self {
            Self::NotFound => {}
            Self::Method { allowed } => {
                response.insert_header((header::ALLOW, join(allowed, ", ")));
            }
            Self::MediaType { takes } => {
                response.insert_header((header::ACCEPT, *takes));
            }
            Self::NotAcceptable { produces } => {
                response.insert_header((header::ACCEPT, produces.as_str()));
            }
        }
        body(request, self.status(), response)
    }
}

fn body(
    request: &HttpRequest,
    status: StatusCode,
    mut response: HttpResponseBuilder,
) -> HttpResponse {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3f+00:00").to_string();
    let reason = status.canonical_reason().unwrap_or_default();
    let path = request.path();
    match error_form(request.headers()) {
        ErrorForm::Empty => response.finish(),
        ErrorForm::Json(media_type) => {
            let mut body = String::with_capacity(128);
            let written = object(&mut body, Style::PLAIN, |o| {
                o.text("timestamp", &now);
                o.int("status", status.as_u16());
                o.text("error", reason);
                o.text("path", path);
                Ok(())
            });
            debug_assert_eq!(written, Ok(()), "texts and numbers are always writable");
            response.content_type(media_type).body(body)
        }
        ErrorForm::Xml => response.content_type("application/xml;charset=UTF-8").body(format!(
            "<Map><timestamp>{now}</timestamp><status>{}</status><error>{reason}</error>\
             <path>{}</path></Map>",
            status.as_u16(),
            escaped(path),
        )),
        ErrorForm::Html => response.content_type("text/html;charset=UTF-8").body(format!(
            "<!doctype html><title>{0} {reason}</title><h1>{0} {reason}</h1><p>{1}</p>",
            status.as_u16(),
            escaped(path),
        )),
    }
}

/// The answer to a multipart body that the JVM's servlet filter cannot read (rest-v2 §3.2).
pub(super) fn filter_issue(path: &str) -> HttpResponse {
    let mut body = String::with_capacity(256);
    let written = object(&mut body, Style::PLAIN, |o| {
        o.text("type", "about:blank");
        o.int("status", 500);
        o.text("title", "Filter issue");
        o.text(
            "detail",
            "Request processing failed: org.springframework.web.multipart.MultipartException: \
             Failed to parse multipart servlet request",
        );
        // The blank is the JVM's.
        o.text("instance", &format!(" {path}"));
        Ok(())
    });
    debug_assert_eq!(written, Ok(()), "texts and numbers are always writable");
    HttpResponse::InternalServerError()
        .content_type("application/problem+json;charset=ISO-8859-1")
        .body(body)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn join(methods: &[Method], separator: &str) -> String {
    methods.iter().map(Method::as_str).collect::<Vec<_>>().join(separator)
}

/// The answer to OPTIONS on a path with these methods. Requests from pages of other origins are
/// refused: the gateway has no CORS configuration.
pub(super) fn options(request: &HttpRequest, methods: &[Method]) -> HttpResponse {
    let headers = request.headers();
    if headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
    {
        return HttpResponse::Forbidden().body("Invalid CORS request");
    }
    let mut allowed = methods.to_vec();
    if let Some(get) = allowed.iter().position(|m| *m == Method::GET) {
        allowed.insert(get + 1, Method::HEAD);
    }
    allowed.push(Method::OPTIONS);
    let patched = if methods.contains(&Method::PATCH) { "application/json" } else { "" };
    HttpResponse::Ok()
        .insert_header((header::ALLOW, join(&allowed, ",")))
        .insert_header((
            header::HeaderName::from_static("accept-patch"),
            HeaderValue::from_static(patched),
        ))
        .finish()
}
