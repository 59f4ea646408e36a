//! Element instances: the tokens of running processes and the scopes they live in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::definitions::Definition;
use super::variables::Entries;
use crate::broker::bpmn::{ElementIndex, FlowIndex};
use crate::model::Key;

/// Where an element instance is in its life. See `LIFECYCLE.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It exists; its input is being prepared. An incident may hold it here.
    Activating,
    /// It does its work or waits.
    Active,
    /// Its work is done; its output is being handed over. An incident may hold it here.
    Completing,
    /// It is being ended from outside and waits for what it contains.
    Terminating,
}

/// What replaces an element that is being interrupted.
#[derive(Clone, Debug, PartialEq)]
pub struct Interruption {
    /// The event that goes on: a boundary event, or one that follows an event-based gateway.
    pub event: ElementIndex,
    /// What the event carried.
    pub variables: Entries,
}

/// One execution of an element.
#[derive(Clone, Debug, PartialEq)]
pub struct ElementInstance {
    /// Its key; the key of a process instance is the key of the process element's instance.
    pub key: Key,
    /// Which element of the process.
    pub element: ElementIndex,
    /// The process.
    pub definition: Arc<Definition>,
    /// The process instance.
    pub process_instance: Key,
    /// The containing sub-process or process; none for the process itself.
    pub scope: Option<Key>,
    /// Where it is in its life.
    pub phase: Phase,
    /// How many element instances it contains.
    pub children: usize,
    /// How often each flow inside it was taken without its target having begun. At a joining
    /// gateway such tokens may wait for long.
    pub tokens: BTreeMap<FlowIndex, usize>,
    /// Its job.
    pub job: Option<Key>,
    /// What goes on in its place once it has ended.
    pub interruption: Option<Interruption>,
    /// Whether it was begun by the very event it stands for; what that carried is local to it.
    pub triggered: bool,
}

impl ElementInstance {
    /// A process instance, about to begin.
    #[must_use]
    pub fn process(key: Key, definition: Arc<Definition>) -> Self {
        Self {
            key,
            element: ElementIndex::PROCESS,
            definition,
            process_instance: key,
            scope: None,
            phase: Phase::Activating,
            children: 0,
            tokens: BTreeMap::new(),
            job: None,
            interruption: None,
            triggered: false,
        }
    }

    /// An instance of `element` in `scope`, about to begin. It has no key yet.
    #[must_use]
    pub fn inside(scope: &ElementInstance, element: ElementIndex) -> Self {
        Self {
            element,
            process_instance: scope.process_instance,
            scope: Some(scope.key),
            ..Self::process(Key::NONE, scope.definition.clone())
        }
    }
}

/// All element instances of a partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Elements {
    by_key: BTreeMap<Key, ElementInstance>,
    children: BTreeSet<(Key, Key)>,
    processes: usize,
}

impl Elements {
    /// The element instance with this key.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&ElementInstance> {
        self.by_key.get(&key)
    }

    /// Keys of what a scope contains, oldest first.
    #[must_use]
    pub fn children(&self, scope: Key) -> Vec<Key> {
        let range = (scope, Key(i64::MIN))..=(scope, Key(i64::MAX));
        self.children.range(range).map(|(_, child)| *child).collect()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// How many process instances run.
    #[must_use]
    pub fn process_instances(&self) -> usize {
        self.processes
    }

    /// Keys of the running process instances, oldest first.
    #[cfg(test)]
    pub fn process_instance_keys(&self) -> Vec<Key> {
        let roots = self.by_key.values().filter(|instance| instance.scope.is_none());
        roots.map(|instance| instance.key).collect()
    }

    /// Adds an element instance and counts it in its scope.
    pub fn insert(&mut self, instance: ElementInstance) {
        match instance.scope {
            Some(scope) => {
                self.children.insert((scope, instance.key));
                self.update(scope, |scope| scope.children += 1);
            }
            None => self.processes += 1,
        }
        self.by_key.insert(instance.key, instance);
    }

    /// Changes an element instance. An unknown key is ignored.
    pub fn update(&mut self, key: Key, change: impl FnOnce(&mut ElementInstance)) {
        if let Some(instance) = self.by_key.get_mut(&key) {
            change(instance);
        }
    }

    /// Removes an element instance and counts it out of its scope.
    pub fn remove(&mut self, key: Key) {
        let Some(instance) = self.by_key.remove(&key) else { return };
        match instance.scope {
            Some(scope) => {
                self.children.remove(&(scope, key));
                self.update(scope, |scope| scope.children = scope.children.saturating_sub(1));
            }
            None => self.processes -= 1,
        }
    }
}
