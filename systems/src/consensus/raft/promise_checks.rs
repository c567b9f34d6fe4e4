//! What Raft's nodes promise each other about leases, elections and hand-overs: each rule seen in the step that breaks
//! it, rather than in what may come of that.

use super::message::{RaftFact, RaftMessage};
use super::node::Raft;
use super::rounds::{Allowed, Rounds};
use crate::shared::replication::audit::Audit;
use crate::shared::replication::calm::Calm;
use crate::shared::replication::handovers::HandOvers;
use sim_core::sorted::SortedMap;
use sim_core::{ClientId, Instant, NodeId, Observed, StateMachine, Verdict};
use std::collections::VecDeque;

sim_core::rules! {
    /// Under leases, who has answered a leader votes for nobody else within the shortest election timeout; not after a
    /// restart either.
    pub const LOYALTY_KEPT: &str = "loyalty_kept";
    /// Nobody reads under a lease once another leader has been elected.
    pub const LEASES_EXCLUDE: &str = "leases_exclude";
    /// Whoever begins anew from a snapshot keeps only what agrees with it.
    pub const SNAPSHOTS_REPLACE: &str = "snapshots_replace";
    /// Where nothing goes wrong any more, and election timeouts are spread over more than a question takes, an election
    /// ends.
    pub const ELECTIONS_END: &str = "elections_end";
    /// A hand-over to a follower that has everything succeeds, unless something goes wrong meanwhile.
    pub const HAND_OVERS_SUCCEED: &str = "hand_overs_succeed";
    /// A leader has no more batches of requests on their way than its pipeline takes.
    pub const PIPELINE_KEPT: &str = "pipeline_kept";
}

/// What a leader appends whatever is on its way: the first entry of its term, and one configuration at a time.
const BESIDE: usize = 2;

/// What a follower was told by a leader.
#[derive(Clone, Copy, Debug)]
struct Heard {
    leader: NodeId,
    term: u64,
    at: Instant,
}

/// What is announced in a step and looked at when it is over.
#[derive(Clone, Copy, Debug)]
enum Pending {
    Vote { voter: NodeId, candidate: NodeId },
    Installed { node: NodeId, index: u64 },
    Read { node: NodeId, term: u64 },
    HandingOver { from: NodeId, to: NodeId },
    Campaign { node: NodeId, term: u64 },
    Elected { node: NodeId },
    Appended { node: NodeId },
}

/// The memory of these rules.
#[derive(Clone, Debug, Default)]
pub(super) struct PromiseChecks {
    calm: Calm,
    /// By node: what it was told last by a leader it obeyed, and what it has answered last.
    heard: Vec<Option<Heard>>,
    /// Who is told something in this step, and what it was told before: it may not obey.
    told: Option<(NodeId, Option<Heard>)>,
    answered: Vec<Option<Heard>>,
    /// The last term in which a candidate asked a voter as the leader's own successor.
    transfers: SortedMap<(NodeId, NodeId), u64>,
    /// The operation that a node is asked for in this step.
    asked: Option<(NodeId, ClientId, u64)>,
    newest_term: u64,
    /// By leader: the term it leads, and the last entries of its batches that it does not know to be committed.
    open: Vec<(u64, VecDeque<u64>)>,
    appended: u64,
    rounds: Rounds,
    hand_overs: HandOvers,
    pending: Vec<Pending>,
    votes: u64,
    lease_reads: u64,
    installed: u64,
    elections: u64,
}

impl PromiseChecks {
    /// Nothing seen yet of a cluster of `nodes`.
    pub fn new(nodes: u32) -> Self {
        let nodes = nodes as usize;
        let (heard, answered) = (vec![None; nodes], vec![None; nodes]);
        let open = vec![(0, VecDeque::new()); nodes];
        Self { heard, answered, open, rounds: Rounds::new(nodes), ..Self::default() }
    }

