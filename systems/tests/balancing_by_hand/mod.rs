//! A balancer or a server driven by hand: each mechanism does what its source says, and two of them tell their story.

mod bench;

use bench::{Bench, CLIENT};
use sim_core::units::{DurationText, ProbabilityText};
use sim_core::{Duration, Node, NodeId, NodeSet, Order};
use systems::communication::balancing::{
    BalancingFact, BalancingMessage as M, BalancingOptions, CheckRound, GrayKind, GrayOptions, Policy, QueueOrder,
    RequestNumber, ServiceLaw, TryNumber,
};

const fn ms(ms: u64) -> DurationText {
    DurationText(Duration::millis(ms))
}

fn percent(percent: u32) -> ProbabilityText {
    ProbabilityText::per_billion(percent * 10_000_000)
}

/// Plain turns, so that a story is easy to follow.
fn turns() -> BalancingOptions {
    BalancingOptions { policy: Policy::RoundRobin, attempts: 1, ..BalancingOptions::default() }
}

fn as_reviewed(name: &str, told: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../../fixtures/transcripts/balancing");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, told));
}

#[test]
fn the_story_of_an_ejection() {
    let options = BalancingOptions {
        eject_after: 2,
        eject_for: ms(1000),
        eject_longest: ms(2500),
        eject_most: percent(50),
        panic_below: percent(60),
        ..turns()
    };
    let mut bench = Bench::new(&options, 4, 0, 0);
    let (n2, n3, n4) = (NodeId(1), NodeId(2), NodeId(3));
    // Out at the second failure in a row, the first time for one second.
    bench.go_through(6, &[n3]);
    assert!(bench.has(BalancingFact::Ejected { server: 1, checked: false }));
    let got: Vec<_> = (0..4).filter_map(|_| bench.ask_and_answer(&[])).collect();
    assert_eq!(got, [n2, n4, n2, n4]);
    // A second one may not go: one of three is a third, two would be more than half.
    bench.go_through(6, &[n4]);
    assert!(bench.has(BalancingFact::EjectionHeld { server: 2 }));
    bench.pass(1000);
    assert!(bench.has(BalancingFact::Returned { server: 1 }));
    // At once again: out for two seconds.
    bench.go_through(6, &[n3]);
    bench.facts.clear();
    bench.pass(1999);
    assert!(!bench.has(BalancingFact::Returned { server: 1 }));
    bench.pass(1);
    assert!(bench.has(BalancingFact::Returned { server: 1 }));
    as_reviewed("ejection", &bench.told);
}

#[test]
fn the_story_of_a_circuit() {
    let options = BalancingOptions { breaker_failures: 2, breaker_open: ms(1000), panic_below: percent(0), ..turns() };
    let mut bench = Bench::new(&options, 3, 0, 0);
    let (n2, n3) = (NodeId(1), NodeId(2));
    bench.go_through(4, &[n3]);
    assert!(bench.has(BalancingFact::Opened { server: 1 }));
    assert_eq!(bench.ask_and_answer(&[]), Some(n2));
    assert_eq!(bench.ask_and_answer(&[]), Some(n2));
    bench.pass(1000);
    // One may try; while it does, nobody else.
    let tries: Vec<_> = (0..3).filter_map(|_| bench.ask()).collect();
    assert_eq!(tries.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [n3, n2, n2]);
    bench.hear(n3, M::Failed { id: tries[0].1, client: CLIENT });
    bench.hear(n2, M::Done { id: tries[1].1, client: CLIENT });
    bench.hear(n2, M::Done { id: tries[2].1, client: CLIENT });
    bench.pass(1000);
    let (to, id) = bench.ask().expect("somebody");
    assert_eq!(to, n3);
    bench.hear(n3, M::Done { id, client: CLIENT });
    assert!(bench.has(BalancingFact::Closed { server: 1 }));
    // Both open: there is nobody to ask, and the reason is known.
    bench.go_through(4, &[n2, n3]);
    assert_eq!(bench.ask(), None);
    assert!(bench.has(BalancingFact::Dropped { why: systems::communication::balancing::Reason::CircuitOpen }));
    as_reviewed("circuit", &bench.told);
}

