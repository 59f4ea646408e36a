//! Documents as files.
//!
//! A document is a folder with two files, `content` and `metadata.json`. The folder's name is the
//! SHA-256 of the id, so that no id can name anything outside the directory. A document is written
//! into a folder of another name first, and renamed when it is complete: renaming fails where
//! there is a document already, also one that another gateway put there.

use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::task::spawn_blocking;

use super::metadata::Metadata;
use super::store::{Content, Document, Identity, StoreError, hex};
use crate::model::Millis;

const CONTENT: &str = "content";
const METADATA: &str = "metadata.json";
/// Folders that are not documents: being written, or being deleted.
const TEMPORARY: &str = ".tmp-";
/// A folder that has been temporary for so long was left behind. No upload takes half of that.
const LEFT_BEHIND: Duration = Duration::from_secs(3600);
/// Larger than any metadata that is written.
const METADATA_MAX: u64 = 1 << 20;

/// A directory of documents.
#[derive(Clone, Debug)]
pub(super) struct Files {
    directory: PathBuf,
}

/// What stands beside a document's content.
#[derive(Debug, Serialize, Deserialize)]
struct Beside {
    id: String,
    size: u64,
    hash: String,
    /// Room that the document takes in all.
    room: u64,
    metadata: Metadata,
}

/// A document that is being written; its folder goes away with it.
#[derive(Debug)]
pub(super) struct FileDraft {
    folder: Temporary,
    /// Open until all is written.
    content: Option<File>,
}

impl FileDraft {
    pub(super) async fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        match &mut self.content {
            Some(content) => content.write_all(piece).await,
            None => Err(io::Error::other("the document is complete")),
        }
    }

    /// All is written: brings it to the disk and closes the file.
    pub(super) async fn finish(&mut self) -> io::Result<()> {
        match self.content.take() {
            Some(mut content) => {
                content.flush().await?;
                content.sync_all().await
            }
            None => Ok(()),
        }
    }
}

/// A folder that is removed when this is dropped, if it is still there.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Temporary {
    /// Removes it now; for threads that may block. Dropping leaves it to such a thread, which a
    /// process that ends does not wait for.
    fn remove(mut self) {
        remove(&std::mem::take(&mut self.0));
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let folder = std::mem::take(&mut self.0);
        if folder.as_os_str().is_empty() {
            return;
        }
        // Off the arbiter where there is one.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || remove(&folder))),
            Err(_) => remove(&folder),
        }
    }
}

fn remove(folder: &Path) {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            log::warn!("event=document_folder_left folder={folder:?} error={error}");
        }
        _ => {}
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

