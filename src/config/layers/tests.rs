//! Layers over each other: who wins, what is refused, and that the manual is complete.

use std::time::Duration;

use super::*;

fn file(text: &str) -> Layers {
    Layers { file: Some(("gate.toml".to_owned(), text.to_owned())), ..Layers::default() }
}

fn environment(pairs: &[(&str, &str)]) -> Layers {
    let environment = pairs.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect();
    Layers { environment, ..Layers::default() }
}

fn message(layers: &Layers) -> String {
    layers.load().expect_err("must be refused").to_string()
}

#[test]
fn without_layers_the_defaults_are_in_force() {
    let loaded = Layers::default().load().expect("defaults");
    assert_eq!(loaded.config, Config::defaults());
    assert_eq!(loaded.sources, BTreeMap::new());
}

#[test]
fn a_higher_layer_wins_and_is_named_as_the_source() {
    let mut layers = file("[grpc]\nport = 1\n[rest]\nport = 11\n[monitoring]\nport = 21\n");
    layers.environment = vec![
        ("ZEEBE_GATEWAY_NETWORK_PORT".to_owned(), "2".to_owned()),
        ("BEEGATE_GRPC_PORT".to_owned(), "3".to_owned()),
        ("SERVER_PORT".to_owned(), "12".to_owned()),
    ];
    layers.command_line = vec![("grpc.port".to_owned(), "4".to_owned())];
    let loaded = layers.load().expect("valid");
    assert_eq!(loaded.config.grpc.port, 4);
    assert_eq!(loaded.config.rest.port, 12);
    assert_eq!(loaded.config.monitoring.port, 21);
    assert_eq!(loaded.sources["grpc.port"], Source::CommandLine);
    assert_eq!(loaded.sources["rest.port"].to_string(), "environment variable SERVER_PORT");
    assert_eq!(loaded.sources["monitoring.port"].to_string(), "gate.toml:6");
}

#[test]
fn the_beegate_name_is_stronger_than_the_jvm_name() {
    let layers = environment(&[("BEEGATE_GRPC_PORT", "3"), ("ZEEBE_GATEWAY_NETWORK_PORT", "2")]);
    assert_eq!(layers.load().expect("valid").config.grpc.port, 3);
}

#[test]
fn errors_name_file_line_and_the_nearest_key() {
    insta::assert_snapshot!(
        message(&file("# c\n[grpc]\nprot = 1\n")),
        @"gate.toml:3: unknown key `grpc.prot`; did you mean `grpc.port`?"
    );
    insta::assert_snapshot!(
        message(&file("[grcp]\nport = 1\n")),
        @"gate.toml:1: unknown key `grcp`; did you mean `grpc`?"
    );
    insta::assert_snapshot!(
        message(&file("[grpc]\nport = \"x\"\n")),
        @"gate.toml:2: `grpc.port` must be an integer, not a string"
    );
    insta::assert_snapshot!(
        message(&file("[grpc]\nport = 70000\n")),
        @"gate.toml:2: `grpc.port` invalid value: integer `70000`, expected u16"
    );
    insta::assert_snapshot!(
        message(&file("\n[cluster]\nrequest_timeout = \"15 parsecs\"\n")),
        @"gate.toml:3: `cluster.request_timeout` unknown unit `parsecs`; known: ns, us, ms, s, m, h, d"
    );
    insta::assert_snapshot!(
        message(&file("grpc = 1\n")),
        @"gate.toml:1: `grpc` is a table of keys, not a value"
    );
    insta::assert_snapshot!(
        message(&file("[grpc\n")),
        @"gate.toml:1: unclosed table, expected `]`"
    );
}

#[test]
fn environment_errors_name_the_variable() {
    insta::assert_snapshot!(
        message(&environment(&[("ZEEBE_GATEWAY_NETWORK_PORT", "abc")])),
        @"environment variable ZEEBE_GATEWAY_NETWORK_PORT: `grpc.port` must be an integer, not `abc`"
    );
    insta::assert_snapshot!(
        message(&environment(&[("ZEEBE_GATEWAY_SECURITY_ENABLED", "true")])),
        @"environment variable ZEEBE_GATEWAY_SECURITY_ENABLED: `ZEEBE_GATEWAY_SECURITY_ENABLED` = `true` cannot be honoured: TLS is not implemented in this version"
    );
}

