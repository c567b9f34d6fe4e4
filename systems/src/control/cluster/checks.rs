//! What must hold of the cluster, watched on every run: votes, owners, who may write and be promoted, and which writes
//! may be lost.

use super::data::{Position, StreamId};
use super::duties::Duties;
pub use super::duties::{
    FAILED_STAY_FAILED, OLD_OWNER_YIELDS, POSITIONS_GROW, RESTARTED_WAITS, STALE_CLAIMS_CORRECTED, STREAMS_GO_ON,
    SUSPECTS_ARE_SILENT, UPDATES_ARE_TAKEN, VOTES_FOR_PRESENT_OWNERS,
};
use super::message::{ClusterFact, ClusterMessage, ClusterResponse, How};
use super::node::Cluster;
use super::options::Config;
use super::slots::{SLOTS, slot_of};
use super::streams::Streams;
use crate::shared::kv::register::Registers;
use sim_core::sorted::SortedMap;
use sim_core::{ClientId, Duration, Instant, NodeId, Observed, Observer, Outcome, Verdict, Violation};
use std::rc::Rc;

sim_core::rules! {
    /// A primary votes once in an epoch, whatever happens to it.
    pub const ONE_VOTE_PER_EPOCH: &str = "one_vote_per_epoch";
    /// At most one replica of a shard wins an epoch. (Two of different shards may: who votes changes with every
    /// fail-over, and not all know at once. The configuration epochs that then collide are told apart: see
    /// `config_epochs_unique`.)
    pub const ONE_WINNER_PER_EPOCH: &str = "one_winner_per_epoch";
    /// Under one configuration epoch, one node at most carries out writes for a slot.
    pub const ONE_OWNER: &str = "one_owner_per_slot_and_epoch";
    /// A primary that hears from no majority of the primaries, and of them through nobody, carries out no writes after
    /// the node timeout, and half of it more that may pass before it asks. Time in which it stands still does not
    /// count: nothing tells it of that.
    pub const MINORITY_STOPS: &str = "minority_stops";
    /// No replica is promoted that was out of touch with its primary for longer than it may have been.
    pub const PROMOTED_IS_FRESH: &str = "promoted_is_fresh";
    /// Acknowledged writes are lost only if they had not reached the replica that was promoted, or the disk of the
    /// primary that restarted.
    pub const LOSSES_ALLOWED: &str = "losses_allowed";
    /// In the end every slot is served by exactly one node.
    pub const EVERY_SLOT_SERVED: &str = "every_slot_served";
    /// In the end all nodes have the same map.
    pub const MAPS_AGREE: &str = "slot_maps_agree";
    /// In the end no two primaries have the same configuration epoch.
    pub const EPOCHS_UNIQUE: &str = "config_epochs_unique";
    /// In the end every replica has the data of its primary.
    pub const REPLICAS_EQUAL: &str = "replicas_equal";
}

/// A write that was carried out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Write {
    pub over: Position,
    pub node: NodeId,
    pub at: Instant,
}

/// A write that a client was told of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub client: ClientId,
    pub op: u64,
    pub place: Position,
    pub key: u64,
    pub at: Instant,
}

/// The beginning of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beginning {
    pub at: Instant,
    pub node: NodeId,
    pub how: How,
    pub after: Position,
    pub stream: StreamId,
    pub old: Option<NodeId>,
    /// Whether the one before heard most of the others all the while.
    pub in_order: bool,
    /// The first write in it that a client was told of.
    pub served: Option<Instant>,
}

/// What happened to nodes, for the story of each fail-over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Crashed,
    Booted,
    Paused(bool),
    Failed(NodeId),
    Voted(NodeId),
}