#[test]
fn panic_asks_all_servers_once_too_few_are_in() {
    let options = BalancingOptions { eject_after: 1, eject_most: percent(100), panic_below: percent(50), ..turns() };
    let mut bench = Bench::new(&options, 5, 0, 0);
    let bad = [NodeId(1), NodeId(2), NodeId(3)];
    bench.go_through(2, &bad);
    assert!(!bench.has(BalancingFact::Panicked));
    assert_eq!(bench.ask_and_answer(&bad), Some(NodeId(3)));
    assert!(bench.has(BalancingFact::Panicked));
    let mut got: Vec<_> = (0..4).filter_map(|_| bench.ask_and_answer(&[])).collect();
    got.sort_unstable();
    assert_eq!(got, [NodeId(1), NodeId(2), NodeId(3), NodeId(4)]);
    bench.pass(60_000);
    assert!(bench.has(BalancingFact::Calmed));
}

#[test]
fn retries_back_off_twice_as_long_each_time_and_stop_at_the_budget() {
    let options = BalancingOptions {
        attempts: 4,
        retry_backoff: ms(100),
        retry_backoff_max: ms(150),
        retry_budget: percent(100),
        ..turns()
    };
    let mut bench = Bench::new(&options, 4, 0, 0);
    let (to, id) = bench.ask().expect("somebody");
    bench.hear(to, M::Failed { id, client: CLIENT });
    bench.pass(49);
    assert!(bench.forwards().is_empty(), "half of the wait is certain");
    bench.pass(51);
    let (next, id) = bench.forwards().pop().expect("a second try");
    assert_ne!(next, to);
    // The budget was one for the one request: it is spent.
    bench.hear(next, M::Failed { id, client: CLIENT });
    bench.pass(1000);
    assert!(bench.has(BalancingFact::OutOfBudget) && bench.forwards().is_empty());
    assert_eq!(bench.refused, [1]);
    // Three more requests, three more retries: for one of them, at 100 ms, 150 ms (not 200) and 150 ms.
    let kept: Vec<_> = (0..2).filter_map(|_| bench.ask()).collect();
    let (mut to, mut id) = bench.ask().expect("somebody");
    for wait in [100, 150, 150] {
        bench.hear(to, M::Failed { id, client: CLIENT });
        bench.pass(wait / 2 - 1);
        assert!(bench.forwards().is_empty());
        bench.pass(wait / 2 + 1);
        (to, id) = bench.forwards().pop().expect("another try");
    }
    bench.hear(to, M::Failed { id, client: CLIENT });
    assert_eq!(bench.refused, [1, 4], "four tries are all");
    assert_eq!(bench.in_flight(), (kept.len() as u64, kept.len() as u64));
}

#[test]
fn a_try_that_times_out_is_off_the_count_and_a_late_answer_is_nobodys() {
    let options = BalancingOptions { attempts: 1, attempt_timeout: ms(100), ..turns() };
    let mut bench = Bench::new(&options, 3, 0, 0);
    let (to, id) = bench.ask().expect("somebody");
    assert_eq!(bench.in_flight(), (1, 1));
    bench.pass(100);
    assert!(bench.has(BalancingFact::GaveUp { server: to.0 - 1 }));
    assert_eq!((bench.in_flight(), bench.refused.as_slice()), ((0, 0), [1].as_slice()));
    bench.hear(to, M::Done { id, client: CLIENT });
    assert_eq!((bench.in_flight(), bench.served.len()), ((0, 0), 0));
}

