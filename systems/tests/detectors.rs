//! Failure detectors against what is known of them: bounds, false-positive rates and detection times.

use sim_core::sorted::SortedMap;
use sim_core::{Duration, LocalInstant, NodeId, Probability, Purpose, Rng};
use systems::control::failover::detector::{
    Detector, FixedTimeout, Gaps, Order, PhiAccrual, PhiConfig, Standing, Swim, SwimConfig, SwimEffect, SwimMessage,
};

const PEER: NodeId = NodeId(1);

fn rng(seed: u64) -> Rng {
    Rng::stream(seed, Purpose::Node, 0)
}

fn ms(n: u64) -> Duration {
    Duration::millis(n)
}

/// How long after its death a node that sends a heartbeat every 100 ms is suspected, with delays of 1 to 9 ms.
fn detection_time(mut detector: Detector, seed: u64) -> u64 {
    let mut rng = rng(seed);
    let death = ms(2000).0 + rng.below(ms(100).0);
    let mut at = LocalInstant(0);
    for beat in (0..).map(|n| n * ms(100).0).take_while(|sent| *sent < death) {
        at = LocalInstant(beat + rng.between(ms(1).0, ms(9).0));
        assert!(!detector.suspects(PEER, at), "suspected while it lives");
        detector.heard(PEER, at);
    }
    let deadline = detector.deadline(PEER).unwrap();
    assert_eq!(detector.next_check(at), Some(deadline));
    assert!(!detector.suspects(PEER, LocalInstant(deadline.0 - 1)) && detector.suspects(PEER, deadline));
    deadline.0 - death
}

#[test]
fn a_fixed_timeout_detects_within_its_bounds_and_reaches_them() {
    let times: Vec<u64> =
        (0..5000).map(|seed| detection_time(Detector::Timeout(FixedTimeout::new(ms(300))), seed)).collect();
    let (fastest, slowest) = (*times.iter().min().unwrap(), *times.iter().max().unwrap());
    // Timeout - period + shortest delay to timeout + longest delay: 201 ms to 309 ms.
    assert!(fastest >= ms(201).0 && slowest <= ms(309).0, "{fastest} {slowest}");
    assert!(fastest < ms(203).0 && slowest > ms(307).0, "the bounds are not loose: {fastest} {slowest}");
}

/// Runs of at least `k` heartbeats lost in a row begin with probability `(1 - p) p^k` at each heartbeat.
#[test]
fn a_fixed_timeout_wrongs_a_node_as_often_as_so_many_heartbeats_are_lost_in_a_row() {
    let (loss, beats) = (Probability::per_billion(100_000_000), 1_000_000_u64);
    for k in 1..=3 {
        let mut detector = Detector::Timeout(FixedTimeout::new(Duration::millis(100 * k + 50)));
        let mut rng = rng(k);
        let mut wronged = 0_u64;
        detector.watch(PEER, LocalInstant(0));
        for beat in 1..=beats {
            if !rng.chance(loss) {
                let now = LocalInstant(beat * ms(100).0);
                wronged += u64::from(detector.suspects(PEER, now));
                detector.heard(PEER, now);
            }
        }
        let expected = 0.9 * 0.1_f64.powi(k as i32) * beats as f64;
        let deviation = expected.sqrt();
        assert!((wronged as f64 - expected).abs() < 4.0 * deviation, "{k} lost: {wronged}, expected {expected}");
    }
}

fn phi_of(gaps: Gaps, threshold_milli: u32) -> PhiAccrual {
    PhiAccrual::new(PhiConfig {
        gaps,
        threshold_milli,
        window: 1000,
        first_gap: ms(100),
        min_deviation: Duration::ZERO,
        pause: Duration::ZERO,
    })
}

/// How often, of so many gaps drawn from a law, a live node is wronged.
fn wronged_by(mut phi: PhiAccrual, gaps: u64, mut draw: impl FnMut() -> f64) -> f64 {
    let (mut now, mut wronged) = (LocalInstant(0), 0_u64);
    phi.watch(PEER, now);
    for gap in 0..gaps + 1000 {
        now = now + Duration((draw().max(0.0) * 1e6) as u64);
        // The window has to fill first.
        wronged += u64::from(gap >= 1000 && now >= phi.deadline(PEER).unwrap());
        phi.heard(PEER, now);
    }
    wronged as f64 / gaps as f64
}

