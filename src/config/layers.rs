//! Where values come from: defaults < file < JVM variable < BEEGATE variable < command line.
//!
//! Every override is applied and checked by itself, so that an error names the place it came from.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::env_names::{self, JvmName};
use super::nearest::nearest;
use super::{AuthenticationMode, Config, DEFAULTS};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The compiled-in `config.toml`.
    Default,
    /// A configuration file.
    File {
        /// Its name as given.
        name: String,
        /// The line, counted from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// `--set` on the command line.
    CommandLine,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::CommandLine => f.write_str("--set"),
        }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{name}: {cause}")]
    Unreadable {
        /// Its name as given.
        name: String,
        /// The system's reason.
        cause: String,
    },
    /// The file is not TOML.
    #[error("{name}:{line}: {cause}")]
    Syntax {
        /// Its name as given.
        name: String,
        /// The line, counted from 1.
        line: usize,
        /// The parser's reason.
        cause: String,
    },
    /// No such key.
    #[error("{at}: unknown key `{key}`{}", did_you_mean(.nearest))]
    UnknownKey {
        /// Where it stands.
        at: Source,
        /// The key.
        key: String,
        /// The most similar valid key.
        nearest: Option<String>,
    },
    /// The value does not fit the key.
    #[error("{at}: `{key}` {cause}")]
    BadValue {
        /// Where it stands.
        at: Source,
        /// The key.
        key: String,
        /// What is wrong with it.
        cause: String,
    },
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map_or_else(String::new, |key| format!("; did you mean `{key}`?"))
}

/// A configuration in force, with the source of each value.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// Source per key; a key that is not in it has its default.
    pub sources: BTreeMap<String, Source>,
    /// Things the operator should know, a line each.
    pub warnings: Vec<String>,
}

/// The layers before they are merged.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// Name and text of the configuration file.
    pub file: Option<(String, String)>,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// `--set key=value`.
    pub command_line: Vec<(String, String)>,
}

impl Layers {
    /// Merges the layers.
    ///
    /// # Errors
    /// The first [`ConfigError`], lowest layer first.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        let mut merge = Merge::new();
        if let Some((name, text)) = &self.file {
            merge.file(name, text)?;
        }
        merge.jvm_environment(&self.environment)?;
        merge.beegate_environment(&self.environment)?;
        for (key, text) in &self.command_line {
            merge.text(key, text, Source::CommandLine)?;
        }
        let config = merge.config().expect("every override was checked when it was applied");
        merge.profiles_are_honoured(&config)?;
        Ok(Loaded { config, sources: merge.sources, warnings: merge.warnings })
    }
}

struct Merge {
    table: Table,
    keys: Vec<String>,
    sources: BTreeMap<String, Source>,
    warnings: Vec<String>,
    /// Spring profiles: their source, the variable's name and value.
    profiles: Option<(Source, String, String)>,
}

impl Merge {
    fn new() -> Self {
        let table: Table = toml::from_str(DEFAULTS).expect("the compiled-in config.toml is tested");
        let mut keys = Vec::new();
        leaves(&table, "", &mut keys);
        Self { table, keys, sources: BTreeMap::new(), warnings: Vec::new(), profiles: None }
    }

    fn config(&self) -> Result<Config, String> {
        Config::deserialize(self.table.clone()).map_err(|e| {
            let message = e.to_string();
            message.lines().next().unwrap_or("is not valid").to_owned()
        })
    }

    fn file(&mut self, name: &str, text: &str) -> Result<(), ConfigError> {
        let parsed = DeTable::parse(text).map_err(|e| ConfigError::Syntax {
            name: name.to_owned(),
            line: e.span().map_or(1, |span| line_of(text, span.start)),
            cause: e.message().to_owned(),
        })?;
        self.file_table(name, text, parsed.get_ref(), "")
    }

