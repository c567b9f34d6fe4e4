//! Paxos' invariants (Paxos Made Simple, section 2), watched on every run from what the nodes announce.

use super::ballot::Ballot;
use super::message::{Life, PaxosFact, PaxosMessage};
use super::node::{Paxos, Stage};
use super::options::Config;
use super::rejoin::Lives;
use crate::shared::replication::Audited;
use crate::shared::replication::LeaderDisk;
pub use crate::shared::replication::audit::{
    ACKNOWLEDGED_WRITES_SURVIVE, CONVERGENCE, EXACTLY_ONCE, FRESH_READS, MONOTONIC_READS, MONOTONIC_WRITES,
    READ_YOUR_WRITES, SNAPSHOTS_COMPLETE, STATE_MACHINE_SAFETY, VALIDITY, WRITES_FOLLOW_READS,
};
use crate::shared::replication::audit::{Audit, Ended};
use crate::shared::replication::calm::Calm;
use crate::shared::replication::handovers::HandOvers;
use crate::shared::replication::held_reads::HeldReads;
use crate::shared::replication::kept_snapshots::KeptSnapshots;
use crate::shared::replication::redirects::Redirects;
use sim_core::sorted::SortedMap;
use sim_core::{
    ClientId, Instant, Node, NodeId, NodeSet, Observed, Observer, StateMachine, Verdict, Violation, node_ids,
};

sim_core::rules! {
    /// No two nodes propose in the same ballot.
    pub const BALLOTS_UNIQUE: &str = "ballots_unique";
    /// An acceptor that has promised to a ballot never again promises to or accepts in a lower one.
    pub const PROMISES_KEPT: &str = "promises_kept";
    /// No two values are chosen in one slot, and no two nodes apply different ones.
    pub const AGREEMENT: &str = "agreement";
    /// Who the acceptors of a slot are, all nodes agree on.
    pub const CONFIGURATIONS_UNIQUE: &str = "configurations_unique";
    /// What a leader finds chosen, a quorum of the slot's own acceptors has said to have accepted.
    pub const CHOSEN_BY_QUORUM: &str = "chosen_by_quorum";
    /// What is chosen in a slot, every later leader proposes there (P2b of the paper).
    pub const CHOSEN_VALUES_STAY: &str = "chosen_values_stay";
    /// What an acceptor has forgotten does not count for a leader that knows of that.
    pub const FORGOTTEN_DO_NOT_COUNT: &str = "forgotten_do_not_count";
    /// Nobody reads under a lease once another leader has been elected who can propose behind what was read.
    pub const LEASES_EXCLUDE: &str = "leases_exclude";
    /// Who is asked to take over, and can, is elected at its first try, unless something goes wrong meanwhile.
    pub const HAND_OVERS_SUCCEED: &str = "hand_overs_succeed";
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    elected: u64,
    promises: u64,
    chosen: u64,
    inherited: u64,
    configurations: u64,
    batches: u64,
    lives: u64,
    lease_reads: u64,
}

/// Batches whose acceptors are remembered at most.
const MOST_BATCHES: usize = 10_000;

/// What a leader announced in this step; its log is looked at when the step is over.
#[derive(Clone, Copy, Debug)]
enum Pending {
    Elected { ballot: Ballot, chosen: u64, first: u64 },
    Chosen { ballot: Ballot, first: u64, last: u64 },
    HandingOver { ballot: Ballot, to: NodeId, arrives: Instant },
}

