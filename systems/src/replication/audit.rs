//! What a replicated service promises whatever protocol is behind it, watched on every run from what the nodes announce, at
//! a constant cost each.

use sim_core::{ClientId, Duration, Instant, NodeId, Ticket, Verdict, Violation};
use std::collections::{BTreeMap, VecDeque};

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

/// Places of the log that are remembered at most: some 60 bytes each.
const LONGEST_MEMORY: usize = 1 << 20;
/// Operations whose beginning is remembered at most: reads behind are not checked for freshness.
const MOST_OPEN: usize = 1 << 20;
/// How far a running node may be behind what was decided at the end.
const LAG: Duration = Duration::secs(1);
/// How often what was decided is noted.
const SAMPLE: Duration = Duration::millis(100);

/// What is known about one place of the log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    /// The hash of what was decided here, if anybody announced it, and in which ballot: round and node.
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

/// Some operations of each client.
#[derive(Clone, Debug, Default)]
struct Operations(Vec<Bits>);

impl Operations {
    fn has(&self, client: ClientId, op: u64) -> bool {
        self.0.get(client.index()).is_some_and(|bits| bits.has(op))
    }

    fn add(&mut self, client: ClientId, op: u64) -> bool {
        if client.index() >= self.0.len() {
            self.0.resize_with(client.index() + 1, Bits::default);
        }
        self.0[client.index()].add(op)
    }
}

/// How one replica ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub node: NodeId,
    pub applied: u64,
    pub digest: u64,
    /// Whether its log agrees with that of the foremost one, as far as that can be told.
    pub agrees: bool,
}

/// The memory over one run.
#[derive(Clone, Debug)]
pub(crate) struct Audit {
    violation: Option<Violation>,
    nodes: Vec<View>,
    /// Places of the log from `start` on.
    places: VecDeque<Place>,
    start: u64,
    basis: Option<(NodeId, ClientId, u64, Basis)>,
    requested: Operations,
    executed: Operations,
    /// The newest entry that a write was acknowledged for.
    acknowledged: u64,
    /// What that was when an operation first reached a node.
    open: BTreeMap<(ClientId, u64), u64>,
    /// How far decisions had got at moments of the last few seconds, oldest first.
    fronts: VecDeque<(Instant, u64)>,
    /// When anything was seen last.
    pub now: Instant,
    pub compared: u64,
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
            acknowledged: 0,
            open: BTreeMap::new(),
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
    }

    /// The next answer is to a read, from the state at `index`.
    pub fn read(&mut self, at: Instant, node: NodeId, index: u64, client: ClientId, op: u64) {
        self.basis = Some((node, client, op, Basis::Read));
        self.reads += 1;
        let due = self.open.get(&(client, op)).copied().unwrap_or(0);
        if index < due {
            self.fail(at, FRESH_READS, node, || {
                format!(
                    "{node} served operation {op} of {client} from its state at entry {index}, but entry {due} had been \
                     acknowledged before it was asked"
                )
            });
        }
    }

    /// A client's request reached a node.
    pub fn requested(&mut self, ticket: Ticket) {
        self.requested.add(ticket.client, ticket.op);
        // Kept after the answer: a late try may be served long after the client has its answer from somebody else.
        if self.open.len() < MOST_OPEN {
            self.open.entry((ticket.client, ticket.op)).or_insert(self.acknowledged);
        }
    }

    /// A node answered a client.
    pub fn answered(&mut self, at: Instant, node: NodeId, ticket: Ticket) {
        let basis =
            self.basis.take().filter(|(n, client, op, _)| (*n, *client, *op) == (node, ticket.client, ticket.op));
        if let Some((_, _, _, Basis::Read)) = basis {
            return;
        }
        if let Some((_, _, _, Basis::Execution { index })) = basis {
            self.acknowledged = self.acknowledged.max(index);
        }
        self.answers += 1;
        if !self.executed.has(ticket.client, ticket.op) {
            self.fail(at, ACKNOWLEDGED_WRITES_SURVIVE, node, || {
                format!("{node} acknowledged operation {} of {}, which was never executed", ticket.op, ticket.client)
            });
        }
    }

    /// A node went down.
    pub fn crashed(&mut self, node: NodeId) {
        self.nodes[node.index()].applied = 0;
    }

    /// What one rule says: it looked at so many things and found nothing, unless it did.
    pub fn rule(&self, rule: &'static str, looked_at: u64, detail: String) -> Verdict {
        match &self.violation {
            Some(violation) if violation.rule == rule => Verdict::Fail(violation.clone()),
            _ if looked_at == 0 => Verdict::Inconclusive { rule, why: format!("nothing to check: {detail}") },
            _ => Verdict::Pass { rule, detail },
        }
    }

    /// What the rules of the service say about a finished run.
    pub fn verdicts(&self, ended: &[Ended], nodes: usize) -> Vec<Verdict> {
        vec![
            self.rule(STATE_MACHINE_SAFETY, self.states, format!("{} states compared", self.states)),
            self.rule(FRESH_READS, self.reads, format!("{} reads", self.reads)),
            self.rule(VALIDITY, self.executions, format!("{} operations executed", self.executions)),
            self.rule(ACKNOWLEDGED_WRITES_SURVIVE, self.answers, format!("{} acknowledged writes", self.answers)),
            self.rule(EXACTLY_ONCE, self.executions, format!("{} operations executed", self.executions)),
            self.convergence(ended, nodes),
        ]
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
        let due =
            self.fronts.iter().rev().find(|(then, _)| self.now.since(*then) >= LAG).map_or(0, |(_, front)| *front);
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
                    "{} ended at entry {} in state {:016x}, {} at entry {} in state {:016x}; decided long before: {due}",
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
