//! What the rules and the report know of the pool: what each member believed of each other one, and what was true.

use super::message::{ConsulFact, ConsulMessage};
use super::node::Machine;
use super::options::{Config, ProbeOrder};
use crate::shared::swim::{Incarnation, Rumour, State, Status, SwimMessage};
use sim_core::fault::Fault;
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{Drop, Duration, Instant, Message, NodeId, Observed, Peer, Violation};
use std::rc::Rc;

sim_core::rules! {
    /// What a member believes of another is of an incarnation that only grows, until it has forgotten it.
    pub const INCARNATIONS_GROW: &str = "incarnations_grow";
    /// Of what is said of one incarnation, the worse holds: only a newer one makes a suspect alive again.
    pub const WORSE_NEWS_HOLD: &str = "worse_news_hold";
    /// Nobody is accused before those who were asked to probe it have had the whole interval to answer.
    pub const HELPERS_ARE_HEARD: &str = "helpers_are_heard";
    /// A member whose probes fail one after another, without a word of its helpers, is more patient each time.
    pub const THE_SLOW_ARE_PATIENT: &str = "the_slow_are_patient";
    /// Within two rounds, whoever is not gone is probed by everybody.
    pub const PROBED_EACH_ROUND: &str = "probed_each_round";
    /// A death that nothing else comes between is told to everybody, but for one, within a few rounds of gossip.
    pub const DEATHS_ARE_TOLD: &str = "deaths_are_told";
    /// Whoever hears that a member is alive, and holds it for suspect or gone in the same incarnation or a newer one,
    /// says so, so that the member may object.
    pub const THE_ACCUSED_HEAR_OF_IT: &str = "the_accused_hear_of_it";
    /// A member that is heard to be alive is shown as alive, whatever was heard before of what it means to do.
    pub const THE_RETURNED_ARE_ALIVE: &str = "the_returned_are_alive";
    /// In the end, nobody who is there is unknown to anybody, or held for gone.
    pub const THE_LIVING_ARE_ALIVE: &str = "the_living_are_alive";
    /// In the end, Serf shows everybody who is there as alive, and nobody who has been gone for long.
    pub const VIEWS_ARE_RIGHT: &str = "views_are_right";
}

/// A death, or a departure, and who has heard of it.
#[derive(Clone, Debug)]
pub(super) struct Outage {
    pub node: NodeId,
    pub at: Instant,
    /// When it was back.
    pub back: Option<Instant>,
    /// When it was probed first.
    pub probed: Option<Instant>,
    /// When who accused it first.
    pub accused: Option<(Instant, NodeId)>,
    /// When its suspicion was over first.
    pub condemned: Option<Instant>,
    /// Who has been told so, and when.
    pub told: SortedMap<NodeId, Instant>,
    /// Who was there when it died, is there still, and has not been told.
    pub untold: SortedSet<NodeId>,
}

impl Outage {
    /// When the first was told, and when all had been.
    pub fn heard(&self) -> (Option<Instant>, Option<Instant>) {
        let all = self.untold.is_empty();
        (self.told.values().min().copied(), self.told.values().max().copied().filter(|_| all))
    }
}

/// What a member believes of another.
#[derive(Clone, Copy, Debug)]
struct Belief {
    state: State,
    incarnation: Incarnation,
    since: Instant,
    /// Whether that one was there when it began to be believed.
    there: bool,
}

/// How often one has accused another, and how often wrongly.
pub(super) type Accusations = SortedMap<(NodeId, NodeId), (u64, u64)>;

