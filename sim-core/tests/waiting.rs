//! What waits for the disk is done once the disk has it, in the order in which it was asked for, and never by a later
//! life.

use crate::support::*;
use sim_core::fault::{Fault, OnCrash, Target};
use sim_core::{Effect, EngineConfig, Instant, NodeId, Timer, WriteId};

/// Node 1 sends node 0 a number every 4 ms; it writes each down and tells of it when it is durable: to observers, and
/// to node 1.
fn answering() -> Script {
    Script {
        boot: |me, fx| {
            if me.0 == 1 {
                fx.arm(Timer(0), ms(4));
            } else {
                fx.after(WriteId(0), Effect::Note { fact: Said(1000) });
                fx.after(WriteId(1), Effect::Note { fact: Said(1001) });
            }
        },
        timer: |node, timer, fx| {
            fx.send(NodeId(0), note(node.count));
            node.count += 1;
            fx.arm(timer, ms(4));
        },
        message: |node, from, message, fx| {
            if node.me.0 == 0 {
                let write = fx.append(message.number);
                fx.after(write, Effect::Note { fact: Said(message.number) });
                fx.after(write, Effect::Send { to: from, message: note(message.number) });
                fx.sync();
            }
        },
        ..Script::default()
    }
}

/// When node 0 announced what, in milliseconds.
fn said(run: &Run) -> Vec<(u64, u64)> {
    let lines = run.observer().lines.iter().filter(|(_, line)| line.starts_with("Noted"));
    let number = |line: &str| line.split_once("Said(")?.1.split_once(')')?.0.parse().ok();
    lines.filter_map(|(at, line)| Some((at.0 / 1_000_000, number(line)?))).collect()
}

fn crash(from: u64, until: u64) -> (Fault, Target, Instant, Instant) {
    (Fault::Crash { on_crash: OnCrash::LoseUnsynced }, Target::Node(NodeId(0)), at(from), at(until))
}

#[test]
fn it_is_done_when_the_write_is_durable_and_at_once_if_it_is() {
    let mut run = start(config(2), answering());
    run_to(&mut run, at(20));
    // Sent at 4 ms, there at 5, durable at 6; what waits for no write waits for nothing.
    assert_eq!(said(&run), [(0, 1000), (6, 1001), (6, 0), (10, 1), (14, 2), (18, 3)]);
    let answers = run.observer().messages.iter().filter(|(.., from, _, _)| from.0 == 0);
    assert_eq!(
        answers.map(|(sent, .., number)| (*sent, *number)).collect::<Vec<_>>(),
        [(at(6), 0), (at(10), 1), (at(14), 2), (at(18), 3)]
    );
}

#[test]
fn a_crash_takes_what_waits_and_the_next_life_knows_of_nothing_before_its_own_sync() {
    let mut config = EngineConfig { schedule: faults(vec![crash(9, 11)]), ..config(2) };
    // The second number is there at 9 ms, just before the crash: ties go in the order of their scheduling.
    config.nodes[0].cpu_cost = us(100);
    let mut run = start(config, answering());
    run_to(&mut run, at(16));
    // In its second life, the write of the first is durable but nobody has told it so before the sync at 14 ms.
    assert_eq!(said(&run), [(0, 1000), (6, 1001), (6, 0), (11, 1000), (14, 1001), (14, 2)]);
}
