//! What a replicated service promises whatever protocol is behind it, watched on every run from what the nodes
//! announce, at a constant cost each.

use super::Survivor;
use super::leaders;
use super::pieces::Pieces;
pub use super::seen::{MONOTONIC_READS, MONOTONIC_WRITES, READ_YOUR_WRITES, RULES as OF_SESSIONS, WRITES_FOLLOW_READS};
use super::seen::{Seen, Short};
use super::survivors::Executions;
use sim_core::measures::LostWrite;
use sim_core::sorted::SortedMap;
use sim_core::track::Track;
use sim_core::{ClientId, Duration, Instant, Node, NodeId, Observed, Outcome, Ticket, Verdict, Violation};
use std::collections::VecDeque;

sim_core::rules! {
    /// A write that was acknowledged was executed before.
    pub const ACKNOWLEDGED_WRITES_SURVIVE: &str = "acknowledged_writes_survive";
    /// No operation is executed twice, however often it was tried.
    pub const EXACTLY_ONCE: &str = "exactly_once";
    /// A read sees every write that was acknowledged before it was asked for.
    pub const FRESH_READS: &str = "fresh_reads";
    /// Whatever is executed, some client asked for.
    pub const VALIDITY: &str = "validity";
    /// Two nodes that have applied the same commands have reached the same state.
    pub const STATE_MACHINE_SAFETY: &str = "state_machine_safety";
    /// After the storm all running nodes reach the same state, and everything decided is applied.
    pub const CONVERGENCE: &str = "convergence";
    /// Nobody begins anew from a snapshot of which a piece has not arrived.
    pub const SNAPSHOTS_COMPLETE: &str = "snapshots_complete";
}

/// Places of the log that are remembered at most: some 60 bytes each.
const LONGEST_MEMORY: usize = 1 << 20;
/// How far a running node may be behind what was decided at the end.
const LAG: Duration = Duration::secs(1);
/// How often what was decided is noted.
const SAMPLE: Duration = Duration::millis(100);

/// What is known about one place of the log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place {
    /// A hash of what was decided or proposed here, if anybody announced it, and in which ballot: round and node.
    pub value: Option<((u64, u32), u64)>,
    /// The running hash of what was applied up to here, if anybody announced it.
    pub applied: Option<u64>,
    /// The state that was reached here, if anybody announced it.
    digest: Option<u64>,
    /// Whether a leader has announced the execution of this entry.
    executed: bool,
}

/// What is known about one node.
#[derive(Clone, Copy, Debug, Default)]
struct View {
    applied: u64,
    snapshot: u64,
}

/// What the newest announcement was about, to tell what an answer rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Basis {
    Execution { index: u64 },
    Read,
}

/// A set of numbers, most of which follow each other.
#[derive(Clone, Debug, Default)]
struct Bits {
    /// A bit for each, from 0 on.
    near: Vec<u64>,
    /// The same for those that lie far behind the others: sessions may number by leaps.
    far: SortedMap<u64, u64>,
}

/// Numbers that lie further behind the others, in words of 64, are kept apart.
const FAR: u64 = 1 << 10;

impl Bits {
    fn has(&self, n: u64) -> bool {
        let word = self.near.get((n / 64) as usize).or_else(|| self.far.get(&(n / 64)));
        word.is_some_and(|word| word >> (n % 64) & 1 == 1)
    }

    /// Adds `n`. Returns whether it was new.
    fn add(&mut self, n: u64) -> bool {
        let (at, length) = (n / 64, self.near.len() as u64);
        if at >= length && at < length + FAR && self.far.is_empty() {
            self.near.resize(at as usize + 1, 0);
        }
        let word = match self.near.get_mut(at as usize) {
            Some(word) => word,
            None => self.far.entry(at).or_default(),
        };
        let new = *word >> (n % 64) & 1 == 0;
        *word |= 1 << (n % 64);
        new
    }

    /// All of them.
    fn all(&self) -> impl Iterator<Item = u64> {
        let near = (0..).zip(&self.near);
        let words = near.chain(self.far.iter().map(|(at, word)| (*at, word)));
        words.flat_map(|(at, word)| (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * 64 + bit))
    }
}

/// Some operations of each client.
#[derive(Clone, Debug, Default)]
pub(super) struct Operations(Vec<Bits>);

impl Operations {
    fn has(&self, client: ClientId, op: u64) -> bool {
        self.0.get(client.index()).is_some_and(|bits| bits.has(op))
    }

