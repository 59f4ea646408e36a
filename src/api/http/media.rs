//! Content-Type and Accept: what a request may carry and what its sender wants back.

use actix_web::http::header::{self, HeaderMap};

/// A media type without its parameters, in lower case; `None` where it is not one.
fn essence(text: &str) -> Option<String> {
    let bare = text.split(';').next()?.trim().to_ascii_lowercase();
    let (kind, subtype) = bare.split_once('/')?;
    let token = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
    (token(kind) && token(subtype)).then_some(bare)
}

/// The media type of the body, if it names a well-formed one.
pub(super) fn content_type(headers: &HeaderMap) -> Option<String> {
    essence(headers.get(header::CONTENT_TYPE)?.to_str().ok()?)
}

/// Whether the request announces a body.
pub(super) fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0")
}

/// The media types the client accepts, in its order; without the header, anything.
fn accepted(headers: &HeaderMap) -> Vec<String> {
    let mut types = Vec::new();
    let mut given = false;
    for value in headers.get_all(header::ACCEPT) {
        given = true;
        types.extend(value.to_str().unwrap_or_default().split(',').filter_map(essence));
    }
    if given { types } else { vec!["*/*".to_owned()] }
}

fn includes(range: &str, media_type: &str) -> bool {
    match range {
        "*/*" | "application/*" => true,
        "application/*+json" => media_type.ends_with("+json"),
        exact => exact == media_type,
    }
}

/// Whether the client accepts one of these types.
pub(super) fn accepts(headers: &HeaderMap, produced: &[&str]) -> bool {
    // The common case needs no list.
    if !headers.contains_key(header::ACCEPT) {
        return true;
    }
    accepted(headers).iter().any(|range| produced.iter().any(|p| includes(range, p)))
}

/// In which form a routing error is written for this client (rest-v2 §3.2).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ErrorForm {
    /// JSON, under this media type.
    Json(String),
    /// XML.
    Xml,
    /// A page for browsers.
    Html,
    /// No body: the client accepts nothing that could carry one.
    Empty,
}

/// The form the client prefers.
pub(super) fn error_form(headers: &HeaderMap) -> ErrorForm {
    for range in accepted(headers) {
        match range.as_str() {
            "text/html" => return ErrorForm::Html,
            "*/*" | "application/*" | "application/*+json" => {
                return ErrorForm::Json("application/json".to_owned());
            }
            "application/xml" | "text/xml" => return ErrorForm::Xml,
            json if json == "application/json" || json.ends_with("+json") => {
                return ErrorForm::Json(range);
            }
            _ => {}
        }
    }
    ErrorForm::Empty
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn headers(name: header::HeaderName, value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        headers
    }

    #[test]
    fn content_type_without_parameters() {
        let of = |value| content_type(&headers(header::CONTENT_TYPE, value));
        assert_eq!(of("Application/JSON; charset=utf-8").as_deref(), Some("application/json"));
        assert_eq!(of("///"), None);
        assert_eq!(of("json"), None);
    }

    #[test]
    fn accept_ranges() {
        let ok = |value| {
            let both = ["application/json", "application/problem+json"];
            accepts(&headers(header::ACCEPT, value), &both)
        };
        assert!(ok("text/html, */*;q=0.8"));
        assert!(ok("application/problem+json"));
        assert!(ok("application/*+json"));
        assert!(!ok("text/plain"));
        assert!(!ok("application/vnd.camunda.api.keys.string+json"));
        assert!(accepts(&HeaderMap::new(), &["application/json"]));
    }

    #[test]
    fn error_forms() {
        let of = |value| error_form(&headers(header::ACCEPT, value));
        assert_eq!(of("text/plain"), ErrorForm::Empty);
        assert_eq!(of("application/xml"), ErrorForm::Xml);
        assert_eq!(of("text/html"), ErrorForm::Html);
        let problem = "application/problem+json";
        assert_eq!(of(problem), ErrorForm::Json(problem.to_owned()));
        assert_eq!(error_form(&HeaderMap::new()), ErrorForm::Json("application/json".to_owned()));
    }
}
