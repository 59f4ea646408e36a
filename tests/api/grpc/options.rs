//! What is switched on by configuration, and how large errors may be.

use tonic_reflection::pb::{v1, v1alpha};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reflection_tells_what_is_served_where_it_is_asked_for() {
    let stage = stage(|config| config.grpc.reflection = true).await;
    let expected = ["gateway_protocol.Gateway", "grpc.health.v1.Health"];
    let has_all =
        |names: Vec<String>| expected.iter().all(|wanted| names.iter().any(|name| name == wanted));
    {
        use v1::server_reflection_client::ServerReflectionClient;
        use v1::server_reflection_request::MessageRequest;
        use v1::server_reflection_response::MessageResponse;
        let mut client = ServerReflectionClient::new(stage.channel.clone());
        let ask = |question| v1::ServerReflectionRequest {
            host: String::new(),
            message_request: Some(question),
        };
        let questions = tokio_stream::iter([
            ask(MessageRequest::ListServices(String::new())),
            ask(MessageRequest::FileContainingSymbol("gateway_protocol.Gateway".to_owned())),
        ]);
        let mut answers = client.server_reflection_info(questions).await.unwrap().into_inner();
        let listed = answers.message().await.unwrap().unwrap().message_response.unwrap();
        let MessageResponse::ListServicesResponse(listed) = listed else { panic!("{listed:?}") };
        let names = listed.service.into_iter().map(|service| service.name).collect();
        assert!(has_all(names));
        let file = answers.message().await.unwrap().unwrap().message_response.unwrap();
        let MessageResponse::FileDescriptorResponse(file) = file else { panic!("{file:?}") };
        let file = prost_types::FileDescriptorProto::decode(&*file.file_descriptor_proto[0]);
        assert_eq!(file.unwrap().package(), "gateway_protocol");
    }
    {
        use v1alpha::server_reflection_client::ServerReflectionClient;
        use v1alpha::server_reflection_request::MessageRequest;
        use v1alpha::server_reflection_response::MessageResponse;
        let mut client = ServerReflectionClient::new(stage.channel.clone());
        let question = v1alpha::ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let asked = client.server_reflection_info(tokio_stream::iter([question])).await;
        let listed = asked.unwrap().into_inner().message().await.unwrap().unwrap();
        let Some(MessageResponse::ListServicesResponse(listed)) = listed.message_response else {
            panic!("{listed:?}")
        };
        let names = listed.service.into_iter().map(|service| service.name).collect();
        assert!(has_all(names));
    }
    // The rpcs are served as ever.
    assert!(stage.client().topology(pb::TopologyRequest {}).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_being_asked_there_is_no_reflection() {
    use v1::server_reflection_client::ServerReflectionClient;
    let stage = stage(|_| ()).await;
    let mut client = ServerReflectionClient::new(stage.channel.clone());
    let refused = client.server_reflection_info(tokio_stream::iter([])).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    let text = "Method not found: grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    assert_eq!(refused.message(), text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_compressed_only_where_both_sides_want_it() {
    let encoding = async |compression: bool, accepts: bool| {
        let stage = stage(|config| config.grpc.compression = compression).await;
        let mut client = stage.client();
        if accepts {
            client = client.accept_compressed(CompressionEncoding::Gzip);
        }
        let answer = client.topology(pb::TopologyRequest {}).await.unwrap();
        let named = answer.metadata().get("grpc-encoding").unwrap().to_str().unwrap().to_owned();
        assert_eq!(answer.into_inner().partitions_count, 3);
        stage.broker.state().add_job(1, &NO_VARIABLES);
        let mut polled = client.activate_jobs(activation(-1)).await.unwrap().into_inner();
        assert_eq!(polled.message().await.unwrap().unwrap().jobs.len(), 1);
        drop(polled);
        assert_eq!(stage.broker.state().failed, [], "the job was handed over");
        named
    };
    assert_eq!(encoding(false, true).await, "identity");
    assert_eq!(encoding(true, false).await, "identity");
    assert_eq!(encoding(true, true).await, "gzip");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_reaches_a_client_that_takes_few_headers() {
    let stage = stage(|_| ()).await;
    let channel = Channel::builder(stage.address.parse().unwrap())
        .http2_max_header_list_size(8192)
        .connect()
        .await
        .unwrap();
    let mut client = GatewayClient::new(channel);
    for text in ["{\"a\":\u{e4}", "x", "{\""] {
        let variables = text.repeat(4_000_000 / text.len());
        let bad = pb::CompleteJobRequest { job_key: 1 << 51, variables, ..Default::default() };
        let refused = client.complete_job(bad).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        assert!(refused.message().starts_with("Invalid JSON value: "), "{refused}");
        assert!(refused.message().len() < 3072, "{} bytes", refused.message().len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_version_is_one_that_clients_can_compare() {
    let stage = stage(|_| ()).await;
    let answer = stage.client().topology(pb::TopologyRequest {}).await.unwrap().into_inner();
    let (numbers, _) =
        answer.gateway_version.split_once(['-', '+']).unwrap_or((&answer.gateway_version, ""));
    let numbers: Vec<u32> = numbers.split('.').map(|part| part.parse().unwrap()).collect();
    assert_eq!(numbers.len(), 3, "{}", answer.gateway_version);
}
