//! Sockets: the messaging transport of the cluster, its client and server side, and the driver of
//! the gossip core.
//!
//! Above [`crate::wire::frame`] and [`crate::gossip`], below the actors and the embedded broker,
//! which both use it: a gateway and a broker are the same kind of peer here.
//!
//! ```text
//! Endpoint ─┬─ dial ───▶ Connection (reader + writer)   one per leader, driven by its owner
//!           ├─ Messenger ─▶ pooled connections           internal API: streams, events, topology
//!           └─ listen ◀── Handlers by subject            everything peers ask of us
//! ```
//!
//! Invariants: one message-id counter and one sender address per [`Endpoint`]; every queue, buffer
//! and connection count fed from outside has a limit; nothing is allocated by an announced length.

pub mod connection;
pub mod dial;
pub mod endpoint;
pub mod handlers;
pub mod keep_alive;
pub mod listen;
pub mod membership;
pub mod messaging;
mod peer;
mod resolve;
pub mod sockets;
pub mod transport;

#[cfg(test)]
mod tests;

pub use connection::{Connection, ConnectionError, FramedReader, FramedWriter};
pub use dial::DialError;
pub use endpoint::{Endpoint, EndpointOptions};
pub use handlers::{Answer, Handler, Handlers, Message, Responder};
pub use keep_alive::{HEARTBEAT_SUBJECT, KeepAlive};
pub use listen::{Listener, ServeOptions};
pub use membership::{Candidate, Members, Membership, MembershipOptions, bind};
pub use messaging::{Messenger, MessengerOptions, RequestError};
pub use transport::Transport;