    fn file_table(
        &mut self,
        name: &str,
        text: &str,
        table: &DeTable<'_>,
        prefix: &str,
    ) -> Result<(), ConfigError> {
        // In the order of the file, so that the first error is the first line with one.
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        for (key, value) in entries {
            let path = join(prefix, key.get_ref());
            let line = line_of(text, key.span().start);
            let at = Source::File { name: name.to_owned(), line };
            match value.get_ref() {
                DeValue::Table(inner) if self.is_table(&path) => {
                    self.file_table(name, text, inner, &path)?;
                }
                other => self.set(&path, owned(other), at)?,
            }
        }
        Ok(())
    }

    fn is_table(&self, path: &str) -> bool {
        let prefix = format!("{path}.");
        self.keys.iter().any(|key| key.starts_with(&prefix))
    }

    fn set(&mut self, path: &str, value: Value, at: Source) -> Result<(), ConfigError> {
        let Some(slot) = slot(&mut self.table, path) else {
            return Err(self.unknown(path, at));
        };
        if slot.is_table() {
            let cause = "is a table of keys, not a value".to_owned();
            return Err(ConfigError::BadValue { at, key: path.to_owned(), cause });
        }
        if !slot.same_type(&value) {
            let cause = format!("must be {}, not {}", article(slot), article(&value));
            return Err(ConfigError::BadValue { at, key: path.to_owned(), cause });
        }
        *slot = value;
        if let Err(cause) = self.config() {
            return Err(ConfigError::BadValue { at, key: path.to_owned(), cause });
        }
        self.sources.insert(path.to_owned(), at);
        Ok(())
    }

    fn unknown(&self, path: &str, at: Source) -> ConfigError {
        let tables = self.keys.iter().filter_map(|key| key.rsplit_once('.')).map(|(t, _)| t);
        let nearest = nearest(path, self.keys.iter().map(String::as_str).chain(tables));
        ConfigError::UnknownKey { at, key: path.to_owned(), nearest }
    }

    /// Sets a key from text, which takes the type that the key has.
    fn text(&mut self, path: &str, text: &str, at: Source) -> Result<(), ConfigError> {
        let Some(slot) = slot(&mut self.table, path) else {
            return Err(self.unknown(path, at));
        };
        match from_text(slot, text) {
            Ok(value) => self.set(path, value, at),
            Err(cause) => Err(ConfigError::BadValue { at, key: path.to_owned(), cause }),
        }
    }

    fn jvm_environment(&mut self, environment: &[(String, String)]) -> Result<(), ConfigError> {
        for (name, text) in env_names::sorted(environment) {
            let at = Source::Environment(name.to_owned());
            match env_names::jvm(name) {
                None => {}
                Some(JvmName::Key(key)) => self.text(key, text, at)?,
                Some(JvmName::Item(key)) => self.item(key, text, at)?,
                Some(JvmName::Refused { unless, .. })
                    if unless.iter().any(|ok| ok.eq_ignore_ascii_case(text.trim())) => {}
                Some(JvmName::Refused { why, .. }) => {
                    let cause = format!("= `{text}` cannot be honoured: {why}");
                    return Err(ConfigError::BadValue { at, key: name.to_owned(), cause });
                }
                Some(JvmName::Profiles) => {
                    self.profiles = Some((at, name.to_owned(), text.to_owned()));
                }
                Some(JvmName::Ignored { why }) => {
                    self.warnings.push(format!("{name} has no effect: {why}"));
                }
            }
        }
        Ok(())
    }

    /// Refuses Spring profiles that demand an authentication which is not configured: without it
    /// everybody could call.
    fn profiles_are_honoured(&self, config: &Config) -> Result<(), ConfigError> {
        let Some((at, name, text)) = &self.profiles else { return Ok(()) };
        let has = |profile| text.split(',').any(|one| one.trim() == profile);
        let open = config.authentication.mode == AuthenticationMode::None;
        let cause = if has("auth-basic") {
            "asks for HTTP basic authentication, which beegate does not have"
        } else if has("identity-auth") && open {
            "asks for authentication over REST, but `authentication.mode` is none"
        } else {
            return Ok(());
        };
        let cause = format!("= `{text}` {cause}");
        Err(ConfigError::BadValue { at: at.clone(), key: name.clone(), cause })
    }