    /// A node announces something; `leads` is the term it leads. Whoever knows nothing of a leader may campaign in vain
    /// beside it, where it is no member any more.
    pub fn on_fact(
        &mut self,
        audit: &mut Audit,
        at: Instant,
        (node, fact): (NodeId, RaftFact),
        leads: Option<u64>,
        anybody_leads: bool,
    ) {
        match fact {
            RaftFact::Campaign { term, pre } => {
                let calm = self.calm.since().filter(|_| !anybody_leads);
                self.rounds.campaign(at, node, (term, pre), calm);
                self.pending.push(Pending::Campaign { node, term });
            }
            RaftFact::Elected { term, .. } => {
                self.rounds.elected();
                self.pending.push(Pending::Elected { node });
                self.newest_term = self.newest_term.max(term);
                self.hand_overs.end();
            }
            RaftFact::Voted { term, candidate } if self.transfers.get(&(node, candidate)) != Some(&term) => {
                self.pending.push(Pending::Vote { voter: node, candidate });
            }
            RaftFact::Appended { last, term, .. } if leads == Some(term) => {
                let open = &mut self.open[node.index()];
                if open.0 != term {
                    *open = (term, VecDeque::new());
                }
                open.1.push_back(last);
                self.appended += 1;
                self.pending.push(Pending::Appended { node });
            }
            RaftFact::Committed { index, .. } => {
                let open = &mut self.open[node.index()].1;
                open.drain(..open.partition_point(|last| *last <= index));
            }
            RaftFact::SnapshotInstalled { index, .. } => self.pending.push(Pending::Installed { node, index }),
            RaftFact::ReadServed { client, op, .. } => {
                if let (Some(term), Some(asked)) = (leads, self.asked)
                    && asked == (node, client, op)
                {
                    self.pending.push(Pending::Read { node, term });
                }
            }
            RaftFact::HandingOver { to, .. } => self.pending.push(Pending::HandingOver { from: node, to }),
            RaftFact::HandOverFailed { to, .. } => {
                if let Some(handing) = self.hand_overs.fail(&self.calm).filter(|handing| handing.to == to) {
                    let begun = handing.begun;
                    audit.fail(at, HAND_OVERS_SUCCEED, node, || {
                        format!(
                            "{node} gave up handing over to {to}, which had everything, though nothing went wrong \
                            since {begun}"
                        )
                    });
                }
            }
            _ => {}
        }
    }

    /// Something else happens.
    #[inline]
    pub fn watch<M: StateMachine>(&mut self, at: Instant, what: &Observed<'_, Raft<M>>) {
        match what {
            Observed::Delivered { from, to, message, .. } => {
                self.asked = None;
                match message {
                    RaftMessage::Append(_) | RaftMessage::Heartbeat { .. } | RaftMessage::InstallSnapshot { .. } => {
                        let heard = Heard { leader: *from, term: message.term(), at };
                        self.told = Some((*to, self.heard[to.index()].replace(heard)));
                    }
                    RaftMessage::RequestVote { term, transfer, pre: false, .. } => {
                        self.rounds.asked(at, *from, *term, self.calm.since());
                        if *transfer {
                            self.transfers.insert((*to, *from), *term);
                        }
                    }
                    _ => {}
                }
            }
            Observed::Sent { from, to, message, arrives, .. } => {
                self.hand_overs.sent(at, (*from, *to), *arrives);
                if let RaftMessage::Alive { term, .. } | RaftMessage::Appended { term, .. } = message {
                    let heard = self.heard[from.index()];
                    if heard.is_some_and(|heard| (heard.leader, heard.term) == (*to, *term)) {
                        self.answered[from.index()] = heard;
                    }
                }
            }
            Observed::Requested { ticket, node } => self.asked = Some((*node, ticket.client, ticket.op)),
            Observed::Fired { .. } | Observed::Synced { .. } => self.asked = None,
            other => self.calm.watch(at, other),
        }
    }

