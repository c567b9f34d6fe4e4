//! Raft's invariants (Raft paper, figure 3), watched on every run from what the nodes announce, at a constant cost
//! each. What any replicated service promises is in [`crate::shared::replication::audit`].

use super::leader_checks::LeaderChecks;
pub use super::leader_checks::{DISK_WATCHED, PROPOSALS_LET_GO, QUORUM_HEARD};
use super::member_checks::MemberChecks;
pub use super::member_checks::{
    CHANGES_FOLLOW_OWN_COMMIT, CONFIGURATIONS_OVERLAP, LEADER_UNDISTURBED, LEADERS_ARE_MEMBERS, VOTERS_ARE_CAUGHT_UP,
};
use super::message::{RaftFact, RaftMessage};
use super::node::Raft;
use super::promise_checks::PromiseChecks;
pub use super::promise_checks::{
    ELECTIONS_END, HAND_OVERS_SUCCEED, LEASES_EXCLUDE, LOYALTY_KEPT, PIPELINE_KEPT, SNAPSHOTS_REPLACE,
};
use crate::shared::replication::Audited;
use crate::shared::replication::LeaderDisk;
pub use crate::shared::replication::audit::{
    ACKNOWLEDGED_WRITES_SURVIVE, CONVERGENCE, EXACTLY_ONCE, FRESH_READS, MONOTONIC_READS, MONOTONIC_WRITES,
    READ_YOUR_WRITES, SNAPSHOTS_COMPLETE, STATE_MACHINE_SAFETY, VALIDITY, WRITES_FOLLOW_READS,
};
use crate::shared::replication::audit::{Audit, Ended};
use crate::shared::replication::held_reads::HeldReads;
use crate::shared::replication::kept_snapshots::KeptSnapshots;
use crate::shared::replication::redirects::Redirects;
use sim_core::sorted::SortedMap;
use sim_core::{Duration, Instant, NodeId, NodeSet, Observed, Observer, StateMachine, Verdict, Violation};

sim_core::rules! {
    /// At most one leader is elected in a term.
    pub const ELECTION_SAFETY: &str = "election_safety";
    /// A leader never removes or replaces entries of its own log.
    pub const LEADER_APPEND_ONLY: &str = "leader_append_only";
    /// If two logs hold an entry of the same index and term, they are equal up to there.
    pub const LOG_MATCHING: &str = "log_matching";
    /// An entry committed in some term is in the log of the leader of every later term.
    pub const LEADER_COMPLETENESS: &str = "leader_completeness";
    /// A node never removes an entry from its log that it has applied.
    pub const COMMITTED_ENTRIES_STAY: &str = "committed_entries_stay";
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    matched: u64,
    completed: u64,
    truncations: u64,
}

/// The invariants' memory over one run.
#[derive(Clone, Debug)]
pub struct RaftChecks {
    audit: Audit,
    /// The term each node leads.
    leads: Vec<Option<u64>>,
    /// Who led which term.
    leaders: SortedMap<u64, NodeId>,
    /// The newest entry that the leader of each term has committed.
    committed: SortedMap<u64, u64>,
    /// The newest entry that the leader of each term has acknowledged to a client.
    acknowledged: SortedMap<u64, u64>,
    /// Who was elected in this step, in which term.
    elected: Option<(NodeId, u64)>,
    counts: Counts,
    members: MemberChecks,
    promises: PromiseChecks,
    leading: LeaderChecks,
    /// In which time an answer to a leader is new, once a node was seen.
    window: Duration,
    held: HeldReads,
    kept: KeptSnapshots,
    redirects: Redirects,
}

