//! beegate

pub mod actors;
pub mod broker;
pub mod config;
pub mod error;
pub mod model;
pub mod net;
pub mod wire;
