//! The threads that actors run on.
//!
//! One control arbiter (topology, job activation) and a pool of data arbiters (sessions, dispatcher,
//! leader connections). They belong to an actix system on a thread of its own, so that actors can be
//! started from any thread: of tonic, of actix-web, of a test.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use actix_rt::{Arbiter, ArbiterHandle, System};

/// Starts actors on its arbiters. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Spawner {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    system: System,
    control: ArbiterHandle,
    data: Vec<ArbiterHandle>,
    next: AtomicUsize,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the system's thread tells once it is up.
struct Started {
    system: System,
    control: ArbiterHandle,
    data: Vec<ArbiterHandle>,
}

impl Spawner {
    /// Starts the threads: one for control and `data` (at least one) for the data path.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn start(data: usize) -> io::Result<Self> {
        let (report, started) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("actors".to_owned())
            .spawn(move || run_system(data.max(1), &report))?;
        let gone = |_| io::Error::other("the actors' thread ended while starting");
        let Started { system, control, data } = started.recv().map_err(gone)??;
        let thread = Mutex::new(Some(thread));
        let inner = Inner { system, control, data, next: AtomicUsize::new(0), thread };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The number of data arbiters that fits the machine when the configuration leaves it open: a
    /// quarter of the cores, the frontends have the others.
    #[must_use]
    pub fn default_data_arbiters() -> usize {
        std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 4).max(1))
    }

    /// The control arbiter.
    #[must_use]
    pub fn control(&self) -> &ArbiterHandle {
        &self.inner.control
    }

    /// The arbiter of the dispatcher and, for the first partitions, of leader connections.
    #[must_use]
    pub fn path(&self) -> &ArbiterHandle {
        self.nth(0)
    }

    /// A data arbiter, each in turn.
    #[must_use]
    pub fn next(&self) -> &ArbiterHandle {
        self.nth(self.inner.next.fetch_add(1, Relaxed))
    }

    /// The data arbiter for the `n`-th of a fixed set of actors.
    #[must_use]
    pub fn nth(&self, n: usize) -> &ArbiterHandle {
        let data = &self.inner.data;
        data.get(n % data.len()).expect("there is at least one data arbiter")
    }

    /// Ends all actors and joins the threads. Blocks for as long as a handler runs.
    pub fn stop(&self) {
        self.inner.system.stop();
        let thread = self.inner.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            log::error!("event=actors_thread_panicked");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Without joining: the last handle may be dropped on one of these threads.
        self.system.stop();
    }
}

fn run_system(data: usize, report: &mpsc::SyncSender<io::Result<Started>>) {
    let runner = System::new();
    let arbiters: io::Result<Vec<Arbiter>> = (0..data).map(|_| Arbiter::try_new()).collect();
    let arbiters = match arbiters {
        Ok(arbiters) => arbiters,
        Err(error) => {
            // The starter is gone if this fails, so there is nobody to tell.
            report.send(Err(error)).ok();
            return;
        }
    };
    let Some(system) = System::try_current() else {
        report.send(Err(io::Error::other("no actor system on its own thread"))).ok();
        return;
    };
    let control = system.arbiter().clone();
    let handles = arbiters.iter().map(Arbiter::handle).collect();
    if report.send(Ok(Started { system, control, data: handles })).is_err() {
        return;
    }
    if let Err(error) = runner.run() {
        log::error!("event=actors_system_failed cause=\"{error}\"");
    }
    for arbiter in arbiters {
        arbiter.stop();
        if arbiter.join().is_err() {
            log::error!("event=arbiter_panicked");
        }
    }
}
