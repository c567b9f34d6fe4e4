//! What fail-over promises, watched on every run: each rule where the design makes the promise, and a count where it
//! does not.

use super::arbiter::{LANE, Member};
use super::formulas::Uptime;
use super::ledger::{Ledger, Told};
use super::log::{Log, Position};
use super::message::{FailoverFact, FailoverMessage};
use super::node::Failover;
use super::options::{Config, Promote};
use super::promises::Promises;
pub use super::promises::{COMMITS_ARE_ITS_OWN, IN_SYNC_HAS_ALL, PLEDGES_KEPT, ROLES_ARE_TRUE};
use super::sentinel::SentinelRules;
use super::story::Story;
use crate::consensus::raft::RaftFact;
use crate::consensus::raft::checks::RaftChecks;
use crate::shared::fail_over::fail_overs;
use crate::shared::kv::register::Registers;
use crate::shared::replication::audit::{ACKNOWLEDGED_WRITES_SURVIVE, Audit, CONVERGENCE};
use crate::shared::replication::{CouncilChecks, Minute};
use sim_core::fault::{ClockChange, Fault};
use sim_core::measures::{Formula, Losses, Measures};
use sim_core::sorted::SortedMap;
use sim_core::{ClientId, Duration, Instant, NodeId, NodeSet, Observed, Observer, Span, Verdict, Violation};
use std::collections::VecDeque;

sim_core::rules! {
    /// No two nodes are primaries of one epoch, and where the design excludes it no two accept writes at the same time.
    pub const ONE_PRIMARY: &str = "one_primary";
    /// An entry of an epoch at an offset is the same on every node, and so is all before it.
    pub const LOGS_AGREE: &str = "logs_agree";
    /// A node votes and leads in no older epoch than before, not even after a restart.
    pub const EPOCHS_INCREASE: &str = "epochs_increase";
    /// Nobody reads what is gone later.
    pub const NO_DIRTY_READS: &str = "no_dirty_reads";
    /// An acknowledged write is lost only if none of those who made the new primary had it.
    pub const LOSSES_ALLOWED: &str = "losses_allowed";
    /// Nobody gets the lead back before its time, and after the storm there is peace.
    pub const SETTLES: &str = "settles";
    /// The arbiters' Raft keeps the rules of any other.
    pub const ARBITERS_AGREE: &str = "arbiters_agree";
}

/// Entries whose running hashes are remembered.
const LONGEST_MEMORY: usize = 1 << 20;
/// How far a running node may be behind what was committed at the end.
const LAG: Duration = Duration::secs(1);
/// How often what was committed is noted.
const SAMPLE: Duration = Duration::millis(100);
/// Fail-overs that the end of the faults may still bring about.
const AFTERMATH: u64 = 3;

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    decided: u64,
    acknowledged: u64,
    compared: u64,
    votes: u64,
    reads: u64,
    forgiven: u64,
    handed_back: u64,
    since_calm: u64,
}

/// The memory over one run.
#[derive(Clone, Debug)]
pub struct FailoverChecks {
    config: Config,
    audit: Audit,
    ledger: Ledger,
    story: Story,
    promises: Promises,
    uptime: Uptime,
    /// The rules of the arbiters' Raft, if there is one.
    arbiters: Option<Box<CouncilChecks<Member, RaftChecks>>>,
    /// The rules of the sentinels, if there are any.
    sentinels: Option<Box<SentinelRules>>,
    /// The running hash up to each entry that was applied anywhere.
    chains: SortedMap<(u64, u64), u64>,
    /// The primary of each epoch, and when it was decided on.
    primaries: SortedMap<u64, (NodeId, Instant)>,
    /// The newest epoch in which each node voted or led.
    epochs: Vec<u64>,
    decided: Option<(NodeId, NodeSet)>,
    /// Whether a hand-over has begun since the last one was decided.
    handed: bool,
    /// Nodes that could not read their disks.
    unreadable: NodeSet,
    /// When a clock was last set wrong.
    clock: Option<Instant>,
    /// What was committed at moments of the last few seconds by the newest primary, oldest first.
    fronts: VecDeque<(Instant, u64)>,
    counts: Counts,
    registers: Registers,
    /// Reads that saw less than had been acknowledged.
    stale: Vec<(ClientId, u64)>,
}

