//! Handing jobs to workers.

use std::sync::Arc;

use super::api::StreamId;
use super::event::Event;
use super::incident;
use super::scope;
use super::state::{IncidentKind, Job, JobState};
use super::turn::Turn;
use crate::model::{Key, Millis};
use crate::wire::record::{JobRecord, Property};

/// Gives a job that just became activatable to a stream that wants it, or announces it.
pub fn offer(turn: &mut Turn<'_>, key: Key) {
    let Some((job_type, tenant)) = activatable(turn, key) else { return };
    let stream = turn.streams.next(&job_type, &tenant).map(|stream| {
        let worker: Arc<str> = Arc::from(stream.worker.as_str());
        (stream.id, worker, stream.timeout_ms, stream.fetch_variables.clone())
    });
    match stream {
        Some((id, worker, timeout_ms, fetch)) => push(turn, key, id, worker, timeout_ms, &fetch),
        None => turn.jobs_available(&job_type),
    }
}

fn activatable(turn: &Turn<'_>, key: Key) -> Option<(Arc<str>, Arc<str>)> {
    let job = turn.state.jobs.get(key).filter(|job| job.state == JobState::Activatable)?;
    Some((job.job_type.clone(), job.definition.tenant.clone()))
}

fn push(
    turn: &mut Turn<'_>,
    key: Key,
    stream: StreamId,
    worker: Arc<str>,
    timeout_ms: i64,
    fetch: &[String],
) {
    let deadline = turn.now + Millis(timeout_ms);
    let Some(job) = turn.state.jobs.get(key) else { return };
    let record = activated_record(turn, job, &worker, deadline, fetch);
    let size = record.encoded_len();
    if size > turn.config.max_record_bytes {
        return block_oversized(turn, key, size);
    }
    turn.emit(Event::JobsActivated { keys: vec![key], worker, deadline });
    turn.push_job(stream, key, record);
}

/// The job as the worker that takes it now will see it.
pub fn activated_record(
    turn: &Turn<'_>,
    job: &Job,
    worker: &str,
    deadline: Millis,
    fetch: &[String],
) -> JobRecord {
    let variables = scope::collect(turn.state, job.element_instance, fetch);
    let mut record = job.to_record(variables);
    worker.clone_into(&mut record.worker);
    record.deadline = deadline.0;
    record
}

/// Keeps a job that no message can carry from being activated again and again.
pub fn block_oversized(turn: &mut Turn<'_>, key: Key, size: usize) {
    let limit = turn.config.max_record_bytes;
    let Some(job) = turn.state.jobs.get(key) else { return };
    let element_instance = job.element_instance;
    turn.emit(Event::JobBlocked { key });
    let message = format!(
        "job {key} takes {size} bytes with its variables, more than the {limit} of a message; \
         fetch fewer variables or make them smaller"
    );
    let kind = IncidentKind::MessageSizeExceeded;
    incident::raise(turn, element_instance, kind, message, Some(key));
}

/// Makes a job activatable again and finds it a worker.
pub fn reactivate(turn: &mut Turn<'_>, key: Key) {
    turn.emit(Event::JobActivatable { key });
    offer(turn, key);
}

/// Takes a job back from a stream that did not accept it.
pub fn push_failed(turn: &mut Turn<'_>, key: Key) {
    let job = turn.state.jobs.get(key).filter(|job| job.state == JobState::Activated);
    let Some(job_type) = job.map(|job| job.job_type.clone()) else { return };
    turn.emit(Event::JobActivatable { key });
    // Announced, not pushed again: the stream that just refused it would be the next choice.
    turn.jobs_available(&job_type);
}
