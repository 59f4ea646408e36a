//! What a token must claim to be good for a call (gateway-behaviour §6).

use super::jwt::Claims;
use super::refusal::Refusal;
use crate::model::Millis;

/// What is demanded of claims.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// One of the token's audiences.
    pub audience: String,
    /// The token's issuer, where it matters.
    pub issuer: Option<String>,
    /// The claim that names the caller's tenants, where one does.
    pub tenants_claim: Option<String>,
    /// How far clocks may be apart.
    pub skew: Millis,
}

/// What is known of a token that passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// When it ends to be good, on the wall clock; the skew is in it.
    pub expires: Millis,
    /// The caller's name: of a user, or else the subject.
    pub name: Option<String>,
    /// The tenants it names, where [`Rules::tenants_claim`] is set.
    pub tenants: Option<Vec<String>>,
}

impl Rules {
    /// Checks the claims of a token whose signature is good; `wall` is the wall clock.
    ///
    /// # Errors
    /// [`Refusal::Expired`] and [`Refusal::Claims`]. A token without `exp`, which would be good for
    /// ever, is refused.
    pub fn check(&self, claims: &Claims, wall: Millis) -> Result<Verified, Refusal> {
        let time = |name, wrong| match claims.time(name) {
            None => Ok(None),
            Some(Ok(seconds)) => Ok(Some(Millis(seconds.saturating_mul(1000)))),
            Some(Err(())) => Err(Refusal::Claims(wrong)),
        };
        let Some(exp) = time("exp", "exp is no time")? else {
            return Err(Refusal::Claims("exp is missing"));
        };
        let expires = exp + self.skew;
        if expires <= wall {
            return Err(Refusal::Expired);
        }
        if time("nbf", "nbf is no time")?.is_some_and(|nbf| nbf > wall + self.skew) {
            return Err(Refusal::Claims("nbf is in the future"));
        }
        let audiences = claims.texts("aud").ok_or(Refusal::Claims("aud is missing"))?;
        if !audiences.iter().any(|audience| *audience == self.audience) {
            return Err(Refusal::Claims("aud names another audience"));
        }
        if let Some(issuer) = &self.issuer
            && claims.text("iss") != Some(issuer)
        {
            return Err(Refusal::Claims("iss names another issuer"));
        }
        // A token that names no tenants has none.
        let tenants = self.tenants_claim.as_ref().map(|name| {
            let tenants = claims.texts(name).unwrap_or_default();
            tenants.into_iter().map(str::to_owned).collect()
        });
        let name = claims.text("preferred_username").or_else(|| claims.text("sub"));
        Ok(Verified { expires, name: name.map(str::to_owned), tenants })
    }
}