impl FailoverChecks {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            config: *config,
            audit: Audit::new(config.nodes),
            ledger: Ledger::default(),
            story: Story::new(),
            promises: Promises::default(),
            uptime: Uptime::new(config),
            arbiters: (config.arbiter_nodes().next().is_some())
                .then(|| Box::new(CouncilChecks::new(ARBITERS_AGREE, LANE, RaftChecks::new(config.nodes)))),
            sentinels: config.has_sentinels().then(Box::default),
            chains: SortedMap::new(),
            primaries: SortedMap::new(),
            epochs: vec![0; config.nodes as usize],
            decided: None,
            handed: false,
            unreadable: NodeSet::EMPTY,
            clock: None,
            fronts: VecDeque::new(),
            counts: Counts::default(),
            registers: Registers::default(),
            stale: Vec::new(),
        }
    }

    /// The first rule that was broken, if any.
    #[must_use]
    pub const fn violation(&self) -> Option<&Violation> {
        self.audit.violation()
    }

    fn on_decided(&mut self, at: Instant, node: NodeId, epoch: u64, supporters: NodeSet, planned: bool) {
        self.counts.decided += 1;
        // One that goes wrong after a hand-over has been asked for all the same.
        if self.story.calm.is_some() && !planned && !self.handed {
            self.counts.since_calm += 1;
        }
        self.handed = false;
        // One that is told to lead goes on after a restart.
        let goes_on = |other: NodeId| other == node && self.config.has_sentinels();
        if let Some((other, _)) = self.primaries.insert(epoch, (node, at)).filter(|(other, _)| !goes_on(*other)) {
            self.audit.fail(at, ONE_PRIMARY, node, || {
                format!("{node} became the primary of epoch {epoch}, and so did {other}")
            });
        }
        self.decided = Some((node, supporters));
        self.fronts.clear();
        let (since_calm, calm) = (self.counts.since_calm, self.story.calm);
        if since_calm > AFTERMATH {
            self.audit.fail(at, SETTLES, node, || {
                let calm = calm.unwrap_or(Instant::ZERO);
                format!("{since_calm} fail-overs that nobody asked for since the last fault ended at {calm}")
            });
        }
    }

    fn on_acknowledged(&mut self, at: Instant, node: NodeId, epoch: u64, basis: Position, told: Told) {
        self.counts.acknowledged += 1;
        let late = self.story.is_superseded(node, epoch);
        // Where losses are allowed, a write belongs to the primary it was lost with, even if the next one did not serve
        // yet.
        let decided = !self.config.keeps() && self.primaries.range(epoch + 1..).next().is_some();
        self.ledger.acknowledged(basis, told, late || decided);
        if late && self.config.excludes() {
            self.audit.fail(at, ONE_PRIMARY, node, || {
                format!(
                    "{node} acknowledged operation {} of {} as primary of epoch {epoch}, but another node serves as \
                     primary of a newer one",
                    told.op, told.client
                )
            });
        }
    }

    fn on_chain(&mut self, at: Instant, node: NodeId, entry: Position, chain: u64) {
        if self.config.is_shared() && !self.config.keeps() {
            // On a storage that anybody writes to blocks of two primaries lie as they fell.
            return;
        }
        self.counts.compared += 1;
        let known = *self.chains.entry((entry.offset, entry.epoch)).or_insert(chain);
        if self.chains.len() > LONGEST_MEMORY {
            self.chains.pop_first();
        }
        if known != chain {
            self.audit.fail(at, LOGS_AGREE, node, || {
                format!(
                    "{node} holds entry {} of epoch {} like another node, but the logs differ up to there",
                    entry.offset, entry.epoch
                )
            });
        }
    }

    fn on_fact(&mut self, at: Instant, node: NodeId, fact: &FailoverFact) {
        let keeps = self.config.keeps();
        self.story.on_fact(at, node, fact);
        self.promises.on_fact(&self.config, &mut self.audit, at, node, fact);
        self.uptime.on_fact(at, node, fact);
        match *fact {
            FailoverFact::Decided { epoch, supporters, planned } => {
                self.on_decided(at, node, epoch, supporters, planned);
            }
            FailoverFact::Executed { entry, client, op, fresh } => {
                if fresh {
                    self.ledger.executed(entry, client, op);
                }
                if keeps {
                    self.audit.executed(at, node, entry.offset, client, op, fresh);
                }
            }
            FailoverFact::Acknowledged { entry, epoch, client, op, key } => {
                self.on_acknowledged(at, node, epoch, entry, Told { client, op, key, epoch, at, node });
            }
            FailoverFact::ReadServed { entry, primary, client, op } => {
                self.counts.reads += 1;
                if keeps {
                    self.ledger.read(entry, Told { client, op, key: 0, epoch: entry.epoch, at, node });
                    if primary && self.config.excludes() {
                        self.audit.read(at, node, entry.offset, client, op);
                    } else {
                        self.audit.stale_read(node, client, op);
                    }
                }
            }
            FailoverFact::Applied { entry, chain, digest } => {
                self.on_chain(at, node, entry, chain);
                if keeps {
                    self.audit.applied(at, LOGS_AGREE, node, entry.offset, chain, Some(digest));
                }
                if self.primaries.last_key_value().is_some_and(|(_, (primary, _))| *primary == node) {
                    self.on_front(at, entry.offset);
                }
            }
            FailoverFact::SnapshotInstalled { entry, chain, digest } => {
                self.on_chain(at, node, entry, chain);
                if keeps {
                    self.audit.installed(at, LOGS_AGREE, node, entry.offset, chain, digest);
                }
            }
            FailoverFact::SnapshotTaken { offset } if keeps => self.audit.snapshot(node, offset),
            FailoverFact::Truncated { from, .. } if keeps => {
                let applied = self.audit.applied_by(node);
                if from <= applied {
                    self.audit.fail(at, LOGS_AGREE, node, || {
                        format!("{node} cut its log before entry {from}, but had applied up to {applied}")
                    });
                }
            }
            FailoverFact::Unreadable { .. } | FailoverFact::Arbiter(Minute::Said(RaftFact::Unreadable { .. })) => {
                self.unreadable.insert(node);
            }
            FailoverFact::HandingOver { back: false, .. } => self.handed = true,
            FailoverFact::HandingOver { epoch, to, back: true } => {
                self.handed = true;
                self.counts.handed_back += 1;
                // Its own time counts: it need not know that somebody else has been decided on meanwhile.
                let since = self.primaries.get(&epoch).map_or(Instant::ZERO, |(_, decided)| *decided);
                let due = self.config.fail_back_after;
                // Clocks may be a little fast, and one that was set tells nobody how long something takes.
                if at.since(since).0 < due.0 - due.0 / 16 && self.clock.is_none_or(|then| then < since) {
                    self.audit.fail(at, SETTLES, node, || {
                        format!(
                            "{node} gives the lead of epoch {epoch} back to {to} after {}, not {due}",
                            at.since(since)
                        )
                    });
                }
            }
            _ => {}
        }
    }

    fn on_front(&mut self, at: Instant, offset: u64) {
        if self.fronts.back().is_none_or(|(then, _)| at.since(*then) >= SAMPLE) {
            self.fronts.push_back((at, offset));
            while self.fronts.get(1).is_some_and(|(then, _)| at.since(*then) >= LAG) {
                self.fronts.pop_front();
            }
        }
    }

    /// What was said in an epoch can not be taken back in an older one.
    fn on_said(&mut self, at: Instant, node: NodeId, epoch: u64) {
        self.counts.votes += 1;
        let newest = &mut self.epochs[node.index()];
        if epoch < *newest {
            let newest = *newest;
            self.audit.fail(at, EPOCHS_INCREASE, node, || {
                format!("{node} voted or led in epoch {epoch}, after epoch {newest}")
            });
        } else {
            *newest = epoch;
        }
    }

    /// A new primary's log must hold what was acknowledged, where that is promised, and else what its supporters have.
    fn check_primary(&mut self, at: Instant, node: NodeId, supporters: NodeSet, nodes: &[Option<Failover>]) {
        let Some(primary) = nodes[node.index()].as_ref().filter(|_| !self.config.is_shared()) else { return };
        let epoch = primary.epoch();
        let lacking = self.ledger.lacks(primary.log(), epoch);
        let Some((newest, told)) = lacking.first() else { return };
        let end = primary.log().position();
        if self.config.keeps() {
            let detail = format!(
                "{node} leads epoch {epoch} without entry {} of epoch {}, which was acknowledged to {} at {}; its log \
                 ends at {} with {} such writes missing",
                newest.offset,
                newest.epoch,
                told.client,
                told.at,
                end.offset,
                lacking.len()
            );
            return self.audit.fail(at, ACKNOWLEDGED_WRITES_SURVIVE, node, || detail);
        }
        self.counts.forgiven += lacking.len() as u64;
        if self.config.promote == Promote::First {
            return;
        }
        for supporter in supporters.iter() {
            let Some(log) = nodes[supporter.index()].as_ref().map(Failover::log) else { continue };
            if let Some((entry, _)) = lacking.iter().find(|(entry, _)| log.holds(*entry)) {
                let detail = format!(
                    "{node} leads epoch {epoch} without entry {} of epoch {}, which was acknowledged and which \
                     {supporter} \
                     had when it agreed",
                    entry.offset, entry.epoch
                );
                return self.audit.fail(at, LOSSES_ALLOWED, node, || detail);
            }
        }
    }

    /// Whose log counts at the end: the shared storage's, or that of the newest primary that runs, or else the most
    /// advanced.
    fn last_log<'a>(&self, nodes: &'a [Option<Failover>]) -> Option<&'a Failover> {
        if let Some(storage) = self.config.storage_node().and_then(|node| nodes[node.index()].as_ref()) {
            return Some(storage);
        }
        let live = || nodes.iter().flatten();
        let primary = live().filter(|node| node.leads()).max_by_key(|node| node.epoch());
        primary.or_else(|| live().max_by_key(|node| node.log().position()))
    }

    fn at_the_end(&self, rule: &'static str, node: NodeId, detail: String) -> Verdict {
        Verdict::Fail(Violation { rule: rule.to_owned(), at: self.audit.now, node: Some(node), detail })
    }

    /// What each rule says about the run, given the nodes as they ended.
    #[must_use]
    pub fn verdicts(&self, nodes: &[Option<Failover>]) -> Vec<Verdict> {
        let (c, audit) = (&self.counts, &self.audit);
        let log = self.last_log(nodes).map_or_else(Log::default, |node| node.log().clone());
        let listed = self.ledger.lost(&log);
        let lost = listed.len();
        let mut verdicts = vec![
            audit.rule(ONE_PRIMARY, c.decided, format!("{} primaries, {} epochs", c.decided, self.primaries.len())),
            audit.rule(EPOCHS_INCREASE, c.votes, format!("{} votes and heartbeats", c.votes)),
            audit.rule(
                SETTLES,
                c.decided,
                format!("{} times handed back, {} fail-overs after the last fault", c.handed_back, c.since_calm),
            ),
        ];
        if self.config.keeps() || !self.config.is_shared() {
            let compared = format!("{} times compared", c.compared);
            verdicts.insert(1, audit.rule(LOGS_AGREE, c.compared, compared));
        }
        if self.config.keeps() {
            for verdict in audit.rules() {
                let last = self.at_the_end(ACKNOWLEDGED_WRITES_SURVIVE, NodeId(0), {
                    let first =
                        listed.first().map_or_else(String::new, |write| format!("{}, {}", write.what, write.why));
                    format!("{lost} acknowledged writes are gone at the end, the first: {first}")
                });
                match verdict {
                    Verdict::Pass { rule: ACKNOWLEDGED_WRITES_SURVIVE, .. } if lost > 0 => verdicts.push(last),
                    verdict => verdicts.push(verdict),
                }
            }
            let dirty = self.ledger.dirty(&log).filter(|_| audit.violation().is_none());
            match dirty {
                Some((entry, told)) => verdicts.push(self.at_the_end(
                    NO_DIRTY_READS,
                    told.node,
                    format!(
                        "{} answered operation {} of {} from its state at entry {} of epoch {}, which is gone",
                        told.node, told.op, told.client, entry.offset, entry.epoch
                    ),
                )),
                None if c.reads == 0 => {}
                None => verdicts.push(audit.rule(
                    NO_DIRTY_READS,
                    c.reads,
                    format!("{} reads of {} states", c.reads, self.ledger.reads()),
                )),
            }
        } else {
            verdicts.push(audit.rule(
                LOSSES_ALLOWED,
                c.acknowledged,
                // What clients lost is counted by operations as they saw them: see `measured`.
                "acknowledged writes are lost only where this design allows it".to_owned(),
            ));
        }
        verdicts.extend(self.promises.verdicts(audit));
        verdicts.push(self.convergence(nodes));
        if let Some(sentinels) = &self.sentinels {
            verdicts.extend(sentinels.verdicts(audit));
        }
        if let Some(arbiters) = &self.arbiters {
            verdicts.push(arbiters.verdict(nodes));
        }
        verdicts
    }

    /// After the storm there is one primary, and everybody who holds data has what it has.
    fn convergence(&self, nodes: &[Option<Failover>]) -> Verdict {
        let fail = |node: NodeId, detail| self.at_the_end(CONVERGENCE, node, detail);
        if let Some(violation) = self.audit.violation() {
            let why = format!("the run ended when {} was broken", violation.rule);
            return Verdict::Inconclusive { rule: CONVERGENCE, why };
        }
        let live: Vec<&Failover> = nodes.iter().flatten().collect();
        // One whose disk can not be read stays out.
        let out = self.unreadable.iter().filter(|node| nodes[node.index()].is_none()).count();
        if live.len() + out < nodes.len() {
            let why = format!("{} of {} nodes run", live.len(), nodes.len());
            return Verdict::Inconclusive { rule: CONVERGENCE, why };
        }
        let leading: Vec<&&Failover> = live.iter().filter(|node| node.leads()).collect();
        let due =
            self.fronts.iter().rev().find(|(then, _)| self.audit.now.since(*then) >= LAG).map_or(0, |(_, at)| *at);
        // Links go on losing messages, so a fail-over may be under way when the run ends. It must be a new one.
        let stopped = self.story.stopped_leading().map(|at| self.audit.now.since(at)).filter(|ago| *ago < LAG);
        if let (true, Some(ago)) = (leading.is_empty(), stopped) {
            let holds = |node: NodeId| self.config.holds_data(node) && !self.config.is_shared();
            let behind = live.iter().find(|node| holds(node.me) && node.applied() < due);
            return match behind {
                Some(node) => fail(node.me, format!("{} has applied {}, not {due}", node.me, node.applied())),
                None => Verdict::Pass {
                    rule: CONVERGENCE,
                    detail: format!("the primary stopped {ago} before the end; all data nodes have entry {due}"),
                },
            };
        }
        let [primary] = leading.as_slice() else {
            let names: Vec<String> = leading.iter().map(|node| node.me.to_string()).collect();
            let detail = format!("{} nodes lead at the end: {}", leading.len(), names.join(", "));
            return fail(NodeId(0), detail);
        };
        for node in live.iter().filter(|node| self.config.holds_data(node.me)) {
            let chain = primary.log().chain_at(node.applied());
            let agrees = chain.is_none() || chain == node.log().chain_at(node.applied());
            let shared = self.config.is_shared() && node.me != primary.me;
            let follows = shared || node.has_joined() && node.applied() >= due && agrees;
            if node.epoch() == primary.epoch() && follows {
                continue;
            }
            let detail = format!(
                "{} ended in epoch {} with entries up to {} applied, the primary {} in epoch {} with {}; committed \
                 long \
                 before: {due}",
                node.me,
                node.epoch(),
                node.applied(),
                primary.me,
                primary.epoch(),
                primary.applied()
            );
            return fail(node.me, detail);
        }
        if let Some((node, detail)) = SentinelRules::disagreement(&live, primary.me) {
            return fail(node, detail);
        }
        let detail = format!("all data nodes agree with {} at entry {due} or later", primary.me);
        Verdict::Pass { rule: CONVERGENCE, detail }
    }

    /// What theory says of such a run.
    fn formulas(&self, span: Span) -> Vec<Formula> {
        self.uptime.formulas(self.audit.now, span, &self.story.failovers)
    }

    /// What fail-overs came to, and what clients lost.
    #[must_use]
    pub fn measured(&self, nodes: &[Option<Failover>], span: Span) -> Measures {
        let log = self.last_log(nodes).map_or_else(Log::default, |node| node.log().clone());
        let failovers = self.story.failovers.iter().map(|(_, failover)| failover.clone()).collect();
        Measures {
            losses: Some(Losses {
                lost_writes: self.ledger.lost(&log),
                stale_reads: Some(0),
                stale: self.stale.clone(),
                two_primaries: Some(self.story.two_primaries()),
                ..Losses::default()
            }),
            recoveries: Some(fail_overs(failovers)),
            formulas: self.formulas(span),
            tracks: vec![self.story.leaders(span.end)],
            ..Measures::default()
        }
    }
}

