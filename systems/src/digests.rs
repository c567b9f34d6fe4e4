//! What a run's digest sees of every system: where two of its messages, requests, answers, records or facts differ in
//! one value, their hashes differ.

use core::fmt::Debug;
use core::hash::Hash;
use sim_core::fault::OnCrash;
use sim_core::hand::{Table, Told};
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::workload::{Arrival, Keys, Load, Mix, VERBS};
use sim_core::{
    Client, ClientId, Collect, Duration, Instant, LocalInstant, Message, Move, Node, NodeId, Outcome, Purpose, Rng,
    RoleKind, Shape, System, Ticket, Timer, hash,
};

/// Steps of the machines, each with all messages that follow from it.
const STEPS: u32 = 3_000;
/// After so many steps an operation is given up.
const PATIENCE: u32 = 200;

/// What was seen, by its hash, as a person reads it.
#[derive(Default)]
struct Seen {
    texts: SortedMap<(&'static str, u64), String>,
    kinds: SortedSet<&'static str>,
}

impl Seen {
    fn see<T: Debug + Hash>(&mut self, system: &str, what: &'static str, value: &T) {
        let text = format!("{value:?}");
        let known = self.texts.entry((what, hash::content(value))).or_insert_with(|| text.clone());
        assert_eq!(*known, text, "{system}: a hash of two {what}s");
    }

