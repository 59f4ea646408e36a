//! Where everything that is not pure gets its random numbers.
//!
//! Cores take a seed or a generator as input; actors and IO shells get them here, so that a
//! simulation of the whole can be repeated.

#[cfg(not(feature = "simulation"))]
pub use rand::rng;
/// Waits for several things; which of those that are ready is taken is random.
#[cfg(not(feature = "simulation"))]
pub(crate) use tokio::select;

/// Waits for several things; the first of those that are ready is taken, because tokio cannot be told
/// a seed.
#[cfg(feature = "simulation")]
macro_rules! select {
    ($($branches:tt)*) => { tokio::select! { biased; $($branches)* } };
}
#[cfg(feature = "simulation")]
pub(crate) use select;

#[cfg(feature = "simulation")]
pub use simulated::{Simulated, rng, seed};

#[cfg(feature = "simulation")]
mod simulated {
    use std::cell::RefCell;

    use rand::rngs::StdRng;
    use rand::{Rng as _, RngCore, SeedableRng as _};

    thread_local! {
        static GENERATOR: RefCell<StdRng> = RefCell::new(StdRng::from_os_rng());
    }

    /// The generator that all simulated hosts of this thread share.
    #[derive(Clone, Copy, Debug)]
    pub struct Simulated;

    /// The generator of this thread.
    #[must_use]
    pub fn rng() -> Simulated {
        Simulated
    }

    /// Makes what comes next from the generator of this thread repeatable.
    pub fn seed(seed: u64) {
        GENERATOR.set(StdRng::seed_from_u64(seed));
    }

    impl RngCore for Simulated {
        fn next_u32(&mut self) -> u32 {
            GENERATOR.with_borrow_mut(|generator| generator.random())
        }

        fn next_u64(&mut self) -> u64 {
            GENERATOR.with_borrow_mut(|generator| generator.random())
        }

        fn fill_bytes(&mut self, bytes: &mut [u8]) {
            GENERATOR.with_borrow_mut(|generator| generator.fill_bytes(bytes));
        }
    }
}
