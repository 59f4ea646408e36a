//! The software of the simulated hosts: a broker, and gateways with clients on the same host.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use beegate::actors::Gateway;
use beegate::actors::gateway::{
    Fatal, JobDeliveries, JobDelivery, MemberOptions, SessionHandle, SessionInfo,
};
use beegate::config::Config;
use beegate::error::{ErrorClass, GatewayError};
use beegate::model::{Command, CommandKind, Frontend, Key, Reply};
use beegate::wire::record::{ProcessInstanceCreationRecord, Record as _};
use beegate::{broker, chance, metrics};
use rand::Rng as _;

use crate::commands;
use crate::ledger::Ledger;

pub const PARTITIONS: u16 = 3;
pub const GATEWAYS: usize = 2;
pub const BROKER: &str = "broker";
/// Limit of each command.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const COMMAND_PORT: u16 = 26501;
const INTERNAL_PORT: u16 = 26502;
/// How long a worker may keep a job.
const LOCK_MS: i64 = 5_000;
const POLL_MS: i64 = 8_000;
/// A poll that waits through everything.
const PARKED_MS: i64 = 3_600_000;

/// The processes, which are also the types of their jobs.
pub const WORK: &str = "work";
pub const PARKED: &str = "parked";

pub fn gateway_name(gateway: usize) -> String {
    format!("gateway-{gateway}")
}

/// What the hosts and the test share.
pub struct Stage {
    pub ledger: RefCell<Ledger>,
    pub broker: RefCell<Option<broker::BrokerHandle>>,
    pub gateways: RefCell<[Option<Gateway>; GATEWAYS]>,
    /// Whether clients create instances.
    pub creating: Cell<bool>,
    /// Set to create one instance for those who wait for [`PARKED`].
    pub wake_parked: Cell<bool>,
    /// Parked polls that were served.
    pub parked_served: Cell<u64>,
}

impl Stage {
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            ledger: RefCell::default(),
            broker: RefCell::default(),
            gateways: RefCell::default(),
            creating: Cell::new(true),
            wake_parked: Cell::new(false),
            parked_served: Cell::new(0),
        })
    }
}

fn config() -> Config {
    let mut config = Config::defaults();
    config.broker.node_id = 0;
    config.broker.partitions = PARTITIONS;
    config.broker.host = BROKER.to_owned();
    (config.broker.command_port, config.broker.internal_port) = (COMMAND_PORT, INTERNAL_PORT);
    config.cluster.request_timeout = REQUEST_TIMEOUT;
    config
}

/// The broker's host.
pub async fn broker(stage: Rc<Stage>) -> turmoil::Result {
    let config = config();
    let handle = broker::start_here(&config.broker, &config.cluster).await?;
    stage.ledger.borrow_mut().broker_lives += 1;
    stage.broker.replace(Some(handle));
    std::future::pending().await
}

/// A gateway's host. The gateway has the same member id in each of its lives.
pub async fn gateway(stage: Rc<Stage>, number: usize) -> turmoil::Result {
    let mut config = config();
    config.cluster.member_id = gateway_name(number);
    let member = MemberOptions {
        host: gateway_name(number),
        port: INTERNAL_PORT,
        advertised_host: gateway_name(number),
        advertised_port: 0,
        contact_points: vec![format!("{BROKER}:{INTERNAL_PORT}").parse()?],
    };
    let fatal = Fatal::new(|cause| panic!("escalated: {cause}"));
    let started = Gateway::start_here(config, member, metrics::Registry::default(), fatal).await;
    let (gateway, _shutdown) = started?;
    stage.ledger.borrow_mut().gateway_lives += 1;
    stage.gateways.borrow_mut()[number] = Some(gateway.clone());
    let clients = |name| Client::new(&stage, &gateway, number, name);
    for _ in 0..2 {
        tokio::task::spawn_local(clients("creator").create());
        tokio::task::spawn_local(clients("poller").poll());
    }
    tokio::task::spawn_local(clients("streamer").stream());
    tokio::task::spawn_local(clients("parked").park());
    std::future::pending().await
}

/// A client of a gateway.
#[derive(Clone)]
struct Client {
    stage: Rc<Stage>,
    session: SessionHandle,
    gateway: usize,
}

impl Client {
    fn new(stage: &Rc<Stage>, gateway: &Gateway, number: usize, name: &str) -> Self {
        let info = SessionInfo { frontend: Frontend::Grpc, peer: None };
        let session = gateway.open_session(info).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { stage: Rc::clone(stage), session, gateway: number }
    }

