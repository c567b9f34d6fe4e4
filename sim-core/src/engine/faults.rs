//! Faults in the engine: targets resolve when a fault fires, and every fault counts what it changed.

use super::Engine;
use super::triggers::Pending;
use crate::digest::Code;
use crate::fault::{ClockChange, CutClients, DiskChange, Fault, Injection, OnCrash, Shape, Sides, Target};
use crate::hash;
use crate::network::{ActiveCut, ActivePacket, Busy, Luck, Peers};
use crate::sorted::SortedMap;
use crate::{Client, Instant, Node, NodeId, Observed, Observer, Purpose, Rng, node_ids};

/// What has become of one injection of the schedule.
#[derive(Clone, Debug, Default)]
pub struct ActiveFault {
    /// The nodes it hit.
    pub resolved: Vec<NodeId>,
    /// When it began to wait for its trigger, if it has one; `None` if it has not (yet).
    pub armed: Option<Instant>,
    /// Where its trigger was met.
    pub trigger: Option<NodeId>,
    /// When it began; `None` if it has not (yet).
    pub started: Option<Instant>,
    /// When it ended; `None` if it has not (yet).
    pub ended: Option<Instant>,
    /// What it changed: messages dropped, inputs delayed, nodes taken down, syncs slowed.
    pub touched: u64,
    /// How much the schedule's limits held back: nodes that it would have hit, or 1 for a partition as a whole.
    pub held: u64,
}

impl ActiveFault {
    const fn is_active(&self) -> bool {
        self.started.is_some() && self.ended.is_none()
    }
}

/// The state of all injections.
#[derive(Clone, Debug)]
pub(super) struct Faults {
    state: Vec<ActiveFault>,
    /// Pauses in force: fault number, node.
    pauses: Vec<(usize, NodeId)>,
    /// Faults that wait for their triggers.
    pub pending: Vec<Pending>,
    /// Everything has been healed: faults that have not begun never will.
    over: bool,
}

impl Faults {
    pub fn new(n: usize) -> Self {
        Self { state: vec![ActiveFault::default(); n], pauses: Vec::new(), pending: Vec::new(), over: false }
    }

    /// The trigger of fault number `index` was met at `node`.
    pub fn met(&mut self, index: usize, node: NodeId) {
        self.state[index].trigger = Some(node);
    }

    /// Fault number `index` changed something.
    pub fn touch(&mut self, index: usize, n: u64) {
        self.state[index].touched += n;
    }

    /// Whom fault number `index` has hit.
    pub fn hit(&self, index: usize) -> Vec<NodeId> {
        self.state[index].resolved.clone()
    }

    /// An input had to wait because `node` is paused.
    pub fn touch_pauses(&mut self, node: NodeId) {
        for (index, _) in self.pauses.iter().filter(|(_, n)| *n == node) {
            self.state[*index].touched += 1;
        }
    }
}

impl<N: Node, C: Client<N>, O: Observer<N>> Engine<N, C, O> {
    /// What has become of every injection of the schedule, in its order.
    #[must_use]
    pub fn faults(&self) -> Vec<ActiveFault> {
        let mut all = self.faults.state.clone();
        for cut in &self.trouble.cuts {
            all[cut.fault].touched += cut.touched;
        }
        for packet in &self.trouble.packets {
            all[packet.fault].touched += packet.touched;
        }
        all
    }

    /// Ends every fault in force; none begins any more.
    pub fn heal(&mut self) {
        self.faults.over = true;
        self.faults.pending.clear();
        self.update_calm();
        self.guarded(|this| {
            for index in 0..this.faults.state.len() {
                if this.faults.state[index].is_active() {
                    this.fault_end(index);
                }
            }
        });
    }

