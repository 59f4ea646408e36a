//! Jobs between the broker and a client that breaks off: delivered or given back, never neither.

mod breaking;
mod limits;
mod streams;
