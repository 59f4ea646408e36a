//! What workers and operators do with a job.

use super::{Outcome, Processed, check_size, event, reject};
use crate::broker::engine::api::CommandInput;
use crate::broker::engine::event::Event;
use crate::broker::engine::state::{IncidentKind, Job, JobState, entries};
use crate::broker::engine::turn::Turn;
use crate::broker::engine::{element, incident, scope, work};
use crate::model::intent::job as intents;
use crate::model::{Key, Millis, RejectionType, ValueType};
use crate::wire::record::{Document, JobRecord, Record};

/// The reply to a job command: the job as it is now, with the command's variables.
fn job_event(job: &Job, variables: Document, intent: u8) -> Processed {
    event(job.key, ValueType::Job, intent, &job.to_record(variables))
}

fn existing<'a>(
    turn: &'a Turn<'_>,
    command: &CommandInput,
    action: &str,
) -> Result<&'a Job, super::Refusal> {
    let job = turn.state.jobs.get(command.key);
    match job.filter(|job| command.tenants.contains(&job.definition.tenant)) {
        Some(job) => Ok(job),
        None => {
            let key = command.key;
            let reason =
                format!("Expected to {action} job with key '{key}', but no such job was found");
            reject(RejectionType::NotFound, reason)
        }
    }
}

/// The job, if a worker may still report on it.
fn in_work<'a>(
    turn: &'a Turn<'_>,
    command: &CommandInput,
    action: &str,
) -> Result<&'a Job, super::Refusal> {
    let job = existing(turn, command, action)?;
    match job.state {
        JobState::Activatable | JobState::Activated => Ok(job),
        state => {
            let reason = format!(
                "Expected to {action} job with key '{}', but it is in state '{}'",
                job.key,
                state.name()
            );
            reject(RejectionType::InvalidState, reason)
        }
    }
}

/// JOB COMPLETE.
pub fn complete(turn: &mut Turn<'_>, command: &CommandInput) -> Processed {
    let record = JobRecord::from_bytes(&command.value)?;
    let variables = entries(&record.variables)?;
    let job = in_work(turn, command, "complete")?.clone();
    check_size(turn, &record.variables)?;
    turn.emit(Event::JobRemoved { key: job.key, element_instance: job.element_instance });
    element::complete(turn, job.element_instance, variables);
    job_event(&job, record.variables, intents::COMPLETED)
}

/// JOB FAIL.
pub fn fail(turn: &mut Turn<'_>, command: &CommandInput) -> Processed {
    let record = JobRecord::from_bytes(&command.value)?;
    let variables = entries(&record.variables)?;
    let (key, element_instance) = {
        let job = in_work(turn, command, "fail")?;
        (job.key, job.element_instance)
    };
    check_size(turn, &record.variables)?;
    let waits = record.retries > 0 && record.retry_backoff > 0;
    turn.emit(Event::JobFailed {
        key,
        retries: record.retries,
        backoff_ms: record.retry_backoff,
        recurs_at: waits.then(|| turn.now + Millis(record.retry_backoff)),
        message: record.error_message,
    });
    scope::set_local(turn, element_instance, variables);
    if record.retries <= 0 {
        no_retries(turn, key);
    } else if !waits {
        work::offer(turn, key);
    }
    let Some(job) = turn.state.jobs.get(key) else { return Ok(Outcome::Held) };
    job_event(job, record.variables, intents::FAILED)
}

fn no_retries(turn: &mut Turn<'_>, key: Key) {
    let Some(job) = turn.state.jobs.get(key) else { return };
    let element_instance = job.element_instance;
    let message = match job.error_message.as_str() {
        "" => format!("no retries left for job {key}"),
        message => message.to_owned(),
    };
    incident::raise(turn, element_instance, IncidentKind::JobNoRetries, message, Some(key));
}

