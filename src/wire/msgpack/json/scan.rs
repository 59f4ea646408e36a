//! Finding the next byte of a text that needs attention, eight bytes at a time.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// High bit set for the zero bytes of `x`. Bytes above the first match may be false positives.
const fn zeros(x: u64) -> u64 {
    x.wrapping_sub(ONES) & !x & HIGH
}

/// High bit set for bytes below 0x20, with the same caveat.
const fn controls(x: u64) -> u64 {
    x.wrapping_sub(ONES * 0x20) & !x & HIGH
}

/// Length of the prefix of `bytes` without `quote`, backslash and control characters.
pub(super) fn plain_prefix(bytes: &[u8], quote: u8) -> usize {
    let special = |x: u64| {
        controls(x) | zeros(x ^ (ONES * u64::from(quote))) | zeros(x ^ (ONES * u64::from(b'\\')))
    };
    prefix(bytes, special, |byte| byte == quote || byte == b'\\' || byte < 0x20)
}

/// Length of the prefix of `bytes` that JSON output takes unchanged, and that is ASCII.
pub(super) fn unescaped_prefix(bytes: &[u8]) -> usize {
    let special = |x: u64| {
        (x & HIGH)
            | controls(x)
            | zeros(x ^ (ONES * u64::from(b'"')))
            | zeros(x ^ (ONES * u64::from(b'\\')))
    };
    prefix(bytes, special, |byte| byte >= 0x80 || byte == b'"' || byte == b'\\' || byte < 0x20)
}

fn prefix(bytes: &[u8], eight: impl Fn(u64) -> u64, one: impl Fn(u8) -> bool) -> usize {
    let (chunks, rest) = bytes.as_chunks::<8>();
    for (index, chunk) in chunks.iter().enumerate() {
        let found = eight(u64::from_le_bytes(*chunk));
        if found != 0 {
            return index * 8 + (found.trailing_zeros() / 8) as usize;
        }
    }
    let done = bytes.len() - rest.len();
    done + rest.iter().position(|byte| one(*byte)).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_place() {
        for byte in 0..=u8::MAX {
            for place in 0..20 {
                let mut bytes = [b'x'; 20];
                bytes[place] = byte;
                let quoted = byte == b'"' || byte == b'\\' || byte < 0x20;
                assert_eq!(plain_prefix(&bytes, b'"'), if quoted { place } else { 20 });
                let special = quoted || byte >= 0x80;
                assert_eq!(unescaped_prefix(&bytes), if special { place } else { 20 });
            }
        }
    }
}
