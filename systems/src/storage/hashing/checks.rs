//! What must hold of the store, watched on every run: no acknowledged write is lost, reads see what was acknowledged,
//! nobody serves what was addressed by another view, replicas agree in the end; and, in `placing.rs`, the rules about
//! placements.

use super::keeper::{LANE, Member};
use super::measure::Watch;
use super::message::HashingFact;
use super::node::Machine;
use super::options::Config;
use super::order::Order;
use super::orders::{ORDERS_TAKEN_UP, Orders};
use super::placing::Placing;
use super::version::{Held, Version};
use crate::consensus::raft::checks::RaftChecks;
use crate::shared::kv::register::{Registers, Wrong};
use crate::shared::replication::CouncilChecks;
use sim_core::fault::{ClockChange, DiskChange, Fault, Injection, OnCrash};
use sim_core::measures::LostWrite;
use sim_core::sorted::SortedMap;
use sim_core::{
    Class, ClientId, Duration, Instant, NodeId, NodeSet, Observed, Observer, Outcome, Ticket, Verdict, Violation,
};

sim_core::rules! {
    /// What was acknowledged is there in the end, or something newer, as long as fewer than W nodes are gone with their
    /// disks.
    pub const ACKNOWLEDGED_WRITES_SURVIVE: &str = "acknowledged_writes_survive";
    /// A read sees the last write that was acknowledged before it began, or one that was not.
    pub const READS_SEE_ACKNOWLEDGED_WRITES: &str = "reads_see_acknowledged_writes";
    /// What was deleted does not come back, as long as stores are repaired and none is away for longer than half the
    /// time of grace, by whatever clocks have jumped included: the other half is for bringing tombstones to those who
    /// lack them.
    pub const DELETED_KEYS_STAY_DELETED: &str = "deleted_keys_stay_deleted";
    /// A write that begins after another one of its key was acknowledged has the larger version.
    pub const LATER_WRITES_WIN: &str = "later_writes_win";
    /// A write takes effect once for each time that a coordinator was asked for it, at most.
    pub const ONE_VERSION_PER_TRY: &str = "one_version_per_try";
    /// What was kept for others, and is given up because they have it, they have.
    pub const DELIVERED_HINTS_ARE_THERE: &str = "delivered_hints_are_there";
    /// Who stands in for a holder is no holder: its word would count twice.
    pub const STAND_INS_ARE_OTHERS: &str = "stand_ins_are_others";
    /// A store serves only what was addressed by its own view.
    pub const STALE_OWNER_REJECTED: &str = "stale_owner_rejected";
    /// The Raft of those who keep the directory keeps the rules of any other.
    pub const KEEPERS_AGREE: &str = "keepers_agree";
    /// In the end all holders of a key hold the same.
    pub const CONVERGED: &str = "converged";
}

/// The memory of one run.
#[derive(Clone, Debug)]
pub struct HashingChecks {
    config: Config,
    placing: Placing,
    registers: Registers,
    order: Order,
    orders: Orders,
    keepers: CouncilChecks<Member, RaftChecks>,
    pub(super) watch: Watch,
    /// The newest version of each key that was acknowledged, and whether it was a delete.
    acknowledged: SortedMap<u64, (Version, bool)>,
    /// When that was acknowledged first, and by whom.
    told: SortedMap<u64, (Instant, NodeId)>,
    /// Writes that were acknowledged though an older write, acknowledged before they began, has the later version.
    outdated: Vec<LostWrite>,
    /// The newest tombstone of each key that somebody has forgotten.
    collected: SortedMap<u64, Version>,
    writes: u64,
    deletes: u64,
    /// Reads that saw what was deleted, after a store was away for too long.
    back: u64,
    /// How long a fault lasted at most, and by how much each clock has jumped in all.
    away: Duration,
    jumped: SortedMap<NodeId, u64>,
    taken: u64,
    stale: u64,
    repaired: u64,
    hinted: u64,
    /// Nodes whose disks lie, or have lost in part what was durable.
    gone: NodeSet,
    /// Nodes that have lost all they had and are not full again, how many those were at most, and who holds anything.
    wiped: NodeSet,
    most_wiped: usize,
    holding: NodeSet,
    booted: Option<NodeId>,
    /// Whose disks were ever wiped.
    ever_wiped: NodeSet,
    /// What a node has delivered in this step; how often that was looked at.
    delivered: Option<(NodeId, u64, Version)>,
    /// Whether a client asks in this step.
    asked: bool,
    deliveries: u64,
    /// When anything was seen last.
    now: Instant,
    violation: Option<Violation>,
}

