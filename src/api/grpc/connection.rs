//! One HTTP/2 connection: its session, and the frame around each of its calls.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use tonic::Status;
use tonic::codec::CompressionEncoding;
use tonic::codegen::Service as _;
use tonic_health::pb::health_server::HealthServer;

use super::body::{CallBody, Ledger};
use super::dialect;
use super::guard::Guard;
use super::health::HealthService;
use super::proto::gateway_server::GatewayServer;
use super::reflection::Reflection;
use super::request_body::{PATIENCE, RequestBody, Rules};
use super::service::{GatewayService, Settings};
use super::transport::Wire;
use crate::actors::gateway::{Gateway, Purpose, RequestBytes};

const GATEWAY: &str = "/gateway_protocol.Gateway/";
const HEALTH: &str = "/grpc.health.v1.Health/";

/// Serves the calls of one connection.
#[derive(Clone)]
pub struct ConnectionService {
    gateway: GatewayServer<GatewayService>,
    /// Where callers have to prove who they are: how, and what their calls are made of.
    guard: Option<Arc<(Guard, GatewayService)>>,
    health: HealthServer<HealthService>,
    reflection: Option<Reflection>,
    door: Gateway,
    settings: Settings,
    wire: Arc<Wire>,
}

type Answer = Pin<Box<dyn Future<Output = Result<Response<CallBody>, Infallible>> + Send>>;

impl ConnectionService {
    /// A service for the connection over `wire` that `gateway` belongs to.
    #[must_use]
    pub fn new(
        service: GatewayService,
        guard: Option<Guard>,
        health: HealthService,
        reflection: Option<Reflection>,
        door: Gateway,
        settings: Settings,
        wire: Arc<Wire>,
    ) -> Self {
        let guard = guard.map(|guard| Arc::new((guard, service.clone())));
        let gateway = server(service, settings);
        let health = HealthServer::new(health)
            .accept_compressed(CompressionEncoding::Gzip)
            .max_decoding_message_size(settings.max_message_size);
        Self { gateway, guard, health, reflection, door, settings, wire }
    }

    async fn dispatch(self, request: Request<Incoming>) -> Response<CallBody> {
        if let Some(refusal) = dialect::refuse(&request) {
            return plain(refusal);
        }
        let deadline = match timeout(request.headers()) {
            Ok(timeout) => timeout.map(|after| tokio::time::Instant::now() + after),
            Err(status) => return plain(status.into_http()),
        };
        // Held until there is an answer, which for jobs is as long as it is being sent.
        let bytes = Arc::new(self.door.request_bytes(purpose(request.uri().path())));
        let wire = Arc::clone(&self.wire);
        let call = self.answer(request, Arc::clone(&bytes));
        // A panic must cost one call, not the connection.
        let call = AssertUnwindSafe(call).catch_unwind();
        let outcome = match deadline {
            Some(at) => tokio::time::timeout_at(at, call).await,
            None => Ok(call.await),
        };
        match outcome {
            Ok(Ok(mut response)) => {
                let ledger = response.extensions_mut().remove::<Ledger>();
                let sleep = deadline.map(|at| Box::pin(tokio::time::sleep_until(at)));
                response.map(|body| match ledger {
                    Some(ledger) => CallBody::new(body, sleep).with_jobs(ledger, bytes, wire),
                    None => CallBody::new(body, sleep),
                })
            }
            Ok(Err(_panic)) => {
                log::error!("event=grpc_call_panicked");
                let text = "Unexpected error occurred during the request processing: panic";
                plain(Status::internal(text).into_http())
            }
            Err(_elapsed) => {
                plain(Status::deadline_exceeded("the call's deadline elapsed").into_http())
            }
        }
    }

    /// Makes the call one of its caller, who may have to prove who they are. Health is for everybody.
    async fn authenticate(&mut self, request: &Request<Incoming>) -> Result<(), Status> {
        let Some(guard) = &self.guard else { return Ok(()) };
        if !request.uri().path().starts_with(HEALTH) {
            let (guard, service) = guard.as_ref();
            let caller = guard.caller(request.headers()).await?;
            self.gateway = server(service.called_by(caller), self.settings);
        }
        Ok(())
    }

