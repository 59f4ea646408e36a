//! The command line.

use std::path::PathBuf;

use clap::Parser;

use super::{ConfigError, Layers, Loaded};

/// Configuration file that is read when it exists and `--config` is not given.
const DEFAULT_FILE: &str = "config.toml";

/// A gateway for Zeebe, with an embedded broker.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Arguments {
    /// Configuration file [default: `config.toml` in the working directory, if there is one].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Sets one key, over file and environment.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub set: Vec<(String, String)>,

    /// Checks the configuration and exits.
    #[arg(long)]
    pub check_config: bool,

    /// Prints the configuration in force, the source of each value beside it, and exits.
    #[arg(long)]
    pub print_config: bool,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("is not KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

impl Arguments {
    /// Reads the file and the environment and merges them with these arguments.
    ///
    /// # Errors
    /// A [`ConfigError`]; the rules between keys are not checked here.
    pub fn load(&self) -> Result<Loaded, ConfigError> {
        let layers = Layers {
            file: self.file()?,
            environment: std::env::vars_os()
                .filter_map(|(name, text)| Some((name.into_string().ok()?, text)))
                .map(|(name, text)| (name, text.to_string_lossy().into_owned()))
                .collect(),
            command_line: self.set.clone(),
        };
        layers.load()
    }

    fn file(&self) -> Result<Option<(String, String)>, ConfigError> {
        let path = match &self.config {
            Some(path) => path.clone(),
            None => PathBuf::from(DEFAULT_FILE),
        };
        let name = path.display().to_string();
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some((name, text))),
            Err(e) if self.config.is_none() && e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(ConfigError::Unreadable { name, cause: e.to_string() }),
        }
    }
}
