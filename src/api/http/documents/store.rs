//! The document store: where documents are, and how much room they take.
//!
//! Every document is first a [`Draft`], written piece by piece; storing it under its id is one step
//! that either happens or does not. Both kinds of store count into one [`Space`], so that neither
//! memory nor disk grows past `documents.max_total_size`.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::files::{FileDraft, Files};
use super::memory::Memory;
use super::metadata::Metadata;
use crate::clock::Clock;
use crate::config::{self, DocumentStore};
use crate::model::Millis;

/// What a document takes besides its content, id and metadata.
const OVERHEAD: u64 = 512;

/// Why something with a document failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    /// No such document, or it expired.
    #[error("no such document")]
    NotFound,
    /// There is a document of this id.
    #[error("there is a document of this id already")]
    Exists,
    /// The document is larger than allowed.
    #[error("the document is larger than documents.max_document_size, {0}")]
    TooLarge(u64),
    /// All documents together would be larger than allowed.
    #[error("no room: all documents together may take documents.max_total_size, {0}")]
    Full(u64),
    /// There is no store.
    #[error("this gateway keeps no documents: documents.store is none")]
    None,
    /// The file system failed.
    #[error("the document store failed: {0}")]
    Io(#[from] io::Error),
}

/// The store of this gateway.
#[derive(Debug)]
pub(in crate::api::http) struct Store {
    kind: Kind,
    space: Arc<Space>,
    document_max: u64,
    /// Held while expired documents are looked for.
    sweeping: tokio::sync::Mutex<()>,
    clock: Clock,
}

#[derive(Debug)]
enum Kind {
    Memory(Memory),
    Files(Files),
    None,
}

/// Who a document is.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) id: String,
    /// Bytes of its content.
    pub(super) size: u64,
    /// SHA-256 of its content, in hexadecimal.
    pub(super) hash: String,
    pub(super) metadata: Metadata,
}

/// A document that was found.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) identity: Identity,
    pub(super) content: Content,
}

/// The content of a document.
#[derive(Debug)]
pub(super) enum Content {
    /// All of it.
    Memory(Bytes),
    /// A file that begins with it.
    File(tokio::fs::File),
}

impl Store {
    /// Opens the configured store; the directory of a file store is created and looked through.
    pub(in crate::api::http) fn open(config: &config::Documents) -> io::Result<Self> {
        let clock = Clock::system();
        let space = Arc::new(Space { limit: config.max_total_size as u64, used: Mutex::default() });
        let kind = match config.store {
            DocumentStore::InMemory => Kind::Memory(Memory::default()),
            DocumentStore::File => {
                let files = Files::open(Path::new(&config.directory))?;
                space.set_on_disk(files.sweep(clock.now())?);
                Kind::Files(files)
            }
            DocumentStore::None => Kind::None,
        };
        let document_max = config.max_document_size as u64;
        Ok(Self { kind, space, document_max, sweeping: tokio::sync::Mutex::new(()), clock })
    }

