//! The part of the Kryo 5 object format that cluster messages use.
//!
//! Below [`super::swim`] and [`super::events`]: primitives, class ids, chunked fields. The class
//! numbers are those every broker registers (cluster-protocol §2.2); on the wire each is 2 higher,
//! 0 is null.

mod basic;
mod reader;
mod writer;

pub use basic::Basic;
pub use reader::{Collection, Reader};
pub use writer::Writer;

/// Registration numbers of classes (cluster-protocol §2.2).
pub mod class {
    /// `String`.
    pub const STRING: u32 = 1;
    /// `boolean`.
    pub const BOOLEAN: u32 = 3;
    /// `byte[]`.
    pub const BYTES: u32 = 16;
    /// `ArrayList`.
    pub const ARRAY_LIST: u32 = 36;
    /// `LinkedList`.
    pub const LINKED_LIST: u32 = 37;
    /// `HashSet`.
    pub const HASH_SET: u32 = 38;
    /// `LinkedHashSet`.
    pub const LINKED_HASH_SET: u32 = 39;
    /// `Properties`.
    pub const PROPERTIES: u32 = 52;
    /// Program version; only ever the type of a field.
    pub const VERSION: u32 = 64;
    /// `ByteBuffer`.
    pub const BYTE_BUFFER: u32 = 65;
    /// A buffer on the heap.
    pub const BYTE_BUFFER_HEAP: u32 = 66;
    /// A buffer outside the heap.
    pub const BYTE_BUFFER_DIRECT: u32 = 67;
    /// Member id, in membership payloads.
    pub const MEMBER_ID: u32 = 500;
    /// Address, in membership payloads and datagrams.
    pub const ADDRESS: u32 = 501;
    /// Member, in membership payloads.
    pub const MEMBER: u32 = 502;
    /// Pair, in membership payloads.
    pub const PAIR: u32 = 504;
    /// Envelope of a datagram, in datagrams only, where [`MEMBER_ID`] does not occur.
    pub const DATAGRAM: u32 = 500;
}

/// Most field names a class may list; the largest one in use lists eleven.
const FIELD_NAMES_MAX: u32 = 64;
