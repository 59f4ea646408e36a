//! Which tenants a command may touch, from the AuthInfo it carries (command-api §2.4).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::Deserialize;

use super::engine::Tenants;
use crate::wire::DecodeError;
use crate::wire::record::{AuthInfo, Record};

/// Why an AuthInfo is refused.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizationError {
    /// It is no AuthInfo.
    #[error("Could not deserialize object [AuthInfo]. {0}")]
    Unreadable(#[from] DecodeError),
    /// Its format is none of the known ones.
    #[error("Could not deserialize object [AuthInfo]. Unknown format '{0}'")]
    UnknownFormat(String),
}

#[derive(Deserialize)]
struct Claims {
    authorized_tenants: Vec<String>,
}

/// Reads the tenants. A token that is none is taken for "default tenant only", as brokers notice it
/// only where tenants are checked. Brokers trust the gateway, so no signature is checked.
///
/// # Errors
/// The AuthInfo itself cannot be read.
pub fn tenants_of(authorization: &Bytes) -> Result<Tenants, AuthorizationError> {
    let info = AuthInfo::from_bytes(authorization)?;
    match &*info.format {
        "UNKNOWN" => Ok(Tenants::Default),
        "JWT" => Ok(claims_of(&info.auth_data)
            .map_or(Tenants::Default, |claims| Tenants::Listed(claims.authorized_tenants))),
        other => Err(AuthorizationError::UnknownFormat(other.to_owned())),
    }
}

fn claims_of(token: &str) -> Option<Claims> {
    let payload = token.split('.').nth(1)?;
    let json = URL_SAFE_NO_PAD.decode(payload).ok()?;
    serde_json::from_slice(&json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(claims: &str) -> Bytes {
        let token = format!("{}.{}.", URL_SAFE_NO_PAD.encode("{}"), URL_SAFE_NO_PAD.encode(claims));
        AuthInfo { format: "JWT".into(), auth_data: token }.to_bytes()
    }

    #[test]
    fn tenants_come_from_the_token() {
        let listed = jwt(r#"{"iss":"zeebe-gateway","authorized_tenants":["<default>","b"]}"#);
        let expected = Tenants::Listed(vec!["<default>".to_owned(), "b".to_owned()]);
        assert_eq!(tenants_of(&listed).unwrap(), expected);
        for broken in [jwt("{}"), jwt("nothing"), jwt(r#"{"authorized_tenants":1}"#)] {
            assert_eq!(tenants_of(&broken).unwrap(), Tenants::Default);
        }
        assert_eq!(tenants_of(&AuthInfo::unknown()).unwrap(), Tenants::Default);
        assert_eq!(tenants_of(&Bytes::from_static(&[0x80])).unwrap(), Tenants::Default);
    }

    #[test]
    fn what_is_no_auth_info_is_refused() {
        assert!(matches!(tenants_of(&Bytes::new()), Err(AuthorizationError::Unreadable(_))));
        let other = AuthInfo { format: "PRE_AUTHORIZED".into(), auth_data: String::new() };
        let error = tenants_of(&other.to_bytes()).unwrap_err();
        assert!(error.to_string().ends_with("Unknown format 'PRE_AUTHORIZED'"), "{error}");
    }
}
