//! The recorded REST exchanges, as requests and expectations.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::http::Request;

/// Stands for keys that were captured while recording.
const SOME_KEY: &str = "2251799813685249";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// The steps of a recording that are single exchanges; `json_text` is a step's `json` as written,
/// for numbers there are larger than a [`Value`] holds.
pub fn steps(area: &str, file: &str) -> Vec<Value> {
    #[derive(serde::Deserialize)]
    struct Texts {
        steps: Vec<Text>,
    }
    #[derive(serde::Deserialize)]
    struct Text {
        json: Option<Box<RawValue>>,
    }

    let text = fs::read_to_string(folder().join(area).join(file)).expect("a recording");
    let texts: Texts = serde_json::from_str(&text).expect("JSON");
    let mut recording: Value = serde_json::from_str(&text).expect("JSON");
    let Value::Array(mut steps) = recording["steps"].take() else { panic!("no steps") };
    for (step, text) in steps.iter_mut().zip(texts.steps) {
        if let Some(json) = text.json {
            step["json_text"] = json.get().into();
        }
    }
    steps.retain(|step| step["method"].is_string());
    steps
}

/// `text` with a key in place of each name in double braces.
fn filled(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let (_, next) = after.split_once("}}").expect("a closed placeholder");
        out += before;
        out += SOME_KEY;
        rest = next;
    }
    out + rest
}

fn content(value: &Value) -> Vec<u8> {
    if let Some(text) = value.as_str() {
        return filled(text).into_bytes();
    }
    if let Some(name) = value["$file"].as_str() {
        return fs::read(folder().join("resources").join(name)).expect("a resource");
    }
    if let Some([text, times]) = value["$repeat"].as_array().map(Vec::as_slice) {
        let times = times.as_u64().expect("a number") as usize;
        return text.as_str().expect("text").repeat(times).into_bytes();
    }
    for (kind, before) in
        [("json_big", ""), ("json_big_pid", "\"processDefinitionId\":\"cvec-simple\",")]
    {
        if let Some(size) = value[kind].as_u64() {
            let filler = "a".repeat(size as usize);
            return format!("{{{before}\"variables\":{{\"x\":\"{filler}\"}}}}").into_bytes();
        }
    }
    panic!("unknown content {value}")
}

const BOUNDARY: &str = "boundary-of-the-test";

fn multipart(parts: &[Value]) -> Vec<u8> {
    let mut body = Vec::new();
    for part in parts {
        let name = part["name"].as_str().expect("a name");
        let mut head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"");
        if let Some(file) = part["filename"].as_str() {
            head += &format!("; filename=\"{}\"", filled(file));
        }
        if let Some(kind) = part["content_type"].as_str() {
            head += &format!("\r\nContent-Type: {kind}");
        }
        body.extend_from_slice(format!("{head}\r\n\r\n").as_bytes());
        body.extend_from_slice(&content(&part["content"]));
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

/// The request of a step.
pub fn request(step: &Value) -> Request {
    let text = |name: &str| filled(step[name].as_str().expect("text"));
    let mut request = Request::new(&text("method"), &text("path"));
    if let Some(headers) = step["headers"].as_object() {
        for (name, value) in headers {
            request = request.header(name, value.as_str().expect("text"));
        }
    }
    if let Some(json) = step["json_text"].as_str() {
        request = request.json(&filled(json));
    } else if let Some(parts) = step["multipart"].as_array() {
        request.body = Some(multipart(parts));
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        request = request.header("Content-Type", &kind);
    } else if !step["body"].is_null() {
        request.body = Some(content(&step["body"]));
    }
    request
}
