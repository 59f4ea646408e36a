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
mod tests;
