//! What must hold: a transaction commits everywhere or nowhere and that stays, locks go, nobody is in doubt for ever,
//! and what clients saw is what their level promises.

use super::history::{self, Judged, Operation, Operations, Try};
use super::ledger::Ledger;
use super::log::{Member, lane};
use super::measure::Figures;
use super::message::{CommitFact, CommitMessage, CommitRequest, CommitResponse, What};
use super::node::Machine;
use super::options::{Config, Duty, Sharding};
use super::system::patience;
use super::txn::{Found, Key, Shards, TxnId};
use crate::consensus::raft::RaftProtocol;
use crate::consensus::raft::checks::RaftChecks;
use crate::shared::in_the_end;
use crate::shared::replication::{CouncilChecks, Protocol};
use sim_core::measures::Measures;
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::transactions::{Level, Ruling};
use sim_core::{Instant, NodeId, Observed, Observer, Outcome, Span, Ticket, Verdict, Violation};
use std::rc::Rc;

sim_core::rules! {
    /// Whoever decides a transaction, and every shard that carries it out, does as all others: it is committed
    /// everywhere or nowhere.
    pub const ALL_OR_NOTHING: &str = "all_or_nothing";
    /// What a coordinator has decided, or told a client, stays so over any crash.
    pub const NO_DECISION_UNDONE: &str = "no_decision_undone";
    /// A shard that has been told of an abort, or has refused, takes no locks for that transaction any more.
    pub const NO_ORPHAN_LOCKS: &str = "no_orphan_locks";
    /// In the end, when all are up and connected, nobody is in doubt or holds locks for longer than it takes to ask.
    pub const DOUBTS_END: &str = "doubts_end";
    /// What clients saw of lists and registers is what the isolation level promises.
    pub const ISOLATION: &str = "isolation";
    /// Money is moved, not made: whoever reads all accounts finds what there was, and so it is in the end.
    pub const MONEY_IS_KEPT: &str = "money_is_kept";
    /// An operation with an idempotency key takes effect once, however often it is tried.
    pub const EFFECTS_ONCE: &str = "effects_once";
    /// The Raft group of each shard keeps the rules of Raft.
    pub const SHARDS_AGREE: &str = "shards_agree";
}

/// What is known of one try of a transaction.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub client: u32,
    pub op: u64,
    pub begun: Instant,
    pub participants: Shards,
    /// Asked for votes.
    pub collects: Option<Instant>,
    /// The first yes.
    pub voted: Option<Instant>,
    /// Who has decided it first, how, when.
    pub decided: Option<(NodeId, bool, Instant)>,
    /// How each shard has carried it out.
    pub applied: SortedMap<u32, bool>,
    /// Messages of the commit protocol, without acknowledgements.
    pub messages: u32,
    /// Whether anybody was blocked by it.
    pub blocked: bool,
}

/// The memory of one run.
#[derive(Clone, Debug)]
pub struct CommitChecks {
    pub(super) config: Rc<Config>,
    pub(super) seen: SortedMap<TxnId, Seen>,
    pub(super) operations: Operations,
    pub(super) figures: Figures,
    refused: SortedSet<(NodeId, TxnId)>,
    councils: Vec<CouncilChecks<Member, RaftChecks>>,
    audits: u64,
    wrong_audit: Option<Violation>,
    broken: Option<Violation>,
    pub(super) now: Instant,
}

impl CommitChecks {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(config: &Rc<Config>) -> Self {
        let council = |shard| {
            let checks = RaftProtocol::checks::<Ledger>(&config.group(shard));
            CouncilChecks::new(SHARDS_AGREE, lane(shard), checks)
        };
        let shards = if config.shard == Sharding::Raft { config.shards() } else { 0 };
        Self {
            config: Rc::clone(config),
            seen: SortedMap::new(),
            operations: Operations::new(),
            figures: Figures::new(config),
            refused: SortedSet::new(),
            councils: (0..shards).map(council).collect(),
            audits: 0,
            wrong_audit: None,
            broken: None,
            now: Instant::ZERO,
        }
    }

    fn breaks(&mut self, rule: &'static str, node: NodeId, detail: String) {
        let violation = Violation { rule: rule.to_owned(), at: self.now, node: Some(node), detail };
        self.broken.get_or_insert(violation);
    }