    /// What the library's services answer.
    async fn answer(
        mut self,
        request: Request<Incoming>,
        bytes: Arc<RequestBytes>,
    ) -> Response<tonic::body::Body> {
        if let Err(status) = self.authenticate(&request).await {
            return status.into_http();
        }
        let uri = request.uri().clone();
        let path = uri.path();
        let request = match &self.reflection {
            None => request,
            Some(reflection) => match reflection.call(path, request).await {
                Ok(response) => return dialect::translate(response, path),
                Err(request) => request,
            },
        };
        let rules = Rules {
            gzip: request.headers().get("grpc-encoding").is_some_and(|value| value == "gzip"),
            limit: self.settings.max_message_size,
            patience: PATIENCE,
            compatibility: self.settings.compatibility,
        };
        let request = request.map(|body| RequestBody::new(body, bytes, rules));
        let response = if path.starts_with(GATEWAY) {
            self.gateway.call(request).await
        } else if path.starts_with(HEALTH) {
            self.health.call(request).await
        } else {
            return dialect::method_not_found(path);
        };
        match response {
            Ok(response) => dialect::translate(response, path),
            Err(never) => match never {},
        }
    }
}

/// The library's server for the rpcs. The body is inflated and measured before the library gets it,
/// see `request_body`.
fn server(service: GatewayService, settings: Settings) -> GatewayServer<GatewayService> {
    let server = GatewayServer::new(service)
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(settings.max_message_size)
        .max_encoding_message_size(usize::MAX);
    if settings.compression { server.send_compressed(CompressionEncoding::Gzip) } else { server }
}

/// What the memory of a call is for: a gateway that is full must still take the calls of its
/// workers, and must not look dead.
fn purpose(path: &str) -> Purpose {
    match path.strip_prefix(GATEWAY) {
        Some(
            "ActivateJobs"
            | "StreamActivatedJobs"
            | "CompleteJob"
            | "FailJob"
            | "ThrowError"
            | "UpdateJobTimeout"
            | "Topology",
        ) => Purpose::Relief,
        None if path.starts_with(HEALTH) => Purpose::Relief,
        _ => Purpose::Ordinary,
    }
}

fn plain(response: Response<tonic::body::Body>) -> Response<CallBody> {
    response.map(|body| CallBody::new(body, None))
}

impl hyper::service::Service<Request<Incoming>> for ConnectionService {
    type Response = Response<CallBody>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, request: Request<Incoming>) -> Answer {
        Box::pin(self.clone().dispatch(request).map(Ok))
    }
}

/// The time the client gives the call: at most eight digits and a unit.
fn timeout(headers: &HeaderMap) -> Result<Option<Duration>, Status> {
    let Some(value) = headers.get("grpc-timeout") else {
        return Ok(None);
    };
    let parsed = value.to_str().ok().and_then(parse_timeout);
    parsed.map(Some).ok_or_else(|| Status::internal("grpc-timeout is not a gRPC duration"))
}

fn parse_timeout(text: &str) -> Option<Duration> {
    let unit_at = text.len().checked_sub(1)?;
    let digits = text.get(..unit_at)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match text.get(unit_at..)? {
        "H" => Duration::from_secs(amount * 3600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_calls_are_relief() {
        let of = |rpc: &str| purpose(&format!("{GATEWAY}{rpc}"));
        assert_eq!(of("CompleteJob"), Purpose::Relief);
        assert_eq!(of("CompleteJobX"), Purpose::Ordinary);
        assert_eq!(of("CreateProcessInstance"), Purpose::Ordinary);
        assert_eq!(purpose("/grpc.health.v1.Health/Check"), Purpose::Relief);
        assert_eq!(purpose("/CompleteJob"), Purpose::Ordinary);
    }

    #[test]
    fn timeouts_have_a_unit_and_at_most_eight_digits() {
        assert_eq!(parse_timeout("15S"), Some(Duration::from_secs(15)));
        assert_eq!(parse_timeout("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        assert_eq!(parse_timeout("1n"), Some(Duration::from_nanos(1)));
        for bad in ["", "S", "1", "+1S", "123456789S", "1s", "ä", "1ä"] {
            assert_eq!(parse_timeout(bad), None, "{bad}");
        }
    }
}