    /// A step is over.
    #[inline]
    pub fn after_step<'a, M: StateMachine>(
        &mut self,
        audit: &mut Audit,
        at: Instant,
        nodes: &impl Fn(NodeId) -> Option<&'a Raft<M>>,
    ) {
        if let Some((node, before)) = self.told.take()
            && nodes(node).is_none_or(|raft| self.heard[node.index()].is_some_and(|heard| heard.term < raft.term()))
        {
            self.heard[node.index()] = before;
        }
        if self.pending.is_empty() {
            return;
        }
        for pending in core::mem::take(&mut self.pending) {
            match pending {
                Pending::Vote { voter, candidate } => self.check_vote(audit, at, (voter, nodes(voter)), candidate),
                Pending::Installed { node, index } => self.check_installed(audit, at, (node, nodes(node)), index),
                Pending::Read { node, term } => self.check_read(audit, at, (node, nodes(node)), term),
                Pending::HandingOver { from, to } => {
                    let [Some(leader), Some(follower)] = [from, to].map(nodes) else { continue };
                    let feasible = follower.term() == leader.term()
                        && follower.leader() == Some(from)
                        && follower.log().last() >= leader.commit()
                        && follower.may_campaign();
                    self.hand_overs.begin(at, (from, to), (&self.calm, leader.config.election_max), feasible);
                }
                Pending::Campaign { node, term } => self.check_campaign(audit, at, (node, nodes(node)), term),
                Pending::Appended { node } => {
                    let (open, Some(raft)) = (self.open[node.index()].1.len(), nodes(node)) else { continue };
                    let most = raft.config.pipeline as usize + BESIDE;
                    if open > most {
                        audit.fail(at, PIPELINE_KEPT, node, || {
                            format!("{node} has {open} batches on their way; its pipeline takes {}", most - BESIDE)
                        });
                    }
                }
                Pending::Elected { node } => self.elections += u64::from(self.allowed(nodes(node)).is_some()),
            }
        }
    }

    /// How long an election may take, if that is known.
    fn allowed<M: StateMachine>(&self, node: Option<&Raft<M>>) -> Option<Allowed> {
        let config = &node?.config;
        self.rounds.allowed((config.election_min, config.election_max), config.tick)
    }

    fn check_campaign<M: StateMachine>(
        &self,
        audit: &mut Audit,
        at: Instant,
        (node, raft): (NodeId, Option<&Raft<M>>),
        term: u64,
    ) {
        if let Some((campaigns, took)) = self.rounds.too_many(at, self.allowed(raft)) {
            audit.fail(at, ELECTIONS_END, node, || {
                format!(
                    "{node} campaigns in term {term}, the {campaigns}th in a row in which nobody has been elected, \
                     for {took}"
                )
            });
        }
    }

    fn check_vote<M: StateMachine>(
        &mut self,
        audit: &mut Audit,
        at: Instant,
        (voter, raft): (NodeId, Option<&Raft<M>>),
        candidate: NodeId,
    ) {
        let Some(config) = raft.map(|node| &node.config).filter(|config| config.leases) else {
            return;
        };
        self.votes += 1;
        // As long as a lease at least, whatever the clocks are.
        let least = config.lease();
        let Some(Heard { leader, at: heard, .. }) = self.answered[voter.index()] else { return };
        if leader != candidate && at.since(heard) < least {
            audit.fail(at, LOYALTY_KEPT, voter, || {
                format!(
                    "{voter} voted for {candidate} {} after it had heard from {leader} and told it so; the lease of \
                     that may last \
                     {}",
                    at.since(heard),
                    config.election_min
                )
            });
        }
    }

    fn check_installed<M: StateMachine>(
        &mut self,
        audit: &mut Audit,
        at: Instant,
        (node, raft): (NodeId, Option<&Raft<M>>),
        index: u64,
    ) {
        self.installed += 1;
        let Some(raft) = raft else { return };
        let Some(snapshot) = raft.snapshot.as_ref().filter(|snapshot| snapshot.index == index) else { return };
        let (here, of) = (raft.log().term(index), snapshot.term);
        if here.is_some_and(|here| here != of) {
            audit.fail(at, SNAPSHOTS_REPLACE, node, || {
                format!(
                    "{node} has a snapshot up to entry {index} of term {of}, and its log goes on behind one of \
                    term {here:?}"
                )
            });
        }
    }

    fn check_read<M: StateMachine>(
        &mut self,
        audit: &mut Audit,
        at: Instant,
        (node, raft): (NodeId, Option<&Raft<M>>),
        term: u64,
    ) {
        if !raft.is_some_and(|raft| raft.config.leases) {
            return;
        }
        self.lease_reads += 1;
        let newest = self.newest_term;
        if newest > term {
            audit.fail(at, LEASES_EXCLUDE, node, || {
                format!(
                    "{node}, leader of term {term}, read under its lease after another one had been elected in \
                    term {newest}"
                )
            });
        }
    }

    /// What these rules say, of what happened.
    pub fn verdicts(&self, audit: &Audit) -> Vec<Verdict> {
        let rows = [
            (LOYALTY_KEPT, self.votes, "votes under leases"),
            (LEASES_EXCLUDE, self.lease_reads, "reads under leases"),
            (SNAPSHOTS_REPLACE, self.installed, "snapshots installed"),
            (ELECTIONS_END, self.elections, "elections"),
            (HAND_OVERS_SUCCEED, self.hand_overs.seen, "hand-overs"),
            (PIPELINE_KEPT, self.appended, "batches of leaders"),
        ];
        let broken = |name: &str| audit.violation().is_some_and(|violation| violation.rule == name);
        let seen = rows.into_iter().filter(|(rule, seen, _)| *seen > 0 || broken(rule));
        seen.map(|(rule, seen, what)| audit.rule(rule, seen, format!("{seen} {what}"))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consensus::raft::{self, Config};
    use crate::shared::kv::Kv;
    use sim_core::hand::Hand;

    #[test]
    fn more_batches_on_their_way_than_the_pipeline_takes_are_found() {
        let config = Config::new(3);
        let mut hand = Hand::<raft::Raft<Kv>>::down(&config, NodeId(0), 1);
        hand.boot();
        let most = u64::from(config.pipeline) + BESIDE as u64;
        let run = |batches: u64, committed: u64| {
            let (mut checks, mut audit) = (PromiseChecks::new(3), Audit::new(3));
            for last in 1..=batches {
                let fact = RaftFact::Appended { first: last, last, term: 1, chain: 0 };
                checks.on_fact(&mut audit, Instant(last), (NodeId(0), fact), Some(1), true);
                if last == most {
                    let fact = RaftFact::Committed { index: committed, term: 1 };
                    checks.on_fact(&mut audit, Instant(last), (NodeId(0), fact), Some(1), true);
                }
                checks.after_step(&mut audit, Instant(last), &|_| Some(hand.node()));
            }
            audit.violation().map(|violation| violation.rule.clone())
        };
        assert_eq!(run(most, 0), None);
        assert_eq!(run(most + 1, 0).as_deref(), Some(PIPELINE_KEPT));
        assert_eq!(run(most + 1, 1), None, "the first is committed");
    }
}
