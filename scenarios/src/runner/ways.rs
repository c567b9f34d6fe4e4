//! Every way in which a small cluster can go, up to so many steps: which message arrives next, which timer rings, who
//! crashes, and nothing is left to luck (Holzmann 1987; Killian et al. 2007; Yang et al. 2009, MODIST).
//!
//! A step is one choice: a message that is on its way arrives, in whatever order; an armed timer rings, before or after
//! any other; a process dies, or comes back; a leader is asked for the next operation. A message that never arrives is
//! lost. States are held for the same if nodes, disks and wires say the same but for times: a rule that turns on how
//! late it is may be kept here and broken by a run. The search goes one step deeper at a time, so that what it finds is
//! as short as can be.

use super::{NO_PANIC, RunError, cluster};
use crate::Scenario;
use sim_core::fault::OnCrash;
use sim_core::hand::Table;
use sim_core::hash::{self, Mixer};
use sim_core::panics;
use sim_core::{ClientId, Message as _, Node, NodeId, Observed, Observer as _, System, Ticket, Timer};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Write as _};

/// How far a search goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Steps.
    pub depth: u32,
    /// Timers that ring.
    pub timers: u32,
    /// Which timers may ring, by their names in traces; all of them if none is named.
    pub only: Vec<String>,
    /// How many messages are on their way at once: where there would be more, the oldest is lost.
    pub under_way: usize,
    /// Processes that die.
    pub crashes: u32,
    /// Operations that are asked for.
    pub asks: u32,
    /// Whether a sync is a step of its own, so that a process may die before it; if not, all is on the disk at once.
    pub disk: bool,
    /// How many states are remembered; a search that needs more stops.
    pub states: usize,
}

/// What a search has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ways {
    /// All ways of so many steps were gone.
    pub whole: u32,
    /// States that differ, of the deepest search.
    pub states: u64,
    /// Steps that were taken, in all searches.
    pub steps: u64,
    /// Whether there was nowhere else to go: a deeper search would see nothing new.
    pub exhausted: bool,
    /// A rule that a way breaks, and which way that is.
    pub broken: Option<Broken>,
}

/// A way that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The rule.
    pub rule: String,
    /// What was seen.
    pub detail: String,
    /// The steps, in words.
    pub way: Vec<String>,
}

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The message at this place of the wire arrives.
    Deliver(usize),
    Ring(NodeId, Timer),
    Sync(NodeId),
    Die(NodeId),
    Boot(NodeId),
    Ask(NodeId),
}

/// Where a way has come to.
struct State<S: System> {
    table: Table<S::Node, S::Checks>,
    timers: u32,
    crashes: u32,
    asks: u32,
}

impl<S: System<Node: Clone, Checks: Clone>> Clone for State<S> {
    fn clone(&self) -> Self {
        let table = Table {
            hands: self.table.hands.clone(),
            wire: self.table.wire.clone(),
            // What clients were told, and what was announced, is the rules' business.
            answers: Vec::new(),
            facts: Vec::new(),
            checks: self.table.checks.clone(),
            violation: None,
            sent: 0,
        };
        Self { table, ..*self }
    }
}

/// A search.
struct Search<'a, S: System> {
    bounds: &'a Bounds,
    asks: &'a [<S::Node as Node>::Request],
    /// Whether what comes over a link comes in its order.
    ordered: bool,
    /// For each state, how many steps were left when it was come to.
    seen: BTreeMap<u64, u32>,
    way: Vec<Step>,
    steps: u64,
    full: bool,
    /// Whether a way ended because no steps were left.
    cut: bool,
    text: String,
}

/// Goes all ways of the scenario's cluster, with its options and the requests of its first workload; its faults, its
/// network and its times are of no account. `each` is told of every depth that is done.
///
/// # Errors
/// When the options do not fit the system.
pub fn ways<S>(scenario: &Scenario, bounds: Bounds, each: &mut dyn FnMut(&Ways)) -> Result<Ways, RunError>
where
    S: System<Node: Clone + Debug, Checks: Clone>,
{
    let config = cluster::node_config::<S>(scenario)?;
    let asks = cluster::requests::<S>(scenario, &config, bounds.asks);
    let table = Table::new(&config, scenario.cluster.nodes(), scenario.seed, S::checks(&config));
    named::<S>(&table, &bounds.only)?;
    let root = State::<S> { table, timers: 0, crashes: 0, asks: 0 };
    let mut ways = Ways::default();
    for depth in 1..=bounds.depth {
        let mut search = Search::<S> {
            bounds: &bounds,
            asks: &asks,
            ordered: S::Node::connects(&config),
            seen: BTreeMap::new(),
            way: Vec::new(),
            steps: 0,
            full: false,
            cut: false,
            text: String::new(),
        };
        let broken = search.go(&root, depth);
        ways.steps += search.steps;
        ways.states = search.seen.len() as u64;
        if let Some((rule, detail)) = broken {
            ways.broken = Some(Broken { rule, detail, way: search.told(&root) });
            return Ok(ways);
        }
        if search.full {
            return Ok(ways);
        }
        (ways.whole, ways.exhausted) = (depth, !search.cut);
        each(&ways);
        if ways.exhausted {
            return Ok(ways);
        }
    }
    Ok(ways)
}

