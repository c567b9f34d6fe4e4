//! Crashes and restarts: what is lost, who stays down how long, and that healing ends everything and starts nothing.

use crate::support::*;
use sim_core::fault::{CutClients, DiskChange, Fault, Injection, OnCrash, PacketChange, Schedule, Shape, Target};
use sim_core::{Drop, Duration, EngineConfig, Fate, Instant, NodeId, Role, Routing, Timer, Violation};

fn crash(from: u64, until: u64) -> (Fault, Target, Instant, Instant) {
    (Fault::Crash { on_crash: OnCrash::LoseUnsynced }, Target::Node(NodeId(0)), at(from), at(until))
}

/// Node 1 sends node 0 a numbered message every millisecond.
fn stream() -> Script {
    Script {
        boot: |me, fx| {
            if me.0 == 1 {
                fx.arm(Timer(0), ms(1));
            }
        },
        timer: |node, timer, fx| {
            fx.send(NodeId(0), note(node.count));
            node.count += 1;
            fx.arm(timer, ms(1));
        },
        ..Script::default()
    }
}

fn lives(run: &Run) -> Vec<(u64, u64)> {
    let up = run.observer().booted.iter().filter(|(_, n, _)| n.0 == 0).map(|(t, ..)| t.0 / 1_000_000);
    let down = run.observer().crashed.iter().filter(|(_, n, ..)| n.0 == 0).map(|(t, ..)| t.0 / 1_000_000);
    up.zip(down.chain([u64::MAX])).collect()
}

#[test]
fn a_crashed_node_hears_nothing_and_a_restarted_one_what_arrives_then() {
    let mut run = start(EngineConfig { schedule: faults(vec![crash(10, 20)]), ..config(2) }, stream());
    run_to(&mut run, at(15));
    assert!(run.nodes()[0].is_none());
    run_to(&mut run, at(30));
    assert_eq!(lives(&run), [(0, 10), (20, u64::MAX)]);
    assert!(run.observer().lost.iter().all(|(t, why)| (at(10)..at(20)).contains(t) && *why == Drop::Down));
    assert_eq!(run.observer().lost.len(), 10);
    assert_eq!(live(&run, 0).numbers()[0], 18, "sent at 19 ms, under way when it booted");
    assert_eq!(run.stats()[0].down_ns, ms(10).0);
    let fault = &run.faults()[0];
    assert_eq!((fault.touched, fault.resolved.as_slice()), (1, &[NodeId(0)][..]));
}

#[test]
fn inputs_waiting_for_the_cpu_die_with_the_node() {
    let mut config = config(2);
    config.nodes[0].cpu_cost = ms(4);
    config.schedule = faults(vec![crash(20, 25)]);
    let mut run = start(config, stream());
    run.add_client(seat(Routing::Fixed(NodeId(0))), timetable(vec![at(15)]));
    run_to(&mut run, at(20));
    let stale = run.observer().lost.iter().filter(|(t, why)| *t == at(20) && *why == Drop::Stale).count();
    // 18 had arrived (at 2 to 19 ms), four were handled by 18 ms; the request waited too.
    assert_eq!(stale, 18 - 4 + 1);
    assert_eq!(run.observer().sent, run.tally().delivered + run.observer().dropped + run.messages_in_flight());
    let busy = run.stats()[0].busy_ns;
    assert_eq!(busy, ms(18).0, "four and a half inputs");
    run_to(&mut run, at(25));
    assert_eq!(run.stats()[0].busy_ns, busy);
}

#[test]
fn overlapping_crashes_keep_a_node_down_until_the_last_ends_and_all_have_bitten() {
    for (all, expect) in [
        (vec![crash(10, 20), crash(15, 30)], [(0, 10), (30, u64::MAX)]),
        (vec![crash(10, 30), crash(15, 20)], [(0, 10), (30, u64::MAX)]),
        (vec![crash(10, 20), crash(10, 20)], [(0, 10), (20, u64::MAX)]),
    ] {
        let longer = all[1].3 > all[0].3;
        let mut run = start(EngineConfig { schedule: faults(all), ..config(2) }, stream());
        run_to(&mut run, at(50));
        assert_eq!(lives(&run), expect);
        let faults = run.faults();
        assert!(faults[0].touched >= 1);
        assert_eq!(faults[1].touched > 0, longer || faults[1].started == faults[0].started, "{faults:?}");
    }
}

