//! Strings of JSON text: their escapes.

use super::scan::plain_prefix;

/// What is wrong, and at which byte of the text.
#[derive(Debug)]
pub(super) struct Fault {
    pub at: usize,
    pub what: &'static str,
}

/// Appends the string that begins at `pos`, after its opening `quote`, without the quotes and with
/// its escapes resolved. Gives the position after the closing quote.
pub(super) fn unescape(
    text: &[u8],
    mut pos: usize,
    quote: u8,
    out: &mut Vec<u8>,
) -> Result<usize, Fault> {
    loop {
        let rest = text.get(pos..).unwrap_or_default();
        let plain = plain_prefix(rest, quote);
        out.extend_from_slice(&rest[..plain]);
        pos += plain;
        match rest.get(plain) {
            Some(b'\\') => pos = escape(text, pos + 1, quote, out)?,
            Some(byte) if *byte == quote => return Ok(pos + 1),
            Some(_) => return Err(Fault { at: pos, what: "control character in a string" }),
            None => return Err(Fault { at: pos, what: "string does not end" }),
        }
    }
}

/// Appends the character of the escape whose letter is at `pos`; gives the position after it.
fn escape(text: &[u8], pos: usize, quote: u8, out: &mut Vec<u8>) -> Result<usize, Fault> {
    let letter = text.get(pos).copied();
    out.push(match letter {
        Some(b'"' | b'\\' | b'/') => letter.unwrap_or_default(),
        Some(b'b') => 0x08,
        Some(b'f') => 0x0c,
        Some(b'n') => b'\n',
        Some(b'r') => b'\r',
        Some(b't') => b'\t',
        Some(b'\'') if quote == b'\'' => b'\'',
        Some(b'u') => {
            let (char, end) = unicode(text, pos + 1)?;
            out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            return Ok(end);
        }
        _ => return Err(Fault { at: pos, what: "unknown escape" }),
    });
    Ok(pos + 1)
}

/// The character of a `\u` escape whose digits begin at `pos`, and the position after it. Half of
/// a surrogate pair becomes a question mark (command-api §2.2).
fn unicode(text: &[u8], pos: usize) -> Result<(char, usize), Fault> {
    let unit = hex4(text, pos).ok_or(Fault { at: pos, what: "four hex digits expected" })?;
    if let Some(char) = char::from_u32(unit) {
        return Ok((char, pos + 4));
    }
    let second = match text.get(pos + 4..pos + 6) {
        Some(b"\\u") if unit < 0xdc00 => hex4(text, pos + 6),
        _ => None,
    };
    let Some(low @ 0xdc00..=0xdfff) = second else {
        return Ok(('?', pos + 4));
    };
    let pair = 0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    Ok((char::from_u32(pair).unwrap_or('?'), pos + 10))
}

fn hex4(text: &[u8], pos: usize) -> Option<u32> {
    text.get(pos..pos + 4)?
        .iter()
        .try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)?))
}
