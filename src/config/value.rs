//! Durations and sizes as text.

pub(super) mod duration {
    //! `250ms`, `15s`, `5m`, `1h`, `1d`, or ISO 8601 (`PT15S`).

    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn parse(text: &str) -> Result<Duration, String> {
        let text = text.trim();
        if text.starts_with(['P', 'p', '+', '-']) {
            let span: jiff::SignedDuration =
                text.parse().map_err(|e| format!("`{text}` is not a duration: {e}"))?;
            return Duration::try_from(span)
                .map_err(|_| format!("`{text}` is negative; a duration must not be"));
        }
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: u64 =
            number.parse().map_err(|_| format!("`{text}` is not a duration like `15s`"))?;
        match unit.trim() {
            "ns" => Ok(Duration::from_nanos(number)),
            "us" => Ok(Duration::from_micros(number)),
            "" | "ms" => Ok(Duration::from_millis(number)),
            "s" => Ok(Duration::from_secs(number)),
            "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
            "h" => Ok(Duration::from_secs(number.saturating_mul(3600))),
            "d" => Ok(Duration::from_secs(number.saturating_mul(86400))),
            other => Err(format!("unknown unit `{other}`; known: ns, us, ms, s, m, h, d")),
        }
    }

    pub(crate) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        let millis = value.as_millis();
        if millis.is_multiple_of(1000) {
            to.serialize_str(&format!("{}s", millis / 1000))
        } else {
            to.serialize_str(&format!("{millis}ms"))
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(from)?;
        parse(&text).map_err(de::Error::custom)
    }
}

pub(super) mod size {
    //! `4MB`, `64KB`, in powers of 1024; a bare number is bytes.

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn parse(text: &str) -> Result<usize, String> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: usize =
            number.parse().map_err(|_| format!("`{text}` is not a size like `4MB`"))?;
        let shift = match unit.trim().to_ascii_uppercase().as_str() {
            "" | "B" => 0,
            "KB" => 10,
            "MB" => 20,
            "GB" => 30,
            "TB" => 40,
            other => return Err(format!("unknown unit `{other}`; known: B, KB, MB, GB, TB")),
        };
        number
            .checked_mul(1 << shift)
            .ok_or_else(|| format!("`{text}` is more than this machine can address"))
    }

    pub(crate) fn serialize<S: Serializer>(value: &usize, to: S) -> Result<S::Ok, S::Error> {
        for (shift, unit) in [(30, "GB"), (20, "MB"), (10, "KB")] {
            if *value > 0 && value.is_multiple_of(1 << shift) {
                return to.serialize_str(&format!("{}{unit}", value >> shift));
            }
        }
        to.serialize_str(&format!("{value}B"))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
        let text = String::deserialize(from)?;
        parse(&text).map_err(de::Error::custom)
    }
}
