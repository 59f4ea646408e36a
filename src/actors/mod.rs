//! The actors, in the order a command meets them, and the door the frontends use.

pub mod admission;
pub mod cell;
pub mod gateway;
pub mod mailbox;
pub mod request_table;
pub mod spawner;
pub mod supervise;
pub mod ticket;