/// The memory of one run.
#[derive(Clone, Debug)]
pub(super) struct PoolChecks {
    config: Rc<Config>,
    now: Instant,
    /// Who is down, or has left, and since when.
    pub gone: SortedMap<NodeId, Instant>,
    paused: SortedSet<NodeId>,
    /// Who has begun anew, and was not let in yet.
    outside: SortedSet<NodeId>,
    /// Who has heard that whom it holds for gone is alive, and how many packets it may send until it says so.
    owed: SortedMap<NodeId, SortedMap<NodeId, u32>>,
    /// How often that was.
    pub contradicted: u64,
    /// What each has shown last of whom, and when.
    shown: SortedMap<NodeId, (NodeId, Option<Status>, Instant)>,
    /// Whom a fault works on, and whom one keeps from hearing others: while there is any, all who ever were.
    troubled: SortedSet<NodeId>,
    cut: SortedSet<NodeId>,
    faults: u32,
    /// When something last went wrong that is no death, or came to its end.
    disturbed: Instant,
    beliefs: SortedMap<(NodeId, NodeId), Belief>,
    pub outages: Vec<Outage>,
    /// Deaths that not everybody has heard of yet: where they stand among all.
    untold: Vec<usize>,
    pub accusations: Accusations,
    /// How many helpers were silent in each member's probes that failed one after another, and whether one is under
    /// way that has not failed yet.
    silent: SortedMap<NodeId, (u32, bool)>,
    /// How many probes each has made, and which of them was the last of whom.
    probes: SortedMap<NodeId, u32>,
    last_probe: SortedMap<(NodeId, NodeId), u32>,
    /// The period of each member's last probe, and how many periods there were in which somebody was probed.
    periods: SortedMap<NodeId, u64>,
    pub probed_periods: u64,
    /// Views in which one that was up was wrongly suspect, or dead; and how often one objected.
    pub wrong: [u64; 2],
    pub objections: u64,
    pub joins: u64,
    /// Messages and bytes that each member has sent.
    pub sent: SortedMap<NodeId, (u64, u64)>,
    /// Messages by kind.
    pub kinds: SortedMap<&'static str, u64>,
    /// When each event was said first, when it was heard last, and by how many.
    pub events: SortedMap<u64, (Instant, Instant, u32)>,
    pub changes: u64,
    /// Spans for a track: whose, about whom, what, since when, until when and whether wrongly.
    pub spans: Vec<(NodeId, NodeId, State, Instant, Instant, bool)>,
    broken: Option<Violation>,
}

/// In how many packets at most something is said that has just been heard.
const PACKETS: u32 = 20;

/// Spans that a report can still show.
const SPANS: usize = 400;

impl PoolChecks {
    pub fn new(config: &Rc<Config>) -> Self {
        Self {
            config: Rc::clone(config),
            now: Instant::ZERO,
            gone: SortedMap::new(),
            paused: SortedSet::new(),
            outside: if config.joined { SortedSet::new() } else { (0..config.members()).map(NodeId).collect() },
            owed: SortedMap::new(),
            contradicted: 0,
            shown: SortedMap::new(),
            troubled: SortedSet::new(),
            cut: SortedSet::new(),
            faults: 0,
            disturbed: Instant::ZERO,
            beliefs: SortedMap::new(),
            outages: Vec::new(),
            untold: Vec::new(),
            accusations: SortedMap::new(),
            silent: SortedMap::new(),
            probes: SortedMap::new(),
            last_probe: SortedMap::new(),
            periods: SortedMap::new(),
            probed_periods: 0,
            wrong: [0; 2],
            objections: 0,
            joins: 0,
            sent: SortedMap::new(),
            kinds: SortedMap::new(),
            events: SortedMap::new(),
            changes: 0,
            spans: Vec::new(),
            broken: None,
        }
    }

    /// The rule that was broken.
    pub fn take_broken(&mut self) -> Option<Violation> {
        self.broken.take()
    }

    fn breaks(&mut self, rule: &str, node: NodeId, detail: String) {
        if self.broken.is_none() {
            self.broken = Some(Violation { rule: rule.to_owned(), at: self.now, node: Some(node), detail });
        }
    }

    /// Whether nothing at all is wrong with a member: who accuses it is wrong.
    fn is_well(&self, node: NodeId) -> bool {
        !self.gone.contains_key(&node) && !self.paused.contains(&node) && !self.troubled.contains(&node)
    }

