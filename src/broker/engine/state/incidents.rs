//! Incidents: where processing stopped and a person has to act.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Key;

/// Why processing stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncidentKind {
    /// An input or output mapping failed.
    IoMapping,
    /// A job has no retries left.
    JobNoRetries,
    /// A condition failed, or none holds and there is no default flow.
    Condition,
    /// An expression gave a value of the wrong type.
    ExtractValue,
    /// An error was thrown that nothing catches.
    UnhandledErrorEvent,
    /// A job does not fit into one message.
    MessageSizeExceeded,
    /// The engine's own limits were reached.
    Unknown,
}

impl IncidentKind {
    /// The kind's name in records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::IoMapping => "IO_MAPPING_ERROR",
            Self::JobNoRetries => "JOB_NO_RETRIES",
            Self::Condition => "CONDITION_ERROR",
            Self::ExtractValue => "EXTRACT_VALUE_ERROR",
            Self::UnhandledErrorEvent => "UNHANDLED_ERROR_EVENT",
            Self::MessageSizeExceeded => "MESSAGE_SIZE_EXCEEDED",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// An open incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Incident {
    /// Its key.
    pub key: Key,
    /// Why.
    pub kind: IncidentKind,
    /// Why, in words.
    pub message: String,
    /// The element instance that stopped.
    pub element_instance: Key,
    /// The job that stopped it, if one did.
    pub job: Option<Key>,
    /// The scope whose variables matter for the repair.
    pub variable_scope: Key,
}

/// All open incidents of a partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Incidents {
    by_key: BTreeMap<Key, Incident>,
    by_element_instance: BTreeSet<(Key, Key)>,
}

impl Incidents {
    /// The incident with this key.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&Incident> {
        self.by_key.get(&key)
    }

    /// Keys of the incidents of an element instance.
    #[must_use]
    pub fn of_element_instance(&self, element_instance: Key) -> Vec<Key> {
        let range = (element_instance, Key(i64::MIN))..=(element_instance, Key(i64::MAX));
        self.by_element_instance.range(range).map(|(_, incident)| *incident).collect()
    }

    /// All incidents, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Incident> {
        self.by_key.values()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Adds an incident.
    pub fn insert(&mut self, incident: Incident) {
        self.by_element_instance.insert((incident.element_instance, incident.key));
        self.by_key.insert(incident.key, incident);
    }

    /// Removes an incident.
    pub fn remove(&mut self, key: Key) {
        if let Some(incident) = self.by_key.remove(&key) {
            self.by_element_instance.remove(&(incident.element_instance, key));
        }
    }
}
