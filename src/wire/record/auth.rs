//! Who a command is sent for (command-api §2.4).
//!
//! Brokers trust the gateway: the token names the tenants the caller may use and is not signed.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;

use super::define::record;
use super::{Record, Symbol};
use crate::model::DEFAULT_TENANT;
use crate::wire::DecodeError;
use crate::wire::msgpack::list_budget;

record! {
    /// Authorization data of a command.
    pub struct AuthInfo {
        format: Symbol = "format" or Symbol::Borrowed(AuthInfo::UNKNOWN);
        auth_data: String = "authData" or String::new();
    }
}

/// `{"alg":"none","typ":"JWT"}` and the dot after it.
const JWT_HEADER: &str = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.";

/// The claims a broker reads; their order in a token is part of the format.
#[derive(serde::Serialize)]
struct ClaimsOut<'a> {
    iss: &'static str,
    aud: &'static str,
    sub: &'static str,
    authorized_tenants: &'a [&'a str],
}

#[derive(serde::Deserialize)]
struct ClaimsIn {
    authorized_tenants: Vec<String>,
}

impl AuthInfo {
    const UNKNOWN: &'static str = "UNKNOWN";
    const JWT: &'static str = "JWT";

    /// Authorization for these tenants, as a command carries it.
    #[must_use]
    pub fn for_tenants<T: AsRef<str>>(tenants: &[T]) -> Bytes {
        let tenants: Vec<&str> = tenants.iter().map(AsRef::as_ref).collect();
        let claims = ClaimsOut {
            iss: "zeebe-gateway",
            aud: "zeebe-broker",
            sub: "zeebe-client",
            authorized_tenants: &tenants,
        };
        let claims = serde_json::to_vec(&claims).expect("plain text fields always serialize");
        let mut token = JWT_HEADER.to_owned();
        BASE64_URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        token.push('.');
        Self { format: Symbol::Borrowed(Self::JWT), auth_data: token }.to_bytes()
    }

    /// Authorization for the default tenant: every command without multi-tenancy.
    #[must_use]
    pub fn default_tenant() -> Bytes {
        static BYTES: LazyLock<Bytes> = LazyLock::new(|| AuthInfo::for_tenants(&[DEFAULT_TENANT]));
        BYTES.clone()
    }

    /// "Default tenant only": what REST job activation and the gateway's own commands carry.
    #[must_use]
    pub fn unknown() -> Bytes {
        Bytes::from_static(b"\x82\xa6format\xa7UNKNOWN\xa8authData\xa0")
    }

    /// Reads authorization data and refuses what a broker refuses at once: other formats than
    /// UNKNOWN and JWT. The token itself is not looked at before [`AuthInfo::tenants`].
    ///
    /// # Errors
    /// A [`DecodeError`]; empty data is one as well.
    pub fn parse(bytes: &Bytes) -> Result<Self, DecodeError> {
        let auth = Self::from_bytes(bytes)?;
        match auth.format.as_ref() {
            Self::UNKNOWN | Self::JWT => Ok(auth),
            _ => Err(invalid("unknown authorization format").in_property("format")),
        }
    }

    /// The tenants it names. The format UNKNOWN means the default tenant.
    ///
    /// # Errors
    /// [`DecodeError::Invalid`] for a broken token.
    pub fn tenants(&self) -> Result<Vec<String>, DecodeError> {
        if self.format == Self::UNKNOWN {
            return Ok(vec![DEFAULT_TENANT.to_owned()]);
        }
        let claims = self.auth_data.split('.').nth(1).ok_or(invalid("token without claims"))?;
        let claims = BASE64_URL_SAFE_NO_PAD
            .decode(claims.trim_end_matches('='))
            .map_err(|_| invalid("token is not base64"))?;
        // Each tenant stands between two quotes, so they bound the list before it is built.
        let quotes = claims.iter().filter(|byte| **byte == b'"').count();
        if quotes * size_of::<String>() > list_budget(claims.len()) {
            return Err(invalid("token names too many tenants"));
        }
        let claims: ClaimsIn = serde_json::from_slice(&claims)
            .map_err(|_| invalid("token does not list the authorized tenants"))?;
        Ok(claims.authorized_tenants)
    }

    /// The tenants named by the authorization data of a command.
    ///
    /// # Errors
    /// Those of [`AuthInfo::parse`] and [`AuthInfo::tenants`].
    pub fn authorized_tenants(bytes: &Bytes) -> Result<Vec<String>, DecodeError> {
        Self::parse(bytes)?.tenants()
    }
}

fn invalid(what: &'static str) -> DecodeError {
    DecodeError::Invalid { offset: 0, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_the_default_record() {
        assert_eq!(AuthInfo::unknown(), AuthInfo::default().to_bytes());
        assert_eq!(AuthInfo::authorized_tenants(&AuthInfo::unknown()).unwrap(), ["<default>"]);
    }

    #[test]
    fn tenants_survive_the_token() {
        for tenants in [&[][..], &["<default>"], &["a", "b\"\\ü"]] {
            let bytes = AuthInfo::for_tenants(tenants);
            assert_eq!(AuthInfo::authorized_tenants(&bytes).unwrap(), tenants);
        }
        assert_eq!(AuthInfo::default_tenant(), AuthInfo::for_tenants(&["<default>"]));
    }

    #[test]
    fn what_brokers_refuse_is_refused() {
        assert!(AuthInfo::parse(&Bytes::new()).is_err());
        assert!(AuthInfo::parse(&Bytes::from_static(&[0x80])).is_ok());
        let other = AuthInfo { format: "PRE_AUTHORIZED".into(), auth_data: String::new() };
        assert!(AuthInfo::parse(&other.to_bytes()).is_err());
        for token in ["", "x", "x.y.z", "e30.e30.", "x.IiI."] {
            let broken = AuthInfo { format: "JWT".into(), auth_data: token.to_owned() };
            assert!(AuthInfo::parse(&broken.to_bytes()).unwrap().tenants().is_err(), "{token}");
        }
    }
}
