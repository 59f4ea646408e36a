//! A gateway with a REST frontend on a port of the system's choice.

use std::net::SocketAddr;
use std::time::Duration;

use beegate::actors::Gateway;
use beegate::actors::gateway::{Fatal, Shutdown};
use beegate::api::http;
use beegate::config::Config;
use beegate::model::ClusterView;
use beegate::net::{Endpoint, EndpointOptions};
use beegate::wire::Address;

/// The defaults, on ports of the system's choice.
pub fn config() -> Config {
    let mut config = Config::defaults();
    for (host, port) in [
        (&mut config.rest.host, &mut config.rest.port),
        (&mut config.monitoring.host, &mut config.monitoring.port),
        (&mut config.admin.host, &mut config.admin.port),
    ] {
        *host = "127.0.0.1".to_owned();
        *port = 0;
    }
    config.threads.http = 1;
    config.threads.data = 1;
    config
}

/// A gateway that knows this cluster and no gossip.
pub fn gateway(config: &Config, view: ClusterView) -> (Gateway, Shutdown) {
    let options =
        EndpointOptions { connect_timeout: Duration::from_secs(1), frame_bytes_max: 1 << 20 };
    let endpoint = Endpoint::new(&config.cluster.name, Address::new("127.0.0.1", 1), options);
    let fatal = Fatal::new(|cause| panic!("escalated: {cause}"));
    Gateway::detached(config.clone(), endpoint, view, fatal).expect("a gateway")
}

/// Runs `test` against the REST frontend of a gateway that knows no broker.
pub fn without_brokers<F: Future<Output = ()>>(
    config: Config,
    test: impl FnOnce(SocketAddr, Gateway) -> F,
) {
    actix_rt::System::new().block_on(async {
        let (gateway, shutdown) = gateway(&config, ClusterView::default());
        let listening = http::serve(&config, gateway.clone()).expect("listens");
        let address = listening.addresses[0];
        let handle = listening.server.handle();
        actix_rt::spawn(listening.server);
        test(address, gateway.clone()).await;
        handle.stop(false).await;
        shutdown.stop(Duration::ZERO).await;
    });
}

mod bad_input {
    use super::*;
    use crate::http::{Request, Response};

    async fn create(to: SocketAddr, body: &[u8]) -> Response {
        let mut request = Request::new("POST", "/v2/process-instances").json("");
        request.body = Some(body.to_vec());
        request.send(to).await
    }

    #[test]
    fn whatever_is_in_a_body_there_is_an_answer() {
        without_brokers(config(), |to, _| async move {
            let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
            let deep = format!(r#"{{"processDefinitionId":"a","variables":{{"x":{deep}}}}}"#);
            let long = br#"{"processDefinitionId":"a","variables":{"x":-9223372036854775809}}"#;
            let bodies: [(&[u8], &str); 5] = [
                (b"{\"processDefinitionId\":\"\xff\"}", "Failed to read request"),
                (b"\xff\xfe", "Failed to read request"),
                (
                    b"{\"processDefinitionId\":\"a\",\"variables\":{\"\xc3\":1}}",
                    "Failed to read request",
                ),
                (deep.as_bytes(), "Failed to read request"),
                (long, "MessagePack cannot serialize BigInteger larger than 2^64-1"),
            ];
            for (body, detail) in bodies {
                let response = create(to, body).await;
                assert_eq!(response.status, 400, "{response:?}");
                assert_eq!(response.json()["detail"], detail);
                assert_eq!(response.header("content-type"), Some("application/problem+json"));
            }
        });
    }

    #[test]
    fn a_body_over_the_limit_is_refused_before_it_is_read() {
        let mut config = config();
        config.rest.max_body_size = 1000;
        without_brokers(config, |to, _| async move {
            let response = create(to, "x".repeat(1001).as_bytes()).await;
            assert_eq!(response.status, 413, "{response:?}");
            assert_eq!(response.json()["title"], "Payload Too Large");
            let mut chunked = Request::new("POST", "/v2/process-instances").json("");
            chunked.body = None;
            let chunk = format!("3e9\r\n{}\r\n0\r\n\r\n", "x".repeat(1001));
            let head = "POST /v2/process-instances HTTP/1.1\r\nHost: a\r\nContent-Type: \
                        application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
            let answer = crate::http::exchange(to, format!("{head}{chunk}").as_bytes()).await;
            assert_eq!(answer.status, 413, "{answer:?}");
        });
    }

    #[test]
    fn sessions_over_the_limit_are_told_to_come_back() {
        let mut config = config();
        config.limits.sessions = 0;
        without_brokers(config, |to, _| async move {
            let body = br#"{"processDefinitionId":"a"}"#;
            let response = create(to, body).await;
            assert_eq!(response.status, 503, "{response:?}");
            assert_eq!(response.header("retry-after"), Some("1"));
        });
    }

    #[test]
    fn preflights_are_refused() {
        without_brokers(config(), |to, _| async move {
            let request = Request::new("OPTIONS", "/v2/topology")
                .header("Origin", "http://elsewhere")
                .header("Access-Control-Request-Method", "GET");
            let response = request.send(to).await;
            assert_eq!((response.status, response.body.as_str()), (403, "Invalid CORS request"));
        });
    }
}
