//! GET over http and https, for the few small documents that authentication needs. Every answer has
//! a deadline and a largest size; redirects are not followed.

use std::error::Error;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// Largest answer, in bytes.
const ANSWER_MAX: usize = 1 << 20;
/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(60);

/// Why there is no answer to use.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// Nobody answered, or not to the end.
    #[error("no answer: {0}")]
    Unreachable(String),
    /// There was no whole answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The answer was another than 200.
    #[error("status {0}")]
    Status(u16),
    /// The answer is not what was asked for.
    #[error("unusable answer: {0}")]
    Unusable(String),
}

impl FetchError {
    /// Whether whoever was asked is at fault, not the question.
    pub(super) fn is_outage(&self) -> bool {
        match self {
            Self::Status(status) => *status >= 500 || *status == 429,
            Self::Unreachable(_) | Self::TimedOut | Self::Unusable(_) => true,
        }
    }
}

/// Why certificates of authorities cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The configured file cannot be used.
    #[error("`authentication.ca_file` = `{file}`: {cause}")]
    File {
        /// Its name.
        file: String,
        /// What is wrong with it.
        cause: String,
    },
    /// TLS cannot be set up.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// The client. Clones share connections.
#[derive(Clone)]
pub(super) struct Client {
    pool: Pool<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    timeout: Duration,
}

impl Client {
    /// A client that trusts the authorities of the system, or only those in `ca_file`.
    pub(super) fn new(ca_file: &str, timeout: Duration) -> Result<Self, TrustError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(authorities(ca_file)?)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(timeout));
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
        let pool = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector.wrap_connector(tcp));
        Ok(Self { pool, timeout })
    }

    /// The body of a 200, asked for in the name of `bearer`.
    pub(super) async fn get(&self, uri: &Uri, bearer: Option<&str>) -> Result<Bytes, FetchError> {
        tokio::time::timeout(self.timeout, self.exchange(uri, bearer))
            .await
            .unwrap_or(Err(FetchError::TimedOut))
    }

    async fn exchange(&self, uri: &Uri, bearer: Option<&str>) -> Result<Bytes, FetchError> {
        let unusable = |cause: http::Error| FetchError::Unusable(cause.to_string());
        let mut request = Request::get(uri).header(ACCEPT, "application/json");
        if let Some(token) = bearer {
            let mut value = HeaderValue::try_from(format!("Bearer {token}"))
                .map_err(|_| FetchError::Unusable("a token that fits no header".to_owned()))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let request = request.body(Empty::new()).map_err(unusable)?;
        let response = self.pool.request(request).await.map_err(|e| unreachable(&e))?;
        let status = response.status();
        if status != 200 {
            return Err(FetchError::Status(status.as_u16()));
        }
        let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await;
        Ok(body.map_err(|e| unreachable(e.as_ref()))?.to_bytes())
    }
}

/// The error with its causes, which alone say what happened.
fn unreachable(error: &(dyn Error + 'static)) -> FetchError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    FetchError::Unreachable(text)
}

fn authorities(ca_file: &str) -> Result<RootCertStore, TrustError> {
    let mut store = RootCertStore::empty();
    if ca_file.is_empty() {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            log::warn!("event=system_certificates_not_read cause=\"{error}\"");
        }
        // Some systems ship certificates that are not quite right; the others are enough.
        let (_, unusable) = store.add_parsable_certificates(found.certs);
        if unusable > 0 {
            log::debug!("event=system_certificates_unusable count={unusable}");
        }
        return Ok(store);
    }
    let wrong = |cause: String| TrustError::File { file: ca_file.to_owned(), cause };
    let text = fs::read(ca_file).map_err(|e| wrong(e.to_string()))?;
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|e| wrong(e.to_string()))?;
        store.add(certificate).map_err(|e| wrong(e.to_string()))?;
    }
    if store.is_empty() {
        return Err(wrong("it holds no certificate in PEM form".to_owned()));
    }
    Ok(store)
}
