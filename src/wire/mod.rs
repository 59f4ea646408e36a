//! Bytes ↔ values of the Zeebe protocols. No IO, no clock, no actor.
//!
//! Two layers. *Values* are what commands carry: [`record`] and [`msgpack`]; the frontends use them
//! directly. *Protocol* is how they travel (framing, SBE envelopes, gossip messages): only the
//! connections, the topology and the embedded broker use those.

pub mod address;
pub mod broker_info;
pub mod configuration;
pub mod error;
pub mod events;
pub mod frame;
pub mod heartbeat;
pub mod kryo;
mod little_endian;
pub mod msgpack;
pub mod record;
pub mod sbe;
pub mod swim;
pub mod varint;

pub use address::Address;
pub use error::DecodeError;
