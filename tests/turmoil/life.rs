//! One life of a cluster: load, bad days, healing, and what must be true then.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::sync::Once;
use std::time::{Duration, SystemTime};

use beegate::chance;
use beegate::model::PartitionId;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use turmoil::Sim;

use crate::hosts::{self, BROKER, GATEWAYS, PARTITIONS, Stage, gateway_name};

/// The grain of simulated time.
const TICK: Duration = Duration::from_millis(10);
/// Time for everybody to have met at the start.
const MEETING: Duration = Duration::from_secs(5);
/// Time after the last fault in which all leaders must be known again, everywhere.
const LEADERS: Duration = Duration::from_secs(30);
/// Time for what faults left behind: connections that are silently dead, locks of jobs, calls.
const SETTLING: Duration = Duration::from_secs(40);
/// Time with load and without faults, in which no call may fail.
const QUIET: Duration = Duration::from_secs(10);
/// Time for workers to complete all that was created.
const DRAINING: Duration = Duration::from_secs(40);

/// What a life was like.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    pub simulated: Duration,
    answers: u64,
    jobs: u64,
    created: usize,
    broker_lives: u64,
    gateway_lives: u64,
    /// Differs with anything that clients saw.
    trace: u64,
    healed_in: Duration,
    errors: std::collections::BTreeMap<String, u64>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?}, answers {}, created {}, jobs {}, lives of the broker {}, of \
             gateways {}, leaders known again after {:?}, errors {:?}",
            self.simulated,
            self.answers,
            self.created,
            self.jobs,
            self.broker_lives,
            self.gateway_lives,
            self.healed_in,
            self.errors
        )
    }
}

thread_local! {
    /// Panics of this thread, also those that a runtime catches.
    static PANICS: Cell<usize> = const { Cell::new(0) };
}

fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.set(PANICS.get() + 1);
            previous(info);
        }));
    });
}

struct World {
    seed: u64,
    rng: StdRng,
    sim: Sim<'static>,
    stage: Rc<Stage>,
    /// What happened, for whoever reads a failure.
    diary: Vec<String>,
    panics: usize,
}

/// Lives through `faults` bad days.
pub fn live(seed: u64, faults: u64) -> Outcome {
    count_panics();
    let mut world = World::new(seed);
    world.until("leaders", MEETING, World::knows_leaders);
    world.stage.ledger.borrow_mut().faulty = true;
    for _ in 0..faults {
        world.bad_day();
    }
    let healed_in = world.heal();
    world.run(SETTLING);
    world.calm();
    world.drain();
    let ledger = world.stage.ledger.borrow();
    Outcome {
        simulated: world.sim.elapsed(),
        answers: ledger.answers,
        jobs: ledger.jobs,
        created: ledger.created_count(),
        broker_lives: ledger.broker_lives,
        gateway_lives: ledger.gateway_lives,
        trace: ledger.trace,
        healed_in,
        errors: ledger.errors.clone(),
    }
}

impl World {
    fn new(seed: u64) -> Self {
        chance::seed(seed);
        let epoch = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let mut sim = turmoil::Builder::new()
            .rng_seed(seed)
            .epoch(epoch)
            .simulation_duration(Duration::MAX)
            .tick_duration(TICK)
            .min_message_latency(Duration::from_millis(1))
            .max_message_latency(Duration::from_millis(10))
            .tcp_capacity(4096)
            .udp_capacity(1024)
            .enable_random_order()
            .build();
        let stage = Stage::new();
        // Cold starts happen once per life, before anybody can answer.
        stage.ledger.borrow_mut().faulty = true;
        let shared = Rc::clone(&stage);
        sim.host(BROKER, move || hosts::broker(Rc::clone(&shared)));
        for number in 0..GATEWAYS {
            let shared = Rc::clone(&stage);
            sim.host(gateway_name(number), move || hosts::gateway(Rc::clone(&shared), number));
        }
        let (rng, panics) = (StdRng::seed_from_u64(seed), PANICS.get());
        Self { seed, rng, sim, stage, diary: Vec::new(), panics }
    }

    fn fail(&self, text: &str) -> ! {
        let diary = self.diary.join("\n");
        panic!("SIM_SEED={} at {:?}: {text}\n{diary}", self.seed, self.sim.elapsed());
    }

    fn note(&mut self, text: String) {
        log::info!("event=fault at={:?} text=\"{text}\"", self.sim.elapsed());
        self.diary.push(format!("{:?} {text}", self.sim.elapsed()));
    }

    fn step(&mut self) {
        if let Err(error) = self.sim.step() {
            self.fail(&error.to_string());
        }
        if PANICS.get() != self.panics {
            self.fail("panicked");
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.sim.elapsed() + time;
        while self.sim.elapsed() < end {
            self.step();
            if self.sim.elapsed().subsec_millis() == 0 {
                self.look();
            }
        }
        self.look();
    }

    /// Runs until `is_so`, at most for `time`; how long that took.
    fn until(&mut self, what: &str, time: Duration, is_so: impl Fn(&Self) -> bool) -> Duration {
        let begin = self.sim.elapsed();
        while !is_so(self) {
            if self.sim.elapsed() - begin > time {
                self.fail(&format!("not within {time:?}: {what}"));
            }
            self.run(10 * TICK);
        }
        self.sim.elapsed() - begin
    }

    /// Fails on anything that must never be.
    fn look(&self) {
        let mut ledger = self.stage.ledger.borrow_mut();
        ledger.look(self.sim.elapsed());
        let mut complaints = ledger.complaints.clone();
        drop(ledger);
        for gateway in self.stage.gateways.borrow().iter().flatten() {
            for actor in gateway.actors() {
                if actor.restarts.panic > 0 {
                    complaints.push(format!("{}: {:?}", actor.name, actor.last_panic));
                }
            }
        }
        if !complaints.is_empty() {
            self.fail(&complaints.join("\n"));
        }
    }

    fn knows_leaders(&self) -> bool {
        let leads = |gateway: &beegate::actors::Gateway| {
            let view = gateway.view();
            (1..=PARTITIONS).all(|partition| view.has_leader(PartitionId(partition)))
        };
        self.stage.gateways.borrow().iter().all(|gateway| gateway.as_ref().is_some_and(leads))
    }

    fn seconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(self.rng.random_range(from * 1000..to * 1000))
    }

