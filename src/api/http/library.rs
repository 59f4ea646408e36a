//! Which of Camunda's Java libraries asks, as its user agent says: two of them need answers of
//! their own. Everybody else is not looked at.

use actix_web::http::header::{self, HeaderMap};

/// What the libraries up to 8.7 call themselves, before their version.
const ZEEBE: &str = "zeebe-client-java/";
/// What those from 8.8 on call themselves.
const CAMUNDA: &str = "camunda-client-java/";

/// Whether members that 8.6.0 does not have break the client. Of all libraries only that very
/// version fails on what it does not know; it reads `key` of a job, where all others want `jobKey`
/// (observed with 8.6.0, 8.6.39, 8.9.0).
pub(super) fn breaks_on_newer_members(headers: &HeaderMap) -> bool {
    user_agent(headers).strip_prefix(ZEEBE) == Some("8.6.0")
}

/// Whether the client fails without the content that 8.9 added to an answer of 204 (observed with
/// 8.9.0).
pub(super) fn needs_content_of_8_9(headers: &HeaderMap) -> bool {
    let version = user_agent(headers).strip_prefix(CAMUNDA).unwrap_or_default();
    let mut numbers = version.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) => (major, minor) >= (8, 9),
        _ => false,
    }
}

fn user_agent(headers: &HeaderMap) -> &str {
    headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderValue;

    fn with(user_agent: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(user_agent).expect("no control characters");
        headers.insert(header::USER_AGENT, value);
        headers
    }

    #[test]
    fn only_8_6_0_breaks_on_newer_members() {
        assert!(breaks_on_newer_members(&with("zeebe-client-java/8.6.0")));
        for other in ["zeebe-client-java/8.6.1", "zeebe-client-java/8.6.01", "curl/8.6.0", ""] {
            assert!(!breaks_on_newer_members(&with(other)), "{other}");
        }
        assert!(!breaks_on_newer_members(&HeaderMap::new()));
    }

    #[test]
    fn content_of_8_9_is_for_those_who_need_it() {
        for newer in ["8.9.0", "8.9.0-alpha5", "8.10.1", "9.0.0"] {
            let agent = format!("camunda-client-java/{newer}");
            assert!(needs_content_of_8_9(&with(&agent)), "{newer}");
        }
        let others =
            ["camunda-client-java/8.8.14", "zeebe-client-java/8.9.0", "camunda-client-java/"];
        for other in others {
            assert!(!needs_content_of_8_9(&with(other)), "{other}");
        }
    }
}
