//! Published messages and the subscriptions that wait for them: what the partition of a
//! correlation key keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::schedule::{Due, Schedule};
use crate::broker::engine::api::RequestId;
use crate::model::{Key, Millis, PartitionId};
use crate::wire::record::Document;

/// Under which name messages and subscriptions find each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The tenant.
    pub tenant: Arc<str>,
    /// The message's name.
    pub name: Arc<str>,
    /// The correlation key.
    pub correlation_key: Arc<str>,
}

/// Identity of a subscription: an element instance waits for a message of one name only once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SubscriptionId {
    /// The element instance that waits, or whose boundary event does.
    pub element_instance: Key,
    /// The message's name.
    pub name: Arc<str>,
}

/// A published message.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its key.
    pub key: Key,
    /// Where it is sent to.
    pub address: Address,
    /// Unique per address while the message is buffered; may be empty.
    pub message_id: String,
    /// What it carries.
    pub variables: Document,
    /// Until when it is buffered. A message without is gone once its publication is processed.
    pub expires: Option<Millis>,
    /// Processes that got it: each gets it once at most.
    pub correlated: BTreeSet<Arc<str>>,
    /// How many of these have not said yet whether they took it.
    pub pending: usize,
    /// The request that waits for its correlation.
    pub request: Option<RequestId>,
}

/// An element instance's wish for a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Subscription {
    /// Order among the subscriptions of an address: the oldest is served first.
    pub key: Key,
    /// Who waits for what.
    pub id: SubscriptionId,
    /// The message wished for.
    pub address: Address,
    /// The partition where the element instance lives.
    pub partition: PartitionId,
    /// The process instance.
    pub process_instance: Key,
    /// The process.
    pub process_id: Arc<str>,
    /// Whether the first message ends it.
    pub interrupting: bool,
    /// The message on its way to the element instance; no other is sent meanwhile.
    pub correlating: Option<Key>,
}

/// Messages and subscriptions of a partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Messages {
    by_key: BTreeMap<Key, Message>,
    by_address: BTreeMap<Address, BTreeSet<Key>>,
    ids: BTreeSet<(Address, String)>,
    subscriptions: BTreeMap<Key, Subscription>,
    subscriptions_by_address: BTreeMap<Address, BTreeSet<Key>>,
    subscriptions_by_id: BTreeMap<SubscriptionId, Key>,
}

impl Messages {
    /// The message with this key.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<&Message> {
        self.by_key.get(&key)
    }

    /// Messages to an address, oldest first.
    pub fn at<'a>(&'a self, address: &Address) -> impl Iterator<Item = &'a Message> + use<'a> {
        let keys = self.by_address.get(address).into_iter().flatten();
        keys.filter_map(|key| self.by_key.get(key))
    }

    /// Whether a message with this id is buffered.
    #[must_use]
    pub fn has_id(&self, address: &Address, message_id: &str) -> bool {
        self.ids.contains(&(address.clone(), message_id.to_owned()))
    }

    /// How many messages there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// How many of them have a request waiting.
    #[must_use]
    pub fn held_requests(&self) -> usize {
        self.by_key.values().filter(|message| message.request.is_some()).count()
    }

    /// Adds a message.
    pub fn insert(&mut self, message: Message, schedule: &mut Schedule) {
        if let Some(expires) = message.expires {
            schedule.add(expires, Due::MessageExpiry(message.key));
        }
        if !message.message_id.is_empty() {
            self.ids.insert((message.address.clone(), message.message_id.clone()));
        }
        self.by_address.entry(message.address.clone()).or_default().insert(message.key);
        self.by_key.insert(message.key, message);
    }

    /// Changes what does not touch the indices: the processes reached, the waiting request.
    pub fn update(&mut self, key: Key, change: impl FnOnce(&mut Message)) {
        if let Some(message) = self.by_key.get_mut(&key) {
            change(message);
        }
    }

    /// Removes a message.
    pub fn remove(&mut self, key: Key, schedule: &mut Schedule) {
        let Some(message) = self.by_key.remove(&key) else { return };
        if let Some(expires) = message.expires {
            schedule.remove(expires, Due::MessageExpiry(key));
        }
        if let Some(keys) = self.by_address.get_mut(&message.address) {
            keys.remove(&key);
            if keys.is_empty() {
                self.by_address.remove(&message.address);
            }
        }
        if !message.message_id.is_empty() {
            self.ids.remove(&(message.address, message.message_id));
        }
    }

    /// Subscriptions of an address, oldest first.
    pub fn subscribers<'a>(
        &'a self,
        address: &Address,
    ) -> impl Iterator<Item = &'a Subscription> + use<'a> {
        let keys = self.subscriptions_by_address.get(address).into_iter().flatten();
        keys.filter_map(|key| self.subscriptions.get(key))
    }

    /// The subscription with this identity.
    #[must_use]
    pub fn subscription(&self, id: &SubscriptionId) -> Option<&Subscription> {
        self.subscriptions.get(self.subscriptions_by_id.get(id)?)
    }

    /// How many subscriptions there are.
    #[must_use]
    pub fn subscription_count(&self) -> usize {
        self.subscriptions.len()
    }

    /// Adds a subscription.
    pub fn subscribe(&mut self, subscription: Subscription) {
        let key = subscription.key;
        self.subscriptions_by_id.insert(subscription.id.clone(), key);
        let address = subscription.address.clone();
        self.subscriptions_by_address.entry(address).or_default().insert(key);
        self.subscriptions.insert(key, subscription);
    }

    /// Notes which message is on its way to a subscription, if any.
    pub fn set_correlating(&mut self, id: &SubscriptionId, message: Option<Key>) {
        let key = self.subscriptions_by_id.get(id);
        if let Some(subscription) = key.and_then(|key| self.subscriptions.get_mut(key)) {
            subscription.correlating = message;
        }
    }

    /// Removes a subscription.
    pub fn unsubscribe(&mut self, id: &SubscriptionId) {
        let Some(key) = self.subscriptions_by_id.remove(id) else { return };
        let Some(subscription) = self.subscriptions.remove(&key) else { return };
        if let Some(keys) = self.subscriptions_by_address.get_mut(&subscription.address) {
            keys.remove(&key);
            if keys.is_empty() {
                self.subscriptions_by_address.remove(&subscription.address);
            }
        }
    }
}
