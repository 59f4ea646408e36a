//! Bad input, clients and brokers that go away, overload: each ends in one precise error, nothing
//! stays behind, and what was accepted is not lost. All with the whole path: client, frontend,
//! actors, gossip, transport, embedded broker.

mod broker_gone;
mod client_gone;
mod definitions;
mod overload;
mod replies;
mod requests;
mod soak;
pub mod stand;