    /// Appends one element of a list given as `NAME_0`, `NAME_1`.
    fn item(&mut self, path: &str, text: &str, at: Source) -> Result<(), ConfigError> {
        let mut items = match (self.sources.get(path), slot(&mut self.table, path)) {
            (Some(Source::Environment(_)), Some(Value::Array(items))) => items.clone(),
            _ => Vec::new(),
        };
        items.push(Value::String(text.trim().to_owned()));
        self.set(path, Value::Array(items), at)
    }

    fn beegate_environment(&mut self, environment: &[(String, String)]) -> Result<(), ConfigError> {
        for (name, text) in env_names::sorted(environment) {
            let Some(rest) = name.strip_prefix("BEEGATE_") else { continue };
            let wanted = |key: &&String| key.replace('.', "_").eq_ignore_ascii_case(rest);
            let Some(key) = self.keys.iter().find(wanted).cloned() else {
                self.warnings.push(format!("{name} names no configuration key; it has no effect"));
                continue;
            };
            // Kubernetes sets <SERVICE>_PORT=tcp://… for a service that happens to be named so.
            if text.starts_with("tcp://") || text.starts_with("udp://") {
                self.warnings.push(format!("{name} is a Kubernetes service link; ignored"));
                continue;
            }
            self.text(&key, text, Source::Environment(name.to_owned()))?;
        }
        Ok(())
    }
}

fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
}

fn leaves(table: &Table, prefix: &str, keys: &mut Vec<String>) {
    for (key, value) in table {
        let path = join(prefix, key);
        match value {
            Value::Table(inner) => leaves(inner, &path, keys),
            _ => keys.push(path),
        }
    }
}

fn slot<'t>(table: &'t mut Table, path: &str) -> Option<&'t mut Value> {
    let (head, rest) = path.split_once('.').map_or((path, None), |(h, r)| (h, Some(r)));
    match (table.get_mut(head)?, rest) {
        (value, None) => Some(value),
        (Value::Table(inner), Some(rest)) => slot(inner, rest),
        _ => None,
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn article(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Integer(_) => "an integer",
        Value::Float(_) => "a float",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

fn owned(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::String(number.as_str().to_owned()), Value::Integer),
        DeValue::Float(number) => {
            number.as_str().parse().map_or_else(|_| Value::Float(f64::NAN), Value::Float)
        }
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Datetime(date) => Value::Datetime(*date),
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| owned(item.get_ref())).collect())
        }
        DeValue::Table(table) => Value::Table(
            table.iter().map(|(k, v)| (k.get_ref().to_string(), owned(v.get_ref()))).collect(),
        ),
    }
}

fn from_text(current: &Value, text: &str) -> Result<Value, String> {
    let text = text.trim();
    match current {
        Value::Integer(_) => text
            .parse()
            .map(Value::Integer)
            .map_err(|_| format!("must be an integer, not `{text}`")),
        Value::Boolean(_) => match text.to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" | "1" => Ok(Value::Boolean(true)),
            "false" | "off" | "no" | "0" => Ok(Value::Boolean(false)),
            _ => Err(format!("must be true or false, not `{text}`")),
        },
        // As it would stand in the file.
        Value::Array(_) if text.starts_with('[') => {
            let mut table: toml::Table = toml::from_str(&format!("list = {text}"))
                .map_err(|_| format!("must be a list, not `{text}`"))?;
            Ok(table.remove("list").unwrap_or_else(|| Value::Array(Vec::new())))
        }
        Value::Array(_) => Ok(Value::Array(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| Value::String(item.to_owned()))
                .collect(),
        )),
        _ => Ok(Value::String(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
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
        let layers =
            environment(&[("BEEGATE_GRPC_PORT", "3"), ("ZEEBE_GATEWAY_NETWORK_PORT", "2")]);
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
                assert!(
                    jvm.iter().all(|n| *n == Some(JvmName::Key(key_of(&key)))),
                    "{key}: {jvm:?}"
                );
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
}
