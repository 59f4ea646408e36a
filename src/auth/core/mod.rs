//! Authentication without input and output: tokens, keys, claims and tenants as plain functions and
//! state machines; time is passed in.

pub mod generations;
pub mod jwks;
pub mod jwt;
pub mod keys;
mod refusal;
pub mod rules;
pub mod tenants;

pub use refusal::Refusal;

#[cfg(test)]
mod tests;
