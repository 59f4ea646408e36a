//! The calls of the soak over REST.

use anyhow::{Result, bail};
use serde_json::{Value, json};

/// A REST client of one gateway.
#[derive(Clone)]
pub struct Rest {
    client: reqwest::Client,
    base: String,
}

impl Rest {
    /// A client for the gateway on this port.
    pub fn new(port: u16) -> Self {
        Self { client: reqwest::Client::new(), base: format!("http://127.0.0.1:{port}/v2") }
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let answer = self.client.post(format!("{}/{path}", self.base)).json(body).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            bail!("{status} {text}");
        }
        Ok(if text.is_empty() { Value::Null } else { serde_json::from_str(&text)? })
    }

    /// Creates an instance that waits for a job; its key.
    pub async fn create(&self, job_type: &str) -> Result<String> {
        let body = json!({"processDefinitionId": "faults-work", "variables": {"type": job_type}});
        let created = self.post("process-instances", &body).await?;
        match &created["processInstanceKey"] {
            Value::String(key) => Ok(key.clone()),
            Value::Number(key) => Ok(key.to_string()),
            other => bail!("no key but {other}"),
        }
    }

    /// Cancels an instance.
    pub async fn cancel(&self, key: &str) -> Result<()> {
        self.post(&format!("process-instances/{key}/cancellation"), &json!({})).await.map(drop)
    }

    /// Publishes a message that nobody waits for.
    pub async fn publish(&self, correlation_key: &str) -> Result<()> {
        let body = json!({"name": "soak", "correlationKey": correlation_key, "timeToLive": 0});
        self.post("messages/publication", &body).await.map(drop)
    }

    /// Takes jobs and completes them; how many.
    pub async fn work(&self, job_type: &str) -> Result<usize> {
        let body = json!({
            "type": job_type, "timeout": 600_000, "maxJobsToActivate": 8,
            "requestTimeout": 2_000, "worker": "soak-rest",
        });
        let found = self.post("jobs/activation", &body).await?;
        let jobs = found["jobs"].as_array().cloned().unwrap_or_default();
        for job in &jobs {
            let key = match &job["key"] {
                Value::String(key) => key.clone(),
                other => other.to_string(),
            };
            self.post(&format!("jobs/{key}/completion"), &json!({})).await?;
        }
        Ok(jobs.len())
    }
}