impl HashingChecks {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
            placing: Placing::new(config),
            registers: Registers::default(),
            order: Order::default(),
            orders: Orders::default(),
            keepers: CouncilChecks::new(KEEPERS_AGREE, LANE, RaftChecks::new(config.nodes)),
            watch: Watch::new(config),
            acknowledged: SortedMap::new(),
            told: SortedMap::new(),
            outdated: Vec::new(),
            collected: SortedMap::new(),
            writes: 0,
            deletes: 0,
            back: 0,
            away: Duration::ZERO,
            jumped: SortedMap::new(),
            taken: 0,
            stale: 0,
            repaired: 0,
            hinted: 0,
            gone: NodeSet::EMPTY,
            wiped: NodeSet::EMPTY,
            most_wiped: 0,
            holding: NodeSet::EMPTY,
            booted: None,
            ever_wiped: NodeSet::EMPTY,
            delivered: None,
            asked: false,
            deliveries: 0,
            now: Instant::ZERO,
            violation: None,
        }
    }

    fn fail(&mut self, at: Instant, rule: &str, node: Option<NodeId>, detail: String) {
        self.violation.get_or_insert_with(|| Violation { rule: rule.to_owned(), at, node, detail });
    }

    fn on_fact(&mut self, at: Instant, node: NodeId, fact: HashingFact) {
        match fact {
            HashingFact::Acknowledged { key, version, deleted } => {
                self.writes += 1;
                self.deletes += u64::from(deleted);
                let newest = self.acknowledged.entry(key).or_insert((version, deleted));
                if version > newest.0 || !self.told.contains_key(&key) {
                    self.told.insert(key, (at, node));
                }
                *newest = (version, deleted).max(*newest);
                if let Some(detail) = self.order.acknowledged(at, key, version, deleted)
                    && self.is_regular()
                {
                    self.fail(at, LATER_WRITES_WIN, Some(node), detail);
                }
            }
            HashingFact::Collected { key, version } => {
                let newest = self.collected.entry(key).or_insert(version);
                *newest = version.max(*newest);
            }
            HashingFact::Taken { asked, epoch } => {
                self.taken += 1;
                if asked != epoch {
                    let detail = format!("{node} goes by epoch {epoch} and served what was addressed by epoch {asked}");
                    self.fail(at, STALE_OWNER_REJECTED, Some(node), detail);
                }
            }
            HashingFact::Stale { .. } => self.stale += 1,
            HashingFact::Fetched { keys, .. } => self.repaired += u64::from(keys),
            HashingFact::ReadRepaired { .. } => self.repaired += 1,
            HashingFact::Hinted { .. } => self.hinted += 1,
            HashingFact::Delivered { key, version } => self.delivered = Some((node, key, version)),
            HashingFact::Refilled { .. } => self.wiped = self.wiped.without(node),
            HashingFact::Unreadable => {
                self.gone.insert(node);
            }
            _ => {}
        }
    }

    /// What each rule says about the run, given the nodes as they ended.
    #[must_use]
    pub fn verdicts(&self, nodes: &[Option<Machine>]) -> Vec<Verdict> {
        let rule = |rule: &'static str, seen: u64, detail: String| match &self.violation {
            Some(violation) if violation.rule == rule => Verdict::Fail(violation.clone()),
            _ if seen == 0 => Verdict::Inconclusive { rule, why: "there was nothing to look at".to_owned() },
            _ => Verdict::Pass { rule, detail },
        };
        let mut verdicts = self.placing.verdicts(rule);
        verdicts.push(rule(
            STALE_OWNER_REJECTED,
            self.taken,
            format!("{} questions and orders served, {} refused", self.taken, self.stale),
        ));
        if self.is_regular() {
            let Registers { reads, bound, .. } = &self.registers;
            let mut detail = format!("{reads} reads, {bound} of keys that had been written");
            if self.order.late > 0 {
                detail += &format!("; {} tries that came late overwrote what was acknowledged since", self.order.late);
            }
            verdicts.push(rule(READS_SEE_ACKNOWLEDGED_WRITES, *bound, detail));
            let compared = self.order.compared;
            verdicts.push(rule(LATER_WRITES_WIN, compared, format!("{compared} writes of keys that had been written")));
        }
        if self.config.sloppy {
            verdicts.push(rule(STAND_INS_ARE_OTHERS, self.writes, format!("{} writes", self.writes)));
        }
        verdicts.push(rule(ONE_VERSION_PER_TRY, self.writes, format!("{} writes", self.writes)));
        if self.config.sloppy && self.deliveries > 0 {
            let detail = format!("{} hints delivered", self.deliveries);
            verdicts.push(rule(DELIVERED_HINTS_ARE_THERE, self.deliveries, detail));
        }
        if self.orders.taken_up > 0 {
            verdicts.push(rule(ORDERS_TAKEN_UP, self.orders.taken_up, format!("{} orders", self.orders.taken_up)));
        }
        // A run that was cut short has not ended.
        if self.violation.is_none() {
            let judge = Ended::new(self, nodes);
            verdicts.push(judge.survive(self.writes));
            if self.deletes > 0 {
                verdicts.push(judge.stay_deleted());
            }
            if self.config.repair_interval > Duration::ZERO {
                verdicts.push(judge.converged(self.repaired, self.hinted));
            }
        }
        verdicts.push(self.keepers.verdict(nodes));
        verdicts
    }

    /// A fault begins: how long a store may not hear of a delete, and how far clocks are off.
    fn on_fault(&mut self, injection: &Injection, resolved: &[NodeId]) {
        let hit: NodeSet = resolved.iter().copied().collect();
        match &injection.fault {
            Fault::Crash { on_crash: OnCrash::Wipe } => {
                self.ever_wiped = self.ever_wiped.union(hit);
                self.wiped = self.wiped.union(hit.common(self.holding));
                // Who has left since has nothing to give back.
                self.most_wiped = self.most_wiped.max(self.wiped.common(self.watch.members()).len());
            }
            Fault::Disk(DiskChange::Lie | DiskChange::Rot(_)) => self.gone = self.gone.union(hit),
            _ => {}
        }
        match &injection.fault {
            Fault::Clock(ClockChange::Step(nanos)) => {
                for node in resolved {
                    *self.jumped.entry(*node).or_default() += nanos.unsigned_abs();
                }
            }
            Fault::Crash { .. } | Fault::Pause | Fault::Partition { .. } | Fault::Disk(_) | Fault::Clock(_) => {
                self.away = self.away.max(injection.until.since(injection.at));
            }
            _ => {}
        }
    }

    /// A node gives up what it kept for others: those who go by the same view have it on their disks.
    fn check_delivered(
        &mut self,
        at: Instant,
        (node, nodes): (NodeId, &[Option<Machine>]),
        key: u64,
        version: Version,
    ) {
        let Some(keeper) = &nodes[node.index()] else { return };
        self.deliveries += 1;
        let forgotten = self.collected.get(&key).is_some_and(|collected| *collected >= version);
        for holder in keeper.holders_of(key).minus(self.ever_wiped).minus(self.gone).iter().filter(|_| !forgotten) {
            let Some(machine) = nodes[holder.index()].as_ref() else { continue };
            let has = machine.store.own(key).is_some_and(|held| held.version >= version);
            if machine.view().epoch == keeper.view().epoch && !has {
                let detail =
                    format!("{node} gives up what it kept of k{key} at {version}, and {holder} does not have it");
                return self.fail(at, DELIVERED_HINTS_ARE_THERE, Some(node), detail);
            }
        }
    }

    /// Whether reads must see what was acknowledged: less than W have lost it at any time.
    fn is_regular(&self) -> bool {
        self.config.is_regular() && self.gone.is_empty() && self.most_wiped < self.config.write_quorum as usize
    }

    /// Why keys may come back that were deleted: the time of grace was too short for what happened, or nobody used it.
    /// A delete is acknowledged by W, and a store whose copy of it was lost hears of it by a repair alone.
    fn out_of_grace(&self) -> Option<&'static str> {
        let jumped = self.jumped.values().max().copied().unwrap_or(0);
        if self.config.repair_interval == Duration::ZERO && self.config.write_quorum < self.config.replicas {
            Some("stores are not repaired, so some never hear of a delete")
        } else if 2 * (u128::from(self.away.0) + u128::from(jumped)) >= u128::from(self.config.tombstone_grace.0) {
            Some("a store was away, or a clock off, by more than half the time of grace")
        } else {
            None
        }
    }

    /// Reads that saw what was deleted, where no rule forbids it.
    pub(super) const fn brought_back(&self) -> u64 {
        self.back
    }

    /// A write was acknowledged to its client. Where clocks order writes, an older one may win against it for good.
    fn on_written(&mut self, (invoked, at): (Instant, Instant), ticket: Ticket, key: u64) {
        let Some((newest, _)) = self.acknowledged.get(&key) else { return };
        let Some((told, node)) = self.told.get(&key).filter(|(told, _)| *told < invoked) else { return };
        if !newest.is_of(ticket) {
            self.outdated.push(LostWrite {
                client: ticket.client.0 + 1,
                op: ticket.op,
                key,
                what: format!("operation {} of {}", ticket.op, ticket.client),
                acknowledged_ns: at.0,
                node: node.0,
                why: format!("a write acknowledged at {told}, before it began, has the later version, {newest}"),
            });
        }
    }

    /// Acknowledged writes that nobody will read: overruled by an older one, or gone with the disks of all who had
    /// them.
    pub(super) fn lost(&self, nodes: &[Option<Machine>]) -> Vec<LostWrite> {
        let ended = Ended::new(self, nodes);
        let gone = ended.gone().map(|(key, version)| {
            let (told, node) = self.told.get(&key).copied().unwrap_or((Instant::ZERO, NodeId(0)));
            LostWrite {
                client: version.client + 1,
                op: version.op,
                key,
                what: format!("operation {} of {}", version.op, ClientId(version.client)),
                acknowledged_ns: told.0,
                node: node.0,
                why: "none of those who hold its key has it or anything newer".to_owned(),
            }
        });
        self.outdated.iter().cloned().chain(gone).collect()
    }

    /// Keys that were written.
    pub(super) fn keys(&self) -> impl Iterator<Item = u64> + '_ {
        self.acknowledged.keys().copied()
    }
}

