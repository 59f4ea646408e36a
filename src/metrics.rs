//! What is measured, and how a scrape reads it.
//!
//! Hot paths touch plain atomics that they hold a reference to; names and labels are only put
//! together when somebody asks. Names are those of the JVM gateway where it has the metric, so
//! that dashboards keep working (monitoring §4).

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

pub mod histogram;
pub mod http;
pub mod requests;
pub mod text;

pub use histogram::Histogram;
pub use requests::RequestMetrics;
pub use text::{Exposition, Kind};

/// Something that can tell its numbers.
pub trait Source: Send + Sync {
    /// Appends its families.
    fn expose(&self, out: &mut Exposition);
}

/// All sources, in the order they were added. Cheap to clone.
#[derive(Clone, Default)]
pub struct Registry {
    sources: Arc<Mutex<Vec<Arc<dyn Source>>>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}

impl Registry {
    /// Adds a source.
    pub fn add(&self, source: Arc<dyn Source>) {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).push(source);
    }

    /// Lets every source tell its numbers.
    pub fn expose(&self, out: &mut Exposition) {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for source in sources {
            source.expose(out);
        }
    }
}