    /// How many differ from another one in one number alone.
    fn differ_in_one(&self, of: &str) -> usize {
        let mut masked = SortedSet::new();
        let texts = self.texts.iter().filter(|((what, _), _)| *what == of).map(|(_, text)| text);
        let is_digit = |c: char| c.is_ascii_digit();
        texts
            .filter(|text| text.len() < 1_000)
            .take(2_000)
            .filter(|text| {
                let mut again = false;
                let mut from = 0;
                while let Some(first) = text[from..].find(is_digit).map(|at| from + at) {
                    let end = text[first..].find(|c| !is_digit(c)).map_or(text.len(), |at| first + at);
                    again |= !masked.insert((first, text[..first].to_owned(), text[end..].to_owned()));
                    from = end;
                }
                again
            })
            .count()
    }
}

/// The nodes that a first scenario of the system has.
fn shape<S: System>() -> Shape {
    let kind = |name: &str| *S::ROLES.iter().find(|role| role.name == name).expect("a role of the system");
    let shared = S::default_groups(8);
    let needed: Vec<(RoleKind, u32)> = S::ROLES
        .iter()
        .enumerate()
        .filter(|(place, role)| *place == 0 || role.least > 0)
        .map(|(place, role)| (*role, if place == 0 { 5 } else { role.least.max(4) }))
        .collect();
    if shared.len() > 1 {
        Shape::of_roles(&shared.into_iter().map(|(name, nodes)| (kind(name), nodes)).collect::<Vec<_>>())
    } else if needed.len() > 1 {
        Shape::of_roles(&needed)
    } else {
        Shape::plain(5)
    }
}

/// An operation that has not ended.
struct Asked<R> {
    request: R,
    since: u32,
    tries: u32,
}

/// Runs a small cluster by hand, with clients, a crash now and then, and nothing lost on the way.
fn watch<S: System>() -> Seen
where
    <S::Node as Node>::Config: Clone,
{
    let shape = shape::<S>();
    let options = serde_json::from_str("{}").expect("every option has a default");
    let config = S::configure(options, &shape).unwrap_or_else(|wrong| panic!("{}: {wrong:?}", S::NAME));
    let nodes = shape.nodes() as u32;
    let mut table = Table::<S::Node, ()>::new(&config, nodes as usize, 1, ());
    let kinds = if S::OPERATIONS.is_empty() { VERBS.len() } else { S::OPERATIONS.len() };
    let weights: Vec<(u16, u32)> = (0..kinds as u16).map(|kind| (kind, 1)).collect();
    let mut clients: Vec<(S::Client, Rng, u64)> = (0..4_u32)
        .map(|client| {
            let load = Load {
                arrival: Arrival::Closed { think: Duration::millis(5), outstanding: 1 },
                mix: Mix::weighted(S::OPERATIONS, &weights),
                keys: Keys::Uniform { count: 20 },
                value_size: 64,
                start: Instant::ZERO,
                stop: Instant::FAR,
                tag: u64::from(client) + 1,
            };
            (S::client(&config, load), Rng::stream(1, Purpose::Client, u64::from(client)), 0)
        })
        .collect();
    let mut asked: SortedMap<(ClientId, u64), Asked<<S::Node as Node>::Request>> = SortedMap::new();
    let (mut seen, mut now) = (Seen::default(), LocalInstant(0));
    let ticket = |client, op, attempt| Ticket { client, op, floor: op, attempt };
    for step in 0..STEPS {
        for id in table.ids().collect::<Vec<_>>() {
            table.sync(id);
        }
        for _ in 0..500 {
            if table.wire.is_empty() {
                break;
            }
            let letter = table.deliver(0);
            seen.kinds.insert(letter.message.kind().name);
            seen.see(S::NAME, "message", &letter.message);
            table.sync(letter.to);
        }
        for (_, fact) in core::mem::take(&mut table.facts) {
            seen.see(S::NAME, "fact", &fact);
        }
        for (of, _, told) in core::mem::take(&mut table.answers) {
            let (key, at) = ((of.client, of.op), Instant(now.0));
            let Some(op) = asked.get_mut(&key) else { continue };
            let ended = match told {
                Told::Done(response) => {
                    seen.see(S::NAME, "answer", &response);
                    Some(Outcome::Ok(response))
                }
                Told::Elsewhere(_) if op.tries > nodes => Some(Outcome::Failed),
                Told::Elsewhere(hint) => {
                    op.tries += 1;
                    let next = hint.unwrap_or(NodeId((of.client.0 + op.tries) % nodes));
                    table.request(next, ticket(of.client, of.op, op.tries), op.request.clone());
                    None
                }
            };
            if let Some(outcome) = ended {
                asked.remove(&key);
                clients[of.client.index()].0.done(at, of.op, &outcome);
            }
        }
        let late: Vec<_> = asked.iter().filter(|(_, op)| step - op.since > PATIENCE).map(|(key, _)| *key).collect();
        for (client, op) in late {
            asked.remove(&(client, op));
            clients[client.index()].0.done(Instant(now.0), op, &Outcome::Unknown);
        }
        for (place, (client, rng, ops)) in clients.iter_mut().enumerate() {
            let id = ClientId(place as u32);
            while let Move::Issue(request) = client.next(Instant(now.0), rng) {
                let op = *ops;
                *ops += 1;
                seen.see(S::NAME, "request", &request);
                asked.insert((id, op), Asked { request: request.clone(), since: step, tries: 0 });
                table.request(NodeId((id.0 + op as u32) % nodes), ticket(id, op, 0), request);
            }
        }
        let victim = NodeId(step / 300 % nodes);
        match step % 300 {
            150 => _ = table.crash(victim, OnCrash::LoseUnsynced),
            200 if !table.is_up(victim) => table.restart(victim),
            _ => {}
        }
        // What clients do next is due at some moment, too.
        let soon = now + Duration::millis(1);
        let due = table.hands.iter().filter_map(|hand| Some((hand.next_due()?, hand.me())));
        let due = due.min().filter(|(due, _)| *due <= soon);
        now = now.max(due.map_or(soon, |(due, _)| due));
        for hand in &mut table.hands {
            hand.now = hand.now.max(now);
        }
        if let Some((due, id)) = due {
            let hand = &table.hands[id.index()];
            let timer = (0..=u16::MAX).map(Timer).find(|timer| hand.due(*timer) == Some(due));
            table.fire(id, timer.expect("what is due has a timer"));
        }
        for hand in table.hands.iter().filter(|_| step % 100 == 99) {
            for record in hand.records().filter_map(|(_, _, record, _)| record) {
                seen.see(S::NAME, "record", record);
            }
        }
    }
    seen
}

/// The names of the systems that are registered.
struct Names(Vec<&'static str>);

impl Collect for Names {
    fn add<S: System<Node: Clone, Client: Clone, Checks: Clone>>(&mut self) {
        self.0.push(S::NAME);
    }
    fn add_unclonable<S: System>(&mut self) {
        self.0.push(S::NAME);
    }
}

macro_rules! watched {
    ($($system:ty),+ $(,)?) => {
        [$((<$system as System>::NAME, watch::<$system> as fn() -> Seen)),+]
    };
}

#[test]
fn values_that_differ_have_different_hashes_in_every_system() {
    let mut all = watched![
        crate::BalancingSystem,
        crate::FailoverSystem,
        crate::HashingSystem,
        crate::ChubbySystem,
        crate::ClusterSystem,
        crate::CommitSystem,
        crate::ConsulSystem,
        crate::KubernetesSystem,
        crate::MapReduceSystem,
        crate::MeshSystem,
        crate::PaxosSystem,
        crate::SynodSystem,
        crate::PlacementSystem,
        crate::QueueSystem,
        crate::RaftSystem,
        crate::RedlockSystem,
        crate::SchedulingSystem,
        crate::SparkSystem,
        crate::ZooKeeperSystem,
    ];
    let mut names = Names(Vec::new());
    crate::collect(&mut names);
    names.0.sort_unstable();
    all.sort_unstable_by_key(|(name, _)| *name);
    assert_eq!(all.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names.0, "every system, and once");
    for (name, watch) in all {
        let seen = watch();
        let alone = ["message", "request", "answer", "record", "fact"].map(|what| seen.differ_in_one(what));
        println!("{name}: {} values, differing in one number {alone:?}; {:?}", seen.texts.len(), seen.kinds);
        assert!(alone.iter().sum::<usize>() > 10, "{name}: nothing was compared: {alone:?}");
    }
}
