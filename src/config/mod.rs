//! The typed configuration tree. `config.toml` at the root of the repository is the manual and,
//! compiled in, the only home of the default values.

mod check;
mod cli;
mod env_names;
mod layers;
mod nearest;
mod print;
mod value;

pub use cli::Arguments;
pub use layers::{ConfigError, Layers, Loaded, Source};

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The commented defaults.
pub const DEFAULTS: &str = include_str!("../../config.toml");

/// Everything that can be configured. `config.toml` documents each key.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "config.toml documents every key")]
pub struct Config {
    pub grpc: Grpc,
    pub rest: Rest,
    pub documents: Documents,
    pub monitoring: Monitoring,
    pub admin: Admin,
    pub cluster: Cluster,
    pub broker: Broker,
    pub long_polling: LongPolling,
    pub multi_tenancy: MultiTenancy,
    pub authentication: Authentication,
    pub compatibility: Compatibility,
    pub limits: Limits,
    pub threads: Threads,
    pub shutdown: Shutdown,
}

/// `[grpc]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "config.toml documents every key")]
pub struct Grpc {
    pub host: String,
    pub port: u16,
    #[serde(with = "value::size")]
    pub max_message_size: usize,
    #[serde(with = "value::duration")]
    pub min_keep_alive_interval: Duration,
    pub compression: bool,
    pub reflection: bool,
}

/// `[rest]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "config.toml documents every key")]
pub struct Rest {
    pub enabled: bool,
    pub host: String,
    pub port: u16,
    #[serde(with = "value::size")]
    pub max_body_size: usize,
    pub keys: KeyForm,
}

/// How keys of entities stand in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyForm {
    /// As numbers: 8.6.
    Number,
    /// As strings of digits: 8.7 and later.
    String,
}

/// `[documents]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "config.toml documents every key")]
pub struct Documents {
    pub store: DocumentStore,
    pub directory: String,
    #[serde(with = "value::size")]
    pub max_document_size: usize,
    #[serde(with = "value::size")]
    pub max_total_size: usize,
}

/// Where documents are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentStore {
    /// In memory, until the process ends.
    InMemory,
    /// As files in a directory.
    File,
    /// Nowhere.
    None,
}

/// `[monitoring]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "config.toml documents every key")]
pub struct Monitoring {
    pub host: String,
    pub port: u16,
    pub management: bool,
}

/// `[admin]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "config.toml documents every key")]
pub struct Admin {
    pub enabled: bool,
    pub host: String,
    pub port: u16,
}

/// `[cluster]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "config.toml documents every key")]
pub struct Cluster {
    pub name: String,
    pub initial_contact_points: Vec<String>,
    pub member_id: String,
    pub host: String,
    pub port: u16,
    pub advertised_host: String,
    pub advertised_port: u16,
    #[serde(with = "value::duration")]
    pub request_timeout: Duration,
    #[serde(with = "value::duration")]
    pub connect_timeout: Duration,
    pub membership: Membership,
}

/// `[cluster.membership]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "config.toml documents every key")]
pub struct Membership {
    pub broadcast_updates: bool,
    pub broadcast_disputes: bool,
    pub notify_suspect: bool,
    #[serde(with = "value::duration")]
    pub gossip_interval: Duration,
    pub gossip_fanout: usize,
    #[serde(with = "value::duration")]
    pub probe_interval: Duration,
    #[serde(with = "value::duration")]
    pub probe_timeout: Duration,
    pub suspect_probes: usize,
    #[serde(with = "value::duration")]
    pub failure_timeout: Duration,
    #[serde(with = "value::duration")]
    pub sync_interval: Duration,
}

/// `[broker]`: the embedded broker.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "config.toml documents every key")]
pub struct Broker {
    pub enabled: bool,
    pub node_id: i32,
    pub partitions: u16,
    pub host: String,
    pub command_port: u16,
    pub internal_port: u16,
}

/// `[long_polling]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "config.toml documents every key")]
pub struct LongPolling {
    pub enabled: bool,
    #[serde(with = "value::duration")]
    pub timeout: Duration,
    #[serde(with = "value::duration")]
    pub probe_timeout: Duration,
    pub min_empty_responses: u32,
}

/// `[multi_tenancy]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "config.toml documents every key")]
pub struct MultiTenancy {
    pub enabled: bool,
}

/// `[authentication]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "config.toml documents every key")]
pub struct Authentication {
    pub mode: AuthenticationMode,
    pub provider: IdentityProvider,
    pub issuer: String,
    pub issuer_backend_url: String,
    pub jwks_url: String,
    pub audience: String,
    pub identity_base_url: String,
    pub tenants_claim: String,
    #[serde(with = "value::duration")]
    pub tenants_cache: Duration,
    #[serde(with = "value::duration")]
    pub tenants_outage: Duration,
    #[serde(with = "value::duration")]
    pub keys_refresh: Duration,
    #[serde(with = "value::duration")]
    pub keys_cooldown: Duration,
    #[serde(with = "value::duration")]
    pub clock_skew: Duration,
    #[serde(with = "value::duration")]
    pub timeout: Duration,
    pub ca_file: String,
    pub token_cache: usize,
}

/// Whether and how callers prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthenticationMode {
    /// Not at all.
    #[serde(alias = "", alias = "NONE")]
    None,
    /// As a JVM gateway with Camunda Identity: the issuer is not checked.
    #[serde(alias = "IDENTITY")]
    Identity,
    /// By OpenID Connect: the issuer is checked.
    #[serde(alias = "OIDC")]
    Oidc,
}

/// Kinds of identity providers: how their keys are found (config §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "they are names of products")]
pub enum IdentityProvider {
    #[serde(alias = "", alias = "KEYCLOAK")]
    Keycloak,
    #[serde(alias = "AUTH0")]
    Auth0,
    #[serde(alias = "MICROSOFT")]
    Microsoft,
    #[serde(alias = "GENERIC")]
    Generic,
}

/// `[compatibility]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "config.toml documents every key")]
pub struct Compatibility {
    pub exact: bool,
}

/// `[limits]`: what is over one of them is refused at once.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "config.toml documents every key")]
pub struct Limits {
    pub in_flight: usize,
    pub in_flight_per_session: usize,
    pub in_flight_per_partition: usize,
    #[serde(with = "value::size")]
    pub request_bytes: usize,
    pub sessions: usize,
    pub polls_per_job_type: usize,
    pub job_streams: usize,
    #[serde(with = "value::size")]
    pub frame_size: usize,
    pub members: usize,
}

/// `[threads]`; 0 lets beegate choose by the number of cores.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "config.toml documents every key")]
pub struct Threads {
    pub grpc: usize,
    pub http: usize,
    pub data: usize,
}

/// `[shutdown]`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "config.toml documents every key")]
pub struct Shutdown {
    #[serde(with = "value::duration")]
    pub grace: Duration,
}

impl Config {
    /// The built-in defaults.
    #[must_use]
    pub fn defaults() -> Self {
        toml::from_str(DEFAULTS).expect("the compiled-in config.toml is tested")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiled_in_defaults_are_complete() {
        let config = Config::defaults();
        assert_eq!(config.grpc.port, 26500);
        assert_eq!(config.cluster.membership.probe_timeout, Duration::from_millis(100));
    }
}
