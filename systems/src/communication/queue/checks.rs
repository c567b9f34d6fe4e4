//! What must hold.

use super::controller::Seat;
use super::duties::{DEALT_ARE_TOLD, Duties, FETCHES_END, SILENT_ARE_SPARED};
use super::ledger::{Ledger, Odd};
use super::log::{Body, Item, Offset};
use super::message::{QueueFact, QueueRequest};
use super::metadata::{Metadata, Partition};
use super::node::{LANE, Machine};
use super::options::{Cleanup, Commit, Config, Duty, Flush};
use super::story::Story;
use crate::consensus::raft::RaftProtocol;
use crate::consensus::raft::checks::RaftChecks;
use crate::shared::in_the_end;
use crate::shared::replication::{CouncilChecks, Protocol};
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{Duration, Instant, NodeId, Observed, Observer, Verdict, Violation};
use std::collections::VecDeque;
use std::rc::Rc;

sim_core::rules! {
    /// What was acknowledged by all replicas in sync is in the log of every later leader, unless that was elected
    /// though it may have lost something.
    pub const ACKNOWLEDGED_IS_KEPT: &str = "acknowledged_is_kept";
    /// What two replicas hold below their high watermarks is the same.
    pub const REPLICAS_AGREE: &str = "replicas_agree";
    /// What a consumer works on is committed, and what it says is what the log says.
    pub const CONSUMED_IS_COMMITTED: &str = "consumed_is_committed";
    /// A partition has one leader in an epoch.
    pub const ONE_LEADER_PER_EPOCH: &str = "one_leader_per_epoch";
    /// With idempotent producers, no message is in the log twice.
    pub const NO_DUPLICATES: &str = "no_duplicates";
    /// With idempotent producers, the messages of one of them are in a partition in the order in which it was given
    /// them.
    pub const ORDER_IS_KEPT: &str = "order_is_kept";
    /// In one generation, a partition belongs to one consumer of a group.
    pub const ONE_CONSUMER_PER_PARTITION: &str = "one_consumer_per_partition";
    /// The offset that a group has committed in a partition never goes back.
    pub const OFFSETS_NEVER_GO_BACK: &str = "offsets_never_go_back";
    /// Where consumers commit after their work, or by themselves, no message is passed over that is still there.
    pub const PROCESSED_AT_LEAST_ONCE: &str = "processed_at_least_once";
    /// Where consumers commit before their work, no message is worked on twice.
    pub const PROCESSED_AT_MOST_ONCE: &str = "processed_at_most_once";
    /// Compaction leaves the newest message of each key.
    pub const NEWEST_OF_EACH_KEY_IS_KEPT: &str = "newest_of_each_key_is_kept";
    /// In the end, every partition has a leader, and all its replicas that are up are in sync.
    pub const REPLICAS_RETURN: &str = "replicas_return";
    /// In the end, every consumer that is up is a member of its group, in one generation, and every partition is
    /// somebody's.
    pub const GROUPS_SETTLE: &str = "groups_settle";
    /// In the end, consumers have worked on all that is committed.
    pub const CONSUMERS_CATCH_UP: &str = "consumers_catch_up";
    /// The controllers' Raft keeps the rules of any other.
    pub const CONTROLLERS_AGREE: &str = "controllers_agree";
}

/// What is known of a partition.
#[derive(Clone, Debug, Default)]
struct Known {
    /// Who has led it, by epoch: from which end on.
    leaders: SortedMap<u32, (NodeId, Offset)>,
    /// The epoch of the last leader that may have lost something.
    lossy: u32,
    /// What was acknowledged by all in sync, by epoch: before this offset.
    acknowledged: SortedMap<u32, Offset>,
    /// Up to where each replica was looked at.
    looked: SortedMap<NodeId, Offset>,
    /// High watermarks over time.
    watermarks: VecDeque<(Instant, Offset)>,
    /// When somebody was last put out of sync.
    shrunk: Instant,
}

