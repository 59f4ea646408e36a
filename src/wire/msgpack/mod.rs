//! MsgPack as the brokers write and read it (command-api §2).

pub mod json;
mod reader;
mod writer;

pub use reader::{Kind, Reader, list_budget};
pub use writer::{Writer, bin_len, int_len, list_header_len, str_len};
