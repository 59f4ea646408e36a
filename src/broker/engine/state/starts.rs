//! Messages that start processes, and the instances that keep further ones from doing so.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::messages::Address;
use crate::broker::bpmn::ElementIndex;
use crate::model::Key;

/// A process that a message starts. Only its newest version listens.
#[derive(Clone, Debug, PartialEq)]
pub struct StartSubscription {
    /// The definition.
    pub definition: Key,
    /// The start event.
    pub event: ElementIndex,
    /// The tenant.
    pub tenant: Arc<str>,
    /// The process.
    pub process_id: Arc<str>,
    /// The message's name.
    pub name: Arc<str>,
}

/// Of one process, one instance at a time is started by messages of one correlation key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StartLock {
    /// The process.
    pub process_id: Arc<str>,
    /// What the message was sent to. The name counts too: see [`Starts::is_locked`].
    pub address: Address,
}

/// All start subscriptions and locks of a partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Starts {
    subscriptions: Vec<StartSubscription>,
    locked_by: BTreeMap<Key, StartLock>,
    locked: BTreeMap<LockKey, Key>,
}

/// Tenant, process and correlation key.
type LockKey = (Arc<str>, Arc<str>, Arc<str>);

fn lock_key(lock: &StartLock) -> LockKey {
    let Address { tenant, correlation_key, .. } = &lock.address;
    (tenant.clone(), lock.process_id.clone(), correlation_key.clone())
}

impl Starts {
    /// Who listens to messages of this name.
    pub fn listening<'a>(
        &'a self,
        tenant: &'a str,
        name: &'a str,
    ) -> impl Iterator<Item = &'a StartSubscription> {
        self.subscriptions.iter().filter(move |s| *s.tenant == *tenant && *s.name == *name)
    }

    /// Whether an instance started with the same correlation key, by a message of whatever name,
    /// is still running. The empty key locks nothing.
    #[must_use]
    pub fn is_locked(&self, lock: &StartLock) -> bool {
        self.locked.contains_key(&lock_key(lock))
    }

    /// What a process instance locks.
    #[must_use]
    pub fn lock_of(&self, process_instance: Key) -> Option<&StartLock> {
        self.locked_by.get(&process_instance)
    }

    /// Adds a subscription.
    pub fn open(&mut self, subscription: StartSubscription) {
        self.subscriptions.push(subscription);
    }

    /// Removes the subscriptions of a definition.
    pub fn close(&mut self, definition: Key) {
        self.subscriptions.retain(|subscription| subscription.definition != definition);
    }

    /// Lets a process instance lock its correlation key.
    pub fn lock(&mut self, process_instance: Key, lock: StartLock) {
        self.locked.insert(lock_key(&lock), process_instance);
        self.locked_by.insert(process_instance, lock);
    }

    /// Releases what a process instance locked.
    pub fn unlock(&mut self, process_instance: Key) {
        if let Some(lock) = self.locked_by.remove(&process_instance) {
            self.locked.remove(&lock_key(&lock));
        }
    }
}
