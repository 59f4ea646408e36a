//! The actors, in the order a command meets them, and the door the frontends use.

pub mod gateway;