#[test]
fn a_disk_is_wiped_even_when_its_node_is_down_already() {
    let script = || Script {
        boot: |_, fx| {
            fx.append(1);
            fx.sync();
        },
        ..Script::default()
    };
    let wipe = (Fault::Crash { on_crash: OnCrash::Wipe }, Target::Node(NodeId(0)), at(15), at(18));
    let mut run = start(EngineConfig { schedule: faults(vec![crash(10, 20), wipe]), ..config(2) }, script());
    run_to(&mut run, at(30));
    assert_eq!(live(&run, 0).seen[0].1, Seen::Boot(vec![]));
    assert_eq!(run.faults()[1].touched, 1);
}

#[test]
fn what_a_killed_process_had_not_synced_is_at_risk_until_it_is() {
    let syncs = |boot: fn(NodeId, Fx<'_, '_>)| {
        // Killed at 10 ms, back at 12; power fails at `power` ms. What it finds then.
        let found = |power: u64| {
            let keep = (Fault::Crash { on_crash: OnCrash::Keep }, Target::Node(NodeId(0)), at(10), at(12));
            let schedule = faults(vec![keep, crash(power, 30)]);
            let mut run = start(EngineConfig { schedule, ..config(1) }, Script { boot, ..Script::default() });
            run_to(&mut run, at(40));
            let Seen::Boot(found) = &live(&run, 0).seen[0].1 else { panic!("it has booted") };
            found.len()
        };
        (found(11), found(20))
    };
    // Written at every boot; the first record is synced by who syncs. While it is down the page cache is there, too.
    assert_eq!(
        syncs(|_, fx| {
            fx.append(1);
        }),
        (0, 0)
    );
    assert_eq!(
        syncs(|_, fx| {
            fx.append(1);
            fx.sync();
        }),
        (1, 2)
    );
    assert_eq!(
        syncs(|_, fx| {
            if fx.now().0 > 1 << 60 {
                fx.sync();
            } else {
                fx.append(1);
            }
        }),
        (0, 1)
    );
}

#[test]
fn a_supervisor_does_not_restart_what_a_fault_keeps_down() {
    let script = || Script {
        timer: |_, _, fx| fx.halt("enough"),
        boot: |_, fx| {
            if fx.now().0 - (1 << 60) < 5_000_000 {
                fx.arm(Timer(0), ms(5));
            }
        },
        ..Script::default()
    };
    // Halts at 5 ms; its supervisor would start it at 15 ms.
    let with = |all| {
        let mut run = start(EngineConfig { schedule: faults(all), ..config(1) }, script());
        run_to(&mut run, at(100));
        (lives(&run), run.faults().first().map_or(0, |f| f.touched))
    };
    assert_eq!(with(vec![]), (vec![(0, 5), (15, u64::MAX)], 0));
    assert_eq!(with(vec![crash(10, 40)]), (vec![(0, 5), (40, u64::MAX)], 1));
    assert_eq!(with(vec![crash(10, 12)]), (vec![(0, 5), (12, u64::MAX)], 0));
}

fn everything() -> Schedule {
    let packet =
        |change| Fault::Packet { change, direction: sim_core::fault::Direction::Both, peers: None, kinds: vec![] };
    let all = vec![
        Fault::Crash { on_crash: OnCrash::Keep },
        Fault::Pause,
        Fault::Slow { factor: 100, floor: ms(1) },
        Fault::Partition { shape: Shape::Isolate, clients: CutClients::WithZone },
        packet(PacketChange { loss: sim_core::Probability::ALWAYS, ..PacketChange::default() }),
        Fault::Disk(DiskChange::Stall),
        Fault::Disk(DiskChange::FailSync(sim_core::Probability::ALWAYS)),
        Fault::Clock(sim_core::fault::ClockChange::Drift(-500_000)),
    ];
    let mut injections: Vec<Injection> = all
        .into_iter()
        .enumerate()
        .map(|(i, fault)| {
            injection(i as u64, fault, Target::Node(NodeId(i as u32 % 5)), at(10 + i as u64), Instant::FAR)
        })
        .collect();
    // And one that would begin after the healing.
    injections.push(injection(99, Fault::Pause, Target::All, at(300), Instant::FAR));
    Schedule::new(injections)
}

