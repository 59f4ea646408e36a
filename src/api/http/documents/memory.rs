//! Documents in memory, until the process ends.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::store::{Content, Document, Identity, Room, StoreError};
use crate::model::Millis;

/// The documents by id.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<HashMap<String, Held>>);

#[derive(Debug)]
struct Held {
    identity: Identity,
    content: Bytes,
    /// Free again when the document is dropped.
    _room: Room,
}

impl Held {
    fn expired(&self, now: Millis) -> bool {
        self.identity.metadata.expired(now)
    }
}

impl Memory {
    fn held(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn insert(
        &self,
        identity: Identity,
        content: Bytes,
        room: Room,
        now: Millis,
    ) -> Result<(), StoreError> {
        match self.held().entry(identity.id.clone()) {
            Entry::Occupied(old) if !old.get().expired(now) => return Err(StoreError::Exists),
            entry => drop(entry.insert_entry(Held { identity, content, _room: room })),
        }
        Ok(())
    }

    pub(super) fn read(&self, id: &str, now: Millis) -> Result<Document, StoreError> {
        let held = self.held();
        let found = held.get(id).filter(|document| !document.expired(now));
        let found = found.ok_or(StoreError::NotFound)?;
        let content = Content::Memory(found.content.clone());
        Ok(Document { identity: found.identity.clone(), content })
    }

    pub(super) fn delete(&self, id: &str, now: Millis) -> Result<(), StoreError> {
        let removed = self.held().remove(id).filter(|document| !document.expired(now));
        removed.map(drop).ok_or(StoreError::NotFound)
    }

    pub(super) fn sweep(&self, now: Millis) {
        self.held().retain(|_, document| !document.expired(now));
    }
}
