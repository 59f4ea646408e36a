//! Jobs: polls, streams and the commands on single jobs.

use super::document::{document_text, raw_text, variables};
use super::{WithReference as _, keyed};
use crate::api::grpc::caller::{Caller, is_blank};
use crate::api::grpc::proto as pb;
use crate::config::Compatibility;
use crate::error::GatewayError;
use crate::model::{ActivateJobs, Command, CommandKind, Frontend, Key, StreamJobs};
use crate::wire::record::JobRecord;
use pb::activated_job::{JobKind, ListenerEventType};

/// ActivateJobs. `max_message_size` bounds each answer, in bytes.
///
/// # Errors
/// Tenant errors.
pub fn activate(
    request: pb::ActivateJobsRequest,
    caller: &Caller,
    max_message_size: usize,
) -> Result<ActivateJobs, GatewayError> {
    const RPC: &str = "ActivateJobs";
    Ok(ActivateJobs {
        frontend: Frontend::Grpc,
        tenant_ids: caller.tenants(RPC, request.tenant_ids)?,
        job_type: request.r#type,
        worker: request.worker,
        timeout_ms: request.timeout,
        max_jobs: request.max_jobs_to_activate,
        fetch_variables: request.fetch_variable,
        request_timeout_ms: request.request_timeout,
        authorization: caller.authorization(),
        max_response_bytes: Some(max_message_size),
    })
}

/// StreamActivatedJobs. Tenants are checked before type and timeout (gateway-behaviour §9.1).
///
/// # Errors
/// As [`activate`]; a blank type or a timeout below 1 ms.
pub fn stream(
    request: pb::StreamActivatedJobsRequest,
    caller: &Caller,
) -> Result<StreamJobs, StreamRefused> {
    const RPC: &str = "StreamActivatedJobs";
    let tenant_ids = caller.tenants(RPC, request.tenant_ids).map_err(StreamRefused::Mapped)?;
    if is_blank(&request.r#type) {
        return Err(StreamRefused::BlankType);
    }
    if request.timeout < 1 {
        return Err(StreamRefused::Timeout(request.timeout));
    }
    Ok(StreamJobs {
        job_type: request.r#type,
        worker: request.worker,
        timeout_ms: request.timeout,
        fetch_variables: request.fetch_variable,
        tenant_ids,
    })
}

/// Why a job stream cannot be opened. The two checks of its own answer without status details
/// (gateway-behaviour §2).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamRefused {
    /// An error of the common table.
    #[error(transparent)]
    Mapped(GatewayError),
    /// No job type.
    #[error("Expected to stream activated jobs with type to be present, but it was blank")]
    BlankType,
    /// No time to work on a job.
    #[error(
        "Expected to stream activated jobs with timeout to be greater than zero, but it was {0}"
    )]
    Timeout(i64),
}

/// An activated job as clients see it; exactly as of 8.6 it does not say what it is for.
///
/// # Errors
/// [`GatewayError::Internal`] when its documents cannot be written as JSON.
pub fn activated(
    key: Key,
    job: &JobRecord,
    compatibility: Compatibility,
) -> Result<pb::ActivatedJob, GatewayError> {
    let (kind, listener_event_type) = match compatibility.exact {
        true => (0, 0),
        false => (kind(&job.job_kind) as i32, listener_event(&job.job_listener_event_type) as i32),
    };
    Ok(pb::ActivatedJob {
        key: key.0,
        r#type: job.job_type.clone(),
        process_instance_key: job.process_instance_key,
        bpmn_process_id: job.bpmn_process_id.clone(),
        process_definition_version: job.process_definition_version,
        process_definition_key: job.process_definition_key,
        element_id: job.element_id.clone(),
        element_instance_key: job.element_instance_key,
        custom_headers: raw_text(&job.custom_headers)?,
        worker: job.worker.clone(),
        retries: job.retries,
        deadline: job.deadline,
        variables: document_text(&job.variables)?,
        tenant_id: job.tenant_id.clone(),
        user_task: None,
        kind,
        listener_event_type,
        tags: Vec::new(),
    })
}

fn kind(name: &str) -> JobKind {
    JobKind::from_str_name(name).unwrap_or(JobKind::BpmnElement)
}

fn listener_event(name: &str) -> ListenerEventType {
    ListenerEventType::from_str_name(name).unwrap_or(ListenerEventType::Unspecified)
}

/// CompleteJob.
///
/// # Errors
/// JSON errors.
pub fn complete(request: pb::CompleteJobRequest, caller: &Caller) -> Result<Command, GatewayError> {
    let record = JobRecord { variables: variables(&request.variables)?, ..Default::default() };
    Ok(keyed(CommandKind::CompleteJob, request.job_key, &record, caller))
}

/// FailJob.
///
/// # Errors
/// JSON errors.
pub fn fail(request: pb::FailJobRequest, caller: &Caller) -> Result<Command, GatewayError> {
    let record = JobRecord {
        retries: request.retries,
        retry_backoff: request.retry_back_off,
        variables: variables(&request.variables)?,
        error_message: request.error_message,
        ..Default::default()
    };
    Ok(keyed(CommandKind::FailJob, request.job_key, &record, caller))
}

/// ThrowError.
///
/// # Errors
/// JSON errors.
pub fn throw_error(
    request: pb::ThrowErrorRequest,
    caller: &Caller,
) -> Result<Command, GatewayError> {
    let record = JobRecord {
        variables: variables(&request.variables)?,
        error_code: request.error_code,
        error_message: request.error_message,
        ..Default::default()
    };
    Ok(keyed(CommandKind::ThrowError, request.job_key, &record, caller))
}

/// UpdateJobRetries.
#[must_use]
pub fn update_retries(request: &pb::UpdateJobRetriesRequest, caller: &Caller) -> Command {
    let record = JobRecord { retries: request.retries, ..Default::default() };
    keyed(CommandKind::UpdateJobRetries, request.job_key, &record, caller)
        .with_reference(request.operation_reference)
}

/// UpdateJobTimeout.
#[must_use]
pub fn update_timeout(request: &pb::UpdateJobTimeoutRequest, caller: &Caller) -> Command {
    let record = JobRecord { timeout: request.timeout, ..Default::default() };
    keyed(CommandKind::UpdateJobTimeout, request.job_key, &record, caller)
        .with_reference(request.operation_reference)
}