#[test]
fn a_hedge_asks_a_second_server_and_cancels_the_loser() {
    let options = BalancingOptions { hedge_after: ms(50), retry_budget: percent(100), ..turns() };
    let mut bench = Bench::new(&options, 3, 0, 0);
    let (first, slow) = bench.ask().expect("somebody");
    bench.pass(49);
    assert!(bench.forwards().is_empty());
    bench.pass(1);
    let (second, fast) = bench.forwards().pop().expect("a hedge");
    assert!(first != second && bench.has(BalancingFact::Hedged));
    assert_eq!(bench.in_flight(), (2, 2));
    bench.hear(second, M::Done { id: fast, client: CLIENT });
    assert_eq!((bench.served.as_slice(), bench.in_flight()), ([1].as_slice(), (0, 0)));
    assert!(bench.sent.contains(&(first, M::Cancel { id: slow, client: CLIENT })));
    // A hedge that fails is nothing: the first may still answer.
    let (first, slow) = bench.ask().expect("somebody");
    bench.pass(50);
    let (second, fast) = bench.forwards().pop().expect("a hedge");
    bench.hear(second, M::Failed { id: fast, client: CLIENT });
    assert!(bench.refused.is_empty());
    bench.hear(first, M::Done { id: slow, client: CLIENT });
    assert_eq!((bench.served.as_slice(), bench.in_flight()), ([1, 2].as_slice(), (0, 0)));
}

#[test]
fn a_percentile_to_hedge_at_is_learned_from_answers() {
    let options = BalancingOptions {
        hedge_percentile: percent(90),
        attempt_timeout: ms(10_000),
        retry_budget: percent(100),
        ..turns()
    };
    let mut bench = Bench::new(&options, 3, 0, 0);
    // 1 to 100 ms, evenly: nine in ten take 90 ms at most.
    for i in 0..4000_u64 {
        let (to, id) = bench.ask().expect("somebody");
        bench.pass(i * 37 % 100 + 1);
        bench.hear(to, M::Done { id, client: CLIENT });
    }
    bench.forwards();
    bench.ask().expect("somebody");
    bench.pass(75);
    assert!(bench.forwards().is_empty(), "too early");
    bench.pass(30);
    assert_eq!(bench.forwards().len(), 1, "too late");
}

#[test]
fn a_deadline_travels_with_the_request_and_ends_it() {
    let options = BalancingOptions {
        deadline: ms(300),
        attempt_timeout: ms(200),
        attempts: 5,
        retry_budget: percent(100),
        ..turns()
    };
    let mut bench = Bench::new(&options, 3, 0, 0);
    bench.ask().expect("somebody");
    bench.pass(100);
    assert_eq!(bench.refused.len(), 0);
    let within = |bench: &mut Bench| {
        bench.sent.iter().rev().find_map(|(_, message)| match message {
            M::Forward { within, .. } => Some(*within),
            _ => None,
        })
    };
    bench.pass(100);
    assert_eq!(within(&mut bench), Some(Some(Duration::millis(100))), "what is left after a try of 200 ms");
    bench.pass(100);
    assert_eq!((bench.refused.as_slice(), bench.in_flight()), ([1].as_slice(), (0, 0)));
    assert!(bench.has(BalancingFact::Dropped { why: systems::communication::balancing::Reason::Deadline }));
}

#[test]
fn health_checks_need_several_bad_ones_to_take_out_and_several_good_ones_to_bring_back() {
    let options = BalancingOptions {
        health_interval: ms(1000),
        health_timeout: ms(500),
        unhealthy_after: 2,
        healthy_after: 3,
        panic_below: percent(0),
        ..turns()
    };
    let mut bench = Bench::new(&options, 3, 0, 0);
    let round = |bench: &mut Bench, silent: Option<NodeId>| {
        let probe = |(to, message): &(NodeId, M)| match message {
            M::Probe { round, connect: false } => Some((*to, *round)),
            _ => None,
        };
        while !bench.sent.iter().any(|sent| probe(sent).is_some()) {
            bench.pass(10);
        }
        let probes: Vec<_> = bench.sent.iter().filter_map(probe).collect();
        assert_eq!(probes.len(), 2);
        bench.sent.clear();
        for (to, round) in probes.into_iter().filter(|(to, _)| Some(*to) != silent) {
            bench.hear(to, M::Health { round, well: true });
        }
        bench.pass(510);
    };
    let n3 = NodeId(2);
    let out = BalancingFact::Ejected { server: 1, checked: true };
    round(&mut bench, Some(n3));
    round(&mut bench, None);
    round(&mut bench, Some(n3));
    assert!(!bench.has(out), "two bad ones, but not in a row");
    round(&mut bench, Some(n3));
    assert!(bench.has(out));
    round(&mut bench, None);
    round(&mut bench, None);
    assert!(!bench.has(BalancingFact::Returned { server: 1 }));
    round(&mut bench, None);
    assert!(bench.has(BalancingFact::Returned { server: 1 }));
}

