//! Writing: every value in its smallest form.

use bytes::{BufMut, Bytes, BytesMut};

/// Appends MsgPack values to a buffer.
#[derive(Debug, Default)]
pub struct Writer {
    out: BytesMut,
}

impl Writer {
    /// An empty writer with room for `capacity` bytes.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { out: BytesMut::with_capacity(capacity) }
    }

    /// What was written.
    #[must_use]
    pub fn finish(self) -> Bytes {
        self.out.freeze()
    }

    /// Number of bytes written so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.len()
    }

    /// Whether nothing was written yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// `nil`.
    pub fn nil(&mut self) {
        self.out.put_u8(0xc0);
    }

    /// A boolean.
    pub fn bool(&mut self, value: bool) {
        self.out.put_u8(if value { 0xc3 } else { 0xc2 });
    }

    /// A signed integer; positive values never use the signed forms.
    pub fn int(&mut self, value: i64) {
        put_int(&mut self.out, value);
    }

    /// An unsigned integer.
    pub fn uint(&mut self, value: u64) {
        put_uint(&mut self.out, value);
    }

    /// A double.
    pub fn f64(&mut self, value: f64) {
        self.out.put_u8(0xcb);
        self.out.put_f64(value);
    }

    /// Text.
    pub fn str(&mut self, value: &str) {
        put_str_header(&mut self.out, value.len());
        self.out.put_slice(value.as_bytes());
    }

    /// Binary data.
    pub fn bin(&mut self, value: &[u8]) {
        let len = value.len();
        if len < 0x100 {
            self.out.put_u8(0xc4);
            self.out.put_u8(len as u8);
        } else if len < 0x1_0000 {
            self.out.put_u8(0xc5);
            self.out.put_u16(len as u16);
        } else {
            self.out.put_u8(0xc6);
            self.out.put_u32(len as u32);
        }
        self.out.put_slice(value);
    }

    /// Header of an array; its elements follow.
    pub fn array(&mut self, len: usize) {
        if len < 16 {
            self.out.put_u8(0x90 | len as u8);
        } else if len < 0x1_0000 {
            self.out.put_u8(0xdc);
            self.out.put_u16(len as u16);
        } else {
            self.out.put_u8(0xdd);
            self.out.put_u32(len as u32);
        }
    }

    /// Header of a map; its keys and values follow by turns.
    pub fn map(&mut self, len: usize) {
        if len < 16 {
            self.out.put_u8(0x80 | len as u8);
        } else if len < 0x1_0000 {
            self.out.put_u8(0xde);
            self.out.put_u16(len as u16);
        } else {
            self.out.put_u8(0xdf);
            self.out.put_u32(len as u32);
        }
    }

    /// One value that is MsgPack already.
    pub fn raw(&mut self, value: &[u8]) {
        self.out.put_slice(value);
    }
}

/// Bytes of a list's or a map's header.
#[must_use]
pub const fn list_header_len(len: usize) -> usize {
    match len {
        0..16 => 1,
        16..0x1_0000 => 3,
        _ => 5,
    }
}

/// Bytes of a text of `len` bytes with its header.
#[must_use]
pub const fn str_len(len: usize) -> usize {
    len + match len {
        0..32 => 1,
        32..0x100 => 2,
        0x100..0x1_0000 => 3,
        _ => 5,
    }
}

/// Bytes of binary data of `len` bytes with its header.
#[must_use]
pub const fn bin_len(len: usize) -> usize {
    len + match len {
        0..0x100 => 2,
        0x100..0x1_0000 => 3,
        _ => 5,
    }
}

/// Bytes of an integer.
#[must_use]
pub const fn int_len(value: i64) -> usize {
    match value {
        -0x20..=0x7f => 1,
        -0x80..=0xff => 2,
        -0x8000..=0xffff => 3,
        -0x8000_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

/// Longest header that [`put_str_header`] writes, in bytes.
pub(super) const MAX_STR_HEADER: usize = 5;

/// Appends the header of a string of `len` bytes.
pub(super) fn put_str_header(out: &mut impl BufMut, len: usize) {
    if len < 32 {
        out.put_u8(0xa0 | len as u8);
    } else if len < 0x100 {
        out.put_u8(0xd9);
        out.put_u8(len as u8);
    } else if len < 0x1_0000 {
        out.put_u8(0xda);
        out.put_u16(len as u16);
    } else {
        out.put_u8(0xdb);
        out.put_u32(len as u32);
    }
}

/// Appends a signed integer.
pub(super) fn put_int(out: &mut impl BufMut, value: i64) {
    if value >= 0 {
        return put_uint(out, value as u64);
    }
    if value >= -32 {
        out.put_i8(value as i8);
    } else if value >= i64::from(i8::MIN) {
        out.put_u8(0xd0);
        out.put_i8(value as i8);
    } else if value >= i64::from(i16::MIN) {
        out.put_u8(0xd1);
        out.put_i16(value as i16);
    } else if value >= i64::from(i32::MIN) {
        out.put_u8(0xd2);
        out.put_i32(value as i32);
    } else {
        out.put_u8(0xd3);
        out.put_i64(value);
    }
}

/// Appends an unsigned integer.
pub(super) fn put_uint(out: &mut impl BufMut, value: u64) {
    if value <= 0x7f {
        out.put_u8(value as u8);
    } else if value <= 0xff {
        out.put_u8(0xcc);
        out.put_u8(value as u8);
    } else if value <= 0xffff {
        out.put_u8(0xcd);
        out.put_u16(value as u16);
    } else if value <= 0xffff_ffff {
        out.put_u8(0xce);
        out.put_u32(value as u32);
    } else {
        out.put_u8(0xcf);
        out.put_u64(value);
    }
}
