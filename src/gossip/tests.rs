//! The rules one by one; whole clusters are simulated in `tests/simulation`.

use std::collections::VecDeque;

use super::*;
use crate::model::MemberState;

const START: Millis = Millis(1_700_000_000_000);

fn address(port: u16) -> Address {
    Address::new("127.0.0.1", port)
}

fn identity(id: &str, port: u16) -> SwimIdentity {
    SwimIdentity {
        id: MemberId::new(id),
        address: address(port),
        version: Some(Version::new(8, 6, 0)),
        properties: Properties::new(),
    }
}

fn other(id: &str, port: u16, incarnation: i64) -> Member {
    Member {
        id: MemberId::new(id),
        address: address(port),
        version: Some(Version::new(8, 6, 0)),
        timestamp: START,
        incarnation,
        state: Some(MemberState::Alive),
        properties: Properties::new(),
    }
}

fn in_state(member: &Member, state: MemberState) -> Member {
    Member { state: Some(state), ..member.clone() }
}

/// The gateway under test and its clock.
struct Bench {
    swim: Swim,
    now: Millis,
}

impl Bench {
    fn new(contact_points: Vec<Address>) -> Self {
        let config = SwimConfig::default();
        let swim = Swim::new(config, identity("gw", 1), contact_points, 7, START);
        Self { swim, now: START }
    }

    fn with_members(ids: &[&str]) -> Self {
        let mut bench = Self::new(vec![]);
        let members = ids.iter().zip(2..).map(|(id, port)| other(id, port, 10)).collect();
        bench.input(Input::Gossip(members));
        bench
    }

    fn input(&mut self, input: Input) -> Vec<Output> {
        self.swim.handle(self.now, input);
        std::iter::from_fn(|| self.swim.poll_output()).collect()
    }

    fn events(&mut self, input: Input) -> Vec<Event> {
        let outputs = self.input(input);
        let event = |output| match output {
            Output::Event(event) => Some(event),
            _ => None,
        };
        outputs.into_iter().filter_map(event).collect()
    }

    fn ask(&mut self, request: Request) -> (Option<Response>, Vec<Output>) {
        let mut outputs = self.input(Input::Request { token: ReplyToken(5), request });
        let reply = |output: &Output| matches!(output, Output::Reply { .. });
        let response = outputs.iter().position(reply).map(|at| outputs.remove(at));
        let response = response.map(|output| match output {
            Output::Reply { token: ReplyToken(5), response } => response,
            other => panic!("{other:?}"),
        });
        (response, outputs)
    }

    /// Runs the clock; every request is refused at once. All outputs, in order.
    fn run_alone(&mut self, span: Millis) -> Vec<Output> {
        let end = self.now + span;
        let mut seen = Vec::new();
        while self.swim.poll_timeout() <= end {
            self.now = self.swim.poll_timeout();
            let mut outputs: VecDeque<_> = self.input(Input::Tick).into();
            while let Some(output) = outputs.pop_front() {
                if let Output::Send { token, .. } = &output {
                    let token = *token;
                    outputs.extend(self.input(Input::RequestFailed { token }));
                }
                seen.push(output);
            }
        }
        self.now = end;
        seen
    }

    fn state(&self, id: &str) -> Option<MemberState> {
        self.swim.member(&MemberId::new(id)).and_then(|known| known.member.state)
    }
}

#[test]
fn who_leaves_tells_everybody_and_stays_dead() {
    let mut bench = Bench::with_members(&["0", "1"]);
    let before = bench.swim.own().incarnation;
    let outputs = bench.input(Input::Leave);
    let mut told: Vec<Address> = Vec::new();
    for output in outputs {
        let Output::Datagram { to, updates } = output else { continue };
        let [own] = &updates[..] else { panic!("{updates:?}") };
        assert_eq!(own.id, MemberId::new("gw"));
        assert_eq!(own.state, Some(MemberState::Dead));
        assert!(own.incarnation > before);
        told.push(to);
    }
    told.sort_unstable();
    assert_eq!(told, [address(2), address(3)]);
    // Who has not heard it and asks must not take us for alive.
    let own = bench.swim.own().clone();
    let suspected = in_state(&own, MemberState::Suspect);
    let (response, _) = bench.ask(probe_of(other("0", 2, 11), suspected));
    let Some(Response::Member(answer)) = response else { panic!("{response:?}") };
    assert_eq!(answer.state, Some(MemberState::Dead));
}

