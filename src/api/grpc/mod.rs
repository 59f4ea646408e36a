//! The gRPC frontend: `gateway_protocol.Gateway` and `grpc.health.v1.Health` over HTTP/2.
//!
//! Path of a call: [`server`] accepts the connection and opens a session for it, [`connection`]
//! checks the HTTP side and bounds the call, [`guard`] learns who calls, [`service`] holds one function per rpc, [`convert`]
//! translates, and the actors' door executes. [`status`] and [`dialect`] make sure that every
//! failure looks as clients know it.

pub mod body;
pub mod caller;
pub mod connection;
pub mod convert;
pub mod dialect;
pub mod guard;
pub mod health;
mod inflate;
pub mod jobs;
mod reflection;
mod request_body;
pub mod server;
pub mod service;
pub mod status;
pub mod topology;
pub mod transport;

pub use server::{GrpcServer, ServeError, serve, serve_guarded};

/// The messages and the service as generated from `proto/gateway.proto`.
#[allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]
pub mod proto {
    tonic::include_proto!("gateway_protocol");

    /// The descriptors of the service and its messages.
    pub const FILE_DESCRIPTOR_SET: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/gateway_descriptor.bin"));
}