/// The memory of one run.
#[derive(Clone, Debug)]
pub struct ClusterChecks {
    config: Rc<Config>,
    votes: SortedMap<(NodeId, u64), NodeId>,
    /// By epoch and shard.
    winners: SortedMap<(u64, StreamId), NodeId>,
    owners: SortedMap<(u16, u64), NodeId>,
    pub(super) writes: SortedMap<Position, Write>,
    pub(super) told: Vec<Told>,
    pub(super) streams: Streams,
    pub(super) beginnings: Vec<Beginning>,
    pub(super) marks: Vec<(Instant, NodeId, Mark)>,
    /// When each node last heard of each other one, by its own word or through others that say that it answered.
    heard: Vec<Vec<Instant>>,
    /// Since when nodes stand still, if they do.
    paused: Vec<Option<Instant>>,
    /// When each node last heard from a primary that feeds it; `None` if not since it started.
    fed: Vec<Option<Instant>>,
    /// By slot: the newest configuration epoch under which it was written, by whom, and since when.
    newest: SortedMap<u16, (u64, NodeId, Instant)>,
    /// Writes under an older one, by whom beside whom: first, last, how many.
    pub(super) stale: SortedMap<(NodeId, NodeId, Instant), (Instant, u64)>,
    pub(super) moved: u64,
    pub(super) refused: u64,
    registers: Registers,
    /// Reads that saw less than had been acknowledged.
    pub(super) stale_reads: Vec<(ClientId, u64)>,
    duties: Duties,
    wrote: bool,
    counts: [u64; 4],
    violation: Option<Violation>,
}

impl ClusterChecks {
    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// Nothing seen yet.
    #[must_use]
    pub fn new(config: &Rc<Config>) -> Self {
        let nodes = config.nodes as usize;
        Self {
            config: Rc::clone(config),
            votes: SortedMap::new(),
            winners: SortedMap::new(),
            owners: SortedMap::new(),
            writes: SortedMap::new(),
            told: Vec::new(),
            streams: Streams::default(),
            beginnings: Vec::new(),
            marks: Vec::new(),
            heard: vec![vec![Instant::ZERO; nodes]; nodes],
            paused: vec![None; nodes],
            fed: vec![None; nodes],
            newest: SortedMap::new(),
            stale: SortedMap::new(),
            moved: 0,
            refused: 0,
            registers: Registers::default(),
            stale_reads: Vec::new(),
            duties: Duties::default(),
            wrote: false,
            counts: [0; 4],
            violation: None,
        }
    }

    fn fail(&mut self, at: Instant, rule: &str, node: NodeId, detail: String) {
        self.violation.get_or_insert_with(|| Violation { rule: rule.to_owned(), at, node: Some(node), detail });
    }

    fn on_fact(&mut self, at: Instant, node: NodeId, fact: &ClusterFact) {
        match *fact {
            ClusterFact::Voted { epoch, candidate } => {
                self.counts[0] += 1;
                self.marks.push((at, node, Mark::Voted(candidate)));
                let first = *self.votes.entry((node, epoch)).or_insert(candidate);
                if first != candidate {
                    let what = format!("in epoch {epoch} it voted for {first} and for {candidate}");
                    self.fail(at, ONE_VOTE_PER_EPOCH, node, what);
                }
            }
            ClusterFact::Failed { node: of } => self.marks.push((at, node, Mark::Failed(of))),
            ClusterFact::Began { how, epoch, after, stream, old } => {
                self.streams.begin(stream, after);
                let in_order = old.is_some_and(|old| self.hears_most(old, at));
                if how == How::Started {
                    // It takes the others for alive, and asks them from now on: its disk may have kept it from that
                    // since it booted.
                    self.heard[node.index()].fill(at);
                }
                self.beginnings.push(Beginning { at, node, how, after, stream, old, in_order, served: None });
                if how == How::Promoted {
                    self.on_promotion(at, node, (epoch, self.streams.root(stream)), old);
                }
            }
            ClusterFact::Wrote { slot, epoch, at: place, over, .. } => {
                self.wrote = true;
                self.counts[2] += 1;
                self.writes.insert(place, Write { over, node, at });
                let owner = *self.owners.entry((slot, epoch)).or_insert(node);
                if owner != node {
                    let what = format!("it writes in slot {slot} by config epoch {epoch}, and so did {owner}");
                    self.fail(at, ONE_OWNER, node, what);
                }
                let newest = self.newest.entry(slot).or_insert((epoch, node, at));
                if epoch >= newest.0 {
                    if newest.1 != node {
                        *newest = (epoch, node, at);
                    }
                    newest.0 = epoch;
                } else if newest.1 != node {
                    let (by, since) = (newest.1, newest.2);
                    let stale = self.stale.entry((node, by, since)).or_insert((at, 0));
                    *stale = (at, stale.1 + 1);
                }
            }
            ClusterFact::Refused { why: super::message::Refusal::Moved } => self.moved += 1,
            ClusterFact::Refused { why: super::message::Refusal::ClusterDown } => self.refused += 1,
            _ => {}
        }
    }

