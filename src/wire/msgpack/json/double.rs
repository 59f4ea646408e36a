//! Doubles as Java prints them (command-api §2.3).

use std::fmt::Write;

/// Appends `value`: `1.0`, `0.001`, `1.0E7`; infinities and NaN as quoted text.
pub(super) fn push_double(out: &mut String, value: f64) {
    if value.is_nan() {
        return out.push_str("\"NaN\"");
    }
    if value.is_infinite() {
        return out.push_str(if value > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" });
    }
    if value.is_sign_negative() {
        out.push('-');
    }
    let magnitude = value.abs();
    if magnitude == 0.0 {
        return out.push_str("0.0");
    }
    let (digits, exponent) = shortest(magnitude);
    let digits = digits.as_str();
    match exponent {
        0..=6 => {
            let whole = exponent as usize + 1;
            let (before, after) = digits.split_at(whole.min(digits.len()));
            out.push_str(before);
            out.extend(std::iter::repeat_n('0', whole - before.len()));
            out.push('.');
            out.push_str(if after.is_empty() { "0" } else { after });
        }
        -3..=-1 => {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', (-1 - exponent) as usize));
            out.push_str(digits);
        }
        _ => {
            let (before, after) = digits.split_at(1);
            out.push_str(before);
            out.push('.');
            out.push_str(if after.is_empty() { "0" } else { after });
            // Writing to a String cannot fail.
            _ = write!(out, "E{exponent}");
        }
    }
}

/// Text of a number, without allocation. The longest is `d.dddddddddddddddde-ddd`.
#[derive(Default)]
struct Buffer {
    bytes: [u8; 32],
    len: usize,
}

impl Buffer {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl Write for Buffer {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.len + text.len();
        let room = self.bytes.get_mut(self.len..end).ok_or(std::fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// The decimal digits that identify `magnitude`, without trailing zeros, and the power of ten of
/// the first one.
fn shortest(magnitude: f64) -> (Buffer, i32) {
    let mut text = Buffer::default();
    _ = write!(text, "{magnitude:e}");
    if text.bytes.get(1) == Some(&b'e') {
        // Java looks for the nearest among numbers of two digits where one would do:
        // the smallest double is 4.9E-324, not 5.0E-324.
        text = Buffer::default();
        _ = write!(text, "{magnitude:.1e}");
    }
    let (mantissa, exponent) = text.as_str().split_once('e').unwrap_or(("0", "0"));
    let mut digits = Buffer::default();
    for part in mantissa.split('.') {
        _ = digits.write_str(part);
    }
    while digits.len > 1 && digits.bytes[digits.len - 1] == b'0' {
        digits.len -= 1;
    }
    let exponent = exponent.parse().unwrap_or_default();
    (digits, exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: f64) -> String {
        let mut out = String::new();
        push_double(&mut out, value);
        out
    }

    #[test]
    fn as_java_prints_them() {
        let cases = [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (100.0, "100.0"),
            (123.456, "123.456"),
            (0.1, "0.1"),
            (0.001, "0.001"),
            (0.00123, "0.00123"),
            (9.999999999999998E-4, "9.999999999999998E-4"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1.2345678912345679E8, "1.2345678912345679E8"),
            (f64::MIN_POSITIVE, "2.2250738585072014E-308"),
            (5e-324, "4.9E-324"),
            (f64::MAX, "1.7976931348623157E308"),
            (2e-323, "2.0E-323"),
            (f64::from(0.1f32), "0.10000000149011612"),
        ];
        for (value, expected) in cases {
            assert_eq!(text(value), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn reads_back_as_the_same_double(bits: u64) {
            let value = f64::from_bits(bits);
            if value.is_finite() {
                let back: f64 = text(value).parse().unwrap();
                proptest::prop_assert_eq!(back.to_bits(), bits);
            }
        }
    }
}
