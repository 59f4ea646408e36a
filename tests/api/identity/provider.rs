//! A fake identity provider: keys, discovery, and Camunda Identity's tenants.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use beegate::config::Config;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::tokens::{Signer, jwks};

/// What it knows and saw.
#[derive(Default)]
pub struct State {
    /// The key set it publishes.
    pub keys: String,
    /// Tenants by the value of the caller's `authorization` header; all others are refused with 500.
    pub tenants: BTreeMap<String, Vec<&'static str>>,
    /// Answers nothing any more.
    pub down: bool,
    /// Requests, by path.
    pub asked: BTreeMap<String, usize>,
}

#[derive(Clone)]
pub struct Provider {
    pub url: String,
    pub state: Arc<Mutex<State>>,
}

impl Provider {
    /// Starts one that publishes the key of `signer`.
    pub async fn start(signer: &Signer, tls: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let url = format!("http{}://localhost:{port}", if tls { "s" } else { "" });
        let state = State { keys: jwks(&[signer]), ..State::default() };
        let provider = Self { url, state: Arc::new(Mutex::new(state)) };
        let serving = provider.clone();
        let tls = tls.then(acceptor);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("accepts");
                let (serving, tls) = (serving.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serving.serve(stream).await,
                        // A client that does not trust it goes away.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serving.serve(stream).await;
                            }
                        }
                    }
                });
            }
        });
        provider
    }

    async fn serve<S>(&self, stream: S)
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let answer =
            service_fn(|request| async move { Ok::<_, Infallible>(self.answer(&request)) });
        let http = hyper::server::conn::http1::Builder::new();
        // Clients leave when they like.
        drop(http.serve_connection(TokioIo::new(stream), answer).await);
    }

    fn answer(&self, request: &hyper::Request<Incoming>) -> hyper::Response<Full<Bytes>> {
        let mut state = self.state.lock().unwrap();
        let path = request.uri().path().to_owned();
        *state.asked.entry(path.clone()).or_default() += 1;
        let (status, body) = match path.as_str() {
            _ if state.down => (503, String::new()),
            "/realm/protocol/openid-connect/certs" | "/keys" => (200, state.keys.clone()),
            "/realm/.well-known/openid-configuration" => {
                let issuer = format!("{}/realm", self.url);
                (
                    200,
                    json!({"issuer": issuer, "jwks_uri": format!("{}/keys", self.url)}).to_string(),
                )
            }
            "/api/tenants/for-token" => {
                let bearer = request.headers().get("authorization").expect("a token");
                match state.tenants.get(bearer.to_str().expect("text")) {
                    None => (500, String::new()),
                    Some(tenants) => {
                        let one = |id| json!({"tenantId": id, "name": "a name"});
                        (200, json!(tenants.iter().map(one).collect::<Vec<_>>()).to_string())
                    }
                }
            }
            _ => (404, String::new()),
        };
        let response = hyper::Response::builder().status(status);
        response.body(Full::new(Bytes::from(body))).expect("a response")
    }

    pub fn grant(&self, token: &str, tenants: &[&'static str]) {
        let mut state = self.state.lock().unwrap();
        state.tenants.insert(format!("Bearer {token}"), tenants.to_vec());
    }

    pub fn down(&self, down: bool) {
        self.state.lock().unwrap().down = down;
    }

    /// How often a path was asked for.
    pub fn asked(&self, path: &str) -> usize {
        self.state.lock().unwrap().asked.get(path).copied().unwrap_or_default()
    }

    /// Makes a gateway trust this provider, as the JVM gateway's settings would.
    pub fn identity(&self, config: &mut Config) {
        config.authentication.mode = beegate::config::AuthenticationMode::Identity;
        config.authentication.issuer_backend_url = format!("{}/realm", self.url);
        config.authentication.identity_base_url = self.url.clone();
        config.multi_tenancy.enabled = true;
    }

    /// The same by OpenID Connect, with tenants in a claim.
    pub fn oidc(&self, config: &mut Config) {
        config.authentication.mode = beegate::config::AuthenticationMode::Oidc;
        config.authentication.issuer = format!("{}/realm", self.url);
        config.authentication.tenants_claim = "tenants".to_owned();
        config.multi_tenancy.enabled = true;
    }
}

fn acceptor() -> TlsAcceptor {
    let certificate = include_bytes!("../../keys/test-only-server.pem");
    let key = include_bytes!("../../keys/test-only-server.pk8");
    let certificate = CertificateDer::from_pem_slice(certificate).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivatePkcs8KeyDer::from(&key[..]).into())
        .expect("a certificate and its key");
    TlsAcceptor::from(Arc::new(config))
}