    /// What clients ask and are told, key by key.
    fn watch_registers(&mut self, at: Instant, what: &Observed<'_, Cluster>) {
        match what {
            Observed::Invoked { ticket, request } => self.registers.invoked(*ticket, &request.as_kv()),
            Observed::Requested { ticket, .. } => self.registers.requested(*ticket),
            Observed::Returned { ticket, request, invoked, outcome, .. } => {
                let outcome = match outcome {
                    Outcome::Ok(response) => Outcome::Ok(response.as_kv()),
                    Outcome::Failed => Outcome::Failed,
                    Outcome::Unknown => Outcome::Unknown,
                };
                if self.registers.returned(*ticket, (*invoked, at), &request.as_kv(), &outcome).is_some() {
                    self.stale_reads.push((ticket.client, ticket.op));
                }
            }
            _ => {}
        }
    }

    /// A message on the bus: its sender is there, and whoever it says has answered somebody was.
    fn hear(&mut self, at: Instant, from: NodeId, to: NodeId, message: &ClusterMessage) {
        self.heard[to.index()][from.index()] = at;
        for word in message.gossip().iter().filter(|word| !word.suspected && !word.failed) {
            let told = self.heard[from.index()][word.node.index()];
            let heard = &mut self.heard[to.index()][word.node.index()];
            *heard = (*heard).max(told);
        }
    }

    /// The time in which `node` stands still is none that it waits.
    fn stand_still(&mut self, at: Instant, node: NodeId, paused: bool) {
        let since = core::mem::replace(&mut self.paused[node.index()], paused.then_some(at));
        if let Some(since) = since.filter(|_| !paused) {
            let still = at.since(since);
            self.heard[node.index()].iter_mut().for_each(|heard| *heard += still);
        }
    }

    /// How long a primary may go on to write without hearing a majority: it asks when an answer is half a node timeout
    /// old, and looks at both with its ticks, by a clock that may be wrong.
    fn patience(&self, at: Instant) -> Duration {
        let config = &self.config;
        let drift = u128::from(at.0) * 2 * u128::from(config.drift_ppm) / 1_000_000;
        config.node_timeout + config.ping_after + config.tick.times(3) + Duration(drift as u64)
    }

    /// Whether `node` has heard half of the others or more within the node timeout.
    fn hears_most(&self, node: NodeId, at: Instant) -> bool {
        let heard = |last: &&Instant| at.since(**last) <= self.config.node_timeout;
        // Itself, it does not hear.
        2 * self.heard[node.index()].iter().filter(heard).count() >= self.heard.len() - 1
    }

