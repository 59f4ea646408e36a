//! The identity provider's public keys (RFC 7517) and what they signed.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use p521::ecdsa::signature::Verifier as _;
use ring::signature::{self as ring_signature, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;

use super::jwt::Algorithm;
use super::refusal::Refusal;

/// Most keys that are kept of one document. Providers publish two or three.
const KEYS_MAX: usize = 64;
/// Longest key id, in bytes.
const KEY_ID_MAX: usize = 256;
/// Bytes of an RSA modulus: 2048 to 8192 bits.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;

/// Why a document gives no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// It is no key set.
    #[error("it is not a JSON Web Key Set")]
    Unreadable,
    /// It has no key of an accepted kind.
    #[error("it has no key that tokens can be verified with")]
    Empty,
}

/// A public key for signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    id: Option<String>,
    /// The only algorithm it may be used with, where the provider says so.
    algorithm: Option<Algorithm>,
    material: Material,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Material {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// Points in uncompressed form.
    P256(Vec<u8>),
    P384(Vec<u8>),
    P521(Vec<u8>),
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Jwk>,
}

/// A key as published. What is not text where text belongs makes this key useless, not the document.
#[derive(Deserialize)]
struct Jwk {
    kty: Option<serde_json::Value>,
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

impl Jwk {
    fn text(&self, name: &str) -> Option<&str> {
        self.rest.get(name)?.as_str()
    }

    fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let text = self.text(name)?.trim_end_matches('=');
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let leading = bytes.iter().take_while(|byte| **byte == 0).count();
        bytes.get(leading..).map(<[u8]>::to_vec)
    }

    /// A point whose coordinates have `size` bytes each.
    fn point(&self, size: usize) -> Option<Vec<u8>> {
        let mut point = vec![4];
        for name in ["x", "y"] {
            let coordinate = self.bytes(name)?;
            let padding = size.checked_sub(coordinate.len())?;
            point.resize(point.len() + padding, 0);
            point.extend_from_slice(&coordinate);
        }
        Some(point)
    }

    fn key(&self) -> Option<Key> {
        if self.text("use").is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let id = self.text("kid").map(str::to_owned);
        if id.as_ref().is_some_and(|id| id.len() > KEY_ID_MAX) {
            return None;
        }
        let algorithm = match self.text("alg") {
            None => None,
            Some(name) => Some(Algorithm::named(name)?),
        };
        let material = match (self.kty.as_ref()?.as_str()?, self.text("crv")) {
            ("RSA", _) => {
                let modulus = self.bytes("n").filter(|n| MODULUS.contains(&n.len()))?;
                Material::Rsa { modulus, exponent: self.bytes("e")? }
            }
            ("EC", Some("P-256")) => Material::P256(self.point(32)?),
            ("EC", Some("P-384")) => Material::P384(self.point(48)?),
            ("EC", Some("P-521")) => Material::P521(self.point(66)?),
            _ => return None,
        };
        Some(Key { id, algorithm, material })
    }
}

/// The usable keys of a document; others are left out.
///
/// # Errors
/// [`JwksError`]
pub fn keys(document: &[u8]) -> Result<Vec<Key>, JwksError> {
    let document: Document = serde_json::from_slice(document).map_err(|_| JwksError::Unreadable)?;
    let keys: Vec<Key> = document.keys.iter().filter_map(Jwk::key).take(KEYS_MAX).collect();
    if keys.is_empty() { Err(JwksError::Empty) } else { Ok(keys) }
}

impl Key {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whether `signature` is this key's for `message`. The kind of the key, not the token, decides
    /// which algorithms can be meant.
    ///
    /// # Errors
    /// [`Refusal::Algorithm`] when the key is not for this algorithm, [`Refusal::Signature`].
    pub fn verify(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Refusal> {
        if self.algorithm.is_some_and(|only| only != algorithm) {
            return Err(Refusal::Algorithm);
        }
        let point = |how, point: &Vec<u8>| {
            UnparsedPublicKey::new(how, point).verify(message, signature).is_ok()
        };
        let good = match (&self.material, algorithm) {
            (Material::Rsa { modulus, exponent }, Algorithm::Rs256) => rsa(
                &ring_signature::RSA_PKCS1_2048_8192_SHA256,
                (modulus, exponent),
                message,
                signature,
            ),
            (Material::Rsa { modulus, exponent }, Algorithm::Rs384) => rsa(
                &ring_signature::RSA_PKCS1_2048_8192_SHA384,
                (modulus, exponent),
                message,
                signature,
            ),
            (Material::Rsa { modulus, exponent }, Algorithm::Rs512) => rsa(
                &ring_signature::RSA_PKCS1_2048_8192_SHA512,
                (modulus, exponent),
                message,
                signature,
            ),
            (Material::P256(key), Algorithm::Es256) => {
                point(&ring_signature::ECDSA_P256_SHA256_FIXED, key)
            }
            (Material::P384(key), Algorithm::Es384) => {
                point(&ring_signature::ECDSA_P384_SHA384_FIXED, key)
            }
            (Material::P521(key), Algorithm::Es512) => p521(key, message, signature),
            _ => return Err(Refusal::Algorithm),
        };
        if good { Ok(()) } else { Err(Refusal::Signature) }
    }
}

fn rsa(
    how: &'static ring_signature::RsaParameters,
    (n, e): (&[u8], &[u8]),
    message: &[u8],
    signature: &[u8],
) -> bool {
    RsaPublicKeyComponents { n, e }.verify(how, message, signature).is_ok()
}

/// The one curve that ring does not have.
fn p521(point: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(point);
    let signature = p521::ecdsa::Signature::from_slice(signature);
    matches!((key, signature), (Ok(key), Ok(s)) if key.verify(message, &s).is_ok())
}
