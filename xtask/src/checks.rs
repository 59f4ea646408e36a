//! What must be clean before anything is tested.

use anyhow::Result;

use crate::cargo;

/// Formatting, lints and documentation.
pub fn run() -> Result<()> {
    crate::run(cargo().args(["fmt", "--all", "--check"]))?;
    crate::run(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    let simulated = ["clippy", "--features", "simulation", "--test", "turmoil"];
    crate::run(cargo().args(simulated).args(["--", "-D", "warnings"]))?;
    crate::run(
        cargo()
            .args(["doc", "--workspace", "--no-deps", "--document-private-items"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}