    /// Whether it is the fault of `node` that it believes ill of `about`: that is well, and could be heard. A node that
    /// is slow is at fault, one that is cut off is not.
    fn is_wrong(&self, node: NodeId, about: NodeId) -> bool {
        self.is_well(about) && !self.cut.contains(&node)
    }

    pub fn observe(&mut self, at: Instant, what: &Observed<'_, Machine>) {
        self.now = at;
        match what {
            Observed::Sent { from, message: ConsulMessage::Pool(inner), .. } => {
                let sent = self.sent.entry(*from).or_default();
                (sent.0, sent.1) = (sent.0 + 1, sent.1 + u64::from(inner.bytes()));
                *self.kinds.entry(inner.kind().name).or_default() += 1;
                self.on_sent(*from, inner);
            }
            Observed::Delivered { to, message: ConsulMessage::Pool(inner), .. } => self.on_delivered(*to, inner),
            Observed::Noted { node, fact } => self.on_fact(*node, *fact),
            Observed::Crashed { node, .. } if node.0 < self.config.members() => self.on_gone(*node, at),
            Observed::Booted { node, .. } if node.0 < self.config.members() => self.on_back(*node, at),
            Observed::Paused { node, paused } => {
                self.disturbed = at;
                let _ = if *paused { self.paused.insert(*node) } else { self.paused.remove(node) };
            }
            // Those are seen as what comes of them.
            Observed::FaultStarted { injection, .. } | Observed::FaultEnded { injection, .. }
                if matches!(injection.fault, Fault::Crash { .. } | Fault::Membership(_)) => {}
            Observed::FaultStarted { injection, resolved, .. } => {
                self.disturbed = at;
                self.faults += 1;
                self.troubled.extend(resolved.iter());
                if matches!(injection.fault, Fault::Partition { .. } | Fault::Packet { .. }) {
                    self.cut.extend(resolved.iter());
                }
            }
            Observed::FaultEnded { .. } => {
                self.disturbed = at;
                self.faults = self.faults.saturating_sub(1);
                if self.faults == 0 {
                    self.troubled.clear();
                    self.cut.clear();
                }
            }
            Observed::Dropped { from: Peer::Node(_), to: Peer::Node(_), why, .. } if *why != Drop::Down => {
                self.disturbed = at;
            }
            _ => {}
        }
        self.look_at_the_untold();
    }

    fn on_gone(&mut self, node: NodeId, at: Instant) {
        self.forget_view_of(node);
        if self.gone.insert(node, at).is_some() {
            return;
        }
        self.outages.iter_mut().for_each(|outage| _ = outage.untold.remove(&node));
        let is_there = |other: &NodeId| !self.gone.contains_key(other) && !self.outside.contains(other);
        let untold = (0..self.config.members()).map(NodeId).filter(is_there).collect();
        self.untold.push(self.outages.len());
        self.outages.push(Outage {
            node,
            at,
            back: None,
            probed: None,
            accused: None,
            condemned: None,
            told: SortedMap::new(),
            untold,
        });
    }

    fn on_back(&mut self, node: NodeId, at: Instant) {
        if self.gone.remove(&node).is_some() {
            self.disturbed = at;
            if let Some(outage) = self.outages.iter_mut().rev().find(|outage| outage.node == node) {
                outage.back = Some(at);
            }
        }
        if self.now > Instant::ZERO {
            self.outside.insert(node);
        }
        self.forget_view_of(node);
    }

