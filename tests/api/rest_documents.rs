//! Documents over HTTP, and what newer clients ask for besides.

use std::net::SocketAddr;

use beegate::config::{Config, DocumentStore};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::http::{PATIENCE, Request, Response};
use crate::rest::{config, without_brokers};

const HEAD: &str = "--b\r\nContent-Disposition: form-data; ";

fn upload(path: &str, parts: &[String]) -> Request {
    let body = parts.iter().map(|part| format!("{HEAD}{part}\r\n")).collect::<String>();
    let mut request =
        Request::new("POST", path).header("Content-Type", "multipart/form-data; boundary=b");
    request.body = Some(format!("{body}--b--\r\n").into_bytes());
    request
}

fn file(name: &str, file_name: &str, content: &str) -> String {
    format!(
        "name=\"{name}\"; filename=\"{file_name}\"\r\nContent-Type: text/plain\r\n\r\n{content}"
    )
}

fn metadata(name: &str, json: &str) -> String {
    format!("name=\"{name}\"\r\nContent-Type: application/json\r\n\r\n{json}")
}

async fn get(to: SocketAddr, path: &str) -> Response {
    Request::new("GET", path).send(to).await
}

/// Runs `test` with a store of each kind.
fn with_stores<F: Future<Output = ()>>(test: impl Fn(SocketAddr) -> F, change: fn(&mut Config)) {
    for store in [DocumentStore::InMemory, DocumentStore::File] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = config();
        config.documents.store = store;
        config.documents.directory = folder.path().to_str().expect("a path").to_owned();
        change(&mut config);
        without_brokers(config, |to, _| test(to));
    }
}

#[test]
fn documents_are_stored_read_and_deleted() {
    with_stores(
        |to| async move {
            let content = "0123456789".repeat(20_000);
            let about = r#"{"contentType":"text/x","expiresAt":"2999-01-01T00:00:00Z","n":1}"#;
            let request = upload(
                "/v2/documents?documentId=a%2Fb",
                &[metadata("metadata", about), file("file", "ü x.txt", &content)],
            );
            let stored = request.send(to).await;
            assert_eq!(stored.status, 201, "{stored:?}");
            let stored = stored.json();
            assert_eq!(stored["documentType"], stored["camunda.document.type"]);
            assert_eq!(stored["documentId"], "a/b");
            let expected = json!({
                "contentType": "text/x", "fileName": "ü x.txt",
                "expiresAt": "2999-01-01T00:00Z", "size": 200_000, "n": 1,
            });
            assert_eq!(stored["metadata"], expected);

            let read = get(to, "/v2/documents/a%2Fb").await;
            assert_eq!((read.status, read.body.len()), (200, content.len()));
            assert_eq!(read.body, content);
            assert_eq!(read.header("content-type"), Some("application/octet-stream"));
            assert_eq!(read.header("content-length"), Some("200000"));
            assert_eq!(read.header("x-content-type-options"), Some("nosniff"));
            let disposition = read.header("content-disposition");
            assert_eq!(disposition, Some("attachment; filename*=UTF-8''%C3%BC%20x.txt"));
            let head = Request::new("HEAD", "/v2/documents/a%2Fb").send(to).await;
            assert_eq!((head.status, head.body.as_str()), (200, ""));
            let hash = stored["contentHash"].as_str().expect("a hash");
            let right = get(to, &format!("/v2/documents/a%2Fb?contentHash={hash}")).await;
            assert_eq!(right.status, 200);
            assert_eq!(get(to, "/v2/documents/a%2Fb?contentHash=00").await.status, 400);

            // The one library that fails on members it does not know.
            let old = upload("/v2/documents", &[file("file", "a", "x")])
                .header("User-Agent", "zeebe-client-java/8.6.0");
            let members = old.send(to).await.json();
            let members: Vec<_> = members.as_object().expect("an object").keys().cloned().collect();
            assert_eq!(members, ["documentId", "documentType", "metadata", "storeId"]);

            let again = request.send(to).await;
            assert_eq!((again.status, &again.json()["status"]), (409, &json!(409)));
            assert_eq!(Request::new("DELETE", "/v2/documents/a%2Fb").send(to).await.status, 204);
            let gone = get(to, "/v2/documents/a%2Fb").await;
            let expected = r#"{"type":"about:blank","title":"io.camunda.document.api.DocumentError$DocumentNotFound","status":404,"instance":"/v2/documents/a%2Fb"}"#;
            assert_eq!((gone.status, gone.body.as_str()), (404, expected));
        },
        |_| {},
    );
}