impl Observer<Machine> for HashingChecks {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Machine>) {
        self.now = at;
        self.keepers.observe(at, what);
        self.orders.watch(what);
        self.watch.observe(at, what);
        match what {
            Observed::Noted { node, fact } => self.on_fact(at, *node, *fact),
            Observed::Booted { node, .. } => {
                self.placing.booted(*node);
                self.booted = Some(*node);
            }
            Observed::FaultStarted { injection, resolved, .. } => self.on_fault(injection, resolved),
            Observed::Sent { from, message, .. } => {
                if let Some(detail) = self.order.sent(message) {
                    self.fail(at, ONE_VERSION_PER_TRY, Some(*from), detail);
                }
            }
            Observed::Invoked { ticket, request } => {
                self.registers.invoked(*ticket, request);
                self.order.invoked(at, *ticket, request);
            }
            Observed::Requested { ticket, .. } => {
                self.asked = true;
                self.registers.requested(*ticket);
                self.order.requested(*ticket);
            }
            Observed::Returned { ticket, request, invoked, outcome, .. } => {
                let regular = self.is_regular();
                if matches!(outcome, Outcome::Ok(_)) && crate::shared::kv::operation(request).class == Class::Write {
                    self.on_written((*invoked, at), *ticket, request.key());
                }
                let by_time = self.registers.returned(*ticket, (*invoked, at), request, outcome);
                let by_version = || {
                    let stale = self.order.returned((*invoked, request), outcome)?;
                    Some(if stale.deleted { Wrong::Deleted(stale.detail) } else { Wrong::Stale(stale.detail) })
                };
                match by_time.or_else(|| by_version().filter(|_| regular)) {
                    Some(Wrong::Stale(detail)) => {
                        self.watch.stale_reads.push((ticket.client, ticket.op));
                        if regular {
                            self.fail(at, READS_SEE_ACKNOWLEDGED_WRITES, None, detail);
                        }
                    }
                    Some(Wrong::Deleted(detail)) => {
                        self.back += 1;
                        let forgotten = self.collected.contains_key(&request.key());
                        if regular && (self.out_of_grace().is_none() || !forgotten) {
                            self.fail(at, DELETED_KEYS_STAY_DELETED, None, detail);
                        }
                    }
                    None => {}
                }
            }
            _ => {}
        }
    }

    fn after_step(&mut self, at: Instant, stepped: NodeId, nodes: &[Option<Machine>]) -> Result<(), Violation> {
        for node in [Some(stepped), self.booted.take()].into_iter().flatten() {
            let Some(machine) = &nodes[node.index()] else { continue };
            if let Err(violation) = self.placing.look(at, node, machine) {
                self.violation.get_or_insert(violation);
            }
            self.watch.look(at, machine, &self.acknowledged);
            if machine.keys() > 0 {
                self.holding.insert(node);
            } else {
                self.holding = self.holding.without(node);
            }
        }
        if self.config.sloppy
            && core::mem::take(&mut self.asked)
            && let Some((key, twice)) = nodes[stepped.index()].as_ref().and_then(Machine::counted_twice)
        {
            let detail = format!("{twice} stands in for a holder of k{key}, and is one itself");
            self.fail(at, STAND_INS_ARE_OTHERS, Some(stepped), detail);
        }
        if let Some((node, key, version)) = self.delivered.take() {
            self.check_delivered(at, (node, nodes), key, version);
        }
        if let Some(detail) = self.orders.after_step(stepped, nodes) {
            self.fail(at, ORDERS_TAKEN_UP, Some(stepped), detail);
        }
        self.keepers.after_step(at, stepped, nodes)?;
        self.violation.clone().map_or(Ok(()), Err)
    }
}

