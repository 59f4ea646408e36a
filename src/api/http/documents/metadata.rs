//! What is known of a document besides its content.

use serde::{Deserialize, Serialize};

use super::super::json::{FromJson, Object, Unreadable, members};
use super::super::problem::{Problem, Violations};
use crate::model::Millis;

/// The metadata of a document (rest-v2 §5.7).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Metadata {
    pub(super) content_type: Option<String>,
    pub(super) file_name: Option<String>,
    pub(super) expires_at: Option<Expiry>,
    /// Further members, in the client's order, as JSON.
    more: Vec<(String, String)>,
}

/// When a document expires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Expiry {
    at_ms: i64,
    /// As the JVM prints it.
    text: String,
}

/// Metadata as a client gave it.
#[derive(Debug, Default)]
pub(super) struct Given {
    metadata: Metadata,
    expires_at: Option<String>,
}

impl<'a> FromJson<'a> for Given {
    fn from_json(text: &'a str) -> Result<Self, Unreadable> {
        let mut given = Self::default();
        members(text.as_bytes(), |name, value| {
            match name {
                "contentType" => given.metadata.content_type = FromJson::from_json(value)?,
                "fileName" => given.metadata.file_name = FromJson::from_json(value)?,
                "expiresAt" => given.expires_at = FromJson::from_json(value)?,
                // The size is counted, whatever the client says.
                "size" => {}
                other => {
                    given.metadata.more.retain(|(known, _)| known != other);
                    if value != "null" {
                        given.metadata.more.push((other.to_owned(), value.to_owned()));
                    }
                }
            }
            Ok(())
        })?;
        Ok(given)
    }
}

impl Given {
    /// The metadata, if they break no rule; what they do not say is taken from the file's part.
    pub(super) fn check(
        self,
        file_name: Option<String>,
        content_type: Option<String>,
    ) -> Result<Metadata, Problem> {
        let Self { mut metadata, expires_at } = self;
        metadata.expires_at = expires_at.as_deref().map(Expiry::parse).transpose()?;
        let blank = |text: &Option<String>| text.as_deref().is_some_and(|t| t.trim().is_empty());
        let mut violations = Violations::default();
        if blank(&metadata.file_name) {
            violations.add("The file name must not be empty, if present");
        }
        if blank(&metadata.content_type) {
            violations.add("The content type must not be empty, if present");
        }
        violations.check()?;
        metadata.file_name = metadata.file_name.or(file_name);
        metadata.content_type = metadata.content_type.or(content_type);
        Ok(metadata)
    }
}

impl Metadata {
    pub(super) fn expired(&self, now: Millis) -> bool {
        self.expires_at.as_ref().is_some_and(|expiry| expiry.passed(now))
    }

    /// Bytes of its texts.
    pub(super) fn length(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let more = self.more.iter().map(|(name, value)| name.len() + value.len());
        text(&self.content_type) + text(&self.file_name) + more.sum::<usize>()
    }

    /// Writes the members, `size` among them.
    pub(super) fn write(&self, o: &mut Object<'_>, size: u64) {
        if let Some(text) = &self.content_type {
            o.text("contentType", text);
        }
        if let Some(text) = &self.file_name {
            o.text("fileName", text);
        }
        if let Some(expiry) = &self.expires_at {
            o.text("expiresAt", &expiry.text);
        }
        o.int("size", i64::try_from(size).unwrap_or(i64::MAX));
        for (name, value) in &self.more {
            o.raw(name, value);
        }
    }
}

impl Expiry {
    /// Reads a date and time with offset (ISO 8601, as RFC 3339 has it; seconds may be left out).
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        let unreadable = || {
            let at = mismatch(text);
            Problem::bad_request(format!("Text '{text}' could not be parsed at index {at}"))
        };
        let pieces = jiff::fmt::temporal::Pieces::parse(text).map_err(|_| unreadable())?;
        let time = pieces.time().ok_or_else(unreadable)?;
        let offset = pieces.to_numeric_offset().ok_or_else(unreadable)?;
        let local = pieces.date().to_datetime(time);
        let instant = offset.to_timestamp(local).map_err(|_| unreadable())?;
        let shown = match (time.second(), time.subsec_nanosecond()) {
            (0, 0) => local.strftime("%Y-%m-%dT%H:%M").to_string(),
            (_, 0) => local.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
            (_, nanos) if nanos % 1_000_000 == 0 => {
                local.strftime("%Y-%m-%dT%H:%M:%S%.3f").to_string()
            }
            (_, nanos) if nanos % 1_000 == 0 => local.strftime("%Y-%m-%dT%H:%M:%S%.6f").to_string(),
            _ => local.strftime("%Y-%m-%dT%H:%M:%S%.9f").to_string(),
        };
        let zone = match offset.seconds() {
            0 => "Z".to_owned(),
            seconds => {
                let sign = if seconds < 0 { '-' } else { '+' };
                let minutes = seconds.abs() / 60;
                format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
        };
        Ok(Self { at_ms: instant.as_millisecond(), text: shown + &zone })
    }

    pub(super) fn passed(&self, now: Millis) -> bool {
        self.at_ms <= now.0
    }
}

/// Where `text` stops looking like a date and time, as the JVM counts: at the start of a field.
fn mismatch(text: &str) -> usize {
    const SHAPE: &[u8] = b"0000-00-00T00:00";
    let mut field = 0;
    for (at, expected) in SHAPE.iter().enumerate() {
        let fits = match (expected, text.as_bytes().get(at)) {
            (b'0', Some(given)) => given.is_ascii_digit(),
            (b'T', Some(given)) => given.eq_ignore_ascii_case(&b'T'),
            (_, given) => given == Some(expected),
        };
        if !fits {
            return if *expected == b'0' { field } else { at };
        }
        if *expected != b'0' {
            field = at + 1;
        }
    }
    SHAPE.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_printed_as_the_jvm_does() {
        for (given, shown) in [
            ("2030-01-01T00:00:00Z", "2030-01-01T00:00Z"),
            ("2030-01-01T00:00Z", "2030-01-01T00:00Z"),
            ("2030-01-01T01:02:03.5+02:00", "2030-01-01T01:02:03.500+02:00"),
            ("2030-01-01T01:02:03.123456-03:30", "2030-01-01T01:02:03.123456-03:30"),
            ("2030-01-01T01:02:03+00:00", "2030-01-01T01:02:03Z"),
        ] {
            let expiry = Expiry::parse(given).expect(given);
            assert_eq!(expiry.text, shown, "{given}");
        }
        let utc = Expiry::parse("2030-01-01T00:00:00Z").expect("a date");
        assert!(!utc.passed(Millis(utc.at_ms - 1)) && utc.passed(Millis(utc.at_ms)));
        assert_eq!(utc.at_ms, 1_893_456_000_000);
        let east = Expiry::parse("2030-01-01T02:00:00+02:00").expect("a date");
        assert_eq!(east.at_ms, utc.at_ms);
    }

    #[test]
    fn what_is_no_date_is_told_with_its_place() {
        for (given, at) in [("tomorrow", 0), ("", 0), ("2030", 4), ("2030-1", 5), ("ü", 0)] {
            let problem = Expiry::parse(given).expect_err(given);
            let detail = format!("Text '{given}' could not be parsed at index {at}");
            assert_eq!(problem, Problem::bad_request(detail));
        }
        assert!(Expiry::parse("2030-01-01").is_err() && Expiry::parse("2030-01-01T00:00").is_err());
    }
}
