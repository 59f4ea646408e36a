//! Deployed process definitions, by key and by process id and version.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::broker::bpmn::Process;
use crate::model::Key;

/// A deployed process.
#[derive(Debug)]
pub struct Definition {
    /// Its key.
    pub key: Key,
    /// Counted from 1 per process id and tenant.
    pub version: i32,
    /// The tenant it belongs to.
    pub tenant: Arc<str>,
    /// The deployment that brought it.
    pub deployment_key: Key,
    /// Name of the file it came in.
    pub resource_name: String,
    /// MD5 of that file.
    pub checksum: [u8; 16],
    /// What is executed.
    pub process: Process,
}

impl Definition {
    /// The process id.
    #[must_use]
    pub fn process_id(&self) -> &str {
        &self.process.id
    }
}

/// Keys are unique and definitions never change, so the key says it all.
impl PartialEq for Definition {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.checksum == other.checksum
    }
}

/// The versions of one process id in one tenant.
#[derive(Clone, Debug, Default, PartialEq)]
struct Versions {
    by_number: BTreeMap<i32, Arc<Definition>>,
    /// The highest number ever given; deleting a version does not free its number.
    highest: i32,
}

/// All definitions a partition knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Definitions {
    by_key: BTreeMap<Key, Arc<Definition>>,
    by_id: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Versions>>,
}

impl Definitions {
    /// The definition with this key, if `tenant` has it.
    #[must_use]
    pub fn get(&self, key: Key, tenant: &str) -> Option<&Arc<Definition>> {
        self.by_key.get(&key).filter(|definition| &*definition.tenant == tenant)
    }

    /// The definition with this key, whoever has it.
    #[must_use]
    pub fn of_any_tenant(&self, key: Key) -> Option<&Arc<Definition>> {
        self.by_key.get(&key)
    }

    fn versions(&self, tenant: &str, process_id: &str) -> Option<&Versions> {
        self.by_id.get(tenant)?.get(process_id)
    }

    /// The newest version of a process.
    #[must_use]
    pub fn latest(&self, tenant: &str, process_id: &str) -> Option<&Arc<Definition>> {
        self.versions(tenant, process_id)?.by_number.last_key_value().map(|(_, latest)| latest)
    }

    /// A version of a process.
    #[must_use]
    pub fn version(
        &self,
        tenant: &str,
        process_id: &str,
        version: i32,
    ) -> Option<&Arc<Definition>> {
        self.versions(tenant, process_id)?.by_number.get(&version)
    }

    /// The number the next version of a process gets.
    #[must_use]
    pub fn next_version(&self, tenant: &str, process_id: &str) -> i32 {
        self.versions(tenant, process_id).map_or(0, |versions| versions.highest) + 1
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Adds a definition.
    pub fn insert(&mut self, definition: Arc<Definition>) {
        let by_id = self.by_id.entry(definition.tenant.clone()).or_default();
        let versions = by_id.entry(definition.process_id().into()).or_default();
        versions.highest = versions.highest.max(definition.version);
        versions.by_number.insert(definition.version, definition.clone());
        self.by_key.insert(definition.key, definition);
    }

    /// Removes a definition; running instances keep theirs.
    pub fn remove(&mut self, key: Key) {
        let Some(definition) = self.by_key.remove(&key) else { return };
        let versions = self
            .by_id
            .get_mut(&definition.tenant)
            .and_then(|by_id| by_id.get_mut(definition.process_id()));
        if let Some(versions) = versions {
            versions.by_number.remove(&definition.version);
        }
    }
}
