//! What each node owes the others while the cluster changes: seen in the step that breaks it, rather than in what may
//! come of it.

use super::data::{Position, StreamId};
use super::detect::REPORT_LASTS;
use super::message::{ClusterFact, ClusterMessage, Header, HeaderNumber, Start};
use super::node::Cluster;
use super::options::Config;
use super::slots::Run;
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{Duration, Instant, NodeId, NodeSet, Observed};
use std::rc::Rc;

sim_core::rules! {
    /// A primary that has restarted may have been replaced: it writes nothing before it has waited to be told.
    pub const RESTARTED_WAITS: &str = "restarted_waits";
    /// Whoever is told that somebody has its slots by a newer configuration lets go of them at once.
    pub const OLD_OWNER_YIELDS: &str = "old_owner_yields";
    /// No vote for a replica of one that lost its slots, as far as the voter knows.
    pub const VOTES_FOR_PRESENT_OWNERS: &str = "votes_for_present_owners";
    /// Within a stream of writes no node goes back, except by losing what was not durable when it went down; nor to a
    /// stream that it left.
    pub const POSITIONS_GROW: &str = "positions_grow";
    /// Nobody is suspected who was heard of within the node timeout.
    pub const SUSPECTS_ARE_SILENT: &str = "suspects_are_silent";
    /// A primary that has failed is not taken back before there was time to replace it.
    pub const FAILED_STAY_FAILED: &str = "failed_stay_failed";
    /// Whoever is told by a newer configuration that somebody has slots takes it for a primary at once.
    pub const UPDATES_ARE_TAKEN: &str = "updates_are_taken";
    /// A primary that claims slots which somebody has by a newer configuration is told so, each time it is news.
    pub const STALE_CLAIMS_CORRECTED: &str = "stale_claims_corrected";
    /// A primary's new stream begins where it stands, so that whoever has as much can go on from there.
    pub const STREAMS_GO_ON: &str = "streams_go_on";
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
    left: SortedSet<StreamId>,
    voted: u64,
    /// Its own configuration epoch.
    config_epoch: u64,
    /// When it was last handed anything on the bus, and the newest claim, by sender.
    heard: SortedMap<NodeId, Instant>,
    claims: SortedMap<NodeId, (Start, HeaderNumber)>,
    /// When it started again.
    restarted: Option<Instant>,
    /// Whom it holds for failed, and since when.
    failed: SortedMap<NodeId, Instant>,
    /// Who had slots when its last step was over, and by which configuration epochs.
    counting: NodeSet,
    epochs: Vec<u64>,
}