    async fn pause(&self, millis: std::ops::Range<u64>) {
        let millis = chance::rng().random_range(millis);
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    async fn execute(&self, command: Command) -> Result<Reply, GatewayError> {
        let now = || turmoil::sim_elapsed().expect("in the simulation");
        let asked = self.stage.ledger.borrow_mut().ask(self.gateway, command.kind, now());
        let answer = self.session.execute(command).await;
        self.stage.ledger.borrow_mut().answered(asked, now(), answer.as_ref().err());
        answer
    }

    /// Creates instances, without waiting for one before the next.
    async fn create(self) {
        loop {
            self.pause(200..1500).await;
            if self.gateway == 0 && self.stage.wake_parked.take() {
                let client = self.clone();
                tokio::task::spawn_local(async move { client.create_one(PARKED).await });
            }
            if self.stage.creating.get() {
                let client = self.clone();
                tokio::task::spawn_local(async move { client.create_one(WORK).await });
            }
        }
    }

    async fn create_one(&self, process: &str) {
        let n = self.stage.ledger.borrow_mut().next_creation();
        match self.execute(commands::create(process, n)).await {
            Ok(reply) => {
                let created = ProcessInstanceCreationRecord::from_bytes(&reply.value);
                let instance = created.expect("a creation").process_instance_key;
                self.stage.ledger.borrow_mut().created(n, instance);
            }
            Err(error) if error.class() == ErrorClass::NotFound => {
                self.deploy(process).await;
                // What is created for the sake of one waiting client must be created.
                if process == PARKED {
                    self.stage.wake_parked.set(true);
                }
            }
            Err(_) => {}
        }
    }

    async fn deploy(&self, process: &str) {
        let tag = {
            let mut ledger = self.stage.ledger.borrow_mut();
            ledger.tags += 1;
            ledger.tags
        };
        // If it fails, the next creation fails, too, and somebody deploys again.
        drop(self.execute(commands::deploy(process, tag)).await);
    }

    /// Works on polled jobs.
    async fn poll(self) {
        loop {
            let mut deliveries = self.session.activate_jobs(commands::poll(WORK, LOCK_MS, POLL_MS));
            self.work(&mut deliveries).await;
            self.pause(0..200).await;
        }
    }

    /// Works on pushed jobs.
    async fn stream(self) {
        loop {
            let mut deliveries = self.session.stream_jobs(commands::stream(WORK, LOCK_MS));
            self.work(&mut deliveries).await;
            self.pause(0..200).await;
        }
    }

    /// Takes what comes until the end, and sometimes goes away before it.
    async fn work(&self, deliveries: &mut JobDeliveries) {
        while let Some(delivery) = deliveries.next().await {
            let delivery = match delivery {
                Ok(delivery) => delivery,
                Err(error) => {
                    let asked = self.stage.ledger.borrow_mut().ask(
                        self.gateway,
                        CommandKind::ActivateJobs,
                        turmoil::sim_elapsed().expect("in the simulation"),
                    );
                    let now = turmoil::sim_elapsed().expect("in the simulation");
                    self.stage.ledger.borrow_mut().answered(asked, now, Some(&error));
                    return;
                }
            };
            if chance::rng().random_bool(0.05) {
                // The client went away: the jobs go back.
                return;
            }
            self.take(delivery);
        }
    }

    fn take(&self, delivery: JobDelivery) {
        let life = self.stage.ledger.borrow().broker_lives;
        for job in &delivery.jobs {
            let n = commands::number(&job.record);
            let tag = commands::tag(&job.record);
            let execution = (tag, job.record.process_instance_key);
            let deadline = job.record.deadline;
            self.stage.ledger.borrow_mut().activated(self.gateway, n, execution, deadline);
            let (client, key) = (self.clone(), job.key);
            tokio::task::spawn_local(async move {
                client.pause(0..300).await;
                client.finish(life, key).await;
            });
        }
        delivery.delivered();
    }

    /// Completes a job that was taken in this life of the broker. In another one, its key is another
    /// job's.
    async fn finish(&self, life: u64, job: Key) {
        for _ in 0..3 {
            if self.stage.ledger.borrow().broker_lives != life {
                return;
            }
            let answer = self.execute(commands::complete(job)).await;
            match answer {
                // Not found: completed by this command before, or by another worker.
                Err(error) if error.class() != ErrorClass::NotFound => {
                    self.pause(100..1000).await;
                }
                _ => return self.stage.ledger.borrow_mut().completed(life),
            }
        }
    }

    /// Waits for a job that comes when all is over.
    async fn park(self) {
        loop {
            let poll = commands::poll(PARKED, LOCK_MS, PARKED_MS);
            let mut deliveries = self.session.activate_jobs(poll);
            while let Some(delivery) = deliveries.next().await {
                match delivery {
                    Ok(delivery) => {
                        self.take(delivery);
                        self.stage.parked_served.set(self.stage.parked_served.get() + 1);
                    }
                    Err(error) => {
                        let text = format!("a parked poll ended: {error}");
                        self.stage.ledger.borrow_mut().complaints.push(text);
                    }
                }
            }
            self.pause(0..200).await;
        }
    }
}
