//! What all workers of the REST frontend share.

use std::io;
use std::sync::Arc;

use super::documents::Store;
use super::router::Router;
use super::tenant::Tenancy;
use super::v2::ENDPOINTS;
use crate::actors::gateway::Gateway;
use crate::auth::Authenticator;
use crate::config::{Config, KeyForm};
use crate::metrics::http::HttpMetrics;

/// The frontend's parts. Immutable after the start.
#[derive(Debug)]
pub(super) struct Frontend {
    pub(super) gateway: Gateway,
    pub(super) router: Router,
    /// The rules for callers who need not prove who they are.
    pub(super) tenancy: Tenancy,
    /// How callers have to prove it.
    pub(super) authenticator: Option<Authenticator>,
    pub(super) multi_tenancy: bool,
    /// Largest body, in bytes.
    pub(super) body_max: usize,
    /// Bytes of variables after which an answer with jobs takes no more of them.
    pub(super) jobs_max: usize,
    /// Answer exactly as the JVM gateway of 8.6 does (`compatibility.exact`).
    pub(super) exact: bool,
    /// How keys stand in answers unless a client says so (`rest.keys`).
    pub(super) keys: KeyForm,
    pub(super) documents: Arc<Store>,
    pub(super) metrics: Arc<HttpMetrics>,
}

impl Frontend {
    /// The frontend of this gateway.
    ///
    /// # Errors
    /// When the document store cannot be opened.
    pub(super) fn new(
        config: &Config,
        gateway: Gateway,
        authenticator: Option<Authenticator>,
    ) -> io::Result<Self> {
        let exact = config.compatibility.exact;
        let rows: Vec<(&str, &str)> =
            ENDPOINTS.iter().map(|endpoint| (endpoint.method.as_str(), endpoint.path)).collect();
        let metrics = Arc::new(HttpMetrics::new(&rows));
        gateway.metrics().add(metrics.clone());
        Ok(Self {
            gateway,
            router: Router::new(ENDPOINTS, exact),
            tenancy: Tenancy::anonymous(config.multi_tenancy.enabled),
            authenticator,
            multi_tenancy: config.multi_tenancy.enabled,
            body_max: config.rest.max_body_size,
            jobs_max: config.grpc.max_message_size,
            exact,
            // 8.6 has no strings.
            keys: if exact { KeyForm::Number } else { config.rest.keys },
            documents: Arc::new(Store::open(&config.documents)?),
            metrics,
        })
    }
}
