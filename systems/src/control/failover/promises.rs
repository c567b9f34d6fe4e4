//! What nodes promise each other while they run, each rule seen in the step that breaks it rather than in what may come
//! of that.

use super::ledger::Ledger;
use super::log::Position;
use super::message::{FailoverFact, FailoverMessage};
use super::node::{Failover, Stage};
use super::options::{Arbiter, Config, Mode};
use crate::shared::replication::audit::Audit;
use crate::shared::replication::calm::Calm;
use crate::shared::replication::handovers::HandOvers;
use sim_core::sorted::SortedMap;
use sim_core::{Instant, LocalInstant, Node, NodeId, NodeSet, Observed, Verdict};

sim_core::rules! {
    /// Who has answered a primary, or voted for one, votes for nobody else until that one's lease is over; not after a
    /// restart either.
    pub const PLEDGES_KEPT: &str = "pledges_kept";
    /// A primary commits what earlier ones have left only together with an entry of its own epoch (Raft paper, figure
    /// 8).
    pub const COMMITS_ARE_ITS_OWN: &str = "commits_are_its_own";
    /// Who is taken into the set of those in sync has everything on its disk that was acknowledged (KAFKA-7128).
    pub const IN_SYNC_HAS_ALL: &str = "in_sync_has_all";
    /// A hand-over to a backup that follows and has all that was committed is neither given up nor won by another,
    /// unless something goes wrong meanwhile.
    pub const HAND_OVERS_SUCCEED: &str = "hand_overs_succeed";
    /// A node says that it leads if and only if it does: operators, proxies and whoever aims at the leader go by it.
    pub const ROLES_ARE_TRUE: &str = "roles_are_true";
}

/// A word that a node has given.
#[derive(Clone, Copy, Debug)]
struct Pledge {
    to: NodeId,
    at: Instant,
}

/// What is announced in a step and looked at when it is over.
#[derive(Clone, Copy, Debug)]
enum Pending {
    /// A primary has applied up to this entry.
    Applied(NodeId, Position),
    /// The primary of this epoch says that these are in sync.
    InSync(NodeId, u64, NodeSet),
    /// A primary begins to hand over.
    HandingOver(NodeId, NodeId),
    /// A node begins to lead, or stops.
    Role(NodeId),
}

/// The memory of these rules.
#[derive(Clone, Debug, Default)]
pub(super) struct Promises {
    /// The last heartbeat that each node was handed: by whom, when, and its name.
    heard: SortedMap<NodeId, (Pledge, LocalInstant)>,
    pledges: SortedMap<NodeId, Pledge>,
    /// The last epoch in which a candidate asked a voter as the primary's own successor.
    transfers: SortedMap<(NodeId, NodeId), u64>,
    /// Those who lead, and in which epoch.
    leading: SortedMap<NodeId, u64>,
    /// Those in sync, as was said last.
    in_sync: NodeSet,
    /// Those that have started and not synced since: what they had on their disks they have there still, but make no
    /// claim yet.
    starting: NodeSet,
    pending: Vec<Pending>,
    calm: Calm,
    hand_overs: HandOvers,
    votes: u64,
    commits: u64,
    joined: u64,
    roles: u64,
}

impl Promises {
    /// A node announces something.
    pub fn on_fact(&mut self, config: &Config, audit: &mut Audit, at: Instant, node: NodeId, fact: &FailoverFact) {
        match *fact {
            FailoverFact::Decided { epoch, planned, .. } => {
                self.leading.insert(node, epoch);
                match self.hand_overs.under_way() {
                    Some(handing) if handing.to != node || !planned => {
                        self.check_handed_over(audit, at, node, "became the primary by itself");
                    }
                    _ => self.hand_overs.end(),
                }
                self.pending.push(Pending::Role(node));
            }
            FailoverFact::HandingOver { to, .. } => self.pending.push(Pending::HandingOver(node, to)),
            FailoverFact::SteppedDown { .. } => {
                self.leading.remove(&node);
                self.pending.push(Pending::Role(node));
            }
            FailoverFact::Applied { entry, .. } if self.leading.contains_key(&node) && !config.is_shared() => {
                self.pending.push(Pending::Applied(node, entry));
            }
            FailoverFact::InSyncChanged { epoch, nodes } if config.keeps() => {
                // Who has fallen behind meanwhile can not take over.
                if self.hand_overs.under_way().is_some_and(|handing| handing.from == node && !nodes.has(handing.to)) {
                    self.hand_overs.end();
                }
                self.pending.push(Pending::InSync(node, epoch, nodes));
            }
            _ => {}
        }
    }

