//! What is asserted, and whether it held.

/// The checks of a run. A failed one does not end the run: figures of later cases are wanted, too.
#[derive(Debug, Default)]
pub struct Verdicts {
    case: String,
    held: usize,
    failed: Vec<String>,
}

impl Verdicts {
    /// Names the case that the next checks belong to.
    pub fn begin(&mut self, case: &str) {
        println!("\n== {case}");
        self.case = case.to_owned();
    }

    /// Notes whether a claim holds; `found` says what was seen.
    pub fn check(&mut self, claim: &str, holds: bool, found: &dyn std::fmt::Display) {
        if holds {
            self.held += 1;
            println!("  holds: {claim} ({found})");
        } else {
            println!("  FAILS: {claim} ({found})");
            self.failed.push(format!("{}: {claim} ({found})", self.case));
        }
    }

    /// A case that could not be played to its end.
    pub fn broke(&mut self, error: &anyhow::Error) {
        println!("  BROKE: {error:#}");
        self.failed.push(format!("{}: {error:#}", self.case));
    }

    /// Prints the sum; an error if anything failed.
    pub fn conclude(self) -> anyhow::Result<()> {
        println!("\n{} checks held, {} failed", self.held, self.failed.len());
        if self.failed.is_empty() {
            return Ok(());
        }
        anyhow::bail!("{}", self.failed.join("\n  "))
    }
}
