//! All that entries and snapshots hold is in the run's digest, though entries have a hash of their own.

use super::configuration::Configuration;
use super::log::{Entry, Payload, Slice};
use super::message::Snapshot;
use crate::shared::contents::{Told, vary};
use crate::shared::kv::{Kv, KvCommand, Value};
use crate::shared::replication::{Image, Sessioned, Stamp};
use sim_core::{ClientId, NodeSet};
use std::rc::Rc;

type S = Snapshot<Kv>;

const fn stamp(op: u64) -> Stamp {
    Stamp { client: ClientId(3), op, floor: 1 }
}

fn put(key: u64, value: u64) -> KvCommand {
    KvCommand::Put { key, value: Value::number(value, 40) }
}

fn entry(op: u64, command: KvCommand) -> Entry<KvCommand> {
    Entry::command(4, stamp(op), command)
}

fn slice(entries: impl Into<Rc<[Entry<KvCommand>]>>) -> Slice<KvCommand> {
    Slice::new(entries.into(), 64)
}

fn image(commands: &[(u64, KvCommand)]) -> Image<Kv> {
    let mut state = Sessioned::<Kv>::default();
    for (op, command) in commands {
        state.apply(stamp(*op), command, true);
    }
    state.snapshot(true)
}

fn members(n: usize) -> Configuration {
    Configuration::of(NodeSet::first(n))
}

#[test]
fn entries_and_snapshots() {
    let mut told = Told::new();
    let entries = [
        ("a command", entry(1, put(1, 1))),
        ("another value", entry(1, put(1, 2))),
        ("another key", entry(1, put(2, 1))),
        ("another operation", entry(2, put(1, 1))),
        ("another client", Entry::command(4, Stamp { client: ClientId(4), ..stamp(1) }, put(1, 1))),
        ("another floor", Entry::command(4, Stamp { floor: 0, ..stamp(1) }, put(1, 1))),
        ("another term", Entry::command(5, stamp(1), put(1, 1))),
        ("nothing", Entry::noop(4)),
        ("nothing of another term", Entry::noop(5)),
        ("voters", Entry::configuration(4, members(3))),
        ("other voters", Entry::configuration(4, members(4))),
        ("outgoing", Entry::configuration(4, Configuration { outgoing: NodeSet::first(2), ..members(3) })),
        ("learners", Entry::configuration(4, Configuration { learners: NodeSet::first(2), ..members(3) })),
    ];
    let payload = |entry: &Entry<KvCommand>| matches!(entry.payload, Payload::Command { .. });
    assert_eq!(entries.iter().filter(|(_, entry)| payload(entry)).count(), 7);
    for (what, entry) in &entries {
        told.add(what, &slice([entry.clone()]));
    }
    let [a, b] = [entry(1, put(1, 1)), entry(2, put(1, 2))];
    told.add("two", &slice([a.clone(), b.clone()]));
    told.add("the other way round", &slice([b, a.clone()]));
    told.add("another size", &Slice::new([a].into(), 65));

    let mut told = Told::new();
    vary!(told, S {
        index: 10 => 11,
        term: 2 => 3,
        chain: 5 => 6,
        configuration: members(3) => members(4),
        bytes: 100 => 101,
        image: image(&[(1, put(1, 1))]) => image(&[(1, put(1, 2))]),
    });
    let mut told = Told::new();
    told.add("nothing", &image(&[]));
    told.add("a key", &image(&[(1, put(1, 1))]));
    told.add("another session", &image(&[(2, put(1, 1))]));
    told.add("one more execution", &image(&[(1, put(1, 0)), (1, put(1, 1)), (2, put(1, 1))]));
}
