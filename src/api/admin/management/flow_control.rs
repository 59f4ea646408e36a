//! The limits of partitions, from an operator's JSON to the brokers' (monitoring §5.5).
//!
//! The brokers want every member; what is left out gets the default of the JVM gateway.

use serde::{Deserialize, Deserializer, Serialize};

use super::answer::Refused;

/// The JSON for the brokers.
pub(super) fn filled(body: &[u8]) -> Result<String, Refused> {
    let limits: FlowControl =
        serde_json::from_slice(body).map_err(|error| Refused::bad(error.to_string()))?;
    Ok(serde_json::to_string(&limits).expect("numbers and texts are always writable"))
}

/// What is left out, or null, stays as it is.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
struct FlowControl {
    request: Option<RequestLimit>,
    write: Option<WriteLimit>,
}

/// How many requests a partition processes at a time.
#[derive(Debug, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
struct RequestLimit {
    enabled: bool,
    use_windowed: bool,
    #[serde(deserialize_with = "algorithm")]
    algorithm: Algorithm,
    aimd: Aimd,
    fixed: Fixed,
    vegas: Vegas,
    gradient: Gradient,
    gradient2: Gradient2,
    legacy_vegas: LegacyVegas,
}

/// Name of an algorithm.
#[derive(Debug, Serialize)]
struct Algorithm(&'static str);

#[derive(Debug, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
struct Aimd {
    #[serde(deserialize_with = "seconds")]
    request_timeout: f64,
    initial_limit: i32,
    min_limit: i32,
    max_limit: i32,
    backoff_ratio: f64,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
struct Fixed {
    limit: i32,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
struct Vegas {
    alpha: i32,
    beta: i32,
    initial_limit: i32,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
struct Gradient {
    min_limit: i32,
    initial_limit: i32,
    rtt_tolerance: f64,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
struct Gradient2 {
    min_limit: i32,
    initial_limit: i32,
    rtt_tolerance: f64,
    long_window: i32,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
struct LegacyVegas {
    initial_limit: i32,
    max_concurrency: i32,
    alpha_limit: f64,
    beta_limit: f64,
}

/// How much a partition writes per second.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
struct WriteLimit {
    enabled: bool,
    limit: i32,
    #[serde(deserialize_with = "seconds")]
    ramp_up: f64,
    throttling: Throttling,
}

/// Less of it while exporters lag behind.
#[derive(Debug, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
struct Throttling {
    enabled: bool,
    acceptable_backlog: i32,
    minimum_limit: i32,
    #[serde(deserialize_with = "seconds")]
    resolution: f64,
}

impl Default for RequestLimit {
    fn default() -> Self {
        Self {
            enabled: true,
            use_windowed: true,
            algorithm: Algorithm("AIMD"),
            aimd: Aimd::default(),
            fixed: Fixed::default(),
            vegas: Vegas::default(),
            gradient: Gradient::default(),
            gradient2: Gradient2::default(),
            legacy_vegas: LegacyVegas::default(),
        }
    }
}

impl Default for Aimd {
    fn default() -> Self {
        Self {
            request_timeout: 0.2,
            initial_limit: 100,
            min_limit: 1,
            max_limit: 1000,
            backoff_ratio: 0.9,
        }
    }
}

impl Default for Fixed {
    fn default() -> Self {
        Self { limit: 20 }
    }
}

impl Default for Vegas {
    fn default() -> Self {
        Self { alpha: 3, beta: 6, initial_limit: 20 }
    }
}

impl Default for Gradient {
    fn default() -> Self {
        Self { min_limit: 10, initial_limit: 20, rtt_tolerance: 2.0 }
    }
}

impl Default for Gradient2 {
    fn default() -> Self {
        Self { min_limit: 10, initial_limit: 20, rtt_tolerance: 2.0, long_window: 600 }
    }
}

/// Its other members than `maxConcurrency` get lost in a JVM gateway; here they arrive.
impl Default for LegacyVegas {
    fn default() -> Self {
        let (initial_limit, max_concurrency) = (1024, 32_768);
        Self { initial_limit, max_concurrency, alpha_limit: 0.7, beta_limit: 0.95 }
    }
}

impl Default for Throttling {
    fn default() -> Self {
        let (acceptable_backlog, minimum_limit) = (100_000, 100);
        Self { enabled: false, acceptable_backlog, minimum_limit, resolution: 15.0 }
    }
}

/// One of the algorithms, in any case.
fn algorithm<'de, D: Deserializer<'de>>(input: D) -> Result<Algorithm, D::Error> {
    const ALGORITHMS: [&str; 6] =
        ["AIMD", "FIXED", "VEGAS", "GRADIENT", "GRADIENT2", "LEGACY_VEGAS"];
    let given = String::deserialize(input)?;
    let found = ALGORITHMS.into_iter().find(|name| name.eq_ignore_ascii_case(&given));
    found.map(Algorithm).ok_or_else(|| {
        let known = ALGORITHMS.join(", ");
        serde::de::Error::custom(format!("algorithm '{given}' is none of {known}"))
    })
}

/// A span as a number of seconds or as ISO 8601.
fn seconds<'de, D: Deserializer<'de>>(input: D) -> Result<f64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Span {
        Seconds(f64),
        Text(String),
    }
    let seconds = match Span::deserialize(input)? {
        Span::Seconds(seconds) => seconds,
        // Only spans with designators: `30s` is refused by the JVM gateway too.
        Span::Text(text) if text.starts_with(['P', 'p']) => {
            let span: jiff::SignedDuration = text.parse().map_err(serde::de::Error::custom)?;
            span.as_secs_f64()
        }
        Span::Text(text) => {
            let cause = format!("'{text}' is neither a number of seconds nor like PT15S");
            return Err(serde::de::Error::custom(cause));
        }
    };
    if !(0.0..=1e9).contains(&seconds) {
        let cause = format!("a span of {seconds} seconds is out of range");
        return Err(serde::de::Error::custom(cause));
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(body: &str) -> serde_json::Value {
        serde_json::from_str(&filled(body.as_bytes()).expect("valid")).expect("JSON")
    }

    #[test]
    fn what_is_left_out_gets_its_default() {
        // As a JVM gateway sent it (monitoring §5.5).
        let expected = serde_json::json!({"request": null, "write": {
            "enabled": true, "limit": 2000, "rampUp": 0.0,
            "throttling": {"enabled": false, "acceptableBacklog": 100_000, "minimumLimit": 100,
                "resolution": 15.0},
        }});
        assert_eq!(json(r#"{"write":{"enabled":true,"limit":2000}}"#), expected);
        assert_eq!(json(r#"{"foo":1}"#), serde_json::json!({"request": null, "write": null}));
        let request = &json(r#"{"request":{"algorithm":"vegas","vegas":{"alpha":4}}}"#)["request"];
        assert_eq!(request["algorithm"], "VEGAS");
        assert_eq!(
            request["vegas"],
            serde_json::json!({"alpha": 4, "beta": 6, "initialLimit": 20})
        );
        assert_eq!(request["aimd"]["requestTimeout"], 0.2);
    }

    #[test]
    fn spans_are_seconds_or_iso() {
        let ramp_up = |span: &str| json(&format!(r#"{{"write":{{"rampUp":{span}}}}}"#));
        assert_eq!(ramp_up("30")["write"]["rampUp"], 30.0);
        assert_eq!(ramp_up(r#""PT1M0.5S""#)["write"]["rampUp"], 60.5);
    }

    #[test]
    fn nonsense_is_refused_with_what_is_wrong() {
        for (body, cause) in [
            ("", "EOF"),
            ("[", "EOF"),
            (r#"{"write":{"limit":"x"}}"#, "limit"),
            (r#"{"write":{"rampUp":"30s"}}"#, "30s"),
            (r#"{"write":{"rampUp":-1}}"#, "out of range"),
            (r#"{"request":{"algorithm":"best"}}"#, "best"),
        ] {
            let Err(Refused::Bad(what)) = filled(body.as_bytes()) else { panic!("{body}") };
            assert!(what.contains(cause) || what.contains("invalid type"), "{body}: {what}");
        }
    }
}
