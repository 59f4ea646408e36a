//! Writing, with the same chunk cuts as the JVM's writer.

use bytes::BufMut;

use super::class;
use crate::wire::varint;

/// Size of the buffer of each object level. When one is full, or a field ends, all enclosing levels
/// are flushed as chunks (cluster-protocol §2.3).
const CHUNK_BYTES: usize = 1024;

/// Writes one object. Fields of nested objects go through [`Writer::field`].
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
    levels: Vec<Vec<u8>>,
    described: Vec<u32>,
}

impl Writer {
    /// A writer with nothing written.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was written.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        debug_assert!(self.levels.is_empty(), "an object was not ended");
        self.out
    }

    /// Appends bytes to a level; level 0 is the output. A full buffer is flushed when the next byte
    /// comes, not before.
    fn fill(&mut self, level: usize, mut bytes: &[u8]) {
        let Some(above) = level.checked_sub(1) else {
            self.out.extend_from_slice(bytes);
            return;
        };
        loop {
            let buffer = &mut self.levels[above];
            let (head, tail) = bytes.split_at(bytes.len().min(CHUNK_BYTES - buffer.len()));
            buffer.extend_from_slice(head);
            if tail.is_empty() {
                return;
            }
            self.flush(level);
            bytes = tail;
        }
    }

    /// Makes room for a value that is never cut.
    fn require(&mut self, len: usize) {
        let level = self.levels.len();
        if self.levels.last().is_some_and(|buffer| CHUNK_BYTES - buffer.len() < len) {
            self.flush(level);
        }
    }

    /// Writes a level's buffer into the enclosing level as a chunk, and that one in turn.
    fn flush(&mut self, level: usize) {
        let Some(above) = level.checked_sub(1) else { return };
        let mut chunk = std::mem::take(&mut self.levels[above]);
        if !chunk.is_empty() {
            let mut length = Vec::with_capacity(5);
            varint::write_u32(&mut length, chunk.len() as u32);
            self.fill(above, &length);
            self.fill(above, &chunk);
        }
        self.flush(above);
        chunk.clear();
        self.levels[above] = chunk;
    }

    fn whole(&mut self, bytes: &[u8]) {
        self.require(bytes.len());
        self.fill(self.levels.len(), bytes);
    }

    /// Bytes that may be cut anywhere.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.fill(self.levels.len(), bytes);
    }

    /// One byte.
    pub fn u8(&mut self, byte: u8) {
        self.raw(&[byte]);
    }

    /// A boolean of one byte.
    pub fn bool(&mut self, value: bool) {
        self.u8(value.into());
    }

    /// A 32-bit variable-length integer.
    pub fn varint(&mut self, value: u32) {
        let mut bytes = Vec::with_capacity(5);
        varint::write_u32(&mut bytes, value);
        self.whole(&bytes);
    }

    /// A 64-bit signed integer in zig-zag form.
    pub fn zigzag64(&mut self, value: i64) {
        let mut bytes = Vec::with_capacity(9);
        varint::write_u64(&mut bytes, varint::zigzag(value));
        self.whole(&bytes);
    }

    /// A 32-bit signed integer in zig-zag form.
    pub fn zigzag32(&mut self, value: i32) {
        self.varint(varint::zigzag(value.into()) as u32);
    }

    /// A 32-bit little-endian integer.
    pub fn i32_le(&mut self, value: i32) {
        self.whole(&value.to_le_bytes());
    }

    /// Class of the object whose body follows.
    pub fn class(&mut self, class: u32) {
        self.varint(class + 2);
    }

    fn flagged(&mut self, flag: bool, value: u32) {
        let mut bytes = Vec::with_capacity(6);
        let more = value > 0x3f;
        bytes.put_u8((value & 0x3f) as u8 | u8::from(more) << 6 | u8::from(flag) << 7);
        if more {
            varint::write_u32(&mut bytes, value >> 6);
        }
        self.whole(&bytes);
    }

    /// A null string.
    pub fn null_string(&mut self) {
        self.u8(0x80);
    }

    /// A string body (cluster-protocol §2.1). Short ASCII has no length, its last byte is marked.
    pub fn string(&mut self, text: &str) {
        if text.is_empty() {
            self.u8(0x81);
        } else if text.is_ascii() && (2..=32).contains(&text.len()) {
            let mut bytes = text.as_bytes().to_vec();
            if let Some(last) = bytes.last_mut() {
                *last |= 0x80;
            }
            self.raw(&bytes);
        } else {
            // Payloads stay far below 2 GiB, so the count fits.
            self.flagged(true, text.encode_utf16().count() as u32 + 1);
            if text.is_ascii() {
                self.raw(text.as_bytes());
            } else {
                text.encode_utf16().for_each(|unit| self.utf16_unit(unit));
            }
        }
    }

    fn utf16_unit(&mut self, unit: u16) {
        match unit {
            0..=0x7f => self.u8(unit as u8),
            0x80..=0x7ff => {
                self.u8(0xc0 | (unit >> 6) as u8);
                self.u8(0x80 | (unit & 0x3f) as u8);
            }
            _ => {
                self.u8(0xe0 | (unit >> 12) as u8);
                self.whole(&[0x80 | (unit >> 6 & 0x3f) as u8, 0x80 | (unit & 0x3f) as u8]);
            }
        }
    }

    /// A string or null, without class.
    pub fn optional_string(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.string(text),
            None => self.null_string(),
        }
    }

    /// A string object: class and body.
    pub fn string_object(&mut self, text: &str) {
        self.class(class::STRING);
        self.string(text);
    }

    /// A byte array body.
    pub fn byte_array(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u32 + 1);
        self.raw(bytes);
    }

    /// Header of a list or set whose elements are all of one class and not null.
    pub fn collection(&mut self, len: usize, element_class: u32) {
        if len == 0 {
            self.u8(1);
            return;
        }
        self.flagged(true, len as u32 + 1);
        self.class(element_class);
        self.bool(false);
    }

    /// Begins an object with fields: its field names come with the first object of the class only.
    /// Then one [`Writer::field`] per name, in the same order, then [`Writer::end_object`].
    pub fn begin_object(&mut self, class: u32, names: &[&str]) {
        if !self.described.contains(&class) {
            self.described.push(class);
            self.varint(names.len() as u32);
            names.iter().for_each(|name| self.string(name));
        }
        self.levels.push(Vec::with_capacity(CHUNK_BYTES));
    }

    /// Writes one field of the object begun last.
    pub fn field(&mut self, write: impl FnOnce(&mut Self)) {
        let level = self.levels.len();
        debug_assert!(level > 0, "a field outside an object");
        write(self);
        debug_assert_eq!(level, self.levels.len(), "a nested object was not ended");
        self.flush(level);
        self.fill(level - 1, &[0]);
    }

    /// Ends the object begun last.
    pub fn end_object(&mut self) {
        let ended = self.levels.pop();
        debug_assert!(ended.is_some_and(|buffer| buffer.is_empty()), "bytes outside a field");
    }
}
