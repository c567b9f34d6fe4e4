//! What nodes promise each other while they run, each rule seen in the step that breaks it rather than in what may come of that.

use super::config::{Arbiter, Config, Mode};
use super::ledger::Ledger;
use super::log::Position;
use super::message::{FailoverFact, FailoverMessage};
use super::node::Failover;
use crate::replication::audit::Audit;
use sim_core::{Instant, LocalInstant, NodeId, NodeSet, Observed, Verdict};
use std::collections::BTreeMap;

sim_core::rules! {
    /// Who has answered a primary, or voted for one, votes for nobody else until that one's lease is over; not after a restart either.
    pub const PLEDGES_KEPT: &str = "pledges_kept";
    /// A primary commits what earlier ones have left only together with an entry of its own epoch (Raft paper, figure 8).
    pub const COMMITS_ARE_ITS_OWN: &str = "commits_are_its_own";
    /// Who is taken into the set of those in sync has everything on its disk that was acknowledged (KAFKA-7128).
    pub const IN_SYNC_HAS_ALL: &str = "in_sync_has_all";
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
    /// A primary says that these are in sync.
    InSync(NodeId, NodeSet),
}

/// The memory of these rules.
#[derive(Clone, Debug, Default)]
pub(super) struct Promises {
    /// The last heartbeat that each node was handed: by whom, when, and its name.
    heard: BTreeMap<NodeId, (Pledge, LocalInstant)>,
    pledges: BTreeMap<NodeId, Pledge>,
    /// The last epoch in which a candidate asked a voter as the primary's own successor.
    transfers: BTreeMap<(NodeId, NodeId), u64>,
    /// Those who lead, and in which epoch.
    leading: BTreeMap<NodeId, u64>,
    /// Those in sync, as was said last.
    in_sync: NodeSet,
    pending: Vec<Pending>,
    votes: u64,
    commits: u64,
    joined: u64,
}

impl Promises {
    /// A node announces something.
    pub fn on_fact(&mut self, config: &Config, node: NodeId, fact: &FailoverFact) {
        match *fact {
            FailoverFact::Decided { epoch, .. } => {
                self.leading.insert(node, epoch);
            }
            FailoverFact::SteppedDown { .. } => {
                self.leading.remove(&node);
            }
            FailoverFact::Applied { entry, .. } if self.leading.contains_key(&node) && !config.is_shared() => {
                self.pending.push(Pending::Applied(node, entry));
            }
            FailoverFact::InSyncChanged { nodes, .. } if config.keeps() => {
                self.pending.push(Pending::InSync(node, nodes));
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
        nodes: &[Option<Failover>],
    ) {
        for pending in core::mem::take(&mut self.pending) {
            match pending {
                Pending::Applied(node, entry) => self.check_commit(audit, at, node, entry),
                Pending::InSync(node, set) => {
                    let new = set.minus(self.in_sync).without(node);
                    self.in_sync = set;
                    if config.mode == Mode::Sync {
                        self.check_in_sync(audit, at, ledger, (node, new), nodes);
                    }
                }
            }
        }
    }

    fn check_commit(&mut self, audit: &mut Audit, at: Instant, node: NodeId, entry: Position) {
        let Some(epoch) = self.leading.get(&node).copied() else { return };
        self.commits += 1;
        if entry.epoch != epoch {
            audit.fail(at, COMMITS_ARE_ITS_OWN, node, || {
                format!(
                    "{node}, the primary of epoch {epoch}, took entry {} of epoch {} for committed, and none of its own",
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
            let has = |entry: Position| there.log().holds(entry) && entry.offset <= there.durable();
            if let Some(entry) = ledger.newest().filter(|entry| !has(*entry)) {
                audit.fail(at, IN_SYNC_HAS_ALL, node, || {
                    format!(
                        "{primary} takes {node} for in sync, but that has entries up to {} on its disk, and entry {} of epoch \
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
            (IN_SYNC_HAS_ALL, joined, format!("{joined} times somebody came into sync")),
        ];
        let broken = |name: &str| audit.violation().is_some_and(|violation| violation.rule == name);
        let seen = rows.into_iter().filter(|(rule, seen, _)| *seen > 0 || broken(rule));
        seen.map(|(rule, seen, detail)| audit.rule(rule, seen, detail)).collect()
    }
}
