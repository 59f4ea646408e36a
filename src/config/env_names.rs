//! The JVM gateway's environment variables (config §1–§3), with its relaxed binding: case, `_` and
//! `-` do not matter.

/// What a JVM variable means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JvmName {
    /// It sets this key.
    Key(&'static str),
    /// It sets one element of this list.
    Item(&'static str),
    /// Ignoring it would be unsafe or would not work, unless it has one of these values.
    Refused {
        /// Values that ask for what is done anyway.
        unless: &'static [&'static str],
        /// Why it cannot be honoured.
        why: &'static str,
    },
    /// Its Spring profiles may ask for authentication over REST (rest-v2 §4).
    Profiles,
    /// It has no meaning here.
    Ignored {
        /// Why.
        why: &'static str,
    },
}

/// JVM names in lower case without separators, and the keys they set.
pub(super) const KEYS: &[(&str, &str)] = &[
    ("zeebegatewaynetworkhost", "grpc.host"),
    ("zeebegatewaynetworkport", "grpc.port"),
    ("zeebegatewaynetworkminkeepaliveinterval", "grpc.min_keep_alive_interval"),
    ("zeebegatewaynetworkmaxmessagesize", "grpc.max_message_size"),
    ("zeebegatewayclustercontactpoint", "cluster.initial_contact_points"),
    ("zeebegatewayclusterinitialcontactpoints", "cluster.initial_contact_points"),
    ("zeebegatewayclusterrequesttimeout", "cluster.request_timeout"),
    ("zeebegatewayclusterclustername", "cluster.name"),
    ("zeebegatewayclustermemberid", "cluster.member_id"),
    ("zeebegatewayclusterhost", "cluster.host"),
    ("zeebegatewayclusterport", "cluster.port"),
    ("zeebegatewayclusteradvertisedhost", "cluster.advertised_host"),
    ("zeebegatewayclusteradvertisedport", "cluster.advertised_port"),
    ("zeebegatewayclustermembershipbroadcastupdates", "cluster.membership.broadcast_updates"),
    ("zeebegatewayclustermembershipbroadcastdisputes", "cluster.membership.broadcast_disputes"),
    ("zeebegatewayclustermembershipnotifysuspect", "cluster.membership.notify_suspect"),
    ("zeebegatewayclustermembershipgossipinterval", "cluster.membership.gossip_interval"),
    ("zeebegatewayclustermembershipgossipfanout", "cluster.membership.gossip_fanout"),
    ("zeebegatewayclustermembershipprobeinterval", "cluster.membership.probe_interval"),
    ("zeebegatewayclustermembershipprobetimeout", "cluster.membership.probe_timeout"),
    ("zeebegatewayclustermembershipsuspectprobes", "cluster.membership.suspect_probes"),
    ("zeebegatewayclustermembershipfailuretimeout", "cluster.membership.failure_timeout"),
    ("zeebegatewayclustermembershipsyncinterval", "cluster.membership.sync_interval"),
    ("zeebegatewaylongpollingenabled", "long_polling.enabled"),
    ("zeebegatewaylongpollingtimeout", "long_polling.timeout"),
    ("zeebegatewaylongpollingprobetimeout", "long_polling.probe_timeout"),
    ("zeebegatewaylongpollingminemptyresponses", "long_polling.min_empty_responses"),
    ("zeebegatewaymultitenancyenabled", "multi_tenancy.enabled"),
    ("zeebegatewaysecurityauthenticationmode", "authentication.mode"),
    ("camundaidentitytype", "authentication.provider"),
    ("zeebegatewaysecurityauthenticationidentitytype", "authentication.provider"),
    ("camundaidentityissuer", "authentication.issuer"),
    ("camundaidentityissuerbackendurl", "authentication.issuer_backend_url"),
    (
        "zeebegatewaysecurityauthenticationidentityissuerbackendurl",
        "authentication.issuer_backend_url",
    ),
    ("camundaidentityjwksurl", "authentication.jwks_url"),
    ("camundaidentityaudience", "authentication.audience"),
    ("zeebegatewaysecurityauthenticationidentityaudience", "authentication.audience"),
    ("camundaidentitybaseurl", "authentication.identity_base_url"),
    ("zeebegatewaysecurityauthenticationidentitybaseurl", "authentication.identity_base_url"),
    ("serveraddress", "rest.host"),
    ("serverport", "rest.port"),
    ("camundarestenabled", "rest.enabled"),
    ("springservletmultipartmaxrequestsize", "rest.max_body_size"),
    ("springservletmultipartmaxfilesize", "documents.max_document_size"),
    ("managementserveraddress", "monitoring.host"),
    ("managementserverport", "monitoring.port"),
    ("springlifecycletimeoutpershutdownphase", "shutdown.grace"),
];

