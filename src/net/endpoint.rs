//! Our identity on the messaging transport: cluster, advertised address, message-id counter.
//!
//! A gateway has one endpoint for everything it sends and accepts; a broker has one per socket
//! (cluster-protocol §0).

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::resolve::Resolver;
use crate::wire::address::Address;
use crate::wire::frame::cluster_preamble;

/// Limits of an endpoint's connections.
#[derive(Clone, Copy, Debug)]
pub struct EndpointOptions {
    /// For resolving, connecting and the handshake together.
    pub connect_timeout: Duration,
    /// Largest payload of a received frame, in bytes.
    pub frame_bytes_max: usize,
}

/// Cheap to clone; clones share the message-id counter.
#[derive(Clone, Debug)]
pub struct Endpoint {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    preamble: i32,
    advertised: Address,
    next_id: AtomicI64,
    options: EndpointOptions,
    resolver: Resolver,
}

impl Endpoint {
    /// An endpoint of the cluster with this name. `advertised` is sent as text before the first
    /// frame of every connection; peers look the sender up by it (cluster-protocol §3.9), so it must
    /// be the address that gossip announces.
    #[must_use]
    pub fn new(cluster_name: &str, advertised: Address, options: EndpointOptions) -> Self {
        let preamble = cluster_preamble(cluster_name);
        let next_id = AtomicI64::new(1);
        let resolver = Resolver::default();
        Self { inner: Arc::new(Inner { preamble, advertised, next_id, options, resolver }) }
    }

    /// The address peers know us by.
    #[must_use]
    pub fn advertised(&self) -> &Address {
        &self.inner.advertised
    }

    /// The number that stands for the cluster's name in handshakes and datagrams.
    #[must_use]
    pub fn preamble(&self) -> i32 {
        self.inner.preamble
    }

    /// Limits of its connections.
    #[must_use]
    pub fn options(&self) -> EndpointOptions {
        self.inner.options
    }

    /// Turns the names of peers into addresses.
    pub(super) fn resolver(&self) -> &Resolver {
        &self.inner.resolver
    }

    /// The id for the next message, counted over all connections (cluster-protocol §1.4).
    #[must_use]
    pub fn next_message_id(&self) -> i64 {
        self.inner.next_id.fetch_add(1, Ordering::Relaxed)
    }
}