/// The invariants' memory over one run.
#[derive(Clone, Debug)]
pub struct PaxosChecks {
    config: Config,
    audit: Audit,
    /// The acceptors, each configuration with the first slot it governs.
    configurations: SortedMap<u64, NodeSet>,
    /// Who has said to have accepted the batch that begins with a slot in a ballot.
    accepted: SortedMap<(u64, Ballot), NodeSet>,
    /// In which life, as the leader was told.
    lives: SortedMap<(u64, Ballot), SortedMap<NodeId, Life>>,
    /// What each node knew of lives when its last step ended.
    known: Vec<Lives>,
    /// The ballot that each node leads, and the highest one whose leader could propose behind what was chosen.
    leads: Vec<Option<Ballot>>,
    highest: Ballot,
    /// The operation that a node is asked for in this step.
    asked: Option<(NodeId, ClientId, u64)>,
    /// Who proposes in which ballot.
    proposers: SortedMap<Ballot, NodeId>,
    /// The highest ballot each acceptor has said yes to.
    promised: Vec<Ballot>,
    /// The newest slot known to be chosen.
    newest: u64,
    pending: Vec<(NodeId, Pending)>,
    calm: Calm,
    hand_overs: HandOvers,
    /// The ballot in which the heir campaigns.
    heirs_ballot: Option<Ballot>,
    held: HeldReads,
    kept: KeptSnapshots,
    redirects: Redirects,
    counts: Counts,
}