    pub(super) fn add(&mut self, client: ClientId, op: u64) -> bool {
        if client.index() >= self.0.len() {
            self.0.resize_with(client.index() + 1, Bits::default);
        }
        self.0[client.index()].add(op)
    }

    /// All of them, client by client.
    pub(super) fn all(&self) -> impl Iterator<Item = (ClientId, u64)> {
        (0..).map(ClientId).zip(&self.0).flat_map(|(client, bits)| bits.all().map(move |op| (client, op)))
    }
}

/// How one replica ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// Which node it is.
    pub node: NodeId,
    /// The newest entry that it has applied.
    pub applied: u64,
    /// Of its state.
    pub digest: u64,
    /// Whether its log agrees with that of the foremost one, as far as that can be told.
    pub agrees: bool,
}

/// The memory over one run.
#[derive(Clone, Debug)]
pub struct Audit {
    violation: Option<Violation>,
    nodes: Vec<View>,
    /// Places of the log from `start` on.
    places: VecDeque<Place>,
    start: u64,
    basis: Option<(NodeId, ClientId, u64, Basis)>,
    requested: Operations,
    executed: Operations,
    /// Where they were executed, as long as that may matter.
    executions_at: Executions,
    /// The newest entry that a write was acknowledged for.
    acknowledged: u64,
    seen: Seen,
    /// Of snapshots under way.
    pub(crate) pieces: Pieces,
    /// Who led when, as far as the protocol tells.
    pub(crate) leaders: Track,
    /// How far decisions had got at moments of the last few seconds, oldest first.
    fronts: VecDeque<(Instant, u64)>,
    /// When anything was seen last.
    pub(crate) now: Instant,
    pub(crate) compared: u64,
    states: u64,
    reads: u64,
    answers: u64,
    executions: u64,
}

impl Audit {
    /// Nothing seen yet of a cluster of `nodes`.
    pub fn new(nodes: u32) -> Self {
        Self {
            violation: None,
            nodes: vec![View::default(); nodes as usize],
            places: VecDeque::new(),
            start: 1,
            basis: None,
            requested: Operations::default(),
            executed: Operations::default(),
            executions_at: Executions::default(),
            acknowledged: 0,
            seen: Seen::default(),
            pieces: Pieces::default(),
            leaders: leaders(),
            fronts: VecDeque::new(),
            now: Instant::ZERO,
            compared: 0,
            states: 0,
            reads: 0,
            answers: 0,
            executions: 0,
        }
    }

    /// The first rule that was broken, if any.
    pub const fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// A rule was broken. The first one is kept.
    pub fn fail(&mut self, at: Instant, rule: &str, node: NodeId, detail: impl FnOnce() -> String) {
        if self.violation.is_none() {
            self.violation = Some(Violation { rule: rule.to_owned(), at, node: Some(node), detail: detail() });
        }
    }

    /// The place of entry `index`; `None` if it is forgotten.
    pub fn place(&mut self, index: u64) -> Option<&mut Place> {
        let at = index.checked_sub(self.start)? as usize;
        if at >= self.places.len() {
            self.places.resize_with(at + 1, Place::default);
            let surplus = self.places.len().saturating_sub(LONGEST_MEMORY);
            if surplus > 0 {
                self.places.drain(..surplus);
                self.start += surplus as u64;
                return self.places.back_mut();
            }
        }
        self.places.get_mut(at)
    }

    /// What was decided at `index`, and in which ballot, if that is known.
    pub fn value(&self, index: u64) -> Option<((u64, u32), u64)> {
        self.places.get(index.checked_sub(self.start)? as usize)?.value
    }

    /// Everything up to `index` is decided, or will have to be.
    pub fn decided(&mut self, at: Instant, index: u64) {
        if self.fronts.back().is_none_or(|(then, front)| index > *front && at.since(*then) >= SAMPLE) {
            self.fronts.push_back((at, index));
            while self.fronts.get(1).is_some_and(|(then, _)| at.since(*then) >= LAG) {
                self.fronts.pop_front();
            }
        }
    }

    /// A node has applied everything up to `index`; `rule` says that all nodes apply the same.
    pub fn applied(
        &mut self,
        at: Instant,
        rule: &'static str,
        node: NodeId,
        index: u64,
        chain: u64,
        digest: Option<u64>,
    ) {
        self.nodes[node.index()].applied = index;
        let Some(place) = self.place(index) else { return };
        let known = *place.applied.get_or_insert(chain);
        let state = digest.map(|digest| (digest, *place.digest.get_or_insert(digest)));
        self.compared += 1;
        if known != chain {
            self.fail(at, rule, node, || {
                format!("{node} applied other commands up to entry {index} than another node did")
            });
        }
        if let Some((digest, known)) = state {
            self.states += 1;
            if digest != known {
                self.fail(at, STATE_MACHINE_SAFETY, node, || {
                    format!(
                        "{node} applied the same commands up to entry {index} as another node, but reached another \
                         state: {digest:016x}, not {known:016x}"
                    )
                });
            }
        }
    }