/// The memory of one run.
#[derive(Clone, Debug)]
pub struct QueueChecks {
    pub(super) config: Rc<Config>,
    council: Option<Box<CouncilChecks<Seat, RaftChecks>>>,
    partitions: SortedMap<Partition, Known>,
    pub(super) ledger: Ledger,
    pub(super) story: Story,
    duties: Duties,
    /// Who was dealt what, in which generation.
    dealt: SortedMap<(u32, Partition), (u32, NodeId)>,
    /// Brokers that have lost what was in their page cache, and how many records each has on its disk otherwise.
    unplugged: SortedSet<NodeId>,
    records: SortedMap<NodeId, usize>,
    /// Leaders whose logs are to be looked at when their step is over.
    new_leaders: Vec<(NodeId, Partition, u32)>,
    counts: SortedMap<&'static str, u64>,
    pub(super) now: Instant,
    broken: Option<Violation>,
}

impl QueueChecks {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(config: &Rc<Config>) -> Self {
        let council = (config.controllers > 0).then(|| {
            let checks = RaftProtocol::checks::<Metadata>(&config.council());
            Box::new(CouncilChecks::new(CONTROLLERS_AGREE, LANE, checks))
        });
        Self {
            config: Rc::clone(config),
            council,
            partitions: SortedMap::new(),
            ledger: Ledger::default(),
            story: Story::new(config),
            duties: Duties::default(),
            dealt: SortedMap::new(),
            unplugged: SortedSet::new(),
            records: SortedMap::new(),
            new_leaders: Vec::new(),
            counts: SortedMap::new(),
            now: Instant::ZERO,
            broken: None,
        }
    }

    fn breaks(&mut self, rule: &'static str, node: NodeId, detail: String) {
        let violation = Violation { rule: rule.to_owned(), at: self.now, node: Some(node), detail };
        self.broken.get_or_insert(violation);
    }

    fn count(&mut self, rule: &'static str) {
        *self.counts.entry(rule).or_default() += 1;
    }

    fn on_fact(&mut self, node: NodeId, fact: QueueFact) {
        match fact {
            QueueFact::Leads { partition, epoch, end, lossy, .. } => self.on_leads(node, partition, epoch, end, lossy),
            QueueFact::Acknowledged { partition, epoch, end, all: true } => {
                self.on_acknowledged(node, partition, epoch, end);
            }
            QueueFact::State { partition, isr, before, .. } if isr.len() < before as usize => {
                self.partitions.entry(partition).or_default().shrunk = self.now;
            }
            QueueFact::Taken { partition, value } => self.ledger.take(node, partition, value),
            QueueFact::Delivered { value, .. } => self.ledger.deliver(self.now, value),
            QueueFact::GivenUp { value, .. } => {
                if let Some(sent) = self.ledger.sent.get_mut(&value) {
                    sent.given_up = true;
                }
            }
            QueueFact::Dealt { group, generation, partition } => self.on_dealt(node, group, generation, partition),
            QueueFact::Processed { partition, offset, value } => self.on_processed(node, partition, offset, value),
            QueueFact::Missed { partition, from, to } => {
                let worked = self.ledger.worked.entry((self.config.group_of(node), partition)).or_default();
                worked.missed.push((from.min(to), to));
                worked.position = worked.position.max(to);
            }
            _ => {}
        }
    }