impl PaxosChecks {
    /// Nothing seen yet of a cluster.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let machines = config.machines();
        Self {
            config: *config,
            audit: Audit::new(machines),
            configurations: SortedMap::from([(1, config.replicas())]),
            accepted: SortedMap::new(),
            lives: SortedMap::new(),
            known: vec![Lives::default(); machines as usize],
            leads: vec![None; machines as usize],
            highest: Ballot::ZERO,
            asked: None,
            proposers: SortedMap::new(),
            promised: vec![Ballot::ZERO; machines as usize],
            newest: 0,
            pending: Vec::new(),
            calm: Calm::default(),
            hand_overs: HandOvers::default(),
            heirs_ballot: None,
            held: HeldReads::default(),
            kept: KeptSnapshots::default(),
            redirects: Redirects::default(),
            counts: Counts::default(),
        }
    }

    /// The first rule that was broken, if any.
    #[must_use]
    pub const fn violation(&self) -> Option<&Violation> {
        self.audit.violation()
    }

    fn on_proposer(&mut self, at: Instant, node: NodeId, ballot: Ballot) {
        let other = *self.proposers.entry(ballot).or_insert(node);
        if other != node {
            self.audit
                .fail(at, BALLOTS_UNIQUE, node, || format!("{node} proposes in ballot {ballot}, as {other} does"));
        }
    }

    fn on_yes(&mut self, at: Instant, node: NodeId, ballot: Ballot, what: &str) {
        self.counts.promises += 1;
        let promised = &mut self.promised[node.index()];
        if ballot < *promised {
            let promised = *promised;
            self.audit.fail(at, PROMISES_KEPT, node, || {
                format!("{node} {what} ballot {ballot} after it had promised to ballot {promised}")
            });
        } else {
            *promised = ballot;
        }
    }

    fn on_fact(&mut self, at: Instant, node: NodeId, fact: PaxosFact) {
        match fact {
            PaxosFact::Campaign { ballot } => {
                self.on_proposer(at, node, ballot);
                let heir = self.hand_overs.under_way().is_some_and(|handing| handing.to == node);
                if heir && self.heirs_ballot.replace(ballot).is_some() {
                    self.check_handed_over(at, node, "has to try again");
                }
            }
            PaxosFact::Elected { ballot, chosen, first } => {
                self.on_proposer(at, node, ballot);
                match self.hand_overs.under_way() {
                    Some(handing) if handing.to != node => self.check_handed_over(at, node, "was elected instead"),
                    _ => self.hand_overs.end(),
                }
                self.counts.elected += 1;
                self.leads[node.index()] = Some(ballot);
                self.audit.leaders.begin(at, node, format!("ballot {ballot}"));
                self.pending.push((node, Pending::Elected { ballot, chosen, first }));
            }
            PaxosFact::Promised { ballot, .. } => self.on_yes(at, node, ballot, "promised to"),
            PaxosFact::Accepted { ballot, first } => {
                self.on_yes(at, node, ballot, "accepted in");
                self.accepted.entry((first, ballot)).or_default().insert(node);
                if self.accepted.len() > MOST_BATCHES {
                    self.accepted.pop_first();
                }
            }
            PaxosFact::Chosen { ballot, first, last } => {
                self.on_chosen(at, node, ballot, first, last);
                self.pending.push((node, Pending::Chosen { ballot, first, last }));
                self.audit.decided(at, last);
            }
            PaxosFact::Executed { slot, chain, client, op, fresh } => {
                self.audit.executed(at, node, slot, client, op, fresh);
                self.audit.applied(at, AGREEMENT, node, slot, chain, None);
            }
            PaxosFact::Applied { slot, chain, digest } => {
                self.audit.applied(at, AGREEMENT, node, slot, chain, Some(digest));
            }
            PaxosFact::SnapshotInstalled { slot, chain, digest } => {
                self.audit.installed(at, AGREEMENT, node, slot, chain, digest);
                self.kept.noted(node, slot);
            }
            PaxosFact::SnapshotTaken { slot } => {
                self.audit.snapshot(node, slot);
                self.kept.noted(node, slot);
            }
            PaxosFact::ReadServed { slot, client, op } => {
                self.on_read(at, node, client, op);
                self.audit.read(at, node, slot, client, op);
            }
            // What it had promised before it has learned from the others, or nobody counts it any more.
            PaxosFact::Rebuilt { .. } => self.promised[node.index()] = Ballot::ZERO,
            PaxosFact::Configured { from, members } => {
                self.counts.configurations += 1;
                let known = *self.configurations.entry(from).or_insert(members);
                if known != members {
                    self.audit.fail(at, CONFIGURATIONS_UNIQUE, node, || {
                        format!(
                            "{node} takes {members} for the acceptors from slot {from} on, another node takes {known}"
                        )
                    });
                }
            }
            PaxosFact::SteppedDown { .. } => {
                self.leads[node.index()] = None;
                self.audit.leaders.end(at, node);
                self.held.stepped_down(node);
                self.redirects.stepped_down(node);
            }
            PaxosFact::DiskTimedOut { .. }
            | PaxosFact::LeaseExpired { .. }
            | PaxosFact::FirstCommit { .. }
            | PaxosFact::Wiped { .. }
            | PaxosFact::Unreadable { .. } => {}
        }
    }

    /// What became of a hand-over is not what should have.
    fn check_handed_over(&mut self, at: Instant, node: NodeId, what: &str) {
        let Some(handing) = self.hand_overs.fail(&self.calm) else { return };
        self.audit.fail(at, HAND_OVERS_SUCCEED, node, || {
            let (from, to, begun) = (handing.from, handing.to, handing.begun);
            format!("{from} asked {to} to take over at {begun}, nothing went wrong, and {node} {what}")
        });
    }

    /// Whether everybody follows the leader of `ballot`, and `to` can take over from it.
    fn can_take_over<'a, M: StateMachine>(
        &self,
        nodes: &impl Fn(NodeId) -> Option<&'a Paxos<M>>,
        ballot: Ballot,
        to: NodeId,
    ) -> bool {
        let ready = |heir: &Paxos<M>| heir.promised() == ballot && heir.role().name == "follower" && !heir.is_blank();
        let live = node_ids(self.config.machines() as usize).filter_map(nodes);
        nodes(to).is_some_and(ready) && live.into_iter().all(|node| node.promised() <= ballot)
    }

    /// A read that is answered in the step in which it comes is answered under a lease: nobody else was asked.
    fn on_read(&mut self, at: Instant, node: NodeId, client: ClientId, op: u64) {
        let Some(ballot) = self.leads[node.index()].filter(|_| self.asked == Some((node, client, op))) else { return };
        self.counts.lease_reads += 1;
        let highest = self.highest;
        if highest > ballot && self.config.leases {
            self.audit.fail(at, LEASES_EXCLUDE, node, || {
                format!(
                    "{node}, leader of ballot {ballot}, read under its lease after another was elected for {highest}"
                )
            });
        }
    }

    /// The leader must not count what acceptors have forgotten, as far as it knew before the step: one that was paused
    /// takes many inputs in a step, and may learn of a loss after it has rightly counted.
    fn check_lives<M: StateMachine>(&mut self, at: Instant, leader: &Paxos<M>, ballot: Ballot, first: u64) {
        let known = &self.known[leader.me.index()];
        let Some(told) = self.lives.get(&(first, ballot)).filter(|_| known.any()) else { return };
        self.counts.lives += 1;
        let acceptors = leader.configurations().of(first).1;
        let (mut counts, mut forgotten) = (u32::from(acceptors.has(leader.me)), NodeSet::EMPTY);
        for (node, life) in told.iter().filter(|(node, _)| acceptors.has(**node)) {
            if *life < known.of(*node) {
                forgotten.insert(*node);
            } else {
                counts += 1;
            }
        }
        let quorum = self.config.phase_two(acceptors);
        if counts < quorum && !forgotten.is_empty() {
            self.audit.fail(at, FORGOTTEN_DO_NOT_COUNT, leader.me, || {
                format!(
                    "{} found the batch of slot {first} chosen by {counts} of {quorum} acceptors and {forgotten}, \
                     which it knew to have lost their disks since",
                    leader.me
                )
            });
        }
    }

    /// Those who have said so must be a quorum of those whose slots these are.
    fn on_chosen(&mut self, at: Instant, node: NodeId, ballot: Ballot, first: u64, last: u64) {
        self.counts.batches += 1;
        let mut governing = self.configurations.range(..=last).rev().map(|(from, set)| (*from, *set));
        let Some((from, acceptors)) = governing.next() else { return };
        let Some(who) = self.accepted.get(&(first, ballot)).copied() else { return };
        let (said, quorum) = (who.common(acceptors).len() as u32, self.config.phase_two(acceptors));
        if said < quorum || from > first {
            self.audit.fail(at, CHOSEN_BY_QUORUM, node, || {
                format!(
                    "{node} found slots {first} to {last} chosen in ballot {ballot}, but of the acceptors {acceptors} \
                     from \
                     slot {from} on only {said} have accepted them: {who}"
                )
            });
        }
    }

    /// A quorum has accepted these slots of the leader's.
    fn check_chosen<M: StateMachine>(&mut self, at: Instant, leader: &Paxos<M>, ballot: Ballot, first: u64, last: u64) {
        for slot in first..=last {
            self.counts.chosen += 1;
            let Some((_, entry)) = leader.log().slot(slot) else { continue };
            let hash = entry.hash();
            let Some(place) = self.audit.place(slot) else { continue };
            let (since, known) = place.value.get_or_insert(((ballot.round, ballot.node), hash));
            *since = (*since).min((ballot.round, ballot.node));
            let known = *known;
            if known != hash {
                self.audit.fail(at, AGREEMENT, leader.me, || {
                    format!("{} found another value chosen in slot {slot} than was found before", leader.me)
                });
            }
        }
        self.newest = self.newest.max(last);
    }

    /// A new leader proposes what was chosen before, wherever it does not know it to be chosen.
    fn check_leader<M: StateMachine>(
        &mut self,
        at: Instant,
        leader: &Paxos<M>,
        ballot: Ballot,
        chosen: u64,
        first: u64,
    ) {
        let me = leader.me;
        self.counts.inherited += 1;
        for slot in chosen + 1..=self.newest {
            if !leader.may_propose(slot) {
                return;
            }
            // A candidate may find out late that it was elected; what higher ballots have chosen meanwhile, its own
            // will not.
            let Some((since, value)) = self.audit.value(slot) else { continue };
            if since >= (ballot.round, ballot.node) {
                continue;
            }
            if slot >= first {
                return self.audit.fail(at, CHOSEN_VALUES_STAY, me, || {
                    format!(
                        "{me} leads ballot {ballot} and takes slot {first} and on for free, but {slot} was chosen \
                        before"
                    )
                });
            }
            if leader.log().slot(slot).is_some_and(|(of, entry)| of == ballot && entry.hash() != value) {
                return self.audit.fail(at, CHOSEN_VALUES_STAY, me, || {
                    format!(
                        "{me} leads ballot {ballot} and proposes another value in slot {slot} than was chosen before"
                    )
                });
            }
        }
    }
}

