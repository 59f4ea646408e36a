//! Messages that element instances of this partition wait for. The subscriptions themselves are
//! on the partition of the correlation key.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::messages::SubscriptionId;
use crate::broker::bpmn::ElementIndex;
use crate::model::{Key, PartitionId};

/// An element instance waits for a message.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageWait {
    /// Who waits, for a message of which name.
    pub id: SubscriptionId,
    /// The event that is triggered: the catch event itself, or a boundary event.
    pub event: ElementIndex,
    /// The partition with the subscription.
    pub partition: PartitionId,
    /// Whether the first message ends the wait.
    pub interrupting: bool,
}

/// All waits of a partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Waits {
    by_id: BTreeMap<SubscriptionId, MessageWait>,
}

impl Waits {
    /// The wait with this identity.
    #[must_use]
    pub fn get(&self, id: &SubscriptionId) -> Option<&MessageWait> {
        self.by_id.get(id)
    }

    /// Everything an element instance waits for.
    pub fn of_element_instance(&self, element_instance: Key) -> Vec<MessageWait> {
        let start = SubscriptionId { element_instance, name: Arc::from("") };
        let waits = self.by_id.range(start..).map(|(_, wait)| wait);
        waits.take_while(|wait| wait.id.element_instance == element_instance).cloned().collect()
    }

    /// Adds a wait.
    pub fn insert(&mut self, wait: MessageWait) {
        self.by_id.insert(wait.id.clone(), wait);
    }

    /// Removes a wait.
    pub fn remove(&mut self, id: &SubscriptionId) {
        self.by_id.remove(id);
    }
}