impl<S> Search<'_, S>
where
    S: System<Node: Clone + Debug, Checks: Clone>,
{
    /// Goes all ways from a state; the rule that one of them breaks.
    fn go(&mut self, from: &State<S>, left: u32) -> Option<(String, String)> {
        for step in self.choices(from) {
            if left == 0 {
                self.cut = true;
                return None;
            }
            let mut next = from.clone();
            self.steps += 1;
            self.way.push(step);
            if let Err(what) = panics::caught(|| self.take(&mut next, step)) {
                return Some((NO_PANIC.to_owned(), what));
            }
            if let Some(violation) = next.table.violation.take() {
                return Some((violation.rule, violation.detail));
            }
            let name = self.name(&next);
            let known = self.seen.get(&name).is_some_and(|before| *before >= left);
            if !known {
                if self.seen.len() >= self.bounds.states && !self.seen.contains_key(&name) {
                    self.full = true;
                    return None;
                }
                self.seen.insert(name, left);
                let broken = self.go(&next, left - 1);
                if broken.is_some() || self.full {
                    return broken;
                }
            }
            self.way.pop();
        }
        None
    }

    /// What may happen next.
    fn choices(&self, state: &State<S>) -> Vec<Step> {
        let State { table, .. } = state;
        let mut all = Vec::new();
        for (at, letter) in table.wire.iter().enumerate() {
            let same = |other: &sim_core::hand::Letter<S::Node>| {
                (other.from, other.to) == (letter.from, letter.to)
                    && (self.ordered || hash::content(&other.message) == hash::content(&letter.message))
            };
            // Over a connection the first comes first; of two that say the same, one will do.
            if table.is_up(letter.to) && !table.wire[..at].iter().any(same) {
                all.push(Step::Deliver(at));
            }
        }
        for hand in &table.hands {
            let me = hand.me();
            if !hand.is_up() {
                all.push(Step::Boot(me));
                continue;
            }
            if state.timers < self.bounds.timers {
                let only = &self.bounds.only;
                let may = |timer: &Timer| {
                    only.is_empty() || only.iter().any(|name| S::Node::timer_name(*timer).contains(name))
                };
                all.extend(hand.armed().filter(may).map(|timer| Step::Ring(me, timer)));
            }
            if self.bounds.disk && hand.has_disk_work() {
                all.push(Step::Sync(me));
            }
            if state.crashes < self.bounds.crashes {
                all.push(Step::Die(me));
            }
            if (state.asks as usize) < self.asks.len() && hand.node().role().name == "leader" {
                all.push(Step::Ask(me));
            }
        }
        if (state.asks as usize) < self.asks.len() && table.leader().is_none() {
            let waits = |hand: &&sim_core::hand::Hand<S::Node>| hand.is_up() && hand.node().role().name.is_empty();
            all.extend(table.hands.iter().filter(waits).map(|hand| Step::Ask(hand.me())));
        }
        all
    }

    fn take(&self, state: &mut State<S>, step: Step) {
        let table = &mut state.table;
        match step {
            Step::Deliver(at) => _ = table.deliver(at),
            Step::Ring(node, timer) => {
                state.timers += 1;
                table.fire(node, timer);
            }
            Step::Sync(node) => table.sync_once(node, true),
            Step::Die(node) => {
                state.crashes += 1;
                _ = table.crash(node, OnCrash::LoseUnsynced);
            }
            Step::Boot(node) => table.restart(node),
            Step::Ask(node) => {
                let op = u64::from(state.asks);
                state.asks += 1;
                let ticket = Ticket { client: ClientId(0), op, floor: op, attempt: 0 };
                let request = self.asks[op as usize].clone();
                table.checks.observe(table.now(), &Observed::Invoked { ticket, request: &request });
                table.request(node, ticket, request);
            }
        }
        if !self.bounds.disk {
            for node in table.ids() {
                table.sync(node);
            }
        }
        let lost = table.wire.len().saturating_sub(self.bounds.under_way);
        table.wire.drain(..lost);
    }

    /// A number for what nodes, disks and wires say, times aside, and for what may still happen.
    fn name(&mut self, state: &State<S>) -> u64 {
        let mut mixer = Mixer::default();
        for spent in [state.timers, state.crashes, state.asks] {
            mixer.word(u64::from(spent));
        }
        for hand in &state.table.hands {
            self.text.clear();
            if let Some(node) = hand.running() {
                // Writing to a string can not fail.
                let _ = write!(self.text, "{node:?}");
            }
            timeless(&self.text, &mut mixer);
            hand.armed().for_each(|timer| mixer.word(u64::from(timer.0)));
            for (_, lane, record, durable) in hand.records() {
                mixer.word(u64::from(lane) << 1 | u64::from(durable));
                mixer.word(record.map_or(0, hash::content));
            }
        }
        let letter =
            |letter: &sim_core::hand::Letter<S::Node>| (letter.from.0, letter.to.0, hash::content(&letter.message));
        let mut wire: Vec<(u32, u32, u64)> = state.table.wire.iter().map(letter).collect();
        if !self.ordered {
            wire.sort_unstable();
        }
        for (from, to, message) in wire {
            mixer.word(u64::from(from) << 32 | u64::from(to));
            mixer.word(message);
        }
        mixer.finish()
    }

    /// The way that was gone, in words.
    fn told(&self, root: &State<S>) -> Vec<String> {
        let mut state = root.clone();
        let mut told = Vec::new();
        for step in &self.way {
            told.push(match *step {
                Step::Deliver(at) => {
                    let letter = &state.table.wire[at];
                    let mut text = format!("{} -> {}  {}", letter.from, letter.to, letter.message.kind().name);
                    let mut what = String::new();
                    // Writing to a string can not fail.
                    let _ = letter.message.describe(&mut what);
                    if !what.is_empty() {
                        let _ = write!(text, ": {what}");
                    }
                    text
                }
                Step::Ring(node, timer) => match S::Node::timer_name(timer) {
                    "" => format!("{node}        timer {} rings", timer.0),
                    name => format!("{node}        its timer rings: {name}"),
                },
                Step::Sync(node) => format!("{node}        its disk syncs"),
                Step::Die(node) => format!("{node}        dies"),
                Step::Boot(node) => format!("{node}        starts from its disk"),
                Step::Ask(node) => format!("{node}        is asked: {:?}", self.asks[state.asks as usize]),
            });
            // The last one may be what a node panics at.
            let _ = panics::caught(|| self.take(&mut state, *step));
        }
        told
    }
}

