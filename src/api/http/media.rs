//! Content-Type and Accept: what a request may carry and what its sender wants back.

use actix_web::http::header::{self, HeaderMap, HeaderValue};

use crate::config::KeyForm;

/// What answers and bodies are by default.
pub(super) const JSON: &str = "application/json";
/// What problem details are.
pub(super) const PROBLEM: &str = "application/problem+json";
/// JSON with keys as strings.
pub(super) const STRING_KEYS: &str = "application/vnd.camunda.api.keys.string+json";
/// JSON with keys as numbers.
pub(super) const NUMBER_KEYS: &str = "application/vnd.camunda.api.keys.number+json";

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

/// The media types the client accepts, best first; without the header, anything.
fn accepted(headers: &HeaderMap) -> Vec<String> {
    let mut types: Vec<(String, u16)> = Vec::new();
    let mut given = false;
    for value in headers.get_all(header::ACCEPT) {
        given = true;
        for range in value.to_str().unwrap_or_default().split(',') {
            let weight = weight(range);
            types.extend(essence(range).filter(|_| weight > 0).map(|essence| (essence, weight)));
        }
    }
    // Stable: among equals the client's order counts.
    types.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    if given { types.into_iter().map(|(range, _)| range).collect() } else { vec!["*/*".to_owned()] }
}

/// The weight `q` of a range, in thousandths.
fn weight(range: &str) -> u16 {
    let given = range.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse::<f32>().ok())?
    });
    given.map_or(1000, |q| (q.clamp(0.0, 1.0) * 1000.0) as u16)
}

/// Whether a JSON body of this type is read.
pub(super) fn is_json(media_type: &str, exact: bool) -> bool {
    media_type == JSON || (!exact && keys_of(media_type).is_some())
}

/// The form of keys that a vendor type names (rest-v2 §2).
fn keys_of(media_type: &str) -> Option<Answered> {
    match media_type {
        STRING_KEYS => Some(Answered { media_type: STRING_KEYS, keys: KeyForm::String }),
        NUMBER_KEYS => Some(Answered { media_type: NUMBER_KEYS, keys: KeyForm::Number }),
        _ => None,
    }
}

/// Media type of an answer, and how keys stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) media_type: &'static str,
    pub(super) keys: KeyForm,
}

/// How to answer a request: as its `Accept` says; where that leaves a choice, as the body came.
pub(super) fn answered(headers: &HeaderMap, default: KeyForm) -> Answered {
    let plain = Answered { media_type: JSON, keys: default };
    let of_body = || match headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes) {
        None | Some(b"application/json") => None,
        Some(_) => content_type(headers).as_deref().and_then(keys_of),
    };
    // The common cases need no list.
    match headers.get(header::ACCEPT).map(HeaderValue::as_bytes) {
        None => return of_body().unwrap_or(plain),
        Some(b"application/json" | b"application/json, application/problem+json") => return plain,
        Some(_) => {}
    }
    for range in accepted(headers) {
        match range.as_str() {
            JSON => return plain,
            "*/*" | "application/*" | "application/*+json" => return of_body().unwrap_or(plain),
            vendor => {
                if let Some(answered) = keys_of(vendor) {
                    return answered;
                }
            }
        }
    }
    plain
}

fn includes(range: &str, media_type: &str) -> bool {
    match range {
        "*/*" | "application/*" => true,
        "application/*+json" => media_type.ends_with("+json"),
        exact => exact == media_type,
    }
}

/// Whether the client accepts one of these types. Unless `exact`, where there is JSON there are the
/// vendor types, too.
pub(super) fn accepts(headers: &HeaderMap, produced: &[&str], exact: bool) -> bool {
    // The common case needs no list.
    if !headers.contains_key(header::ACCEPT) {
        return true;
    }
    accepted(headers).iter().any(|range| {
        let vendor = !exact && produced.contains(&JSON) && keys_of(range).is_some();
        vendor || produced.iter().any(|p| includes(range, p))
    })
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
        let accepts = |value, exact| {
            let both = [JSON, PROBLEM];
            super::accepts(&headers(header::ACCEPT, value), &both, exact)
        };
        let ok = |value| accepts(value, false);
        assert!(ok("text/html, */*;q=0.8"));
        assert!(ok("application/problem+json"));
        assert!(ok("application/*+json"));
        assert!(!ok("text/plain"));
        assert!(!ok("application/json;q=0"));
        assert!(ok(STRING_KEYS) && !accepts(STRING_KEYS, true));
        assert!(super::accepts(&HeaderMap::new(), &[JSON], false));
        assert!(!super::accepts(&headers(header::ACCEPT, PROBLEM), &[JSON], false));
    }

    #[test]
    fn answers_are_as_the_client_accepts_or_as_the_body_came() {
        let of = |accept: Option<&'static str>, body: &'static str| {
            let mut given = headers(header::CONTENT_TYPE, body);
            if let Some(accept) = accept {
                given.insert(header::ACCEPT, HeaderValue::from_static(accept));
            }
            let answered = answered(&given, KeyForm::Number);
            (answered.media_type, answered.keys)
        };
        let (plain, string) = ((JSON, KeyForm::Number), (STRING_KEYS, KeyForm::String));
        assert_eq!(of(None, JSON), plain);
        assert_eq!(of(None, STRING_KEYS), string);
        assert_eq!(of(Some("*/*"), STRING_KEYS), string);
        assert_eq!(of(Some("application/json, */*;q=0.5"), STRING_KEYS), plain);
        assert_eq!(of(Some(STRING_KEYS), JSON), string);
        assert_eq!(of(Some(NUMBER_KEYS), STRING_KEYS), (NUMBER_KEYS, KeyForm::Number));
        let both = "application/json;q=0.5, application/vnd.camunda.api.keys.string+json";
        assert_eq!(of(Some(both), JSON), string);
        assert_eq!(of(Some(PROBLEM), JSON), plain);
        let strings = super::answered(&HeaderMap::new(), KeyForm::String);
        assert_eq!(strings, Answered { media_type: JSON, keys: KeyForm::String });
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