    fn on_fact(&mut self, node: NodeId, fact: CommitFact) {
        let at = self.now;
        self.figures.on_fact(at, node, fact, &mut self.seen);
        match fact {
            CommitFact::Begins { txn, client, op } => {
                if let Some(operation) = self.operations.get_mut(&(client, op)) {
                    operation.tries.insert(txn, Try::Open);
                }
                self.seen.insert(txn, Seen { client, op, begun: at, ..Seen::default() });
            }
            CommitFact::Collects { txn, participants } => {
                let seen = self.seen.entry(txn).or_default();
                seen.participants = participants;
                seen.collects.get_or_insert(at);
            }
            CommitFact::Prepared { txn, .. } => _ = self.seen.entry(txn).or_default().voted.get_or_insert(at),
            CommitFact::Decides { txn, commit, .. } => self.on_decision(node, txn, commit),
            CommitFact::Applies { txn, shard, commit } => self.on_applied(node, txn, shard, commit),
            CommitFact::Refused { txn, .. } => _ = self.refused.insert((node, txn)),
            CommitFact::Locks { txn, .. } if self.refused.contains(&(node, txn)) => {
                let detail = format!("{node} takes locks for {txn}, of which it was told that it is aborted");
                self.breaks(NO_ORPHAN_LOCKS, node, detail);
            }
            // Who has lost its memory knows of no abort that is not in the log.
            CommitFact::Serves { .. } => self.refused.retain(|(of, _)| *of != node),
            _ => {}
        }
    }

    fn on_decision(&mut self, node: NodeId, txn: TxnId, commit: bool) {
        let at = self.now;
        let seen = self.seen.entry(txn).or_default();
        let word = |commit| if commit { "committed" } else { "aborted" };
        match seen.decided {
            None => seen.decided = Some((node, commit, at)),
            Some((_, before, _)) if before == commit => {}
            Some((by, before, then)) => {
                let rule = if by == node { NO_DECISION_UNDONE } else { ALL_OR_NOTHING };
                let detail = format!("{node} has {txn} {}, which {by} had {} at {then}", word(commit), word(before));
                return self.breaks(rule, node, detail);
            }
        }
        let other = seen.applied.iter().find(|(_, applied)| **applied != commit).map(|(shard, _)| *shard);
        let name = (seen.client, seen.op);
        if let Some(shard) = other {
            let detail = format!("{node} has {txn} {}, which s{} has {}", word(commit), shard + 1, word(!commit));
            self.breaks(ALL_OR_NOTHING, node, detail);
        }
        if let Some(tried) = self.operations.get_mut(&name).and_then(|operation| operation.tries.get_mut(&txn)) {
            *tried = if commit { Try::Committed } else { Try::Aborted };
        }
        self.look_for_doubles(node, name);
    }

    /// How often an operation has taken effect.
    fn look_for_doubles(&mut self, node: NodeId, name: (u32, u64)) {
        let Some(operation) = self.operations.get(&name) else { return };
        let times = operation.tries.values().filter(|tried| **tried == Try::Committed).count();
        let reads = matches!(operation.request.what, What::Audit | What::Lists | What::Registers | What::Get);
        if times > 1 && !reads {
            self.figures.doubled.insert(name, operation.request);
            if self.config.idempotency {
                let detail = format!("operation {} of c{} has committed {times} times", name.1, name.0 + 1);
                self.breaks(EFFECTS_ONCE, node, detail);
            }
        }
    }

    fn on_applied(&mut self, node: NodeId, txn: TxnId, shard: u32, commit: bool) {
        let at = self.now;
        let seen = self.seen.entry(txn).or_default();
        let word = |commit| if commit { "committed" } else { "aborted" };
        seen.decided.get_or_insert((node, commit, at));
        let by = seen.decided.filter(|(_, decided, _)| *decided != commit).map(|(by, ..)| by);
        let other = seen.applied.iter().find(|(_, applied)| **applied != commit).map(|(other, _)| *other);
        seen.applied.insert(shard, commit);
        let what = format!("s{} has {txn} {}", shard + 1, word(commit));
        if let Some(by) = by {
            self.breaks(ALL_OR_NOTHING, node, format!("{what}, which {by} had {}", word(!commit)));
        } else if let Some(other) = other {
            self.breaks(ALL_OR_NOTHING, node, format!("{what}, which s{} had {}", other + 1, word(!commit)));
        }
    }