/// Refuses names that no timer has that is armed at the start.
fn named<S: System>(table: &Table<S::Node, S::Checks>, only: &[String]) -> Result<(), RunError> {
    let armed = table.hands.iter().flat_map(|hand| hand.armed().map(S::Node::timer_name));
    let armed: BTreeSet<&str> = armed.filter(|name| !name.is_empty()).collect();
    let unknown = only.iter().find(|name| !armed.iter().any(|timer| timer.contains(name.as_str())));
    let armed: Vec<&str> = armed.into_iter().collect();
    unknown.map_or(Ok(()), |name| {
        let what = format!("no timer is called {name}; those that run at the start are: {}", armed.join(", "));
        Err(RunError::Options { system: S::NAME, what })
    })
}

/// Mixes in a text, without the numbers in `Instant(5)`, `LocalInstant(5)` and `Duration(5)`.
fn timeless(text: &str, mixer: &mut Mixer) {
    let mut rest = text;
    while let Some(at) = ["Instant(", "Duration("].iter().filter_map(|name| Some(rest.find(name)? + name.len())).min() {
        mixer.bytes(&rest.as_bytes()[..at]);
        let digits = rest[at..].bytes().take_while(u8::is_ascii_digit).count();
        rest = &rest[at + digits..];
    }
    mixer.bytes(rest.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_make_no_other_state() {
        let name = |text: &str| {
            let mut mixer = Mixer::default();
            timeless(text, &mut mixer);
            mixer.finish()
        };
        assert_eq!(
            name("A { at: LocalInstant(5), for: Duration(7) }"),
            name("A { at: LocalInstant(61), for: Duration(0) }")
        );
        assert_ne!(name("A { term: 5 }"), name("A { term: 6 }"));
        assert_ne!(name("A { at: Some(LocalInstant(5)) }"), name("A { at: None }"));
    }
}
