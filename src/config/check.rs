//! What no single key can tell: rules between keys.

use std::net::{IpAddr, ToSocketAddrs};

use super::{AuthenticationMode, Config, DocumentStore};

impl Config {
    /// Whether the embedded broker serves: it is enabled and no other cluster is named.
    #[must_use]
    pub fn embedded_broker(&self) -> bool {
        self.broker.enabled && self.cluster.initial_contact_points.is_empty()
    }

    /// Checks the rules between keys.
    ///
    /// # Errors
    /// A line per violated rule, each naming the key.
    pub fn validate(&self) -> Result<(), Vec<String>> {
        let mut wrong = Vec::new();
        self.validate_broker(&mut wrong);
        self.validate_cluster(&mut wrong);
        self.validate_limits(&mut wrong);
        self.validate_documents(&mut wrong);
        if self.authentication.mode != AuthenticationMode::None {
            self.validate_authentication(&mut wrong);
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    fn validate_broker(&self, wrong: &mut Vec<String>) {
        if !self.broker.enabled && self.cluster.initial_contact_points.is_empty() {
            wrong.push(
                "`cluster.initial_contact_points` is empty and `broker.enabled` is false: there is \
                 no broker to talk to"
                    .to_owned(),
            );
        }
        if !self.embedded_broker() {
            return;
        }
        // BrokerInfo counts partitions in one byte (cluster-protocol §4).
        if !(1..=254).contains(&self.broker.partitions) {
            wrong.push("`broker.partitions` must be between 1 and 254".to_owned());
        }
        if self.broker.command_port != 0 && self.broker.command_port == self.broker.internal_port {
            wrong.push("`broker.command_port` and `broker.internal_port` must differ".to_owned());
        }
        match self.broker.host.parse::<IpAddr>() {
            Ok(ip) if ip.is_unspecified() => wrong.push(
                "`broker.host` is a wildcard; members need an address they can reach".to_owned(),
            ),
            _ => {}
        }
    }

    fn validate_cluster(&self, wrong: &mut Vec<String>) {
        for point in &self.cluster.initial_contact_points {
            let port = point.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok());
            if port.is_none_or(|port| port == 0) {
                wrong.push(format!(
                    "`cluster.initial_contact_points` has `{point}`, which is not host:port"
                ));
            }
        }
        let advertised = self.cluster.advertised_host.trim();
        if advertised.is_empty() {
            return;
        }
        if advertised.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified()) {
            wrong.push(format!(
                "`cluster.advertised_host` is the wildcard `{advertised}`; brokers need an address \
                 they can reach"
            ));
        } else if (advertised, 1).to_socket_addrs().is_err() {
            wrong.push(format!(
                "`cluster.advertised_host` = `{advertised}` cannot be resolved on this machine"
            ));
        }
    }

    fn validate_documents(&self, wrong: &mut Vec<String>) {
        let documents = &self.documents;
        if documents.store == DocumentStore::File && documents.directory.trim().is_empty() {
            wrong.push("`documents.directory` is empty, but the store is `file`".to_owned());
        }
    }

    fn validate_limits(&self, wrong: &mut Vec<String>) {
        let limits = [
            ("limits.in_flight", self.limits.in_flight),
            ("limits.in_flight_per_session", self.limits.in_flight_per_session),
            ("limits.in_flight_per_partition", self.limits.in_flight_per_partition),
            ("limits.request_bytes", self.limits.request_bytes),
            ("limits.sessions", self.limits.sessions),
            ("limits.polls_per_job_type", self.limits.polls_per_job_type),
            ("limits.job_streams", self.limits.job_streams),
            ("limits.members", self.limits.members),
            ("grpc.max_message_size", self.grpc.max_message_size),
            ("rest.max_body_size", self.rest.max_body_size),
            ("documents.max_document_size", self.documents.max_document_size),
            ("documents.max_total_size", self.documents.max_total_size),
        ];
        for (key, value) in limits {
            if value == 0 {
                wrong.push(format!("`{key}` must be greater than 0"));
            }
        }
        if self.limits.frame_size < self.grpc.max_message_size {
            wrong.push(
                "`limits.frame_size` must not be smaller than `grpc.max_message_size`: a broker's \
                 answer may be as large as the largest request"
                    .to_owned(),
            );
        }
        if self.cluster.request_timeout.is_zero() {
            wrong.push("`cluster.request_timeout` must be greater than 0".to_owned());
        }
        if self.grpc.min_keep_alive_interval.is_zero() {
            wrong.push("`grpc.min_keep_alive_interval` must be greater than 0".to_owned());
        }
    }

    /// Addresses themselves are checked where they are used.
    fn validate_authentication(&self, wrong: &mut Vec<String>) {
        let settings = &self.authentication;
        let oidc = settings.mode == AuthenticationMode::Oidc;
        let keys_nowhere = settings.jwks_url.is_empty() && settings.issuer_backend_url.is_empty();
        if settings.audience.is_empty() {
            wrong.push("`authentication.audience` must not be empty".to_owned());
        }
        if oidc && settings.issuer.is_empty() {
            let why = "`authentication.mode` is oidc, which checks the issuer, but \
                       `authentication.issuer` is empty";
            wrong.push(why.to_owned());
        }
        if !oidc && keys_nowhere {
            let why = "`authentication.mode` is identity, but neither \
                       `authentication.issuer_backend_url` nor `authentication.jwks_url` says \
                       where the keys are";
            wrong.push(why.to_owned());
        }
        if !oidc && !settings.tenants_claim.is_empty() {
            let why = "`authentication.tenants_claim` is for `authentication.mode` oidc; in mode \
                       identity the tenants come from Identity";
            wrong.push(why.to_owned());
        }
        let tenants_nowhere =
            settings.identity_base_url.is_empty() && settings.tenants_claim.is_empty();
        if self.multi_tenancy.enabled && tenants_nowhere {
            let claim = if oidc { " or `authentication.tenants_claim`" } else { "" };
            wrong.push(format!(
                "`multi_tenancy.enabled` is true, so callers need tenants: set \
                 `authentication.identity_base_url`{claim}"
            ));
        }
        for (key, zero) in [
            ("keys_refresh", settings.keys_refresh.is_zero()),
            ("keys_cooldown", settings.keys_cooldown.is_zero()),
            ("timeout", settings.timeout.is_zero()),
            ("token_cache", settings.token_cache == 0),
        ] {
            if zero {
                wrong.push(format!("`authentication.{key}` must be greater than 0"));
            }
        }
    }
}