    /// What a packet can carry of what its sender owes.
    fn on_sent(&mut self, from: NodeId, message: &SwimMessage) {
        let Some(owed) = self.owed.get_mut(&from) else { return };
        let (SwimMessage::Ping { rumours, .. }
        | SwimMessage::PingReq { rumours, .. }
        | SwimMessage::Ack { rumours, .. }
        | SwimMessage::Nack { rumours, .. }
        | SwimMessage::Gossip { rumours }) = message
        else {
            return;
        };
        for rumour in rumours.iter().filter(|rumour| !matches!(rumour, Rumour::Alive { .. })) {
            rumour.subject().map(|subject| owed.remove(&subject));
        }
        owed.values_mut().for_each(|packets| *packets = packets.saturating_sub(1));
        let late = owed.iter().find(|(_, packets)| **packets == 0).map(|(about, _)| *about);
        if owed.is_empty() || late.is_some() {
            self.owed.remove(&from);
        }
        if let Some(about) = late {
            let detail = format!("{from} has heard that {about} is alive, holds it for gone, and says nothing");
            self.breaks(THE_ACCUSED_HEAR_OF_IT, from, detail);
        }
    }

    fn on_delivered(&mut self, to: NodeId, message: &SwimMessage) {
        let (SwimMessage::Ping { rumours, .. }
        | SwimMessage::PingReq { rumours, .. }
        | SwimMessage::Ack { rumours, .. }
        | SwimMessage::Nack { rumours, .. }
        | SwimMessage::Gossip { rumours }) = message
        else {
            return;
        };
        for rumour in rumours {
            let Rumour::Alive { node, incarnation } = rumour else { continue };
            if *node == to {
                continue;
            }
            let belief = self.beliefs.get(&(to, *node)).filter(|belief| belief.incarnation >= *incarnation);
            if belief.is_some_and(|belief| belief.state != State::Alive) {
                self.contradicted += 1;
                self.owed.entry(to).or_default().entry(*node).or_insert(PACKETS);
            }
        }
    }

    /// A member begins anew, and believes nothing.
    fn forget_view_of(&mut self, node: NodeId) {
        let mine = (node, NodeId(0))..=(node, NodeId(u32::MAX));
        let of: Vec<NodeId> = self.beliefs.range(mine.clone()).map(|((_, about), _)| *about).collect();
        of.into_iter().for_each(|about| self.end_belief(node, about));
        let of: Vec<_> = self.last_probe.range(mine).map(|(key, _)| *key).collect();
        of.into_iter().for_each(|key| _ = self.last_probe.remove(&key));
        self.silent.remove(&node);
        self.owed.remove(&node);
    }

    fn end_belief(&mut self, node: NodeId, about: NodeId) {
        let Some(belief) = self.beliefs.remove(&(node, about)) else { return };
        if belief.state != State::Alive && about != node && self.spans.len() < SPANS {
            self.spans.push((node, about, belief.state, belief.since, self.now, belief.there));
        }
    }

    /// Beliefs that hold to the end.
    pub fn finish(&mut self, end: Instant) {
        self.now = end;
        let open: Vec<_> = self.beliefs.keys().copied().collect();
        open.into_iter().for_each(|(node, about)| self.end_belief(node, about));
    }

    fn outage_of(&mut self, node: NodeId) -> Option<&mut Outage> {
        self.outages.iter_mut().rev().find(|outage| outage.node == node && outage.back.is_none())
    }

    fn on_fact(&mut self, node: NodeId, fact: ConsulFact) {
        match fact {
            ConsulFact::Probes { about } => self.on_probe(node, about),
            ConsulFact::Believes { about, what, incarnation, .. } => self.on_belief(node, about, what, incarnation),
            ConsulFact::Accuses { about, waited, silent } => self.on_accusation(node, about, waited, silent),
            ConsulFact::Objects { .. } => self.objections += 1,
            ConsulFact::Forgets { about } => {
                self.end_belief(node, about);
                self.last_probe.remove(&(node, about));
            }
            ConsulFact::Told { about, what: Some(Status::Failed | Status::Left) } => {
                let at = self.now;
                if node != about
                    && let Some(outage) = self.outage_of(about)
                {
                    outage.told.entry(node).or_insert(at);
                    outage.untold.remove(&node);
                }
            }
            ConsulFact::Is { about, what } => {
                self.changes += 1;
                self.shown.insert(node, (about, what, self.now));
                // Who says that it goes is gone, whatever it does yet.
                if about == node && what == Some(Status::Leaving) {
                    self.on_gone(node, self.now);
                }
            }
            ConsulFact::HasLeft => self.on_gone(node, self.now),
            ConsulFact::Joined => {
                self.joins += 1;
                self.disturbed = self.now;
                self.outside.remove(&node);
            }
            ConsulFact::Event { what, .. } => {
                let event = self.events.entry(what).or_insert((self.now, self.now, 0));
                (event.1, event.2) = (self.now, event.2 + 1);
            }
            _ => {}
        }
    }