    pub(super) fn fault_start(&mut self, index: usize) {
        if self.faults.over {
            return;
        }
        let schedule = self.schedule.clone();
        let injection = &schedule.injections()[index];
        let mut rng = Rng::stream(self.seed, Purpose::Target, injection.id);
        let met = self.faults.state[index].trigger;
        if let (Some(trigger), None) = (&injection.after, met) {
            self.faults.state[index].armed = Some(self.now);
            self.await_trigger(index, trigger, &mut rng);
            return;
        }
        self.note_members();
        let (order, resolved) = match &injection.fault {
            Fault::Membership(change) => self.plan_order(change, &injection.target, met, &mut rng),
            _ => (None, self.resolve(&injection.target, met, &mut rng)),
        };
        let (resolved, held, happens) = self.hold_back(&injection.fault, resolved, met, &rng);
        let state = &mut self.faults.state[index];
        (state.resolved, state.started, state.held) = (resolved.clone(), Some(self.now), held);
        self.record(index as u32, Code::Fault, hash::of(&resolved.iter().map(|n| u64::from(n.0)).collect::<Vec<_>>()));
        self.observer.observe(self.now, &Observed::FaultStarted { index, injection, resolved: &resolved });
        if !happens {
            self.faults.state[index].ended = Some(self.now);
            self.observer.observe(self.now, &Observed::FaultEnded { index, injection, touched: 0 });
            return;
        }
        if matches!(injection.fault, Fault::Membership(_)) {
            self.give_order(index, order);
        } else {
            self.apply(index, injection, &resolved, met, &mut rng);
        }
        self.update_calm();
        self.cue_fault(index, false);
        if injection.until != Instant::FAR {
            // One that has waited lasts as long as it would have from its time on.
            let lasts = injection.until.since(injection.at);
            let until = if met.is_some() { self.now + lasts } else { injection.until };
            self.push(until.max(self.now), super::Event::FaultEnd { index });
        }
    }

    pub(super) fn update_calm(&mut self) {
        self.calm = self.trouble.is_none() && !self.fancy_links && self.faults.pending.is_empty();
    }

    /// What of a fault the limits permit: the nodes it may hit, how much is held back, and whether it happens at all.
    fn hold_back(
        &self,
        fault: &Fault,
        nodes: Vec<NodeId>,
        trigger: Option<NodeId>,
        rng: &Rng,
    ) -> (Vec<NodeId>, u64, bool) {
        let limits = self.schedule.limits();
        let takes_down = matches!(fault, Fault::Crash { .. } | Fault::Pause);
        if limits.is_none() || !(takes_down || matches!(fault, Fault::Partition { .. })) {
            return (nodes, 0, true);
        }
        let pool = self.pool();
        let members: Vec<bool> = node_ids(self.nodes.len()).map(|id| pool.contains(&id)).collect();
        let mut down: Vec<bool> = self.nodes.iter().map(Option::is_none).collect();
        self.faults.pauses.iter().for_each(|(_, node)| down[node.index()] = true);
        let in_force: Vec<&Sides> = self.trouble.cuts.iter().map(|cut| &cut.sides).collect();
        let permitted = |nodes: &[NodeId]| match fault {
            Fault::Partition { shape, clients } => {
                let sides = self.cut((shape, *clients), nodes, trigger, &mut rng.clone());
                limits.permit(&members, &down, &[in_force.as_slice(), &[&sides]].concat())
            }
            _ => {
                let mut down = down.clone();
                nodes.iter().for_each(|node| down[node.index()] = true);
                limits.permit(&members, &down, &in_force)
            }
        };
        if permitted(&nodes) {
            return (nodes, 0, true);
        }
        if !takes_down && !matches!(fault, Fault::Partition { shape: Shape::Isolate | Shape::OneWay { .. }, .. }) {
            // A shape is a shape as a whole or not at all.
            return (Vec::new(), 1, false);
        }
        // As many as go, in random order: what is permitted with more nodes is permitted with fewer.
        let mut some = nodes.clone();
        rng.clone().shuffle(&mut some);
        let (mut good, mut bad) = (0, some.len());
        while bad - good > 1 {
            let middle = good.midpoint(bad);
            if permitted(&some[..middle]) {
                good = middle;
            } else {
                bad = middle;
            }
        }
        some.truncate(good);
        some.sort_unstable();
        let held = (nodes.len() - good) as u64;
        (some, held, good > 0)
    }

