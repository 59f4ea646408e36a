//! Variables: names and MsgPack values, by scope.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use bytes::Bytes;

use crate::model::Key;
use crate::wire::DecodeError;
use crate::wire::msgpack::Reader;
use crate::wire::record::Document;

/// A variable's name. Shorter names come first: that is the order of a JVM broker's documents
/// (recorded: grpc/create-with-result).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(pub Box<str>);

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Names and values of a document.
pub type Entries = Vec<(Name, Bytes)>;

/// Takes a document apart. Of a repeated name the last value counts.
///
/// # Errors
/// When it is not one MsgPack map with text for keys.
pub fn entries(document: &Document) -> Result<Entries, DecodeError> {
    if document.is_empty() {
        return Ok(Vec::new());
    }
    // One copy for all values: a view would keep the network buffer of the command alive.
    let bytes = Bytes::copy_from_slice(document.as_msgpack());
    let mut input = Reader::new(&bytes);
    let mut entries = Vec::new();
    for _ in 0..input.map()? {
        let name = Name(input.str()?.into());
        entries.push((name, input.raw()?));
    }
    Ok(entries)
}

/// Puts a document together with the header width that a JVM broker's engine uses
/// (command-api §2.1).
#[must_use]
pub fn document<'a>(entries: impl IntoIterator<Item = (&'a Name, &'a Bytes)>) -> Document {
    let mut body = crate::wire::msgpack::Writer::with_capacity(128);
    body.raw(&[0xdf, 0, 0, 0, 0]);
    let mut count: u32 = 0;
    for (name, value) in entries {
        body.str(&name.0);
        body.raw(value);
        count += 1;
    }
    let mut bytes = Vec::from(body.finish());
    bytes[1..5].copy_from_slice(&count.to_be_bytes());
    Document::from_msgpack(bytes.into()).expect("begins with a map header")
}

/// The variables of all scopes of a partition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Variables {
    by_scope: BTreeMap<Key, BTreeMap<Name, Bytes>>,
}

impl Variables {
    /// The variables of one scope alone.
    pub fn local(&self, scope: Key) -> impl Iterator<Item = (&Name, &Bytes)> {
        self.by_scope.get(&scope).into_iter().flatten()
    }

    /// A variable of one scope alone.
    #[must_use]
    pub fn get(&self, scope: Key, name: &Name) -> Option<&Bytes> {
        self.by_scope.get(&scope)?.get(name)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_scope.values().map(BTreeMap::len).sum()
    }

    /// Sets variables of a scope.
    pub fn set(&mut self, scope: Key, entries: Entries) {
        if !entries.is_empty() {
            self.by_scope.entry(scope).or_default().extend(entries);
        }
    }

    /// Forgets a scope.
    pub fn remove_scope(&mut self, scope: Key) {
        self.by_scope.remove(&scope);
    }
}
