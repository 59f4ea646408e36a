//! beegate

pub mod actors;
pub mod broker;
pub mod clock;
pub mod config;
pub mod error;
pub mod gossip;
pub mod model;
pub mod net;
pub mod routing;
pub mod wire;