    /// What requests call it; `None` without a store.
    pub(super) fn name(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Memory(_) => Some("in-memory"),
            Kind::Files(_) => Some("file"),
            Kind::None => None,
        }
    }

    /// Largest document, in bytes.
    pub(super) fn document_max(&self) -> u64 {
        self.document_max
    }

    /// Bytes of all documents together.
    pub(super) fn total_max(&self) -> u64 {
        self.space.limit
    }

    fn now(&self) -> Millis {
        self.clock.now()
    }

    /// Begins a document.
    pub(super) async fn begin(&self) -> Result<Draft, StoreError> {
        let room = self.room(OVERHEAD).await?;
        let body = match &self.kind {
            Kind::Memory(_) => DraftBody::Memory(Vec::new()),
            Kind::Files(files) => DraftBody::File(files.begin().await?),
            Kind::None => return Err(StoreError::None),
        };
        Ok(Draft { body, room, size: 0, hash: Sha256::new() })
    }

    /// Room for this many bytes; what expired makes room first.
    async fn room(&self, bytes: u64) -> Result<Room, StoreError> {
        let mut room = Room { space: self.space.clone(), bytes: 0 };
        self.grow(&mut room, bytes).await?;
        Ok(room)
    }

    async fn grow(&self, room: &mut Room, bytes: u64) -> Result<(), StoreError> {
        if room.grow(bytes).is_ok() {
            return Ok(());
        }
        self.sweep().await?;
        room.grow(bytes)
    }

    /// Appends a piece to a draft.
    pub(super) async fn write(&self, draft: &mut Draft, piece: Bytes) -> Result<(), StoreError> {
        let size = draft.size + piece.len() as u64;
        if size > self.document_max {
            return Err(StoreError::TooLarge(self.document_max));
        }
        self.grow(&mut draft.room, piece.len() as u64).await?;
        draft.size = size;
        draft.hash.update(&piece);
        match &mut draft.body {
            DraftBody::Memory(content) => content.extend_from_slice(&piece),
            DraftBody::File(file) => file.write(&piece).await?,
        }
        Ok(())
    }

    /// Stores a draft under an id that no other document has.
    pub(super) async fn commit(
        &self,
        draft: Draft,
        id: String,
        metadata: Metadata,
    ) -> Result<Identity, StoreError> {
        let Draft { body, mut room, size, hash, .. } = draft;
        room.grow((id.len() + metadata.length()) as u64)?;
        let identity = Identity { id, size, hash: hex(&hash.finalize()), metadata };
        match (&self.kind, body) {
            (Kind::Memory(memory), DraftBody::Memory(content)) => {
                memory.insert(identity.clone(), content.into(), room, self.now())?;
            }
            (Kind::Files(files), DraftBody::File(draft)) => {
                files.commit(draft, identity.clone(), room.bytes(), self.now()).await?;
                room.keep_on_disk();
            }
            _ => return Err(StoreError::None),
        }
        Ok(identity)
    }

    /// The document of this id.
    pub(super) async fn read(&self, id: &str) -> Result<Document, StoreError> {
        match &self.kind {
            Kind::Memory(memory) => memory.read(id, self.now()),
            Kind::Files(files) => files.read(id, self.now()).await,
            Kind::None => Err(StoreError::None),
        }
    }

    /// Deletes the document of this id. Who reads it at this moment can read it to its end.
    pub(super) async fn delete(&self, id: &str) -> Result<(), StoreError> {
        match &self.kind {
            Kind::Memory(memory) => memory.delete(id, self.now()),
            Kind::Files(files) => {
                let freed = files.delete(id, self.now()).await?;
                self.space.free_on_disk(freed);
                Ok(())
            }
            Kind::None => Err(StoreError::None),
        }
    }

    /// Deletes what expired.
    pub(in crate::api::http) async fn sweep(&self) -> io::Result<()> {
        let _one_at_a_time = self.sweeping.lock().await;
        match &self.kind {
            Kind::Memory(memory) => memory.sweep(self.now()),
            Kind::Files(files) => {
                let (files, now) = (files.clone(), self.now());
                let blocking = tokio::task::spawn_blocking(move || files.sweep(now));
                self.space.set_on_disk(blocking.await.map_err(io::Error::other)??);
            }
            Kind::None => {}
        }
        Ok(())
    }
}

/// A document that is being written.
#[derive(Debug)]
pub(super) struct Draft {
    body: DraftBody,
    room: Room,
    size: u64,
    hash: Sha256,
}

#[derive(Debug)]
enum DraftBody {
    Memory(Vec<u8>),
    File(FileDraft),
}

impl Draft {
    /// Nothing more will be written.
    pub(super) async fn finish(&mut self) -> Result<(), StoreError> {
        if let DraftBody::File(file) = &mut self.body {
            file.finish().await?;
        }
        Ok(())
    }
}

/// The room that documents may take.
#[derive(Debug)]
pub(super) struct Space {
    limit: u64,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    /// By drafts and by documents in memory.
    taken: u64,
    /// By documents on disk, as last seen: another gateway may share the directory.
    on_disk: u64,
}

impl Space {
    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_on_disk(&self, bytes: u64) {
        self.used().on_disk = bytes;
    }

    fn free_on_disk(&self, bytes: u64) {
        let mut used = self.used();
        used.on_disk = used.on_disk.saturating_sub(bytes);
    }
}

/// Taken room; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Room {
    space: Arc<Space>,
    bytes: u64,
}

impl Room {
    fn grow(&mut self, bytes: u64) -> Result<(), StoreError> {
        let mut used = self.space.used();
        if used.taken.saturating_add(used.on_disk).saturating_add(bytes) > self.space.limit {
            return Err(StoreError::Full(self.space.limit));
        }
        used.taken += bytes;
        self.bytes += bytes;
        Ok(())
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The bytes are on disk now, until they are deleted there.
    fn keep_on_disk(mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let mut used = self.space.used();
        used.taken -= bytes;
        used.on_disk += bytes;
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.space.used().taken -= self.bytes;
    }
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
