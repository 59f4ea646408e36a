//! Jobs: what workers take, and which of them can be taken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use super::definitions::Definition;
use super::schedule::{Due, Schedule};
use crate::model::{Key, Millis};
use crate::wire::record::{Document, JobRecord, RawValue};

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// A worker can take it.
    Activatable,
    /// A worker has it until its deadline.
    Activated,
    /// It failed: it waits for its back-off, or for an incident to be resolved.
    Failed,
    /// An error was thrown that nothing catches; an incident is open.
    ErrorThrown,
}

impl JobState {
    /// The state's name in rejections.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Activatable => "ACTIVATABLE",
            Self::Activated => "ACTIVATED",
            Self::Failed => "FAILED",
            Self::ErrorThrown => "ERROR_THROWN",
        }
    }
}

/// A job.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its key.
    pub key: Key,
    /// Where it is in its life.
    pub state: JobState,
    /// What kind of work it is.
    pub job_type: Arc<str>,
    /// How many attempts are left.
    pub retries: i32,
    /// Static data for the worker: one MsgPack map.
    pub headers: Bytes,
    /// Who holds it, or held it last.
    pub worker: Arc<str>,
    /// Until when the worker holds it.
    pub deadline: Option<Millis>,
    /// The wait that the last failure asked for, milliseconds.
    pub backoff_ms: i64,
    /// When that wait is over.
    pub recurs_at: Option<Millis>,
    /// The last failure's or error's message.
    pub error_message: String,
    /// The last error's code.
    pub error_code: String,
    /// The process.
    pub definition: Arc<Definition>,
    /// The process instance.
    pub process_instance: Key,
    /// Id of the element it was created for.
    pub element_id: Arc<str>,
    /// The instance of that element.
    pub element_instance: Key,
}

impl Job {
    /// The job as workers and replies see it, with these variables.
    #[must_use]
    pub fn to_record(&self, variables: Document) -> JobRecord {
        JobRecord {
            deadline: self.deadline.map_or(-1, |deadline| deadline.0),
            worker: self.worker.to_string(),
            retries: self.retries,
            retry_backoff: self.backoff_ms,
            recurring_time: self.recurs_at.map_or(-1, |at| at.0),
            job_type: self.job_type.to_string(),
            custom_headers: RawValue(self.headers.clone()),
            variables,
            error_message: self.error_message.clone(),
            error_code: self.error_code.clone(),
            bpmn_process_id: self.definition.process_id().to_owned(),
            process_definition_version: self.definition.version,
            process_definition_key: self.definition.key.0,
            process_instance_key: self.process_instance.0,
            element_id: self.element_id.to_string(),
            element_instance_key: self.element_instance.0,
            tenant_id: self.definition.tenant.to_string(),
            ..JobRecord::default()
        }
    }
}

/// Jobs of one type and tenant that can be taken, by type and tenant.
type Activatable = BTreeMap<Arc<str>, BTreeMap<Arc<str>, BTreeSet<Key>>>;

/// All jobs of a partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Jobs {
    by_key: BTreeMap<Key, Job>,
    activatable: Activatable,
    activated: usize,
}

impl Jobs {
    /// The job with this key.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&Job> {
        self.by_key.get(&key)
    }

    /// Keys of at most `max` jobs a worker can take, oldest first, of one type and these tenants.
    #[must_use]
    pub fn activatable(&self, job_type: &str, tenants: &[&str], max: usize) -> Vec<Key> {
        let Some(by_tenant) = self.activatable.get(job_type) else { return Vec::new() };
        let sets = tenants.iter().filter_map(|tenant| by_tenant.get(*tenant));
        let mut keys: Vec<Key> = sets.flat_map(|keys| keys.iter().take(max)).copied().collect();
        if tenants.len() > 1 {
            keys.sort_unstable();
            keys.dedup();
            keys.truncate(max);
        }
        keys
    }

    /// How many jobs are activatable, activated, and neither.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, usize) {
        let sets = self.activatable.values().flat_map(BTreeMap::values);
        let activatable: usize = sets.map(BTreeSet::len).sum();
        (activatable, self.activated, self.by_key.len() - activatable - self.activated)
    }

    /// Adds a job.
    pub fn insert(&mut self, job: Job, schedule: &mut Schedule) {
        self.enter(&job, schedule);
        self.by_key.insert(job.key, job);
    }

    /// Changes a job, keeping the indices right. An unknown key is ignored: the event's job was
    /// removed by an earlier event.
    pub fn update(&mut self, key: Key, schedule: &mut Schedule, change: impl FnOnce(&mut Job)) {
        if let Some(mut job) = self.remove(key, schedule) {
            change(&mut job);
            self.insert(job, schedule);
        }
    }

    /// Removes a job.
    pub fn remove(&mut self, key: Key, schedule: &mut Schedule) -> Option<Job> {
        let job = self.by_key.remove(&key)?;
        self.leave(&job, schedule);
        Some(job)
    }

    fn enter(&mut self, job: &Job, schedule: &mut Schedule) {
        match job.state {
            JobState::Activatable => {
                let by_tenant = self.activatable.entry(job.job_type.clone()).or_default();
                let keys = by_tenant.entry(job.definition.tenant.clone()).or_default();
                keys.insert(job.key);
            }
            JobState::Activated => {
                self.activated += 1;
                if let Some(deadline) = job.deadline {
                    schedule.add(deadline, Due::JobTimeout(job.key));
                }
            }
            JobState::Failed => {
                if let Some(at) = job.recurs_at {
                    schedule.add(at, Due::JobBackoff(job.key));
                }
            }
            JobState::ErrorThrown => {}
        }
    }

    fn leave(&mut self, job: &Job, schedule: &mut Schedule) {
        match job.state {
            JobState::Activatable => self.leave_activatable(job),
            JobState::Activated => {
                self.activated -= 1;
                if let Some(deadline) = job.deadline {
                    schedule.remove(deadline, Due::JobTimeout(job.key));
                }
            }
            JobState::Failed => {
                if let Some(at) = job.recurs_at {
                    schedule.remove(at, Due::JobBackoff(job.key));
                }
            }
            JobState::ErrorThrown => {}
        }
    }

    /// Empty sets are dropped: job types come from clients and may be many.
    fn leave_activatable(&mut self, job: &Job) {
        let Some(by_tenant) = self.activatable.get_mut(&job.job_type) else { return };
        if let Some(keys) = by_tenant.get_mut(&job.definition.tenant) {
            keys.remove(&job.key);
            if keys.is_empty() {
                by_tenant.remove(&job.definition.tenant);
            }
        }
        if by_tenant.is_empty() {
            self.activatable.remove(&job.job_type);
        }
    }
}
