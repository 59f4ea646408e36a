//! JSON text ↔ MsgPack, each in one pass without a tree of values and without recursion
//! (command-api §2.2, §2.3; gateway-behaviour §5).

mod double;
mod error;
mod from_json;
mod patch;
mod scan;
mod text;
mod to_json;

pub use error::JsonError;
pub use from_json::{document_from_json, json_to_msgpack};
pub use to_json::{append_json, msgpack_to_json};

/// How strict JSON is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonDialect {
    /// gRPC: blank text is the empty document, single quotes and a byte order mark are accepted,
    /// duplicate names are all kept.
    Lenient,
    /// REST: standard JSON, of duplicate names the last entry is kept.
    Strict,
}

impl JsonDialect {
    /// Deepest nesting that is followed. The JVM gateway has no limit for gRPC; for REST its
    /// parser stops at 1000. No real document comes near either, and each level costs memory.
    #[must_use]
    pub const fn max_depth(self) -> usize {
        match self {
            Self::Lenient => 10_000,
            Self::Strict => 1_000,
        }
    }
}
