//! Handing a batch of jobs to a worker.

use std::sync::Arc;

use super::{Processed, Refusal, event, reject};
use crate::broker::engine::api::{CommandInput, Tenants};
use crate::broker::engine::event::Event;
use crate::broker::engine::turn::Turn;
use crate::broker::engine::work;
use crate::model::intent::job_batch;
use crate::model::{DEFAULT_TENANT, Key, Millis, RejectionType, ValueType};
use crate::wire::record::{JobBatchRecord, JobRecord, Property, Record};

/// Room for the batch's own properties, beside its jobs.
const BATCH_OVERHEAD_BYTES: usize = 512;
/// Room for a job's key and the header of the array it is in.
const KEY_BYTES: usize = 10;

/// JOB_BATCH ACTIVATE.
pub fn activate(turn: &mut Turn<'_>, command: &CommandInput) -> Processed {
    let mut record = JobBatchRecord::from_bytes(&command.value)?;
    validate(&record)?;
    let deadline = turn.now + Millis(record.timeout);
    let batch = take(turn, &record, &command.tenants, deadline, command.value.len());
    let Batch { keys, jobs, oversized, truncated } = batch;
    // Nothing is written for an empty batch: idle workers must not fill a journal. The key of a
    // batch is used by nobody.
    let key = turn.new_key();
    if !keys.is_empty() {
        turn.emit(Event::KeyUsed { key });
        let worker = Arc::from(record.worker.as_str());
        turn.emit(Event::JobsActivated { keys: keys.clone(), worker, deadline });
    }
    if let Some((job, size)) = oversized {
        work::block_oversized(turn, job, size);
    }
    record.job_keys = keys.iter().map(|key| key.0).collect();
    record.jobs = jobs;
    record.truncated = truncated;
    event(key, ValueType::JobBatch, job_batch::ACTIVATED, &record)
}

fn validate(record: &JobBatchRecord) -> Result<(), Refusal> {
    // A type of blanks is a type, whatever the text says (a recorded broker takes it).
    let problem = if record.job_type.is_empty() {
        "type to be present, but it was blank".to_owned()
    } else if record.timeout < 1 {
        format!("timeout to be greater than zero, but it was '{}'", record.timeout)
    } else if record.max_jobs_to_activate < 1 {
        let max = record.max_jobs_to_activate;
        format!("max jobs to activate to be greater than zero, but it was '{max}'")
    } else {
        return Ok(());
    };
    reject(RejectionType::InvalidArgument, format!("Expected to activate job batch with {problem}"))
}

struct Batch {
    keys: Vec<Key>,
    jobs: Vec<JobRecord>,
    /// A job that no batch can carry, and its size.
    oversized: Option<(Key, usize)>,
    /// Whether jobs were left out because the batch is full.
    truncated: bool,
}

/// Takes jobs, oldest first, until there are enough or the record is full.
fn take(
    turn: &Turn<'_>,
    wanted: &JobBatchRecord,
    granted: &Tenants,
    deadline: Millis,
    command_bytes: usize,
) -> Batch {
    let max = usize::try_from(wanted.max_jobs_to_activate).unwrap_or(0);
    let overhead = BATCH_OVERHEAD_BYTES + command_bytes;
    let mut batch = Batch { keys: Vec::new(), jobs: Vec::new(), oversized: None, truncated: false };
    let tenants = tenants(wanted, granted);
    let mut bytes = overhead;
    for key in turn.state.jobs.activatable(&wanted.job_type, &tenants, max) {
        let Some(job) = turn.state.jobs.get(key) else { continue };
        let record = work::activated_record(turn, job, &wanted.worker, deadline, &wanted.variables);
        let size = record.encoded_len() + KEY_BYTES;
        if bytes + size > turn.config.max_record_bytes {
            batch.truncated = true;
            if overhead + size > turn.config.max_record_bytes {
                batch.oversized = Some((key, size));
            }
            break;
        }
        bytes += size;
        batch.keys.push(key);
        batch.jobs.push(record);
    }
    batch
}

/// The tenants asked for that the caller may see; none named means the default tenant
/// (command-api §2.6).
fn tenants<'a>(wanted: &'a JobBatchRecord, granted: &Tenants) -> Vec<&'a str> {
    let named = wanted.tenant_ids.iter().map(String::as_str);
    let wanted: Vec<&str> = match wanted.tenant_ids.is_empty() {
        true => vec![DEFAULT_TENANT],
        false => named.collect(),
    };
    wanted.into_iter().filter(|tenant| granted.contains(tenant)).collect()
}