    /// The partition that a shape is for these targets now.
    fn cut(
        &self,
        (shape, clients): (&Shape, CutClients),
        nodes: &[NodeId],
        trigger: Option<NodeId>,
        rng: &mut Rng,
    ) -> Sides {
        if clients == CutClients::Only {
            return shape.apart_from_clients(self.nodes.len(), nodes);
        }
        let groups: Vec<Vec<NodeId>> = match shape {
            Shape::Groups(groups) => {
                groups.iter().map(|g| g.iter().flat_map(|t| self.resolve(t, trigger, rng)).collect()).collect()
            }
            _ => Vec::new(),
        };
        shape.sides(self.nodes.len(), &self.pool(), nodes, &groups, rng)
    }

    fn apply(&mut self, index: usize, injection: &Injection, nodes: &[NodeId], trigger: Option<NodeId>, rng: &mut Rng) {
        match &injection.fault {
            Fault::Crash { on_crash } => {
                for node in nodes {
                    self.machines[node.index()].cold.downs += 1;
                    if self.nodes[node.index()].is_some() {
                        self.faults.touch(index, 1);
                        self.crash(*node, *on_crash, None);
                    } else if *on_crash == OnCrash::Wipe || self.machines[node.index()].cold.disk.has_unsynced() {
                        // It is down already, but its disk can still be replaced, and the page cache lose power.
                        let lost = self.crash_disk(*node, *on_crash);
                        self.faults.touch(index, u64::from(lost > 0 || *on_crash == OnCrash::Wipe));
                    }
                }
            }
            Fault::Pause => {
                for node in nodes {
                    self.faults.pauses.push((index, *node));
                    let held_up = self.pause(*node);
                    self.faults.touch(index, held_up as u64);
                }
            }
            Fault::Slow { factor, floor } => {
                for node in nodes {
                    self.machines[node.index()].gate().slow.push((index, *factor, *floor));
                    self.pace_changed(*node);
                }
            }
            Fault::Partition { shape, clients } => {
                let sides = self.cut((shape, *clients), nodes, trigger, rng);
                let zones = self.network.client_site.len();
                let zone_side = (0..zones)
                    .map(|zone| {
                        if *clients == CutClients::Only {
                            return Some(Sides::CLIENTS);
                        }
                        // A zone whose nodes are all on one side takes its clients with it.
                        let mut of_zone = sides
                            .side
                            .iter()
                            .zip(&self.node_zones)
                            .filter(|(_, z)| **z as usize == zone)
                            .map(|(side, _)| *side);
                        let first = of_zone.next()?;
                        (*clients == CutClients::WithZone && of_zone.all(|s| s == first)).then_some(first)
                    })
                    .collect();
                self.trouble.cuts.push(ActiveCut { fault: index, sides, zone_side, touched: 0 });
            }
            Fault::Packet { change, direction, peers, kinds } => {
                let mask = |nodes: &[NodeId], n| {
                    let mut mask = vec![false; n];
                    nodes.iter().for_each(|node| mask[node.index()] = true);
                    mask
                };
                let n = self.nodes.len();
                let peers = peers.as_ref().map(|peers| Peers {
                    nodes: mask(&self.resolve(peers, trigger, rng), n),
                    clients: *peers == Target::Clients,
                });
                self.trouble.packets.push(ActivePacket {
                    fault: index,
                    targets: mask(nodes, n),
                    peers,
                    direction: *direction,
                    kinds: kinds.clone(),
                    change: change.clone(),
                    busy: Busy::default(),
                    luck: Luck::new(self.seed, injection.id),
                    memory: SortedMap::new(),
                    touched: 0,
                });
            }
            Fault::Clock(change) => {
                for node in nodes {
                    match change {
                        ClockChange::Step(nanos) => {
                            self.machines[node.index()].clock.step(self.now, *nanos);
                            self.update_flags(*node);
                        }
                        ClockChange::Drift(ppm) => self.add_drift(*node, i64::from(*ppm)),
                        ClockChange::Freeze => self.freeze_clock(*node),
                    }
                    self.faults.touch(index, 1);
                }
            }
            Fault::Disk(change) => {
                for node in nodes {
                    let mut luck = Luck::new(self.seed, injection.id);
                    let disk = &mut self.machines[node.index()].cold.disk;
                    let trouble = disk.make_trouble();
                    match change {
                        DiskChange::Slow(latency) => trouble.slow.push((index, latency.clone(), luck)),
                        DiskChange::Stall => trouble.stalls.push(index),
                        DiskChange::FailSync(p) => trouble.failing.push((index, *p, luck)),
                        DiskChange::Lie => trouble.lies.push(index),
                        DiskChange::Full => trouble.full.push(index),
                        DiskChange::Torn => trouble.torn.push(index),
                        DiskChange::Rot(p) => disk.rot(index, *p, luck.of(node.0).next_u64()),
                    }
                }
            }
            // An order (see `operator.rs`).
            Fault::Membership(_) => {}
        }
    }

