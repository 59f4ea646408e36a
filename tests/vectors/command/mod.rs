//! Command API: SBE messages, records, authorization, JSON conversion.

mod conversion;
mod damage;
mod exchanges;
mod generated;
mod literal;
mod properties;
mod stream;
pub mod values;

use std::collections::BTreeSet;
use std::path::Path;

use beegate::wire::sbe::{Message, Reply};
use bytes::{Bytes, BytesMut};
use serde_json::Value;

use crate::support;

/// The bytes of a vector.
fn vector(file: &str) -> Bytes {
    support::bytes("command", file).into()
}

/// `vectors.json`.
fn index() -> Value {
    json("vectors.json")
}

fn json(file: &str) -> Value {
    serde_json::from_str(&support::text("command", file)).expect("vector files are JSON")
}

fn encoded(message: &impl Message) -> Bytes {
    let mut out = BytesMut::new();
    message.encode(&mut out);
    out.freeze()
}

#[track_caller]
fn assert_encodes(file: &str, message: &impl Message) {
    assert_eq!(support::hex(&encoded(message)), support::hex(&vector(file)), "{file}");
}

/// Encoding the message gives the vector, decoding the vector gives the message.
#[track_caller]
fn assert_both_ways<M: Message + PartialEq + std::fmt::Debug>(file: &str, message: &M) {
    assert_encodes(file, message);
    assert_eq!(&M::decode(&vector(file)).expect(file), message, "{file}");
}

#[track_caller]
fn response<T: Message>(bytes: &Bytes) -> T {
    match Reply::<T>::decode(bytes).expect("a reply") {
        Reply::Response(response) => response,
        Reply::Error(error) => panic!("an error: {error:?}"),
    }
}

/// All `.hex` files of the area, relative to it.
fn hex_files() -> BTreeSet<String> {
    fn walk(dir: &Path, root: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(dir).expect("the area exists") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                walk(&path, root, found);
            } else if path.extension().is_some_and(|ext| ext == "hex") {
                let name = path.strip_prefix(root).expect("below the root");
                found.insert(name.to_str().expect("plain name").replace('\\', "/"));
            }
        }
    }
    let root = support::area("command");
    let mut found = BTreeSet::new();
    walk(&root, &root, &mut found);
    found
}

/// A vector that no test reads fails here. Exchanges and versions are read through the index;
/// all others must be named by a test.
#[test]
fn every_vector_is_used() {
    let sources = concat!(include_str!("generated.rs"), include_str!("stream.rs"),);
    let indexed = exchanges::files();
    let unused: Vec<String> = hex_files()
        .into_iter()
        .filter(|file| !indexed.contains(file) && !sources.contains(&format!("\"{file}\"")))
        // Bodies of cluster events belong to the cluster codecs, which read them.
        .filter(|file| !file.contains("jobs-available"))
        .collect();
    assert!(unused.is_empty(), "vectors no test reads: {unused:?}");
    let of_streams = std::fs::read_dir(support::area("cluster")).expect("the area exists");
    for entry in of_streams {
        let name = entry.expect("readable").file_name().into_string().expect("plain name");
        let read = !name.starts_with("stream-") || sources.contains(&format!("\"{name}\""));
        assert!(read, "no test reads {name} of the cluster area");
    }
}