/// A rule that was broken: which, by whom, and what was seen.
pub(super) type Broken = (&'static str, NodeId, String);

/// The memory of these rules.
#[derive(Clone, Debug, Default)]
pub(super) struct Duties {
    nodes: SortedMap<NodeId, Seen>,
    /// What the node that steps was told.
    word: Option<(NodeId, Word)>,
    /// Who is told of slots in this step: by whom, and whom.
    corrected: Option<(NodeId, NodeId)>,
    /// Who takes whom back in this step, and how long that had failed for.
    back: Option<(NodeId, NodeId, Duration)>,
    /// Inputs of this step: one that stood still takes many at a time.
    inputs: u32,
    /// How often each rule was looked at.
    pub restarts: u64,
    pub words: u64,
    pub votes: u64,
    pub steps: u64,
    pub streams: u64,
    pub suspicions: u64,
    pub corrections: u64,
    pub returns: u64,
}

impl Duties {
    /// Something happens.
    pub fn watch(&mut self, config: &Config, at: Instant, what: &Observed<'_, Cluster>) -> Option<Broken> {
        if matches!(what, Observed::Delivered { .. } | Observed::Fired { .. } | Observed::Synced { .. }) {
            self.inputs += 1;
        }
        match what {
            Observed::Delivered { from, to, message, .. } => {
                if message.is_on_bus() {
                    self.nodes.entry(*to).or_default().heard.insert(*from, at);
                }
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
            Observed::Sent { from, to, message: ClusterMessage::Update { .. }, .. } => {
                self.corrected = Some((*from, *to));
            }
            Observed::Noted { node, fact: ClusterFact::Suspected { node: of } } => {
                return self.check_silent(config, at, *node, *of);
            }
            Observed::Noted { node, fact: ClusterFact::Failed { node: of } } => {
                self.nodes.entry(*node).or_default().failed.insert(*of, at);
            }
            Observed::Noted { node, fact: ClusterFact::Back { node: of } } => {
                let since = self.nodes.entry(*node).or_default().failed.remove(of);
                self.back = since.map(|since| (*node, *of, at.since(since)));
            }
            Observed::Noted { node, fact: ClusterFact::Began { after, .. } } => {
                return self.check_stream(*node, *after);
            }
            _ => {}
        }
        None
    }

    fn check_silent(&mut self, config: &Config, at: Instant, node: NodeId, of: NodeId) -> Option<Broken> {
        self.suspicions += 1;
        let heard = *self.nodes.get(&node)?.heard.get(&of)?;
        // Its clock may run a little fast.
        let least = Duration(config.node_timeout.0 - config.node_timeout.0 / 16);
        let silent = at.since(heard);
        (silent < least).then(|| {
            let detail =
                format!("it suspects {of}, of which it heard {silent} ago; the timeout is {}", config.node_timeout);
            (SUSPECTS_ARE_SILENT, node, detail)
        })
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

    /// It may have got further in the same step, but not back to where it was before.
    fn check_stream(&mut self, node: NodeId, after: Position) -> Option<Broken> {
        self.streams += 1;
        let seen = self.nodes.entry(node).or_default();
        let back = if after.stream == seen.at.stream {
            after.offset < seen.at.offset
        } else {
            seen.left.contains(&after.stream) || after == Position::default()
        };
        back.then(|| (STREAMS_GO_ON, node, format!("its stream begins after {after}, and it stood at {}", seen.at)))
    }

    /// A step of `node` is over.
    pub fn after_step(&mut self, node: NodeId, nodes: &[Option<Cluster>]) -> Option<Broken> {
        let cluster = nodes[node.index()].as_ref()?;
        self.steps += 1;
        let seen = self.nodes.entry(node).or_default();
        let (before, voted, config_epoch) = (seen.at, seen.voted, seen.config_epoch);
        (seen.at, seen.voted, seen.config_epoch) = (cluster.at(), cluster.voted, cluster.config_epoch(node));
        let alone = core::mem::take(&mut self.inputs) == 1;
        let corrected = self.corrected.take().filter(|(by, _)| *by == node).map(|(_, whom)| whom);
        if before.stream != cluster.at().stream {
            seen.left.insert(before.stream);
        }
        let returns = seen.left.contains(&cluster.at().stream);
        let counted = core::mem::replace(&mut seen.counting, cluster.counting());
        let epochs = (0..nodes.len() as u32).map(|node| cluster.config_epoch(NodeId(node))).collect();
        let epochs = core::mem::replace(&mut seen.epochs, epochs);
        // One that had slots before this step and after it had them when it was taken back, if nothing else happened.
        let still = |node: NodeId| alone && counted.has(node) && cluster.counts(node);
        if let Some((_, of, lasted)) = self.back.take().filter(|(by, of, _)| *by == node && still(*of)) {
            self.returns += 1;
            let least = cluster.config.node_timeout.times(REPORT_LASTS);
            // Its clock may run a little fast.
            if lasted < Duration(least.0 - least.0 / 16) {
                let detail = format!("it takes {of} back, which has slots and failed {lasted} ago; {least} were due");
                return Some((FAILED_STAY_FAILED, node, detail));
            }
        }
        let word = self.word.take().filter(|(to, _)| *to == node).map(|(_, word)| word);
        if before.stream == cluster.at().stream && cluster.at().offset < before.offset || returns {
            let detail = format!("it had all up to {before}, and went back to {}", cluster.at());
            return Some((POSITIONS_GROW, node, detail));
        }
        match word? {
            Word::Claim(from, header) => {
                // One that is older than another it was sent before is no news.
                let is_news = cluster.peers[from.index()].stamp == header.stamp;
                if !is_news {
                    return None;
                }
                let again = seen.claims.insert(from, header.stamp) == Some(header.stamp);
                // One that is handed over twice is no news the second time.
                if !again && alone && corrected != Some(from) && config_epoch == cluster.config_epoch(node) {
                    let broken = self.check_corrected(node, cluster, from, &header);
                    if broken.is_some() {
                        return broken;
                    }
                }
                self.check_yields(node, cluster, (from, header.config_epoch), &header.slots)
            }
            Word::Update { owner, config_epoch, runs } => {
                let known = cluster.config_epoch(owner) == config_epoch && owner != node;
                let is_news = alone && epochs.get(owner.index()).is_some_and(|before| *before < config_epoch);
                if let Some(of) = cluster.peers[owner.index()].primary.filter(|_| known && is_news) {
                    let detail = format!(
                        "it was told that {owner} has slots by config epoch {config_epoch}, and holds it for a replica \
                         of {of}"
                    );
                    return Some((UPDATES_ARE_TAKEN, node, detail));
                }
                known.then(|| self.check_yields(node, cluster, (owner, config_epoch), &runs))?
            }
            Word::Vote(candidate, header) if cluster.voted != voted && cluster.voted == header.epoch => {
                self.check_vote(node, cluster, (candidate, nodes[candidate.index()].as_ref()), &header)
            }
            Word::Vote(..) => None,
        }
    }

    /// It has not told `from` anything of slots.
    fn check_corrected(&mut self, node: NodeId, cluster: &Cluster, from: NodeId, header: &Header) -> Option<Broken> {
        self.corrections += 1;
        let newer = |(_, owner): &(u16, NodeId)| *owner != from && cluster.config_epoch(*owner) > header.config_epoch;
        let (slot, owner) = cluster.slots().stretches(&header.slots).find(newer)?;
        let detail = format!(
            "{from} claims slot {slot} by config epoch {}, and is not told that {owner} has it by {}",
            header.config_epoch,
            cluster.config_epoch(owner)
        );
        Some((STALE_CLAIMS_CORRECTED, node, detail))
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

    /// What a candidate wants is what it says, and what its own map gives it, which is what it takes if it wins.
    fn check_vote(
        &mut self,
        node: NodeId,
        cluster: &Cluster,
        (candidate, its): (NodeId, Option<&Cluster>),
        header: &Header,
    ) -> Option<Broken> {
        self.votes += 1;
        let newer = |(_, owner): &(u16, NodeId)| cluster.config_epoch(*owner) > header.config_epoch;
        let primary = header.primary?;
        // One that has learned more since it asked may not stand any more.
        let asks = |its: &&Cluster| its.primary() == Some(primary) && its.config_epoch(primary) == header.config_epoch;
        let its = its.filter(asks).map(|its| its.slots().runs(primary));
        let wanted = [Some(&header.slots), its.as_ref()].into_iter().flatten();
        let (slot, owner) = wanted.flat_map(|runs| cluster.slots().stretches(runs)).find(newer)?;
        let detail = format!(
            "it voted for {candidate}, which wants slot {slot} by config epoch {}; {owner} has that by {}",
            header.config_epoch,
            cluster.config_epoch(owner)
        );
        Some((VOTES_FOR_PRESENT_OWNERS, node, detail))
    }
}

#[cfg(test)]
mod tests {
    use super::super::data::StreamId;
    use super::super::options::ClusterOptions;
    use super::*;
    use sim_core::{Effects, LocalInstant, Node, Purpose, Replay, Rng, WriteId, Writes};

    fn cluster(config: &Rc<Config>, me: NodeId) -> Cluster {
        let (mut rng, mut at, mut out) = (Rng::stream(1, Purpose::Node, 0), Writes::at(WriteId(0)), Vec::new());
        Cluster::boot(config, me, Replay::empty(), &mut Effects::new(me, LocalInstant(0), &mut rng, &mut at, &mut out))
    }

    #[test]
    fn who_is_suspected_though_it_was_heard_of_is_found() {
        let config = ClusterOptions::default().validate(&sim_core::Shape::plain(6)).expect("options that make sense");
        let (node, of) = (NodeId(1), NodeId(2));
        let mut duties = Duties::default();
        let mut message = |at| {
            let message = ClusterMessage::Fail(NodeId(3));
            duties.watch(&config, at, &Observed::Delivered { from: of, to: node, number: 1, message: &message });
            let later = at + Duration(config.node_timeout.0 / 2);
            duties.check_silent(&config, later, node, of).map(|(rule, ..)| rule)
        };
        assert_eq!(message(Instant(7)), Some(SUSPECTS_ARE_SILENT));
        assert_eq!(
            duties.check_silent(&config, Instant(7) + config.node_timeout, node, of).map(|(rule, ..)| rule),
            None
        );
    }

    #[test]
    fn a_failed_primary_that_is_taken_back_too_soon_is_found() {
        let config =
            Rc::new(ClusterOptions::default().validate(&sim_core::Shape::plain(6)).expect("options that make sense"));
        let (node, of) = (NodeId(0), NodeId(1));
        let nodes: Vec<_> = (0..6).map(|me| Some(cluster(&config, NodeId(me)))).collect();
        let run = |failed_for: Duration| {
            let mut duties = Duties::default();
            duties.after_step(node, &nodes);
            let mut note = |at, fact| duties.watch(&config, at, &Observed::Noted { node, fact });
            note(Instant(7), ClusterFact::Failed { node: of });
            note(Instant(7) + failed_for, ClusterFact::Back { node: of });
            let message = ClusterMessage::Fail(NodeId(5));
            let delivered = Observed::Delivered { from: of, to: node, number: 1, message: &message };
            duties.watch(&config, Instant(7) + failed_for, &delivered);
            duties.after_step(node, &nodes).map(|(rule, ..)| rule)
        };
        let due = config.node_timeout.times(REPORT_LASTS);
        assert_eq!(run(Duration(due.0 / 2)), Some(FAILED_STAY_FAILED));
        assert_eq!(run(due), None);
    }

    #[test]
    fn who_is_told_of_a_new_primary_and_holds_it_for_a_replica_is_found() {
        let config =
            Rc::new(ClusterOptions::default().validate(&sim_core::Shape::plain(6)).expect("options that make sense"));
        let (node, owner) = (NodeId(0), NodeId(4));
        let run = |is_replica: bool| {
            let mut duties = Duties::default();
            let mut nodes: Vec<_> = (0..6).map(|me| Some(cluster(&config, NodeId(me)))).collect();
            duties.after_step(node, &nodes);
            let cluster = nodes[node.index()].as_mut().expect("it runs");
            let slots = cluster.slots().runs(NodeId(1));
            let peer = &mut cluster.peers[owner.index()];
            assert!(peer.primary.is_some());
            peer.config_epoch = 9;
            if !is_replica {
                peer.primary = None;
            }
            let message = ClusterMessage::Update { owner, config_epoch: 9, slots };
            let delivered = Observed::Delivered { from: NodeId(2), to: node, number: 1, message: &message };
            duties.watch(&config, Instant(7), &delivered);
            duties.after_step(node, &nodes).map(|(rule, ..)| rule)
        };
        assert_eq!((run(true), run(false)), (Some(UPDATES_ARE_TAKEN), None));
    }

    #[test]
    fn who_claims_what_another_has_and_is_not_told_is_found() {
        let config =
            Rc::new(ClusterOptions::default().validate(&sim_core::Shape::plain(6)).expect("options that make sense"));
        let cluster = cluster(&config, NodeId(0));
        let claim = |of: NodeId, config_epoch| Header {
            stamp: (Start(1), HeaderNumber(1)),
            epoch: 1,
            config_epoch,
            primary: None,
            slots: cluster.slots().runs(of),
            offset: 0,
            gossip: Vec::new(),
        };
        let broken = |header: Header| Duties::default().check_corrected(NodeId(0), &cluster, NodeId(1), &header);
        assert_eq!(broken(claim(NodeId(2), 0)).map(|(rule, ..)| rule), Some(STALE_CLAIMS_CORRECTED));
        assert!(broken(claim(NodeId(1), 0)).is_none() && broken(claim(NodeId(2), 9)).is_none());
    }

    #[test]
    fn a_stream_that_begins_where_its_node_stood_before_is_found() {
        let node = NodeId(1);
        let (old, at) = (Position { stream: StreamId(5), offset: 90 }, Position { stream: StreamId(7), offset: 100 });
        let run = |after: Position| {
            let mut duties = Duties::default();
            duties.nodes.insert(node, Seen { at, left: SortedSet::from([old.stream]), ..Seen::default() });
            duties.check_stream(node, after).map(|(rule, ..)| rule)
        };
        assert_eq!(run(at), None);
        assert_eq!(run(Position { stream: StreamId(7), offset: 101 }), None, "it has got further in the same step");
        for after in [old, Position { stream: StreamId(7), offset: 99 }, Position::default()] {
            assert_eq!(run(after), Some(STREAMS_GO_ON), "{after}");
        }
    }
}