    fn on_probe(&mut self, node: NodeId, about: NodeId) {
        let at = self.now;
        let period = at.0 / self.config.probe_interval.0;
        if self.periods.insert(about, period) != Some(period) {
            self.probed_periods += 1;
        }
        if let Some(outage) = self.outage_of(about) {
            outage.probed.get_or_insert(at);
        }
        let made = self.probes.entry(node).or_default();
        *made += 1;
        let made = *made;
        let before = self.last_probe.insert((node, about), made);
        // A probe before this one that has not failed was answered.
        match self.silent.get_mut(&node) {
            Some((_, pending)) if !*pending => *pending = true,
            Some(failing) => *failing = (0, true),
            None => _ = self.silent.insert(node, (0, true)),
        }
        let most = 2 * self.config.members();
        let in_rounds = self.config.probe_order == ProbeOrder::Shuffled;
        if let Some(before) = before.filter(|before| in_rounds && made - before > most) {
            let detail = format!("{node} has made {} probes since it last probed {about}, not {most}", made - before);
            self.breaks(PROBED_EACH_ROUND, node, detail);
        }
    }

    fn on_accusation(&mut self, node: NodeId, about: NodeId, waited: u64, silent: u32) {
        let (at, wrongly) = (self.now, self.is_wrong(node, about));
        let count = self.accusations.entry((node, about)).or_default();
        (count.0, count.1) = (count.0 + 1, count.1 + u64::from(wrongly));
        if let Some(outage) = self.outage_of(about) {
            outage.accused.get_or_insert((at, node));
        }
        let interval = self.config.probe_interval.0;
        let (before, _) = self.silent.get(&node).copied().unwrap_or_default();
        self.silent.insert(node, (before + silent, false));
        if waited < interval {
            let detail = format!("{node} accuses {about} after {}", Duration(waited));
            self.breaks(HELPERS_ARE_HEARD, node, detail);
        }
        let patience = u64::from(before.min(self.config.awareness_max - 1)) + 1;
        if waited < interval * patience {
            let due = Duration(interval * patience);
            let detail =
                format!("{node} accuses {about} after {}, not {due}, though its last probes failed", Duration(waited));
            self.breaks(THE_SLOW_ARE_PATIENT, node, detail);
        }
    }

    fn on_belief(&mut self, node: NodeId, about: NodeId, state: State, incarnation: Incarnation) {
        let at = self.now;
        if state == State::Alive && self.shown.get(&node) == Some(&(about, Some(Status::Leaving), at)) {
            let detail = format!("{node} hears that {about} is alive, and shows it as leaving");
            self.breaks(THE_RETURNED_ARE_ALIVE, node, detail);
        }
        let first = Belief { state: State::Alive, incarnation: Incarnation(0), since: Instant::ZERO, there: true };
        let before = self.beliefs.get(&(node, about)).copied().unwrap_or(first);
        if incarnation < before.incarnation {
            let detail =
                format!("{node} believes of {about} what is of {incarnation}, and knew {}", before.incarnation);
            self.breaks(INCARNATIONS_GROW, node, detail);
        }
        if incarnation == before.incarnation && state < before.state {
            let detail =
                format!("for {node}, {about} is {state:?} in incarnation {incarnation}, and was {:?}", before.state);
            self.breaks(WORSE_NEWS_HOLD, node, detail);
        }
        if matches!(state, State::Suspect | State::Dead) && state != before.state && self.is_wrong(node, about) {
            self.wrong[usize::from(state == State::Dead)] += 1;
        }
        if state == State::Dead
            && let Some(outage) = self.outage_of(about)
        {
            outage.condemned.get_or_insert(at);
        }
        if state.is_gone() {
            self.last_probe.remove(&(node, about));
        }
        if state != before.state {
            self.end_belief(node, about);
        }
        self.owed.get_mut(&node).map(|owed| owed.remove(&about));
        let is_there = !self.gone.contains_key(&about);
        let (since, there) = if state == before.state { (before.since, before.there) } else { (at, is_there) };
        self.beliefs.insert((node, about), Belief { state, incarnation, since, there });
    }