/// The nodes as they ended, seen by the one with the newest view.
struct Ended<'a> {
    checks: &'a HashingChecks,
    nodes: &'a [Option<Machine>],
    newest: Option<&'a Machine>,
}

impl<'a> Ended<'a> {
    fn new(checks: &'a HashingChecks, nodes: &'a [Option<Machine>]) -> Self {
        let newest = nodes.iter().flatten().max_by_key(|machine| machine.view().epoch);
        Self { checks, nodes, newest }
    }

    fn fail(&self, rule: &'static str, detail: String) -> Verdict {
        Verdict::Fail(Violation { rule: rule.to_owned(), at: self.checks.now, node: None, detail })
    }

    /// The keys whose newest acknowledged version none of their holders has, nor anything newer.
    fn gone(&self) -> impl Iterator<Item = (u64, Version)> {
        let there = |newest: &Machine, key: u64, version: Version| {
            // One that was overwritten by a delete, which nobody needs to remember any more.
            if self.checks.collected.get(&key).is_some_and(|collected| *collected >= version) {
                return true;
            }
            let (old, new) = newest.holders(key);
            let mut holders = old.into_iter().chain(new.into_iter().flatten());
            let on_holder = |node: NodeId| {
                let machine = self.nodes[node.index()].as_ref();
                machine.and_then(|machine| machine.store.own(key)).is_some_and(|held| held.version >= version)
            };
            let hinted = |machine: &Machine| machine.hinted().any(|(of, held)| of == key && held.version >= version);
            holders.any(on_holder) || self.nodes.iter().flatten().any(hinted)
        };
        let all = self.checks.acknowledged.iter().map(|(key, (version, _))| (*key, *version));
        all.filter(move |(key, version)| self.newest.is_some_and(|newest| !there(newest, *key, *version)))
    }

