//! beegate: a gateway for Zeebe, with an embedded broker.
//!
//! # The journey of a command
//!
//! A client's request arrives in [`api`] (gRPC or REST), is checked and translated into a
//! [`model::Command`], and enters the actors through their one door, [`actors::gateway`]. The
//! client's session passes it to the dispatcher, which chooses a partition by the rules of
//! [`routing`] and the cluster view, and the partition's leader connection sends it with the codecs
//! of [`wire`] over the sockets of [`net`]. The reply goes straight back to the waiting frontend.
//!
//! The cluster view comes from [`gossip`]. [`broker`] is a broker of its own for development, reached
//! over loopback like any other. [`bootstrap`] starts everything, [`config`] says how.
//!
//! `docs/ARCHITECTURE.md` tells the invariants and who may import whom.

#![forbid(unsafe_code)]

pub mod actors;
pub mod api;
pub mod auth;
pub mod bootstrap;
pub mod broker;
pub mod chance;
pub mod clock;
pub mod config;
pub mod error;
pub mod gossip;
pub mod metrics;
pub mod model;
pub mod net;
pub mod routing;
pub mod wire;
