//! Connections, as TCP makes them: between two ends of one, what arrives is the first part of what was sent.

use crate::support::*;
use sim_core::fault::{CutClients, Fault, OnCrash, Shape, Target};
use sim_core::network::{Latency, LinkPolicy, TcpPolicy, Transport};
use sim_core::{Drop, Duration, Effects, Engine, EngineConfig, Message, Node, NodeId, Replay, Rng, Timer};
use std::collections::BTreeMap;

/// Which connection of its sender it belongs to, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Word {
    connection: u64,
    number: u64,
}

impl Message for Word {}

/// One that talks to all others all the time, and holds them to their word.
#[derive(Clone, Debug, Default)]
struct Talker {
    /// What it sends next, for each of the others.
    out: BTreeMap<NodeId, Word>,
    /// What it expects next of each.
    next: BTreeMap<NodeId, Word>,
    heard: u64,
    closed: Vec<(u64, NodeId)>,
    gaps: u64,
}

impl Node for Talker {
    const CONNECTS: bool = true;
    type Config = u32;
    type Message = Word;
    type Request = u64;
    type Response = u64;
    type Record = u64;
    type Fact = Said;

    fn boot(nodes: &u32, me: NodeId, _: Replay<'_, u64>, fx: &mut Effects<'_, Self>) -> Self {
        fx.arm(Timer(0), ms(1));
        let others = (0..*nodes).map(NodeId).filter(|node| *node != me);
        // No two lives have a connection in common.
        let out = others.map(|node| (node, Word { connection: fx.rng().next_u64(), number: 0 })).collect();
        Self { out, ..Self::default() }
    }

    fn on_message(&mut self, from: NodeId, word: Word, _: &mut Effects<'_, Self>) {
        self.heard += 1;
        let fits = match self.next.get(&from) {
            Some(next) => *next == word,
            None => word.number == 0,
        };
        self.gaps += u64::from(!fits);
        self.next.insert(from, Word { number: word.number + 1, ..word });
    }

    fn on_timer(&mut self, timer: Timer, fx: &mut Effects<'_, Self>) {
        for (node, word) in &mut self.out {
            fx.send(*node, *word);
            word.number += 1;
        }
        fx.arm(timer, ms(1));
    }

    fn on_closed(&mut self, peer: NodeId, fx: &mut Effects<'_, Self>) {
        self.closed.push((since_start(fx.now()), peer));
        self.next.remove(&peer);
        let out = self.out.get_mut(&peer).expect("one of the others");
        *out = Word { connection: out.connection + 1, number: 0 };
    }
}

type Times = (Fault, Target, sim_core::Instant, sim_core::Instant);
type Talk = Engine<Talker, NoClient, ()>;

/// A client that never asks.
#[derive(Clone, Debug)]
struct NoClient;

impl sim_core::Client<Talker> for NoClient {
    fn next(&mut self, _: sim_core::Instant, _: &mut Rng) -> sim_core::Move<u64> {
        sim_core::Move::Stop
    }
}

fn talk(seed: u64, all: Vec<Times>, timeout: Duration, until: u64) -> Talk {
    talk_over(Transport::Ideal, seed, all, timeout, until)
}

fn talk_over(transport: Transport, seed: u64, all: Vec<Times>, timeout: Duration, until: u64) -> Talk {
    let mut config = EngineConfig { schedule: faults(all), seed, ..config(3) };
    *link(&mut config) = LinkPolicy {
        latency: Latency::uniform(ms(1), ms(5)),
        ordered: transport == Transport::Ideal,
        connection_timeout: timeout,
        ..LinkPolicy::default()
    };
    config.network.transport = transport;
    let mut run: Talk = Engine::new(config, 3, ());
    run.run_until(at(until)).expect("nothing is checked");
    for node in run.nodes().iter().flatten() {
        assert_eq!(node.gaps, 0, "seed {seed}: a gap that nobody heard of");
    }
    run
}

fn node(run: &Talk, node: u32) -> &Talker {
    run.nodes()[node as usize].as_ref().expect("it is up")
}

fn crash(on_crash: OnCrash, who: u32, from: u64, until: u64) -> Times {
    (Fault::Crash { on_crash }, Target::Node(NodeId(who)), at(from), at(until))
}

