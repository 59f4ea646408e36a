//! A gRPC client with the calls that the suite needs.

use std::time::Duration;

use anyhow::{Context, Result};
use beegate::api::grpc::proto as pb;
use pb::gateway_client::GatewayClient;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};

use crate::load::touching;

/// Where the partition sits in a key.
const PARTITION_SHIFT: u32 = 51;

/// The partition that an entity lives on.
pub fn partition_of(key: i64) -> i32 {
    i32::try_from(key >> PARTITION_SHIFT).expect("13 bits fit")
}

/// A client with a connection of its own, shared by its clones.
#[derive(Clone)]
pub struct Client {
    inner: GatewayClient<Channel>,
}

impl Client {
    /// Connects to a gateway on loopback.
    pub async fn connect(port: u16) -> Result<Self> {
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}"))?
            .connect_timeout(Duration::from_secs(5));
        let channel =
            endpoint.connect().await.with_context(|| format!("no gateway on port {port}"))?;
        Ok(Self { inner: GatewayClient::new(channel) })
    }

    /// The same with a flow-control window of so many bytes for each stream.
    pub async fn connect_with_window(port: u16, window: u32) -> Result<Self> {
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}"))?
            .initial_stream_window_size(window);
        Ok(Self { inner: GatewayClient::new(endpoint.connect().await?) })
    }

    /// Deploys the suite's processes.
    pub async fn deploy(&mut self) -> Result<()> {
        let resource = |name: &str, content: &'static [u8]| pb::Resource {
            name: name.to_owned(),
            content: content.into(),
        };
        let request = pb::DeployResourceRequest {
            resources: vec![
                resource("work.bpmn", include_bytes!("../resources/work.bpmn")),
                resource("tick.bpmn", include_bytes!("../resources/tick.bpmn")),
            ],
            ..Default::default()
        };
        self.inner.deploy_resource(request).await?;
        Ok(())
    }

    /// Writes a variable of an instance.
    pub async fn touch(&mut self, key: i64, deadline: Duration) -> Result<(), Status> {
        self.inner.set_variables(within(touching(key), deadline)).await.map(drop)
    }

    /// Creates an instance that ends at once.
    pub async fn create_tick(&mut self, deadline: Duration) -> Result<(), Status> {
        let request = pb::CreateProcessInstanceRequest {
            bpmn_process_id: "faults-tick".to_owned(),
            version: -1,
            ..Default::default()
        };
        self.inner.create_process_instance(within(request, deadline)).await.map(drop)
    }

    /// Creates an instance that waits for a job of this type, and returns the instance's key.
    pub async fn create_work(&mut self, job_type: &str) -> Result<i64, Status> {
        self.create_work_with(job_type, 0).await
    }

    /// The same with so many bytes of variables.
    pub async fn create_work_with(&mut self, job_type: &str, bytes: usize) -> Result<i64, Status> {
        let request = pb::CreateProcessInstanceRequest {
            bpmn_process_id: "faults-work".to_owned(),
            version: -1,
            variables: format!(r#"{{"type":"{job_type}","text":"{}"}}"#, "x".repeat(bytes)),
            ..Default::default()
        };
        let request = within(request, Duration::from_secs(20));
        let created = self.inner.create_process_instance(request).await?;
        Ok(created.into_inner().process_instance_key)
    }

    /// Asks for jobs; the answers come in pieces.
    pub async fn poll(
        &mut self,
        job_type: &str,
        max: i32,
        job_timeout: Duration,
        wait: Duration,
    ) -> Result<Streaming<pb::ActivateJobsResponse>, Status> {
        let request = pb::ActivateJobsRequest {
            r#type: job_type.to_owned(),
            worker: "faults".to_owned(),
            timeout: millis(job_timeout),
            max_jobs_to_activate: max,
            request_timeout: millis(wait),
            ..Default::default()
        };
        let request = within(request, wait + Duration::from_secs(10));
        Ok(self.inner.activate_jobs(request).await?.into_inner())
    }

    /// Opens a job stream.
    pub async fn stream(
        &mut self,
        job_type: &str,
        job_timeout: Duration,
    ) -> Result<Streaming<pb::ActivatedJob>, Status> {
        let request = pb::StreamActivatedJobsRequest {
            r#type: job_type.to_owned(),
            worker: "faults".to_owned(),
            timeout: millis(job_timeout),
            ..Default::default()
        };
        Ok(self.inner.stream_activated_jobs(request).await?.into_inner())
    }

    /// Publishes a message that nobody waits for.
    pub async fn publish(&mut self, correlation_key: &str) -> Result<(), Status> {
        let request = pb::PublishMessageRequest {
            name: "soak".to_owned(),
            correlation_key: correlation_key.to_owned(),
            ..Default::default()
        };
        self.inner.publish_message(within(request, Duration::from_secs(20))).await.map(drop)
    }

    /// Cancels an instance.
    pub async fn cancel(&mut self, key: i64) -> Result<(), Status> {
        let request =
            pb::CancelProcessInstanceRequest { process_instance_key: key, ..Default::default() };
        self.inner.cancel_process_instance(within(request, Duration::from_secs(20))).await.map(drop)
    }

    /// Completes a job.
    pub async fn complete(&mut self, key: i64) -> Result<(), Status> {
        let request = pb::CompleteJobRequest { job_key: key, ..Default::default() };
        self.inner.complete_job(within(request, Duration::from_secs(20))).await.map(drop)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).expect("durations here are short")
}

fn within<T>(message: T, deadline: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(deadline);
    request
}
