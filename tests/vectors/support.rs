//! Reading vector files, and damaging them.

use std::path::PathBuf;

/// The directory of an area.
pub fn area(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name)
}

/// The text of a vector file.
pub fn text(area_name: &str, file: &str) -> String {
    let path = area(area_name).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The bytes of a vector file.
pub fn bytes(area_name: &str, file: &str) -> Vec<u8> {
    unhex(text(area_name, file).trim())
}

/// Bytes from hex digits.
pub fn unhex(digits: &str) -> Vec<u8> {
    assert!(digits.len().is_multiple_of(2), "odd number of hex digits");
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex digits"))
        .collect()
}

/// Hex digits of bytes, for readable failures.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hands every truncation and every single bit flip of `bytes` to `read`, which must not panic.
pub fn damage(bytes: &[u8], mut read: impl FnMut(&[u8])) {
    for end in 0..bytes.len() {
        read(&bytes[..end]);
    }
    let mut flipped = bytes.to_vec();
    for bit in 0..bytes.len() * 8 {
        flipped[bit / 8] ^= 1 << (bit % 8);
        read(&flipped);
        flipped[bit / 8] ^= 1 << (bit % 8);
    }
}
