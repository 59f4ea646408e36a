//! What is accepted, what is refused, and what the provider is asked, in simulated time.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::Refusal;
use super::jwks::{self, JwksError, Key};
use super::jwt::Token;
use super::keys::{KeyCache, Lookup};
use super::rules::{Rules, Verified};
use crate::model::Millis;

#[path = "../../../tests/support/tokens.rs"]
mod tokens;

use tokens::{RSA_1, RSA_2, Signer, encoded, jwks as document, token};

const NOW: Millis = Millis(1_700_000_000_000);
const SECOND: i64 = 1_000;
const HOUR: i64 = 3_600 * SECOND;

fn rsa() -> Signer {
    Signer::rsa("k1", RSA_1, "RS256")
}

fn key(signer: &Signer) -> Key {
    jwks::keys(document(&[signer]).as_bytes()).expect("a key set").remove(0)
}

fn claims() -> Value {
    json!({"aud": ["account", "zeebe-api"], "iss": "https://idp", "exp": NOW.0 / 1000 + 60})
}

fn rules() -> Rules {
    Rules { audience: "zeebe-api".to_owned(), ..Rules::default() }
}

fn verify(token: &str, key: &Key, rules: &Rules) -> Result<Verified, Refusal> {
    rules.check(&Token::parse(token)?.verify(key)?, NOW)
}

/// Checks claims that are properly signed, changed in one place.
fn with(name: &str, value: Value) -> Result<Verified, Refusal> {
    let mut claims = claims();
    match value {
        Value::Null => drop(claims.as_object_mut().expect("an object").remove(name)),
        value => claims[name] = value,
    }
    verify(&rsa().token(&claims), &key(&rsa()), &rules())
}

#[test]
fn each_accepted_algorithm_is_verified_with_its_key_only() {
    let signers = [
        Signer::rsa("a", RSA_1, "RS256"),
        Signer::rsa("a", RSA_1, "RS384"),
        Signer::rsa("a", RSA_1, "RS512"),
        Signer::ecdsa("a", "ES256"),
        Signer::ecdsa("a", "ES384"),
        Signer::p521("a"),
    ];
    let mut document: Value = serde_json::from_str(&document(&signers.each_ref())).expect("JSON");
    for pinned in [true, false] {
        if !pinned {
            for key in document["keys"].as_array_mut().expect("keys") {
                drop(key.as_object_mut().expect("a key").remove("alg"));
            }
        }
        let keys = jwks::keys(document.to_string().as_bytes()).expect("keys");
        assert_eq!(keys.len(), signers.len());
        for (i, signer) in signers.iter().enumerate() {
            let token = signer.token(&claims());
            for (j, key) in keys.iter().enumerate() {
                let outcome = verify(&token, key, &rules());
                // One RSA key serves all three of its algorithms unless it is pinned to one.
                let same = i == j || (!pinned && i < 3 && j < 3);
                let expected =
                    if same { Ok(NOW + Millis(60 * SECOND)) } else { Err(Refusal::Algorithm) };
                assert_eq!(outcome.map(|v| v.expires), expected, "{i} with key {j}");
            }
        }
    }
}

#[test]
fn unsigned_tokens_and_shared_secrets_are_refused() {
    let key = key(&rsa());
    let public = rsa().jwk()["n"].as_str().expect("a modulus").to_owned();
    for algorithm in ["none", "None", "", "HS256", "HS512", "PS256", "EdDSA", "RS1"] {
        let header = json!({"alg": algorithm, "kid": "k1"});
        // The public key as the secret of a MAC: what alg confusion is about.
        let mac = |signed: &[u8]| {
            let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, public.as_bytes());
            ring::hmac::sign(&secret, signed).as_ref().to_vec()
        };
        for token in [token(&header, &claims(), mac), token(&header, &claims(), |_| Vec::new())] {
            assert_eq!(verify(&token, &key, &rules()), Err(Refusal::Algorithm), "{algorithm}");
        }
    }
    // The header's own key is not looked at.
    let other = Signer::rsa("k1", RSA_2, "RS256");
    let header = json!({"alg": "RS256", "kid": "k1", "jwk": other.jwk(), "jku": "http://evil"});
    let token = token(&header, &claims(), |signed| other.sign(signed));
    assert_eq!(verify(&token, &key, &rules()), Err(Refusal::Signature));
}

