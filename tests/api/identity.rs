//! Callers who have to prove who they are: what was recorded of the JVM gateway, and what this
//! gateway does better, against a fake identity provider.

mod provider;
mod recorded;
#[allow(dead_code, reason = "the unit tests of `auth` use the rest")]
#[path = "../support/tokens.rs"]
mod tokens;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use beegate::actors::gateway::{Fatal, Gateway, MemberOptions};
use beegate::api::grpc::proto::gateway_client::GatewayClient;
use beegate::api::grpc::proto::{self as pb};
use beegate::api::{grpc, http};
use beegate::auth::Authenticator;
use beegate::config::Config;
use beegate::model::PartitionId;
use beegate::{broker, metrics};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::{Code, Request as Call, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::http::{PATIENCE, Request, Response};
use crate::rest::config;
use provider::Provider;
use tokens::{RSA_1, RSA_2, Signer};

const CERTS: &str = "/realm/protocol/openid-connect/certs";
const FOR_TOKEN: &str = "/api/tenants/for-token";

/// The surfaces of a gateway with the embedded broker.
#[derive(Clone)]
struct Whole {
    rest: SocketAddr,
    channel: Channel,
}

/// Runs `test` against a gateway that trusts a provider which publishes key `k1`.
fn whole<F: Future<Output = ()>>(
    tls: bool,
    configure: impl FnOnce(&mut Config, &Provider),
    test: impl FnOnce(Whole, Provider) -> F,
) {
    let mut config = config();
    (config.broker.command_port, config.broker.internal_port) = (0, 0);
    (config.grpc.host, config.grpc.port) = ("127.0.0.1".to_owned(), 0);
    config.threads.grpc = 1;
    let broker = broker::start(&config.broker, &config.cluster).expect("a broker");
    actix_rt::System::new().block_on(async {
        let provider = Provider::start(&signer(), tls).await;
        configure(&mut config, &provider);
        config.validate().expect("a valid configuration");
        let fatal = Fatal::new(|cause| panic!("escalated: {cause}"));
        let member = MemberOptions::beside(broker.internal_address());
        let metrics = metrics::Registry::default();
        let started = Gateway::start(config.clone(), member, metrics, fatal).await;
        let (gateway, shutdown) = started.expect("starts");
        let led = || (1..=3).all(|partition| gateway.view().has_leader(PartitionId(partition)));
        eventually("leaders", led).await;
        let stop = CancellationToken::new();
        let authenticator = Authenticator::start(&config).expect("starts");
        let served =
            grpc::serve_guarded(&config, gateway.clone(), authenticator.clone(), stop.clone());
        let served = served.expect("listens");
        let listening = http::serve_guarded(&config, gateway, authenticator).expect("listens");
        let (rest, handle) = (listening.addresses[0], listening.server.handle());
        actix_rt::spawn(listening.server);
        let channel = Channel::from_shared(format!("http://{}", served.address())).expect("a URI");
        let channel = channel.connect().await.expect("connects");
        test(Whole { rest, channel }, provider).await;
        stop.cancel();
        handle.stop(false).await;
        shutdown.stop(Duration::ZERO).await;
    });
    broker.stop();
}

async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn signer() -> Signer {
    Signer::rsa("k1", RSA_1, "RS256")
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// Claims that are good for an hour, for a caller of this name.
fn claims(name: &str) -> Value {
    json!({"sub": name, "aud": "zeebe-api", "exp": now() + 3600})
}

impl Whole {
    async fn topology(&self, token: &str) -> Result<pb::TopologyResponse, Status> {
        let mut call = Call::new(pb::TopologyRequest {});
        let value = format!("Bearer {token}").parse().expect("a header");
        call.metadata_mut().insert("authorization", value);
        let mut client = GatewayClient::new(self.channel.clone());
        client.topology(call).await.map(tonic::Response::into_inner)
    }

    async fn get(&self, path: &str, token: &str) -> Response {
        let request = Request::new("GET", path).header("Authorization", &format!("Bearer {token}"));
        request.send(self.rest).await
    }

    async fn post(&self, path: &str, token: &str, body: &Value) -> Response {
        let request = Request::new("POST", path).json(&body.to_string());
        request.header("Authorization", &format!("Bearer {token}")).send(self.rest).await
    }

    /// Polls for jobs of these tenants.
    async fn activation(&self, token: &str, tenants: &Value) -> Response {
        let body = json!({"type": "t", "timeout": 1000, "maxJobsToActivate": 1,
            "requestTimeout": -1, "tenantIds": tenants});
        self.post("/v2/jobs/activation", token, &body).await
    }
}

#[test]
fn health_is_for_everybody_and_nothing_else() {
    let reflection = |config: &mut Config, provider: &Provider| {
        provider.identity(config);
        config.grpc.reflection = true;
    };
    whole(false, reflection, |whole, provider| async move {
        let mut health = HealthClient::new(whole.channel.clone());
        health.check(HealthCheckRequest::default()).await.expect("serving");
        for path in [
            "/gateway_protocol.Gateway/Topology",
            "/gateway_protocol.Gateway/CompleteJob",
            "/gateway_protocol.Gateway/Nope",
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        ] {
            let mut client = tonic::client::Grpc::new(whole.channel.clone());
            client.ready().await.expect("connected");
            let codec =
                tonic_prost::ProstCodec::<pb::TopologyRequest, pb::TopologyResponse>::default();
            let path = tonic::codegen::http::uri::PathAndQuery::from_static(path);
            let failed = client.unary(Call::new(pb::TopologyRequest {}), path, codec).await;
            let failed = failed.map(|_| ()).expect_err("refused");
            assert_eq!(failed.code(), Code::Unauthenticated, "{failed}");
            assert!(failed.details().is_empty());
        }
        assert_eq!(provider.asked(FOR_TOKEN), 0);
    });
}

#[test]
fn tenants_are_asked_for_once_and_bridge_an_outage() {
    whole(
        false,
        |config, provider| provider.identity(config),
        |whole, provider| async move {
            let token = signer().token(&claims("good"));
            provider.grant(&token, &["t1"]);
            let calls = (0..20).map(|_| whole.topology(&token));
            for answer in futures::future::join_all(calls).await {
                answer.expect("passes");
            }
            assert_eq!(whole.get("/v2/topology", &token).await.status, 200);
            assert_eq!((provider.asked(CERTS), provider.asked(FOR_TOKEN)), (1, 1));
            provider.down(true);
            whole.topology(&token).await.expect("passes");
            let stranger = signer().token(&claims("stranger"));
            let refused = whole.topology(&stranger).await.expect_err("tenants are not known");
            assert_eq!(refused.code(), Code::Unauthenticated);
            assert!(refused.message().starts_with("Expected Identity"), "{refused}");
        },
    );
}

#[test]
fn with_no_cache_tenants_are_asked_for_each_call() {
    let fresh = |config: &mut Config, provider: &Provider| {
        provider.identity(config);
        config.authentication.tenants_cache = Duration::ZERO;
        config.authentication.tenants_outage = Duration::ZERO;
    };
    whole(false, fresh, |whole, provider| async move {
        let token = signer().token(&claims("good"));
        provider.grant(&token, &["t1"]);
        for _ in 0..3 {
            whole.topology(&token).await.expect("passes");
        }
        assert_eq!((provider.asked(CERTS), provider.asked(FOR_TOKEN)), (1, 3));
        provider.down(true);
        assert!(whole.topology(&token).await.is_err());
    });
}

#[test]
fn a_poll_over_rest_takes_no_jobs_of_foreign_tenants() {
    whole(
        false,
        |config, provider| provider.identity(config),
        |whole, provider| async move {
            let token = signer().token(&claims("good"));
            provider.grant(&token, &["t1"]);
            assert_eq!(whole.activation(&token, &json!(["t1"])).await.status, 200);
            for tenants in [json!(["t1", "t2"]), json!(["<default>"]), json!([]), Value::Null] {
                let refused = whole.activation(&token, &tenants).await;
                assert_eq!(refused.status, 401, "{tenants}: {refused:?}");
                let detail = refused.json()["detail"].clone();
                let expected = "tenant is not authorized to perform this request";
                assert!(detail.as_str().expect("text").ends_with(expected), "{detail}");
            }
            let myself = whole.get("/v2/authentication/me", &token).await.json();
            assert_eq!(myself["username"], "good");
            assert_eq!(myself["tenants"], json!([{"tenantId": "t1", "name": "t1"}]));
            let body = json!({"processDefinitionId": "p", "tenantId": "<default>"});
            assert_eq!(whole.post("/v2/process-instances", &token, &body).await.status, 401);
        },
    );
}

#[test]
fn openid_connect_over_https_checks_the_issuer_and_takes_tenants_from_a_claim() {
    let oidc = |config: &mut Config, provider: &Provider| {
        provider.oidc(config);
        let keys = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/keys");
        config.authentication.ca_file = keys.join("test-only-ca.pem").display().to_string();
        config.authentication.keys_cooldown = Duration::from_millis(500);
    };
    whole(true, oidc, |whole, provider| async move {
        let mut claims = claims("good");
        claims["iss"] = json!(format!("{}/realm", provider.url));
        claims["tenants"] = json!(["t1"]);
        let token = signer().token(&claims);
        assert_eq!(whole.activation(&token, &json!(["t1"])).await.status, 200);
        assert_eq!(whole.activation(&token, &json!(["t2"])).await.status, 401);
        let mut stranger = claims.clone();
        stranger["iss"] = json!("https://elsewhere");
        let refused = whole.get("/v2/topology", &signer().token(&stranger)).await;
        assert_eq!(refused.json()["detail"], "the provided claims are invalid");

        // Keys are rotated: both are good, then only the new one.
        let new = Signer::rsa("k2", RSA_2, "RS512");
        tokio::time::sleep(Duration::from_millis(500)).await;
        provider.state.lock().unwrap().keys = tokens::jwks(&[&signer(), &new]);
        let renewed = new.token(&claims);
        assert_eq!(whole.get("/v2/topology", &renewed).await.status, 200);
        whole.topology(&token).await.expect("the old one still counts");

        // However many keys that nobody knows, and whether or not the provider answers.
        let before = provider.asked("/keys");
        let began = Instant::now();
        provider.down(true);
        for i in 0..200 {
            let unknown = Signer::rsa(&format!("x{i}"), RSA_2, "RS256").token(&claims);
            let refused = whole.topology(&unknown).await.expect_err("unknown");
            assert_eq!(refused.code(), Code::Unauthenticated);
        }
        let fetches = provider.asked("/keys") - before;
        let allowed = began.elapsed().as_millis() / 500 + 1;
        assert!((fetches as u128) <= allowed, "{fetches} fetches, {allowed} allowed");
        // Tokens that were never seen before pass in the outage.
        claims["sub"] = json!("another");
        whole.topology(&new.token(&claims)).await.expect("passes");
        assert_eq!(whole.get("/v2/license", &signer().token(&claims)).await.status, 200);
    });
}

#[test]
fn a_provider_that_is_not_trusted_gives_no_keys() {
    whole(
        true,
        |config, provider| provider.oidc(config),
        |whole, provider| async move {
            let mut claims = claims("good");
            claims["iss"] = json!(format!("{}/realm", provider.url));
            let refused = whole.get("/v2/topology", &signer().token(&claims)).await;
            assert_eq!(
                (refused.status, refused.json()["detail"].clone()),
                (401, json!("JWKS error"))
            );
            assert_eq!(provider.asked("/keys"), 0);
        },
    );
}