#[test]
fn what_asks_for_nothing_special_is_accepted() {
    let layers = environment(&[
        ("ZEEBE_GATEWAY_SECURITY_ENABLED", "false"),
        ("ZEEBE_GATEWAY_SECURITY_AUTHENTICATION_MODE", "none"),
        ("ZEEBE_GATEWAY_THREADS_MANAGEMENTTHREADS", "4"),
        ("BEEGATE_GRPC_PORT", "tcp://10.0.0.1:26500"),
        ("BEEGATE_NO_SUCH_KEY", "1"),
    ]);
    let loaded = layers.load().expect("valid");
    assert_eq!(loaded.config, Config::defaults());
    assert_eq!(loaded.warnings.len(), 3);
}

#[test]
fn profiles_that_ask_for_authentication_need_it() {
    let guarded = [
        ("SPRING_PROFILES_ACTIVE", "gateway,identity-auth"),
        ("ZEEBE_GATEWAY_SECURITY_AUTHENTICATION_MODE", "identity"),
        ("CAMUNDA_IDENTITY_ISSUERBACKENDURL", "http://keycloak/realm"),
        ("ZEEBE_GATEWAY_SECURITY_AUTHENTICATION_IDENTITY_TYPE", "AUTH0"),
    ];
    let loaded = environment(&guarded).load().expect("valid");
    assert_eq!(loaded.config.authentication.mode, AuthenticationMode::Identity);
    assert_eq!(loaded.config.authentication.issuer_backend_url, "http://keycloak/realm");
    assert_eq!(
        message(&environment(&guarded[..1])),
        "environment variable SPRING_PROFILES_ACTIVE: `SPRING_PROFILES_ACTIVE` = \
         `gateway,identity-auth` asks for authentication over REST, but \
         `authentication.mode` is none"
    );
    let basic = environment(&[("SPRING_PROFILES_ACTIVE", "auth-basic")]);
    assert!(message(&basic).contains("HTTP basic"));
    assert!(environment(&[("SPRING_PROFILES_ACTIVE", "gateway")]).load().is_ok());
}

#[test]
fn combinations_that_cannot_work_are_refused_by_name() {
    let wrong = |text: &str| {
        let config = file(text).load().expect("valid by itself").config;
        config.validate().map_or_else(|wrong| wrong.join("; "), |()| "nothing".to_owned())
    };
    let identity = "[authentication]\nmode = \"identity\"\n";
    assert!(wrong(identity).contains("`authentication.issuer_backend_url`"));
    let keys = format!("{identity}jwks_url = \"http://a/keys\"\n");
    assert_eq!(wrong(&keys), "nothing");
    assert!(wrong(&format!("{keys}audience = \"\"\n")).contains("`authentication.audience`"));
    assert!(wrong(&format!("{keys}tenants_claim = \"t\"\n")).contains("tenants_claim"));
    assert!(wrong(&format!("{keys}timeout = \"0s\"\n")).contains("`authentication.timeout`"));
    let tenants = "[multi_tenancy]\nenabled = true\n";
    assert!(wrong(&format!("{tenants}{keys}")).contains("`authentication.identity_base_url`"));
    let oidc = "[authentication]\nmode = \"oidc\"\n";
    assert!(wrong(oidc).contains("`authentication.issuer` is empty"));
    let named = format!("{tenants}{oidc}issuer = \"https://a\"\ntenants_claim = \"t\"\n");
    assert_eq!(wrong(&named), "nothing");
}

