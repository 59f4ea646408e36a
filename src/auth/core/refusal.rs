//! Why a call is refused, and the texts by which clients know it (gateway-behaviour §6, rest-v2 §4).

/// Why a call is refused. Carries nothing of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The call carries no token.
    #[error("no token")]
    Missing,
    /// It is no JSON Web Token that can be read.
    #[error("not a readable token: {0}")]
    Malformed(&'static str),
    /// It is signed by an algorithm that is not accepted, or not by this key's.
    #[error("signed by an algorithm that is not accepted")]
    Algorithm,
    /// The identity provider publishes no key of its id.
    #[error("the identity provider publishes no such key")]
    UnknownKey,
    /// The identity provider's keys could not be fetched, and none are known from before.
    #[error("the identity provider's keys are not known")]
    NoKeys,
    /// The signature is not that of the key.
    #[error("wrong signature")]
    Signature,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// A claim does not allow the call.
    #[error("claim {0}")]
    Claims(&'static str),
    /// The caller's tenants cannot be learned.
    #[error("the caller's tenants are not known")]
    Tenants,
}

impl Refusal {
    /// The message of the gRPC status UNAUTHENTICATED.
    #[must_use]
    pub fn grpc_message(self) -> &'static str {
        match self {
            Self::Missing => {
                "Expected bearer token at header with key [authorization], but found nothing"
            }
            Self::Tenants => TENANTS,
            _ => "Failed to parse bearer token, see cause for details",
        }
    }

    /// The detail of the problem with status 401.
    #[must_use]
    pub fn rest_detail(self) -> &'static str {
        match self {
            Self::Missing => "Access Denied",
            Self::Malformed(_) => "error decoding jwt",
            Self::UnknownKey | Self::NoKeys => "JWKS error",
            Self::Algorithm | Self::Signature => "the token signature is invalid",
            Self::Expired => "the token has expired",
            Self::Claims(_) => "the provided claims are invalid",
            Self::Tenants => TENANTS,
        }
    }
}

const TENANTS: &str = "Expected Identity to provide authorized tenants, see cause for details";