impl Observer<Failover> for FailoverChecks {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Failover>) {
        self.audit.now = at;
        self.promises.watch(&self.config, &mut self.audit, at, what, self.clock.is_none());
        if let Some(sentinels) = &mut self.sentinels {
            sentinels.watch(&mut self.audit, at, what);
        }
        if let Some(arbiters) = &mut self.arbiters {
            arbiters.observe(at, what);
        }
        match what {
            Observed::Noted { node, fact } => return self.on_fact(at, *node, fact),
            Observed::Sent {
                from,
                message:
                    FailoverMessage::Heartbeat { epoch, .. }
                    | FailoverMessage::Voice { epoch, granted: true, poll: false, .. },
                ..
            } => self.on_said(at, *from, *epoch),
            Observed::Delivered { to, message: FailoverMessage::Install { snapshot, .. }, .. } => {
                let (id, bytes) = ((snapshot.offset, snapshot.chain), snapshot.bytes);
                self.audit.pieces.arrived(*to, id, (0, bytes), bytes);
            }
            Observed::Delivered { to, message: FailoverMessage::Mounted { entries, .. }, .. } => {
                let chain = entries.iter().fold(Log::default(), |mut log, entry| {
                    log.push(entry.clone());
                    log
                });
                let id = (chain.last(), chain.chain_at(chain.last()).unwrap_or(0));
                self.audit.pieces.arrived(*to, id, (0, 1), 1);
            }
            Observed::Crashed { node, .. } => self.audit.pieces.crashed(*node),
            Observed::Invoked { ticket, request } => self.registers.invoked(*ticket, request),
            Observed::Requested { ticket, .. } => self.registers.requested(*ticket),
            Observed::Returned { ticket, request, invoked, outcome, .. }
                if self.registers.returned(*ticket, (*invoked, at), request, outcome).is_some() =>
            {
                self.stale.push((ticket.client, ticket.op));
            }
            Observed::FaultStarted { injection, .. } => {
                self.counts.since_calm = 0;
                if matches!(injection.fault, Fault::Clock(ClockChange::Step(_) | ClockChange::Freeze)) {
                    self.clock = Some(at);
                }
            }
            _ => {}
        }
        self.story.watch(at, what);
        self.uptime.watch(at, what);
        if self.config.keeps() {
            self.audit.watch(at, what);
        }
    }

    fn after_step(&mut self, at: Instant, stepped: NodeId, nodes: &[Option<Failover>]) -> Result<(), Violation> {
        if let Some((node, supporters)) = self.decided.take() {
            self.check_primary(at, node, supporters, nodes);
        }
        self.promises.after_step(&self.config, &mut self.audit, at, &self.ledger, (stepped, nodes));
        if let Some(arbiters) = &mut self.arbiters {
            arbiters.after_step(at, stepped, nodes)?;
        }
        self.audit.violation().cloned().map_or(Ok(()), Err)
    }
}