#[test]
fn what_was_changed_after_signing_is_refused() {
    let good = rsa().token(&claims());
    let key = key(&rsa());
    assert!(verify(&good, &key, &rules()).is_ok());
    let parts: Vec<&str> = good.split('.').collect();
    let mut forged = claims();
    forged["exp"] = json!(NOW.0);
    let forged = format!("{}.{}.{}", parts[0], encoded(forged.to_string()), parts[2]);
    assert_eq!(verify(&forged, &key, &rules()), Err(Refusal::Signature));
    let without = format!("{}.{}.", parts[0], parts[1]);
    assert_eq!(verify(&without, &key, &rules()), Err(Refusal::Signature));
}

#[test]
fn what_is_no_token_is_malformed() {
    let part = encoded("{}");
    let text = encoded("\"text\"");
    let long = "a".repeat(20_000);
    let critical = token(&json!({"alg": "RS256", "crit": ["b64"]}), &claims(), |_| Vec::new());
    for token in [
        "",
        "abc",
        "Basic abc",
        "a.b",
        "..",
        "a.b.c.d",
        &format!("{part}.{part}.!"),
        &format!("{text}.{part}.{part}"),
        &format!("{part}.{text}.{part}"),
        &format!("{long}.{part}.{part}"),
        &critical,
    ] {
        let refused = Token::parse(token).map(|_| ()).unwrap_err();
        assert!(matches!(refused, Refusal::Malformed(_)), "{token:.40}: {refused:?}");
    }
}

proptest! {
    #[test]
    fn no_token_makes_it_panic(text in ".{0,200}", header in ".{0,60}", claims in ".{0,60}") {
        drop(Token::parse(&text));
        let token = format!("{}.{}.{}", encoded(&header), encoded(&claims), encoded(&text));
        drop(Token::parse(&token));
        drop(jwks::keys(text.as_bytes()));
    }
}

#[test]
fn claims_decide() {
    let now = NOW.0 / 1000;
    assert!(with("aud", json!("zeebe-api")).is_ok());
    for audience in [json!("zeebe-ap"), json!([]), json!(["a"]), json!(1), Value::Null] {
        assert!(matches!(with("aud", audience), Err(Refusal::Claims(_))));
    }
    assert_eq!(with("exp", json!(now)), Err(Refusal::Expired));
    assert_eq!(with("exp", json!(-1)), Err(Refusal::Expired));
    assert!(with("exp", json!(now as f64 + 1.5)).is_ok());
    assert_eq!(with("exp", Value::Null), Err(Refusal::Claims("exp is missing")));
    assert_eq!(with("exp", json!("soon")), Err(Refusal::Claims("exp is no time")));
    assert!(with("exp", json!(i64::MAX)).is_ok());
    assert!(with("nbf", json!(now)).is_ok());
    assert_eq!(with("nbf", json!(now + 1)), Err(Refusal::Claims("nbf is in the future")));
    assert!(with("iss", Value::Null).is_ok(), "without a rule the issuer does not matter");

    let skewed = Rules { skew: Millis(5 * SECOND), ..rules() };
    let mut late = claims();
    late["exp"] = json!(now - 4);
    late["nbf"] = json!(now + 5);
    let verified = verify(&rsa().token(&late), &key(&rsa()), &skewed).expect("within the skew");
    assert_eq!(verified.expires, NOW + Millis(SECOND));

    let strict = Rules { issuer: Some("https://idp".to_owned()), ..rules() };
    assert!(verify(&rsa().token(&claims()), &key(&rsa()), &strict).is_ok());
    let stranger = Rules { issuer: Some("https://idp/".to_owned()), ..rules() };
    let refused = verify(&rsa().token(&claims()), &key(&rsa()), &stranger);
    assert_eq!(refused, Err(Refusal::Claims("iss names another issuer")));
}