    pub(super) fn fault_end(&mut self, index: usize) {
        if !self.faults.state[index].is_active() {
            return;
        }
        let schedule = self.schedule.clone();
        let injection = &schedule.injections()[index];
        let nodes = self.faults.state[index].resolved.clone();
        self.faults.state[index].ended = Some(self.now);
        self.record(index as u32, Code::Fault, 1);
        match &injection.fault {
            Fault::Crash { .. } => {
                for node in &nodes {
                    self.machines[node.index()].cold.downs -= 1;
                    self.boot_if_it_may(*node);
                }
            }
            Fault::Pause => {
                self.faults.pauses.retain(|(fault, _)| *fault != index);
                nodes.iter().for_each(|node| self.resume(*node));
            }
            Fault::Slow { .. } => {
                for node in &nodes {
                    self.machines[node.index()].gate().slow.retain(|(fault, ..)| *fault != index);
                    self.pace_changed(*node);
                }
            }
            Fault::Partition { .. } => {
                let touched: u64 = self.trouble.cuts.iter().filter(|c| c.fault == index).map(|c| c.touched).sum();
                self.trouble.cuts.retain(|c| c.fault != index);
                self.faults.touch(index, touched);
                self.release_connections();
            }
            Fault::Packet { .. } => {
                let touched: u64 = self.trouble.packets.iter().filter(|p| p.fault == index).map(|p| p.touched).sum();
                self.trouble.packets.retain(|p| p.fault != index);
                self.faults.touch(index, touched);
            }
            Fault::Clock(ClockChange::Step(_)) => {}
            Fault::Clock(ClockChange::Freeze) => nodes.iter().for_each(|node| self.thaw_clock(*node)),
            Fault::Clock(ClockChange::Drift(ppm)) => {
                nodes.iter().for_each(|node| self.add_drift(*node, -i64::from(*ppm)));
            }
            Fault::Disk(change) => {
                for node in &nodes {
                    let disk = &mut self.machines[node.index()].cold.disk;
                    disk.make_trouble().end(index);
                    if matches!(change, DiskChange::Stall) && disk.is_held() {
                        self.faults.touch(index, 1);
                        if !disk.is_stalled() {
                            self.release_disk(*node);
                        }
                    }
                }
            }
            Fault::Membership(_) => self.withdraw_order(index),
        }
        self.update_calm();
        let touched = self.faults.state[index].touched;
        self.observer.observe(self.now, &Observed::FaultEnded { index, injection, touched });
        self.cue_fault(index, true);
    }

    /// A node would be started now, but crashes in force keep it down.
    pub(super) fn touch_crashes(&mut self, node: NodeId) {
        for (injection, state) in self.schedule.injections().iter().zip(&mut self.faults.state) {
            if matches!(injection.fault, Fault::Crash { .. }) && state.is_active() && state.resolved.contains(&node) {
                state.touched += 1;
            }
        }
    }

