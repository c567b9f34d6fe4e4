//! What each node owes the others while the cluster changes: seen in the step that breaks it, rather than in what may come of it.

use super::config::Config;
use super::data::{Position, StreamId};
use super::message::{ClusterFact, ClusterMessage, Header};
use super::node::Cluster;
use super::slots::{Run, slots};
use sim_core::{Duration, Instant, NodeId, Observed};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

sim_core::rules! {
    /// A primary that has restarted may have been replaced: it writes nothing before it has waited to be told.
    pub const RESTARTED_WAITS: &str = "restarted_waits";
    /// Whoever is told that somebody has its slots by a newer configuration lets go of them at once.
    pub const OLD_OWNER_YIELDS: &str = "old_owner_yields";
    /// No vote for a replica of one that lost its slots, as far as the voter knows.
    pub const VOTES_FOR_PRESENT_OWNERS: &str = "votes_for_present_owners";
    /// Within a stream of writes no node goes back, except by losing what was not durable when it went down; nor to a stream that it
    /// left.
    pub const POSITIONS_GROW: &str = "positions_grow";
}

/// Somebody's word about slots.
#[derive(Clone, Debug)]
enum Word {
    /// A header of a primary.
    Claim(NodeId, Rc<Header>),
    Update {
        owner: NodeId,
        config_epoch: u64,
        runs: Rc<[Run]>,
    },
    /// A candidate's.
    Vote(NodeId, Rc<Header>),
}

/// What is remembered of one node.
#[derive(Clone, Debug, Default)]
struct Seen {
    at: Position,
    left: BTreeSet<StreamId>,
    voted: u64,
    /// When it started again.
    restarted: Option<Instant>,
}

/// A rule that was broken: which, by whom, and what was seen.
pub(super) type Broken = (&'static str, NodeId, String);

/// The memory of these rules.
#[derive(Clone, Debug, Default)]
pub(super) struct Duties {
    nodes: BTreeMap<NodeId, Seen>,
    /// What the node that steps was told.
    word: Option<(NodeId, Word)>,
    /// How often each rule was looked at.
    pub restarts: u64,
    pub words: u64,
    pub votes: u64,
    pub steps: u64,
}

impl Duties {
    /// Something happens.
    pub fn watch(&mut self, config: &Config, at: Instant, what: &Observed<'_, Cluster>) -> Option<Broken> {
        match what {
            Observed::Delivered { from, to, message, .. } => {
                self.word = match message {
                    ClusterMessage::Ping(header) | ClusterMessage::Pong(header) if header.primary.is_none() => {
                        Some((*to, Word::Claim(*from, Rc::clone(header))))
                    }
                    ClusterMessage::Update { owner, config_epoch, slots } => {
                        let word = Word::Update { owner: *owner, config_epoch: *config_epoch, runs: Rc::clone(slots) };
                        Some((*to, word))
                    }
                    ClusterMessage::VoteRequest(header) => Some((*to, Word::Vote(*from, Rc::clone(header)))),
                    _ => None,
                };
            }
            Observed::Booted { node, records } => {
                let restarted = (*records > 0).then_some(at);
                self.nodes.insert(*node, Seen { restarted, ..Seen::default() });
            }
            Observed::Noted { node, fact: ClusterFact::Wrote { .. } } => return self.check_wait(config, at, *node),
            _ => {}
        }
        None
    }

    fn check_wait(&mut self, config: &Config, at: Instant, node: NodeId) -> Option<Broken> {
        let restarted = self.nodes.get(&node).and_then(|seen| seen.restarted)?;
        self.restarts += 1;
        // Its clock may run a little fast.
        let least = Duration(config.rejoin_delay.0 - config.rejoin_delay.0 / 16);
        let waited = at.since(restarted);
        (waited < least).then(|| {
            let detail =
                format!("it writes {waited} after it started again, and was to wait for {}", config.rejoin_delay);
            (RESTARTED_WAITS, node, detail)
        })
    }

    /// A step of `node` is over.
    pub fn after_step(&mut self, node: NodeId, cluster: &Cluster) -> Option<Broken> {
        self.steps += 1;
        let seen = self.nodes.entry(node).or_default();
        let (before, voted) = (seen.at, seen.voted);
        (seen.at, seen.voted) = (cluster.at(), cluster.voted);
        if before.stream != cluster.at().stream {
            seen.left.insert(before.stream);
        }
        let returns = seen.left.contains(&cluster.at().stream);
        let word = self.word.take().filter(|(to, _)| *to == node).map(|(_, word)| word);
        if before.stream == cluster.at().stream && cluster.at().offset < before.offset || returns {
            let detail = format!("it had all up to {before}, and went back to {}", cluster.at());
            return Some((POSITIONS_GROW, node, detail));
        }
        match word? {
            Word::Claim(from, header) => {
                // One that is older than another it was sent before is no news.
                let is_news = cluster.peers[from.index()].stamp == header.stamp;
                is_news.then(|| self.check_yields(node, cluster, (from, header.config_epoch), &header.slots))?
            }
            Word::Update { owner, config_epoch, runs } => {
                let known = cluster.config_epoch(owner) == config_epoch && owner != node;
                known.then(|| self.check_yields(node, cluster, (owner, config_epoch), &runs))?
            }
            Word::Vote(candidate, header) if cluster.voted != voted && cluster.voted == header.epoch => {
                self.check_vote(node, cluster, candidate, &header)
            }
            Word::Vote(..) => None,
        }
    }

    fn check_yields(
        &mut self,
        node: NodeId,
        cluster: &Cluster,
        (owner, config_epoch): (NodeId, u64),
        runs: &[Run],
    ) -> Option<Broken> {
        self.words += 1;
        if cluster.primary().is_some() || cluster.config_epoch(node) >= config_epoch || owner == node {
            return None;
        }
        let kept = runs.iter().map(|run| run.first).find(|slot| cluster.slots().owner(*slot) == Some(node))?;
        let own = cluster.config_epoch(node);
        let detail = format!(
            "it was told that {owner} has slot {kept} by config epoch {config_epoch}, and still has it by {own}"
        );
        Some((OLD_OWNER_YIELDS, node, detail))
    }

    fn check_vote(&mut self, node: NodeId, cluster: &Cluster, candidate: NodeId, header: &Header) -> Option<Broken> {
        self.votes += 1;
        let newer = |slot: &u16| {
            let owner = cluster.slots().owner(*slot);
            owner.is_some_and(|owner| cluster.config_epoch(owner) > header.config_epoch)
        };
        let slot = slots(&header.slots).find(newer)?;
        let owner = cluster.slots().owner(slot)?;
        let detail = format!(
            "it voted for {candidate}, which wants slot {slot} by config epoch {}; {owner} has that by {}",
            header.config_epoch,
            cluster.config_epoch(owner)
        );
        Some((VOTES_FOR_PRESENT_OWNERS, node, detail))
    }
}
