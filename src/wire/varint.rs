//! Variable-length integers: base 128, low group first, the high bit says "more".
//!
//! The 64-bit form has at most nine bytes and the ninth carries eight value bits
//! (cluster-protocol §1.3), which is where it differs from protobuf's.

use bytes::BufMut;

/// A varint that is longer or larger than its type allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlong;

/// Writes a 32-bit varint.
pub fn write_u32(out: &mut impl BufMut, mut value: u32) {
    while value > 0x7f {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// Writes a 64-bit varint.
pub fn write_u64(out: &mut impl BufMut, mut value: u64) {
    for _ in 0..8 {
        if value <= 0x7f {
            out.put_u8(value as u8);
            return;
        }
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// Reads a 32-bit varint from the front of `bytes`: value and length, or `None` when it is cut off.
pub fn read_u32(bytes: &[u8]) -> Result<Option<(u32, usize)>, Overlong> {
    let mut value = 0u32;
    for index in 0..5 {
        let Some(&byte) = bytes.get(index) else { return Ok(None) };
        if index == 4 && byte > 0x0f {
            return Err(Overlong);
        }
        value |= u32::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((value, index + 1)));
        }
    }
    Err(Overlong)
}

/// Reads a 64-bit varint from the front of `bytes`: value and length, or `None` when it is cut off.
#[must_use]
pub fn read_u64(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for index in 0..8 {
        let byte = *bytes.get(index)?;
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    let last = *bytes.get(8)?;
    Some((value | u64::from(last) << 56, 9))
}

/// Maps a signed number to an unsigned one so that small magnitudes stay small.
#[must_use]
pub const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Undoes [`zigzag`].
#[must_use]
pub const fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trips(value: u64, small: u32, signed: i64) {
            let mut out = Vec::new();
            write_u64(&mut out, value);
            prop_assert_eq!(read_u64(&out), Some((value, out.len())));
            prop_assert_eq!(read_u64(&out[..out.len() - 1]), None);
            out.clear();
            write_u32(&mut out, small);
            prop_assert_eq!(read_u32(&out), Ok(Some((small, out.len()))));
            prop_assert_eq!(read_u32(&out[..out.len() - 1]), Ok(None));
            prop_assert_eq!(unzigzag(zigzag(signed)), signed);
        }
    }

    #[test]
    fn borders() {
        let mut out = Vec::new();
        write_u64(&mut out, u64::MAX);
        assert_eq!(out, [0xff; 9]);
        assert_eq!(read_u32(&[0xff, 0xff, 0xff, 0xff, 0x1f]), Err(Overlong));
        assert_eq!(read_u32(&[0xff, 0xff, 0xff, 0xff, 0x8f]), Err(Overlong));
        assert_eq!(unzigzag(zigzag(i64::MIN)), i64::MIN);
    }
}
