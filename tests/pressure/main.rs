//! Gateways as processes of their own, in front of an embedded broker, asked for more than they
//! have memory for: what they use of it stays within what they are allowed.

mod budget;
mod hostile;
mod process;
