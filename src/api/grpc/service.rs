//! One function per rpc: translate, execute, translate back.

use std::pin::Pin;
use std::sync::Arc;

use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use super::body::Ledger;
use super::caller::Caller;
use super::convert::job::StreamRefused;
use super::convert::{decision, deployment, job, message, newer, process_instance, variable};
use super::proto::gateway_server::Gateway as GatewayRpcs;
use super::proto::{self as pb};
use super::{jobs, status::status, topology};
use crate::actors::gateway::{Gateway, SessionHandle};
use crate::config::Compatibility;
use crate::error::GatewayError;
use crate::model::{Command, Reply};

/// What is configured of the rpcs.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Largest message, in bytes.
    pub max_message_size: usize,
    /// Whether answers are compressed for clients that accept it.
    pub compression: bool,
    /// Whether answers are exactly those of 8.6.
    pub compatibility: Compatibility,
}

/// The rpcs of one connection.
#[derive(Clone, Debug)]
pub struct GatewayService {
    gateway: Gateway,
    session: SessionHandle,
    caller: Arc<Caller>,
    settings: Settings,
}

impl GatewayService {
    /// The rpcs for a connection whose session is `session`.
    #[must_use]
    pub fn new(
        gateway: Gateway,
        session: SessionHandle,
        caller: Arc<Caller>,
        settings: Settings,
    ) -> Self {
        Self { gateway, session, caller, settings }
    }

    /// The same rpcs, for a call of this caller.
    #[must_use]
    pub fn called_by(&self, caller: Arc<Caller>) -> Self {
        Self { caller, ..self.clone() }
    }

    fn status(&self, error: &GatewayError) -> Status {
        status(error, self.settings.compatibility)
    }

    /// Refuses what only newer brokers can do; exactly as 8.6 it is ignored.
    fn refuse_newer(&self, rpc: &str, request: &impl newer::Newer) -> Result<(), Status> {
        if self.settings.compatibility.exact {
            return Ok(());
        }
        newer::refuse(rpc, request).map_err(|e| self.status(&e))
    }

    /// Executes a command and translates its reply.
    async fn call<T>(
        &self,
        command: Result<Command, GatewayError>,
        answer: impl FnOnce(&Reply) -> Result<T, GatewayError>,
    ) -> Result<Response<T>, Status> {
        let command = command.map_err(|e| self.status(&e))?;
        let reply = self.session.execute(command).await.map_err(|e| self.status(&e))?;
        answer(&reply).map(Response::new).map_err(|e| self.status(&e))
    }
}

/// An answer without content.
fn empty<T: Default>(_reply: &Reply) -> Result<T, GatewayError> {
    Ok(T::default())
}

