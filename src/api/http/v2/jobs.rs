//! `/v2/jobs`.

use super::super::endpoint::Input;
use super::super::json::{Array, Newer, Variables, document, request};
use super::super::problem::{Problem, Violations};
use crate::actors::gateway::ActivatedJob;
use crate::model::{ActivateJobs, Command, CommandKind, Frontend};
use crate::wire::DecodeError;
use crate::wire::record::{AuthInfo, JobRecord};

request! {
    struct ActivateRequest<'a> {
        job_type: String = "type";
        worker: String = "worker";
        timeout: i64 = "timeout";
        max_jobs_to_activate: i32 = "maxJobsToActivate";
        fetch_variable: Vec<String> = "fetchVariable";
        request_timeout: i64 = "requestTimeout";
        tenant_ids: Vec<String> = "tenantIds";
        tenant_filter: String = "tenantFilter";
    }

    struct CompleteRequest<'a> {
        variables: Variables<'a> = "variables";
        result: Newer = "result";
    }

    struct FailRequest<'a> {
        retries: i32 = "retries";
        error_message: String = "errorMessage";
        retry_back_off: i64 = "retryBackOff";
        variables: Variables<'a> = "variables";
    }

    struct ErrorRequest<'a> {
        error_code: String = "errorCode";
        error_message: String = "errorMessage";
        variables: Variables<'a> = "variables";
    }

    struct UpdateRequest<'a> {
        changeset: Changeset<'a> = "changeset";
        // From 8.8 on; brokers of 8.6 take a reference with every command.
        operation_reference: i64 = "operationReference";
    }

    struct Changeset<'a> {
        retries: i32 = "retries";
        timeout: i64 = "timeout";
    }
}

/// A poll for jobs. The JVM gateway neither checks its tenants nor tells the brokers about the caller
/// (rest-v2 §4), so that brokers with multi-tenancy give it no jobs but those of the default tenant
/// (command-api §2.6), and others those of any. Here both is done for callers who are known.
pub(in crate::api::http) fn activation(input: &Input<'_>) -> Result<ActivateJobs, Problem> {
    let request: ActivateRequest<'_> = input.required()?;
    let job_type = request.job_type.unwrap_or_default();
    let mut violations = Violations::default();
    if job_type.trim().is_empty() {
        violations.missing("type");
    }
    match request.timeout {
        None => violations.missing("timeout"),
        Some(timeout) if timeout < 1 => {
            violations.value("timeout", timeout, "greater than 0");
        }
        Some(_) => {}
    }
    match request.max_jobs_to_activate {
        None => violations.missing("maxJobsToActivate"),
        // The JVM gateway prints the timeout here, and clients may compare the text.
        Some(max) if max < 1 => {
            let shown = request.timeout.map_or_else(|| "null".to_owned(), |t| t.to_string());
            violations.value("maxJobsToActivate", shown, "greater than 0");
        }
        Some(_) => {}
    }
    // What 8.9 sends by default is what 8.6 does.
    if let Some(filter) = request.tenant_filter.filter(|f| !input.exact && f != "PROVIDED") {
        violations.value("tenantFilter", filter, "PROVIDED with brokers of 8.6");
    }
    violations.check()?;
    let tenant_ids = request.tenant_ids.unwrap_or_default();
    let authorization = match input.exact {
        true => AuthInfo::unknown(),
        false => input.tenancy.activation(&tenant_ids)?,
    };
    Ok(ActivateJobs {
        frontend: Frontend::Rest,
        job_type,
        worker: request.worker.unwrap_or_default(),
        timeout_ms: request.timeout.unwrap_or_default(),
        max_jobs: request.max_jobs_to_activate.unwrap_or_default(),
        fetch_variables: request.fetch_variable.unwrap_or_default(),
        tenant_ids,
        request_timeout_ms: request.request_timeout.unwrap_or_default(),
        authorization,
        max_response_bytes: None,
    })
}

/// Appends an activated job. `jobKey` is what 8.6.1 and later call `key`; 8.8 tells a listener's job
/// from a task's.
pub(in crate::api::http) fn activated(
    jobs: &mut Array<'_>,
    job: &ActivatedJob,
) -> Result<(), DecodeError> {
    let record = &job.record;
    jobs.object(|o| {
        o.key("key", job.key.0);
        o.newer_key("jobKey", job.key.0);
        o.text("type", &record.job_type);
        o.key("processInstanceKey", record.process_instance_key);
        o.text("processDefinitionId", &record.bpmn_process_id);
        o.int("processDefinitionVersion", record.process_definition_version);
        o.key("processDefinitionKey", record.process_definition_key);
        o.text("elementId", &record.element_id);
        o.key("elementInstanceKey", record.element_instance_key);
        o.msgpack("customHeaders", &record.custom_headers.0)?;
        o.text("worker", &record.worker);
        o.int("retries", record.retries);
        o.int("deadline", record.deadline);
        o.msgpack("variables", record.variables.as_msgpack())?;
        o.text("tenantId", &record.tenant_id);
        o.newer_text("kind", &record.job_kind);
        o.newer_text("listenerEventType", &record.job_listener_event_type);
        Ok(())
    })
}

pub(super) fn complete(input: &Input<'_>) -> Result<Command, Problem> {
    let request: CompleteRequest<'_> = input.optional()?;
    input.newer("result", request.result)?;
    let record = JobRecord { variables: document(request.variables)?, ..JobRecord::default() };
    Ok(input.keyed(CommandKind::CompleteJob, &record))
}

pub(super) fn fail(input: &Input<'_>) -> Result<Command, Problem> {
    let request: FailRequest<'_> = input.optional()?;
    let record = JobRecord {
        retries: request.retries.unwrap_or_default(),
        retry_backoff: request.retry_back_off.unwrap_or_default(),
        variables: document(request.variables)?,
        error_message: request.error_message.unwrap_or_default(),
        ..JobRecord::default()
    };
    Ok(input.keyed(CommandKind::FailJob, &record))
}

pub(super) fn throw_error(input: &Input<'_>) -> Result<Command, Problem> {
    let request: ErrorRequest<'_> = input.required()?;
    let error_code = request.error_code.unwrap_or_default();
    let mut violations = Violations::default();
    if error_code.trim().is_empty() {
        violations.missing("errorCode");
    }
    violations.check()?;
    let record = JobRecord {
        variables: document(request.variables)?,
        error_message: request.error_message.unwrap_or_default(),
        error_code,
        ..JobRecord::default()
    };
    Ok(input.keyed(CommandKind::ThrowError, &record))
}

pub(super) fn update(input: &Input<'_>) -> Result<Command, Problem> {
    let request: UpdateRequest<'_> = input.required()?;
    let changes = request.changeset.unwrap_or_default();
    let mut violations = Violations::default();
    if changes.retries.is_none() && changes.timeout.is_none() {
        violations.add("At least one of [retries, timeout] is required");
    }
    let operation_reference = request.operation_reference.filter(|_| !input.exact);
    violations.operation_reference(operation_reference);
    violations.check()?;
    let mut record = JobRecord::default();
    if let Some(retries) = changes.retries {
        record.retries = retries;
        record.changed_attributes.push("retries".to_owned());
    }
    if let Some(timeout) = changes.timeout {
        record.timeout = timeout;
        record.changed_attributes.push("timeout".to_owned());
    }
    Ok(Command { operation_reference, ..input.keyed(CommandKind::UpdateJob, &record) })
}
