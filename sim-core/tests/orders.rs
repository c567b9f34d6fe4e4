//! The operator: whom it asks, how often, when it is content, and whom targets mean when not every node is a member.

use crate::support::{Said, at, config, faults, ms};
use sim_core::fault::{CutClients, Fault, MemberChange, OnCrash, Schedule, Target};
use sim_core::{Effects, Engine, Instant, Kind, Message, Node, NodeId, NodeSet, Observed, Observer, Order, Replay};
use sim_core::{Role, Ticket, Timer};

/// Obeys the `stubborn`-th time it is asked. The first three of five are the members, the first leads.
#[derive(Clone, Debug)]
struct Led {
    rank: u64,
    members: NodeSet,
    stubborn: u32,
    asked: u32,
    /// Counts changes of the members it has carried out; forgotten with the power.
    progress: u64,
}

#[derive(Clone, Copy, Debug, Hash)]
struct TakeOver;

impl Message for TakeOver {
    fn kind(&self) -> Kind {
        Kind::new(0, "take_over")
    }
    fn bytes(&self) -> u32 {
        1
    }
}

impl Node for Led {
    type Config = u32;
    type Message = TakeOver;
    type Request = ();
    type Response = ();
    type Record = ();
    type Fact = Said;
    fn boot(stubborn: &u32, me: NodeId, _: Replay<'_, ()>, _: &mut Effects<'_, Self>) -> Self {
        Self { rank: u64::from(me.0 == 0), members: NodeSet::first(3), stubborn: *stubborn, asked: 0, progress: 0 }
    }
    fn on_message(&mut self, _: NodeId, _: TakeOver, _: &mut Effects<'_, Self>) {
        self.rank = 2;
    }
    fn on_timer(&mut self, _: Timer, _: &mut Effects<'_, Self>) {}
    fn on_request(&mut self, _: Ticket, (): (), _: &mut Effects<'_, Self>) {}
    fn on_order(&mut self, order: Order, fx: &mut Effects<'_, Self>) {
        self.asked += 1;
        if self.asked >= self.stubborn {
            match order {
                Order::Members(set) => (self.members, self.progress) = (set, self.progress + 1),
                Order::Lead(node) => fx.send(node, TakeOver),
                Order::Own { .. } => {}
            }
        }
    }
    fn request_bytes((): &()) -> u32 {
        0
    }
    fn response_bytes((): &()) -> u32 {
        0
    }
    fn role(&self) -> Role {
        if self.rank > 0 { Role::new("leader", self.rank) } else { Role::new("follower", 0) }
    }
    fn members(&self) -> Option<NodeSet> {
        Some(self.members)
    }
    fn progress(&self) -> u64 {
        self.progress
    }
}

/// When who was given an order.
#[derive(Clone, Debug, Default)]
struct Orders(Vec<(Instant, NodeId, Order)>);

impl Observer<Led> for Orders {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Led>) {
        if let Observed::Ordered { node, order } = what {
            self.0.push((at, *node, *order));
        }
    }
}

type Run = Engine<Led, Idle, Orders>;

/// Nobody asks anything.
#[derive(Clone, Debug)]
struct Idle;

impl sim_core::Client<Led> for Idle {
    fn next(&mut self, _: Instant, _: &mut sim_core::Rng) -> sim_core::Move<()> {
        sim_core::Move::Stop
    }
    fn done(&mut self, _: Instant, _: u64, _: &sim_core::Outcome<()>) {}
}

fn start(stubborn: u32, schedule: Schedule) -> Run {
    Engine::new(sim_core::EngineConfig { schedule, ..config(5) }, stubborn, Orders::default())
}

fn change(change: MemberChange, target: Target, from: u64) -> (Fault, Target, Instant, Instant) {
    (Fault::Membership(change), target, at(from), Instant::FAR)
}

#[test]
fn it_asks_every_second_until_it_is_done() {
    let mut run = start(3, faults(vec![change(MemberChange::Add, Target::Node(NodeId(4)), 100)]));
    run.run_until(at(9_000)).expect("nothing is checked");
    let order = Order::Members(NodeSet::first(3).with(NodeId(4)));
    assert_eq!(run.observer().0, [100, 1_100, 2_100].map(|t| (at(t), NodeId(0), order)));
    let fault = &run.faults()[0];
    assert_eq!((fault.touched, fault.resolved.as_slice()), (1, [NodeId(4)].as_slice()));
    assert_eq!(fault.ended, Some(at(2_110)), "seen at the next look");
}

#[test]
fn it_gives_up_when_the_fault_ends() {
    let (fault, target, from, _) = change(MemberChange::Remove, Target::Node(NodeId(1)), 100);
    let mut run = start(9, faults(vec![(fault, target, from, at(1_500))]));
    run.run_until(at(9_000)).expect("nothing is checked");
    assert_eq!(run.observer().0.len(), 2);
    assert_eq!((run.faults()[0].touched, run.faults()[0].ended), (0, Some(at(1_500))));
}

#[test]
fn a_newer_order_replaces_an_older_one() {
    let all = vec![
        change(MemberChange::Remove, Target::Node(NodeId(1)), 100),
        change(MemberChange::Grow { by: 2 }, Target::All, 400),
    ];
    let mut run = start(2, faults(all));
    run.run_until(at(9_000)).expect("nothing is checked");
    assert_eq!((run.faults()[0].touched, run.faults()[0].ended), (0, Some(at(400))));
    assert_eq!(run.faults()[1].touched, 1);
    assert_eq!(run.nodes()[0].as_ref().map(|node| node.members), Some(NodeSet::first(5)));
}

#[test]
fn a_new_leader_is_asked_at_once_and_a_paused_one_when_it_wakes() {
    let all = vec![
        change(MemberChange::Transfer, Target::Node(NodeId(2)), 100),
        (Fault::Pause, Target::Node(NodeId(2)), at(200), at(500)),
        change(MemberChange::Remove, Target::Node(NodeId(0)), 300),
    ];
    let mut run = start(1, faults(all));
    run.run_until(at(9_000)).expect("nothing is checked");
    let asked: Vec<_> = run.observer().0.iter().map(|(at, node, _)| (*at, *node)).collect();
    assert_eq!(asked, [(at(100), NodeId(0)), (at(500), NodeId(2))]);
    assert!(run.faults().iter().filter(|f| f.touched > 0).count() >= 2);
}

#[test]
fn what_changes_nothing_does_not_bite() {
    for (what, target) in [
        (MemberChange::Add, Target::Node(NodeId(1))),
        (MemberChange::Remove, Target::All),
        (MemberChange::Transfer, Target::Node(NodeId(0))),
        (MemberChange::MoveZone { to: None }, Target::Zone(0, "a".to_owned())),
    ] {
        let mut run = start(1, faults(vec![change(what, target, 100)]));
        run.run_until(at(3_000)).expect("nothing is checked");
        assert!(run.observer().0.is_empty());
        assert_eq!((run.faults()[0].touched, run.faults()[0].ended), (0, Some(at(100))));
    }
}

#[test]
fn who_has_lost_its_power_does_not_say_who_is_a_member() {
    // The last two are members in place of the second and third; then everybody loses power. Whom a fault may pick by
    // chance after that is known from before, until somebody has got as far again.
    let crash = || Fault::Crash { on_crash: OnCrash::LoseUnsynced };
    for seed in 0..20 {
        let schedule = faults(vec![
            change(MemberChange::Replace, Target::Nodes(vec![NodeId(1), NodeId(2)]), 100),
            (crash(), Target::All, at(500), at(600)),
            (Fault::Pause, Target::Random, at(550), at(560)),
            (Fault::Pause, Target::Random, at(700), at(800)),
        ]);
        let config = sim_core::EngineConfig { seed, schedule, ..config(5) };
        let mut run: Run = Engine::new(config, 1, Orders::default());
        run.run_until(at(900)).expect("nothing is checked");
        let picked: Vec<u32> = run.faults()[2..].iter().map(|fault| fault.resolved[0].0).collect();
        assert!(picked.iter().all(|node| [0, 3, 4].contains(node)), "{picked:?}");
    }
}

#[test]
fn shapes_divide_the_members() {
    for seed in 0..20 {
        let fault = Fault::Partition { shape: sim_core::fault::Shape::MajorityMinority, clients: CutClients::Free };
        let schedule = faults(vec![(fault, Target::Node(NodeId(1)), at(10), at(20))]);
        let limits = sim_core::fault::Limits { max_cut: Some(1), ..Default::default() };
        let config = sim_core::EngineConfig { seed, schedule: schedule.within(limits), ..config(5) };
        let mut run: Run = Engine::new(config, 1, Orders::default());
        run.run_until(at(30)).expect("nothing is checked");
        // Two of five would be a minority, but of three members one is.
        assert_eq!((run.faults()[0].held, run.faults()[0].ended), (0, Some(at(20))), "seed {seed}");
    }
}

#[test]
fn choices_are_made_among_members() {
    let crash = Fault::Crash { on_crash: OnCrash::Keep };
    let down = |target: &Target, seed: u64| {
        let schedule = faults(vec![(crash.clone(), target.clone(), at(10), at(20))]);
        let config = sim_core::EngineConfig { seed, schedule, ..config(5) };
        let mut run: Run = Engine::new(config, 1, Orders::default());
        run.run_until(Instant::ZERO + ms(15)).expect("nothing is checked");
        run.faults()[0].resolved.clone()
    };
    for seed in 0..40 {
        assert!(down(&Target::Random, seed)[0].0 < 3);
        assert_eq!(down(&Target::Minority, seed).len(), 1, "of three members");
        assert!(down(&Target::OneMoreThanMinority, seed).iter().all(|node| node.0 < 3));
        assert_eq!(down(&Target::All, seed).len(), 5);
    }
}