#[test]
fn healing_ends_every_fault_and_lets_none_begin() {
    let mut run = start(EngineConfig { schedule: everything(), ..config(5) }, counter(5));
    for node in 0..5 {
        let patience = sim_core::Patience { timeout: ms(30), attempt_timeout: ms(30), ..Default::default() };
        let seat = sim_core::Seat { patience, ..seat(Routing::Fixed(NodeId(node))) };
        run.add_client(seat, timetable((0..60).map(|i| at(10 * i + 1)).collect()));
    }
    run_to(&mut run, at(200));
    assert!(run.faults()[..8].iter().all(|f| f.started.is_some() && f.ended.is_none()));
    run.heal();
    assert!(run.faults()[..8].iter().all(|f| f.ended == Some(at(200))));
    let drops = run.observer().lost.len();
    run_to(&mut run, at(600));
    assert!(run.faults()[8].started.is_none());
    assert!(run.nodes().iter().all(Option::is_some));
    // What was on its way to somebody cut off or down may have been dropped before; nothing is from now on.
    assert_eq!(run.observer().lost.len(), drops);
    let late = |e: &&Ended| e.invoked > at(250);
    assert_eq!(run.observer().ended.iter().filter(late).count(), 5 * 35);
    assert!(run.observer().ended.iter().filter(late).all(|e| e.fate == Fate::Ok));
}

#[test]
fn healing_twice_or_with_nothing_wrong_changes_nothing() {
    let mut run = start(config(3), counter(3));
    let mut plain = start(config(3), counter(3));
    run_to(&mut run, at(10));
    run.heal();
    run.heal();
    run_to(&mut run, at(50));
    run_to(&mut plain, at(50));
    assert_eq!(run.digest(), plain.digest());
}

#[test]
fn targets_resolve_when_the_fault_fires() {
    let script = || Script {
        role: |node| if node.me.0 == 2 { Role::new("leader", 1) } else { Role::new("follower", 0) },
        ..Script::default()
    };
    let hit = |target: Target| {
        let mut config = config(5);
        config.node_zones = vec![0, 1, 2, 0, 1];
        // The first two share a machine, and so do the next two; the last has one to itself.
        for (node, host) in config.nodes.iter_mut().zip([Some(0), Some(0), Some(1), Some(1), None]) {
            node.host = host;
        }
        config.schedule = faults(vec![(Fault::Pause, target, at(5), at(10))]);
        let mut run = start(config, script());
        run_to(&mut run, at(7));
        run.faults()[0].resolved.iter().map(|n| n.0).collect::<Vec<_>>()
    };
    assert_eq!(hit(Target::Role("leader".into())), [2]);
    assert_eq!(hit(Target::Role("emperor".into())), [0_u32; 0]);
    assert_eq!(hit(Target::RoleZone("leader".into())), [2]);
    assert_eq!(hit(Target::Zone(1, "b".into())), [1, 4]);
    assert_eq!(hit(Target::Every("follower".into())), [0, 1, 3, 4]);
    assert_eq!(hit(Target::Machine(0, "m1".into())), [0, 1]);
    assert_eq!(hit(Target::RoleMachine("leader".into())), [2, 3]);
    assert_eq!(hit(Target::RoleMachine("emperor".into())), [0_u32; 0]);
    assert_eq!(hit(Target::Trigger), [0_u32; 0]);
    assert_eq!(hit(Target::MostBehind), [0]);
    assert_eq!(
        (hit(Target::Random).len(), hit(Target::Minority).len(), hit(Target::OneMoreThanMinority).len()),
        (1, 2, 3)
    );
    let with = hit(Target::MinorityWith("leader".into()));
    assert!(with.len() == 2 && with.contains(&2));
    assert_eq!(hit(Target::All).len(), 5);
}

/// Breaks its rule when node 1 has been stepped three times.
#[derive(Clone, Default)]
struct Strict(u32);
impl sim_core::Observer<Scripted> for Strict {
    fn after_step(&mut self, at: Instant, stepped: NodeId, _: &[Option<Scripted>]) -> Result<(), Violation> {
        self.0 += u32::from(stepped == NodeId(1));
        if self.0 < 3 {
            return Ok(());
        }
        Err(Violation { rule: "never_three".into(), at, node: Some(stepped), detail: String::new() })
    }
}

#[test]
fn a_violation_ends_the_run_where_it_happened() {
    let script = std::rc::Rc::new(Script { nodes: 2, ..counter(2) });
    let mut run: sim_core::Engine<Scripted, Person, Strict> =
        sim_core::Engine::new(config(2), script, Strict::default());
    assert!(run.run_until(at(50)).is_err());
    let (stopped, events) = (run.now(), run.events());
    assert!(stopped < at(50));
    assert!(run.run_until(at(60)).is_err() && !run.step(at(60)));
    assert_eq!((run.now(), run.events()), (stopped, events));
    assert_ne!(Duration::ZERO, stopped.since(Instant::ZERO));
}