    fn on_leads(&mut self, node: NodeId, partition: Partition, epoch: u32, end: Offset, lossy: u32) {
        self.count(ONE_LEADER_PER_EPOCH);
        let name = self.config.name(partition);
        let forgets = !self.config.eligible_leaders && self.unplugged.contains(&node);
        let committed = self.ledger.canon.get(&partition).map_or(0, |canon| canon.items.len() as u64);
        let known = self.partitions.entry(partition).or_default();
        // Who was away when it was elected says so late, and may have been replaced.
        let is_newest = known.leaders.range(epoch + 1..).next().is_none();
        let other = known.leaders.insert(epoch, (node, end)).filter(|(other, _)| *other != node);
        let acknowledged = known.acknowledged.range(..epoch).map(|(_, end)| *end).max().unwrap_or(0);
        // Without eligible leaders, whoever was last in sync leads, whatever a power loss has taken from it.
        let lossy = if forgets && is_newest && end < committed { epoch } else { lossy };
        if lossy > known.lossy {
            known.lossy = lossy;
            known.acknowledged.retain(|of, _| *of >= lossy);
            known.looked.clear();
            // Generations that were written down may come again.
            self.dealt.retain(|(group, _), _| self.config.offsets_of(*group) != partition);
            self.new_leaders.push((node, partition, lossy));
            return;
        }
        if is_newest {
            self.new_leaders.push((node, partition, 0));
        }
        if let Some((other, _)) = other {
            return self.breaks(
                ONE_LEADER_PER_EPOCH,
                node,
                format!("{name} is led by {other} and {node} in epoch {epoch}"),
            );
        }
        if end < acknowledged {
            let detail = format!(
                "{node} leads {name} in epoch {epoch} with {end} messages; {acknowledged} were acknowledged by all"
            );
            self.breaks(ACKNOWLEDGED_IS_KEPT, node, detail);
        }
    }

    fn on_acknowledged(&mut self, node: NodeId, partition: Partition, epoch: u32, end: Offset) {
        self.count(ACKNOWLEDGED_IS_KEPT);
        let known = self.partitions.entry(partition).or_default();
        if epoch < known.lossy {
            return;
        }
        let newest = known.acknowledged.entry(epoch).or_default();
        *newest = end.max(*newest);
        let later = known.leaders.range(epoch + 1..).next().filter(|(_, (_, from))| *from < end);
        if let Some((later, (leader, from))) = later {
            let detail = format!(
                "{node} acknowledges {} to {end} in epoch {epoch}, and {leader} leads it from {from} in epoch {later}",
                self.config.name(partition)
            );
            self.breaks(ACKNOWLEDGED_IS_KEPT, node, detail);
        }
    }

    fn on_dealt(&mut self, node: NodeId, group: u32, generation: u32, partition: Partition) {
        self.count(ONE_CONSUMER_PER_PARTITION);
        let newest = self.dealt.entry((group, partition)).or_insert((generation, node));
        if generation > newest.0 {
            *newest = (generation, node);
        } else if generation == newest.0 && node != newest.1 {
            let name = self.config.name(partition);
            let detail =
                format!("{name} belongs to {} and {node} in generation {generation} of group {group}", newest.1);
            self.breaks(ONE_CONSUMER_PER_PARTITION, node, detail);
        }
    }

    fn on_processed(&mut self, node: NodeId, partition: Partition, offset: Offset, value: u64) {
        self.count(CONSUMED_IS_COMMITTED);
        let group = self.config.group_of(node);
        let lossy = self.is_lossy(partition) || self.is_lossy(self.config.offsets_of(group));
        let said = self.ledger.canon.get(&partition).and_then(|canon| *canon.items.get(offset as usize)?);
        if said.map(|(_, said)| said) != Some(value) {
            // What was fetched before an election that lost it is not true any more.
            self.ledger.taken_back += 1;
            if !lossy {
                let name = self.config.name(partition);
                let what = if said.is_none() { "is not committed" } else { "says something else" };
                let detail = format!("{node} works on message {offset} of {name}, which {what}");
                self.breaks(CONSUMED_IS_COMMITTED, node, detail);
            }
            return;
        }
        let owner = self.dealt.get(&(group, partition)).map(|(_, owner)| *owner);
        self.story.on_processed(owner.is_some_and(|owner| owner != node));
        let worked = self.ledger.worked.entry((group, partition)).or_default();
        let at = offset as usize;
        if worked.times.len() <= at {
            worked.times.resize(at + 1, 0);
        }
        worked.times[at] += 1;
        worked.position = worked.position.max(offset + 1);
        let times = worked.times[at];
        if times > 1 && self.config.commit == Commit::Before && !lossy {
            let name = self.config.name(partition);
            let detail = format!("group {group} works on message {offset} of {name} for the {times}. time");
            self.breaks(PROCESSED_AT_MOST_ONCE, node, detail);
        }
    }

