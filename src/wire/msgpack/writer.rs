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
        if value >= 0 {
            return self.uint(value as u64);
        }
        if value >= -32 {
            self.out.put_i8(value as i8);
        } else if value >= i64::from(i8::MIN) {
            self.out.put_u8(0xd0);
            self.out.put_i8(value as i8);
        } else if value >= i64::from(i16::MIN) {
            self.out.put_u8(0xd1);
            self.out.put_i16(value as i16);
        } else if value >= i64::from(i32::MIN) {
            self.out.put_u8(0xd2);
            self.out.put_i32(value as i32);
        } else {
            self.out.put_u8(0xd3);
            self.out.put_i64(value);
        }
    }

    /// An unsigned integer.
    pub fn uint(&mut self, value: u64) {
        if value <= 0x7f {
            self.out.put_u8(value as u8);
        } else if value <= 0xff {
            self.out.put_u8(0xcc);
            self.out.put_u8(value as u8);
        } else if value <= 0xffff {
            self.out.put_u8(0xcd);
            self.out.put_u16(value as u16);
        } else if value <= 0xffff_ffff {
            self.out.put_u8(0xce);
            self.out.put_u32(value as u32);
        } else {
            self.out.put_u8(0xcf);
            self.out.put_u64(value);
        }
    }

    /// A double.
    pub fn f64(&mut self, value: f64) {
        self.out.put_u8(0xcb);
        self.out.put_f64(value);
    }

    /// Text.
    pub fn str(&mut self, value: &str) {
        let len = value.len();
        if len < 32 {
            self.out.put_u8(0xa0 | len as u8);
        } else if len < 0x100 {
            self.out.put_u8(0xd9);
            self.out.put_u8(len as u8);
        } else if len < 0x1_0000 {
            self.out.put_u8(0xda);
            self.out.put_u16(len as u16);
        } else {
            self.out.put_u8(0xdb);
            self.out.put_u32(len as u32);
        }
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
