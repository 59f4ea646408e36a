//! Request bodies in, response bodies out, both without a value tree.

mod read;
mod write;

pub(super) use read::{FromJson, Newer, Unreadable, Variables, document, members, request};
pub(super) use write::{Array, Object, Style, object};
