//! Jobs: single, in batches, pushed.

use super::define::record;
use super::{Document, RawValue, Symbol};
use crate::model::DEFAULT_TENANT;

record! {
    /// A job: argument of every JOB command, element of a batch, content of a push.
    pub struct JobRecord {
        deadline: i64 = "deadline" or -1;
        timeout: i64 = "timeout" or -1;
        worker: String = "worker" or String::new();
        retries: i32 = "retries" or -1;
        retry_backoff: i64 = "retryBackoff" or 0;
        recurring_time: i64 = "recurringTime" or -1;
        job_type: String = "type" or String::new();
        custom_headers: RawValue = "customHeaders" or RawValue::default();
        variables: Document = "variables" or Document::empty();
        error_message: String = "errorMessage" or String::new();
        error_code: String = "errorCode" or String::new();
        bpmn_process_id: String = "bpmnProcessId" or String::new();
        process_definition_version: i32 = "processDefinitionVersion" or -1;
        process_definition_key: i64 = "processDefinitionKey" or -1;
        process_instance_key: i64 = "processInstanceKey" or -1;
        job_kind: Symbol = "jobKind" or Symbol::Borrowed("BPMN_ELEMENT");
        job_listener_event_type: Symbol = "jobListenerEventType" or Symbol::Borrowed("UNSPECIFIED");
        element_id: String = "elementId" or String::new();
        element_instance_key: i64 = "elementInstanceKey" or -1;
        tenant_id: String = "tenantId" or DEFAULT_TENANT.to_owned();
        changed_attributes: Vec<String> = "changedAttributes" or Vec::new();
    }

    /// A request for jobs, and the answer.
    pub struct JobBatchRecord {
        job_type: String = "type";
        worker: String = "worker" or String::new();
        timeout: i64 = "timeout" or -1;
        max_jobs_to_activate: i32 = "maxJobsToActivate" or -1;
        /// Key of the job at the same index of `jobs`.
        job_keys: Vec<i64> = "jobKeys" or Vec::new();
        jobs: Vec<JobRecord> = "jobs" or Vec::new();
        variables: Vec<String> = "variables" or Vec::new();
        truncated: bool = "truncated" or false;
        tenant_ids: Vec<String> = "tenantIds" or Vec::new();
    }

    /// What a gateway tells brokers about a job stream (command-api §2.8).
    pub struct JobStreamMetadata {
        worker: String = "worker" or String::new();
        timeout: i64 = "timeout" or -1;
        variables: Vec<String> = "variables" or Vec::new();
        tenant_ids: Vec<String> = "tenantIds" or Vec::new();
    }

    /// A pushed job (command-api §2.8).
    pub struct JobPush {
        key: i64 = "key" or -1;
        record: JobRecord = "record" or JobRecord::default();
    }
}