    /// The nodes a target means now; `trigger` is where the fault's trigger was met. Every choice is drawn from the
    /// fault's own stream, among the members.
    pub(super) fn resolve(&self, target: &Target, trigger: Option<NodeId>, rng: &mut Rng) -> Vec<NodeId> {
        self.resolve_among(&self.pool(), target, trigger, rng)
    }

    /// As [`Self::resolve`], with choices drawn among `pool`.
    pub(super) fn resolve_among(
        &self,
        pool: &[NodeId],
        target: &Target,
        trigger: Option<NodeId>,
        rng: &mut Rng,
    ) -> Vec<NodeId> {
        let n = self.nodes.len();
        let some = |count: usize, first: Option<NodeId>, rng: &mut Rng| {
            let mut order = pool.to_vec();
            rng.shuffle(&mut order);
            if let Some(first) = first {
                order.sort_by_key(|node| *node != first);
            }
            order.truncate(count);
            order.sort_unstable();
            order
        };
        let minority = pool.len().saturating_sub(1) / 2;
        match target {
            Target::All => node_ids(n).collect(),
            Target::Node(node) => vec![*node],
            Target::Nodes(nodes) => nodes.clone(),
            Target::OneOf(_, nodes) => {
                let mut order = nodes.clone();
                rng.shuffle(&mut order);
                order.truncate(1);
                order
            }
            Target::Zone(zone, _) => self.of_zone(*zone),
            Target::Role(role) => self.with_role(role, rng).into_iter().collect(),
            Target::Every(role) => {
                let has = |id: &NodeId| self.nodes[id.index()].as_ref().is_some_and(|node| node.role().name == role);
                node_ids(n).filter(has).collect()
            }
            Target::Machine(host, _) => self.of_host(*host),
            Target::RoleMachine(role) => match self.with_role(role, rng) {
                Some(node) => self.machines[node.index()].cold.host.map_or(vec![node], |host| self.of_host(host)),
                None => Vec::new(),
            },
            Target::Trigger => trigger.into_iter().collect(),
            Target::Clients => Vec::new(),
            Target::RoleZone(role) => {
                self.with_role(role, rng).map_or_else(Vec::new, |node| self.of_zone(self.node_zones[node.index()]))
            }
            Target::MostBehind => {
                let live = pool.iter().filter_map(|id| Some((self.nodes[id.index()].as_ref()?.progress(), *id)));
                live.min().map(|(_, id)| id).into_iter().collect()
            }
            Target::Random => some(1, None, rng),
            Target::Minority => some(minority, None, rng),
            Target::MinorityWith(role) => {
                let mut own = Rng::stream(self.seed, Purpose::Target, rng.next_u64() | 1 << 63);
                let first = self.with_role(role, &mut own);
                some(minority, first, rng)
            }
            Target::OneMoreThanMinority => some(minority + 1, None, rng),
        }
    }

    fn of_host(&self, host: u16) -> Vec<NodeId> {
        node_ids(self.nodes.len()).filter(|node| self.machines[node.index()].cold.host == Some(host)).collect()
    }

    fn of_zone(&self, zone: u16) -> Vec<NodeId> {
        node_ids(self.nodes.len()).filter(|node| self.node_zones[node.index()] == zone).collect()
    }

    /// The live node with the role and the highest rank; a random one among equals.
    fn with_role(&self, role: &str, rng: &mut Rng) -> Option<NodeId> {
        let all = || {
            node_ids(self.nodes.len()).filter_map(|id| {
                let has = self.nodes[id.index()].as_ref()?.role();
                (has.name == role).then_some((has.rank, id))
            })
        };
        let highest = all().map(|(rank, _)| rank).max();
        let best: Vec<NodeId> = all().filter(|(rank, _)| Some(*rank) == highest).map(|(_, id)| id).collect();
        rng.pick(&best).copied()
    }
}