    /// Something else happens. `clocks` says whether clocks can be trusted.
    pub fn watch(
        &mut self,
        config: &Config,
        audit: &mut Audit,
        at: Instant,
        what: &Observed<'_, Failover>,
        clocks: bool,
    ) {
        self.calm.watch(at, what);
        if let Observed::Sent { from, to, arrives, .. } = what {
            self.hand_overs.sent(at, (*from, *to), *arrives);
        }
        match what {
            Observed::Delivered { from, to, message: FailoverMessage::Heartbeat { sent, .. }, .. } => {
                self.heard.insert(*to, (Pledge { to: *from, at }, *sent));
            }
            Observed::Sent { from, to, message: FailoverMessage::Alive { sent, .. }, .. } => {
                if let Some((pledge, name)) = self.heard.get(from)
                    && pledge.to == *to
                    && name == sent
                {
                    self.pledges.insert(*from, *pledge);
                }
            }
            Observed::Delivered { from, to, message: FailoverMessage::Ask { epoch, transfer: true, .. }, .. } => {
                self.transfers.insert((*to, *from), *epoch);
            }
            Observed::Noted { node, fact: FailoverFact::Voted { epoch, candidate } } => {
                let transfer = self.transfers.get(&(*node, *candidate)) == Some(epoch);
                // What the arbiter has decided is decided.
                if config.excludes() && config.arbiter != Arbiter::Quorum && !transfer && clocks {
                    self.check_vote(config, audit, at, *node, *candidate);
                }
            }
            Observed::Crashed { node, .. } => {
                self.leading.remove(node);
            }
            Observed::Booted { node, .. } => self.starting = self.starting.with(*node),
            Observed::Synced { node, ok: true, .. } => self.starting = self.starting.without(*node),
            _ => {}
        }
    }

    fn check_vote(&mut self, config: &Config, audit: &mut Audit, at: Instant, node: NodeId, candidate: NodeId) {
        self.votes += 1;
        let Some(Pledge { to, at: given }) = self.pledges.get(&node).copied() else { return };
        // As long as the primary trusts it, whatever the clocks are.
        let least = config.lease_held();
        if to != candidate && at.since(given) < least {
            audit.fail(at, PLEDGES_KEPT, node, || {
                format!(
                    "{node} voted for {candidate} {} after it had told {to} that it hears it; the lease is {}",
                    at.since(given),
                    config.lease
                )
            });
        }
    }

    /// A step is over.
    #[inline]
    pub fn after_step(
        &mut self,
        config: &Config,
        audit: &mut Audit,
        at: Instant,
        ledger: &Ledger,
        (stepped, nodes): (NodeId, &[Option<Failover>]),
    ) {
        if let Some(handing) = self.hand_overs.under_way().filter(|handing| handing.from == stepped) {
            let lead = nodes[stepped.index()].as_ref().and_then(|node| node.lead.as_ref());
            if lead.is_some_and(|lead| lead.handing.is_none()) {
                self.check_handed_over(audit, at, handing.from, "gave it up");
            }
        }
        for pending in core::mem::take(&mut self.pending) {
            match pending {
                Pending::Applied(node, entry) => self.check_commit(audit, at, node, entry),
                Pending::HandingOver(from, to) => {
                    // Without an arbiter there may be two primaries, and the other one's word may end it.
                    let feasible = config.arbiter != Arbiter::None && can_take_over(config, nodes, from, to);
                    self.hand_overs.begin(at, (from, to), (&self.calm, config.failure_timeout), feasible);
                }
                // Where a later primary has acknowledged something, this one's word counts no more: it just has not
                // heard.
                Pending::InSync(_, epoch, _) if ledger.newest().is_some_and(|entry| entry.epoch > epoch) => {}
                Pending::Role(node) => {
                    self.roles += 1;
                    let Some((leads, role)) = nodes[node.index()].as_ref().map(|node| (node.leads(), node.role().name))
                    else {
                        continue;
                    };
                    if leads != (role == "leader") {
                        audit.fail(at, ROLES_ARE_TRUE, node, || {
                            let does = if leads { "leads" } else { "does not lead" };
                            format!("{node} says that it is {role}, and {does}")
                        });
                    }
                }
                Pending::InSync(node, _, set) => {
                    let new = set.minus(self.in_sync).without(node);
                    self.in_sync = set;
                    if config.mode == Mode::Sync {
                        self.check_in_sync(audit, at, ledger, (node, new), nodes);
                    }
                }
            }
        }
    }

