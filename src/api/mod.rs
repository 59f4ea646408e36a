//! The surfaces of the gateway: each translates its protocol into commands for the actors' door.

pub mod admin;
pub mod grpc;
pub mod http;

/// The gateway version clients see; they parse it as a semantic version and gate features by it.
pub const GATEWAY_VERSION: &str = "8.6.0";