    fn on_promotion(&mut self, at: Instant, node: NodeId, (epoch, shard): (u64, StreamId), old: Option<NodeId>) {
        self.counts[1] += 1;
        let first = *self.winners.entry((epoch, shard)).or_insert(node);
        if first != node {
            self.fail(at, ONE_WINNER_PER_EPOCH, node, format!("it won epoch {epoch}, and so did {first}"));
        }
        let config = &self.config;
        if config.validity_factor == 0 {
            return;
        }
        // The age that a replica may have when it stands, and what an election may take after that.
        let age = config.node_timeout.times(u64::from(config.validity_factor) + 1) + config.keepalive;
        let may = age + config.node_timeout.times(4) + config.tick;
        // Whoever fed it last: a replica goes with its primary's data to the next one.
        let since = self.fed[node.index()].map_or(at.since(Instant::ZERO), |last| at.since(last));
        if since > may {
            let old = old.map_or_else(String::new, |old| format!(" for {old}"));
            let what = format!("it was promoted{old} {since} after a primary last fed it; {may} is the most");
            self.fail(at, PROMOTED_IS_FRESH, node, what);
        }
    }

    /// The verdicts, with the nodes as they ended.
    #[must_use]
    pub fn verdicts(&self, nodes: &[Option<Cluster>]) -> Vec<Verdict> {
        let ([votes, promotions, writes, minorities], duties) = (self.counts, &self.duties);
        let rule = |rule: &'static str, seen: u64, detail: String| match &self.violation {
            Some(violation) if violation.rule == rule => Verdict::Fail(violation.clone()),
            _ if seen == 0 => Verdict::Pass { rule, detail: "there was nothing to look at".to_owned() },
            _ => Verdict::Pass { rule, detail },
        };
        let mut verdicts = vec![
            rule(ONE_VOTE_PER_EPOCH, votes, format!("{votes} votes")),
            rule(ONE_WINNER_PER_EPOCH, promotions, format!("{promotions} promotions")),
            rule(ONE_OWNER, writes, format!("{writes} writes in {} slots and epochs", self.owners.len())),
            rule(MINORITY_STOPS, minorities, format!("{minorities} writes")),
            rule(PROMOTED_IS_FRESH, promotions, format!("{promotions} promotions")),
            rule(RESTARTED_WAITS, duties.restarts, format!("{} writes of nodes that had restarted", duties.restarts)),
            rule(OLD_OWNER_YIELDS, duties.words, format!("{} claims", duties.words)),
            rule(VOTES_FOR_PRESENT_OWNERS, duties.votes, format!("{} votes", duties.votes)),
            rule(POSITIONS_GROW, duties.steps, format!("{} steps", duties.steps)),
            rule(SUSPECTS_ARE_SILENT, duties.suspicions, format!("{} suspicions", duties.suspicions)),
            rule(FAILED_STAY_FAILED, duties.returns, format!("{} taken back", duties.returns)),
            rule(UPDATES_ARE_TAKEN, duties.words, format!("{} claims", duties.words)),
            rule(STALE_CLAIMS_CORRECTED, duties.corrections, format!("{} claims", duties.corrections)),
            rule(STREAMS_GO_ON, duties.streams, format!("{} streams", duties.streams)),
        ];
        // A run that was cut short by a violation says nothing about how things end.
        if self.violation.is_none() {
            verdicts.extend(self.verdicts_of_the_end(nodes));
        }
        verdicts
    }

    fn verdicts_of_the_end(&self, nodes: &[Option<Cluster>]) -> Vec<Verdict> {
        let judge = |rule: &'static str, result: Result<String, (Option<NodeId>, String)>| match result {
            Ok(detail) => Verdict::Pass { rule, detail },
            Err((node, detail)) => {
                let at = self.told.last().map_or(Instant::ZERO, |told| told.at);
                Verdict::Fail(Violation { rule: rule.to_owned(), at, node, detail })
            }
        };
        vec![
            judge(EVERY_SLOT_SERVED, every_slot_served(nodes)),
            judge(MAPS_AGREE, maps_agree(nodes)),
            judge(EPOCHS_UNIQUE, epochs_unique(nodes)),
            judge(REPLICAS_EQUAL, replicas_equal(nodes)),
            judge(LOSSES_ALLOWED, self.losses_allowed(nodes)),
        ]
    }

    /// The acknowledged writes that are gone: what the owner of their slot has in the end does not go back to them.
    pub(super) fn lost(&self, nodes: &[Option<Cluster>]) -> Vec<(Told, Position)> {
        let mut by_key: SortedMap<u64, Vec<Told>> = SortedMap::new();
        for told in &self.told {
            by_key.entry(told.key).or_default().push(*told);
        }
        let mut lost = Vec::new();
        for (key, told) in by_key {
            let Some(owner) = owner_of(nodes, slot_of(key)) else { continue };
            let mut survivors = sim_core::sorted::SortedSet::new();
            let mut place = owner.data().get(key).map_or(Position::default(), |cell| cell.at);
            while let Some(write) = self.writes.get(&place).filter(|_| survivors.insert(place)) {
                place = write.over;
            }
            lost.extend(told.into_iter().filter(|told| !survivors.contains(&told.place)).map(|t| (t, owner.at())));
        }
        lost.sort_by_key(|(told, _)| (told.at, told.place));
        lost
    }

    fn losses_allowed(&self, nodes: &[Option<Cluster>]) -> Result<String, (Option<NodeId>, String)> {
        let lost = self.lost(nodes);
        // What the owner's stream goes back to must be there: only what was not in it when it forked may be gone.
        if let Some((told, end)) = lost.iter().find(|(told, end)| self.streams.holds(*end, told.place)) {
            let (key, place) = (told.key, told.place);
            let what = format!(
                "k{key}, written at {place} and acknowledged at {}, is gone, though the owner has all up to {end}",
                told.at
            );
            return Err((None, what));
        }
        // What clients lost is counted by operations as they saw them: see `measures`.
        Ok("no acknowledged write is lost that had reached its successor".to_owned())
    }
}

