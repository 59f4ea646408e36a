//! The door for the frontends: from the value of an `authorization` header to who calls.
//!
//! A token that was verified is remembered by its digest until it expires, so that only its first
//! call costs a signature check.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Uri;
use ring::digest;
use tokio::sync::{mpsc, oneshot};

use super::client::{Client, FetchError, TrustError};
use super::core::Refusal;
use super::core::generations::Generations;
use super::core::jwks::Key;
use super::core::jwt::Token;
use super::core::keys::{KeyCache, Lookup};
use super::core::rules::{Rules, Verified};
use super::core::tenants::{Freshness, Tenants};
use super::provider::{self, Keys, KeysAt, Provider, TenantsOf};
use crate::clock::{self, Clock, whole_millis};
use crate::config::{AuthenticationMode, Config, IdentityProvider};
use crate::model::Millis;

/// Longest pause between two warnings of the same kind, in milliseconds.
const WARNING_PAUSE: i64 = 10_000;
/// How often a key is looked for: at once, and after fetches that were under way.
const LOOKUPS: usize = 3;

/// Why authentication cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is no address.
    #[error("`authentication.{key}` = `{value}` is no http or https address")]
    Address {
        /// The setting.
        key: &'static str,
        /// Its value.
        value: String,
    },
    /// The authorities of https cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The thread cannot be started.
    #[error("cannot start the authentication thread: {0}")]
    Thread(#[from] io::Error),
}

/// Who calls, as far as the gateway needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The caller's name, if the token has one.
    pub name: Option<Arc<str>>,
    /// The tenants the caller may use; `None` while multi-tenancy is off.
    pub tenants: Option<Arc<[String]>>,
}

/// Authenticates calls. Clones are the same one.
#[derive(Clone)]
pub struct Authenticator {
    shared: Arc<Shared>,
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator").finish_non_exhaustive()
    }
}

struct Shared {
    rules: Rules,
    keys: Arc<Keys>,
    tokens: Arc<Mutex<Tokens>>,
    /// Whether calls have tenants at all.
    multi_tenancy: bool,
    freshness: Freshness,
    questions: mpsc::Sender<TenantsOf>,
    /// Longest that a call waits for keys, or for tenants.
    patience: Duration,
    clock: Clock,
    warned: AtomicI64,
}

type Digest = [u8; digest::SHA256_OUTPUT_LEN];

/// The tokens that were verified.
struct Tokens {
    known: Generations<Digest, Arc<Known>>,
    /// How often keys were withdrawn, and all tokens forgotten.
    withdrawals: u64,
}

/// A verified token.
struct Known {
    expires: Millis,
    name: Option<Arc<str>>,
    claimed: Option<Arc<[String]>>,
    tenants: Mutex<Tenants>,
    /// Held by the one call that asks for the tenants.
    asking: tokio::sync::Mutex<()>,
}