impl RaftChecks {
    /// Nothing seen yet of a cluster of `nodes`.
    #[must_use]
    pub fn new(nodes: u32) -> Self {
        Self {
            audit: Audit::new(nodes),
            leads: vec![None; nodes as usize],
            leaders: SortedMap::new(),
            committed: SortedMap::new(),
            acknowledged: SortedMap::new(),
            elected: None,
            counts: Counts::default(),
            members: MemberChecks::default(),
            promises: PromiseChecks::new(nodes),
            leading: LeaderChecks::default(),
            window: Duration::ZERO,
            held: HeldReads::default(),
            kept: KeptSnapshots::default(),
            redirects: Redirects::default(),
        }
    }

    /// The first rule that was broken, if any.
    #[must_use]
    pub const fn violation(&self) -> Option<&Violation> {
        self.audit.violation()
    }

    fn on_elected(&mut self, at: Instant, node: NodeId, term: u64) {
        if let Some(other) = self.leaders.insert(term, node) {
            self.audit
                .fail(at, ELECTION_SAFETY, node, || format!("{node} was elected in term {term}, and so was {other}"));
        }
        self.leads[node.index()] = Some(term);
        self.audit.leaders.begin(at, node, format!("term {term}"));
        self.elected = Some((node, term));
    }

    fn on_appended(&mut self, at: Instant, node: NodeId, last: u64, term: u64, chain: u64) {
        let creates = self.leads[node.index()] == Some(term);
        let Some(place) = self.audit.place(last) else { return };
        if creates {
            place.value = Some(((term, node.0), chain));
            return;
        }
        let Some(((created, _), expected)) = place.value.filter(|((created, _), _)| *created == term) else { return };
        self.counts.matched += 1;
        if chain != expected {
            self.audit.fail(at, LOG_MATCHING, node, || {
                format!("{node} holds entry {last} of term {created} like its leader, but the logs differ before it")
            });
        }
    }

    fn on_truncated(&mut self, at: Instant, node: NodeId, from: u64) {
        self.counts.truncations += 1;
        let applied = self.audit.applied_by(node);
        if let Some(term) = self.leads[node.index()] {
            self.audit.fail(at, LEADER_APPEND_ONLY, node, || {
                format!("{node} leads term {term} and removed entries {from} and on from its own log")
            });
        }
        if from <= applied {
            self.audit.fail(at, COMMITTED_ENTRIES_STAY, node, || {
                format!("{node} removed entries {from} and on from its log, but had applied up to {applied}")
            });
        }
    }

    fn on_fact(&mut self, at: Instant, node: NodeId, fact: RaftFact) {
        self.members.on_fact(node, fact, self.leads[node.index()].is_some());
        self.leading.on_fact(at, node, fact, self.window);
        let anybody_leads = self.leads.iter().any(Option::is_some);
        self.promises.on_fact(&mut self.audit, at, (node, fact), self.leads[node.index()], anybody_leads);
        match fact {
            RaftFact::Elected { term, .. } => self.on_elected(at, node, term),
            RaftFact::SteppedDown { .. } => {
                self.leads[node.index()] = None;
                self.audit.leaders.end(at, node);
                self.held.stepped_down(node);
                self.redirects.stepped_down(node);
            }
            RaftFact::Appended { last, term, chain, .. } => self.on_appended(at, node, last, term, chain),
            RaftFact::Truncated { from } => self.on_truncated(at, node, from),
            RaftFact::Committed { index, term } => {
                let newest = self.committed.entry(term).or_default();
                *newest = index.max(*newest);
                self.audit.decided(at, index);
            }
            RaftFact::Executed { index, chain, client, op, fresh } => {
                self.audit.executed(at, node, index, client, op, fresh);
                self.audit.applied(at, STATE_MACHINE_SAFETY, node, index, chain, None);
            }
            RaftFact::Applied { index, chain, digest } => {
                self.audit.applied(at, STATE_MACHINE_SAFETY, node, index, chain, Some(digest));
            }
            RaftFact::SnapshotInstalled { index, chain, digest } => {
                self.audit.installed(at, STATE_MACHINE_SAFETY, node, index, chain, digest);
                self.kept.noted(node, index);
            }
            RaftFact::SnapshotTaken { index } => {
                self.audit.snapshot(node, index);
                self.kept.noted(node, index);
            }
            RaftFact::ReadServed { index, client, op } => self.audit.read(at, node, index, client, op),
            RaftFact::HandingOver { to, .. } => self.redirects.hands_over(node, Some(to)),
            RaftFact::HandOverFailed { .. } => self.redirects.hands_over(node, None),
            RaftFact::Campaign { .. }
            | RaftFact::FirstCommit { .. }
            | RaftFact::Voted { .. }
            | RaftFact::Configured { .. }
            | RaftFact::Learning { .. }
            | RaftFact::CatchUpRound { .. }
            | RaftFact::GaveUp { .. }
            | RaftFact::Left { .. }
            | RaftFact::DiskTimedOut { .. }
            | RaftFact::LeaseExpired { .. }
            | RaftFact::Unreadable { .. } => {}
        }
    }

