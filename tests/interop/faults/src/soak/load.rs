//! The mixed load: clients of every kind, each in a loop with pauses; every call is counted by what
//! became of it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::rest::Rest;
use crate::client::Client;
use crate::jobs::fresh_type;
use crate::load::CLIENT_DEADLINE;
use crate::stage::{Side, Stage};

/// Job timeouts outlast the soak: no job comes twice.
const JOB_TIMEOUT: Duration = Duration::from_secs(3600);
/// How long polls wait.
const POLL: Duration = Duration::from_secs(5);
/// Pause between two calls of one loop: about six calls per second each.
const PAUSE: Duration = Duration::from_millis(150);

/// Failures by call, code and message.
pub type Failures = BTreeMap<(String, String, String), usize>;

#[derive(Debug, Default)]
struct Counts {
    done: BTreeMap<String, usize>,
    failed: Failures,
}

#[derive(Clone, Debug, Default)]
struct Tally(Arc<Mutex<Counts>>);

impl Tally {
    /// Counts a call, or several that were made in one go.
    fn count(&self, what: &str, outcome: Result<usize, (String, String)>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(n) => *counts.done.entry(what.to_owned()).or_default() += n,
            Err((code, message)) => {
                *counts.failed.entry((what.to_owned(), code, message)).or_default() += 1;
            }
        }
    }

    fn grpc(&self, what: &str, outcome: Result<usize, tonic::Status>) {
        let told =
            |status: tonic::Status| (format!("{:?}", status.code()), status.message().to_owned());
        self.count(what, outcome.map_err(told));
    }

    fn rest(&self, what: &str, outcome: Result<usize>) {
        self.count(what, outcome.map_err(|error| ("REST".to_owned(), format!("{error:#}"))));
    }
}

/// The load under way.
pub struct Mix {
    stop: watch::Sender<bool>,
    loops: JoinSet<()>,
    tally: Tally,
}

impl Mix {
    /// Starts all loops.
    pub async fn start(stage: &Stage) -> Result<Self> {
        let (stop, _) = watch::channel(false);
        let mut mix = Self { stop, loops: JoinSet::new(), tally: Tally::default() };
        let client = stage.client(Side::Beegate);
        let rest = Rest::new(stage.beegate.rest);
        let types = [fresh_type("soak-poll"), fresh_type("soak-stream"), fresh_type("soak-rest")];
        mix.grpc_loops(&client, &types, stage.anchors(Side::Beegate));
        mix.rest_loops(&rest, &types[2]);
        mix.stream(client, &types[1]).await?;
        Ok(mix)
    }

    fn grpc_loops(&mut self, client: &Client, types: &[String; 3], anchors: &BTreeMap<i32, i64>) {
        for job_type in &types[..2] {
            let (client, job_type) = (client.clone(), job_type.clone());
            self.again(move |tally, _| {
                let (mut client, job_type) = (client.clone(), job_type.clone());
                async move {
                    let made = client.create_work(&job_type).await;
                    tally.grpc("create", made.map(|_| 1));
                }
            });
        }
        for _ in 0..2 {
            let (client, job_type) = (client.clone(), types[0].clone());
            self.again(move |tally, _| poll_and_complete(client.clone(), job_type.clone(), tally));
        }
        let anchors: Vec<i64> = anchors.values().copied().collect();
        let toucher = client.clone();
        self.again(move |tally, turn| {
            let (mut client, key) = (toucher.clone(), anchors[turn % anchors.len()]);
            async move {
                let touched = client.touch(key, CLIENT_DEADLINE).await;
                tally.grpc("set variables", touched.map(|()| 1));
            }
        });
        let publisher = client.clone();
        self.again(move |tally, turn| {
            let mut client = publisher.clone();
            async move {
                let published = client.publish(&format!("key-{turn}")).await;
                tally.grpc("publish", published.map(|()| 1));
            }
        });
        let canceller = client.clone();
        self.again(move |tally, _| {
            let mut client = canceller.clone();
            async move {
                let cancelled = match client.create_work("soak-nobody").await {
                    Ok(key) => client.cancel(key).await,
                    Err(status) => Err(status),
                };
                tally.grpc("create and cancel", cancelled.map(|()| 1));
            }
        });
    }

