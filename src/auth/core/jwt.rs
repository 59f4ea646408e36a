//! A JSON Web Token taken apart (RFC 7515, RFC 7519). Nothing in it is believed here: the header only
//! says which key to look for, and the claims count when [`Token::verify`] has been called.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::jwks::Key;
use super::refusal::Refusal;

/// Longest token that is read, in bytes; more than the headers of a call may hold.
const TOKEN_MAX: usize = 16 * 1024;

/// The signature algorithms that are accepted, all of them with a public key. `none` and the HMAC
/// family do not exist here, so that no key can be mistaken for a shared secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
}

impl Algorithm {
    /// The algorithm of this registered name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "ES512" => Self::Es512,
            _ => return None,
        })
    }
}

/// What a header may say that matters. Keys it carries or points to (`jwk`, `jku`, `x5u`) are not
/// looked at.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

/// A token that could be read.
#[derive(Debug)]
pub struct Token<'a> {
    /// Algorithm it says it is signed by.
    pub algorithm: Algorithm,
    /// Id of the key it says it is signed with.
    pub key_id: Option<String>,
    signed: &'a str,
    signature: Vec<u8>,
    claims: Map<String, Value>,
}

impl<'a> Token<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], or [`Refusal::Algorithm`] for one that is not accepted.
    pub fn parse(text: &'a str) -> Result<Self, Refusal> {
        if text.len() > TOKEN_MAX {
            return Err(Refusal::Malformed("longer than any token"));
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Refusal::Malformed("no parts"))?;
        let (header, claims) = signed.split_once('.').ok_or(Refusal::Malformed("two parts"))?;
        let header: Header = json(header, "header")?;
        let claims = json(claims, "claims")?;
        if header.crit.is_some() {
            return Err(Refusal::Malformed("header demands an extension"));
        }
        let algorithm = Algorithm::named(&header.alg).ok_or(Refusal::Algorithm)?;
        let signature = decoded(signature).ok_or(Refusal::Malformed("signature is not base64"))?;
        Ok(Self { algorithm, key_id: header.kid, signed, signature, claims })
    }

    /// The claims, if `key` signed them.
    ///
    /// # Errors
    /// [`Refusal::Algorithm`] when the key is not for this algorithm, [`Refusal::Signature`].
    pub fn verify(self, key: &Key) -> Result<Claims, Refusal> {
        key.verify(self.algorithm, self.signed.as_bytes(), &self.signature)?;
        Ok(Claims(self.claims))
    }
}

fn decoded(part: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(part).ok()
}

fn json<T: for<'de> Deserialize<'de>>(part: &str, what: &'static str) -> Result<T, Refusal> {
    decoded(part)
        .and_then(|text| serde_json::from_slice(&text).ok())
        .ok_or(Refusal::Malformed(what))
}

/// The claims of a token whose signature was verified.
#[derive(Debug)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// A claim that is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A claim that is text or a list of texts; `None` when it is missing or anything else.
    #[must_use]
    pub fn texts(&self, name: &str) -> Option<Vec<&str>> {
        match self.0.get(name)? {
            Value::String(text) => Some(vec![text]),
            Value::Array(items) => items.iter().map(Value::as_str).collect(),
            _ => None,
        }
    }

    /// A point in time, in whole seconds since the Unix epoch; `Some(Err)` when it is no number.
    #[must_use]
    pub fn time(&self, name: &str) -> Option<Result<i64, ()>> {
        let value = self.0.get(name)?;
        // A fraction of a second is cut off; the cast saturates.
        #[allow(clippy::cast_possible_truncation, reason = "saturates")]
        let cut = |seconds: f64| seconds.floor() as i64;
        Some(value.as_i64().or_else(|| value.as_f64().map(cut)).ok_or(()))
    }
}