const OFF: &[&str] = &["", "false", "off", "no", "0"];
const NONE: &[&str] = &["", "none"];

/// JVM names that ask for something this version does not do and must not pretend to do.
const REFUSED: &[(&str, &[&str], &str)] = &[
    ("zeebegatewaysecurityenabled", OFF, "TLS is not implemented in this version"),
    ("zeebegatewayclustersecurityenabled", OFF, "TLS is not implemented in this version"),
    ("serversslenabled", OFF, "TLS is not implemented in this version"),
    (
        "zeebegatewayclustermessagecompression",
        NONE,
        "compression of cluster messages is not implemented in this version",
    ),
];

const IGNORED: &[(&str, &str)] = &[
    ("zeebegatewaythreads", "beegate has no JVM threads; see [threads]"),
    ("zeebegatewayinterceptors", "Java interceptors cannot run in beegate"),
    ("zeebegatewayfilters", "Java servlet filters cannot run in beegate"),
    ("zeebegatewaymonitoring", "the JVM gateway ignores it too; see [monitoring]"),
    ("zeebeactoridle", "beegate has no JVM actor scheduler"),
    ("zeebestandalonegateway", "beegate is always a gateway"),
    ("camundadocumentstore", "documents are kept in memory or in files; see [documents]"),
    ("camundaidentityclient", "beegate only verifies tokens and needs none of its own"),
    ("camundaidentityauthscopes", "beegate only verifies tokens and needs none of its own"),
    ("zeebelog", "log levels are set with RUST_LOG"),
    ("atomixlog", "log levels are set with RUST_LOG"),
];

/// What the variable means, or `None` if it is not one of the JVM gateway's.
pub(super) fn jvm(name: &str) -> Option<JvmName> {
    let canonical = canonical(name);
    let known = |wanted: &str| KEYS.iter().find(|(jvm, _)| *jvm == wanted).map(|(_, key)| *key);
    if let Some(key) = known(&canonical) {
        return Some(JvmName::Key(key));
    }
    if let Some(key) = known(canonical.trim_end_matches(|c: char| c.is_ascii_digit()))
        && name.contains('_')
        && key == "cluster.initial_contact_points"
    {
        return Some(JvmName::Item(key));
    }
    if canonical == "springprofilesactive" {
        return Some(JvmName::Profiles);
    }
    if let Some((_, unless, why)) = REFUSED.iter().find(|(jvm, ..)| *jvm == canonical) {
        return Some(JvmName::Refused { unless, why });
    }
    IGNORED
        .iter()
        .find(|(prefix, _)| canonical.starts_with(prefix))
        .map(|(_, why)| JvmName::Ignored { why })
}

fn canonical(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | '.')).collect::<String>().to_ascii_lowercase()
}

/// The variables in a fixed order, so that a start-up error does not depend on the environment's.
pub(super) fn sorted(environment: &[(String, String)]) -> Vec<(&str, &str)> {
    let mut sorted: Vec<_> =
        environment.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    sorted.sort_unstable();
    sorted
}

/// The JVM gateway's names for a key, in its environment spelling without inner separators.
pub(super) fn jvm_names_of(key: &str) -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter(move |(_, k)| *k == key).map(|(jvm, _)| *jvm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_does_not_matter() {
        let port = Some(JvmName::Key("grpc.port"));
        for name in [
            "ZEEBE_GATEWAY_NETWORK_PORT",
            "zeebe_gateway_network_port",
            "ZEEBE_GATEWAY_NETWORK__PORT",
        ] {
            assert_eq!(jvm(name), port, "{name}");
        }
        assert_eq!(
            jvm("ZEEBE_GATEWAY_MULTI_TENANCY_ENABLED"),
            Some(JvmName::Key("multi_tenancy.enabled"))
        );
        assert_eq!(
            jvm("ZEEBE_GATEWAY_CLUSTER_INITIALCONTACTPOINTS_0"),
            Some(JvmName::Item("cluster.initial_contact_points"))
        );
        assert_eq!(jvm("PATH"), None);
    }
}