    /// A leader executed the command of `client` at `index`, or found that it had been executed.
    pub fn executed(&mut self, at: Instant, node: NodeId, index: u64, client: ClientId, op: u64, fresh: bool) {
        self.basis = Some((node, client, op, Basis::Execution { index }));
        // A restarted leader applies old entries again: that is the same execution.
        let again = self.place(index).is_none_or(|place| core::mem::replace(&mut place.executed, true));
        if !fresh || again {
            return;
        }
        self.executions += 1;
        self.executions_at.add(index, client, op);
        let short = self.seen.wrote(client, op, index);
        self.check_seen(at, node, (client, op), index, short);
        if !self.requested.has(client, op) {
            self.fail(at, VALIDITY, node, || {
                format!("operation {op} of {client} was executed, but nobody asked for it")
            });
        }
        if !self.executed.add(client, op) {
            self.fail(at, EXACTLY_ONCE, node, || {
                format!("operation {op} of {client} was executed a second time, by entry {index}")
            });
        }
    }

    /// A node began anew from a snapshot.
    pub fn installed(&mut self, at: Instant, rule: &'static str, node: NodeId, index: u64, chain: u64, digest: u64) {
        if let Some(missing) = self.pieces.installed(node, (index, chain)) {
            self.fail(at, SNAPSHOTS_COMPLETE, node, || {
                format!("{node} began anew from the snapshot at {index}, but byte {missing} of it has not arrived")
            });
        }
        let applied = self.nodes[node.index()].applied;
        if index < applied {
            self.fail(at, rule, node, || {
                format!("{node} had applied up to entry {applied} and went back to a snapshot at {index}")
            });
        }
        self.applied(at, rule, node, index, chain, Some(digest));
        self.nodes[node.index()].snapshot = index;
    }

    /// A node has a snapshot. Places that every node has in one are never applied again.
    pub fn snapshot(&mut self, node: NodeId, index: u64) {
        self.nodes[node.index()].snapshot = index;
        let needed = self.nodes.iter().map(|node| node.snapshot).min().unwrap_or(0);
        while self.start < needed && self.places.pop_front().is_some() {
            self.start += 1;
        }
        self.executions_at.settle(needed);
    }

    /// The writes that were carried out and that `survivor` has not: where clients were told of them, they are lost.
    pub fn lost(&self, survivor: &impl Survivor) -> Vec<LostWrite> {
        self.executions_at.lost(&self.executed, survivor)
    }

    /// The next answer is to a read, from the state at `index`.
    pub fn read(&mut self, at: Instant, node: NodeId, index: u64, client: ClientId, op: u64) {
        self.basis = Some((node, client, op, Basis::Read));
        self.reads += 1;
        let short = self.seen.read(client, op, index, FRESH_READS);
        self.check_seen(at, node, (client, op), index, short);
    }

    /// The next answer is to a read that promises nothing about how fresh it is.
    pub fn stale_read(&mut self, node: NodeId, client: ClientId, op: u64) {
        self.basis = Some((node, client, op, Basis::Read));
    }

    fn check_seen(&mut self, at: Instant, node: NodeId, (client, op): (ClientId, u64), index: u64, short: Short) {
        let Some((rule, due)) = short else { return };
        self.fail(at, rule, node, || match rule {
            FRESH_READS => format!(
                "{node} served operation {op} of {client} from its state at entry {index}, but entry {due} had been \
                 acknowledged before it was asked"
            ),
            READ_YOUR_WRITES | MONOTONIC_READS => {
                let did = if rule == MONOTONIC_READS { "read the state at" } else { "written" };
                format!(
                    "{node} served operation {op} of {client} from its state at entry {index}, but {client} had {did} \
                     entry {due} before it asked"
                )
            }
            _ => {
                let did = if rule == WRITES_FOLLOW_READS { "read the state at" } else { "written" };
                format!(
                    "{node} executed operation {op} of {client} at entry {index}, but {client} had {did} entry {due} \
                     before it asked"
                )
            }
        });
    }

