//! Exact laws of Paxos, over the engine: messages, round trips, and how long proposers duel.

use sim_core::fault::Schedule;
use sim_core::network::{Latency, LinkPolicy, NetworkConfig};
use sim_core::workload::Generated;
use sim_core::{DiskPolicy, Duration, Engine, EngineConfig, Instant, NodeId, NodeSetup, Observed, Observer, Violation};
use std::rc::Rc;
use systems::consensus::synod::{Config, Synod, SynodFact, TIMERS};

const DELAY: Duration = Duration::millis(1);

/// Counts ballots, and notes decisions.
#[derive(Clone, Debug, Default)]
struct Watch {
    ballots: u64,
    messages: u64,
    decided: Vec<(Instant, u64)>,
    /// Ends the run after so many.
    most: u64,
}

impl Observer<Synod> for Watch {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Synod>) {
        match what {
            Observed::Sent { .. } => self.messages += 1,
            Observed::Noted { fact: SynodFact::Prepared { .. }, .. } => self.ballots += 1,
            Observed::Noted { fact: SynodFact::Decided { value, .. }, .. } => self.decided.push((at, *value)),
            _ => {}
        }
    }

    fn after_step(&mut self, at: Instant, node: NodeId, _: &[Option<Synod>]) -> Result<(), Violation> {
        if self.decided.windows(2).any(|two| two[0].1 != two[1].1) || self.ballots >= self.most {
            let detail = format!("{:?} after {} ballots", self.decided, self.ballots);
            return Err(Violation { rule: "agreement".to_owned(), at, node: Some(node), detail });
        }
        Ok(())
    }
}

/// Runs the Synod on a network where every message takes as long as any other, and disks that take no time to speak of.
fn run(nodes: usize, config: Config, most: u64, seed: u64) -> Watch {
    let disk = Rc::new(DiskPolicy { sync: Latency::Fixed(Duration::nanos(1)), ..DiskPolicy::default() });
    let engine = EngineConfig {
        seed,
        nodes: vec![NodeSetup { disk, ..NodeSetup::default() }; nodes],
        node_zones: vec![0; nodes],
        network: NetworkConfig::uniform(
            nodes,
            1,
            LinkPolicy { latency: Latency::Fixed(DELAY), ..LinkPolicy::default() },
        ),
        timers: TIMERS,
        schedule: Schedule::default(),
        shuffle_ties: false,
        restart_halted: Duration::secs(1),
    };
    let watch = Watch { most, ..Watch::default() };
    let mut engine: Engine<Synod, Generated<Synod>, Watch> = Engine::new(engine, config, watch);
    let ended = engine.run_until(Instant::ZERO + Duration::secs(60));
    let watch = engine.observer().clone();
    assert!(ended.is_ok() || watch.ballots >= most, "{:?}", watch.decided);
    watch
}

fn one(nodes: u32, acceptors: u32, proposer: u32) -> Watch {
    let patience = Duration::secs(100);
    let config = Config { nodes, acceptors, proposers: vec![NodeId(proposer)], back_off: true, patience };
    run(nodes as usize, config, u64::MAX, 1)
}

#[test]
fn one_value_costs_two_round_trips_and_four_messages_an_acceptor() {
    for n in [3, 4, 5, 7, 9] {
        let separate = one(n + 1, n, n);
        assert_eq!((separate.messages, separate.decided.len()), (u64::from(4 * n), 1), "{n} acceptors");
        let together = one(n, n, 0);
        assert_eq!((together.messages, together.decided.len()), (u64::from(4 * (n - 1)), 1), "{n} acceptors");
        for watch in [separate, together] {
            let trips = watch.decided[0].0.since(Instant::ZERO).0 / (2 * DELAY.0);
            assert_eq!(trips, 2, "{n} acceptors");
        }
    }
}

fn duel(back_off: bool, most: u64, seed: u64) -> Watch {
    let proposers = vec![NodeId(0), NodeId(1)];
    run(3, Config { nodes: 3, acceptors: 3, proposers, back_off, patience: Duration::millis(8) }, most, seed)
}

#[test]
fn proposers_that_try_again_at_once_duel_for_ever() {
    let watch = duel(false, 10_000, 1);
    assert_eq!((watch.ballots, watch.decided.len()), (10_000, 0));
}

#[test]
fn random_pauses_that_double_end_a_duel_within_twenty_ballots() {
    const TRIALS: u64 = 2_000;
    let mut late = 0;
    for seed in 0..TRIALS {
        let watch = duel(true, 1_000, seed);
        assert!(!watch.decided.is_empty(), "seed {seed}: nothing in {} ballots", watch.ballots);
        late += u64::from(watch.ballots >= 20);
    }
    assert!(late * 100 < TRIALS, "{late} of {TRIALS} duels took 20 ballots or more");
}
