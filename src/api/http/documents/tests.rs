//! Both stores keep the same promises.

use bytes::Bytes;

use super::super::json::FromJson;
use super::metadata::{Given, Metadata};
use super::store::{Content, Document, Identity, Store, StoreError};
use super::{decoded, pieces};
use crate::config::{self, DocumentStore};

fn config(store: DocumentStore, directory: &str) -> config::Documents {
    let directory = directory.to_owned();
    config::Documents { store, directory, max_document_size: 10_000, max_total_size: 30_000 }
}

/// Runs `test` with a store of each kind.
fn with_stores<F: Future<Output = ()>>(test: impl Fn(Store) -> F) {
    let folder = tempfile::tempdir().expect("a folder");
    let inside = folder.path().join("documents");
    let path = inside.to_str().expect("a path");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for kind in [DocumentStore::InMemory, DocumentStore::File] {
        let store = Store::open(&config(kind, path)).expect("a store");
        runtime.block_on(test(store));
    }
    let entries = std::fs::read_dir(folder.path()).expect("readable");
    assert_eq!(entries.count(), 1, "nothing was written outside the store's directory");
}

fn metadata(text: &str) -> Metadata {
    let given = Given::from_json(text).expect("readable");
    given.check(None, None).expect("valid")
}

async fn put(store: &Store, id: &str, text: &str, about: &str) -> Result<Identity, StoreError> {
    let mut draft = store.begin().await?;
    for piece in text.as_bytes().chunks(7) {
        store.write(&mut draft, Bytes::copy_from_slice(piece)).await?;
    }
    draft.finish().await?;
    store.commit(draft, id.to_owned(), metadata(about)).await
}

async fn content(document: Document) -> String {
    use futures::TryStreamExt;

    let bytes = match document.content {
        Content::Memory(bytes) => bytes.to_vec(),
        Content::File(file) => {
            let pieces = pieces(file, document.identity.size);
            let whole = pieces.try_fold(Vec::new(), |mut whole, piece| async move {
                whole.extend_from_slice(&piece);
                Ok(whole)
            });
            whole.await.expect("readable")
        }
    };
    String::from_utf8(bytes).expect("text")
}

#[test]
fn what_is_stored_can_be_read_until_it_is_deleted() {
    with_stores(|store| async move {
        let long = "0123456789".repeat(900);
        for (id, text) in [("a", ""), ("../../b", "hello"), ("ü/\0", long.as_str())] {
            let stored = put(&store, id, text, r#"{"fileName":"f","x":[1, 2]}"#).await;
            let stored = stored.expect("stored");
            let read = store.read(id).await.expect("there");
            assert_eq!(read.identity.hash, stored.hash);
            assert_eq!(read.identity.metadata, stored.metadata);
            assert_eq!(content(read).await, text, "{id}");
            let again = put(&store, id, "other", "{}").await;
            assert!(matches!(again, Err(StoreError::Exists)), "{again:?}");
            store.delete(id).await.expect("deleted");
            assert!(matches!(store.read(id).await, Err(StoreError::NotFound)));
            assert!(matches!(store.delete(id).await, Err(StoreError::NotFound)));
        }
        let hello = put(&store, "hash", "hello", "{}").await.expect("stored");
        let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        assert_eq!((hello.hash.as_str(), hello.size), (sha256, 5));
    });
}

#[test]
fn expired_documents_are_gone_and_give_way() {
    with_stores(|store| async move {
        let past = r#"{"expiresAt":"2020-01-01T00:00:00Z"}"#;
        put(&store, "a", "old", past).await.expect("stored");
        assert!(matches!(store.read("a").await, Err(StoreError::NotFound)));
        put(&store, "a", "new", r#"{"expiresAt":"2999-01-01T00:00:00Z"}"#).await.expect("stored");
        assert_eq!(content(store.read("a").await.expect("there")).await, "new");
        store.sweep().await.expect("swept");
        assert_eq!(content(store.read("a").await.expect("still there")).await, "new");
    });
}

#[test]
fn what_is_too_large_is_refused_and_deleting_makes_room() {
    with_stores(|store| async move {
        let large = "x".repeat(10_001);
        let refused = put(&store, "large", &large, "{}").await;
        assert!(matches!(refused, Err(StoreError::TooLarge(10_000))), "{refused:?}");
        let half = &large[..9_000];
        for id in ["1", "2", "3"] {
            put(&store, id, half, "{}").await.expect("room for three");
        }
        let refused = put(&store, "4", half, "{}").await;
        assert!(matches!(refused, Err(StoreError::Full(30_000))), "{refused:?}");
        store.sweep().await.expect("swept");
        assert!(matches!(put(&store, "4", half, "{}").await, Err(StoreError::Full(_))));
        store.delete("2").await.expect("deleted");
        put(&store, "4", half, "{}").await.expect("room again");
        // What expired makes room without waiting for the next sweep.
        store.delete("1").await.expect("deleted");
        let past = r#"{"expiresAt":"2020-01-01T00:00:00Z"}"#;
        put(&store, "old", half, past).await.expect("room");
        put(&store, "5", half, "{}").await.expect("room of what expired");
        // No document is free: the smallest ones count, too.
        let mut count = 0;
        while put(&store, &format!("empty-{count}"), "", "{}").await.is_ok() {
            count += 1;
        }
        assert!((1..20).contains(&count), "{count} empty documents");
    });
}

#[test]
fn files_outlive_their_gateway_and_are_shared() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = config(DocumentStore::File, folder.path().to_str().expect("a path"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let one = Store::open(&config).expect("a store");
        let other = Store::open(&config).expect("a store");
        put(&one, "a", "hello", "{}").await.expect("stored");
        assert_eq!(content(other.read("a").await.expect("there")).await, "hello");
        assert!(matches!(put(&other, "a", "x", "{}").await, Err(StoreError::Exists)));
        drop((one, other));
        let next = Store::open(&config).expect("a store");
        assert_eq!(content(next.read("a").await.expect("there")).await, "hello");
        next.delete("a").await.expect("deleted");
    });
    drop(runtime);
    let left = std::fs::read_dir(folder.path()).expect("readable").count();
    assert_eq!(left, 0, "drafts and deleted documents leave nothing behind");
}

#[test]
fn ids_in_paths_are_decoded() {
    assert_eq!(decoded("a%2Fb%c3%BC").expect("text"), "a/bü");
    for wrong in ["%", "%2", "%zz", "%ff"] {
        assert!(decoded(wrong).is_err(), "{wrong}");
    }
}