    fn on_return(&mut self, ticket: Ticket, request: &CommitRequest, node: NodeId, outcome: &Outcome<CommitResponse>) {
        let at = self.now;
        if let Some(operation) = self.operations.get_mut(&(ticket.client.0, ticket.op)) {
            operation.returned = Some((at, outcome.clone()));
            self.figures.on_return(operation);
        }
        let Outcome::Ok(CommitResponse::Committed { txn, found }) = outcome else { return };
        if request.what == What::Audit {
            self.audits += 1;
            let sum: i64 =
                found.iter().map(|found| if let Found::Balance(balance) = found { *balance } else { 0 }).sum();
            let expected = (self.config.accounts * self.config.balance) as i64;
            if sum != expected && self.config.judged_by() >= Level::SnapshotIsolation {
                let detail = format!("an audit of c{} finds {sum}, and there were {expected}", ticket.client.0 + 1);
                let violation = Violation { rule: MONEY_IS_KEPT.to_owned(), at, node: Some(node), detail };
                self.wrong_audit.get_or_insert(violation);
            }
        }
        let name = (ticket.client.0, ticket.op);
        let tried = self.operations.get(&name).and_then(|operation| operation.tries.get(txn).copied());
        if tried == Some(Try::Aborted) {
            let detail =
                format!("c{} was told that operation {} has committed, and it was aborted", name.0 + 1, name.1);
            self.breaks(NO_DECISION_UNDONE, node, detail);
        }
    }

    /// What can be said at the end.
    pub(super) fn verdicts(&self, nodes: &[Option<Machine>], end: Instant) -> Vec<Verdict> {
        let decided = self.seen.values().filter(|seen| seen.decided.is_some()).count();
        let some = |rule, many: usize, what: &str| match many {
            0 => Verdict::Inconclusive { rule, why: format!("there were no {what}") },
            many => Verdict::Pass { rule, detail: format!("{many} {what}") },
        };
        let locked = self.figures.locked;
        let mut all = vec![
            self.applied_everywhere(nodes).unwrap_or_else(|| some(ALL_OR_NOTHING, decided, "transactions decided")),
            some(NO_DECISION_UNDONE, decided, "transactions decided"),
            some(NO_ORPHAN_LOCKS, locked as usize, "times that a shard took locks for a transaction"),
            in_the_end::verdict(DOUBTS_END, end, self.in_doubt(nodes, end)),
            self.isolation(nodes),
        ];
        if self.audits > 0 || self.figures.transfers > 0 {
            all.push(self.money(nodes, end));
        }
        if self.config.idempotency {
            all.push(some(EFFECTS_ONCE, self.operations.len(), "operations"));
        }
        all.extend(self.councils.iter().map(|council| council.verdict(nodes)));
        all
    }

    /// A transaction that was decided long ago and is not carried out somewhere.
    fn applied_everywhere(&self, nodes: &[Option<Machine>]) -> Option<Verdict> {
        let limit = patience(&self.config);
        for (txn, seen) in &self.seen {
            let Some((by, true, at)) = seen.decided else { continue };
            if self.now.since(at) < limit {
                continue;
            }
            let is_up = |shard: u32| self.config.nodes_of(shard).all(|node| nodes[node.index()].is_some());
            let missing = seen.participants.iter().find(|shard| is_up(*shard) && !seen.applied.contains_key(shard));
            if let Some(shard) = missing {
                let detail = format!("{by} has {txn} committed at {at}, and s{} has done nothing of it", shard + 1);
                let node = self.config.nodes_of(shard).next();
                return Some(Verdict::Fail(Violation { rule: ALL_OR_NOTHING.to_owned(), at: self.now, node, detail }));
            }
        }
        None
    }

    fn in_doubt(&self, nodes: &[Option<Machine>], end: Instant) -> Option<(NodeId, String)> {
        let limit = patience(&self.config);
        let is_old = |txn: &TxnId| self.seen.get(txn).is_none_or(|seen| end.since(seen.begun) > limit);
        let shards = in_the_end::each(nodes).filter_map(|(node, machine)| Some((node, machine.shard()?)));
        for (node, shard) in shards.filter(|(_, shard)| shard.log().serves()) {
            if let Some(txn) = shard.log().ledger().prepared().keys().find(|txn| is_old(txn)) {
                return Some((node, format!("{node} is in doubt about {txn}")));
            }
            if let Some(txn) = shard.locks().all().find(is_old) {
                return Some((node, format!("{node} holds locks for {txn}, or has it wait for some")));
            }
        }
        None
    }

    /// The history by the level that is promised.
    fn judged(&self, nodes: &[Option<Machine>]) -> Judged {
        let last: Vec<(Key, Found)> = self.settled(nodes).iter().flat_map(|ledger| ledger.contents()).collect();
        history::judge(&self.config, &self.operations, self.config.judged_by(), &last)
    }