fn probe_of(prober: Member, target: Member) -> Request {
    Request::Probe { prober: Box::new(prober), target: Box::new(target) }
}

#[test]
fn contact_points_are_probed_at_once_and_for_ever_with_placeholders() {
    let mut bench = Bench::new(vec![address(9), address(1), address(9)]);
    let outputs = bench.run_alone(Millis(500));
    let probes: Vec<_> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Send { to, request: Request::Probe { target, .. }, timeout, .. } => {
                assert_eq!((to, *timeout), (&address(9), Millis(100)));
                Some(target.clone())
            }
            _ => None,
        })
        .collect();
    assert!(probes.len() >= 5, "own address and duplicates are skipped, failures are repeated");
    assert!(probes.iter().all(|target| target == &probes[0]), "the placeholder keeps its id");
    assert_eq!((probes[0].state, probes[0].incarnation), (None, 0));
    assert_eq!(probes[0].id.as_str().len(), 36);
}

#[test]
fn the_first_answer_makes_a_member_and_asks_it_for_all_others() {
    let mut bench = Bench::new(vec![address(9)]);
    let sent = bench.input(Input::Tick);
    let [Output::Send { token, .. }] = sent[..] else { panic!("{sent:?}") };
    let response = Response::Member(Box::new(other("0", 9, 10)));
    let outputs = bench.input(Input::Response { token, response });
    assert!(outputs.contains(&Output::Event(Event::MemberAdded(other("0", 9, 10)))));
    let synced = outputs.iter().find_map(|output| match output {
        Output::Send { token, request: Request::Sync(own), .. } => {
            assert_eq!(own.id.as_str(), "gw");
            Some(*token)
        }
        _ => None,
    });
    let token = synced.expect("a synchronisation");
    let all = vec![other("0", 9, 10), other("1", 8, 10), bench.swim.own().clone()];
    let events = bench.events(Input::Response { token, response: Response::Members(all) });
    assert_eq!(events, [Event::MemberAdded(other("1", 8, 10))]);
}

#[test]
fn a_probe_teaches_the_prober_and_is_answered_with_ourselves() {
    let mut bench = Bench::new(vec![]);
    let own = bench.swim.own().clone();
    let (response, outputs) = bench.ask(probe_of(other("0", 9, 10), own.clone()));
    assert_eq!(response, Some(Response::Member(Box::new(own))));
    assert!(outputs.contains(&Output::Event(Event::MemberAdded(other("0", 9, 10)))));
}

#[test]
fn suspicion_and_higher_incarnations_are_refuted() {
    let mut bench = Bench::with_members(&["0"]);
    let own = bench.swim.own().clone();
    let suspected = in_state(&own, MemberState::Suspect);
    let (_, outputs) = bench.ask(probe_of(other("0", 2, 10), suspected));
    assert_eq!(bench.swim.own().incarnation, own.incarnation + 1);
    let told = Output::Datagram { to: address(2), updates: vec![bench.swim.own().clone()] };
    assert!(outputs.contains(&told), "told to all at once");

    let ahead = Member { incarnation: own.incarnation + 50, ..own.clone() };
    bench.ask(probe_of(other("0", 2, 10), ahead));
    assert_eq!(bench.swim.own().incarnation, own.incarnation + 51);

    // A probe meant for a former owner of our address says nothing about us.
    let stranger = Member { incarnation: i64::MAX, ..other("7", 1, 0) };
    bench.ask(probe_of(other("0", 2, 10), stranger));
    assert_eq!(bench.swim.own().incarnation, own.incarnation + 51);
}

#[test]
fn rumours_about_us_are_refuted_once() {
    let mut bench = Bench::with_members(&["0"]);
    let own = bench.swim.own().clone();
    for state in [MemberState::Suspect, MemberState::Dead, MemberState::Suspect] {
        bench.input(Input::Gossip(vec![in_state(&own, state)]));
    }
    assert_eq!(bench.swim.own().incarnation, own.incarnation + 1);
}