#[test]
fn lists_durations_and_booleans_take_the_jvm_notations() {
    let loaded = environment(&[
        ("ZEEBE_GATEWAY_CLUSTER_INITIALCONTACTPOINTS", "a:1, b:2,,"),
        ("ZEEBE_GATEWAY_CLUSTER_REQUESTTIMEOUT", "PT20S"),
        ("ZEEBE_GATEWAY_LONGPOLLING_TIMEOUT", "7000"),
        ("ZEEBE_GATEWAY_NETWORK_MAXMESSAGESIZE", "8MB"),
        ("ZEEBE_GATEWAY_MULTI_TENANCY_ENABLED", "on"),
    ])
    .load()
    .expect("valid");
    assert_eq!(loaded.config.cluster.initial_contact_points, ["a:1", "b:2"]);
    assert_eq!(loaded.config.cluster.request_timeout, Duration::from_secs(20));
    assert_eq!(loaded.config.long_polling.timeout, Duration::from_secs(7));
    assert_eq!(loaded.config.grpc.max_message_size, 8 << 20);
    assert!(loaded.config.multi_tenancy.enabled);
}

#[test]
fn a_list_may_be_written_as_in_the_file() {
    let points = |text: &str| {
        let layers = environment(&[("BEEGATE_CLUSTER_INITIAL_CONTACT_POINTS", text)]);
        layers.load().map(|loaded| loaded.config.cluster.initial_contact_points)
    };
    assert_eq!(points("[\"a:1\", \"b:2\"]").expect("valid"), ["a:1", "b:2"]);
    assert!(points("[\"a:1\"").is_err());
    assert!(points("[1]").is_err());
}

#[test]
fn indexed_lists_replace_the_list() {
    let loaded = environment(&[
        ("ZEEBE_GATEWAY_CLUSTER_INITIALCONTACTPOINTS_0", "a:1"),
        ("ZEEBE_GATEWAY_CLUSTER_INITIALCONTACTPOINTS_1", "b:2"),
    ])
    .load()
    .expect("valid");
    assert_eq!(loaded.config.cluster.initial_contact_points, ["a:1", "b:2"]);
}

#[test]
fn every_jvm_name_sets_an_existing_key() {
    let keys = Merge::new().keys;
    for (jvm, key) in env_names::KEYS {
        assert!(keys.iter().any(|known| known == key), "{jvm} sets the unknown key {key}");
    }
}

/// The comment above a key must name all its variables: the file is the manual.
#[test]
fn config_toml_documents_every_key_and_its_variables() {
    let mut table = String::new();
    let mut comment = String::new();
    let mut documented = Vec::new();
    for line in DEFAULTS.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            table = name.to_owned();
        } else if let Some(text) = line.strip_prefix('#') {
            comment.push_str(text);
            comment.push('\n');
            continue;
        } else if let Some((name, _)) = line.split_once(" = ") {
            let key = format!("{table}.{name}");
            let last = comment.lines().last().unwrap_or_default();
            let names: Vec<_> = last.split(',').map(str::trim).collect();
            assert!(comment.lines().count() >= 2, "{key} has no explanation");
            assert_eq!(names.first().copied(), Some(Config::variable(&key).as_str()), "{key}");
            let jvm: Vec<_> = names[1..].iter().map(|n| env_names::jvm(n)).collect();
            assert!(jvm.iter().all(|n| *n == Some(JvmName::Key(key_of(&key)))), "{key}: {jvm:?}");
            assert_eq!(jvm.len(), Config::jvm_variables(&key).count(), "{key}");
            documented.push(key);
        }
        comment.clear();
    }
    documented.sort();
    let mut keys = Merge::new().keys;
    keys.sort();
    assert_eq!(documented, keys);
}

fn key_of(key: &str) -> &'static str {
    env_names::KEYS.iter().map(|(_, k)| *k).find(|k| *k == key).unwrap_or("")
}

#[test]
fn the_printed_configuration_loads_to_the_same() {
    let layers = file("[grpc]\nport = 1\n[cluster]\ninitial_contact_points = [\"a:1\"]\n");
    let loaded = layers.load().expect("valid");
    let again = file(&loaded.to_commented_toml()).load().expect("printed form is valid");
    assert_eq!(again.config, loaded.config);
}
