//! Where actors run.
//!
//! One control arbiter (topology, job activation) and a pool of data arbiters (sessions, dispatcher,
//! leader connections). They belong to an actix system on a thread of its own, so that actors can be
//! started from any thread: of tonic, of actix-web, of a test. Or all actors share the thread of
//! whoever starts them: that is how a simulation has many gateways on one thread.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use actix_rt::{Arbiter, ArbiterHandle, System};
use tokio_util::sync::CancellationToken;

/// Starts actors on its places. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Spawner {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    control: Place,
    data: Vec<Place>,
    next: AtomicUsize,
    /// None when the actors share somebody's thread.
    threads: Option<Threads>,
}

/// A thread that polls the actors that were started on it.
#[derive(Clone, Debug)]
pub enum Place {
    /// A thread of our own.
    Arbiter(ArbiterHandle),
    /// The [`LocalSet`](tokio::task::LocalSet) of the caller, until this token is cancelled.
    Here(CancellationToken),
}

impl Place {
    /// Calls `start` there. From any thread for an arbiter, otherwise from the place itself. False if
    /// the place has ended.
    pub fn run(&self, start: impl FnOnce() + Send + 'static) -> bool {
        match self {
            Self::Arbiter(arbiter) => arbiter.spawn_fn(start),
            Self::Here(ended) if ended.is_cancelled() => false,
            Self::Here(_) => {
                self.keep(async move { start() });
                true
            }
        }
    }

    /// Polls `task` until it is ready or the place ends. To be called on the place.
    pub fn keep(&self, task: impl Future<Output = ()> + 'static) {
        match self {
            Self::Arbiter(_) => drop(actix_rt::spawn(task)),
            Self::Here(ended) => {
                drop(actix_rt::spawn(ended.clone().run_until_cancelled_owned(task)));
            }
        }
    }
}

#[derive(Debug)]
struct Threads {
    system: System,
    first: Mutex<Option<JoinHandle<()>>>,
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
        let data = data.into_iter().map(Place::Arbiter).collect();
        let threads = Threads { system, first: Mutex::new(Some(thread)) };
        Ok(Self::new(Place::Arbiter(control), data, Some(threads)))
    }

    /// Starts no thread: all actors run on the [`LocalSet`](tokio::task::LocalSet) of the caller, and
    /// whatever starts actors must be called there.
    #[must_use]
    pub fn here() -> Self {
        let here = Place::Here(CancellationToken::new());
        Self::new(here.clone(), vec![here], None)
    }

    fn new(control: Place, data: Vec<Place>, threads: Option<Threads>) -> Self {
        let inner = Inner { control, data, next: AtomicUsize::new(0), threads };
        Self { inner: Arc::new(inner) }
    }

    /// The number of data arbiters that fits the machine when the configuration leaves it open: a
    /// quarter of the cores, the frontends have the others.
    #[must_use]
    pub fn default_data_arbiters() -> usize {
        std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 4).max(1))
    }

    /// The control arbiter.
    #[must_use]
    pub fn control(&self) -> &Place {
        &self.inner.control
    }

    /// The arbiter of the dispatcher and, for the first partitions, of leader connections.
    #[must_use]
    pub fn path(&self) -> &Place {
        self.nth(0)
    }

    /// A data arbiter, each in turn.
    #[must_use]
    pub fn next(&self) -> &Place {
        self.nth(self.inner.next.fetch_add(1, Relaxed))
    }

    /// The data arbiter for the `n`-th of a fixed set of actors.
    #[must_use]
    pub fn nth(&self, n: usize) -> &Place {
        let data = &self.inner.data;
        data.get(n % data.len()).expect("there is at least one data arbiter")
    }

    /// Ends all actors and joins the threads. Blocks for as long as a handler runs.
    pub fn stop(&self) {
        let Some(threads) = &self.inner.threads else { return self.inner.end_here() };
        threads.system.stop();
        let thread = threads.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            log::error!("event=actors_thread_panicked");
        }
    }

    /// Whether [`Spawner::stop`] waits for threads.
    #[must_use]
    pub fn has_threads(&self) -> bool {
        self.inner.threads.is_some()
    }
}

impl Inner {
    fn end_here(&self) {
        if let Place::Here(ended) = &self.control {
            ended.cancel();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        match &self.threads {
            // Without joining: the last handle may be dropped on one of these threads.
            Some(threads) => threads.system.stop(),
            None => self.end_here(),
        }
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
