//! One seed, one run: equal digests, forks that agree, and draws that nobody else's presence shifts.

use crate::support::*;
use sim_core::fault::{CutClients, Fault, OnCrash, PacketChange, Schedule, Shape, Target};
use sim_core::network::Latency;
use sim_core::workload::{Arrival, Op};
use sim_core::{Engine, EngineConfig, Instant, NodeId, Probability, Routing, Timer};
use std::rc::Rc;

fn storm(seed: u64) -> EngineConfig {
    let mut config = config(5);
    config.seed = seed;
    let policy = link(&mut config);
    policy.latency = Latency::uniform(us(500), ms(2));
    policy.loss = Probability::per_billion(10_000_000);
    policy.duplicate = Probability::per_billion(50_000_000);
    policy.reorder = Probability::per_billion(50_000_000);
    policy.reorder_by = ms(3);
    let change = PacketChange { loss: Probability::per_billion(200_000_000), ..PacketChange::default() };
    config.schedule = faults(vec![
        (Fault::Crash { on_crash: OnCrash::Torn }, Target::Random, at(50), at(90)),
        (
            Fault::Packet { change, direction: sim_core::fault::Direction::Both, peers: None, kinds: vec![] },
            Target::Minority,
            at(80),
            at(140),
        ),
        (Fault::Partition { shape: Shape::Halves, clients: CutClients::WithZone }, Target::All, at(120), at(160)),
        (Fault::Pause, Target::Random, at(170), at(190)),
    ]);
    config
}

fn load(run: &mut Run) {
    for _ in 0..3 {
        run.add_client(seat(Routing::Sticky), generated(Arrival::Open([(Instant::ZERO, ms(2)).into()].into())));
    }
}

fn storm_run(config: EngineConfig) -> Run {
    let mut run = start(config, counter(5));
    load(&mut run);
    run_to(&mut run, at(250));
    run
}

#[test]
fn one_seed_gives_one_digest_and_another_seed_another() {
    let (a, b, c) = (storm_run(storm(7)), storm_run(storm(7)), storm_run(storm(8)));
    assert_eq!((a.digest(), a.events()), (b.digest(), b.events()));
    assert_eq!(a.observer().lines, b.observer().lines);
    assert_ne!(a.digest(), c.digest());
}

/// A run in which one value of one field is another one than usual: `odd` says which.
fn altered(odd: u32, request: fn(&Op) -> u64) -> u64 {
    let script = Script {
        boot: |_, fx| fx.arm(Timer(0), ms(1)),
        timer: |node, _, fx| {
            let odd = |bit: u32| node.script.nodes >> bit & 1;
            if node.me.0 == 0 {
                let (number, bytes, ack) = (10 + u64::from(odd(0)), 100 + odd(1), odd(2) == 1);
                fx.send(NodeId(1), Note { number, bytes, ack });
                fx.append(20 + u64::from(odd(3)));
                fx.note(Said(30 + u64::from(odd(4))));
                // Nobody will get this one.
                fx.send(NodeId(2), note(40 + u64::from(odd(5))));
            }
        },
        request: |node, ticket, _, fx| fx.reply(ticket, 50 + u64::from(node.script.nodes >> 6 & 1)),
        nodes: odd,
        ..Script::default()
    };
    let mut config = config(3);
    config.schedule =
        faults(vec![(Fault::Crash { on_crash: OnCrash::Keep }, Target::Node(NodeId(2)), Instant::ZERO, Instant::FAR)]);
    let mut run = Engine::new(config, Rc::new(script), Trace::default());
    let arrival = Arrival::Open([(Instant::ZERO, ms(5)).into()].into());
    run.add_client(seat(Routing::Fixed(NodeId(0))), asking(arrival, Instant::FAR, request));
    run_to(&mut run, at(30));
    run.digest()
}

#[test]
fn whatever_is_said_asked_answered_kept_or_announced_is_in_the_digest() {
    let usual: fn(&Op) -> u64 = |op| op.unique;
    let what = ["nothing", "number", "bytes", "ack", "record", "fact", "lost message", "answer", "request"];
    let odd = [0, 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 4, 1 << 5, 1 << 6];
    let mut digests: Vec<u64> = odd.iter().map(|odd| altered(*odd, usual)).collect();
    digests.push(altered(0, |op| op.unique + 1));
    assert_eq!(digests[0], altered(0, usual));
    for (i, digest) in digests.iter().enumerate() {
        let same = digests[i + 1..].iter().position(|other| other == digest);
        assert_eq!(same, None, "{} and another of {what:?}", what[i]);
    }
}

#[test]
fn running_in_steps_or_at_once_is_the_same_run() {
    let whole = storm_run(storm(3));
    let mut parts = start(storm(3), counter(5));
    load(&mut parts);
    for t in 0..=250 {
        run_to(&mut parts, at(t));
    }
    assert_eq!(whole.digest(), parts.digest());
    let mut single = start(storm(3), counter(5));
    load(&mut single);
    while single.step(at(250)) {}
    assert_eq!((whole.digest(), whole.now()), (single.digest(), single.now()));
}