#[test]
fn smooth_weighted_turns_are_those_of_nginx() {
    let options = BalancingOptions { policy: Policy::WeightedRoundRobin, weights: vec![5, 1, 1], ..turns() };
    let mut bench = Bench::new(&options, 4, 0, 0);
    // It begins anywhere in the round.
    let got: Vec<u32> = (0..14).filter_map(|_| bench.ask_and_answer(&[])).map(|to| to.0).collect();
    assert!(got.windows(7).any(|round| round == [1, 1, 2, 1, 3, 1, 1]), "a a b a c a a: {got:?}");
}

#[test]
fn every_policy_that_knows_weights_gives_each_server_its_share_under_load() {
    for policy in [Policy::WeightedRandom, Policy::WeightedRoundRobin, Policy::LeastConnections, Policy::PowerOfChoices]
    {
        let options = BalancingOptions { policy, weights: vec![4, 2, 1, 1], attempt_timeout: ms(1_000_000), ..turns() };
        let mut bench = Bench::new(&options, 5, 0, 0);
        let mut got = [0_u32; 4];
        let mut open = std::collections::VecDeque::new();
        for _ in 0..8000 {
            let (to, id) = bench.ask().expect("somebody");
            got[to.index() - 1] += 1;
            open.push_back((to, id));
            // Eighty under way at a time, each as long as the others.
            if open.len() > 80 {
                let (to, id) = open.pop_front().expect("there are eighty");
                bench.hear(to, M::Done { id, client: CLIENT });
            }
        }
        for (got, share) in got.iter().zip([4000_i64, 2000, 1000, 1000]) {
            assert!((i64::from(*got) - share).abs() < share / 5, "{policy:?}: {got}, of {share}");
        }
    }
}

#[test]
fn a_server_that_comes_back_is_given_less_at_first() {
    let options = BalancingOptions {
        policy: Policy::WeightedRoundRobin,
        eject_after: 1,
        eject_for: ms(1000),
        slow_start: ms(10_000),
        attempt_timeout: ms(1_000_000),
        ..turns()
    };
    let mut bench = Bench::new(&options, 4, 0, 0);
    let share = |bench: &mut Bench| {
        let got: Vec<_> = (0..300).filter_map(|_| bench.ask_and_answer(&[])).collect();
        got.iter().filter(|to| **to == NodeId(1)).count()
    };
    assert_eq!(share(&mut bench), 100);
    while bench.ask_and_answer(&[NodeId(1)]) != Some(NodeId(1)) {}
    assert_eq!(share(&mut bench), 0);
    bench.pass(1000);
    // A tenth of its weight: 0.1 of 2.1.
    assert!((13..=15).contains(&share(&mut bench)));
    bench.pass(5000);
    let half = share(&mut bench);
    assert!((57..=63).contains(&half), "half of its weight, 0.5 of 2.5, is 60: {half}");
    bench.pass(5000);
    assert_eq!(share(&mut bench), 100);
}

/// The requests that each of six servers got of 3,000, of which `bad` fail at their first try.
fn shares(bench: &mut Bench, bad: &[NodeId]) -> [u32; 6] {
    let mut got = [0; 6];
    for _ in 0..3000 {
        let mut tries = bench.ask().into_iter().collect::<Vec<_>>();
        while let Some((to, id)) = tries.pop() {
            got[to.index() - 1] += 1;
            bench.hear(
                to,
                if bad.contains(&to) { M::Failed { id, client: CLIENT } } else { M::Done { id, client: CLIENT } },
            );
            tries = bench.forwards();
        }
    }
    got
}

fn are_even(got: &[u32]) -> bool {
    got.iter().max() < got.iter().min().map(|least| least + least / 4).as_ref()
}

