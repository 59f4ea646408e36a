//! Requests that are answered when their process instance ends.

use std::collections::BTreeMap;

use crate::broker::engine::api::RequestId;
use crate::model::Key;

/// Who waits, and for which variables.
#[derive(Clone, Debug, PartialEq)]
pub struct Awaiting {
    /// The request.
    pub request: RequestId,
    /// Names of the variables to return; empty means all.
    pub fetch_variables: Vec<String>,
}

/// All waiting requests, by process instance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Requests {
    by_process_instance: BTreeMap<Key, Awaiting>,
}

impl Requests {
    /// Who waits for this process instance.
    #[must_use]
    pub fn get(&self, process_instance: Key) -> Option<&Awaiting> {
        self.by_process_instance.get(&process_instance)
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_process_instance.len()
    }

    /// Adds a waiting request.
    pub fn insert(&mut self, process_instance: Key, awaiting: Awaiting) {
        self.by_process_instance.insert(process_instance, awaiting);
    }

    /// Removes a request that was answered.
    pub fn remove(&mut self, process_instance: Key) {
        self.by_process_instance.remove(&process_instance);
    }
}