impl<M: StateMachine> Audited<Paxos<M>> for PaxosChecks {
    fn audit(&self) -> &Audit {
        &self.audit
    }

    fn watch(&mut self, at: Instant, what: &Observed<'_, Paxos<M>>) {
        self.audit.now = at;
        if matches!(what, Observed::Delivered { .. } | Observed::Fired { .. } | Observed::Synced { .. }) {
            self.asked = None;
        }
        match what {
            Observed::Noted { node, fact } => return self.on_fact(at, *node, *fact),
            Observed::Crashed { node, .. } => {
                self.leads[node.index()] = None;
                self.known[node.index()] = Lives::default();
                self.audit.pieces.crashed(*node);
            }
            Observed::Requested { ticket, node } => self.asked = Some((*node, ticket.client, ticket.op)),
            Observed::Delivered { from, message: PaxosMessage::Accepted { ballot, first, life, .. }, .. } => {
                let lives = self.lives.entry((*first, *ballot)).or_default();
                let newest = lives.entry(*from).or_insert(*life);
                *newest = (*newest).max(*life);
                if self.lives.len() > MOST_BATCHES {
                    self.lives.pop_first();
                }
            }
            Observed::Delivered { to, message: PaxosMessage::Piece { offset, length, snapshot }, .. } => {
                let (id, piece) = ((snapshot.slot, snapshot.chain), (*offset, offset + u64::from(*length)));
                self.audit.pieces.arrived(*to, id, piece, snapshot.bytes);
            }
            Observed::Sent { from, to, message: PaxosMessage::TakeOver { ballot }, arrives, .. } => {
                self.redirects.hands_over(*from, Some(*to));
                self.pending.push((*from, Pending::HandingOver { ballot: *ballot, to: *to, arrives: *arrives }));
            }
            Observed::Sent { from, to, arrives, .. } => self.hand_overs.sent(at, (*from, *to), *arrives),
            _ => {}
        }
        self.calm.watch(at, what);
        self.audit.watch(at, what);
    }

