//! `grpc.reflection.v1.ServerReflection` and its older `v1alpha`, for tools that ask a server what
//! it serves. The JVM gateway has none, so it is served only where `grpc.reflection` asks for it.

use std::convert::Infallible;

use http::{Request, Response};
use hyper::body::Incoming;
use tonic::body::Body;
use tonic_reflection::server::{Builder, Error};
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use super::proto::FILE_DESCRIPTOR_SET;

/// Where its calls go.
pub const V1: &str = "/grpc.reflection.v1.ServerReflection/";
/// Where those of older tools go.
pub const V1ALPHA: &str = "/grpc.reflection.v1alpha.ServerReflection/";

/// Largest question, in bytes: a name.
const QUESTION_MAX: usize = 16 * 1024;

type Service = BoxCloneSyncService<Request<Incoming>, Response<Body>, Infallible>;

/// Both services.
#[derive(Clone, Debug)]
pub struct Reflection {
    v1: Service,
    v1alpha: Service,
}

impl Reflection {
    /// Tells of the gateway's service, of health, and of itself.
    ///
    /// # Errors
    /// When the compiled-in descriptors cannot be read.
    pub fn new() -> Result<Self, Error> {
        let builder = || {
            Builder::configure()
                .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let v1 = builder().build_v1()?.max_decoding_message_size(QUESTION_MAX);
        let v1alpha = builder().build_v1alpha()?.max_decoding_message_size(QUESTION_MAX);
        Ok(Self { v1: BoxCloneSyncService::new(v1), v1alpha: BoxCloneSyncService::new(v1alpha) })
    }

    /// Answers a call whose path is one of its own, and gives any other back.
    ///
    /// # Errors
    /// The request, untouched.
    pub async fn call(
        &self,
        path: &str,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Request<Incoming>> {
        let service = if path.starts_with(V1) {
            &self.v1
        } else if path.starts_with(V1ALPHA) {
            &self.v1alpha
        } else {
            return Err(request);
        };
        Ok(match service.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        })
    }
}