    /// A broker has taken a step: what it takes for committed by now, and did not before, is looked at.
    fn look_at(&mut self, node: NodeId, machine: &Machine) {
        let Some(broker) = machine.broker() else { return };
        for (leader, partition, lossy) in core::mem::take(&mut self.new_leaders) {
            if let Some(replica) = broker.copy(partition).filter(|_| leader == node) {
                self.look_at_leader(node, partition, replica, lossy);
            }
        }
        for (partition, replica) in broker.replicas() {
            let known = self.partitions.entry(partition).or_default();
            let looked = known.looked.entry(node).or_default();
            if replica.watermark < *looked {
                *looked = replica.watermark;
            }
            // Whoever goes by an epoch before one that has lost something does not know of that.
            if replica.watermark == *looked || replica.epoch < known.lossy {
                continue;
            }
            let from = core::mem::replace(looked, replica.watermark);
            let newest = known.watermarks.back().map_or(0, |(_, newest)| *newest);
            if replica.watermark > newest {
                known.watermarks.push_back((self.now, replica.watermark));
            }
            let (lossy, leads) = (known.lossy, replica.leads().is_some());
            for (batch, item) in replica.log.items(from, replica.watermark) {
                // A power loss brings back what had been cut off a log that nobody syncs, and its producers have sent
                // that anew since (KIP-360): once an election has lost something, nobody promises that a message is
                // there once.
                let anew = lossy > 0 && self.config.flush != Flush::Every;
                self.on_item(node, partition, (batch.epoch, batch.epoch < lossy && !leads), anew, item);
            }
        }
    }

    /// A message is below a replica's high watermark. A follower `may_lag`, with what an election has lost: it cuts its
    /// log when it first hears of its leader.
    fn on_item(&mut self, node: NodeId, partition: Partition, (epoch, may_lag): (u32, bool), anew: bool, item: &Item) {
        let content = match &item.body {
            Body::Value(value) => *value,
            body => sim_core::hash::content(body),
        };
        let said = self.ledger.canon.get(&partition).and_then(|canon| *canon.items.get(item.offset as usize)?);
        self.count(REPLICAS_AGREE);
        match said {
            Some(said) if said == (epoch, content) => {}
            _ if may_lag => {}
            Some((of, _)) => {
                let (name, at) = (self.config.name(partition), item.offset);
                let detail =
                    format!("message {at} of {name} is of epoch {epoch} at {node}, and of epoch {of} elsewhere");
                self.breaks(REPLICAS_AGREE, node, detail);
            }
            None => {
                let odd = self.ledger.commit(partition, item.offset, item.key, (epoch, content));
                self.story.on_committed(partition, item.offset);
                let (name, at) = (self.config.name(partition), item.offset);
                match odd {
                    Odd::Twice if self.config.idempotent && !anew => {
                        self.breaks(NO_DUPLICATES, node, format!("message {at} of {name} is there for a second time"));
                    }
                    Odd::Late if self.config.idempotent && !anew => {
                        let detail = format!("message {at} of {name} was sent before one that is before it");
                        self.breaks(ORDER_IS_KEPT, node, detail);
                    }
                    Odd::Twice | Odd::Late | Odd::Nothing => {}
                }
                if let Body::Committed { group, partition: of, offset } = item.body {
                    self.on_offset(node, (group, Partition(of)), offset, partition);
                }
            }
        }
    }

    fn on_offset(&mut self, node: NodeId, of: (u32, Partition), offset: Offset, within: Partition) {
        self.count(OFFSETS_NEVER_GO_BACK);
        let excused = self.is_lossy(of.1) || self.is_lossy(within);
        let worked = self.ledger.worked.entry(of).or_default();
        let before = worked.committed.replace(offset).unwrap_or(0);
        if offset < before && !excused {
            let name = self.config.name(of.1);
            let detail = format!("group {} goes back from {before} to {offset} in {name}", of.0);
            self.breaks(OFFSETS_NEVER_GO_BACK, node, detail);
        }
    }