    /// A new leader's log must hold what leaders of earlier terms have committed, and above all what they acknowledged.
    fn check_leader<M: StateMachine>(&mut self, at: Instant, term: u64, leader: &Raft<M>) {
        let node = leader.me;
        self.counts.completed += 1;
        self.members.check_leader(&mut self.audit, at, leader);
        let newest = |by_term: &SortedMap<u64, u64>| by_term.range(..term).map(|(_, index)| *index).max().unwrap_or(0);
        let rules = [
            (ACKNOWLEDGED_WRITES_SURVIVE, "acknowledged to a client", newest(&self.acknowledged)),
            (LEADER_COMPLETENESS, "committed", newest(&self.committed)),
        ];
        for (rule, what, index) in rules {
            let last = leader.log().last();
            if index > last {
                self.audit.fail(at, rule, node, || {
                    format!(
                        "{node} leads term {term} with a log that ends at {last}, but entry {index} was {what} before"
                    )
                });
                continue;
            }
            let known = self.audit.place(index).and_then(|place| place.applied);
            if let (Some(known), Some(chain)) = (known, leader.chain_at(index))
                && known != chain
            {
                self.audit.fail(at, rule, node, || {
                    format!("{node} leads term {term} with another entry {index} than the one that was {what} before")
                });
            }
        }
    }
}

impl<M: StateMachine> Audited<Raft<M>> for RaftChecks {
    fn audit(&self) -> &Audit {
        &self.audit
    }

    fn watch(&mut self, at: Instant, what: &Observed<'_, Raft<M>>) {
        self.audit.now = at;
        self.promises.watch(at, what);
        self.leading.watch(at, what);
        match what {
            Observed::Noted { node, fact } => return self.on_fact(at, *node, *fact),
            Observed::Crashed { node, .. } => {
                self.leads[node.index()] = None;
                self.audit.pieces.crashed(*node);
            }
            Observed::Delivered {
                to, message: RaftMessage::InstallSnapshot { offset, length, snapshot, .. }, ..
            } => {
                let (id, piece) = ((snapshot.index, snapshot.chain), (*offset, offset + u64::from(*length)));
                self.audit.pieces.arrived(*to, id, piece, snapshot.bytes);
            }
            _ => self.members.watch(what),
        }
        if let Some((node, index)) = self.audit.watch(at, what)
            && let Some(term) = self.leads[node.index()]
        {
            let newest = self.acknowledged.entry(term).or_default();
            *newest = index.max(*newest);
        }
    }