fn live(nodes: &[Option<Cluster>]) -> impl Iterator<Item = (NodeId, &Cluster)> {
    (0..).map(NodeId).zip(nodes).filter_map(|(id, node)| Some((id, node.as_ref()?)))
}

/// The node that serves `slot`: the primary that owns it by its own map, and by the newest configuration.
fn owner_of(nodes: &[Option<Cluster>], slot: u16) -> Option<&Cluster> {
    live(nodes)
        .filter(|(id, node)| node.primary().is_none() && node.slots().owner(slot) == Some(*id))
        .max_by_key(|(id, node)| node.config_epoch(*id))
        .map(|(_, node)| node)
}

fn every_slot_served(nodes: &[Option<Cluster>]) -> Result<String, (Option<NodeId>, String)> {
    for slot in 0..SLOTS {
        let who: Vec<NodeId> = live(nodes)
            .filter(|(id, node)| node.primary().is_none() && node.slots().owner(slot) == Some(*id) && node.serves())
            .map(|(id, _)| id)
            .collect();
        if who.len() != 1 {
            return Err((who.first().copied(), format!("slot {slot} is served by {} nodes: {who:?}", who.len())));
        }
    }
    Ok(format!("{SLOTS} slots"))
}

fn maps_agree(nodes: &[Option<Cluster>]) -> Result<String, (Option<NodeId>, String)> {
    let mut first: Option<(NodeId, &Cluster)> = None;
    for (id, node) in live(nodes) {
        let (one, other) = *first.get_or_insert((id, node));
        if let Some(slot) = (0..SLOTS).find(|slot| node.slots().owner(*slot) != other.slots().owner(*slot)) {
            let (here, there) = (node.slots().owner(slot), other.slots().owner(slot));
            return Err((Some(id), format!("slot {slot} belongs to {here:?} here and to {there:?} at {one}")));
        }
    }
    Ok(format!("{} nodes", live(nodes).count()))
}

