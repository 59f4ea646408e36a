//! Tasks that workers do.

use std::sync::Arc;

use super::{Context, Failure, expression};
use crate::broker::bpmn::JobTask;
use crate::broker::engine::event::Event;
use crate::broker::engine::state::{Job, JobState};
use crate::broker::engine::turn::Turn;
use crate::broker::engine::work;
use crate::model::Key;
use crate::wire::msgpack::Writer;

/// The job of a task, its key not given yet.
pub fn new_job(turn: &Turn<'_>, context: &Context, task: &JobTask) -> Result<Job, Failure> {
    Ok(Job {
        key: Key::NONE,
        state: JobState::Activatable,
        job_type: expression::text(turn, context.key, &task.job_type)?.into(),
        retries: expression::retries(turn, context.key, &task.retries)?,
        headers: headers(task),
        worker: Arc::from(""),
        deadline: None,
        backoff_ms: 0,
        recurs_at: None,
        error_message: String::new(),
        error_code: String::new(),
        definition: context.definition.clone(),
        process_instance: context.process_instance,
        element_id: context.element().id.as_str().into(),
        element_instance: context.key,
    })
}

fn headers(task: &JobTask) -> bytes::Bytes {
    let mut out = Writer::default();
    out.map(task.headers.len());
    for (key, value) in &task.headers {
        out.str(key);
        out.str(value);
    }
    out.finish()
}

/// Lets workers have the job.
pub fn create(turn: &mut Turn<'_>, job: Job) {
    let key = turn.new_key();
    turn.emit(Event::JobCreated { job: Box::new(Job { key, ..job }) });
    work::offer(turn, key);
}