    /// What the shards hold, if all are there to be asked and nothing is in doubt.
    fn settled<'a>(&self, nodes: &'a [Option<Machine>]) -> Vec<&'a Ledger> {
        let shards = in_the_end::each(nodes).filter_map(|(_, machine)| machine.shard());
        let all: Vec<&Ledger> = shards.filter(|shard| shard.log().serves()).map(|shard| shard.log().ledger()).collect();
        let there = all.len() as u32 == self.config.shards() && all.iter().all(|ledger| ledger.prepared().is_empty());
        if there { all } else { Vec::new() }
    }

    fn isolation(&self, nodes: &[Option<Machine>]) -> Verdict {
        let (judged, level) = (self.judged(nodes), self.config.judged_by());
        match (judged.first, judged.ruling) {
            (Some((detail, at)), _) => Verdict::Fail(Violation { rule: ISOLATION.to_owned(), at, node: None, detail }),
            (None, _) if judged.committed == 0 => {
                Verdict::Inconclusive { rule: ISOLATION, why: "no lists or registers were used".to_owned() }
            }
            (None, Ruling::Inconclusive) => {
                let why = "the order of some versions is not known, and the likely ones do not fit".to_owned();
                Verdict::Inconclusive { rule: ISOLATION, why }
            }
            (None, _) => {
                Verdict::Pass { rule: ISOLATION, detail: format!("{} transactions are {level}", judged.committed) }
            }
        }
    }

    /// The sum over all shards, if each is there to be asked and nothing is in doubt.
    fn money(&self, nodes: &[Option<Machine>], end: Instant) -> Verdict {
        let rule = MONEY_IS_KEPT;
        if let Some(violation) = &self.wrong_audit {
            return Verdict::Fail(violation.clone());
        }
        let added: i64 = self.settled(nodes).iter().map(|ledger| ledger.added()).sum();
        if added != 0 {
            let detail = format!("{added} more is on the accounts in the end than was at the start");
            return Verdict::Fail(Violation { rule: rule.to_owned(), at: end, node: None, detail });
        }
        Verdict::Pass { rule, detail: format!("{} audits, {} transfers", self.audits, self.figures.transfers) }
    }

    /// What a report shows of a run.
    pub(super) fn measures(&self, span: Span) -> Measures {
        self.figures.measures(self, span)
    }

    /// What happens to machines of other shards, and to coordinators, is nothing to a shard's group.
    fn watch_councils(&mut self, at: Instant, what: &Observed<'_, Machine>) {
        for (shard, council) in (0..).zip(&mut self.councils) {
            if what.befalls(|node| self.config.duty(node) == Duty::Shard(shard)) {
                council.observe(at, what);
            }
        }
    }
}

/// The transaction that a message of a commit protocol is about: not those that carry out acts, ask what became of one,
/// or only acknowledge.
fn protocol_message(message: &CommitMessage) -> Option<TxnId> {
    match message {
        CommitMessage::Executed { txn, vote: Some(_), .. }
        | CommitMessage::Prepare { txn, .. }
        | CommitMessage::Voted { txn, .. }
        | CommitMessage::Pre { txn, .. }
        | CommitMessage::Stands { txn, .. }
        | CommitMessage::Decision { txn, .. }
        | CommitMessage::Phase1a { txn, .. }
        | CommitMessage::Phase1b { txn, .. }
        | CommitMessage::Phase2a { txn, .. }
        | CommitMessage::Phase2b { txn, .. } => Some(*txn),
        _ => None,
    }
}

impl Observer<Machine> for CommitChecks {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Machine>) {
        self.now = at;
        if !self.councils.is_empty() {
            self.watch_councils(at, what);
        }
        match what {
            Observed::Noted { node, fact } => self.on_fact(*node, *fact),
            Observed::Sent { message, .. } => {
                if let Some(seen) = protocol_message(message).and_then(|txn| self.seen.get_mut(&txn)) {
                    seen.messages += 1;
                }
            }
            Observed::Crashed { node, .. } => self.figures.on_crash(at, *node, &mut self.seen),
            Observed::Booted { node, .. } => self.figures.on_boot(*node),
            Observed::Invoked { ticket, request } => {
                let operation = Operation { request: **request, invoked: at, returned: None, tries: SortedMap::new() };
                self.operations.insert((ticket.client.0, ticket.op), operation);
            }
            Observed::Returned { ticket, request, outcome, node, .. } => {
                self.on_return(*ticket, request, node.unwrap_or(NodeId(0)), outcome);
            }
            _ => {}
        }
    }

    fn after_step(&mut self, at: Instant, stepped: NodeId, nodes: &[Option<Machine>]) -> Result<(), Violation> {
        if let Some(broken) = self.broken.take() {
            return Err(broken);
        }
        match self.config.duty(stepped) {
            Duty::Shard(shard) => match self.councils.get_mut(shard as usize) {
                Some(council) => council.after_step(at, stepped, nodes),
                None => Ok(()),
            },
            Duty::Coordinator => Ok(()),
        }
    }
}