    #[inline]
    fn step_is_over<'a>(&mut self, at: Instant, stepped: NodeId, nodes: impl Fn(NodeId) -> Option<&'a Paxos<M>>) {
        if !self.pending.is_empty() {
            let mut pending = core::mem::take(&mut self.pending);
            for (node, what) in pending.drain(..) {
                let Some(leader) = nodes(node) else { continue };
                match what {
                    Pending::HandingOver { ballot, to, arrives } => {
                        self.heirs_ballot = None;
                        let feasible = self.can_take_over(&nodes, ballot, to);
                        let calm = (&self.calm, leader.config.election_max);
                        self.hand_overs.begin(at, (node, to), calm, feasible);
                        self.hand_overs.sent(at, (node, to), arrives);
                    }
                    Pending::Elected { ballot, chosen, first } => self.check_leader(at, leader, ballot, chosen, first),
                    Pending::Chosen { ballot, first, last } => {
                        self.check_chosen(at, leader, ballot, first, last);
                        self.check_lives(at, leader, ballot, first);
                    }
                }
            }
            self.pending = pending;
        }
        // One that did not know who the acceptors are now can not choose anything before it does, and has the promises
        // of those.
        if let Some(ballot) = self.leads[stepped.index()].filter(|ballot| *ballot > self.highest)
            && nodes(stepped).is_some_and(|leader| leader.may_propose(self.newest + 1))
        {
            self.highest = ballot;
        }
        if let Some(node) = nodes(stepped).filter(|node| node.lives.any()) {
            self.known[stepped.index()].clone_from(&node.lives);
        }
    }

    fn verdicts(&self, nodes: &[Option<&Paxos<M>>]) -> Vec<Verdict> {
        let c = &self.counts;
        let ballots = self.proposers.len();
        let audit = &self.audit;
        let mut verdicts = vec![
            audit.rule(BALLOTS_UNIQUE, ballots as u64, format!("{ballots} ballots, {} leaders", c.elected)),
            audit.rule(PROMISES_KEPT, c.promises, format!("{} promises and acceptances", c.promises)),
            audit.rule(
                AGREEMENT,
                audit.compared,
                format!("{} slots chosen, {} logs compared", c.chosen, audit.compared),
            ),
            audit.rule(
                CHOSEN_VALUES_STAY,
                c.inherited,
                format!("{} new leaders, {} slots chosen", c.inherited, c.chosen),
            ),
            audit.rule(CHOSEN_BY_QUORUM, c.batches, format!("{} batches chosen", c.batches)),
        ];
        if c.configurations > 0 {
            let known = self.configurations.len();
            let detail = format!("{known} configurations, learned {} times", c.configurations);
            verdicts.push(audit.rule(CONFIGURATIONS_UNIQUE, c.configurations, detail));
        }
        if c.lives > 0 {
            verdicts.push(audit.rule(FORGOTTEN_DO_NOT_COUNT, c.lives, format!("{} batches after a loss", c.lives)));
        }
        if c.lease_reads > 0 {
            verdicts.push(audit.rule(LEASES_EXCLUDE, c.lease_reads, format!("{} reads under leases", c.lease_reads)));
        }
        if self.hand_overs.seen > 0 {
            let seen = self.hand_overs.seen;
            verdicts.push(audit.rule(HAND_OVERS_SUCCEED, seen, format!("{seen} hand-overs")));
        }
        let front = nodes.iter().copied().flatten().max_by_key(|node| node.applied());
        // Who was removed, or never added, need not have got anywhere.
        let initial = self.config.replicas();
        let members = front.map_or(initial, |front| front.configurations().of(front.applied() + 1).1);
        let ended: Vec<Ended> = nodes
            .iter()
            .copied()
            .flatten()
            .filter(|node| members.has(node.me))
            .map(|node| Ended {
                node: node.me,
                applied: node.applied(),
                digest: node.digest(),
                agrees: front
                    .and_then(|front| front.chain_at(node.applied()))
                    .is_none_or(|chain| chain == node.applied_chain),
            })
            .collect();
        verdicts.extend(self.held.verdict(audit));
        verdicts.extend(self.kept.verdict(audit));
        verdicts.extend(self.redirects.verdict(audit));
        verdicts.extend(audit.verdicts(&ended, members.len()));
        verdicts
    }
}

