//! Raft's invariants (Raft paper, figure 3), watched on every run from what the nodes announce, at a constant cost each.

use super::message::RaftFact;
use super::node::Raft;
use sim_core::{ClientId, Duration, Instant, NodeId, Observed, Observer, StateMachine, Ticket, Verdict, Violation};
use std::collections::{BTreeMap, VecDeque};

/// At most one leader is elected in a term.
pub const ELECTION_SAFETY: &str = "election_safety";
/// A leader never removes or replaces entries of its own log.
pub const LEADER_APPEND_ONLY: &str = "leader_append_only";
/// If two logs hold an entry of the same index and term, they are equal up to there.
pub const LOG_MATCHING: &str = "log_matching";
/// An entry committed in some term is in the log of the leader of every later term.
pub const LEADER_COMPLETENESS: &str = "leader_completeness";
/// Two nodes never apply different commands at the same place, and reach the same state there.
pub const STATE_MACHINE_SAFETY: &str = "state_machine_safety";
/// A node never removes an entry from its log that it has applied.
pub const COMMITTED_ENTRIES_STAY: &str = "committed_entries_stay";
/// A write that was acknowledged was executed, and is in the log of every later leader.
pub const ACKNOWLEDGED_WRITES_SURVIVE: &str = "acknowledged_writes_survive";
/// No operation is executed twice, however often it was tried.
pub const EXACTLY_ONCE: &str = "exactly_once";
/// After the storm all running nodes reach the same state.
pub const CONVERGENCE: &str = "convergence";

/// Places of the log that are remembered at most: some 40 bytes each.
const LONGEST_MEMORY: usize = 1 << 20;

/// How far a running node may be behind the foremost one at the end.
const LAG: Duration = Duration::secs(1);
/// How often the foremost node's progress is noted.
const SAMPLE: Duration = Duration::millis(100);

/// What is known about one place of the log.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// Term and running hash of the newest entry a leader put here as the last of a batch; term 0 if none did.
    created: (u64, u64),
    /// The running hash of what was applied up to here, if anybody announced it.
    applied: Option<u64>,
    /// The state that was reached here, if anybody announced it.
    digest: Option<u64>,
    /// Whether a leader has announced the execution of this entry.
    executed: bool,
}

/// What is known about one node.
#[derive(Clone, Copy, Debug, Default)]
struct View {
    /// The term it leads.
    leads: Option<u64>,
    applied: u64,
    snapshot: u64,
}

/// What the newest announcement was about, to tell what an answer rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Basis {
    Execution { index: u64 },
    Read,
}

/// A set of small numbers.
#[derive(Clone, Debug, Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn has(&self, n: u64) -> bool {
        self.0.get((n / 64) as usize).is_some_and(|word| word >> (n % 64) & 1 == 1)
    }

    /// Adds `n`. Returns whether it was new.
    fn add(&mut self, n: u64) -> bool {
        let at = (n / 64) as usize;
        if at >= self.0.len() {
            self.0.resize(at + 1, 0);
        }
        let new = self.0[at] >> (n % 64) & 1 == 0;
        self.0[at] |= 1 << (n % 64);
        new
    }
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    matched: u64,
    completed: u64,
    compared: u64,
    states: u64,
    truncations: u64,
    acknowledged: u64,
    executed: u64,
}

/// The invariants' memory over one run.
#[derive(Clone, Debug)]
pub struct RaftChecks {
    violation: Option<Violation>,
    nodes: Vec<View>,
    /// Who led which term.
    leaders: BTreeMap<u64, NodeId>,
    /// The newest entry that the leader of each term has committed.
    committed: BTreeMap<u64, u64>,
    /// The newest entry that the leader of each term has acknowledged to a client.
    acknowledged: BTreeMap<u64, u64>,
    /// Places of the log from `start` on.
    places: VecDeque<Place>,
    start: u64,
    /// Who was elected in this step, in which term.
    elected: Option<(NodeId, u64)>,
    basis: Option<(NodeId, ClientId, u64, Basis)>,
    /// Executed operations of each client.
    executed: Vec<Bits>,
    /// How far the foremost node had got at moments of the last few seconds, oldest first.
    fronts: VecDeque<(Instant, u64)>,
    /// When anything was seen last.
    now: Instant,
    counts: Counts,
}