    /// What happened to clients and machines. Returns the entry that a client was told of by a node, if it was.
    pub fn watch<N: Node>(&mut self, at: Instant, what: &Observed<'_, N>) -> Option<(NodeId, u64)> {
        match what {
            Observed::Invoked { ticket, .. } => self.seen.begun(ticket.client, ticket.op),
            Observed::Requested { ticket, .. } => self.requested(*ticket),
            Observed::Answered { ticket, node, redirect: false, .. } => {
                return self.answered(at, *node, *ticket).map(|index| (*node, index));
            }
            Observed::Returned { ticket, outcome: Outcome::Ok(_), .. } => self.seen.returned(ticket.client, ticket.op),
            // What it applied was in memory.
            Observed::Crashed { node, .. } => {
                self.nodes[node.index()].applied = 0;
                self.leaders.end(at, node);
            }
            _ => {}
        }
        None
    }

    /// A client's request reached a node.
    fn requested(&mut self, ticket: Ticket) {
        self.requested.add(ticket.client, ticket.op);
        self.seen.reached(ticket.client, ticket.op, self.acknowledged);
    }

    /// A node answered a client. Returns the entry it rests on, if that was just executed.
    fn answered(&mut self, at: Instant, node: NodeId, ticket: Ticket) -> Option<u64> {
        let basis =
            self.basis.take().filter(|(n, client, op, _)| (*n, *client, *op) == (node, ticket.client, ticket.op));
        let entry = match basis {
            Some((_, _, _, Basis::Read)) => return None,
            Some((_, _, _, Basis::Execution { index })) => Some(index),
            None => None,
        };
        self.acknowledged = self.acknowledged.max(entry.unwrap_or(0));
        self.answers += 1;
        if !self.executed.has(ticket.client, ticket.op) {
            self.fail(at, ACKNOWLEDGED_WRITES_SURVIVE, node, || {
                format!("{node} acknowledged operation {} of {}, which was never executed", ticket.op, ticket.client)
            });
        }
        entry
    }

    /// How far a node has applied its log.
    pub fn applied_by(&self, node: NodeId) -> u64 {
        self.nodes[node.index()].applied
    }

    /// What one rule says: it looked at so many things and found nothing, unless it did.
    pub fn rule(&self, rule: &'static str, looked_at: u64, detail: String) -> Verdict {
        match &self.violation {
            Some(violation) if violation.rule == rule => Verdict::Fail(violation.clone()),
            _ if looked_at == 0 => Verdict::Inconclusive { rule, why: format!("nothing to check: {detail}") },
            _ => Verdict::Pass { rule, detail },
        }
    }

    /// What the rules of the service say about a finished run of a cluster of so many `nodes`, of which those in
    /// `ended` run.
    pub fn verdicts(&self, ended: &[Ended], nodes: usize) -> Vec<Verdict> {
        let mut verdicts = self.rules();
        verdicts.insert(4, self.convergence(ended, nodes));
        verdicts
    }

    /// What they say, but for the one about how the run ended.
    pub fn rules(&self) -> Vec<Verdict> {
        let reads = [FRESH_READS, READ_YOUR_WRITES, MONOTONIC_READS].map(|rule| (rule, self.reads, "reads"));
        let writes = [MONOTONIC_WRITES, WRITES_FOLLOW_READS].map(|rule| (rule, self.executions, "operations executed"));
        let snapshots = [(SNAPSHOTS_COMPLETE, self.pieces.installed, "snapshots installed")];
        let seen = reads.into_iter().chain(writes).chain(snapshots).filter(|(rule, looked_at, _)| {
            // A load without reads, or without writes, owes them nothing, nor does a run without snapshots.
            *looked_at > 0 || self.violation.as_ref().is_some_and(|violation| violation.rule == *rule)
        });
        let mut verdicts = vec![
            self.rule(STATE_MACHINE_SAFETY, self.states, format!("{} states compared", self.states)),
            self.rule(VALIDITY, self.executions, format!("{} operations executed", self.executions)),
            self.rule(ACKNOWLEDGED_WRITES_SURVIVE, self.answers, format!("{} acknowledged writes", self.answers)),
            self.rule(EXACTLY_ONCE, self.executions, format!("{} operations executed", self.executions)),
        ];
        verdicts.extend(seen.map(|(rule, looked_at, of)| self.rule(rule, looked_at, format!("{looked_at} {of}"))));
        verdicts
    }

    /// What was decided a second ago: it must be everywhere by now.
    pub fn due(&self) -> u64 {
        self.fronts.iter().rev().find(|(then, _)| self.now.since(*then) >= LAG).map_or(0, |(_, front)| *front)
    }