    /// A new leader has all that is committed, message by message; or what it has not is gone.
    fn look_at_leader(&mut self, node: NodeId, partition: Partition, replica: &super::Replica, lossy: u32) {
        let canon = self.ledger.canon.entry(partition).or_default();
        let other = |(batch, item): (&Rc<super::log::Batch>, &Item)| {
            let content = match &item.body {
                Body::Value(value) => *value,
                body => sim_core::hash::content(body),
            };
            let said = canon.items.get(item.offset as usize).copied().flatten();
            said.filter(|said| *said != (batch.epoch, content)).map(|_| item.offset)
        };
        let end = replica.log.end();
        let differs = replica.log.items(replica.log.start(), end).find_map(other);
        if lossy > 0 {
            let from = differs.unwrap_or(end);
            let gone = self.ledger.take_back(partition, from);
            self.story.on_lossy(self.now, partition, gone);
            return;
        }
        if let Some(offset) = differs {
            let name = self.config.name(partition);
            let detail = format!("{node} leads {name}, and has another message {offset} than was committed");
            self.breaks(ACKNOWLEDGED_IS_KEPT, node, detail);
        }
    }

    /// What can be said at the end.
    pub(super) fn verdicts(&self, nodes: &[Option<Machine>]) -> Vec<Verdict> {
        let config = &self.config;
        let mut rules = vec![
            (ACKNOWLEDGED_IS_KEPT, "acknowledgements by all in sync"),
            (REPLICAS_AGREE, "messages looked at on each replica"),
            (CONSUMED_IS_COMMITTED, "messages worked on"),
            (ONE_LEADER_PER_EPOCH, "leaders"),
            (ONE_CONSUMER_PER_PARTITION, "partitions dealt"),
            (OFFSETS_NEVER_GO_BACK, "offsets committed"),
        ];
        if config.consumers == 0 {
            rules.retain(|(rule, _)| {
                ![ONE_CONSUMER_PER_PARTITION, OFFSETS_NEVER_GO_BACK, CONSUMED_IS_COMMITTED].contains(rule)
            });
        }
        let mut all: Vec<Verdict> = rules
            .into_iter()
            .map(|(rule, what)| match self.counts.get(rule) {
                None => Verdict::Inconclusive { rule, why: format!("there were no {what}") },
                Some(many) => Verdict::Pass { rule, detail: format!("{many} {what}") },
            })
            .collect();
        let committed: usize = self.ledger.canon.values().map(|canon| canon.items.len()).sum();
        if config.idempotent {
            for rule in [NO_DUPLICATES, ORDER_IS_KEPT] {
                all.push(Verdict::Pass { rule, detail: format!("{committed} messages committed") });
            }
        }
        if config.commit == Commit::Before {
            all.push(Verdict::Pass { rule: PROCESSED_AT_MOST_ONCE, detail: "held after every step".to_owned() });
        } else if config.consumers > 0 {
            all.push(in_the_end::verdict(PROCESSED_AT_LEAST_ONCE, self.now, self.passed_over()));
        }
        if config.cleanup == Cleanup::Compact {
            all.push(in_the_end::verdict(NEWEST_OF_EACH_KEY_IS_KEPT, self.now, self.not_kept(nodes)));
        }
        all.push(in_the_end::verdict(REPLICAS_RETURN, self.now, self.not_in_sync(nodes)));
        if config.consumers > 0 {
            all.push(in_the_end::verdict(GROUPS_SETTLE, self.now, self.not_settled(nodes)));
            all.push(in_the_end::verdict(CONSUMERS_CATCH_UP, self.now, self.behind(nodes)));
        }
        let duties = [
            (FETCHES_END, self.duties.fetches, "fetches"),
            (DEALT_ARE_TOLD, self.duties.generations, "steps of brokers"),
            (SILENT_ARE_SPARED, self.duties.spared, "steps with a silent broker"),
        ];
        let seen = duties.into_iter().filter(|(_, seen, _)| *seen > 0);
        all.extend(seen.map(|(rule, seen, what)| Verdict::Pass { rule, detail: format!("{seen} {what}") }));
        if let Some(council) = &self.council {
            all.push(council.verdict(nodes));
        }
        all
    }

