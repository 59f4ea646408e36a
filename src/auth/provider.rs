//! Asks the identity provider, on a thread of its own: for keys when they are due or missing, for a
//! caller's tenants when a frontend needs them.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Uri;
use serde::Deserialize;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::client::{Client, FetchError};
use super::core::jwks::{self, Key};
use super::core::keys::{KeyCache, Lookup};
use super::core::tenants;
use crate::clock::Clock;

/// Questions for tenants that are under way, and those that wait.
const ASKING_MAX: usize = 64;
const WAITING_MAX: usize = 1024;

/// Where the keys are.
pub(super) enum KeysAt {
    /// Here.
    Document(Uri),
    /// Where the OpenID discovery document here says; its issuer must be the one given.
    Discovery(Uri, Option<String>),
}

/// What to ask, and how.
pub(super) struct Provider {
    pub(super) client: Client,
    pub(super) keys_at: KeysAt,
    /// Identity's `/api/tenants/for-token`.
    pub(super) tenants_at: Option<Uri>,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: Option<String>,
    jwks_uri: String,
}

impl Provider {
    async fn keys(&self) -> Result<Vec<Key>, FetchError> {
        let discovered;
        let at = match &self.keys_at {
            KeysAt::Document(at) => at,
            KeysAt::Discovery(at, issuer) => {
                discovered = self.discover(at, issuer.as_deref()).await?;
                &discovered
            }
        };
        let document = self.client.get(at, None).await?;
        jwks::keys(&document).map_err(|e| FetchError::Unusable(e.to_string()))
    }

    async fn discover(&self, at: &Uri, issuer: Option<&str>) -> Result<Uri, FetchError> {
        let unusable = |what: String| FetchError::Unusable(format!("discovery document: {what}"));
        let document = self.client.get(at, None).await?;
        let document: Discovery =
            serde_json::from_slice(&document).map_err(|e| unusable(e.to_string()))?;
        if issuer.is_some() && document.issuer.as_deref() != issuer {
            return Err(unusable(format!("its issuer is {:?}", document.issuer)));
        }
        document.jwks_uri.parse().map_err(|_| unusable("jwks_uri is no URI".to_owned()))
    }

    async fn tenants(&self, token: &str) -> Result<Arc<[String]>, FetchError> {
        let Some(at) = &self.tenants_at else {
            return Err(FetchError::Unusable("no address to ask for tenants".to_owned()));
        };
        let answer = self.client.get(at, Some(token)).await?;
        tenants::named(&answer)
            .ok_or_else(|| FetchError::Unusable("it is no list of tenants".to_owned()))
    }
}

/// The known keys, shared between the thread and the frontends.
pub(super) struct Keys {
    cache: Mutex<KeyCache>,
    clock: Clock,
    /// Somebody found that keys must be fetched.
    wanted: Notify,
    /// Counts fetches that ended.
    fetches: watch::Sender<u64>,
    on_withdrawn: Box<dyn Fn() + Send + Sync>,
}

impl Keys {
    /// Keys to be; `on_withdrawn` is called when one is no longer published.
    pub(super) fn new(
        cache: KeyCache,
        clock: Clock,
        on_withdrawn: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self {
            cache: Mutex::new(cache),
            clock,
            wanted: Notify::new(),
            fetches: watch::Sender::new(0),
            on_withdrawn: Box::new(on_withdrawn),
        }
    }

    fn cache(&self) -> MutexGuard<'_, KeyCache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`KeyCache::lookup`]; the fetch it may ask for is on its way.
    pub(super) fn lookup(&self, id: Option<&str>, again: bool) -> Lookup {
        let found = self.cache().lookup(id, again, self.clock.now());
        if matches!(found, Lookup::Fetch) {
            self.wanted.notify_one();
        }
        found
    }

    /// Tells of fetches that end from now on.
    pub(super) fn fetches(&self) -> watch::Receiver<u64> {
        self.fetches.subscribe()
    }

    fn fetched(&self, keys: Option<Vec<Key>>) {
        let withdrawn = self.cache().fetched(keys, self.clock.now());
        if withdrawn {
            (self.on_withdrawn)();
        }
        self.fetches.send_modify(|count| *count += 1);
    }
}

/// A fetch under way; whatever becomes of it, it ends.
struct Fetch(Option<Arc<Keys>>);

impl Fetch {
    async fn run(mut self, provider: Arc<Provider>) {
        let result = provider.keys().await;
        match &result {
            Ok(keys) => log::debug!("event=identity_keys_fetched count={}", keys.len()),
            Err(e) => log::warn!("event=identity_keys_not_fetched cause=\"{e}\""),
        }
        if let Some(keys) = self.0.take() {
            keys.fetched(result.ok());
        }
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        if let Some(keys) = self.0.take() {
            keys.fetched(None);
        }
    }
}

/// A question for the tenants of the bearer of a token.
pub(super) struct TenantsOf {
    pub(super) token: String,
    pub(super) reply: oneshot::Sender<Result<Arc<[String]>, FetchError>>,
}

/// Starts the thread. It ends when the sender is dropped.
pub(super) fn start(provider: Provider, keys: Arc<Keys>) -> io::Result<mpsc::Sender<TenantsOf>> {
    let (sender, questions) = mpsc::channel(WAITING_MAX);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new()
        .name("authentication".to_owned())
        .spawn(move || runtime.block_on(run(Arc::new(provider), keys, questions)))?;
    Ok(sender)
}

async fn run(provider: Arc<Provider>, keys: Arc<Keys>, mut questions: mpsc::Receiver<TenantsOf>) {
    let mut asking = JoinSet::new();
    let mut ended = keys.fetches();
    loop {
        let due = keys.cache().refresh_at().map(|at| keys.clock.until(at));
        let fetch = tokio::select! {
            () = keys.wanted.notified() => true,
            () = tokio::time::sleep(due.unwrap_or_default()), if due.is_some() => {
                keys.cache().begin(keys.clock.now())
            }
            // Then the refresh is due at another time.
            _ = ended.changed() => false,
            question = questions.recv(), if asking.len() < ASKING_MAX => match question {
                None => return,
                Some(question) => {
                    asking.spawn(answer(Arc::clone(&provider), question));
                    false
                }
            },
            Some(_) = asking.join_next() => false,
        };
        if fetch {
            tokio::spawn(Fetch(Some(Arc::clone(&keys))).run(Arc::clone(&provider)));
        }
    }
}

async fn answer(provider: Arc<Provider>, question: TenantsOf) {
    let TenantsOf { token, reply } = question;
    // The caller may be gone; then nobody needs the answer.
    drop(reply.send(provider.tenants(&token).await));
}