fn epochs_unique(nodes: &[Option<Cluster>]) -> Result<String, (Option<NodeId>, String)> {
    let mut epochs: SortedMap<u64, NodeId> = SortedMap::new();
    for (id, node) in live(nodes).filter(|(id, node)| node.primary().is_none() && node.slots().count(*id) > 0) {
        let epoch = node.config_epoch(id);
        if let Some(other) = epochs.insert(epoch, id) {
            return Err((Some(id), format!("it and {other} both have config epoch {epoch}")));
        }
    }
    Ok(format!("{} primaries", epochs.len()))
}

fn replicas_equal(nodes: &[Option<Cluster>]) -> Result<String, (Option<NodeId>, String)> {
    let mut replicas = 0;
    for (id, node) in live(nodes) {
        let Some(primary) = node.primary() else { continue };
        let Some(above) = &nodes[primary.index()] else { continue };
        replicas += 1;
        if node.at() != above.at() {
            let (here, there) = (node.at(), above.at());
            return Err((Some(id), format!("it has all up to {here}, its primary {primary} up to {there}")));
        }
        if node.data() != above.data() {
            let (here, there) = (node.data().len(), above.data().len());
            return Err((Some(id), format!("its {here} keys are not the {there} of its primary {primary}")));
        }
    }
    Ok(format!("{replicas} replicas"))
}

impl Observer<Cluster> for ClusterChecks {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Cluster>) {
        if let Some((rule, node, detail)) = self.duties.watch(&self.config, at, what) {
            self.fail(at, rule, node, detail);
        }
        self.watch_registers(at, what);
        match what {
            Observed::Noted { node, fact } => self.on_fact(at, *node, fact),
            Observed::Delivered { from, to, message, .. } => match message {
                message if message.is_on_bus() => self.hear(at, *from, *to, message),
                ClusterMessage::Writes { .. } | ClusterMessage::Full { .. } => {
                    self.fed[to.index()] = Some(at);
                }
                _ => {}
            },
            Observed::Crashed { node, .. } => {
                self.fed[node.index()] = None;
                self.marks.push((at, *node, Mark::Crashed));
            }
            Observed::Booted { node, .. } => {
                // It takes the others for alive when it starts.
                self.heard[node.index()].fill(at);
                self.paused[node.index()] = None;
                self.marks.push((at, *node, Mark::Booted));
            }
            Observed::Paused { node, paused } => {
                self.marks.push((at, *node, Mark::Paused(*paused)));
                self.stand_still(at, *node, *paused);
            }
            Observed::Returned { ticket, request, outcome: Outcome::Ok(ClusterResponse::Done(place)), .. } => {
                let (client, op) = (ticket.client, ticket.op);
                self.told.push(Told { client, op, place: *place, key: request.key(), at });
                let first = |beginning: &&mut Beginning| beginning.stream == place.stream;
                if let Some(beginning) = self.beginnings.iter_mut().rev().find(first) {
                    beginning.served.get_or_insert(at);
                }
            }
            _ => {}
        }
    }

    fn after_step(&mut self, at: Instant, stepped: NodeId, nodes: &[Option<Cluster>]) -> Result<(), Violation> {
        if let Some((rule, node, detail)) = self.duties.after_step(stepped, nodes) {
            self.fail(at, rule, node, detail);
        }
        if core::mem::take(&mut self.wrote)
            && let Some(node) = &nodes[stepped.index()]
        {
            self.counts[3] += 1;
            let owners = node.slots().owners();
            let most = self.patience(at);
            let heard =
                |other: &NodeId| *other == stepped || at.since(self.heard[stepped.index()][other.index()]) <= most;
            let hears = owners.iter().filter(heard).count();
            if hears <= owners.len() / 2 {
                let what = format!("it wrote, but had heard {hears} of {} primaries within {most}", owners.len());
                self.fail(at, MINORITY_STOPS, stepped, what);
            }
        }
        self.violation.clone().map_or(Ok(()), Err)
    }
}
