//! The `beegate` binary: arguments, configuration, logger, then [`beegate::bootstrap`].

use std::process::ExitCode;

use beegate::bootstrap;
use beegate::config::Arguments;
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit code for a configuration that cannot be used (`EX_CONFIG`).
const BAD_CONFIGURATION: u8 = 78;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let loaded = match arguments.load() {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("beegate: {error}");
            return ExitCode::from(BAD_CONFIGURATION);
        }
    };
    if let Err(wrong) = loaded.config.validate() {
        for line in wrong {
            eprintln!("beegate: {line}");
        }
        return ExitCode::from(BAD_CONFIGURATION);
    }
    if arguments.print_config {
        print!("{}", loaded.to_commented_toml());
        return ExitCode::SUCCESS;
    }
    if arguments.check_config {
        for warning in &loaded.warnings {
            eprintln!("beegate: warning: {warning}");
        }
        println!("configuration is valid");
        return ExitCode::SUCCESS;
    }
    env_logger::Builder::from_env(
        env_logger::Env::default().default_filter_or("info,actix_server=warn"),
    )
    .init();
    for warning in &loaded.warnings {
        log::warn!("event=configuration {warning}");
    }
    match bootstrap::run(loaded.config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("event=failed cause=\"{error}\"");
            ExitCode::FAILURE
        }
    }
}