/// The paper's definition: at threshold phi, a live node is wronged once in `10^phi` heartbeats.
#[test]
fn phi_is_the_false_positive_rate_it_says() {
    let gaps = 400_000;
    for (law, threshold) in [(Gaps::Normal, 1), (Gaps::Normal, 2), (Gaps::Normal, 3), (Gaps::Exponential, 2)] {
        let mut rng = rng(threshold);
        let mut uniform = || (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64 + 1e-18;
        let draw = || match law {
            Gaps::Normal => {
                let (radius, angle) = (libm::sqrt(-2.0 * libm::log(uniform())), core::f64::consts::TAU * uniform());
                100.0 + 10.0 * radius * libm::cos(angle)
            }
            Gaps::Exponential => -100.0 * libm::log(uniform()),
        };
        let rate = wronged_by(phi_of(law, 1000 * threshold as u32), gaps, draw);
        let expected = 0.1_f64.powi(threshold as i32);
        // Sampling, and a window of 1000 gaps that knows mean and deviation only so well.
        let band = 4.0 * (expected / gaps as f64).sqrt() + 0.03 * expected;
        assert!((rate - expected).abs() < band, "{law:?} {threshold}: {rate}, expected {expected} within {band}");
    }
}

#[test]
fn phi_waits_longer_where_heartbeats_jitter_more() {
    let waits = |jitter: u64| {
        let mut phi = phi_of(Gaps::Normal, 8000);
        let (mut now, mut rng) = (LocalInstant(0), rng(9));
        for _ in 0..1100 {
            now = now + Duration::micros(100_000 + rng.below(jitter));
            phi.heard(PEER, now);
        }
        phi.deadline(PEER).unwrap().since(now)
    };
    let (calm, wild) = (waits(2_000), waits(50_000));
    // 5.6 deviations of a uniform law, width over the root of 12, above its mean.
    assert!((calm.0 as f64 / 1e6 - (101.0 + 5.612 * 2.0 / 12.0_f64.sqrt())).abs() < 0.2, "{calm}");
    assert!((wild.0 as f64 / 1e6 - (125.0 + 5.612 * 50.0 / 12.0_f64.sqrt())).abs() < 5.0, "{wild}");
    let mut phi = phi_of(Gaps::Normal, 8000);
    phi.heard(PEER, LocalInstant(0));
    phi.forget(PEER);
    assert_eq!(phi.deadline(PEER), None);
}

#[derive(Debug)]
enum Event {
    Message { from: NodeId, to: NodeId, message: SwimMessage },
    Wake(NodeId),
}

/// A group on a network with a fixed delay, moved by hand.
struct Group {
    swims: Vec<Option<Swim>>,
    queue: SortedMap<(LocalInstant, u64), Event>,
    rngs: Vec<Rng>,
    loss: Vec<Probability>,
    /// Nodes below cannot reach those from here on.
    cut: Option<u32>,
    delay: Duration,
    network: Rng,
    events: u64,
    /// Who changed his mind, when, about whom, to what.
    changes: Vec<(LocalInstant, NodeId, NodeId, Standing)>,
    /// If only one of them probes: who.
    prober: Option<NodeId>,
    /// Pings of the only prober to members it held for alive.
    pings: u64,
}

impl Group {
    fn new(nodes: u32, config: &SwimConfig, seed: u64) -> Self {
        let all = || (0..nodes).map(NodeId);
        let start = LocalInstant(0);
        let mut group = Self {
            swims: all().map(|me| Some(Swim::new(me, all(), config.clone(), start))).collect(),
            queue: SortedMap::new(),
            rngs: (0..u64::from(nodes)).map(|node| Rng::stream(seed, Purpose::Node, node)).collect(),
            loss: vec![Probability::NEVER; nodes as usize],
            cut: None,
            delay: ms(1),
            network: Rng::stream(seed, Purpose::Link, 0),
            events: 0,
            changes: Vec::new(),
            prober: None,
            pings: 0,
        };
        for node in all() {
            group.push(start, Event::Wake(node));
        }
        group
    }

    fn push(&mut self, at: LocalInstant, event: Event) {
        self.events += 1;
        self.queue.insert((at, self.events), event);
    }

    fn run_to(&mut self, end: LocalInstant) {
        while let Some(((now, _), _)) = self.queue.first_key_value()
            && *now < end
        {
            let ((now, _), event) = self.queue.pop_first().unwrap();
            let (Event::Message { to: node, .. } | Event::Wake(node)) = event;
            let Some(swim) = &mut self.swims[node.index()] else { continue };
            let before = swim.next_wake();
            let mut out = Vec::new();
            match event {
                Event::Message { from, message, .. } => swim.on_message(from, message, now, &mut out),
                Event::Wake(node) if now >= before && self.prober.is_none_or(|prober| prober == node) => {
                    swim.wake(now, &mut self.rngs[node.index()], &mut out)
                }
                Event::Wake(_) => {}
            }
            let wake = swim.next_wake();
            if wake != before {
                self.push(wake.max(now), Event::Wake(node));
            }
            for effect in out {
                match effect {
                    SwimEffect::Changed(update) => self.changes.push((now, node, update.node, update.standing)),
                    SwimEffect::Send { to, message } => {
                        let alive = self.swims[node.index()].as_ref().unwrap().standing(to) == Some(Standing::Alive);
                        let pings = matches!(message, SwimMessage::Ping { .. });
                        self.pings += u64::from(pings && alive && self.prober == Some(node));
                        let cut = self.cut.is_some_and(|cut| (node.0 < cut) != (to.0 < cut));
                        let lost =
                            self.network.chance(self.loss[node.index()]) | self.network.chance(self.loss[to.index()]);
                        if !cut && !lost {
                            self.push(now + self.delay, Event::Message { from: node, to, message });
                        }
                    }
                }
            }
        }
    }

    fn count(&self, standing: Standing) -> usize {
        self.changes.iter().filter(|(.., to)| *to == standing).count()
    }

    /// How often the only prober suspected somebody.
    fn by_the_prober(&self) -> usize {
        self.changes.iter().filter(|(_, by, _, to)| Some(*by) == self.prober && *to == Standing::Suspect).count()
    }

    fn all_agree_on_life(&self) -> bool {
        let nodes = self.swims.len() as u32;
        let alive = |swim: &Swim| (0..nodes).all(|node| swim.standing(NodeId(node)) == Some(Standing::Alive));
        self.swims.iter().flatten().all(alive)
    }
}

fn at(periods: u64) -> LocalInstant {
    LocalInstant(periods * Duration::secs(1).0)
}

/// The paper, section 3.1: with random probing the expected time to the first detection is `1 / (1 - (1 -
/// 1/(n-1))^(n-1))` periods, which tends to `e / (e - 1)` = 1.58.
#[test]
fn swim_detects_in_e_over_e_minus_one_periods() {
    let config = SwimConfig { order: Order::Random, ..SwimConfig::default() };
    let (nodes, runs) = (40_u32, 1500_u64);
    let mut periods = 0.0;
    for seed in 0..runs {
        let mut group = Group::new(nodes, &config, seed);
        group.run_to(LocalInstant(at(3).0 - 1));
        group.swims[7] = None;
        group.run_to(at(20));
        let first = group.changes.first().expect("it is noticed");
        assert_eq!((first.2, first.3), (NodeId(7), Standing::Suspect));
        periods += first.0.since(at(3)).as_secs_f64();
    }
    let mean = periods / runs as f64;
    let others = f64::from(nodes - 1);
    let expected = 1.0 / (1.0 - libm::pow(1.0 - 1.0 / others, others));
    // A geometric law with success 0.63 has deviation 0.96.
    assert!((mean - expected).abs() < 4.0 * 0.96 / (runs as f64).sqrt(), "{mean}, expected {expected}");
    assert!((expected - 1.582).abs() < 0.02);
}

/// The paper, section 4.3: with shuffled rounds every member probes every other at least once in `2 (n - 1) - 1`
/// periods.
#[test]
fn in_shuffled_rounds_everybody_notices_by_himself_within_two_rounds() {
    let nodes = 12_u32;
    let config = SwimConfig { gossip: 0, suspicion: Duration::secs(1000), ..SwimConfig::default() };
    let mut slowest = Duration::ZERO;
    for seed in 0..60 {
        let mut group = Group::new(nodes, &config, seed);
        group.run_to(LocalInstant(at(5).0 - 1));
        group.swims[3] = None;
        group.run_to(at(60));
        assert_eq!(group.count(Standing::Suspect), nodes as usize - 1, "seed {seed}");
        let last = group.changes.iter().map(|(at, ..)| *at).max().unwrap();
        slowest = slowest.max(last.since(at(5)));
    }
    // Probed in the last of 2 (n - 1) - 1 periods, suspected at its end.
    let bound = Duration::secs(2 * u64::from(nodes - 1) - 1);
    assert!(slowest <= bound, "{slowest}, at most {bound}");
    assert!(slowest.0 * 10 > bound.0 * 8, "the bound is nearly reached: {slowest} of {bound}");
}

/// A probe fails if the ping or its answer is lost and each of `k` helpers loses one of four messages.
#[test]
fn swim_suspects_the_living_as_often_as_all_ways_to_them_lose_something() {
    for (helpers, percent) in [(0, 10_u64), (1, 20), (3, 30)] {
        let config = SwimConfig { helpers, local_health: 0, ..SwimConfig::default() };
        let mut group = Group::new(10, &config, percent);
        // One member probes, so that every suspicion is its own and none is hearsay.
        group.prober = Some(NodeId(0));
        let way = 1.0 - percent as f64 / 100.0;
        // Half of a message's loss at either end.
        group.loss.fill(Probability::per_billion(((1.0 - way.sqrt()) * 1e9) as u64));
        group.run_to(at(20_000));
        let fails = (1.0 - way.powi(2)) * (1.0 - way.powi(4)).powi(helpers as i32);
        let (probes, suspected) = (group.pings as f64, group.by_the_prober() as f64);
        let deviation = (probes * fails * (1.0 - fails)).sqrt();
        assert!(probes > 8000.0);
        assert!(
            (suspected - probes * fails).abs() < 4.0 * deviation + 1.0,
            "{helpers} helpers, {percent} %: {suspected} of {probes}, expected {}",
            probes * fails
        );
    }
}

#[test]
fn suspicion_spares_the_living_and_the_news_of_a_death_reaches_all() {
    let five = Probability::per_billion(50_000_000);
    let deaths = |suspicion| {
        let config = SwimConfig { suspicion, ..SwimConfig::default() };
        let mut group = Group::new(16, &config, 4);
        group.loss.fill(five);
        group.run_to(at(600));
        (group.count(Standing::Dead), group)
    };
    let (at_once, _) = deaths(Duration::ZERO);
    let (after_suspicion, mut group) = deaths(Duration::secs(8));
    assert!(at_once > 40, "{at_once}");
    assert_eq!(after_suspicion, 0);
    group.changes.clear();
    group.swims[5] = None;
    group.run_to(at(630));
    for (node, swim) in group.swims.iter().enumerate() {
        if let Some(swim) = swim {
            assert!(swim.is_dead(NodeId(5)), "n{} knows", node + 1);
        }
    }
}

#[test]
fn halves_of_a_healed_partition_find_each_other_again() {
    let mut group = Group::new(8, &SwimConfig::default(), 11);
    group.run_to(at(5));
    group.cut = Some(4);
    group.run_to(at(60));
    for (node, swim) in group.swims.iter().flatten().enumerate() {
        let dead = (0..8).filter(|other| swim.is_dead(NodeId(*other))).count();
        assert_eq!(dead, 4, "n{} holds the other half for dead", node + 1);
    }
    group.cut = None;
    group.run_to(at(120));
    assert!(group.all_agree_on_life());
    assert!(group.swims.iter().flatten().all(|swim| swim.incarnation().0 > 0), "each had to object");
}

/// Lifeguard: a member with a bad link of its own should doubt itself, not the others.
#[test]
fn local_health_keeps_a_sick_member_from_slandering_the_others() {
    let slander = |local_health| {
        let config = SwimConfig { local_health, helpers: 3, ..SwimConfig::default() };
        let mut group = Group::new(16, &config, 6);
        group.loss[2] = Probability::per_billion(500_000_000);
        group.run_to(at(600));
        let by_the_sick = |(_, by, about, to): &&(_, NodeId, NodeId, Standing)| {
            *by == NodeId(2) && *about != NodeId(2) && *to == Standing::Suspect
        };
        group.changes.iter().filter(by_the_sick).count()
    };
    let (without, with) = (slander(0), slander(8));
    assert!(without > 50 && with * 2 < without, "{without} without, {with} with");
}
