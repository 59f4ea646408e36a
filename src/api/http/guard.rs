//! Who makes a request: nothing else is done with it before that is known (rest-v2 §4).

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};

use super::problem::Problem;
use super::tenant::Tenancy;
use crate::auth::Authenticator;

/// What responses carry where callers have to prove who they are.
const HEADERS: [(HeaderName, &str); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_XSS_PROTECTION, "0"),
    (header::X_FRAME_OPTIONS, "DENY"),
];

/// The same, for responses that do not say themselves how long they may be kept.
const NOT_KEPT: [(HeaderName, &str); 3] = [
    (header::CACHE_CONTROL, "no-cache, no-store, max-age=0, must-revalidate"),
    (header::PRAGMA, "no-cache"),
    (header::EXPIRES, "0"),
];

/// The media type of refusals, which alone names a charset.
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json;charset=UTF-8");

/// The tenant rules for the caller of this request.
///
/// # Errors
/// The response with status 401.
pub(super) async fn tenancy(
    authenticator: &Authenticator,
    request: &HttpRequest,
    multi_tenancy: bool,
) -> Result<Tenancy, HttpResponse> {
    let value = request.headers().get(header::AUTHORIZATION);
    match authenticator.authenticate(value.map(HeaderValue::as_bytes)).await {
        Ok(identity) => Ok(Tenancy::of(identity, multi_tenancy)),
        Err(refusal) => {
            log::debug!("event=rest_unauthenticated cause=\"{refusal}\"");
            let detail = refusal.rest_detail();
            let problem = Problem::new(StatusCode::UNAUTHORIZED, "Unauthorized", detail);
            let mut response = problem.response(request.path());
            response.headers_mut().insert(header::CONTENT_TYPE, PROBLEM);
            Err(response)
        }
    }
}

/// Adds the headers that every response of a guarded frontend carries.
pub(super) fn secure(response: &mut HttpResponse) {
    let headers = response.headers_mut();
    let keeps = NOT_KEPT.iter().any(|(name, _)| headers.contains_key(name));
    let rest = if keeps { &[][..] } else { &NOT_KEPT[..] };
    for (name, value) in HEADERS.iter().chain(rest) {
        headers.insert(name.clone(), HeaderValue::from_static(value));
    }
}