    fn rest_loops(&mut self, rest: &Rest, job_type: &str) {
        let (creator, created_type) = (rest.clone(), job_type.to_owned());
        self.again(move |tally, _| {
            let (rest, job_type) = (creator.clone(), created_type.clone());
            async move { tally.rest("REST create", rest.create(&job_type).await.map(|_| 1)) }
        });
        let (worker, worked_type) = (rest.clone(), job_type.to_owned());
        self.again(move |tally, _| {
            let (rest, job_type) = (worker.clone(), worked_type.clone());
            async move { tally.rest("REST activate and complete", rest.work(&job_type).await) }
        });
        let publisher = rest.clone();
        self.again(move |tally, turn| {
            let rest = publisher.clone();
            async move {
                let published = rest.publish(&format!("key-{turn}")).await;
                tally.rest("REST publish", published.map(|()| 1));
            }
        });
        let canceller = rest.clone();
        self.again(move |tally, _| {
            let rest = canceller.clone();
            async move {
                let cancelled = match rest.create("soak-nobody").await {
                    Ok(key) => rest.cancel(&key).await,
                    Err(error) => Err(error),
                };
                tally.rest("REST create and cancel", cancelled.map(|()| 1));
            }
        });
    }

    /// A worker on a job stream.
    async fn stream(&mut self, mut client: Client, job_type: &str) -> Result<()> {
        let mut jobs = client.stream(job_type, JOB_TIMEOUT).await?;
        let (tally, mut stopped) = (self.tally.clone(), self.stop.subscribe());
        self.loops.spawn(async move {
            loop {
                let next = tokio::select! {
                    next = jobs.message() => next,
                    _ = stopped.changed() => return,
                };
                match next {
                    Ok(Some(job)) => {
                        let completed = client.complete(job.key).await;
                        tally.grpc("stream and complete", completed.map(|()| 1));
                    }
                    Ok(None) => return tally.grpc("stream", Err(tonic::Status::ok("it ended"))),
                    Err(status) => return tally.grpc("stream", Err(status)),
                }
            }
        });
        Ok(())
    }

    /// Does something over and over; it gets the number of the turn.
    fn again<F: Future<Output = ()> + Send>(
        &mut self,
        one: impl Fn(Tally, usize) -> F + Send + 'static,
    ) {
        let (tally, stopped) = (self.tally.clone(), self.stop.subscribe());
        self.loops.spawn(async move {
            let mut turn = 0;
            while !*stopped.borrow() {
                one(tally.clone(), turn).await;
                turn += 1;
                tokio::time::sleep(PAUSE).await;
            }
        });
    }

    /// Stops, waits for calls under way, and gives back what was done and what failed.
    pub async fn finish(mut self) -> (BTreeMap<String, usize>, Failures) {
        self.stop.send_replace(true);
        while let Some(ended) = self.loops.join_next().await {
            ended.expect("loops do not panic");
        }
        let counts =
            std::mem::take(&mut *self.tally.0.lock().unwrap_or_else(PoisonError::into_inner));
        (counts.done, counts.failed)
    }
}

async fn poll_and_complete(mut client: Client, job_type: String, tally: Tally) {
    let mut answers = match client.poll(&job_type, 8, JOB_TIMEOUT, POLL).await {
        Ok(answers) => answers,
        Err(status) => return tally.grpc("poll", Err(status)),
    };
    loop {
        match answers.message().await {
            Ok(Some(answer)) => {
                for job in answer.jobs {
                    let completed = client.complete(job.key).await;
                    tally.grpc("poll and complete", completed.map(|()| 1));
                }
            }
            Ok(None) => return,
            Err(status) => return tally.grpc("poll", Err(status)),
        }
    }
}