    /// What became of a hand-over is not what should have.
    fn check_handed_over(&mut self, audit: &mut Audit, at: Instant, node: NodeId, what: &str) {
        let Some(handing) = self.hand_overs.fail(&self.calm) else { return };
        audit.fail(at, HAND_OVERS_SUCCEED, node, || {
            let (from, to, begun) = (handing.from, handing.to, handing.begun);
            format!("{from} began to hand over to {to} at {begun}, nothing went wrong, and {node} {what}")
        });
    }

    fn check_commit(&mut self, audit: &mut Audit, at: Instant, node: NodeId, entry: Position) {
        let Some(epoch) = self.leading.get(&node).copied() else { return };
        self.commits += 1;
        if entry.epoch != epoch {
            audit.fail(at, COMMITS_ARE_ITS_OWN, node, || {
                format!(
                    "{node}, the primary of epoch {epoch}, took entry {} of epoch {} for committed, and none of its \
                     own",
                    entry.offset, entry.epoch
                )
            });
        }
    }

    fn check_in_sync(
        &mut self,
        audit: &mut Audit,
        at: Instant,
        ledger: &Ledger,
        (primary, new): (NodeId, NodeSet),
        nodes: &[Option<Failover>],
    ) {
        for node in new.iter() {
            let Some(there) = nodes[node.index()].as_ref() else { continue };
            self.joined += 1;
            let starts = self.starting.has(node);
            let has = |entry: Position| there.log().holds(entry) && (starts || entry.offset <= there.durable());
            if let Some(entry) = ledger.newest().filter(|entry| !has(*entry)) {
                audit.fail(at, IN_SYNC_HAS_ALL, node, || {
                    format!(
                        "{primary} takes {node} for in sync, but that has entries up to {} on its disk, and entry {} \
                         of epoch \
                         {} was acknowledged",
                        there.durable(),
                        entry.offset,
                        entry.epoch
                    )
                });
            }
        }
    }

    /// What the rules say, of what happened.
    pub fn verdicts(&self, audit: &Audit) -> Vec<Verdict> {
        let (votes, commits, joined) = (self.votes, self.commits, self.joined);
        let rows = [
            (PLEDGES_KEPT, votes, format!("{votes} votes")),
            (COMMITS_ARE_ITS_OWN, commits, format!("{commits} times something was committed")),
            (ROLES_ARE_TRUE, self.roles, format!("{} times somebody began to lead, or stopped", self.roles)),
            (IN_SYNC_HAS_ALL, joined, format!("{joined} times somebody came into sync")),
            (HAND_OVERS_SUCCEED, self.hand_overs.seen, format!("{} hand-overs", self.hand_overs.seen)),
        ];
        let broken = |name: &str| audit.violation().is_some_and(|violation| violation.rule == name);
        let seen = rows.into_iter().filter(|(rule, seen, _)| *seen > 0 || broken(rule));
        seen.map(|(rule, seen, detail)| audit.rule(rule, seen, detail)).collect()
    }
}

/// Whether `to` follows the primary `from` and has all it needs, everybody knows that primary's epoch to be the newest,
/// and whoever has to agree can.
fn can_take_over(config: &Config, nodes: &[Option<Failover>], from: NodeId, to: NodeId) -> bool {
    let [Some(primary), Some(backup)] = [from, to].map(|node| nodes[node.index()].as_ref()) else { return false };
    let in_sync = primary.lead.as_ref().is_some_and(|lead| config.mode != Mode::Sync || lead.in_sync.has(to));
    let has_all = config.is_shared() || backup.has_joined() && backup.log().last() >= primary.committed();
    let follows = backup.epoch() == primary.epoch() && backup.primary() == Some(from) && backup.stage == Stage::Backup;
    let arbitrates = |node: &Failover| node.arbiter.as_ref().is_some_and(|arbiter| arbiter.leads());
    let agreed = config.arbiter != Arbiter::Quorum || nodes.iter().flatten().any(arbitrates);
    in_sync && has_all && follows && agreed && nodes.iter().flatten().all(|node| node.epoch() <= primary.epoch())
}