#[test]
fn tenants_come_from_the_claim() {
    let rules = Rules { tenants_claim: Some("tenants".to_owned()), ..rules() };
    let tenants = |value: Value| {
        let mut claims = claims();
        claims["tenants"] = value;
        verify(&rsa().token(&claims), &key(&rsa()), &rules).expect("valid").tenants.expect("a rule")
    };
    assert_eq!(tenants(json!(["a", "b"])), ["a", "b"]);
    assert_eq!(tenants(json!("a b")), ["a b"]);
    for nothing in [json!(null), json!(1), json!(["a", 1]), json!({"a": 1})] {
        assert!(tenants(nothing).is_empty());
    }
}

#[test]
fn useless_keys_are_left_out() {
    let good = rsa().jwk();
    let changed = |name: &str, value: Value| {
        let mut key = good.clone();
        key[name] = value;
        key
    };
    let useless = [
        json!({"kty": "oct", "k": "c2VjcmV0", "kid": "k1", "alg": "HS256"}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}),
        json!({"kty": "EC", "crv": "P-256", "x": encoded([1; 33]), "y": encoded([1; 32])}),
        changed("use", json!("enc")),
        changed("alg", json!("HS256")),
        changed("n", json!(encoded([255; 128]))),
        changed("n", json!("!")),
        changed("kid", json!("k".repeat(300))),
        json!({}),
    ];
    for key in &useless {
        let document = json!({"keys": [key]}).to_string();
        assert_eq!(jwks::keys(document.as_bytes()), Err(JwksError::Empty), "{key}");
    }
    let mut all = useless.to_vec();
    all.push(good);
    let keys = jwks::keys(json!({"keys": all}).to_string().as_bytes()).expect("one is good");
    assert_eq!(keys.len(), 1);
    for other in ["", "[]", "{}", r#"{"keys":{}}"#, "<html>"] {
        assert_eq!(jwks::keys(other.as_bytes()), Err(JwksError::Unreadable), "{other}");
    }
}

fn cache() -> KeyCache {
    KeyCache::new(Millis(600 * SECOND), Millis(10 * SECOND))
}

/// What is found, as a word.
fn found(cache: &mut KeyCache, id: &str, now: i64) -> &'static str {
    match cache.lookup(Some(id), false, Millis(now)) {
        Lookup::Found(_) => "found",
        Lookup::Fetch => "fetch",
        Lookup::Wait => "wait",
        Lookup::Unknown => "unknown",
        Lookup::Unavailable => "unavailable",
    }
}

#[test]
fn the_first_token_has_the_keys_fetched_and_others_wait() {
    let mut cache = cache();
    assert_eq!(cache.refresh_at(), Some(Millis(0)), "due at once");
    assert_eq!(found(&mut cache, "k1", 5), "fetch");
    assert_eq!(found(&mut cache, "k1", 6), "wait");
    assert_eq!(cache.refresh_at(), None);
    assert!(!cache.begin(Millis(7)));
    cache.fetched(Some(vec![key(&rsa())]), Millis(8));
    assert_eq!(found(&mut cache, "k1", 9), "found");
    // A token without a key id means the only key.
    assert!(matches!(cache.lookup(None, false, Millis(9)), Lookup::Found(_)));
    let two = vec![key(&rsa()), key(&Signer::rsa("k2", RSA_2, "RS256"))];
    cache.fetched(Some(two), Millis(10));
    assert!(matches!(cache.lookup(None, false, Millis(99_999)), Lookup::Unknown));
}

