//! Transcripts of the replicated log: a rebalance of each kind, and a message through acks 0, 1 and all whose leader
//! dies.

use crate::coordination::{Asks, Scribe, as_reviewed, crash, fault, ms, roles, run};
use sim_core::fault::{CutClients, Fault, Injection, OnCrash, Shape as Cut, Target};
use sim_core::units::{DurationText, RangeText};
use sim_core::{Duration, NodeId};
use std::fmt::Write;
use systems::communication::queue::{Acks, QueueOptions, QueueRequest, QueueSystem, Rebalance};

/// Three brokers, a controller, a producer, and so many consumers.
fn quick(consumers: u32) -> (QueueOptions, sim_core::Shape) {
    let options = QueueOptions {
        partitions: 4,
        heartbeat_interval: DurationText::millis(50),
        broker_session_timeout: DurationText::millis(250),
        election_timeout: RangeText { lo: Duration::millis(100), hi: Duration::millis(200) },
        replica_lag_time: DurationText::millis(1000),
        fetch_wait: DurationText::millis(100),
        request_timeout: DurationText::millis(300),
        retry_backoff: DurationText::millis(20),
        session_timeout: DurationText::millis(500),
        member_heartbeat: DurationText::millis(100),
        rebalance_timeout: DurationText::millis(500),
        initial_delay: DurationText::millis(100),
        linger: DurationText::millis(0),
        ..QueueOptions::default()
    };
    (options, roles::<QueueSystem>(&[3, 1, 1, consumers]))
}

/// A second consumer comes, and goes again without a word: what each kind of rebalancing makes of it.
#[test]
fn a_group_is_dealt_anew() {
    for (rebalance, name) in [(Rebalance::Eager, "rebalance-eager"), (Rebalance::Cooperative, "rebalance-cooperative")]
    {
        let (options, shape) = quick(2);
        let scribe = Scribe {
            text: String::new(),
            since: ms(990),
            messages: &["JoinGroup", "Joined", "SyncGroup", "Synced", "Denied"],
            facts: &["rebalance_begins", "rebalance_ends", "dealt", "let_go", "member_out"],
            only: None,
        };
        let late = |from, to| crash(from, NodeId(6), (from, to));
        let faults = vec![late(100, 1_000), late(2_000, 9_000)];
        let options = QueueOptions { rebalance, ..options };
        let ran = run::<QueueSystem>((options, &shape), scribe, faults, Vec::new(), 3_200);
        as_reviewed("queue", name, &ran.observer().1.text);
    }
}

/// The followers are cut off from the leader, which takes a message, and dies. Who was told what, and where the message
/// is in the end.
#[test]
fn a_leader_dies_with_a_message() {
    let mut text = String::new();
    for acks in [Acks::None, Acks::Leader, Acks::All] {
        let (options, shape) = quick(1);
        let options = QueueOptions { acks, idempotent: acks == Acks::All, partitions: 1, ..options };
        let scribe = Scribe {
            text: String::new(),
            since: ms(1_490),
            messages: &["Produce", "Produced"],
            facts: &["appended", "acknowledged", "delivered", "leads", "truncated", "processed", "isr_shrunk"],
            only: None,
        };
        let side = |nodes: &[u32]| nodes.iter().map(|node| Target::Node(NodeId(*node))).collect();
        let cut = Fault::Partition { shape: Cut::Groups(vec![side(&[0]), side(&[1, 2])]), clients: CutClients::Free };
        let dies = Injection {
            fault: Fault::Crash { on_crash: OnCrash::LoseUnsynced },
            ..crash(2, NodeId(0), (1_600, 2_600))
        };
        let faults = vec![fault(1, cut, Target::All, (1_400, 1_700)), dies];
        let sends: Asks<QueueSystem> = vec![(1_500, QueueRequest::Send { key: 1, value: 7, bytes: 100 })];
        let ran = run::<QueueSystem>((options, &shape), scribe, faults, vec![(NodeId(4), sends)], 4_000);
        writeln!(text, "acks = {acks:?}\n{}", ran.observer().1.text).expect("a string takes everything");
    }
    as_reviewed("queue", "leader-dies", &text);
}