impl<M: StateMachine> Observer<Paxos<M>> for PaxosChecks {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Paxos<M>>) {
        self.held.watch(what, M::is_read);
        self.kept.watch(what);
        self.redirects.watch(what);
        self.watch(at, what);
    }

    fn after_step(&mut self, at: Instant, stepped: NodeId, nodes: &[Option<Paxos<M>>]) -> Result<(), Violation> {
        self.step_is_over(at, stepped, |node: NodeId| nodes[node.index()].as_ref());
        let may_hold = |node: NodeId| {
            nodes[node.index()].as_ref().is_none_or(|node| node.stage == Stage::Leader || node.standstill.is_on())
        };
        self.held.after_step(&mut self.audit, at, may_hold);
        // Who is no acceptor knows no leader, and asks around; a loop that stood still may have learned of another one
        // since, in the same step.
        let may_name = |node: NodeId, named: NodeId| {
            nodes[node.index()].as_ref().is_none_or(|node| {
                node.leader() == Some(named) || !node.is_voter() || node.config.leader_disk != LeaderDisk::Parallel
            })
        };
        self.redirects.after_step(&mut self.audit, at, may_name);
        let base = || nodes[stepped.index()].as_ref().filter(|node| !node.is_blank()).map(Paxos::snapshot_slot);
        self.kept.after_step(&mut self.audit, at, stepped, base);
        self.audit.violation().cloned().map_or(Ok(()), Err)
    }
}
