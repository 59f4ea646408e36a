//! Signs tokens for tests, with keys that protect nothing (tests/keys).

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaKeyPair,
};
use serde_json::{Value, json};

/// The two keys of tests/keys.
pub const RSA_1: &[u8] = include_bytes!("../keys/test-only-rsa-1.pk8");
pub const RSA_2: &[u8] = include_bytes!("../keys/test-only-rsa-2.pk8");

enum Pair {
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair, &'static str),
    P521(p521::ecdsa::SigningKey),
}

/// Anything but random, which is good enough to sign with a key that everybody knows.
struct Counter(u8);

impl p521::elliptic_curve::rand_core::CryptoRng for Counter {}

impl p521::elliptic_curve::rand_core::RngCore for Counter {
    fn next_u32(&mut self) -> u32 {
        self.next_u64() as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        u64::from(self.0)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.next_u64() as u8;
        }
    }

    fn try_fill_bytes(
        &mut self,
        bytes: &mut [u8],
    ) -> Result<(), p521::elliptic_curve::rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

/// A key pair with an id.
pub struct Signer {
    kid: String,
    algorithm: &'static str,
    pair: Pair,
}

pub fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A token of these parts, signed by whatever `sign` does.
pub fn token(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let signed = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
    let signature = encoded(sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

impl Signer {
    /// A signer with RS256, RS384 or RS512.
    pub fn rsa(kid: &str, pkcs8: &[u8], algorithm: &'static str) -> Self {
        let pair = Pair::Rsa(RsaKeyPair::from_pkcs8(pkcs8).expect("a key of tests/keys"));
        Self { kid: kid.to_owned(), algorithm, pair }
    }

    /// A signer with a new key for ES256 or ES384.
    pub fn ecdsa(kid: &str, algorithm: &'static str) -> Self {
        let (how, curve) = match algorithm {
            "ES256" => (&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256"),
            "ES384" => (&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384"),
            other => panic!("no key for {other}"),
        };
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(how, &random).expect("random numbers");
        let pair = EcdsaKeyPair::from_pkcs8(how, pkcs8.as_ref(), &random).expect("a new key");
        Self { kid: kid.to_owned(), algorithm, pair: Pair::Ecdsa(pair, curve) }
    }

    /// A signer with ES512.
    pub fn p521(kid: &str) -> Self {
        let mut scalar = [7; 66];
        scalar[0] = 0;
        let key = p521::ecdsa::SigningKey::from_slice(&scalar).expect("below the order");
        Self { kid: kid.to_owned(), algorithm: "ES512", pair: Pair::P521(key) }
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.pair {
            Pair::Rsa(pair) => {
                let how = match self.algorithm {
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(how, &SystemRandom::new(), message, &mut signature).expect("signs");
                signature
            }
            Pair::Ecdsa(pair, _) => {
                pair.sign(&SystemRandom::new(), message).expect("signs").as_ref().to_vec()
            }
            Pair::P521(key) => {
                use p521::ecdsa::signature::RandomizedSigner as _;
                let signature: p521::ecdsa::Signature = key.sign_with_rng(&mut Counter(0), message);
                signature.to_bytes().to_vec()
            }
        }
    }

    /// A token with these claims.
    pub fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": self.algorithm, "typ": "JWT", "kid": self.kid});
        token(&header, claims, |signed| self.sign(signed))
    }

    /// The public key as an identity provider publishes it.
    pub fn jwk(&self) -> Value {
        match &self.pair {
            Pair::Rsa(pair) => {
                let public = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({"kty": "RSA", "kid": self.kid, "use": "sig", "alg": self.algorithm,
                    "n": encoded(public.n), "e": encoded(public.e)})
            }
            Pair::Ecdsa(pair, curve) => self.point(curve, pair.public_key().as_ref()),
            Pair::P521(key) => {
                let point = p521::ecdsa::VerifyingKey::from(key).to_encoded_point(false);
                self.point("P-521", point.as_bytes())
            }
        }
    }

    /// An uncompressed point as a key.
    fn point(&self, curve: &str, point: &[u8]) -> Value {
        let (x, y) = point[1..].split_at((point.len() - 1) / 2);
        json!({"kty": "EC", "crv": curve, "kid": self.kid, "x": encoded(x), "y": encoded(y)})
    }
}

/// A document with the public keys of these signers.
pub fn jwks(signers: &[&Signer]) -> String {
    json!({"keys": signers.iter().map(|signer| signer.jwk()).collect::<Vec<_>>()}).to_string()
}