#[test]
fn what_slow_start_spares_one_server_all_others_share() {
    let options = BalancingOptions {
        policy: Policy::LeastConnections,
        eject_after: 1,
        eject_for: ms(1000),
        eject_most: percent(50),
        slow_start: ms(1_000_000),
        attempt_timeout: ms(1_000_000),
        ..turns()
    };
    let mut bench = Bench::new(&options, 7, 0, 0);
    bench.go_through(60, &[NodeId(1), NodeId(2)]);
    bench.pass(1000);
    // The first two are back; who follows them in the list must not be given what they would have had.
    let got = shares(&mut bench, &[]);
    assert!(got[0] + got[1] < 300 && are_even(&got[2..]), "{got:?}");
}

#[test]
fn what_failed_at_one_server_all_others_share() {
    for policy in [Policy::Random, Policy::WeightedRandom, Policy::LeastConnections, Policy::PowerOfChoices] {
        let options = BalancingOptions {
            policy,
            attempts: 2,
            retry_budget: percent(100),
            retry_backoff: ms(0),
            eject_after: 0,
            attempt_timeout: ms(1_000_000),
            ..turns()
        };
        let got = shares(&mut Bench::new(&options, 7, 0, 0), &[NodeId(3)]);
        assert!(got.iter().sum::<u32>() > 3300, "retries: {got:?}");
        assert!(are_even(&got[3..]) && are_even(&[got[0], got[1], got[3]]), "{policy:?}: {got:?}");
    }
}

#[test]
fn servers_come_and_go_by_order_and_the_turn_goes_on() {
    let mut bench = Bench::new(&BalancingOptions { balancers: 2, ..turns() }, 7, 2, 0);
    let members = |bench: &Bench| bench.machine().members().expect("small enough");
    assert_eq!(members(&bench).iter().map(|node| node.0).collect::<Vec<_>>(), [2, 3, 4]);
    let got =
        |bench: &mut Bench, n| (0..n).filter_map(|_| bench.ask_and_answer(&[])).map(|to| to.0).collect::<Vec<_>>();
    assert_eq!(got(&mut bench, 2), [2, 3]);
    let order = members(&bench).without(NodeId(2)).with(NodeId(6));
    bench.step(|machine, fx| machine.on_order(Order::Members(order), fx));
    assert!(bench.has(BalancingFact::Left { server: 0 }) && bench.has(BalancingFact::Joined { server: 4 }));
    assert_eq!(got(&mut bench, 4), [4, 6, 3, 4], "the turn goes on where it was");
    // The other balancer is told, and told again if it knows less.
    assert!(bench.sent.contains(&(NodeId(1), M::Members { version: 1, members: order })));
    bench.sent.clear();
    bench.hear(NodeId(1), M::Members { version: 0, members: NodeSet::first(5) });
    assert_eq!(bench.sent, [(NodeId(1), M::Members { version: 1, members: order })]);
    assert_eq!(members(&bench), order);
}

#[test]
fn balancers_that_start_together_do_not_all_begin_with_the_same_server() {
    for policy in [Policy::RoundRobin, Policy::WeightedRoundRobin] {
        let options = BalancingOptions { policy, balancers: 20, ..turns() };
        let begins = |me| Bench::of_seed(&options, 28, 0, me, 1).ask().map(|(to, _)| to);
        let mut first: Vec<NodeId> = (0..20).filter_map(begins).collect();
        first.sort_unstable();
        first.dedup();
        assert!(first.len() >= 5, "{policy:?}: 20 balancers begin with {first:?} of eight servers");
    }
}

#[test]
fn what_was_sent_before_a_restart_answers_nothing_after_it() {
    let mut before = Bench::of_seed(&turns(), 3, 0, 0, 1);
    let (server, old) = before.ask().expect("a server");
    let mut after = Bench::of_seed(&turns(), 3, 0, 0, 2);
    after.ask();
    after.hear(server, M::Done { id: old, client: CLIENT });
    assert!(after.served.is_empty(), "the server has done another request");
}

// --- servers ---

/// A server that takes exactly 10 ms for each request, at place 1.
fn server(options: &BalancingOptions) -> Bench {
    Bench::new(&BalancingOptions { service_law: ServiceLaw::Fixed, ..options.clone() }, 2, 0, 1)
}