impl RaftChecks {
    /// Nothing seen yet of a cluster of `nodes`.
    #[must_use]
    pub fn new(nodes: u32) -> Self {
        Self {
            violation: None,
            nodes: vec![View::default(); nodes as usize],
            leaders: BTreeMap::new(),
            committed: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            places: VecDeque::new(),
            start: 1,
            elected: None,
            basis: None,
            executed: Vec::new(),
            fronts: VecDeque::new(),
            now: Instant::ZERO,
            counts: Counts::default(),
        }
    }

    /// The first rule that was broken, if any.
    #[must_use]
    pub const fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    fn fail(&mut self, at: Instant, rule: &str, node: NodeId, detail: impl FnOnce() -> String) {
        if self.violation.is_none() {
            self.violation = Some(Violation { rule: rule.to_owned(), at, node: Some(node), detail: detail() });
        }
    }

    /// The place of entry `index`; `None` if it is forgotten.
    fn place(&mut self, index: u64) -> Option<&mut Place> {
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

    /// Places that every node has in a snapshot are never applied again.
    fn trim(&mut self) {
        let needed = self.nodes.iter().map(|node| node.snapshot).min().unwrap_or(0);
        while self.start < needed && self.places.pop_front().is_some() {
            self.start += 1;
        }
    }

    fn on_elected(&mut self, at: Instant, node: NodeId, term: u64) {
        if let Some(other) = self.leaders.insert(term, node) {
            self.fail(at, ELECTION_SAFETY, node, || format!("{node} was elected in term {term}, and so was {other}"));
        }
        self.nodes[node.index()].leads = Some(term);
        self.elected = Some((node, term));
    }

    fn on_appended(&mut self, at: Instant, node: NodeId, last: u64, term: u64, chain: u64) {
        let creates = self.nodes[node.index()].leads == Some(term);
        let Some(place) = self.place(last) else { return };
        if creates {
            place.created = (term, chain);
            return;
        }
        let (created, expected) = place.created;
        if created != term {
            return;
        }
        self.counts.matched += 1;
        if chain != expected {
            self.fail(at, LOG_MATCHING, node, || {
                format!("{node} holds entry {last} of term {term} like its leader, but the logs differ before it")
            });
        }
    }

    /// A node has applied everything up to `index`.
    fn on_applied(&mut self, at: Instant, node: NodeId, index: u64, chain: u64, digest: Option<u64>) {
        self.nodes[node.index()].applied = index;
        if self.fronts.back().is_none_or(|(then, front)| index > *front && at.since(*then) >= SAMPLE) {
            self.fronts.push_back((at, index));
            while self.fronts.get(1).is_some_and(|(then, _)| at.since(*then) >= LAG) {
                self.fronts.pop_front();
            }
        }
        let Some(place) = self.place(index) else { return };
        let known = *place.applied.get_or_insert(chain);
        let state = digest.map(|digest| (digest, *place.digest.get_or_insert(digest)));
        self.counts.compared += 1;
        if known != chain {
            self.fail(at, STATE_MACHINE_SAFETY, node, || {
                format!("{node} applied other commands up to entry {index} than another node did")
            });
        }
        if let Some((digest, known)) = state {
            self.counts.states += 1;
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

    fn on_executed(&mut self, at: Instant, node: NodeId, index: u64, client: ClientId, op: u64, fresh: bool) {
        self.basis = Some((node, client, op, Basis::Execution { index }));
        // A restarted leader applies old entries again: that is the same execution.
        let again = self.place(index).is_none_or(|place| core::mem::replace(&mut place.executed, true));
        if !fresh || again {
            return;
        }
        if client.index() >= self.executed.len() {
            self.executed.resize_with(client.index() + 1, Bits::default);
        }
        self.counts.executed += 1;
        if !self.executed[client.index()].add(op) {
            self.fail(at, EXACTLY_ONCE, node, || {
                format!("operation {op} of {client} was executed a second time, by entry {index}")
            });
        }
    }

    fn on_truncated(&mut self, at: Instant, node: NodeId, from: u64) {
        self.counts.truncations += 1;
        let view = self.nodes[node.index()];
        if let Some(term) = view.leads {
            self.fail(at, LEADER_APPEND_ONLY, node, || {
                format!("{node} leads term {term} and removed entries {from} and on from its own log")
            });
        }
        if from <= view.applied {
            self.fail(at, COMMITTED_ENTRIES_STAY, node, || {
                format!("{node} removed entries {from} and on from its log, but had applied up to {}", view.applied)
            });
        }
    }

    fn on_answered(&mut self, at: Instant, node: NodeId, ticket: Ticket) {
        let basis =
            self.basis.take().filter(|(n, client, op, _)| (*n, *client, *op) == (node, ticket.client, ticket.op));
        if let Some((_, _, _, Basis::Read)) = basis {
            return;
        }
        self.counts.acknowledged += 1;
        let executed = self.executed.get(ticket.client.index()).is_some_and(|bits| bits.has(ticket.op));
        if !executed {
            self.fail(at, ACKNOWLEDGED_WRITES_SURVIVE, node, || {
                format!("{node} acknowledged operation {} of {}, which was never executed", ticket.op, ticket.client)
            });
        }
        if let (Some((_, _, _, Basis::Execution { index })), Some(term)) = (basis, self.nodes[node.index()].leads) {
            let newest = self.acknowledged.entry(term).or_default();
            *newest = index.max(*newest);
        }
    }

    fn on_fact(&mut self, at: Instant, node: NodeId, fact: RaftFact) {
        match fact {
            RaftFact::Elected { term, .. } => self.on_elected(at, node, term),
            RaftFact::SteppedDown { .. } => self.nodes[node.index()].leads = None,
            RaftFact::Appended { last, term, chain, .. } => self.on_appended(at, node, last, term, chain),
            RaftFact::Truncated { from } => self.on_truncated(at, node, from),
            RaftFact::Committed { index, term } => {
                let newest = self.committed.entry(term).or_default();
                *newest = index.max(*newest);
            }
            RaftFact::Executed { index, chain, client, op, fresh } => {
                self.on_executed(at, node, index, client, op, fresh);
                self.on_applied(at, node, index, chain, None);
            }
            RaftFact::Applied { index, chain, digest } => self.on_applied(at, node, index, chain, Some(digest)),
            RaftFact::SnapshotInstalled { index, chain, digest } => {
                if index < self.nodes[node.index()].applied {
                    let applied = self.nodes[node.index()].applied;
                    self.fail(at, STATE_MACHINE_SAFETY, node, || {
                        format!("{node} had applied up to entry {applied} and went back to a snapshot at {index}")
                    });
                }
                self.on_applied(at, node, index, chain, Some(digest));
                self.nodes[node.index()].snapshot = index;
            }
            RaftFact::SnapshotTaken { index } => {
                self.nodes[node.index()].snapshot = index;
                self.trim();
            }
            RaftFact::ReadServed { client, op, .. } => self.basis = Some((node, client, op, Basis::Read)),
            RaftFact::Campaign { .. }
            | RaftFact::FirstCommit { .. }
            | RaftFact::Voted { .. }
            | RaftFact::Unreadable { .. } => {}
        }
    }

    /// A new leader's log must hold what leaders of earlier terms have committed, and above all what they acknowledged.
    fn check_leader<M: StateMachine>(&mut self, at: Instant, term: u64, leader: &Raft<M>) {
        let node = leader.me;
        self.counts.completed += 1;
        let newest = |by_term: &BTreeMap<u64, u64>| by_term.range(..term).map(|(_, index)| *index).max().unwrap_or(0);
        let rules = [
            (ACKNOWLEDGED_WRITES_SURVIVE, "acknowledged to a client", newest(&self.acknowledged)),
            (LEADER_COMPLETENESS, "committed", newest(&self.committed)),
        ];
        for (rule, what, index) in rules {
            let last = leader.log().last();
            if index > last {
                self.fail(at, rule, node, || {
                    format!(
                        "{node} leads term {term} with a log that ends at {last}, but entry {index} was {what} before"
                    )
                });
                continue;
            }
            let known = self.place(index).and_then(|place| place.applied);
            if let (Some(known), Some(chain)) = (known, leader.chain_at(index))
                && known != chain
            {
                self.fail(at, rule, node, || {
                    format!("{node} leads term {term} with another entry {index} than the one that was {what} before")
                });
            }
        }
    }

    /// What each rule says about the run, given the nodes as they ended.
    #[must_use]
    pub fn verdicts<M: StateMachine>(&self, nodes: &[Option<Raft<M>>]) -> Vec<Verdict> {
        let c = &self.counts;
        let (leaders, terms) = (self.leaders.len(), self.leaders.keys().last().copied().unwrap_or(0));
        let commits = self.committed.values().max().copied().unwrap_or(0);
        let rule = |rule: &'static str, looked_at: u64, detail: String| match &self.violation {
            Some(violation) if violation.rule == rule => Verdict::Fail(violation.clone()),
            _ if looked_at == 0 => Verdict::Inconclusive { rule, why: format!("nothing to check: {detail}") },
            _ => Verdict::Pass { rule, detail },
        };
        vec![
            rule(ELECTION_SAFETY, leaders as u64, format!("{leaders} leaders in {terms} terms")),
            rule(LEADER_APPEND_ONLY, leaders as u64, format!("{} truncations, {leaders} leaders", c.truncations)),
            rule(LOG_MATCHING, c.matched, format!("{} batches compared with their leader's", c.matched)),
            rule(LEADER_COMPLETENESS, c.completed, format!("{} new leaders, {commits} entries committed", c.completed)),
            rule(STATE_MACHINE_SAFETY, c.compared, format!("{} logs and {} states compared", c.compared, c.states)),
            rule(
                COMMITTED_ENTRIES_STAY,
                commits,
                format!("{} truncations, {commits} entries committed", c.truncations),
            ),
            rule(ACKNOWLEDGED_WRITES_SURVIVE, c.acknowledged, format!("{} acknowledged writes", c.acknowledged)),
            rule(EXACTLY_ONCE, c.executed, format!("{} operations executed", c.executed)),
            self.convergence(nodes),
        ]
    }

    fn convergence<M: StateMachine>(&self, nodes: &[Option<Raft<M>>]) -> Verdict {
        let live: Vec<&Raft<M>> = nodes.iter().flatten().collect();
        let quorum = nodes.len() / 2 + 1;
        if self.violation.is_some() || live.len() < quorum {
            let why = match &self.violation {
                Some(violation) => format!("the run ended when {} was broken", violation.rule),
                None => format!("{} of {} nodes run, not a quorum", live.len(), nodes.len()),
            };
            return Verdict::Inconclusive { rule: CONVERGENCE, why };
        }
        let front = live.iter().max_by_key(|node| node.applied()).expect("a quorum is not empty");
        // Load may go on to the very end: what was applied a second ago must be everywhere, and nothing may differ.
        let due =
            self.fronts.iter().rev().find(|(then, _)| self.now.since(*then) >= LAG).map_or(0, |(_, front)| *front);
        for node in &live {
            let agrees = front.chain_at(node.applied()).is_none_or(|chain| chain == node.applied_chain);
            let same = node.applied() != front.applied() || node.digest() == front.digest();
            if node.applied() >= due && agrees && same {
                continue;
            }
            return Verdict::Fail(Violation {
                rule: CONVERGENCE.to_owned(),
                at: self.now,
                node: Some(node.me),
                detail: format!(
                    "{} ended at entry {} in state {:016x}, {} at entry {} in state {:016x}",
                    node.me,
                    node.applied(),
                    node.digest(),
                    front.me,
                    front.applied(),
                    front.digest()
                ),
            });
        }
        if front.applied() == 0 {
            return Verdict::Inconclusive { rule: CONVERGENCE, why: "nothing was ever applied".to_owned() };
        }
        let detail = format!("{} nodes agree at entry {} or at most a second behind", live.len(), front.applied());
        Verdict::Pass { rule: CONVERGENCE, detail }
    }
}

impl<M: StateMachine> Observer<Raft<M>> for RaftChecks {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Raft<M>>) {
        self.now = at;
        match what {
            Observed::Noted { node, fact } => self.on_fact(at, *node, *fact),
            Observed::Answered { ticket, node, redirect: false } => self.on_answered(at, *node, *ticket),
            Observed::Crashed { node, .. } => {
                let view = &mut self.nodes[node.index()];
                (view.leads, view.applied) = (None, 0);
            }
            _ => {}
        }
    }

    fn after_step(&mut self, at: Instant, _: NodeId, nodes: &[Option<Raft<M>>]) -> Result<(), Violation> {
        if let Some((node, term)) = self.elected.take()
            && let Some(leader) = &nodes[node.index()]
        {
            self.check_leader(at, term, leader);
        }
        self.violation.clone().map_or(Ok(()), Err)
    }
}