type Answer<T> = Result<Response<T>, Status>;
type Jobs<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl GatewayRpcs for GatewayService {
    type ActivateJobsStream = Jobs<pb::ActivateJobsResponse>;
    type StreamActivatedJobsStream = Jobs<pb::ActivatedJob>;

    /// Waits for the first jobs or the end before it answers: until then a failure is a plain
    /// status, as clients know it.
    async fn activate_jobs(
        &self,
        request: Request<pb::ActivateJobsRequest>,
    ) -> Answer<Self::ActivateJobsStream> {
        self.refuse_newer("ActivateJobs", request.get_ref())?;
        let limit = self.settings.max_message_size;
        let poll = job::activate(request.into_inner(), &self.caller, limit);
        let deliveries = self.session.activate_jobs(poll.map_err(|e| self.status(&e))?);
        let ledger = Ledger::default();
        let stream =
            jobs::poll(deliveries, ledger.clone(), limit, self.settings.compatibility).await?;
        let mut response = Response::new(stream);
        response.extensions_mut().insert(ledger);
        Ok(response)
    }

    async fn stream_activated_jobs(
        &self,
        request: Request<pb::StreamActivatedJobsRequest>,
    ) -> Answer<Self::StreamActivatedJobsStream> {
        self.refuse_newer("StreamActivatedJobs", request.get_ref())?;
        let stream = job::stream(request.into_inner(), &self.caller).map_err(|e| match e {
            StreamRefused::Mapped(e) => self.status(&e),
            other => Status::invalid_argument(other.to_string()),
        })?;
        let ledger = Ledger::default();
        let deliveries = self.session.stream_jobs(stream);
        let Settings { max_message_size, compatibility, .. } = self.settings;
        let stream = jobs::stream(deliveries, ledger.clone(), max_message_size, compatibility);
        let mut response = Response::new(stream);
        response.extensions_mut().insert(ledger);
        Ok(response)
    }

    async fn cancel_process_instance(
        &self,
        request: Request<pb::CancelProcessInstanceRequest>,
    ) -> Answer<pb::CancelProcessInstanceResponse> {
        let command = process_instance::cancel(request.get_ref(), &self.caller);
        self.call(Ok(command), empty).await
    }

    async fn complete_job(
        &self,
        request: Request<pb::CompleteJobRequest>,
    ) -> Answer<pb::CompleteJobResponse> {
        self.refuse_newer("CompleteJob", request.get_ref())?;
        self.call(job::complete(request.into_inner(), &self.caller), empty).await
    }

    async fn create_process_instance(
        &self,
        request: Request<pb::CreateProcessInstanceRequest>,
    ) -> Answer<pb::CreateProcessInstanceResponse> {
        self.refuse_newer("CreateProcessInstance", request.get_ref())?;
        let command = process_instance::create(request.into_inner(), &self.caller);
        self.call(command, process_instance::created).await
    }

    async fn create_process_instance_with_result(
        &self,
        request: Request<pb::CreateProcessInstanceWithResultRequest>,
    ) -> Answer<pb::CreateProcessInstanceWithResultResponse> {
        self.refuse_newer("CreateProcessInstanceWithResult", request.get_ref())?;
        let command = process_instance::create_with_result(request.into_inner(), &self.caller);
        self.call(command, process_instance::created_with_result).await
    }

    async fn evaluate_decision(
        &self,
        request: Request<pb::EvaluateDecisionRequest>,
    ) -> Answer<pb::EvaluateDecisionResponse> {
        let command = decision::evaluate(request.into_inner(), &self.caller);
        let exact = self.settings.compatibility.exact;
        self.call(command, |reply| decision::evaluated(reply, exact)).await
    }

    async fn deploy_process(
        &self,
        request: Request<pb::DeployProcessRequest>,
    ) -> Answer<pb::DeployProcessResponse> {
        let command = deployment::deploy_process(request.into_inner(), &self.caller);
        self.call(Ok(command), deployment::process_deployed).await
    }

    async fn deploy_resource(
        &self,
        request: Request<pb::DeployResourceRequest>,
    ) -> Answer<pb::DeployResourceResponse> {
        let command = deployment::deploy(request.into_inner(), &self.caller);
        self.call(command, deployment::deployed).await
    }

    async fn fail_job(&self, request: Request<pb::FailJobRequest>) -> Answer<pb::FailJobResponse> {
        self.call(job::fail(request.into_inner(), &self.caller), empty).await
    }

    async fn throw_error(
        &self,
        request: Request<pb::ThrowErrorRequest>,
    ) -> Answer<pb::ThrowErrorResponse> {
        self.call(job::throw_error(request.into_inner(), &self.caller), empty).await
    }

    async fn publish_message(
        &self,
        request: Request<pb::PublishMessageRequest>,
    ) -> Answer<pb::PublishMessageResponse> {
        let command = message::publish(request.into_inner(), &self.caller);
        self.call(command, message::published).await
    }

    async fn resolve_incident(
        &self,
        request: Request<pb::ResolveIncidentRequest>,
    ) -> Answer<pb::ResolveIncidentResponse> {
        let command = variable::resolve_incident(request.get_ref(), &self.caller);
        self.call(Ok(command), empty).await
    }

    async fn set_variables(
        &self,
        request: Request<pb::SetVariablesRequest>,
    ) -> Answer<pb::SetVariablesResponse> {
        let command = variable::set(request.get_ref(), &self.caller);
        self.call(command, |reply| Ok(variable::has_set(reply))).await
    }

    async fn topology(
        &self,
        _request: Request<pb::TopologyRequest>,
    ) -> Answer<pb::TopologyResponse> {
        Ok(Response::new(topology::topology(&self.gateway.view())))
    }

    async fn update_job_retries(
        &self,
        request: Request<pb::UpdateJobRetriesRequest>,
    ) -> Answer<pb::UpdateJobRetriesResponse> {
        self.call(Ok(job::update_retries(request.get_ref(), &self.caller)), empty).await
    }

    async fn update_job_timeout(
        &self,
        request: Request<pb::UpdateJobTimeoutRequest>,
    ) -> Answer<pb::UpdateJobTimeoutResponse> {
        self.call(Ok(job::update_timeout(request.get_ref(), &self.caller)), empty).await
    }

    async fn modify_process_instance(
        &self,
        request: Request<pb::ModifyProcessInstanceRequest>,
    ) -> Answer<pb::ModifyProcessInstanceResponse> {
        self.refuse_newer("ModifyProcessInstance", request.get_ref())?;
        let command = process_instance::modify(request.into_inner(), &self.caller);
        self.call(command, empty).await
    }

    async fn migrate_process_instance(
        &self,
        request: Request<pb::MigrateProcessInstanceRequest>,
    ) -> Answer<pb::MigrateProcessInstanceResponse> {
        let command = process_instance::migrate(request.into_inner(), &self.caller);
        self.call(Ok(command), empty).await
    }

    async fn delete_resource(
        &self,
        request: Request<pb::DeleteResourceRequest>,
    ) -> Answer<pb::DeleteResourceResponse> {
        self.refuse_newer("DeleteResource", request.get_ref())?;
        self.call(Ok(deployment::delete(request.get_ref(), &self.caller)), empty).await
    }

    async fn broadcast_signal(
        &self,
        request: Request<pb::BroadcastSignalRequest>,
    ) -> Answer<pb::BroadcastSignalResponse> {
        let command = message::broadcast(request.into_inner(), &self.caller);
        self.call(command, message::broadcasted).await
    }

    /// A command of 8.9 brokers; gateways of 8.6 do not know the method (gateway-behaviour §16).
    async fn evaluate_conditional(
        &self,
        _request: Request<pb::EvaluateConditionalRequest>,
    ) -> Answer<pb::EvaluateConditionalResponse> {
        Err(Status::unimplemented(if self.settings.compatibility.exact {
            "Method not found: gateway_protocol.Gateway/EvaluateConditional"
        } else {
            "Expected to handle gRPC request EvaluateConditional, but it needs brokers of version \
             8.9 or newer"
        }))
    }
}
