//! A network of gossip cores with one clock, and everything that can go wrong between them.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use beegate::gossip::{
    Event, Input, Output, ReplyToken, RequestToken, Swim, SwimConfig, SwimIdentity,
};
use beegate::model::{MemberId, MemberState, Millis};
use beegate::wire::swim::{Address, Member, Properties, Request, Response, Version};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// Lines of the trace kept for a failure.
const TRACE_LINES: usize = 40;

/// How the network behaves.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Share of messages that vanish.
    pub loss: f64,
    /// Share of datagrams that come twice.
    pub duplicate: f64,
    /// Longest time a message takes, one way.
    pub delay_max: Millis,
}

impl Weather {
    pub const FAIR: Weather = Weather { loss: 0.0, duplicate: 0.0, delay_max: Millis(10) };
}

/// What is under way.
enum Parcel {
    Request { from: usize, life: u32, token: RequestToken, to: Address, request: Request },
    Response { to: usize, life: u32, token: RequestToken, response: Response },
    Refused { to: usize, life: u32, token: RequestToken },
    Gossip { from: usize, to: Address, updates: Vec<Member> },
}

/// A member's process, or the lack of one.
pub struct Node {
    pub id: MemberId,
    pub address: Address,
    pub swim: Option<Swim>,
    /// Whether it never reads datagrams.
    pub deaf: bool,
    /// Side of the partition it is on.
    pub side: u8,
    life: u32,
    properties: Properties,
    /// Highest incarnation others were seen to have, by their id and start, as it knows them.
    seen: BTreeMap<MemberId, (Millis, i64)>,
    /// Requests it still owes an answer.
    owed: BTreeMap<ReplyToken, (usize, u32, RequestToken, Millis)>,
}

pub struct World {
    pub now: Millis,
    pub nodes: Vec<Node>,
    pub weather: Weather,
    pub rng: StdRng,
    seed: u64,
    index: BTreeMap<MemberId, usize>,
    contact_points: Vec<Address>,
    parcels: BTreeMap<(Millis, u64), Parcel>,
    next_number: u64,
    next_port: u16,
    trace: DefaultHasher,
    recent: VecDeque<String>,
    /// Members removed by anybody since the counter was reset.
    pub removals: usize,
    /// Members suspected by anybody since the counter was reset.
    pub suspicions: usize,
}

impl World {
    pub fn new(seed: u64, size: usize) -> Self {
        let address = |n: usize| Address::new("sim", 1000 + n as u16);
        let node = |n: usize| Node {
            id: MemberId::new(n.to_string()),
            address: address(n),
            swim: None,
            deaf: false,
            side: 0,
            life: 0,
            properties: Properties::new(),
            seen: BTreeMap::new(),
            owed: BTreeMap::new(),
        };
        Self {
            now: Millis(1_700_000_000_000),
            nodes: (0..size).map(node).collect(),
            weather: Weather::FAIR,
            rng: StdRng::seed_from_u64(seed),
            seed,
            index: (0..size).map(|n| (MemberId::new(n.to_string()), n)).collect(),
            contact_points: (0..size.min(3)).map(address).collect(),
            parcels: BTreeMap::new(),
            next_number: 0,
            next_port: 5000,
            trace: DefaultHasher::new(),
            recent: VecDeque::new(),
            removals: 0,
            suspicions: 0,
        }
    }

    /// A number for everything that happened so far.
    pub fn trace(&self) -> u64 {
        self.trace.finish()
    }

    #[track_caller]
    pub fn fail(&self, what: &str) -> ! {
        let recent: Vec<_> = self.recent.iter().map(String::as_str).collect();
        panic!(
            "{what}\nat {} in seed {seed}; rerun with SIM_SEED={seed}\nlast events:\n{}",
            self.now.0,
            recent.join("\n"),
            seed = self.seed
        );
    }

    fn note(&mut self, line: String) {
        line.hash(&mut self.trace);
        if self.recent.len() == TRACE_LINES {
            self.recent.pop_front();
        }
        self.recent.push_back(line);
    }

    pub fn is_contact_point(&self, n: usize) -> bool {
        self.contact_points.contains(&self.nodes[n].address)
    }

