//! beegate

pub mod actors;
pub mod api;
pub mod broker;
pub mod clock;
pub mod config;
pub mod error;
pub mod gossip;
pub mod metrics;
pub mod model;
pub mod net;
pub mod routing;
pub mod wire;
