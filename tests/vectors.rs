//! Codecs against golden bytes: recorded on real wires or made by the real classes.
//!
//! One module per area; the bytes lie in `tests/vectors/<area>/`.

#[path = "vectors/cluster/mod.rs"]
mod cluster;
#[path = "vectors/command/mod.rs"]
mod command;
#[path = "vectors/newer.rs"]
mod newer;
#[path = "vectors/support.rs"]
mod support;