    fn is_lossy(&self, partition: Partition) -> bool {
        self.partitions.get(&partition).is_some_and(|known| known.lossy > 0)
    }

    /// What a group has passed over without working on it, though it was there.
    fn passed_over(&self) -> Option<(NodeId, String)> {
        for ((group, partition), worked) in &self.ledger.worked {
            let (Some(committed), Some(canon)) = (worked.committed, self.ledger.canon.get(partition)) else { continue };
            if self.is_lossy(*partition) || self.is_lossy(self.config.offsets_of(*group)) {
                continue;
            }
            let compact = self.config.cleanup == Cleanup::Compact;
            let missed = |at: u64| worked.missed.iter().any(|(from, to)| (*from..*to).contains(&at));
            let undone = |at: &usize| {
                canon.items[*at].is_some() && worked.times.get(*at).copied().unwrap_or(0) == 0 && !missed(*at as u64)
            };
            let begun = worked.times.iter().position(|times| *times > 0).unwrap_or(0);
            let from = if self.config.auto_offset_reset == super::options::Reset::Latest { begun } else { 0 };
            let passed = (from..(committed as usize).min(canon.items.len())).find(undone).filter(|_| !compact);
            if let Some(at) = passed {
                let name = self.config.name(*partition);
                let what =
                    format!("group {group} has committed {committed} in {name}, and nobody worked on message {at}");
                return Some((self.config.all_consumers().next()?, what));
            }
        }
        None
    }

    fn not_kept(&self, nodes: &[Option<Machine>]) -> Option<(NodeId, String)> {
        for (node, machine) in in_the_end::each(nodes) {
            let Some(broker) = machine.broker() else { continue };
            for (partition, replica) in broker.replicas().filter(|(at, _)| !self.config.holds_offsets(*at)) {
                let Some(canon) = self.ledger.canon.get(&partition) else { continue };
                let there: SortedSet<Offset> =
                    replica.log.items(replica.log.start(), replica.watermark).map(|(_, item)| item.offset).collect();
                let gone = canon.newest.iter().find(|(_, offset)| {
                    (replica.log.start()..replica.watermark).contains(offset) && !there.contains(offset)
                });
                if let Some((key, offset)) = gone {
                    let name = self.config.name(partition);
                    return Some((node, format!("{node} has not message {offset} of {name}, the newest of key {key}")));
                }
            }
        }
        None
    }

    fn not_in_sync(&self, nodes: &[Option<Machine>]) -> Option<(NodeId, String)> {
        let controllers = in_the_end::each(nodes).filter_map(|(_, machine)| machine.controller());
        let image = controllers.map(super::Controller::image).max_by_key(|image| image.version)?;
        let is_up = |node: &NodeId| nodes[node.index()].is_some();
        for (at, state) in image.partitions.iter().enumerate() {
            let name = self.config.name(Partition(at as u32));
            let Some(leader) = state.leader.filter(is_up) else {
                let any = state.replicas.iter().find(|node| is_up(node))?;
                return Some((*any, format!("nobody leads {name}")));
            };
            // A link whose latency has a long tail may put somebody out just before the end.
            let shrunk = self.partitions.get(&Partition(at as u32)).map_or(Instant::ZERO, |known| known.shrunk);
            let may_be_out = self.now.since(shrunk) < self.config.replica_lag_time + self.config.broker_session;
            let is_out = |node: &&NodeId| is_up(node) && !state.isr.has(**node);
            if let Some(out) = state.replicas.iter().find(is_out).filter(|_| !may_be_out) {
                return Some((leader, format!("{out} is up, and not in sync in {name}")));
            }
        }
        None
    }

