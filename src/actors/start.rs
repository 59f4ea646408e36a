//! Starts a gateway: who comes before whom, and how it ends.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::dispatcher::{self, ViewChanged};
use super::gateway::Gateway;
use super::jobs::{self, Jobs};
use super::leader::{LeaderHint, Links};
use super::management;
use super::shared::{Shared, Submitter};
use super::spawner::Spawner;
use super::supervise::{Fatal, install_panic_hook};
use super::topology::{self, Joined, MemberOptions, StartError};
use super::watchdog;
use crate::config::Config;
use crate::metrics;
use crate::model::ClusterView;
use crate::net::{Endpoint, Handlers, Membership, Messenger, MessengerOptions};

/// Pause between two looks at what is still in flight while stopping.
const DRAIN_POLL: Duration = Duration::from_millis(5);

/// Ends a gateway. Dropping it without [`Shutdown::stop`] leaves the gateway running.
#[derive(Debug)]
pub struct Shutdown {
    shared: Shared,
    stop: CancellationToken,
    jobs: Jobs,
    /// None where the view is fixed.
    membership: Option<Membership>,
}

impl Gateway {
    /// Joins the cluster as a member and starts all actors. Works on any tokio runtime; the actors
    /// have threads of their own. `fatal` is called with the reason when the gateway cannot go on:
    /// the process must then end with a failure.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(
        config: Config,
        member: MemberOptions,
        metrics: metrics::Registry,
        fatal: Fatal,
    ) -> Result<(Gateway, Shutdown), StartError> {
        let shared = share(config, metrics, fatal).map_err(StartError::Threads)?;
        let control = shared.spawner().control().clone();
        let (report, started) = oneshot::channel();
        // The sockets belong to the runtime of the thread that serves them.
        let place = control.clone();
        control.run(move || {
            place.keep(async move {
                // Fails only if the starter went away, and then there is nobody to tell.
                let _gone = report.send(start_on(shared, member).await);
            });
        });
        started.await.map_err(|_| StartError::Ended)?
    }

    /// Like [`Gateway::start`], but without any thread: all actors run on the
    /// [`LocalSet`](tokio::task::LocalSet) that this is called on, and sessions must be opened there.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start_here(
        config: Config,
        member: MemberOptions,
        metrics: metrics::Registry,
        fatal: Fatal,
    ) -> Result<(Gateway, Shutdown), StartError> {
        install_panic_hook();
        start_on(Shared::new(config, metrics, Spawner::here(), fatal), member).await
    }

    /// Starts the actors of the data path over a fixed view, without gossip: for
    /// benches and tests of the path itself. [`Gateway::publish`] changes the view.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn detached(
        config: Config,
        endpoint: Endpoint,
        view: ClusterView,
        fatal: Fatal,
    ) -> io::Result<(Gateway, Shutdown)> {
        let shared = share(config, metrics::Registry::default(), fatal)?;
        shared.publish(Arc::new(view));
        let leader_hint = Arc::new(|hint: LeaderHint| log::debug!("event=leader_hint {hint:?}"));
        let messenger = Messenger::new(endpoint.clone(), MessengerOptions::default());
        let (gateway, jobs) = over(&shared, Links { endpoint, leader_hint }, messenger);
        let stop = CancellationToken::new();
        Ok((gateway, Shutdown { shared, stop, jobs, membership: None }))
    }
}

/// On the control arbiter.
async fn start_on(
    shared: Shared,
    member: MemberOptions,
) -> Result<(Gateway, Shutdown), StartError> {
    let joined = topology::join(shared.config(), member).await?;
    let Joined { endpoint, messenger, membership, .. } = &joined;
    let ours = Some(membership.clone());
    let topology = topology::start(&shared, membership.clone(), messenger.clone());
    let hints = topology.clone();
    #[cfg(test)]
    super::test_panic::remember(&topology);
    let leader_hint = Arc::new(move |hint: LeaderHint| hints.send(hint));
    let links = Links { endpoint: endpoint.clone(), leader_hint };
    let (gateway, jobs) = over(&shared, links, messenger.clone());
    // What peers send besides gossip and configuration is for job activation.
    let mut handlers = Handlers::new();
    jobs.register(&mut handlers);
    let stop = CancellationToken::new();
    topology::serve(shared.config(), joined, handlers, topology, stop.clone());
    Ok((gateway, Shutdown { shared, stop, jobs, membership: ours }))
}

fn share(config: Config, metrics: metrics::Registry, fatal: Fatal) -> io::Result<Shared> {
    install_panic_hook();
    let data = match config.threads.data {
        0 => Spawner::default_data_arbiters(),
        configured => configured,
    };
    let spawner = Spawner::start(data)?;
    let shared = Shared::new(config, metrics, spawner, fatal);
    watchdog::start(shared.registry())?;
    Ok(shared)
}

fn over(shared: &Shared, links: Links, messenger: Messenger) -> (Gateway, Jobs) {
    let dispatcher = dispatcher::start(shared, links);
    let follower = dispatcher.clone();
    shared.on_view(move |_| follower.send(ViewChanged));
    let submitter = Submitter::new(shared.clone(), dispatcher.clone());
    let jobs = jobs::start(shared, submitter.clone(), messenger.clone());
    let management = management::start(shared, messenger);
    let gateway = Gateway::new(shared.clone(), dispatcher, submitter, management);
    gateway.serve_jobs(Box::new(jobs.clone()));
    (gateway, jobs)
}

impl Shutdown {
    /// The job actors, for tests that act as brokers.
    #[cfg(test)]
    pub(super) fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    /// Stops: refuses new calls at once, waits up to `grace` for the commands in flight and for
    /// job streams, which end in batches, leaves the cluster, ends all actors; what is still in flight is answered with
    /// [`GatewayError::ShuttingDown`](crate::error::GatewayError::ShuttingDown). Gives back how many
    /// commands that were.
    pub async fn stop(self, grace: Duration) -> usize {
        let admission = self.shared.admission();
        admission.stop();
        self.jobs.retire();
        let drained = async {
            while admission.in_flight() > 0 || self.jobs.open_streams() > 0 {
                tokio::time::sleep(DRAIN_POLL).await;
            }
        };
        let _late = tokio::time::timeout(grace, drained).await;
        let left = admission.in_flight();
        if let Some(membership) = &self.membership {
            membership.leave().await;
        }
        self.stop.cancel();
        let spawner = self.shared.spawner().clone();
        if !spawner.has_threads() {
            spawner.stop();
        } else if let Err(error) = tokio::task::spawn_blocking(move || spawner.stop()).await {
            log::error!("event=actors_not_stopped cause=\"{error}\"");
        }
        left
    }
}
