//! SBE messages: the envelopes of commands, queries, management requests and job pushes.
//!
//! Connections and the embedded broker wrap records in these before they are framed. All integers
//! are little endian. Decoding copies no payload: byte fields are views of the input. Numbers of
//! unknown enum values never fail (command-api §1).

mod command;
mod header;
mod layout;
mod reply;

pub mod admin;
pub mod backup;
pub mod stream;

pub use command::{
    ErrorResponse, ExecuteCommandRequest, ExecuteCommandResponse, ExecuteQueryRequest,
    ExecuteQueryResponse,
};
pub use header::Header;
pub use layout::Message;
pub use reply::{CommandReply, Reply};