    fn survive(&self, writes: u64) -> Verdict {
        let rule = ACKNOWLEDGED_WRITES_SURVIVE;
        let inconclusive = |why: &str| Verdict::Inconclusive { rule, why: why.to_owned() };
        if self.newest.is_none() {
            return inconclusive("no node is up");
        }
        if writes == 0 {
            return inconclusive("nothing was written");
        }
        let down: NodeSet =
            sim_core::node_ids(self.nodes.len()).filter(|node| self.nodes[node.index()].is_none()).collect();
        let gone = self.checks.gone.union(down).union(self.checks.wiped).len().max(self.checks.most_wiped);
        let mut excused = 0;
        for (key, version) in self.gone() {
            if gone >= self.checks.config.write_quorum as usize {
                excused += 1;
                continue;
            }
            let detail = format!("k{key} was acknowledged at {version}, and none of its holders has that or more");
            return self.fail(rule, detail);
        }
        let keys = self.checks.acknowledged.len();
        let lost = if excused > 0 { format!(", {excused} lost with {gone} nodes") } else { String::new() };
        Verdict::Pass { rule, detail: format!("{writes} writes of {keys} keys{lost}") }
    }

    fn stay_deleted(&self) -> Verdict {
        let rule = DELETED_KEYS_STAY_DELETED;
        let Some(newest) = self.newest else {
            return Verdict::Inconclusive { rule, why: "no node is up".to_owned() };
        };
        let (mut back, mut collected) = (0_u64, 0_u64);
        for (key, (version, deleted)) in &self.checks.acknowledged {
            let forgotten = self.checks.collected.get(key).is_some_and(|collected| collected >= version);
            if !deleted || !forgotten {
                continue;
            }
            collected += 1;
            let (old, new) = newest.holders(*key);
            let held = old.into_iter().chain(new.into_iter().flatten()).filter_map(|node| {
                let machine = self.nodes[node.index()].as_ref()?;
                machine.store.own(*key).map(|held| (held.version, node))
            });
            let Some((held, node)) = held.max().filter(|(held, _)| held < version) else { continue };
            if self.checks.out_of_grace().is_some() {
                back += 1;
                continue;
            }
            return self.fail(rule, format!("k{key} was deleted at {version}, and {node} has it again, at {held}"));
        }
        let deletes = self.checks.deletes;
        let mut detail = format!("{deletes} deletes, {collected} keys whose tombstones were forgotten");
        if let Some(why) = self.checks.out_of_grace().filter(|_| back > 0 || self.checks.back > 0) {
            let reads = self.checks.back;
            detail += &format!("; {why}: {back} keys are back, {reads} reads saw one");
        }
        Verdict::Pass { rule, detail }
    }

