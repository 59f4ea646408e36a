//! What the gRPC library says of a bad call, put the way clients of the JVM gateway know it
//! (gateway-behaviour §1).

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use tonic::body::Body;
use tonic::{Code, Status};

const GRPC: &str = "application/grpc";
const GRPC_STATUS: &str = "grpc-status";
const GRPC_ENCODING: &str = "grpc-encoding";
const GRPC_ACCEPT_ENCODING: &str = "grpc-accept-encoding";
/// INTERNAL as it stands in a header.
const INTERNAL: HeaderValue = HeaderValue::from_static("13");

/// Refuses what is no gRPC call at all; `None` lets the call through.
#[must_use]
pub fn refuse<B>(request: &Request<B>) -> Option<Response<Body>> {
    if request.method() != Method::POST {
        let text = format!("Method '{}' is not supported", request.method());
        return Some(not_grpc(StatusCode::METHOD_NOT_ALLOWED, &text));
    }
    let content_type = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    match content_type {
        Some(value) if value.starts_with(GRPC.as_bytes()) => {}
        Some(value) => {
            let value = String::from_utf8_lossy(value);
            let text = format!("Content-Type '{value}' is not supported");
            return Some(not_grpc(StatusCode::UNSUPPORTED_MEDIA_TYPE, &text));
        }
        None => {
            let text = "Content-Type is missing from the request";
            return Some(not_grpc(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
        }
    }
    unknown_encoding(request.headers()).map(Status::into_http)
}

fn not_grpc(code: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::new(text.to_owned()));
    *response.status_mut() = code;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response.headers_mut().insert(GRPC_STATUS, INTERNAL);
    if let Ok(message) = HeaderValue::from_str(text) {
        response.headers_mut().insert("grpc-message", message);
    }
    response
}

fn unknown_encoding(headers: &HeaderMap) -> Option<Status> {
    let name = headers.get(GRPC_ENCODING)?.as_bytes();
    if matches!(name, b"gzip" | b"identity") {
        return None;
    }
    let name = String::from_utf8_lossy(name);
    Some(Status::unimplemented(format!("Can't find decompressor for {name}")))
}

/// The answer to a path that names no rpc.
#[must_use]
pub fn method_not_found(path: &str) -> Response<Body> {
    let name = path.strip_prefix('/').unwrap_or(path);
    Status::unimplemented(format!("Method not found: {name}")).into_http()
}

/// The response with the library's own failures reworded, and the headers every answer carries.
#[must_use]
pub fn translate(mut response: Response<Body>, path: &str) -> Response<Body> {
    if response.headers().contains_key(GRPC_STATUS) {
        let Some(status) = response.extensions().get::<Status>() else {
            // The generated dispatcher builds its "no such method" without a status object.
            let unimplemented = HeaderValue::from(Code::Unimplemented as i32);
            let unknown = response.headers().get(GRPC_STATUS) == Some(&unimplemented);
            return if unknown { method_not_found(path) } else { response };
        };
        return match reword(status) {
            Some(status) => status.into_http(),
            None => response,
        };
    }
    let headers = response.headers_mut();
    // The library names the encoding where it compresses (`grpc.compression`).
    headers.entry(GRPC_ENCODING).or_insert(HeaderValue::from_static("identity"));
    headers.insert(GRPC_ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    response
}

/// The recorded form of a failure of the library itself; `None` where it is one of ours. Ours of
/// these codes always carry details or another text.
fn reword(status: &Status) -> Option<Status> {
    let text = status.message();
    let starts = |prefix: &str| text.starts_with(prefix);
    match status.code() {
        Code::Internal if starts("failed to decode Protobuf message") => {
            Some(Status::unknown("Application error processing RPC"))
        }
        Code::Internal if starts("Missing request message.") => {
            Some(Status::internal("Half-closed without a request"))
        }
        Code::Internal
            if starts("protocol error: received message with compressed-flag but no") =>
        {
            Some(Status::internal(
                "Can't decode compressed gRPC message as compression not configured",
            ))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: Method, content_type: Option<&str>) -> Request<()> {
        let mut builder = Request::builder().method(method);
        if let Some(value) = content_type {
            builder = builder.header(CONTENT_TYPE, value);
        }
        builder.body(()).unwrap()
    }

    #[test]
    fn only_grpc_posts_get_through() {
        assert!(refuse(&request(Method::POST, Some("application/grpc+proto"))).is_none());
        let get = refuse(&request(Method::GET, Some(GRPC))).unwrap();
        assert_eq!(get.status(), 405);
        let json = refuse(&request(Method::POST, Some("application/json"))).unwrap();
        assert_eq!((json.status().as_u16(), &json.headers()[GRPC_STATUS]), (415, &INTERNAL));
        assert_eq!(refuse(&request(Method::POST, None)).unwrap().status(), 415);
    }

    #[test]
    fn unknown_encodings_are_named() {
        let mut request = request(Method::POST, Some(GRPC));
        request.headers_mut().insert(GRPC_ENCODING, HeaderValue::from_static("deflate"));
        let response = refuse(&request).unwrap();
        let status = response.extensions().get::<Status>().unwrap();
        assert_eq!(status.message(), "Can't find decompressor for deflate");
        assert_eq!(status.code(), Code::Unimplemented);
    }

    #[test]
    fn own_failures_pass_unchanged() {
        assert!(reword(&Status::internal("Unexpected error occurred")).is_none());
        assert!(reword(&Status::not_found("x")).is_none());
    }
}