impl Known {
    fn tenants(&self) -> MutexGuard<'_, Tenants> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn locked(tokens: &Mutex<Tokens>) -> MutexGuard<'_, Tokens> {
    tokens.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Authenticator {
    /// Starts what the configuration asks for; `None` for mode `none`.
    ///
    /// # Errors
    /// [`StartError`]; that the provider does not answer is none.
    pub fn start(config: &Config) -> Result<Option<Self>, StartError> {
        let settings = &config.authentication;
        let oidc = match settings.mode {
            AuthenticationMode::None => return Ok(None),
            AuthenticationMode::Identity => false,
            AuthenticationMode::Oidc => true,
        };
        let millis = |duration| Millis(whole_millis(duration));
        let multi_tenancy = config.multi_tenancy.enabled;
        let claim = multi_tenancy && !settings.tenants_claim.is_empty();
        let provider = Provider {
            client: Client::new(&settings.ca_file, settings.timeout)?,
            keys_at: keys_at(config, oidc)?,
            tenants_at: match multi_tenancy && !claim {
                false => None,
                true => Some(address(
                    "identity_base_url",
                    &settings.identity_base_url,
                    "/api/tenants/for-token",
                )?),
            },
        };
        let clock = Clock::system();
        let known = Generations::new(settings.token_cache);
        let tokens = Arc::new(Mutex::new(Tokens { known, withdrawals: 0 }));
        let forgetful = Arc::clone(&tokens);
        let cache = KeyCache::new(millis(settings.keys_refresh), millis(settings.keys_cooldown));
        let keys = Arc::new(Keys::new(cache, clock, move || {
            let mut tokens = locked(&forgetful);
            tokens.withdrawals += 1;
            tokens.known.clear();
        }));
        let questions = provider::start(provider, Arc::clone(&keys))?;
        let shared = Shared {
            rules: Rules {
                audience: settings.audience.clone(),
                issuer: oidc.then(|| settings.issuer.clone()),
                tenants_claim: claim.then(|| settings.tenants_claim.clone()),
                skew: millis(settings.clock_skew),
            },
            keys,
            tokens,
            multi_tenancy,
            freshness: Freshness {
                cached: millis(settings.tenants_cache),
                outage: millis(settings.tenants_outage),
            },
            questions,
            // Discovery and keys.
            patience: settings.timeout * 2 + Duration::from_secs(1),
            clock,
            warned: AtomicI64::new(0),
        };
        Ok(Some(Self { shared: Arc::new(shared) }))
    }

    /// Who calls with this value of the header `authorization`: a token, with or without the prefix
    /// `Bearer ` (gateway-behaviour §6).
    ///
    /// # Errors
    /// Why the call is refused.
    pub async fn authenticate(&self, authorization: Option<&[u8]>) -> Result<Identity, Refusal> {
        let value = authorization.ok_or(Refusal::Missing)?;
        let token = value.strip_prefix(b"Bearer ").unwrap_or(value);
        let token = std::str::from_utf8(token).map_err(|_| Refusal::Malformed("no text"))?;
        let known = self.shared.known(token).await?;
        let tenants = match (self.shared.multi_tenancy, &known.claimed) {
            (false, _) => None,
            (true, Some(claimed)) => Some(Arc::clone(claimed)),
            (true, None) => Some(self.shared.tenants(token, &known).await?),
        };
        Ok(Identity { name: known.name.clone(), tenants })
    }
}

fn keys_at(config: &Config, oidc: bool) -> Result<KeysAt, StartError> {
    let settings = &config.authentication;
    let backend = settings.issuer_backend_url.as_str();
    if !settings.jwks_url.is_empty() {
        return Ok(KeysAt::Document(address("jwks_url", &settings.jwks_url, "")?));
    }
    if !oidc && settings.provider == IdentityProvider::Keycloak {
        let path = "/protocol/openid-connect/certs";
        return Ok(KeysAt::Document(address("issuer_backend_url", backend, path)?));
    }
    let (key, base) = match backend {
        "" => ("issuer", settings.issuer.as_str()),
        backend => ("issuer_backend_url", backend),
    };
    let issuer = oidc.then(|| settings.issuer.clone());
    Ok(KeysAt::Discovery(address(key, base, "/.well-known/openid-configuration")?, issuer))
}

fn address(key: &'static str, base: &str, path: &str) -> Result<Uri, StartError> {
    let text = format!("{}{path}", base.trim_end_matches('/'));
    let parsed = text.parse::<Uri>().ok();
    let usable =
        |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    parsed.filter(usable).ok_or_else(|| StartError::Address { key, value: base.to_owned() })
}

impl Shared {
    /// The token, verified now or before.
    async fn known(&self, token: &str) -> Result<Arc<Known>, Refusal> {
        let mut digest = Digest::default();
        digest.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
        let (known, withdrawals) = {
            let mut tokens = locked(&self.tokens);
            (tokens.known.get(&digest), tokens.withdrawals)
        };
        if let Some(known) = known {
            if clock::wall() < known.expires {
                return Ok(known);
            }
            locked(&self.tokens).known.remove(&digest);
            return Err(Refusal::Expired);
        }
        let parsed = Token::parse(token)?;
        let key = self.key(parsed.key_id.as_deref()).await?;
        let claims = parsed.verify(&key)?;
        let Verified { expires, name, tenants } = self.rules.check(&claims, clock::wall())?;
        let known = Arc::new(Known {
            expires,
            name: name.map(Arc::from),
            claimed: tenants.map(Arc::from),
            tenants: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        });
        let mut tokens = locked(&self.tokens);
        // The key may have been withdrawn meanwhile.
        if tokens.withdrawals == withdrawals {
            tokens.known.insert(digest, Arc::clone(&known));
        }
        Ok(known)
    }

    async fn key(&self, id: Option<&str>) -> Result<Arc<Key>, Refusal> {
        let mut fetches = self.keys.fetches();
        for attempt in 0..LOOKUPS {
            match self.keys.lookup(id, attempt > 0) {
                Lookup::Found(key) => return Ok(key),
                Lookup::Unknown => return Err(Refusal::UnknownKey),
                Lookup::Unavailable => return Err(Refusal::NoKeys),
                Lookup::Fetch | Lookup::Wait => {}
            }
            let ended = tokio::time::timeout(self.patience, fetches.changed()).await;
            if !matches!(ended, Ok(Ok(()))) {
                break;
            }
        }
        Err(Refusal::NoKeys)
    }

    async fn tenants(&self, token: &str, known: &Known) -> Result<Arc<[String]>, Refusal> {
        let rule = self.freshness;
        let began = self.clock.now();
        let one_asks = rule.cached > Millis(0);
        let turn = if one_asks { known.asking.try_lock().ok() } else { None };
        let others = one_asks && turn.is_none();
        if let Some(tenants) = known.tenants().usable(rule, others, began) {
            return Ok(tenants);
        }
        let _turn = match turn {
            None if one_asks => {
                let turn = known.asking.lock().await;
                // What the one before was told is the answer for those who waited, too.
                let tenants = known.tenants();
                if let Some(tenants) = tenants.usable(rule, false, self.clock.now()) {
                    return Ok(tenants);
                }
                if tenants.failed_since(began) {
                    return Err(Refusal::Tenants);
                }
                drop(tenants);
                Some(turn)
            }
            turn => turn,
        };
        let asked = self.clock.now();
        let error = match self.ask(token).await {
            Ok(tenants) => {
                known.tenants().named(Arc::clone(&tenants), asked);
                return Ok(tenants);
            }
            Err(error) => error,
        };
        self.warn(&error);
        let mut tenants = known.tenants();
        if error.is_outage() {
            return tenants.failed(rule, self.clock.now()).ok_or(Refusal::Tenants);
        }
        tenants.refused();
        Err(Refusal::Tenants)
    }

    async fn ask(&self, token: &str) -> Result<Arc<[String]>, FetchError> {
        let (reply, answer) = oneshot::channel();
        let question = TenantsOf { token: token.to_owned(), reply };
        let gone = |what: &str| FetchError::Unreachable(what.to_owned());
        self.questions.try_send(question).map_err(|_| gone("too many questions wait"))?;
        let answer = tokio::time::timeout(self.patience, answer).await;
        answer.map_err(|_| FetchError::TimedOut)?.map_err(|_| gone("the question was dropped"))?
    }

    fn warn(&self, error: &FetchError) {
        let now = self.clock.now().0;
        let before = self.warned.load(Ordering::Relaxed);
        let claim =
            |at| self.warned.compare_exchange(at, now, Ordering::Relaxed, Ordering::Relaxed);
        if now - before >= WARNING_PAUSE && claim(before).is_ok() {
            log::warn!("event=tenants_not_learned cause=\"{error}\"");
        }
    }
}