fn forward(bench: &mut Bench, id: u64, within: Option<u64>) {
    let id = TryNumber(id);
    let within = within.map(Duration::millis);
    bench.hear(NodeId(0), M::Forward { id, client: CLIENT, request: RequestNumber(id.0), within });
}

fn said(bench: &mut Bench) -> Vec<M> {
    core::mem::take(&mut bench.sent).into_iter().map(|(_, message)| message).collect()
}

#[test]
fn a_server_drops_what_nobody_waits_for() {
    let mut bench = server(&BalancingOptions::default());
    forward(&mut bench, 1, Some(100));
    forward(&mut bench, 2, Some(5));
    forward(&mut bench, 3, Some(100));
    bench.hear(NodeId(0), M::Cancel { id: TryNumber(3), client: CLIENT });
    forward(&mut bench, 4, Some(100));
    bench.pass(25);
    assert_eq!(
        said(&mut bench),
        [M::Done { id: TryNumber(1), client: CLIENT }, M::Done { id: TryNumber(4), client: CLIENT }]
    );
    assert!(bench.has(BalancingFact::Expired));
}

#[test]
fn a_full_server_refuses_and_one_that_sheds_says_so() {
    let options = BalancingOptions {
        queue_limit: 2,
        queue_order: QueueOrder::ControlledDelay,
        queue_target: ms(5),
        queue_interval: ms(12),
        ..BalancingOptions::default()
    };
    let mut bench = server(&options);
    (1..=4).for_each(|id| forward(&mut bench, id, None));
    assert_eq!(said(&mut bench), [M::Full { id: TryNumber(4), client: CLIENT }]);
    // The third has waited 20 ms, longer than anybody may.
    bench.pass(20);
    assert_eq!(
        said(&mut bench),
        [
            M::Done { id: TryNumber(1), client: CLIENT },
            M::Done { id: TryNumber(2), client: CLIENT },
            M::Full { id: TryNumber(3), client: CLIENT }
        ]
    );
    assert!(bench.has(BalancingFact::Refused) && bench.has(BalancingFact::Shed));
}

#[test]
fn gray_servers_are_slow_fail_or_hang() {
    let gray = |kind| {
        let gray = GrayOptions { kind, from: ms(100), until: ms(200), factor: 3, ..GrayOptions::default() };
        server(&BalancingOptions { gray: vec![gray], ..BalancingOptions::default() })
    };
    let probe = |bench: &mut Bench, connect| {
        bench.hear(NodeId(0), M::Probe { round: CheckRound(1), connect });
        said(bench)
    };
    let well = |well| vec![M::Health { round: CheckRound(1), well }];

    let mut slow = gray(GrayKind::Slow);
    slow.pass(100);
    forward(&mut slow, 1, None);
    slow.pass(29);
    assert!(said(&mut slow).is_empty());
    slow.pass(1);
    assert_eq!(said(&mut slow), [M::Done { id: TryNumber(1), client: CLIENT }]);
    assert_eq!(probe(&mut slow, false), well(true));

    let mut failing = gray(GrayKind::Failing);
    failing.pass(100);
    forward(&mut failing, 1, None);
    failing.pass(1);
    assert_eq!(said(&mut failing), [M::Failed { id: TryNumber(1), client: CLIENT }]);
    assert_eq!((probe(&mut failing, false), probe(&mut failing, true)), (well(false), well(true)));

    let mut hung = gray(GrayKind::Hung);
    hung.pass(95);
    forward(&mut hung, 1, None);
    hung.pass(15);
    forward(&mut hung, 2, None);
    assert_eq!(probe(&mut hung, true), well(true), "a connection is accepted");
    assert_eq!(probe(&mut hung, false), [], "and then nothing");
    hung.pass(89);
    assert!(said(&mut hung).is_empty());
    // Well again: it goes on where it was.
    hung.pass(1);
    assert_eq!(said(&mut hung), [M::Done { id: TryNumber(1), client: CLIENT }]);
    hung.pass(10);
    assert_eq!(said(&mut hung), [M::Done { id: TryNumber(2), client: CLIENT }]);
}
