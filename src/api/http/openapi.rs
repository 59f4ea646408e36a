//! The OpenAPI document of what is served.

/// Written by hand; the tests compare it with the table of endpoints and with recorded answers.
pub(super) const DOCUMENT: &str = include_str!("openapi.json");

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use actix_web::http::Method;
    use actix_web::http::header::{self, HeaderMap, HeaderValue};
    use serde_json::Value;

    use super::super::endpoint::{Body, Endpoint};
    use super::super::router::Router;
    use super::super::v2::ENDPOINTS;
    use super::DOCUMENT;

    fn document() -> Value {
        serde_json::from_str(DOCUMENT).expect("JSON")
    }

    /// What a reference stands for; anything else stands for itself.
    fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
        let Some(reference) = value["$ref"].as_str() else { return value };
        let found = document.pointer(reference.trim_start_matches('#'));
        found.unwrap_or_else(|| panic!("{reference} leads nowhere"))
    }

    fn operation<'a>(document: &'a Value, endpoint: &Endpoint) -> &'a Value {
        let method = endpoint.method.as_str().to_lowercase();
        &document["paths"][endpoint.path][method]
    }

    #[test]
    fn every_endpoint_is_described_and_nothing_else() {
        let document = document();
        let mut ids = BTreeSet::new();
        for endpoint in ENDPOINTS {
            let described = operation(&document, endpoint);
            assert!(described.is_object(), "{} {}", endpoint.method, endpoint.path);
            let id = described["operationId"].as_str().expect("an id");
            assert!(ids.insert(id.to_owned()), "{id} is there twice");
            let body = &described["requestBody"];
            match endpoint.body {
                Body::None => assert!(body.is_null(), "{id} has no body"),
                Body::Optional | Body::OptionalSince88 => {
                    assert_eq!(body["required"], false, "{id}")
                }
                Body::Required | Body::Multipart | Body::Upload => {
                    assert_eq!(body["required"], true, "{id}");
                }
            }
            if let Some(takes) = endpoint.takes() {
                assert!(body["content"][takes].is_object(), "{id} takes {takes}");
            }
            let variable = endpoint.path.split('{').nth(1).and_then(|rest| rest.split('}').next());
            let parameters = described["parameters"].as_array().cloned().unwrap_or_default();
            let in_path = parameters.iter().find(|p| p["in"] == "path");
            assert_eq!(in_path.and_then(|p| p["name"].as_str()), variable, "{id}");
        }
        let paths = document["paths"].as_object().expect("paths");
        let described: usize =
            paths.values().map(|path| path.as_object().map_or(0, |o| o.len())).sum();
        assert_eq!(described, ENDPOINTS.len());
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn check(document: &Value, value: &Value) {
            assert!(!resolved(document, value).is_null());
            match value {
                Value::Object(members) => members.values().for_each(|v| check(document, v)),
                Value::Array(items) => items.iter().for_each(|item| check(document, item)),
                _ => {}
            }
        }
        let document = document();
        check(&document, &document);
    }

    /// Fails unless every member of `value` is in the schema.
    fn check_members(document: &Value, schema: &Value, value: &Value, at: &str) {
        let schema = resolved(document, schema);
        match value {
            Value::Object(members) => {
                if schema["additionalProperties"] == true {
                    return;
                }
                for (name, value) in members {
                    let member = &schema["properties"][name];
                    assert!(!member.is_null(), "{at}.{name} is not in the schema");
                    check_members(document, member, value, &format!("{at}.{name}"));
                }
                for name in schema["required"].as_array().into_iter().flatten() {
                    let name = name.as_str().expect("a name");
                    assert!(members.contains_key(name), "{at}.{name} is required");
                }
            }
            Value::Array(items) => {
                let each = items.iter().enumerate();
                each.for_each(|(index, item)| {
                    check_members(document, &schema["items"], item, &format!("{at}[{index}]"));
                });
            }
            _ => assert!(schema["properties"].is_null(), "{at} is an object in the schema"),
        }
    }

    /// Fails unless the answer of an endpoint is described.
    pub(in crate::api::http) fn check_answer(endpoint: &Endpoint, status: u64, body: &Value) {
        let document = document();
        let described = operation(&document, endpoint);
        let id = described["operationId"].as_str().expect("an operation");
        let response = &described["responses"][status.to_string()];
        assert!(!response.is_null(), "{id} does not answer {status}");
        let contents = resolved(&document, response)["content"].as_object();
        let contents = contents.unwrap_or_else(|| panic!("{id} answers {status} without a body"));
        let kind = match (body["timestamp"].is_string(), body["type"] == "about:blank") {
            (false, true) => "application/problem+json",
            _ => "application/json",
        };
        let schema =
            &contents.get(kind).unwrap_or_else(|| panic!("{id} {status} {kind}"))["schema"];
        check_members(&document, schema, body, &format!("{id} {status}"));
    }

    fn headers(kind: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers
    }

    #[test]
    fn recorded_answers_are_described() {
        let router = Router::new(ENDPOINTS, false);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/rest");
        let mut checked = 0;
        for file in fs::read_dir(folder).expect("the recordings") {
            let path = file.expect("an entry").path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let text = fs::read_to_string(path).expect("readable");
            let recording: Value = serde_json::from_str(&text).expect("JSON");
            for step in recording["steps"].as_array().expect("steps") {
                let (Some(method), Some(path)) = (step["method"].as_str(), step["path"].as_str())
                else {
                    continue;
                };
                let body = &step["expect"]["body_json"];
                let method: Method = method.parse().expect("a method");
                let path = path.split('?').next().unwrap_or_default();
                let found = ["application/json", "multipart/form-data"]
                    .iter()
                    .find_map(|kind| router.find(&method, path, &headers(kind)).ok());
                let (Some(found), true) = (found, body.is_object()) else { continue };
                let status = step["expect"]["status"].as_u64().expect("a status");
                // Served here, where 8.6 has no such path.
                if !(found.endpoint.newer && status == 404) {
                    // Authentication is not part of this gateway.
                    if status != 401 {
                        check_answer(found.endpoint, status, body);
                        checked += 1;
                    }
                }
            }
        }
        assert!(checked >= 150, "only {checked} answers");
    }
}