#[test]
fn documents_over_a_limit_are_refused() {
    with_stores(
        |to| async move {
            let send = |size: usize| async move {
                let content = "x".repeat(size);
                upload("/v2/documents", &[file("file", "a", &content)]).send(to).await
            };
            assert_eq!(send(5000).await.status, 201);
            let large = send(5001).await;
            assert_eq!((large.status, &large.json()["status"]), (413, &json!(413)), "{large:?}");
            assert_eq!(send(2_000_000).await.status, 413);
            let full = send(3000).await;
            assert_eq!(full.status, 507, "{full:?}");
            let detail = full.json()["detail"].to_string();
            assert!(detail.contains("documents.max_total_size"), "{detail}");
        },
        |config| {
            config.documents.max_document_size = 5000;
            config.documents.max_total_size = 8000;
        },
    );
}

#[test]
fn batches_tell_what_could_not_be_stored() {
    with_stores(
        |to| async move {
            let list = r#"[{"fileName":"first"},{},{"contentType":"text/y"}]"#;
            let large = "x".repeat(5001);
            let parts = [
                file("files", "1", "one"),
                file("files", "2", &large),
                file("files", "3", "three"),
                metadata("metadataList", list),
            ];
            let answer = upload("/v2/documents/batch", &parts).send(to).await;
            assert_eq!(answer.status, 207, "{answer:?}");
            let answer = answer.json();
            let created = answer["createdDocuments"].as_array().expect("documents");
            assert_eq!(created.len(), 2);
            assert_eq!(created[0]["metadata"]["fileName"], "first");
            assert_eq!(created[1]["metadata"]["contentType"], "text/y");
            let id = created[1]["documentId"].as_str().expect("an id");
            assert_eq!(get(to, &format!("/v2/documents/{id}")).await.body, "three");
            let failed = &answer["failedDocuments"][0];
            assert_eq!((&failed["fileName"], &failed["status"]), (&json!("2"), &json!(413)));

            // 8.7 sends metadata in a header of the part.
            let part = "name=\"files\"; filename=\"a\"\r\nX-Document-Metadata: \
                        {\"fileName\":\"b\"}\r\n\r\nx";
            let answer = upload("/v2/documents/batch", &[part.to_owned()]).send(to).await;
            assert_eq!(answer.status, 201, "{answer:?}");
            assert_eq!(answer.json()["createdDocuments"][0]["metadata"]["fileName"], "b");
            let uneven = [file("files", "1", "one"), metadata("metadataList", "[]")];
            assert_eq!(upload("/v2/documents/batch", &uneven).send(to).await.status, 400);
            assert_eq!(upload("/v2/documents/batch", &[]).send(to).await.status, 400);
        },
        |config| config.documents.max_document_size = 5000,
    );
}

#[test]
fn without_a_store_documents_are_refused() {
    let mut config = config();
    config.documents.store = DocumentStore::None;
    without_brokers(config, |to, _| async move {
        let stored = upload("/v2/documents", &[file("file", "a", "x")]).send(to).await;
        assert_eq!(stored.status, 501, "{stored:?}");
        assert_eq!(get(to, "/v2/documents/a").await.status, 501);
    });
}