    pub fn start(&mut self, n: usize) {
        let (seed, now) = (self.rng.random(), self.now);
        let contact_points = self.contact_points.clone();
        let node = &mut self.nodes[n];
        assert!(node.swim.is_none(), "it runs already");
        node.life += 1;
        let identity = SwimIdentity {
            id: node.id.clone(),
            address: node.address.clone(),
            version: Some(Version::new(8, 6, 0)),
            properties: node.properties.clone(),
        };
        let swim = Swim::new(SwimConfig::default(), identity, contact_points, seed, now);
        node.swim = Some(swim);
        self.note(format!("{} start {n}", now.0));
        self.handle(n, Input::Tick);
    }

    pub fn stop(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        node.swim = None;
        node.seen.clear();
        node.owed.clear();
        self.note(format!("{} stop {n}", self.now.0));
    }

    /// Gives a stopped member another address, as a new container gets one.
    pub fn relocate(&mut self, n: usize) {
        assert!(self.nodes[n].swim.is_none(), "it runs");
        self.nodes[n].address = Address::new("sim", self.next_port);
        self.next_port += 1;
    }

    pub fn set_property(&mut self, n: usize, value: String) {
        self.nodes[n].properties.insert("p".into(), value.clone());
        if self.nodes[n].swim.is_some() {
            self.handle(n, Input::SetProperty { name: "p".into(), value: Some(value) });
        }
    }

    /// Runs the clock for this long.
    pub fn run(&mut self, span: Millis) {
        let end = self.now + span;
        loop {
            let parcel = self.parcels.keys().next().map(|(at, _)| *at);
            let timers = self.nodes.iter().enumerate();
            let timer =
                timers.filter_map(|(n, node)| Some((node.swim.as_ref()?.poll_timeout(), n))).min();
            match (parcel, timer) {
                (Some(at), timer) if at <= end && timer.is_none_or(|(due, _)| at <= due) => {
                    self.now = at;
                    self.deliver();
                }
                (_, Some((due, n))) if due <= end => {
                    assert!(due >= self.now, "time runs forward");
                    self.now = due;
                    self.handle(n, Input::Tick);
                }
                _ => break,
            }
        }
        self.now = end;
    }

    fn post(&mut self, parcel: Parcel) {
        let delay = Millis(self.rng.random_range(1..=self.weather.delay_max.0));
        self.next_number += 1;
        self.parcels.insert((self.now + delay, self.next_number), parcel);
    }

    fn lost(&mut self) -> bool {
        let loss = self.weather.loss;
        self.rng.random_bool(loss)
    }

    /// Whether a message can pass between a member and an address; the member there.
    fn route(&self, from: usize, to: &Address) -> Option<usize> {
        let found = self.nodes.iter().position(|node| node.address.port == to.port)?;
        let node = &self.nodes[found];
        (node.swim.is_some() && node.side == self.nodes[from].side).then_some(found)
    }

    fn deliver(&mut self) {
        let Some((_, parcel)) = self.parcels.pop_first() else { return };
        match parcel {
            Parcel::Request { from, life, token, to, request } => {
                let Some(receiver) = self.route(from, &to) else {
                    self.post(Parcel::Refused { to: from, life, token });
                    return;
                };
                self.next_number += 1;
                let reply = ReplyToken(self.next_number);
                self.nodes[receiver].owed.insert(reply, (from, life, token, self.now));
                self.handle(receiver, Input::Request { token: reply, request });
            }
            Parcel::Response { to, life, token, response } => {
                if self.lives(to, life) {
                    self.handle(to, Input::Response { token, response });
                }
            }
            Parcel::Refused { to, life, token } => {
                if self.lives(to, life) {
                    self.handle(to, Input::RequestFailed { token });
                }
            }
            Parcel::Gossip { from, to, updates } => {
                if let Some(receiver) = self.route(from, &to).filter(|n| !self.nodes[*n].deaf) {
                    self.handle(receiver, Input::Gossip(updates));
                }
            }
        }
    }

    fn lives(&self, n: usize, life: u32) -> bool {
        self.nodes[n].life == life && self.nodes[n].swim.is_some()
    }

    fn handle(&mut self, n: usize, input: Input) {
        let now = self.now;
        let Some(swim) = &mut self.nodes[n].swim else { return };
        let time_only = input == Input::Tick;
        swim.handle(now, input);
        let outputs: Vec<_> = std::iter::from_fn(|| swim.poll_output()).collect();
        for output in outputs {
            self.act(n, output);
        }
        if !time_only {
            self.check(n);
        }
    }

