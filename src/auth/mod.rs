//! Who calls: tokens of an identity provider, verified here, and the tenants of their bearers.
//!
//! Both frontends ask the [`Authenticator`] before anything else is done with a call. [`core`] holds the
//! rules without input and output; `provider` asks the identity provider, on a thread of its own.
//! Invariants: no token is ever logged; whatever calls arrive, the provider is asked a bounded number
//! of times; keys and tenants that are known go on working while it does not answer.

pub mod core;

mod authenticator;
mod client;
mod provider;

pub use authenticator::{Authenticator, Identity, StartError};
pub use core::Refusal;
