//! The `beegate` binary: arguments, configuration, logger, then [`beegate::bootstrap`].

use beegate::config::Arguments;
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let _ = Arguments::parse();
}