    /// How long a death may take to be told to everybody once somebody is sure of it.
    fn told_within(&self) -> Duration {
        let rounds = self.config.serf().swim.transmissions(self.config.members()).max(8);
        let coalescing = if self.config.quiescent > Duration::ZERO { self.config.coalesce } else { Duration::ZERO };
        self.config.gossip_interval.times(3 * u64::from(rounds)) + coalescing
    }

    fn look_at_the_untold(&mut self) {
        let (now, limit, disturbed) = (self.now, self.told_within(), self.disturbed);
        let mut late = None;
        let outages = &self.outages;
        self.untold.retain(|index| {
            let outage = &outages[*index];
            // It has to have been known to everybody, too.
            if outage.back.is_some() || outage.untold.is_empty() || disturbed + limit >= outage.at {
                return false;
            }
            let Some(since) = outage.condemned else { return true };
            if now > since + limit {
                // One may be missed by luck, in a small pool sooner: it finds out by itself.
                late = (outage.untold.len() > 1).then(|| outage.clone()).or_else(|| late.take());
                return false;
            }
            true
        });
        if let Some(Outage { node, told, untold, .. }) = late {
            let (told, untold) = (told.len(), untold.len());
            let detail =
                format!("{limit} after the first was sure that {node} is dead, {told} know and {untold} do not");
            self.breaks(DEATHS_ARE_TOLD, node, detail);
        }
    }

    /// Who is not shown as it should be in the end: what memberlist holds, and what Serf shows.
    pub fn in_the_end(&self, nodes: &[Option<Machine>]) -> [Option<(NodeId, String)>; 2] {
        let pools = || {
            let up =
                nodes.iter().enumerate().filter_map(|(id, node)| Some((NodeId(id as u32), node.as_ref()?.pool()?)));
            up.filter(|(_, pool)| pool.is_in())
        };
        let mut wrong = [None, None];
        // With thousands of members, some of the views have to do.
        let step = (pools().count() / 200).max(1);
        for (viewer, pool) in pools().step_by(step) {
            for (about, _) in pools() {
                let (state, status) = (pool.serf().swim().state(about), pool.serf().status(about));
                if !matches!(state, Some(State::Alive | State::Suspect)) && about != viewer && wrong[0].is_none() {
                    wrong[0] = Some((viewer, format!("{about} is there, and for {viewer} it is {state:?}")));
                }
                if status != Some(Status::Alive) && wrong[1].is_none() {
                    wrong[1] = Some((viewer, format!("{about} is there, and {viewer} shows it as {status:?}")));
                }
            }
            let long = self.gone_for_long();
            for (about, since) in self.gone.iter().filter(|(_, since)| **since + long < self.now) {
                let status = pool.serf().status(*about);
                if matches!(status, Some(Status::Alive)) && wrong[1].is_none() {
                    let detail = format!("{about} is gone since {since}, and {viewer} shows it as {status:?}");
                    wrong[1] = Some((viewer, detail));
                }
            }
        }
        wrong
    }

    /// After how long everybody has to know who is gone: two rounds of probes at the least hurry, the longest
    /// suspicion, and its telling.
    fn gone_for_long(&self) -> Duration {
        let (_, max, _) = self.config.serf().swim.suspicion(self.config.members());
        let probe = self.config.probe_interval.times(2 * u64::from(self.config.awareness_max));
        probe + max + self.told_within()
    }
}
