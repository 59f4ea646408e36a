//! Scenarios through an in-memory cluster of engines.

mod deployment;
mod errors;
mod gateways;
mod harness;
mod incidents;
mod jobs;
mod limits;
mod messages;
mod models;
mod processes;
mod properties;
mod recorded;
mod streams;
mod timers;
mod variables;