    #[inline]
    fn step_is_over<'a>(&mut self, at: Instant, stepped: NodeId, nodes: impl Fn(NodeId) -> Option<&'a Raft<M>>) {
        if let Some((node, term)) = self.elected.take()
            && let Some(leader) = nodes(node)
        {
            self.check_leader(at, term, leader);
        }
        self.members.after_step(&mut self.audit, at, &nodes);
        self.promises.after_step(&mut self.audit, at, &nodes);
        if let Some(raft) = nodes(stepped) {
            // It counts at least so often.
            self.window = Duration(raft.config.election_min.0 / 2);
            self.leading.after_step(&mut self.audit, at, raft);
        }
    }

    fn verdicts(&self, nodes: &[Option<&Raft<M>>]) -> Vec<Verdict> {
        let (c, audit) = (&self.counts, &self.audit);
        let (leaders, terms) = (self.leaders.len(), self.leaders.keys().next_back().copied().unwrap_or(0));
        let commits = self.committed.values().max().copied().unwrap_or(0);
        let cut = c.truncations;
        let mut verdicts = vec![
            audit.rule(ELECTION_SAFETY, leaders as u64, format!("{leaders} leaders in {terms} terms")),
            audit.rule(LEADER_APPEND_ONLY, leaders as u64, format!("{cut} truncations, {leaders} leaders")),
            audit.rule(LOG_MATCHING, c.matched, format!("{} batches compared with their leader's", c.matched)),
            audit.rule(
                LEADER_COMPLETENESS,
                c.completed,
                format!("{} new leaders, {commits} entries committed", c.completed),
            ),
            audit.rule(COMMITTED_ENTRIES_STAY, commits, format!("{cut} truncations, {commits} entries committed")),
        ];
        verdicts.extend(self.members.verdicts(audit));
        verdicts.extend(self.promises.verdicts(audit));
        verdicts.extend(self.leading.verdicts(audit));
        verdicts.extend(self.held.verdict(audit));
        verdicts.extend(self.kept.verdict(audit));
        verdicts.extend(self.redirects.verdict(audit));
        // Who is no member gets nothing any more; whoever knows most knows who is one.
        let knows_most = nodes.iter().copied().flatten().max_by_key(|node| (node.commit(), node.term()));
        let members = knows_most.map_or(NodeSet::EMPTY, |node| node.log().configuration_at(node.commit()).electorate());
        let live = || nodes.iter().copied().flatten().filter(|node| members.has(node.me));
        let front = live().max_by_key(|node| node.applied());
        let ended = live().map(|node| Ended {
            node: node.me,
            applied: node.applied(),
            digest: node.digest(),
            agrees: front
                .and_then(|front| front.chain_at(node.applied()))
                .is_none_or(|chain| chain == node.applied_chain),
        });
        let size = if members.is_empty() { nodes.len() } else { members.len() };
        verdicts.extend(audit.verdicts(&ended.collect::<Vec<_>>(), size));
        verdicts
    }
}

impl<M: StateMachine> Observer<Raft<M>> for RaftChecks {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Raft<M>>) {
        self.held.watch(what, M::is_read);
        self.kept.watch(what);
        self.redirects.watch(what);
        self.watch(at, what);
    }

    fn after_step(&mut self, at: Instant, stepped: NodeId, nodes: &[Option<Raft<M>>]) -> Result<(), Violation> {
        self.step_is_over(at, stepped, |node: NodeId| nodes[node.index()].as_ref());
        // Followers may hold reads where they answer those.
        let may_hold = |node: NodeId| {
            nodes[node.index()]
                .as_ref()
                .is_none_or(|node| node.config.follower_reads || node.lead.is_some() || node.standstill.is_on())
        };
        self.held.after_step(&mut self.audit, at, may_hold);
        // A loop that stood still may have learned of another leader since, in the same step.
        let may_name = |node: NodeId, named: NodeId| {
            nodes[node.index()]
                .as_ref()
                .is_none_or(|node| node.leader() == Some(named) || node.config.leader_disk != LeaderDisk::Parallel)
        };
        self.redirects.after_step(&mut self.audit, at, may_name);
        let base = || nodes[stepped.index()].as_ref().map(Raft::snapshot_index);
        self.kept.after_step(&mut self.audit, at, stepped, base);
        self.audit.violation().cloned().map_or(Ok(()), Err)
    }
}