    fn not_settled(&self, nodes: &[Option<Machine>]) -> Option<(NodeId, String)> {
        for group in 0..self.config.groups {
            let mut owned = SortedSet::new();
            let mut generations = SortedMap::new();
            for (node, machine) in in_the_end::each(nodes) {
                let Some(consumer) = machine.consumer().filter(|_| self.config.group_of(node) == group) else {
                    continue;
                };
                let Some(generation) = consumer.settled() else {
                    return Some((node, format!("{node} is no settled member of group {group}")));
                };
                generations.insert(generation, node);
                owned.extend(consumer.claims().map(|(partition, _)| partition));
            }
            if let (Some((one, node)), Some((other, _))) = (generations.first_key_value(), generations.last_key_value())
                && one != other
            {
                return Some((*node, format!("group {group} has members of generations {one} and {other}")));
            }
            let nobodys = (0..self.config.data_partitions()).map(Partition).find(|at| !owned.contains(at));
            if let (Some(partition), Some(node)) = (nobodys, generations.values().next()) {
                let name = self.config.name(partition);
                return Some((*node, format!("{name} is nobody's in group {group}")));
            }
        }
        None
    }

    fn behind(&self, nodes: &[Option<Machine>]) -> Option<(NodeId, String)> {
        let config = &self.config;
        let chunk = config.process.times(u64::from(config.max_poll_records) * u64::from(config.data_partitions()));
        let grace = config.fetch_wait + config.request_timeout.min(Duration::secs(2)) + chunk;
        let since = Instant(self.now.0.saturating_sub(grace.0));
        for (node, machine) in in_the_end::each(nodes) {
            let Some(consumer) = machine.consumer() else { continue };
            for (partition, position) in consumer.claims() {
                let Some(known) = self.partitions.get(&partition) else { continue };
                let ended = known.watermarks.iter().rev().find(|(at, _)| *at <= since).map_or(0, |(_, end)| *end);
                if position < ended && known.lossy == 0 {
                    let name = config.name(partition);
                    return Some((
                        node,
                        format!("{node} is at message {position} of {name}, which had {ended} long before"),
                    ));
                }
            }
        }
        None
    }
}

impl Observer<Machine> for QueueChecks {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Machine>) {
        self.now = at;
        match what {
            Observed::Noted { node, fact } => self.on_fact(*node, *fact),
            Observed::Invoked { ticket, request: QueueRequest::Send { value, .. } } => {
                self.ledger.asked.insert(*value, (ticket.client, ticket.op));
            }
            Observed::Crashed { node, .. } => {
                for known in self.partitions.values_mut() {
                    known.looked.remove(node);
                }
            }
            Observed::Appended { node, .. } => *self.records.entry(*node).or_default() += 1,
            Observed::Booted { node, records } => {
                let before = self.records.insert(*node, *records);
                self.unplugged.extend(before.is_some_and(|before| *records < before).then_some(*node));
            }
            _ => {}
        }
        self.story.observe(at, what, &self.ledger);
        self.duties.observe(at, what);
        let config = &self.config;
        if let Some(council) = &mut self.council
            && what.befalls(|node| config.duty(node) == Duty::Controller)
        {
            council.observe(at, what);
        }
    }

    fn after_step(&mut self, at: Instant, stepped: NodeId, nodes: &[Option<Machine>]) -> Result<(), Violation> {
        match (self.config.duty(stepped), &nodes[stepped.index()]) {
            (Duty::Controller, _) => {
                if let Some(council) = &mut self.council {
                    council.after_step(at, stepped, nodes)?;
                }
            }
            (Duty::Broker, Some(machine)) => self.look_at(stepped, machine),
            _ => {}
        }
        if let Some(machine) = &nodes[stepped.index()]
            && let Some((rule, detail)) = self.duties.after_step(&self.config, at, stepped, machine)
        {
            self.breaks(rule, stepped, detail);
        }
        self.broken.take().map_or(Ok(()), Err)
    }
}