    fn act(&mut self, from: usize, output: Output) {
        match output {
            Output::Send { to, token, request, .. } => {
                self.note(format!("{} {from} asks {to} {:?}", self.now.0, request.kind()));
                if !self.lost() {
                    let life = self.nodes[from].life;
                    self.post(Parcel::Request { from, life, token, to, request });
                }
            }
            Output::Reply { token, response } => {
                let Some((to, life, request, _)) = self.nodes[from].owed.remove(&token) else {
                    self.fail(&format!("{from} answers {token:?}, which it does not owe"));
                };
                let reachable = self.nodes[from].side == self.nodes[to].side;
                if reachable && !self.lost() {
                    self.post(Parcel::Response { to, life, token: request, response });
                }
            }
            Output::Datagram { to, updates } => {
                assert!(!updates.is_empty(), "an empty datagram");
                self.note(format!("{} {from} tells {to} {}", self.now.0, updates.len()));
                if self.lost() {
                    return;
                }
                let duplicate = self.weather.duplicate;
                for _ in 0..1 + u8::from(self.rng.random_bool(duplicate)) {
                    let (to, updates) = (to.clone(), updates.clone());
                    self.post(Parcel::Gossip { from, to, updates });
                }
            }
            Output::Event(event) => self.observe(from, &event),
        }
    }

    fn observe(&mut self, n: usize, event: &Event) {
        let (what, member) = match event {
            Event::MemberAdded(member) => ("added", member),
            Event::MemberRemoved(member) => ("removed", member),
            Event::ReachabilityChanged(member) => ("reachability", member),
            Event::MetadataChanged(member) => ("metadata", member),
            Event::IdentityConflict(member) => {
                // Only a member that moved can be taken for somebody else.
                assert_ne!(member.address, self.nodes[n].address);
                ("conflict", member)
            }
        };
        self.removals += usize::from(what == "removed");
        self.suspicions += usize::from(member.state == Some(MemberState::Suspect));
        if what == "removed" {
            self.nodes[n].seen.remove(&member.id);
        }
        self.note(format!(
            "{} {n} sees {} {what} {:?} {}",
            self.now.0, member.id, member.state, member.incarnation
        ));
    }

    /// What must hold at every moment.
    fn check(&mut self, n: usize) {
        let Some(swim) = &self.nodes[n].swim else { return };
        let mut problem = None;
        let mut seen = BTreeMap::new();
        for known in swim.members() {
            let member = &known.member;
            let now = (member.timestamp, member.incarnation);
            let before = self.nodes[n].seen.get(&member.id).copied().unwrap_or(now);
            if now.0 == before.0 && now.1 < before.1 {
                problem = Some(format!("{n} sees the incarnation of {} fall", member.id));
            }
            seen.insert(member.id.clone(), now);
            let subject = self.index.get(&member.id).map(|n| &self.nodes[*n]);
            let truth = subject.and_then(|node| node.swim.as_ref()).map(Swim::own);
            if truth.is_some_and(|truth| member.incarnation > truth.incarnation) {
                problem = Some(format!("{n} holds {} ahead of itself", member.id));
            }
        }
        let overdue = |owed: &(usize, u32, RequestToken, Millis)| self.now - owed.3 > Millis(500);
        if self.nodes[n].owed.values().any(overdue) {
            problem = Some(format!("{n} owes an answer for too long"));
        }
        self.nodes[n].seen = seen;
        if let Some(problem) = problem {
            self.fail(&problem);
        }
    }

    /// What each running member sees otherwise than it is; empty when all agree.
    pub fn disagreements(&self) -> Vec<String> {
        let mut found = Vec::new();
        let running = || self.nodes.iter().filter_map(|node| node.swim.as_ref());
        for observer in running() {
            let name = &observer.own().id;
            let count = observer.members().count();
            if count != running().count() - 1 {
                found.push(format!("{name} sees {count} others"));
            }
            for truth in running().map(Swim::own).filter(|truth| truth.id != *name) {
                match observer.member(&truth.id).map(|known| &known.member) {
                    None => found.push(format!("{name} does not know {}", truth.id)),
                    Some(seen) if seen != truth => {
                        found.push(format!("{name} sees {seen:?} instead of {truth:?}"));
                    }
                    Some(_) => {}
                }
            }
        }
        found
    }
}
