//! A raw HTTP/1.1 client: it sends exactly what a test says, and shows exactly what came back.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than anything takes that is expected to happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<Vec<u8>>,
}

/// What came back; header names are in lower case.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), ..Self::default() }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn json(mut self, body: &str) -> Self {
        self.body = Some(body.as_bytes().to_vec());
        self.header("Content-Type", "application/json")
    }

    /// The request as it goes over the wire. One request per connection.
    pub fn bytes(&self) -> Vec<u8> {
        let Self { method, path, .. } = self;
        let mut text =
            format!("{method} {path} HTTP/1.1\r\nHost: beegate\r\nConnection: close\r\n");
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        let body = self.body.as_deref().unwrap_or_default();
        if self.body.is_some() || method != "GET" {
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        let mut bytes = (text + "\r\n").into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }

    /// Sends it and reads the whole answer.
    pub async fn send(&self, to: SocketAddr) -> Response {
        exchange(to, &self.bytes()).await
    }
}

/// Sends these bytes and reads until the server closes the connection.
pub async fn exchange(to: SocketAddr, request: &[u8]) -> Response {
    let exchange = async {
        let mut stream = TcpStream::connect(to).await.expect("connects");
        let (mut read, mut write) = stream.split();
        let mut answer = Vec::new();
        // The server may answer, and close, before it took all of a body that is too large.
        let (_, received) = tokio::join!(write.write_all(request), read.read_to_end(&mut answer));
        if answer.is_empty() {
            received.expect("an answer");
        }
        answer
    };
    let answer = tokio::time::timeout(PATIENCE, exchange).await.expect("answers in time");
    parse(&answer)
}

fn parse(answer: &[u8]) -> Response {
    let text = String::from_utf8(answer.to_vec()).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status line");
    let header = |line: &str| {
        let (name, value) = line.split_once(':').expect("a header");
        (name.to_lowercase(), value.trim().to_owned())
    };
    Response {
        status: status.parse().expect("a number"),
        headers: lines.map(header).collect(),
        body: body.to_owned(),
    }
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }
}