    fn any_gateway(&mut self) -> usize {
        self.rng.random_range(0..GATEWAYS)
    }

    fn bad_day(&mut self) {
        let number = self.any_gateway();
        let gateway = gateway_name(number);
        match self.rng.random_range(0..8) {
            0 => {
                self.note(format!("{gateway} and the broker are cut off from each other"));
                self.sim.partition(gateway.as_str(), BROKER);
            }
            1 => {
                self.note(format!("nothing gets from {gateway} to the broker"));
                self.sim.partition_oneway(gateway.as_str(), BROKER);
            }
            2 => {
                self.note(format!("nothing gets from the broker to {gateway}"));
                self.sim.partition_oneway(BROKER, gateway.as_str());
            }
            3 => {
                self.note(format!("all between {gateway} and the broker is held"));
                self.sim.hold(gateway.as_str(), BROKER);
            }
            4 => {
                let latency = Duration::from_millis(self.rng.random_range(50..2_000));
                self.note(format!("{gateway} to the broker takes {latency:?}"));
                self.sim.set_link_latency(gateway.as_str(), BROKER, latency);
            }
            5 => self.crash_broker(),
            6 => self.crash_gateway(number),
            _ => {
                self.note("everybody is cut off from everybody".to_owned());
                let everybody = self.everybody();
                for (one, other) in [(0, 1), (0, 2), (1, 2)] {
                    self.sim.partition(everybody[one].as_str(), everybody[other].as_str());
                }
            }
        }
        let time = self.seconds(1, 40);
        self.run(time);
        // Often the next fault finds the network as the last one left it.
        if self.rng.random_bool(0.6) {
            self.mend();
            let time = self.seconds(0, 20);
            self.run(time);
        }
    }

    fn mend(&mut self) {
        self.note("the network is mended".to_owned());
        let everybody = self.everybody();
        for one in &everybody {
            for other in &everybody {
                if one != other {
                    self.sim.release(one.as_str(), other.as_str());
                    self.sim.repair(one.as_str(), other.as_str());
                    let few = Duration::from_millis(5);
                    self.sim.set_link_latency(one.as_str(), other.as_str(), few);
                }
            }
        }
    }

    fn everybody(&self) -> Vec<String> {
        (0..GATEWAYS).map(gateway_name).chain([BROKER.to_owned()]).collect()
    }

    /// The broker's process ends without a word, or its machine does, and a new one starts.
    fn crash_broker(&mut self) {
        let down = self.seconds(0, 25);
        self.note(format!("the broker is down for {down:?} and forgets everything"));
        self.sim.crash(BROKER);
        self.stage.broker.replace(None);
        self.run(down);
        self.sim.bounce(BROKER);
    }

    fn crash_gateway(&mut self, number: usize) {
        let down = self.seconds(0, 25);
        self.note(format!("gateway {number} is down for {down:?}"));
        self.sim.crash(gateway_name(number));
        self.stage.gateways.borrow_mut()[number] = None;
        self.stage.ledger.borrow_mut().forget(number);
        self.run(down);
        self.sim.bounce(gateway_name(number));
    }

    fn heal(&mut self) -> Duration {
        self.mend();
        self.until("all leaders are known", LEADERS, Self::knows_leaders)
    }

    /// Without faults nothing fails.
    fn calm(&mut self) {
        self.stage.ledger.borrow_mut().faulty = false;
        let before = self.stage.ledger.borrow().created_count();
        self.run(QUIET);
        let created = self.stage.ledger.borrow().created_count() - before;
        if created < 8 {
            self.fail(&format!("only {created} creations within {QUIET:?} without faults"));
        }
        let members = self.observed(|broker| broker["members"].as_u64());
        if members != Some(GATEWAYS as u64) {
            self.fail(&format!("the broker knows {members:?} gateways"));
        }
    }

    fn observed<T>(&self, what: impl Fn(&serde_json::Value) -> T) -> T {
        let broker = self.stage.broker.borrow();
        what(&broker.as_ref().expect("the broker runs").observe())
    }

    /// Nothing that was created is lost, and who waited through it all is served.
    fn drain(&mut self) {
        self.stage.ledger.borrow_mut().faulty = true; // parked: the first creation finds no process
        self.stage.creating.set(false);
        let served = self.stage.parked_served.get();
        self.stage.wake_parked.set(true);
        self.until("a parked poll is served", DRAINING, |world| {
            world.stage.parked_served.get() > served
        });
        // What the broker tells of itself is up to 100 ms old.
        self.run(Duration::from_secs(1));
        self.until("all work is done", DRAINING, |world| {
            world.stage.ledger.borrow().is_idle()
                && world.observed(|broker| {
                    let partitions = broker["partitions"].as_array().expect("partitions");
                    partitions
                        .iter()
                        .all(|partition| partition["stats"]["engine"]["process_instances"] == 0)
                })
        });
        let ledger = self.stage.ledger.borrow();
        let unseen = ledger.unseen();
        if unseen.len() > ledger.strays {
            self.fail(&format!("no client got the jobs of {unseen:#?}"));
        }
    }
}