impl Files {
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        Ok(Self { directory: directory.to_owned() })
    }

    fn folder(&self, id: &str) -> PathBuf {
        self.directory.join(hex(&Sha256::digest(id.as_bytes())))
    }

    fn temporary(&self) -> PathBuf {
        self.directory.join(format!("{TEMPORARY}{}", uuid::Uuid::new_v4()))
    }

    pub(super) async fn begin(&self) -> io::Result<FileDraft> {
        let folder = Temporary(self.temporary());
        tokio::fs::create_dir(&folder.0).await?;
        let content = File::create_new(folder.0.join(CONTENT)).await?;
        Ok(FileDraft { folder, content: Some(content) })
    }

    pub(super) async fn commit(
        &self,
        mut draft: FileDraft,
        identity: Identity,
        room: u64,
        now: Millis,
    ) -> Result<(), StoreError> {
        draft.finish().await?;
        let files = self.clone();
        blocking(move || {
            let committed = files.commit_now(&draft.folder.0, identity, room, now);
            draft.folder.remove();
            committed
        })
        .await
    }

    fn commit_now(
        &self,
        written: &Path,
        identity: Identity,
        room: u64,
        now: Millis,
    ) -> Result<(), StoreError> {
        let Identity { id, size, hash, metadata } = identity;
        let folder = self.folder(&id);
        let beside = Beside { id, size, hash, room, metadata };
        let text = serde_json::to_vec(&beside).map_err(io::Error::other)?;
        std::fs::write(written.join(METADATA), text)?;
        if std::fs::rename(written, &folder).is_ok() {
            return Ok(());
        }
        // Somebody is there; an expired one gives way.
        match self.look(&beside.id, now) {
            Ok(_) => return Err(StoreError::Exists),
            // If another took it away, renaming tells who is there now.
            Err(StoreError::NotFound) => {
                if let Ok(gone) = self.take_away(&folder) {
                    gone.remove();
                }
            }
            Err(error) => return Err(error),
        }
        match std::fs::rename(written, &folder) {
            Err(_) if folder.exists() => Err(StoreError::Exists),
            renamed => Ok(renamed?),
        }
    }

    /// What stands beside the content of a document that has not expired.
    fn look(&self, id: &str, now: Millis) -> Result<(PathBuf, Beside), StoreError> {
        let folder = self.folder(id);
        let beside = beside(&folder)?;
        if beside.id != id || beside.metadata.expired(now) {
            return Err(StoreError::NotFound);
        }
        Ok((folder, beside))
    }

    pub(super) async fn read(&self, id: &str, now: Millis) -> Result<Document, StoreError> {
        let (files, id) = (self.clone(), id.to_owned());
        blocking(move || {
            let (folder, beside) = files.look(&id, now)?;
            let content = std::fs::File::open(folder.join(CONTENT)).map_err(absent)?;
            let Beside { id, size, hash, metadata, .. } = beside;
            let identity = Identity { id, size, hash, metadata };
            Ok(Document { identity, content: Content::File(File::from_std(content)) })
        })
        .await
    }

    /// Deletes a document and says how much room it took.
    pub(super) async fn delete(&self, id: &str, now: Millis) -> Result<u64, StoreError> {
        let (files, id) = (self.clone(), id.to_owned());
        blocking(move || {
            let (folder, beside) = files.look(&id, now)?;
            files.take_away(&folder).map_err(absent)?.remove();
            Ok(beside.room)
        })
        .await
    }

    /// Takes a document away in one step; what is returned holds its files.
    fn take_away(&self, folder: &Path) -> io::Result<Temporary> {
        let gone = self.temporary();
        std::fs::rename(folder, &gone)?;
        Ok(Temporary(gone))
    }

    /// Deletes what expired and what was left behind, and says how much room the rest takes.
    pub(super) fn sweep(&self, now: Millis) -> io::Result<u64> {
        let mut room = 0;
        for entry in std::fs::read_dir(&self.directory)? {
            let entry = entry?;
            let folder = entry.path();
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| name.starts_with(TEMPORARY)) {
                if left_behind(&entry) {
                    Temporary(folder).remove();
                }
                continue;
            }
            match beside(&folder) {
                Ok(beside) if beside.metadata.expired(now) => {
                    // Another gateway may have taken it away at the same time.
                    if let Ok(gone) = self.take_away(&folder) {
                        gone.remove();
                    }
                }
                Ok(beside) => room += beside.room,
                Err(StoreError::NotFound) => {}
                Err(error) => {
                    log::warn!("event=document_unreadable folder={folder:?} error={error}");
                }
            }
        }
        Ok(room)
    }
}

fn left_behind(entry: &std::fs::DirEntry) -> bool {
    let changed = entry.metadata().and_then(|metadata| metadata.modified());
    let age = changed.ok().and_then(|at| SystemTime::now().duration_since(at).ok());
    age.is_some_and(|age| age > LEFT_BEHIND)
}

fn absent(error: io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => StoreError::NotFound,
        _ => error.into(),
    }
}

fn beside(folder: &Path) -> Result<Beside, StoreError> {
    let file = std::fs::File::open(folder.join(METADATA)).map_err(absent)?;
    let mut text = Vec::new();
    file.take(METADATA_MAX).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text).map_err(io::Error::other)?)
}