#[test]
fn members_of_newer_versions_are_refused_by_name() {
    let cases = [
        ("POST", "/v2/jobs/1/completion", r#"{"result":{"denied":true}}"#, "result"),
        (
            "POST",
            "/v2/process-instances",
            r#"{"processDefinitionId":"a","runtimeInstructions":[{"type":"x"}]}"#,
            "runtimeInstructions",
        ),
        (
            "POST",
            "/v2/process-instances",
            r#"{"processDefinitionId":"a","businessId":"x"}"#,
            "businessId",
        ),
        (
            "POST",
            "/v2/process-instances/1/modification",
            r#"{"moveInstructions":[{}]}"#,
            "moveInstructions",
        ),
        (
            "POST",
            "/v2/process-instances/1/modification",
            r#"{"terminateInstructions":[{"elementId":"x"}]}"#,
            "terminateInstructions[].elementId",
        ),
        ("POST", "/v2/resources/1/deletion", r#"{"deleteHistory":true}"#, "deleteHistory"),
        (
            "POST",
            "/v2/jobs/activation",
            r#"{"type":"a","timeout":1,"maxJobsToActivate":1,"tenantFilter":"ASSIGNED"}"#,
            "tenantFilter",
        ),
        ("PATCH", "/v2/jobs/1", r#"{"changeset":{"retries":1},"operationReference":0}"#, "op"),
        ("POST", "/v2/incidents/1/resolution", r#"{"operationReference":0}"#, "operationReference"),
    ];
    without_brokers(config(), |to, _| async move {
        for (method, path, body, member) in cases {
            let answer = Request::new(method, path).json(body).send(to).await;
            assert_eq!(answer.status, 400, "{path} {body}: {answer:?}");
            let detail = answer.json()["detail"].to_string();
            assert!(detail.contains(member), "{path}: {detail}");
        }
        // What says nothing changes nothing: clients send it.
        let empty = r#"{"result":{},"variables":{}}"#;
        let answer = Request::new("POST", "/v2/jobs/1/completion").json(empty).send(to).await;
        assert_ne!(answer.status, 400, "{answer:?}");
    });
    let mut exactly = config();
    exactly.compatibility.exact = true;
    without_brokers(exactly, |to, _| async move {
        for (method, path, body, member) in cases {
            // 8.6 wants an element instance, and does not know the other way.
            if member == "terminateInstructions[].elementId" {
                continue;
            }
            if path == "/v2/jobs/activation" {
                continue;
            }
            let answer = Request::new(method, path).json(body).send(to).await;
            assert_ne!(answer.status, 400, "{path} {body}: {answer:?}");
        }
    });
}

#[test]
fn keys_are_strings_for_those_who_ask() {
    const STRINGS: &str = "application/vnd.camunda.api.keys.string+json";
    without_brokers(config(), |to, _| async move {
        let request = Request::new("GET", "/v2/topology").header("Accept", STRINGS);
        let answer = request.send(to).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(STRINGS)));
        let mut request = Request::new("POST", "/v2/process-instances");
        request.body = Some(br#"{"processDefinitionKey":"5","variables":[]}"#.to_vec());
        let answer = request.header("Content-Type", STRINGS).send(to).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (400, Some("application/problem+json"))
        );
        let me = get(to, "/v2/authentication/me").await;
        assert_eq!((me.status, &me.json()["username"]), (200, &json!("anonymous")));
        let document = get(to, "/v2/openapi.json").await;
        assert_eq!((document.status, &document.json()["openapi"]), (200, &json!("3.0.3")));
    });
}

/// Sends requests on one connection, one after the other, none of which asks to close it. Says how
/// many were answered before the server closed it.
async fn answered(to: SocketAddr, requests: &[Request]) -> usize {
    let mut stream = tokio::net::TcpStream::connect(to).await.expect("connects");
    for (sent, request) in requests.iter().enumerate() {
        let text = String::from_utf8(request.bytes()).expect("text");
        let text = text.replace("Connection: close\r\n", "");
        let mut answer = Vec::new();
        let exchange = async {
            if stream.write_all(text.as_bytes()).await.is_err() {
                return false;
            }
            // Every body here is an object without objects in it.
            while answer.last() != Some(&b'}') {
                match stream.read_u8().await {
                    Ok(byte) => answer.push(byte),
                    Err(_) => return false,
                }
            }
            true
        };
        if !tokio::time::timeout(PATIENCE, exchange).await.expect("an answer or an end") {
            return sent;
        }
    }
    requests.len()
}

#[test]
fn errors_close_the_connection_only_exactly_as_in_8_6() {
    let requests = || {
        let wrong = Request::new("POST", "/v2/process-instances").json("{");
        [Request::new("GET", "/v2/nope"), wrong, Request::new("GET", "/v2/license")]
    };
    without_brokers(config(), |to, _| async move {
        assert_eq!(answered(to, &requests()).await, 3);
    });
    let mut exactly = config();
    exactly.compatibility.exact = true;
    without_brokers(exactly, |to, _| async move {
        assert_eq!(answered(to, &requests()).await, 2);
    });
}

#[test]
fn http_2_is_spoken_with_those_who_know_it_beforehand() {
    without_brokers(config(), |to, _| async move {
        let client = reqwest::Client::builder().http2_prior_knowledge().build().expect("a client");
        let url = |path: &str| format!("http://{to}{path}");
        let answers = (0..20).map(|_| client.get(url("/v2/topology")).send());
        for answer in futures::future::join_all(answers).await {
            let answer = answer.expect("an answer");
            assert_eq!(
                (answer.version(), answer.status().as_u16()),
                (reqwest::Version::HTTP_2, 200)
            );
        }
        let part = reqwest::multipart::Part::bytes(vec![b'x'; 1_000_000]).file_name("a");
        let form = reqwest::multipart::Form::new().part("file", part);
        let stored = client.post(url("/v2/documents")).multipart(form).send().await;
        let stored = stored.expect("an answer");
        assert_eq!(stored.status().as_u16(), 201);
        let id = stored.json::<serde_json::Value>().await.expect("JSON")["documentId"].clone();
        let id = id.as_str().expect("an id");
        let read = client.get(url(&format!("/v2/documents/{id}"))).send().await.expect("an answer");
        assert_eq!(read.bytes().await.expect("a body").len(), 1_000_000);
        let wrong = client.post(url("/v2/process-instances")).json(&json!([])).send().await;
        assert_eq!(wrong.expect("an answer").status().as_u16(), 400);
    });
}