#[test]
fn a_fork_ends_like_its_original() {
    for fork_at in [0, 60, 130, 175] {
        let mut original = start(storm(7), counter(5));
        load(&mut original);
        run_to(&mut original, at(fork_at));
        let mut fork = original.clone();
        run_to(&mut original, at(250));
        run_to(&mut fork, at(250));
        assert_eq!(original.digest(), fork.digest());
        assert_eq!(original.observer().lines, fork.observer().lines);
    }
}

#[test]
fn a_reseeded_fork_goes_its_own_way() {
    let mut original = start(storm(7), counter(5));
    load(&mut original);
    run_to(&mut original, at(100));
    let forks = [0, 1, 1].map(|seed| {
        let mut fork = original.clone();
        fork.reseed(seed);
        run_to(&mut fork, at(250));
        fork.digest()
    });
    assert_ne!(forks[0], forks[1]);
    assert_eq!(forks[1], forks[2]);
}

#[test]
fn shuffled_ties_are_another_order_but_a_fixed_one() {
    // Everybody sends to node 0 at the same instant, and all arrive at the same instant.
    let script = || Script {
        boot: |me, fx| {
            if me.0 > 0 {
                fx.send(NodeId(0), note(u64::from(me.0)));
            }
        },
        ..Script::default()
    };
    let order = |seed, shuffle_ties| {
        let mut run = start(EngineConfig { seed, shuffle_ties, ..config(12) }, script());
        run_to(&mut run, at(5));
        live(&run, 0).numbers()
    };
    let fifo: Vec<u64> = (1..12).collect();
    assert_eq!(order(1, false), fifo);
    assert_eq!(order(2, false), fifo);
    let (one, two) = (order(1, true), order(2, true));
    assert_eq!(one, order(1, true));
    assert!(one != fifo && two != fifo && one != two, "{one:?} {two:?}");
    let mut sorted = one;
    sorted.sort_unstable();
    assert_eq!(sorted, fifo);
}

/// Everything that happens between nodes and inside them.
const NODES: [&str; 8] = ["Sent", "Delivered", "Dropped { from: Node", "Fired", "Synced", "Noted", "Crashed", "Booted"];

#[test]
fn removing_a_fault_leaves_everything_before_it_untouched() {
    for shuffle_ties in [false, true] {
        let whole = EngineConfig { shuffle_ties, ..storm(11) };
        let all = storm_run(whole.clone());
        for removed in 0..4 {
            let mut injections = whole.schedule.injections().to_vec();
            let began = injections.remove(removed).at;
            let less = storm_run(EngineConfig { schedule: Schedule::new(injections), ..whole.clone() });
            let words = [&NODES[..], &["Invoked", "Asked", "Requested", "Answered", "Returned"]].concat();
            let (a, b) = (all.observer().before(began, &words), less.observer().before(began, &words));
            assert!(a.len() > 100);
            assert_eq!(first_difference(&a, &b), None, "shuffle {shuffle_ties}, fault {removed} removed");
        }
    }
}

fn first_difference<T: PartialEq + Clone>(a: &[T], b: &[T]) -> Option<(usize, Option<T>, Option<T>)> {
    let i = (0..a.len().max(b.len())).find(|i| a.get(*i) != b.get(*i))?;
    Some((i, a.get(i).cloned(), b.get(i).cloned()))
}

#[test]
fn a_removed_fault_does_not_change_the_luck_of_the_others() {
    // Two packet faults on the same links at the same time: without the first, the second does to the messages it
    // concerns what it did with it.
    let fault = |loss: u64, kinds: &str| Fault::Packet {
        change: PacketChange { loss: Probability::per_billion(loss), ..PacketChange::default() },
        direction: sim_core::fault::Direction::Both,
        peers: None,
        kinds: vec![kinds.to_owned()],
    };
    let lost_acks = |with: bool| {
        let mut all = vec![injection(1, fault(300_000_000, "ack"), Target::All, at(10), at(200))];
        if with {
            all.push(injection(2, fault(1, "note"), Target::All, at(5), at(200)));
        }
        let mut run = start(EngineConfig { schedule: Schedule::new(all), ..config(4) }, counter(4));
        run_to(&mut run, at(200));
        run.observer().before(at(200), &["Dropped"])
    };
    let (with, without) = (lost_acks(true), lost_acks(false));
    assert!(with.len() > 50);
    assert_eq!(first_difference(&with, &without), None);
}

#[test]
fn a_client_more_changes_nothing_between_nodes_that_ignore_it() {
    for shuffle_ties in [false, true] {
        let script = || Script { request: |_, ticket, _, fx| fx.refuse(ticket), ..counter(5) };
        let mut config = EngineConfig { shuffle_ties, ..storm(5) };
        config.schedule = Schedule::new(
            config.schedule.injections().iter().filter(|i| matches!(i.fault, Fault::Packet { .. })).cloned().collect(),
        );
        let mut with = start(config.clone(), script());
        load(&mut with);
        run_to(&mut with, at(250));
        let mut without = start(config, script());
        run_to(&mut without, at(250));
        let between_nodes = |run: &Run| {
            let mut lines = run.observer().before(at(250), &NODES);
            lines.retain(|(_, line)| !line.contains("to: Client"));
            lines
        };
        let (a, b) = (between_nodes(&with), between_nodes(&without));
        assert!(a.len() > 1_000 && with.observer().ended.len() + with.pending_operations() > 100);
        assert_eq!(first_difference(&a, &b), None, "shuffle {shuffle_ties}");
    }
}

