//! `--print-config`: the values in force, each with its source and its other names.

use std::fmt::Write;

use toml::{Table, Value};

use super::layers::{Loaded, Source};
use super::{Config, env_names};

impl Loaded {
    /// The configuration in force as TOML, a comment on each key telling where its value is from
    /// and which environment variables set it.
    #[must_use]
    pub fn to_commented_toml(&self) -> String {
        let table = Table::try_from(&self.config).expect("a configuration is a table");
        let mut out = String::new();
        self.table(&table, "", &mut out);
        out
    }

    fn table(&self, table: &Table, prefix: &str, out: &mut String) {
        for (key, value) in table.iter().filter(|(_, value)| !value.is_table()) {
            let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
            let source = self.sources.get(&path).unwrap_or(&Source::Default);
            let variable = Config::variable(&path);
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{key} = {value} # {source}; {variable}");
        }
        for (key, value) in table {
            if let Value::Table(inner) = value {
                let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                let _ = writeln!(out, "\n[{path}]");
                self.table(inner, &path, out);
            }
        }
    }
}

impl Config {
    /// The environment variable that sets a key.
    #[must_use]
    pub fn variable(key: &str) -> String {
        format!("BEEGATE_{}", key.replace('.', "_").to_ascii_uppercase())
    }

    /// The JVM gateway's names for a key, lower case and without separators; several, one or none.
    pub fn jvm_variables(key: &str) -> impl Iterator<Item = &'static str> {
        env_names::jvm_names_of(key)
    }
}
