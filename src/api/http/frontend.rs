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
    /// Answer exactly as the JVM gateway of 8.6 does (`compatibility.exact`).
    #[expect(dead_code, reason = "nothing this frontend adds depends on it yet")]
    pub(super) exact: bool,
    pub(super) metrics: Arc<HttpMetrics>,
}

impl Frontend {
    /// The frontend of this gateway.
    pub(super) fn new(config: &Config, gateway: Gateway) -> Self {
        let rows: Vec<(&str, &str)> =
            ENDPOINTS.iter().map(|endpoint| (endpoint.method.as_str(), endpoint.path)).collect();
        let metrics = Arc::new(HttpMetrics::new(&rows));
        gateway.metrics().add(metrics.clone());
        Self {
            gateway,
            router: Router::new(ENDPOINTS),
            tenancy: Tenancy { enabled: config.multi_tenancy.enabled },
            body_max: config.rest.max_body_size,
            exact: config.compatibility.exact,
            metrics,
        }
    }
}
