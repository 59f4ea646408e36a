//! The load: so many requests per second on each partition and as many instance creations, on every
//! gateway alike, whether earlier requests have been answered or not.
//!
//! Every request ends in exactly one sample; one that outlives its deadline is a sample, too.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use beegate::api::grpc::proto as pb;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tonic::{Code, Status};

use crate::client::{Client, partition_of};
use crate::stage::{Side, Stage};

/// What the client grants: more than the 15 s after which a gateway gives up by itself.
pub const CLIENT_DEADLINE: Duration = Duration::from_secs(20);

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A command for an entity of this partition.
    Keyed(i32),
    /// An instance, on whatever partition the gateway likes.
    Create,
}

/// One request and what became of it.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Through which gateway.
    pub side: Side,
    /// What was asked for.
    pub kind: Kind,
    /// When, since the load began.
    pub start: Duration,
    /// Until the answer.
    pub took: Duration,
    /// Nothing, or code and message.
    pub failure: Option<(Code, String)>,
}

impl Sample {
    /// When the answer came, since the load began.
    pub fn end(&self) -> Duration {
        self.start + self.took
    }
}

type Samples = Arc<Mutex<Vec<Sample>>>;

/// A load under way.
pub struct Load {
    began: Instant,
    samples: Samples,
    pacers: JoinSet<JoinSet<()>>,
    stop: tokio::sync::watch::Sender<bool>,
}

impl Load {
    /// Begins: `rate` requests per second for each partition and for creations, on each gateway.
    pub fn start(stage: &Stage, rate: u32) -> Self {
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let mut load = Self {
            began: Instant::now(),
            samples: Samples::default(),
            pacers: JoinSet::new(),
            stop,
        };
        for side in stage.sides() {
            let client = stage.client(side);
            let keyed = stage.anchors(side).iter();
            let keyed = keyed.map(|(&partition, &key)| (Kind::Keyed(partition), key));
            for (kind, key) in keyed.chain([(Kind::Create, 0)]) {
                let pacer = Pacer {
                    side,
                    kind,
                    key,
                    client: client.clone(),
                    began: load.began,
                    samples: load.samples.clone(),
                };
                load.pacers.spawn(pacer.run(rate, stopped.clone()));
            }
        }
        load
    }

    /// Time since the load began.
    pub fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Waits until a request begun after `since` succeeded on each of the partitions through each
    /// gateway.
    pub async fn wait_until_served(
        &self,
        sides: &[Side],
        partitions: &[i32],
        since: Duration,
        limit: Duration,
    ) -> Result<()> {
        let wanted = || sides.iter().flat_map(|&s| partitions.iter().map(move |&p| (s, p)));
        loop {
            let missing: Vec<_> = {
                let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
                let served = |(side, partition): &(Side, i32)| {
                    samples.iter().any(|sample| {
                        sample.side == *side
                            && sample.kind == Kind::Keyed(*partition)
                            && sample.start >= since
                            && sample.failure.is_none()
                    })
                };
                wanted().filter(|pair| !served(pair)).collect()
            };
            if missing.is_empty() {
                return Ok(());
            }
            if self.now() > since + limit {
                bail!("not served {limit:?} after the fault: {missing:?}");
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Stops, waits for the answers that are due, and returns all samples.
    pub async fn finish(mut self) -> Vec<Sample> {
        self.stop.send_replace(true);
        while let Some(joined) = self.pacers.join_next().await {
            let mut requests = joined.expect("a pacer does not panic");
            while requests.join_next().await.is_some() {}
        }
        std::mem::take(&mut *self.samples.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Pacer {
    side: Side,
    kind: Kind,
    key: i64,
    client: Client,
    began: Instant,
    samples: Samples,
}

impl Pacer {
    /// Sends at a fixed rate; requests it fell behind with are sent at once. Returns what is still
    /// under way.
    async fn run(self, rate: u32, mut stopped: tokio::sync::watch::Receiver<bool>) -> JoinSet<()> {
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut requests = JoinSet::new();
        loop {
            tokio::select! {
                _ = stopped.changed() => return requests,
                _ = ticks.tick() => {}
            }
            while requests.try_join_next().is_some() {}
            requests.spawn(self.one());
        }
    }

    fn one(&self) -> impl Future<Output = ()> + Send + 'static {
        let (side, kind, key) = (self.side, self.kind, self.key);
        let (mut client, samples, began) = (self.client.clone(), self.samples.clone(), self.began);
        async move {
            let start = began.elapsed();
            let call = async {
                match kind {
                    Kind::Keyed(_) => client.touch(key, CLIENT_DEADLINE).await,
                    Kind::Create => client.create_tick(CLIENT_DEADLINE).await,
                }
            };
            // A gateway that ignores the deadline must not stop us from counting.
            let answer = tokio::time::timeout(CLIENT_DEADLINE + Duration::from_secs(2), call).await;
            let failure = match answer {
                Ok(Ok(())) => None,
                Ok(Err(status)) => Some((status.code(), status.message().to_owned())),
                Err(_) => Some((Code::Unknown, "no answer even after the deadline".to_owned())),
            };
            let took = began.elapsed() - start;
            let sample = Sample { side, kind, start, took, failure };
            samples.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
        }
    }
}

/// A check after the fault: one command per partition, each answered well.
pub async fn probe(stage: &Stage, side: Side) -> Result<(), Status> {
    let mut client = stage.client(side);
    for &key in stage.anchors(side).values() {
        client.touch(key, CLIENT_DEADLINE).await.map_err(|status| {
            Status::new(
                status.code(),
                format!("partition {} is not served: {}", partition_of(key), status.message()),
            )
        })?;
    }
    client.create_tick(CLIENT_DEADLINE).await
}

/// The request that touches an entity: it writes, and leaves nothing behind that grows.
pub fn touching(key: i64) -> pb::SetVariablesRequest {
    pb::SetVariablesRequest {
        element_instance_key: key,
        variables: r#"{"touched":true}"#.to_owned(),
        local: true,
        ..Default::default()
    }
}
