//! `grpc.health.v1.Health` for the process as a whole (gateway-behaviour §10).

use std::pin::Pin;

use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

/// The names clients ask for.
const SERVICES: [&str; 2] = ["", "gateway_protocol.Gateway"];

/// Answers health checks from one flag.
#[derive(Clone, Debug)]
pub struct HealthService {
    serving: watch::Receiver<bool>,
}

impl HealthService {
    /// A service that reports `serving`.
    #[must_use]
    pub fn new(serving: watch::Receiver<bool>) -> Self {
        Self { serving }
    }
}

fn answer(serving: bool) -> HealthCheckResponse {
    let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
    HealthCheckResponse { status: status.into() }
}

#[tonic::async_trait]
impl Health for HealthService {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let service = request.into_inner().service;
        if !SERVICES.contains(&service.as_str()) {
            return Err(Status::not_found(format!("unknown service {service}")));
        }
        Ok(Response::new(answer(*self.serving.borrow())))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    /// Sends the state and its changes. An unknown name stays open, as the protocol demands.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let service = request.into_inner().service;
        if !SERVICES.contains(&service.as_str()) {
            let unknown = HealthCheckResponse { status: ServingStatus::ServiceUnknown.into() };
            let stream = tokio_stream::once(Ok(unknown)).chain(tokio_stream::pending());
            return Ok(Response::new(Box::pin(stream)));
        }
        let changes = WatchStream::new(self.serving.clone());
        Ok(Response::new(Box::pin(changes.map(|serving| Ok(answer(serving))))))
    }
}