fn cut(who: u32, from: u64, until: u64) -> Times {
    let fault = Fault::Partition { shape: Shape::Isolate, clients: CutClients::Free };
    (fault, Target::Node(NodeId(who)), at(from), at(until))
}

/// When node 1 heard that its connection with node 0 was over, in milliseconds.
fn heard(run: &Talk) -> Vec<u64> {
    node(run, 1).closed.iter().filter(|(_, peer)| *peer == NodeId(0)).map(|(at, _)| at / 1_000_000).collect()
}

#[test]
fn a_process_that_dies_is_heard_of_at_once_and_a_machine_when_it_is_back() {
    let process = talk(1, vec![crash(OnCrash::Keep, 0, 100, 900)], Duration::secs(15), 2_000);
    let times = heard(&process);
    assert!((101..=110).contains(&times[0]), "its machine says FIN: {times:?}");
    // Each new try is refused until the process is back.
    assert!(times.len() > 50 && times.iter().all(|at| *at <= 910), "{times:?}");
    let machine = talk(1, vec![crash(OnCrash::LoseUnsynced, 0, 100, 900)], Duration::secs(15), 2_000);
    let times = heard(&machine);
    assert!(times.len() == 1 && (900..=910).contains(&times[0]), "a reset, once it is back: {times:?}");
    let silent = talk(1, vec![crash(OnCrash::LoseUnsynced, 0, 100, 1_900)], ms(500), 2_000);
    let times = heard(&silent);
    assert!((600..=605).contains(&times[0]), "or the sender's patience: {times:?}");
    assert!(node(&silent, 2).heard > 1_000, "the others go on talking");
}

#[test]
fn what_a_cut_hides_is_heard_of_after_it() {
    let hidden = vec![cut(0, 50, 400), crash(OnCrash::Keep, 0, 100, 2_500)];
    let times = heard(&talk(1, hidden, Duration::secs(15), 2_000));
    assert!((400..=410).contains(&times[0]), "{times:?}");
    let long = talk(1, vec![cut(0, 50, 900)], ms(300), 2_000);
    let (times, mine) = (heard(&long), &node(&long, 0).closed);
    assert!((340..=360).contains(&times[0]) && !mine.is_empty(), "both ends give up: {times:?}, {mine:?}");
    let short = talk(1, vec![cut(0, 50, 200)], ms(300), 2_000);
    assert!(heard(&short).is_empty() && long.tally().dropped[Drop::Cut as usize] > 0);
}

#[test]
fn no_gap_goes_unheard_whatever_happens() {
    assert!(closures_over(&Transport::Ideal, 300) > 1_000);
}

#[test]
fn no_gap_goes_unheard_over_hosted_tcp() {
    let patience = ms(700);
    let tcp = TcpPolicy { timeout: patience, connect_timeout: ms(100), min_rto: ms(20), ..TcpPolicy::default() };
    assert!(closures_over(&Transport::Tcp(tcp), 300) > 1_000);
    let tight = TcpPolicy { pending: 3_000, send_buffer: 1_000, receive_buffer: 1_000, ..TcpPolicy::default() };
    assert!(closures_over(&Transport::Tcp(tight), 100) > 100);
}

/// How many closures are heard of, over so many seeds.
fn closures_over(transport: &Transport, seeds: u64) -> usize {
    let mut closures = 0;
    for seed in 0..seeds {
        let mut rng = Rng::stream(seed, sim_core::Purpose::Client, 0);
        let mut all = Vec::new();
        let mut from = 10;
        for _ in 0..12 {
            let who = rng.below(3) as u32;
            let length = 1 + rng.below(120);
            all.push(match rng.below(4) {
                0 => crash(OnCrash::Keep, who, from, from + length),
                1 => crash(OnCrash::LoseUnsynced, who, from, from + length),
                2 => (Fault::Pause, Target::Node(NodeId(who)), at(from), at(from + length)),
                _ => cut(who, from, from + length),
            });
            from += rng.below(100);
        }
        let run = talk_over(transport.clone(), seed, all, ms([20, 60, 15_000][(seed % 3) as usize]), 3_000);
        closures += run.nodes().iter().flatten().map(|node| node.closed.len()).sum::<usize>();
        for node in run.nodes().iter().flatten() {
            assert!(node.heard > 500, "seed {seed}: they talk again");
        }
    }
    closures
}