    fn convergence(&self, ended: &[Ended], nodes: usize) -> Verdict {
        if self.violation.is_some() || ended.len() < nodes / 2 + 1 {
            let why = match &self.violation {
                Some(violation) => format!("the run ended when {} was broken", violation.rule),
                None => format!("{} of {nodes} nodes run, not a quorum", ended.len()),
            };
            return Verdict::Inconclusive { rule: CONVERGENCE, why };
        }
        let front = ended.iter().max_by_key(|node| node.applied).expect("a quorum is not empty");
        // Load may go on to the very end: what was decided a second ago must be everywhere, and nothing may differ.
        let due = self.due();
        for node in ended {
            let same = node.applied != front.applied || node.digest == front.digest;
            if node.applied >= due && node.agrees && same {
                continue;
            }
            return Verdict::Fail(Violation {
                rule: CONVERGENCE.to_owned(),
                at: self.now,
                node: Some(node.node),
                detail: format!(
                    "{} ended at entry {} in state {:016x}, {} at entry {} in state {:016x}; decided long before: \
                     {due}",
                    node.node, node.applied, node.digest, front.node, front.applied, front.digest
                ),
            });
        }
        if front.applied == 0 {
            return Verdict::Inconclusive { rule: CONVERGENCE, why: "nothing was ever applied".to_owned() };
        }
        let detail = format!("{} nodes agree at entry {} or at most a second behind", ended.len(), front.applied);
        Verdict::Pass { rule: CONVERGENCE, detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consensus::raft::Raft;
    use crate::shared::kv::{Kv, KvCommand, KvResponse};

    type Watched<'a> = Observed<'a, Raft<Kv>>;
    const N: NodeId = NodeId(0);
    const AT: Instant = Instant::ZERO;
    const ASK: KvCommand = KvCommand::Get { key: 1 };

    const fn ticket(op: u64) -> Ticket {
        Ticket { client: ClientId(0), op, floor: 0, attempt: 0 }
    }

    fn ask(audit: &mut Audit, op: u64) {
        audit.watch(AT, &Watched::Invoked { ticket: ticket(op), request: &ASK });
        audit.watch(AT, &Watched::Requested { ticket: ticket(op), node: N });
    }

    fn tell(audit: &mut Audit, op: u64) {
        audit.watch(AT, &Watched::Answered { ticket: ticket(op), node: N, redirect: false, names: None });
        let outcome = Outcome::Ok(KvResponse::Done);
        let (ticket, node) = (ticket(op), Some(N));
        audit.watch(AT, &Watched::Returned { ticket, request: &ASK, invoked: AT, outcome: &outcome, node });
    }

    fn write(audit: &mut Audit, op: u64, index: u64) {
        ask(audit, op);
        audit.executed(AT, N, index, ClientId(0), op, true);
        tell(audit, op);
    }

    fn read(audit: &mut Audit, op: u64, index: u64) {
        ask(audit, op);
        audit.read(AT, N, index, ClientId(0), op);
        tell(audit, op);
    }

    /// A history, and the rule it breaks.
    fn breaks(rule: &str, wrong: impl Fn(&mut Audit)) {
        let mut audit = Audit::new(3);
        write(&mut audit, 0, 5);
        read(&mut audit, 1, 7);
        assert_eq!(audit.violation(), None);
        wrong(&mut audit);
        assert_eq!(audit.violation().map(|violation| violation.rule.as_str()), Some(rule));
    }

    #[test]
    fn wrong_histories_break_the_rule_that_is_meant() {
        breaks(READ_YOUR_WRITES, |audit| read(audit, 2, 4));
        breaks(MONOTONIC_READS, |audit| read(audit, 2, 6));
        breaks(MONOTONIC_WRITES, |audit| write(audit, 2, 4));
        breaks(WRITES_FOLLOW_READS, |audit| write(audit, 2, 6));
        breaks(FRESH_READS, |audit| {
            // Somebody else asks, who has seen nothing yet.
            let ticket = Ticket { client: ClientId(1), ..ticket(0) };
            audit.watch(AT, &Watched::Requested { ticket, node: N });
            audit.read(AT, N, 4, ClientId(1), 0);
        });
        breaks(EXACTLY_ONCE, |audit| audit.executed(AT, N, 8, ClientId(0), 0, true));
        breaks(VALIDITY, |audit| audit.executed(AT, N, 8, ClientId(0), 9, true));
        breaks(ACKNOWLEDGED_WRITES_SURVIVE, |audit| {
            ask(audit, 2);
            tell(audit, 2);
        });
    }
}