#[test]
fn a_flood_of_unknown_keys_costs_one_fetch_per_cooldown() {
    let mut cache = cache();
    assert!(cache.begin(Millis(0)));
    cache.fetched(Some(vec![key(&rsa())]), Millis(0));
    let mut fetches = 0;
    for now in 0..60 * SECOND {
        let id = format!("unknown-{}", now % 5_000);
        match cache.lookup(Some(&id), now % 2 == 0, Millis(now)) {
            Lookup::Fetch => {
                fetches += 1;
                cache.fetched(Some(vec![key(&rsa())]), Millis(now));
            }
            Lookup::Unknown => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(found(&mut cache, "k1", now), "found");
    }
    assert!((4..=5).contains(&fetches), "{fetches} fetches in a minute");
}

#[test]
fn one_unknown_key_again_and_again_is_asked_for_once_a_minute() {
    let mut cache = cache();
    assert!(cache.begin(Millis(0)));
    cache.fetched(Some(vec![key(&rsa())]), Millis(0));
    let mut fetches = 0;
    for now in (10 * SECOND..190 * SECOND).step_by(100) {
        if found(&mut cache, "old", now) == "fetch" {
            fetches += 1;
            cache.fetched(Some(vec![key(&rsa())]), Millis(now));
            assert!(matches!(cache.lookup(Some("old"), true, Millis(now)), Lookup::Unknown));
        }
    }
    assert_eq!(fetches, 3);
}

#[test]
fn a_rotated_key_is_found_at_once_and_a_withdrawn_one_is_noticed() {
    let (old, new) = (key(&rsa()), key(&Signer::rsa("k2", RSA_2, "RS256")));
    let mut cache = cache();
    assert!(cache.begin(Millis(0)));
    assert!(!cache.fetched(Some(vec![old.clone()]), Millis(0)));
    assert_eq!(found(&mut cache, "k2", 5 * SECOND), "unknown", "within the cooldown");
    assert_eq!(found(&mut cache, "k2", 10 * SECOND), "fetch", "which is not held against it");
    assert!(!cache.fetched(Some(vec![old, new.clone()]), Millis(10 * SECOND)), "both are good");
    assert_eq!(found(&mut cache, "k1", 11 * SECOND), "found");
    assert_eq!(found(&mut cache, "k2", 11 * SECOND), "found");
    assert_eq!(cache.refresh_at(), Some(Millis(610 * SECOND)));
    assert!(cache.begin(Millis(610 * SECOND)));
    assert!(cache.fetched(Some(vec![new]), Millis(610 * SECOND)), "withdrawn");
    assert_eq!(found(&mut cache, "k1", 611 * SECOND), "unknown");
}

#[test]
fn an_outage_of_an_hour_is_not_noticed_by_valid_tokens() {
    let mut cache = cache();
    assert!(cache.begin(Millis(0)));
    cache.fetched(Some(vec![key(&rsa())]), Millis(0));
    let (mut now, mut attempts) = (0, 0);
    while now < 600 * SECOND + HOUR {
        now += SECOND / 2;
        assert_eq!(found(&mut cache, "k1", now), "found");
        // Calls with unknown keys do not make it worse.
        let unknown = found(&mut cache, &format!("x{now}"), now) == "fetch";
        if unknown || cache.refresh_at().is_some_and(|at| at.0 <= now) && cache.begin(Millis(now)) {
            attempts += 1;
            cache.fetched(None, Millis(now));
        }
    }
    assert!((360..450).contains(&attempts), "{attempts} attempts");
    // Then it is back.
    now += 10 * SECOND;
    assert!(cache.begin(Millis(now)));
    cache.fetched(Some(vec![key(&rsa())]), Millis(now));
    assert_eq!(cache.refresh_at(), Some(Millis(now + 600 * SECOND)));
    // After a week nobody can say any more whether a key is good.
    assert_eq!(found(&mut cache, "k1", now + 7 * 24 * HOUR), "found");
    assert_eq!(found(&mut cache, "k1", now + 7 * 24 * HOUR + 1), "fetch");
}

#[test]
fn without_keys_from_the_start_tokens_are_refused_and_the_provider_is_asked_again() {
    let mut cache = cache();
    assert_eq!(found(&mut cache, "k1", 0), "fetch");
    cache.fetched(None, Millis(5));
    assert_eq!(found(&mut cache, "k1", 999), "unavailable");
    assert_eq!(found(&mut cache, "k1", 1_000), "fetch");
    cache.fetched(None, Millis(1_001));
    assert_eq!(found(&mut cache, "k1", 2_999), "unavailable");
    assert_eq!(cache.refresh_at(), Some(Millis(3_000)), "the pause has doubled");
    assert_eq!(found(&mut cache, "k1", 3_000), "fetch");
    cache.fetched(Some(vec![key(&rsa())]), Millis(3_001));
    assert_eq!(found(&mut cache, "k1", 3_002), "found");
}