/// JOB THROW_ERROR.
pub fn throw_error(turn: &mut Turn<'_>, command: &CommandInput) -> Processed {
    let record = JobRecord::from_bytes(&command.value)?;
    let variables = entries(&record.variables)?;
    let mut job = in_work(turn, command, "throw an error for")?.clone();
    check_size(turn, &record.variables)?;
    job.error_code = record.error_code;
    job.error_message = record.error_message;
    match element::find_error_catcher(turn, job.element_instance, &job.error_code) {
        Some(catcher) => {
            turn.emit(Event::JobRemoved { key: job.key, element_instance: job.element_instance });
            element::catch_error(turn, catcher, variables);
        }
        None => {
            uncaught(turn, &job);
            // Recorded: grpc/throw-error-unhandled.
            job.element_id = "NO_CATCH_EVENT_FOUND".into();
        }
    }
    job_event(&job, record.variables, intents::ERROR_THROWN)
}

fn uncaught(turn: &mut Turn<'_>, job: &Job) {
    let (code, message) = (job.error_code.clone(), job.error_message.clone());
    turn.emit(Event::JobErrorUncaught { key: job.key, code, message });
    let message = match job.error_message.as_str() {
        "" => format!("no boundary event catches error '{}'", job.error_code),
        text => format!("no boundary event catches error '{}': {text}", job.error_code),
    };
    let kind = IncidentKind::UnhandledErrorEvent;
    incident::raise(turn, job.element_instance, kind, message, Some(job.key));
}

fn check_retries(key: Key, retries: i32) -> Result<(), super::Refusal> {
    if retries > 0 {
        return Ok(());
    }
    let reason = format!(
        "Expected to update retries for job with key '{key}' with a positive amount of retries, \
         but the amount given was '{retries}'"
    );
    reject(RejectionType::InvalidArgument, reason)
}

fn check_active(job: &Job) -> Result<(), super::Refusal> {
    if job.state == JobState::Activated {
        return Ok(());
    }
    let reason = format!(
        "Expected to update the timeout of job with key '{}', but it is not active",
        job.key
    );
    reject(RejectionType::InvalidState, reason)
}

/// JOB UPDATE_RETRIES.
pub fn update_retries(turn: &mut Turn<'_>, command: &CommandInput) -> Processed {
    let record = JobRecord::from_bytes(&command.value)?;
    let key = existing(turn, command, "update")?.key;
    check_retries(key, record.retries)?;
    updated(turn, key, Some(record.retries), None, intents::RETRIES_UPDATED)
}

/// JOB UPDATE_TIMEOUT.
pub fn update_timeout(turn: &mut Turn<'_>, command: &CommandInput) -> Processed {
    let record = JobRecord::from_bytes(&command.value)?;
    let job = existing(turn, command, "update")?;
    check_active(job)?;
    updated(turn, job.key, None, Some(record.timeout), intents::TIMEOUT_UPDATED)
}

/// JOB UPDATE: retries, timeout, or both, as the changed attributes say.
pub fn update(turn: &mut Turn<'_>, command: &CommandInput) -> Processed {
    let record = JobRecord::from_bytes(&command.value)?;
    let job = existing(turn, command, "update")?;
    let changes = |name: &str| record.changed_attributes.iter().any(|changed| changed == name);
    let (retries, timeout) = (changes("retries"), changes("timeout"));
    if retries {
        check_retries(job.key, record.retries)?;
    }
    if timeout {
        check_active(job)?;
    }
    let retries = retries.then_some(record.retries);
    let timeout = timeout.then_some(record.timeout);
    updated(turn, job.key, retries, timeout, intents::UPDATED)
}

fn updated(
    turn: &mut Turn<'_>,
    key: Key,
    retries: Option<i32>,
    timeout: Option<i64>,
    intent: u8,
) -> Processed {
    let deadline = timeout.map(|timeout| turn.now + Millis(timeout));
    turn.emit(Event::JobUpdated { key, retries, deadline });
    let Some(job) = turn.state.jobs.get(key) else { return Ok(Outcome::Held) };
    job_event(job, Document::empty(), intent)
}
