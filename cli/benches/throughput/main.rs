//! `make bench`: how fast the engine is, each workload beside a bare loop over the same queue in the same process.
//!
//! Prints a table and writes `target/bench.json`. Absolute figures depend on the machine; the ratios are what counts.
//! `throughput w4 raft 64 2 100000` makes one round of W4 alone (outstanding, pipeline, commands), for callgrind;
//! `throughput scheduling` schedules pods alone.
#![allow(clippy::disallowed_methods, missing_docs, reason = "a benchmark reads the wall clock")]

mod floor;
mod overload;
mod scheduling;
mod toys;
mod w4;

use std::fmt::Write as _;
use std::time::Instant as Wall;

/// Best of a few rounds: the machine's other work only ever makes a round slower.
const ROUNDS: usize = 5;

fn best(mut round: impl FnMut() -> u64) -> f64 {
    (0..ROUNDS)
        .map(|_| {
            let start = Wall::now();
            let events = round();
            events as f64 / start.elapsed().as_secs_f64()
        })
        .fold(0.0, f64::max)
}

/// One round of W4, if the command line asks for that alone.
fn alone() -> Option<w4::Round> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (protocol, numbers) = match words.as_slice() {
        [w4, protocol, numbers @ ..] if w4 == "w4" => (protocol.as_str(), numbers),
        _ => return None,
    };
    let numbers: Vec<u64> = numbers.iter().map_while(|number| number.parse().ok()).collect();
    let [outstanding, pipeline, commands] = numbers[..] else { return None };
    let run = if protocol == "paxos" { w4::paxos } else { w4::raft };
    Some(run(outstanding as u32, pipeline as u32, commands))
}

/// Loads beyond capacity: what an event costs with one client beside the same load spread over many, and with ten times the load.
fn overloads(json: &mut String) {
    let second = sim_core::Duration::secs;
    let rows = [
        ("overload_one_client", "20,000 outstanding, one client over 1,000", (1, 20_000), (1_000, 20), second(3)),
        ("overload_million", "1,000,000 outstanding, one client over 1,000", (1, 1_000_000), (1_000, 1_000), second(1)),
        ("overload_ten_times", "one client, 20,000 outstanding over 2,000", (1, 20_000), (1, 2_000), second(3)),
    ];
    for (key, name, (clients, each), (others, of_others), simulated) in rows {
        let ours = overload::nanos_per_event(clients, each, simulated);
        let theirs = overload::nanos_per_event(others, of_others, simulated);
        let ratio = ours / theirs;
        println!("overload, {name}: {ours:.0} over {theirs:.0} ns an event, {ratio:.2} times");
        let _ = write!(json, "\"{key}\": {{\"ns\": {ours:.1}, \"beside_ns\": {theirs:.1}, \"ratio\": {ratio:.3}}}, ");
    }
}

fn main() {
    if std::env::args().nth(1).is_some_and(|word| word == "scheduling") {
        return scheduling::rows(&mut String::new());
    }
    if let Some(round) = alone() {
        println!("{} commands, {} messages, {} events", round.commands, round.messages, round.events);
        return;
    }
    let mut json = String::from("{");
    println!("{:<28} {:>12} {:>12} {:>9} {:>9} {:>7}", "workload", "events/s", "floor/s", "ns", "floor ns", "ratio");
    let rows: [(&str, &str, f64, f64); 3] = [
        ("w1", "W1 ping-pong, 2 nodes", best(|| toys::ping_pong(4_000_000)), best(|| floor::ping_pong(4_000_000))),
        ("w2", "W2 gossip, 100 nodes", best(|| toys::gossip(100, 4_000_000)), best(|| floor::gossip(100, 4_000_000))),
        (
            "w3",
            "W3 timers, 10,000 nodes",
            best(|| toys::timers(10_000, 4_000_000)),
            best(|| floor::timers(10_000, 1, 4_000_000)),
        ),
    ];
    for (key, name, ours, floor) in rows {
        let ratio = ours / floor;
        println!("{name:<28} {ours:>12.0} {floor:>12.0} {:>9.1} {:>9.1} {ratio:>7.2}", 1e9 / ours, 1e9 / floor);
        let _ = write!(
            json,
            "\"{key}\": {{\"events_per_second\": {ours:.0}, \"floor_events_per_second\": {floor:.0}, \"ratio\": {ratio:.3}}}, "
        );
    }
    let own = best(|| floor::timers(10_000, 10_000, 4_000_000));
    println!("the floor of W3 with a stream of random numbers for each node: {:.1} ns", 1e9 / own);
    let _ = write!(json, "\"w3_floor_own_streams_events_per_second\": {own:.0}, ");
    let (hundred, thousand) = (best(|| toys::gossip(100, 2_000_000)), best(|| toys::gossip(1_000, 2_000_000)));
    println!(
        "gossip, 1,000 nodes: {:.1} ns per event, {:.2} times that of 100 nodes",
        1e9 / thousand,
        hundred / thousand
    );
    type Run = fn(u32, u32, u64) -> w4::Round;
    let rows: [(&str, &str, Run, u32, u32, u64); 6] = [
        ("w4_1", "Raft", w4::raft, 1, 4, 300_000),
        ("w4_64_pipeline_4", "Raft", w4::raft, 64, 4, 2_000_000),
        ("w4_64", "Raft", w4::raft, 64, 2, 2_000_000),
        ("w4_paxos_1", "Paxos", w4::paxos, 1, 4, 300_000),
        ("w4_paxos_64_pipeline_4", "Paxos", w4::paxos, 64, 4, 2_000_000),
        ("w4_paxos_64", "Paxos", w4::paxos, 64, 2, 2_000_000),
    ];
    for (key, protocol, run, outstanding, pipeline, commands) in rows {
        let mut last = None;
        let rate = best(|| {
            let round = run(outstanding, pipeline, commands);
            let commands = round.commands;
            last = Some(round);
            commands
        });
        let round = last.expect("a round was run");
        let (messages, events) =
            (round.messages as f64 / round.commands as f64, round.events as f64 / round.commands as f64);
        println!(
            "W4 {protocol}, {outstanding} outstanding, pipeline {pipeline}: {rate:.0} commands/s, {messages:.2} messages and {events:.1} events a command"
        );
        let _ = write!(
            json,
            "\"{key}\": {{\"commands_per_second\": {rate:.0}, \"messages_per_command\": {messages:.3}, \"events_per_command\": {events:.2}}}, "
        );
    }
    overloads(&mut json);
    scheduling::rows(&mut json);
    let _ = write!(json, "\"gossip_1000_over_100\": {:.3}}}", hundred / thousand);
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    std::fs::create_dir_all(&folder).expect("target/ can be made");
    let path = folder.join("bench.json");
    std::fs::write(&path, json).expect("target/bench.json can be written");
}
