//! Transcripts of a sharded store whose members change: what the nodes tell each other and announce, as a reader sees
//! it.

use sim_core::fault::{Fault, Injection, MemberChange, OnCrash, Schedule, Target};
use sim_core::network::{Latency, LinkPolicy, NetworkConfig};
use sim_core::workload::{Arrival, Keys, Load, Mix};
use sim_core::{
    Duration, Engine, EngineConfig, Fact, Instant, Message, NodeId, NodeSetup, Observed, Observer, Patience,
    Probability, ReadsFrom, Routing, Seat, Shape, System,
};
use std::fmt::Write;
use std::path::Path;
use systems::storage::hashing::{HashingChecks, HashingClient, HashingOptions, HashingSystem, Machine};

/// Writes down what concerns changes of members, and their taking over of keys.
#[derive(Clone, Debug, Default)]
struct Scribe {
    text: String,
    since: Instant,
}

impl Scribe {
    fn line(&mut self, at: Instant, what: &str) {
        if at >= self.since {
            let ms = (at.0 / 10_000) as f64 / 100.0;
            writeln!(self.text, "{ms:8.2} ms  {what}").expect("a string takes everything");
        }
    }
}

impl Observer<Machine> for Scribe {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Machine>) {
        const TOLD: [&str; 9] = ["view", "seek", "compare", "tree", "fetch", "piece", "copied", "refused", "stored"];
        match what {
            Observed::Delivered { from, to, message, .. } if TOLD[..8].contains(&message.kind().name) => {
                let mut text = String::new();
                message.describe(&mut text).expect("a string takes everything");
                self.line(at, &format!("{from} -> {to}  {}: {text}", message.kind().name));
            }
            Observed::Noted { node, fact } if !["taken", "acknowledged", "elected"].contains(&fact.kind().name) => {
                let mut text = String::new();
                fact.describe(&mut text).expect("a string takes everything");
                self.line(at, &format!("{node}        {} {text}", fact.kind().name));
            }
            Observed::Ordered { node, order } => self.line(at, &format!("the operator tells {node}: {order}")),
            Observed::Crashed { node, .. } => self.line(at, &format!("{node} crashes")),
            Observed::Booted { node, records } => self.line(at, &format!("{node} boots from {records} records")),
            _ => {}
        }
    }
}

/// Three stores and a spare; thirty keys are written, then the spare joins. Gives the transcript, once all rules held.
fn tell(crash: Option<(u32, u64, u64)>) -> String {
    let ms = |n: u64| Instant::ZERO + Duration::millis(n);
    let shape = Shape { spares: 1, ..Shape::plain(4) };
    let options = HashingOptions {
        replicas: 2,
        points: 16,
        directory: 1,
        repair_interval: sim_core::units::DurationText(Duration::ZERO),
        view_refresh: sim_core::units::DurationText(Duration::secs(10)),
        handover_piece: sim_core::units::ByteSize(1024),
        ..HashingOptions::default()
    };
    let config = HashingSystem::configure(options, &shape).expect("sound options");
    let injection = |id, fault, target, at, until| Injection {
        id,
        name: None,
        fault,
        target,
        at: ms(at),
        until: ms(until),
        after: None,
        must_bite: true,
    };
    let mut faults = vec![injection(1, Fault::Membership(MemberChange::Add), Target::Node(NodeId(3)), 1_500, 3_000)];
    if let Some((node, at, until)) = crash {
        let fault = Fault::Crash { on_crash: OnCrash::LoseUnsynced };
        faults.push(injection(2, fault, Target::Node(NodeId(node)), at, until));
    }
    let engine = EngineConfig {
        seed: 7,
        nodes: vec![NodeSetup::default(); 4],
        node_zones: vec![0; 4],
        network: NetworkConfig::uniform(
            4,
            1,
            LinkPolicy { latency: Latency::Fixed(Duration::millis(1)), ..LinkPolicy::default() },
        ),
        timers: HashingSystem::TIMERS,
        schedule: Schedule::new(faults),
        shuffle_ties: false,
        restart_halted: Duration::secs(1),
    };
    let observer = (HashingSystem::checks(&config), Scribe { since: ms(1_500), ..Scribe::default() });
    let mut engine: Engine<Machine, HashingClient, (HashingChecks, Scribe)> =
        Engine::new(engine, config.clone(), observer);
    let load = Load {
        arrival: Arrival::Closed { think: Duration::millis(2), outstanding: 2 },
        mix: Mix::reads(Probability::per_billion(200_000_000)),
        keys: Keys::Uniform { count: 30 },
        value_size: 100,
        start: ms(500),
        stop: ms(1_400),
        tag: 1,
    };
    let seat = Seat {
        zone: 0,
        patience: Patience::default(),
        routing: Routing::Random,
        reads_from: ReadsFrom::Leader,
        probe: false,
    };
    engine.add_client(seat, HashingSystem::client(&config, load));
    engine.run_until(ms(4_000)).expect("all rules hold");
    let holds: Vec<String> = engine
        .nodes()
        .iter()
        .map(|node| node.as_ref().expect("all are up"))
        .map(|node| format!("{} keys in epoch {}", node.keys(), node.view().epoch))
        .collect();
    let (_, scribe) = engine.observer();
    format!("{}\nin the end: {}\n", scribe.text, holds.join(", "))
}

fn as_reviewed(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/transcripts/hashing"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn a_store_joins() {
    as_reviewed("a-store-joins", &tell(None));
}

#[test]
fn the_one_that_joins_crashes_while_it_takes_over() {
    as_reviewed("crash-while-taking-over", &tell(Some((3, 1_512, 1_700))));
}