#[test]
fn a_second_process_with_our_id_is_reported_once_and_not_outbid() {
    let mut bench = Bench::with_members(&["0"]);
    let own = bench.swim.own().clone();
    let twin = Member { address: address(77), incarnation: i64::MAX, ..own.clone() };
    let first = bench.events(Input::Gossip(vec![twin.clone()]));
    assert_eq!(first, [Event::IdentityConflict(twin.clone())]);
    assert_eq!(bench.events(Input::Gossip(vec![twin])), []);
    assert_eq!(bench.swim.own(), &own);
}

#[test]
fn newer_news_win_and_properties_are_merged() {
    let mut bench = Bench::with_members(&["0"]);
    let with = |incarnation, name: &str| Member {
        properties: [(name.to_owned(), "v".to_owned())].into(),
        ..other("0", 2, incarnation)
    };
    let events = bench.events(Input::Gossip(vec![with(11, "a"), with(12, "b"), with(10, "c")]));
    assert!(matches!(&events[..], [Event::MetadataChanged(_), Event::MetadataChanged(_)]));
    let known = &bench.swim.member(&MemberId::new("0")).unwrap().member;
    assert_eq!(known.properties.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(known.incarnation, 12);
}

#[test]
fn states_only_advance_at_the_same_incarnation() {
    let mut bench = Bench::with_members(&["0"]);
    let member = other("0", 2, 10);
    let suspected = in_state(&member, MemberState::Suspect);
    let events = bench.events(Input::Gossip(vec![suspected.clone(), member.clone()]));
    assert_eq!(events, [Event::ReachabilityChanged(suspected)]);
    assert_eq!(bench.state("0"), Some(MemberState::Suspect));
    let events = bench.events(Input::Gossip(vec![other("0", 2, 11)]));
    assert_eq!(events, [Event::ReachabilityChanged(other("0", 2, 11))]);
    let dead = in_state(&other("0", 2, 11), MemberState::Dead);
    assert_eq!(bench.events(Input::Gossip(vec![dead.clone()])), [Event::MemberRemoved(dead)]);
}

#[test]
fn another_version_or_a_later_start_replaces_the_member() {
    let mut bench = Bench::with_members(&["0"]);
    let upgraded = Member { version: Some(Version::new(8, 7, 0)), ..other("0", 2, 11) };
    let events = bench.events(Input::Gossip(vec![upgraded.clone()]));
    let expected = [Event::MemberRemoved(other("0", 2, 10)), Event::MemberAdded(upgraded.clone())];
    assert_eq!(events, expected);

    let later = Millis(START.0 + 1);
    let moved = Member { address: address(99), timestamp: later, incarnation: 12, ..upgraded };
    let events = bench.events(Input::Gossip(vec![moved.clone()]));
    assert!(matches!(&events[..], [Event::MemberRemoved(_), Event::MemberAdded(m)] if *m == moved));

    // A JVM member that kept the old address of the new process does not take it back.
    let stale = Member { version: Some(Version::new(8, 7, 0)), ..other("0", 2, 13) };
    bench.input(Input::Gossip(vec![stale]));
    let known = &bench.swim.member(&MemberId::new("0")).unwrap().member;
    assert_eq!((&known.address, known.incarnation), (&address(99), 13));
}

#[test]
fn a_silent_member_is_suspected_then_dead_ten_seconds_later() {
    let mut bench = Bench::with_members(&["0"]);
    bench.run_alone(Millis(2_000));
    assert_eq!(bench.state("0"), Some(MemberState::Suspect));
    bench.run_alone(Millis(8_000));
    assert_eq!(bench.state("0"), Some(MemberState::Suspect));
    let outputs = bench.run_alone(Millis(3_000));
    let dead = in_state(&other("0", 2, 10), MemberState::Dead);
    assert!(outputs.contains(&Output::Event(Event::MemberRemoved(dead))));
    assert_eq!(bench.swim.counters().deaths, 1);
}

#[test]
fn a_helper_that_reaches_the_member_clears_it() {
    for (reachable, expected) in [(true, MemberState::Alive), (false, MemberState::Suspect)] {
        let mut bench = Bench::with_members(&["0", "1"]);
        let sends = |outputs: Vec<Output>| {
            let send = |output| match output {
                Output::Send { token, request, to, .. } => Some((token, request, to)),
                _ => None,
            };
            outputs.into_iter().filter_map(send).collect::<Vec<_>>()
        };
        // The first probe went out when the members came; it is overdue now.
        bench.now = bench.now + Millis(100);
        let asked = sends(bench.input(Input::Tick));
        let asked: Vec<_> = asked
            .iter()
            .filter(|(_, request, _)| matches!(request, Request::ProbeFor(_)))
            .collect();
        let [(token, Request::ProbeFor(target), to)] = &asked[..] else { panic!("{asked:?}") };
        assert_ne!(to, &target.address);
        let response = Response::Reachable(reachable);
        bench.input(Input::Response { token: *token, response });
        assert_eq!(bench.state(target.id.as_str()), Some(expected));
    }
}

#[test]
fn probes_on_behalf_report_who_answered() {
    for (answerer, reachable) in [("0", true), ("5", false)] {
        let mut bench = Bench::new(vec![]);
        let (response, outputs) = bench.ask(Request::ProbeFor(Box::new(other("0", 2, 10))));
        assert_eq!(response, None);
        let token = outputs.iter().find_map(|output| match output {
            Output::Send { token, .. } => Some(*token),
            _ => None,
        });
        let response = Response::Member(Box::new(other(answerer, 2, 10)));
        let outputs = bench.input(Input::Response { token: token.unwrap(), response });
        let response = Response::Reachable(reachable);
        assert_eq!(outputs, [Output::Reply { token: ReplyToken(5), response }]);
    }
}

#[test]
fn the_dead_stay_dead_on_hearsay_and_come_back_in_person() {
    let mut bench = Bench::with_members(&["0", "1"]);
    let dead = in_state(&other("0", 2, 10), MemberState::Dead);
    bench.input(Input::Gossip(vec![dead]));
    assert_eq!(bench.events(Input::Gossip(vec![other("0", 2, 10)])), []);
    assert_eq!(bench.swim.counters().stale, 1);

    let own = bench.swim.own().clone();
    bench.ask(probe_of(other("0", 2, 10), own));
    assert_eq!(bench.state("0"), Some(MemberState::Suspect), "until it outbids its death");
    bench.input(Input::Gossip(vec![other("0", 2, 11)]));
    assert_eq!(bench.state("0"), Some(MemberState::Alive));
}

#[test]
fn own_properties_are_announced_at_the_next_tick() {
    let mut bench = Bench::with_members(&["0"]);
    bench.run_alone(Millis(300));
    let before = bench.swim.own().incarnation;
    let set = |value: &str| Input::SetProperty { name: "p".into(), value: Some(value.into()) };
    bench.input(set("v"));
    assert_eq!(bench.swim.own().incarnation, before);
    let outputs = bench.run_alone(Millis(250));
    assert_eq!(bench.swim.own().incarnation, before + 1);
    let own = bench.swim.own().clone();
    assert!(outputs.contains(&Output::Event(Event::MetadataChanged(own.clone()))));
    assert!(outputs.contains(&Output::Datagram { to: address(2), updates: vec![own] }));
    bench.input(set("v"));
    bench.run_alone(Millis(250));
    assert_eq!(bench.swim.own().incarnation, before + 1, "nothing changed");
}

#[test]
fn limits_refuse_and_count() {
    let mut config = SwimConfig::default();
    config.limits.members_max = 2;
    config.limits.property_bytes_max = 10;
    let mut swim = Swim::new(config, identity("gw", 1), vec![], 7, START);
    let members = (2..6).map(|n| other(&n.to_string(), n, 10)).collect();
    swim.handle(START, Input::Gossip(members));
    assert_eq!((swim.members().count(), swim.counters().refused), (2, 2));
    let chatty =
        Member { properties: [("name".into(), "long value".into())].into(), ..other("2", 2, 11) };
    swim.handle(START, Input::Gossip(vec![chatty]));
    assert_eq!(swim.counters().refused, 3);
}

#[test]
fn updates_are_cut_into_datagrams() {
    let mut bench = Bench::with_members(&["0"]);
    bench.run_alone(Millis(300));
    let large = |n: u16| Member {
        properties: [("p".to_owned(), "x".repeat(5_000))].into(),
        ..other(&n.to_string(), n, 10)
    };
    bench.input(Input::Gossip((10..13).map(large).collect()));
    let outputs = bench.run_alone(Millis(250));
    let sizes: Vec<_> = outputs
        .iter()
        .filter_map(|output| match output {
            Output::Datagram { updates, .. } => Some(updates.len()),
            _ => None,
        })
        .collect();
    assert_eq!(sizes, [1; 6], "three updates to two members each");
}
