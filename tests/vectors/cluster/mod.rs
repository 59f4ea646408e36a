//! Cluster protocol: framing, membership, broker info, events, configuration, heartbeats.

mod conversations;
mod frames;
mod membership;
mod messages;

use crate::support;

fn vector(file: &str) -> Vec<u8> {
    support::bytes("cluster", file)
}

#[track_caller]
fn assert_bytes(file: &str, encoded: &[u8]) {
    assert_eq!(support::hex(encoded), support::hex(&vector(file)), "{file}");
}

/// Every file of the area is read by some test: a new vector without a test fails here.
#[test]
fn every_vector_is_used() {
    let sources = [
        include_str!("conversations.rs"),
        include_str!("frames.rs"),
        include_str!("membership.rs"),
        include_str!("messages.rs"),
    ]
    .concat();
    let unused: Vec<String> = std::fs::read_dir(support::area("cluster"))
        .expect("the area exists")
        .map(|entry| entry.expect("readable").file_name().into_string().expect("plain name"))
        // Job stream messages belong to the SBE codecs, which read them in their own area.
        .filter(|name| !name.starts_with("stream-"))
        .filter(|name| name.ends_with(".hex") || name.ends_with(".txt"))
        .filter(|name| !sources.contains(&format!("\"{name}\"")))
        .collect();
    assert!(unused.is_empty(), "vectors no test reads: {unused:?}");
}