    fn converged(&self, repaired: u64, hinted: u64) -> Verdict {
        let rule = CONVERGED;
        let inconclusive = |why: &str| Verdict::Inconclusive { rule, why: why.to_owned() };
        let Some(newest) = self.newest else { return inconclusive("no node is up") };
        let epoch = newest.view().epoch;
        if newest.view().next.is_some() {
            return inconclusive("a change of members is still under way");
        }
        let up = |node: NodeId| self.nodes[node.index()].as_ref();
        let out_of_grace = self.checks.out_of_grace().is_some();
        let mut compared = 0_u64;
        for key in self
            .nodes
            .iter()
            .flatten()
            .flat_map(|machine| machine.held().map(|(key, _)| key))
            .collect::<sim_core::sorted::SortedSet<_>>()
        {
            let holders: Vec<NodeId> = newest.holders(key).0.into_iter().filter(|node| up(*node).is_some()).collect();
            // A tombstone that others have forgotten is as good as nothing. So is what it had deleted, if a clock is
            // too far off: it comes and goes, as some forget the tombstone early and learn of it again, until the time
            // of grace is over for all.
            let forgotten = self.checks.collected.get(&key);
            let counts = |held: &&Held| {
                forgotten.is_none_or(|upto| *upto < held.version) || held.value().is_some() && !out_of_grace
            };
            let own = |node: NodeId| up(node).and_then(|machine| machine.store.own(key)).filter(counts);
            let version = |node: NodeId| own(node).map(|held| held.version);
            for pair in holders.windows(2) {
                compared += 1;
                if version(pair[0]) != version(pair[1]) {
                    let told = |node| version(node).map_or("nothing".to_owned(), |version| version.to_string());
                    let (a, b) = (told(pair[0]), told(pair[1]));
                    let detail = format!("in epoch {epoch} {} holds {a} of k{key}, and {} {b}", pair[0], pair[1]);
                    return self.fail(rule, detail);
                }
            }
        }
        if compared == 0 {
            return inconclusive("no key has two holders");
        }
        Verdict::Pass {
            rule,
            detail: format!("{compared} pairs of replicas; {repaired} keys repaired or copied, {hinted} hints"),
        }
    }
}
