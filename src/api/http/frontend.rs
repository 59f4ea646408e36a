//! What all workers of the REST frontend share.

use std::sync::Arc;

use super::router::Router;
use super::tenant::Tenancy;
use super::v2::ENDPOINTS;
use crate::actors::gateway::Gateway;
use crate::config::Config;
use crate::metrics::http::HttpMetrics;

/// The frontend's parts. Immutable after the start.
#[derive(Debug)]
pub(super) struct Frontend {
    pub(super) gateway: Gateway,
    pub(super) router: Router,
    pub(super) tenancy: Tenancy,
    /// Largest body, in bytes.
    pub(super) body_max: usize,
    pub(super) metrics: Arc<HttpMetrics>,
}

impl Frontend {
    pub(super) fn new(config: &Config, gateway: Gateway, metrics: Arc<HttpMetrics>) -> Self {
        Self {
            gateway,
            router: Router::new(ENDPOINTS),
            tenancy: Tenancy { enabled: config.multi_tenancy.enabled },
            body_max: config.rest.max_body_size,
            metrics,
        }
    }
}

/// Method and path of each endpoint, in the order of the table: the rows of the metrics.
#[must_use]
pub fn endpoints() -> Vec<(&'static str, &'static str)> {
    ENDPOINTS.iter().map(|endpoint| (endpoint.method.as_str(), endpoint.path)).collect()
}
