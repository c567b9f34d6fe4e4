//! The facts that hosts announce, and the rules that hosted libraries are held to: those of any replicated service, and
//! what a library owes its host.

use crate::host::{Hosted, Library};
use sim_core::track::Track;
use sim_core::{ClientId, Duration, Instant, NodeId, Observed, Observer, Verdict, Violation};
use std::collections::{BTreeMap, VecDeque};
use systems::shared::replication::audit::{Audit, Ended, STATE_MACHINE_SAFETY};
use systems::shared::replication::leaders;

sim_core::rules! {
    /// At most one leader is elected in a term.
    pub const ELECTION_SAFETY: &str = "election_safety";
    /// A library hands its host every entry of the log once, in order.
    pub const HANDED_OVER_IN_ORDER: &str = "handed_over_in_order";
}

sim_core::facts! {
    /// What a host announces.
    pub enum HostFact {
        /// The library wants to lead.
        Campaign { term: u64 } = "campaign" landmark ("term {term}"),
        /// It leads.
        Elected { term: u64 } = "elected" landmark ("term {term}"),
        /// It leads no longer.
        SteppedDown { term: u64 } = "stepped_down" landmark ("term {term}"),
        /// A new leader has decided something.
        FirstCommit { term: u64 } = "first_commit" landmark ("term {term}"),
        /// An operation was carried out, or found to have been.
        Executed { index: u64, chain: u64, client: ClientId, op: u64, fresh: bool } = "executed"
            ("operation {op} of {client} by entry {index}{}", if fresh { "" } else { ", again" }),
        /// Everything up to `index` is applied.
        Applied { index: u64, chain: u64, digest: u64 } = "applied" ("up to entry {index}"),
        /// A snapshot was taken.
        SnapshotTaken { index: u64 } = "snapshot_taken" ("up to entry {index}"),
        /// The service began anew from another node's snapshot.
        SnapshotInstalled { index: u64, chain: u64, digest: u64 } = "snapshot_installed" landmark
            ("up to entry {index}"),
        /// A read was served beside the log.
        ReadServed { index: u64, client: ClientId, op: u64 } = "read_served"
            ("operation {op} of {client} at entry {index}"),
        /// The library handed over another entry than the next one.
        OutOfOrder { index: u64, expected: u64 } = "out_of_order" landmark ("entry {index}, not {expected}"),
        /// The disk can not be read.
        Unreadable { record: u64 } = "unreadable" landmark ("record {record}"),
    }
}

/// How far a running node may be behind what was decided at the end.
const LAG: Duration = Duration::secs(1);

/// The memory over one run.
#[derive(Clone, Debug)]
pub struct HostRules {
    audit: Audit,
    leaders_of: BTreeMap<u64, NodeId>,
    /// Who led when.
    pub leaders: Track,
    now: Instant,
    /// How far decisions had got at moments of the last second.
    fronts: VecDeque<(Instant, u64)>,
    handed: u64,
}

impl HostRules {
    pub fn new(nodes: u32) -> Self {
        Self {
            audit: Audit::new(nodes),
            leaders_of: BTreeMap::new(),
            leaders: leaders(),
            now: Instant::ZERO,
            fronts: VecDeque::new(),
            handed: 0,
        }
    }

    fn decided(&mut self, at: Instant, index: u64) {
        if self.fronts.back().is_none_or(|(_, front)| index > *front) {
            self.fronts.push_back((at, index));
            while self.fronts.get(1).is_some_and(|(then, _)| at.since(*then) >= LAG) {
                self.fronts.pop_front();
            }
        }
    }

    fn on_fact(&mut self, at: Instant, node: NodeId, fact: HostFact) {
        match fact {
            HostFact::Elected { term } => {
                self.leaders.begin(at, node, format!("term {term}"));
                if let Some(other) = self.leaders_of.insert(term, node).filter(|other| *other != node) {
                    let detail = || format!("{node} was elected in term {term}, and so was {other}");
                    self.audit.fail(at, ELECTION_SAFETY, node, detail);
                }
            }
            HostFact::SteppedDown { .. } => self.leaders.end(at, node),
            HostFact::Executed { index, chain, client, op, fresh } => {
                self.handed += 1;
                self.audit.executed(at, node, index, client, op, fresh);
                self.audit.applied(at, STATE_MACHINE_SAFETY, node, index, chain, None);
                self.decided(at, index);
            }
            HostFact::Applied { index, chain, digest } => {
                self.audit.applied(at, STATE_MACHINE_SAFETY, node, index, chain, Some(digest));
                self.decided(at, index);
            }
            HostFact::SnapshotInstalled { index, chain, digest } => {
                self.audit.applied(at, STATE_MACHINE_SAFETY, node, index, chain, Some(digest));
                self.audit.snapshot(node, index);
            }
            HostFact::SnapshotTaken { index } => self.audit.snapshot(node, index),
            HostFact::ReadServed { index, client, op } => self.audit.read(at, node, index, client, op),
            HostFact::OutOfOrder { index, expected } => self.audit.fail(at, HANDED_OVER_IN_ORDER, node, || {
                format!("{node} was handed entry {index}, and the next one was {expected}")
            }),
            HostFact::Campaign { .. } | HostFact::FirstCommit { .. } | HostFact::Unreadable { .. } => {}
        }
    }

    /// What each rule says.
    pub fn verdicts<L: Library>(&self, nodes: &[Option<Hosted<L>>]) -> Vec<Verdict> {
        let leaders = self.leaders_of.len() as u64;
        let mut verdicts = vec![
            self.audit.rule(ELECTION_SAFETY, leaders, format!("{leaders} leaders")),
            self.audit.rule(HANDED_OVER_IN_ORDER, self.handed, format!("{} entries", self.handed)),
        ];
        // What was decided a second ago is everywhere by now.
        let due =
            self.fronts.iter().rev().find(|(then, _)| self.now.since(*then) >= LAG).map_or(0, |(_, front)| *front);
        let live = || (0..).map(NodeId).zip(nodes).filter_map(|(id, node)| Some((id, node.as_ref()?)));
        let front = live().map(|(_, node)| node).max_by_key(|node| node.applied());
        let agrees = |node: &Hosted<L>| {
            let same = |front: &Hosted<L>| front.applied() != node.applied() || front.chain() == node.chain();
            node.applied() >= due && front.is_none_or(same)
        };
        let ended = live().map(|(id, node)| Ended {
            node: id,
            applied: node.applied(),
            digest: node.digest(),
            agrees: agrees(node),
        });
        verdicts.extend(self.audit.verdicts(&ended.collect::<Vec<_>>(), nodes.len()));
        verdicts
    }
}

impl<L: Library> Observer<Hosted<L>> for HostRules {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Hosted<L>>) {
        self.now = at;
        match what {
            Observed::Noted { node, fact } => self.on_fact(at, *node, *fact),
            Observed::Crashed { node, .. } => self.leaders.end(at, *node),
            _ => {}
        }
        self.audit.watch(at, what);
    }
    fn after_step(&mut self, _: Instant, _: NodeId, _: &[Option<Hosted<L>>]) -> Result<(), Violation> {
        self.audit.violation().cloned().map_or(Ok(()), Err)
    }
}