#[test]
fn a_client_more_changes_nothing_for_the_other_clients() {
    let go = |extra: bool| {
        let mut config = storm(5);
        config.schedule = Schedule::default();
        let mut run = start(config, Script::default());
        run.add_client(seat(Routing::Random), generated(Arrival::Open([(Instant::ZERO, ms(2)).into()].into())));
        if extra {
            run.add_client(seat(Routing::Random), generated(Arrival::Open([(Instant::ZERO, ms(1)).into()].into())));
        }
        run_to(&mut run, at(250));
        let ended = run.observer().ended.iter().filter(|e| e.client.0 == 0).copied().collect::<Vec<_>>();
        assert!(ended.len() > 50);
        ended
    };
    assert_eq!(go(false), go(true));
}

#[test]
fn a_single_difference_changes_the_digest() {
    // Who sends what to whom when: each difference alone, while everything else stays the same.
    let digest = |message: fn(NodeId, Fx<'_, '_>)| {
        let mut run = start(config(4), Script { boot: message, ..Script::default() });
        run_to(&mut run, at(10));
        run.digest()
    };
    let all = [
        digest(|_, _| {}),
        digest(|me, fx| {
            if me.0 == 0 {
                fx.send(NodeId(2), note(1))
            }
        }),
        digest(|me, fx| {
            if me.0 == 1 {
                fx.send(NodeId(2), note(0))
            }
        }),
        digest(|me, fx| {
            if me.0 == 1 {
                fx.send(NodeId(2), note(1))
            }
        }),
        digest(|me, fx| {
            if me.0 == 0 {
                fx.send(NodeId(3), note(1))
            }
        }),
        digest(|me, fx| {
            if me.0 == 0 {
                fx.send(NodeId(3), note(1 | 1 << 32))
            }
        }),
        digest(|me, fx| {
            if me.0 == 0 {
                fx.send(NodeId(2), note(0))
            }
        }),
        digest(|me, fx| {
            if me.0 == 0 {
                fx.arm(sim_core::Timer(0), ms(1))
            }
        }),
        digest(|me, fx| {
            if me.0 == 0 {
                fx.arm(sim_core::Timer(1), ms(1))
            }
        }),
        digest(|me, fx| {
            if me.0 == 0 {
                fx.arm(sim_core::Timer(1), ms(2))
            }
        }),
        digest(|me, fx| {
            if me.0 == 1 {
                fx.arm(sim_core::Timer(1), ms(2))
            }
        }),
        digest(|me, fx| {
            if me.0 == 1 {
                fx.sync()
            }
        }),
        digest(|me, fx| {
            if me.0 == 2 {
                fx.sync()
            }
        }),
        digest(|me, fx| {
            if me.0 == 2 {
                fx.note(Said(1))
            }
        }),
    ];
    for (i, a) in all.iter().enumerate() {
        for (j, b) in all[..i].iter().enumerate() {
            assert_ne!(a, b, "cases {j} and {i}");
        }
    }
}

#[test]
fn which_link_dropped_a_message_is_in_the_digest() {
    let digest = |to: u32| {
        let mut config = config(4);
        link(&mut config).loss = Probability::ALWAYS;
        let mut run = start(
            config,
            if to == 1 {
                Script {
                    boot: |me, fx| {
                        if me.0 == 0 {
                            fx.send(NodeId(1), note(1))
                        }
                    },
                    ..Script::default()
                }
            } else {
                Script {
                    boot: |me, fx| {
                        if me.0 == 0 {
                            fx.send(NodeId(2), note(1))
                        }
                    },
                    ..Script::default()
                }
            },
        );
        run_to(&mut run, at(10));
        run.digest()
    };
    assert_ne!(digest(1), digest(2));
}

#[test]
fn what_a_client_asks_and_gets_is_in_the_digest() {
    let digest = |request: fn(&mut Scripted, sim_core::Ticket, u64, Fx<'_, '_>), when| {
        let mut run = start(config(1), Script { request, ..Script::default() });
        run.add_client(seat(Routing::Sticky), timetable(vec![when]));
        run_to(&mut run, at(10));
        run.digest()
    };
    let plain = digest(|_, ticket, request, fx| fx.reply(ticket, request), at(1));
    assert_eq!(plain, digest(|_, ticket, request, fx| fx.reply(ticket, request), at(1)));
    assert_ne!(plain, digest(|_, ticket, request, fx| fx.redirect(ticket, Some(NodeId(request as u32 & 1))), at(1)));
    assert_ne!(plain, digest(|_, ticket, request, fx| fx.reply(ticket, request), at(2)));
}
