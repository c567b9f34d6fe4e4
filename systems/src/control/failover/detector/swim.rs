//! SWIM (Das, Gupta, Motivala 2002): members probe each other one at a time, ask others to probe for them, and gossip
//! what they find.
//!
//! Each period a member pings one other. If no answer comes in time it asks `helpers` others to ping it too. If none of
//! them hears anything by the end of the period, the member is *suspected*; it has `suspicion` to hear of that and
//! object with a higher incarnation number, or is confirmed *dead*. Everything learned travels on the messages that are
//! sent anyway. From Lifeguard (Dadgar, Phillips, Currey 2018) come the local health multiplier (a member whose own
//! probes fail probes more slowly and waits longer) and telling a suspect of the suspicion whenever anything is sent to
//! it; its shrinking suspicion timeouts and negative acknowledgements are not here.
//!
//! Beyond the paper, death is not final: a member that hears of its own death objects like one that is suspected, and
//! one dead member is probed in each round, so that two halves of a healed partition find each other again.

use crate::shared::number::{Counts, numbers};
use core::fmt;
use sim_core::sorted::SortedMap;
use sim_core::{Duration, LocalInstant, NodeId, Rng};
use std::collections::VecDeque;

numbers! {
    /// A member's own number for a ping.
    ProbeNumber;
    /// Counts how often a member has objected to what is said of it.
    Incarnation;
}

/// In what order members are probed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Each once, in an order that is shuffled anew for each round: nobody waits longer than two rounds (section 4.3).
    #[default]
    Shuffled,
    /// A random one each time (section 3): what the analysis of the detection time assumes.
    Random,
}

/// How a [`Swim`] works.
#[derive(Clone, Debug)]
pub struct SwimConfig {
    /// The protocol period.
    pub period: Duration,
    /// How long an answer may take before others are asked to probe; less than the period.
    pub ack_timeout: Duration,
    /// How many are asked: `k` in the paper.
    pub helpers: usize,
    /// How long a suspect has to object; a member that does not answer is dead at once if this is zero.
    pub suspicion: Duration,
    /// In what order members are probed.
    pub order: Order,
    /// How many pieces of gossip one message carries at most.
    pub gossip: usize,
    /// Each piece of gossip is sent this many times the logarithm (base 2) of the number of members.
    pub spread: u32,
    /// Periods and timeouts are stretched by up to this and one, while the member's own probes fail; 0 for never.
    pub local_health: u32,
}

impl Default for SwimConfig {
    fn default() -> Self {
        Self {
            period: Duration::secs(1),
            ack_timeout: Duration::millis(300),
            helpers: 3,
            suspicion: Duration::secs(5),
            order: Order::Shuffled,
            gossip: 6,
            spread: 3,
            local_health: 8,
        }
    }
}

/// What a member is held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// It answers.
    Alive,
    /// It did not answer, and may object.
    Suspect,
    /// It did not object.
    Dead,
}

/// A piece of gossip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Update {
    /// About whom.
    pub node: NodeId,
    /// Which incarnation of it: only the member itself raises this.
    pub incarnation: Incarnation,
    /// What it is held for.
    pub standing: Standing,
}

/// What a message tells beside its question or answer.
fn gossip(news: &[Update], out: &mut dyn fmt::Write) -> fmt::Result {
    if news.is_empty() {
        return out.write_str("no news");
    }
    news.iter().enumerate().try_for_each(|(i, Update { node, incarnation, standing })| {
        let comma = if i > 0 { ", " } else { "" };
        write!(out, "{comma}{node} is {standing:?} ({incarnation})")
    })
}

sim_core::messages! {
    /// What members send each other.
    #[derive(PartialEq, Eq)]
    pub enum SwimMessage of 32 bytes {
        /// Answer me.
        Ping {
            /// The sender's number for it.
            seq: ProbeNumber,
            /// Gossip.
            news: Vec<Update>,
        } = "Ping" bytes { 13 * news.len() as u32 } (|out| gossip(news, out)),
        /// Ping `target` for me.
        PingReq {
            /// The sender's number for it.
            seq: ProbeNumber,
            /// Whom.
            target: NodeId,
            /// Gossip.
            news: Vec<Update>,
        } = "PingReq" bytes { 13 * news.len() as u32 } ("ping {target} for me"),
        /// An answer to a ping, straight or through a helper.
        Ack {
            /// The asker's number.
            seq: ProbeNumber,
            /// Gossip.
            news: Vec<Update>,
        } = "Ack" bytes { 13 * news.len() as u32 } (|out| gossip(news, out)),
    }
}

/// What a member wants done, or announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SwimEffect {
    /// Send this.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        message: SwimMessage,
    },
    /// A member is now held for something else.
    Changed(Update),
}

#[derive(Clone, Copy, Debug)]
struct Member {
    standing: Standing,
    incarnation: Incarnation,
    /// When a suspect is dead.
    dead_at: LocalInstant,
}

/// The probe of the present period.
#[derive(Clone, Copy, Debug)]
struct Probe {
    target: NodeId,
    seq: ProbeNumber,
    answered: bool,
    /// When helpers are asked; `None` once they were.
    help_at: Option<LocalInstant>,
}

/// How many pings for others are remembered.
const HELPING: usize = 64;

/// One member's view of the group, and its part in the protocol.
#[derive(Clone, Debug)]
pub struct Swim {
    me: NodeId,
    config: SwimConfig,
    members: SortedMap<NodeId, Member>,
    /// Whom to probe in this round, last first.
    round: Vec<NodeId>,
    probe: Option<Probe>,
    period_ends: LocalInstant,
    next_seq: ProbeNumber,
    /// Pings for others: my number, who asked, their number.
    helping: VecDeque<(ProbeNumber, NodeId, ProbeNumber)>,
    /// Gossip and how often it was sent.
    news: Vec<(Update, u32)>,
    incarnation: Incarnation,
    /// Lifeguard's local health score: 0 is well.
    health: u32,
}

impl Swim {
    /// Member `me` of the group `members`, all taken for alive. The first period begins at `now`.
    #[must_use]
    pub fn new(me: NodeId, members: impl IntoIterator<Item = NodeId>, config: SwimConfig, now: LocalInstant) -> Self {
        let alive = Member { standing: Standing::Alive, incarnation: Incarnation(0), dead_at: LocalInstant(0) };
        let members = members.into_iter().filter(|node| *node != me).map(|node| (node, alive)).collect();
        Self {
            me,
            config,
            members,
            round: Vec::new(),
            probe: None,
            period_ends: now,
            next_seq: ProbeNumber(0),
            helping: VecDeque::new(),
            news: Vec::new(),
            incarnation: Incarnation(0),
            health: 0,
        }
    }

    /// What `node` is held for; `None` if it is no member.
    #[must_use]
    pub fn standing(&self, node: NodeId) -> Option<Standing> {
        if node == self.me { Some(Standing::Alive) } else { self.members.get(&node).map(|m| m.standing) }
    }

    /// Whether `node` is held for dead. A suspect is not, yet.
    #[must_use]
    pub fn is_dead(&self, node: NodeId) -> bool {
        self.standing(node) == Some(Standing::Dead)
    }

    /// This member's own incarnation: how often it had to object.
    #[must_use]
    pub const fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// Lifeguard's local health score: 0 is well.
    #[must_use]
    pub const fn health(&self) -> u32 {
        self.health
    }

    /// When [`Swim::wake`] wants to be called next.
    #[must_use]
    pub fn next_wake(&self) -> LocalInstant {
        let suspects = self.members.values().filter(|m| m.standing == Standing::Suspect).map(|m| m.dead_at);
        let help = self.probe.iter().filter_map(|probe| probe.help_at);
        suspects.chain(help).fold(self.period_ends, LocalInstant::min)
    }

    /// Does what is due.
    pub fn wake(&mut self, now: LocalInstant, rng: &mut Rng, out: &mut Vec<SwimEffect>) {
        let overdue = |(node, m): (&NodeId, &Member)| {
            (m.standing == Standing::Suspect && now >= m.dead_at).then_some((*node, m.incarnation))
        };
        let dead: Vec<_> = self.members.iter().filter_map(overdue).collect();
        for (node, incarnation) in dead {
            self.believe(Update { node, incarnation, standing: Standing::Dead }, now, out);
        }
        if let Some(probe) = &mut self.probe
            && probe.help_at.is_some_and(|at| now >= at)
        {
            probe.help_at = None;
            let (target, seq) = (probe.target, probe.seq);
            self.ask_helpers(target, seq, rng, out);
        }
        if now >= self.period_ends {
            self.end_period(now, out);
            self.begin_period(now, rng, out);
        }
    }

    /// A message of another member arrived.
    pub fn on_message(&mut self, from: NodeId, message: SwimMessage, now: LocalInstant, out: &mut Vec<SwimEffect>) {
        let (SwimMessage::Ping { news, .. } | SwimMessage::PingReq { news, .. } | SwimMessage::Ack { news, .. }) =
            &message;
        for update in news {
            self.hear(*update, now, out);
        }
        match message {
            SwimMessage::Ping { seq, .. } => {
                let news = self.news_for(from);
                out.push(SwimEffect::Send { to: from, message: SwimMessage::Ack { seq, news } });
            }
            SwimMessage::PingReq { seq, target, .. } => {
                let mine = self.number();
                self.helping.push_back((mine, from, seq));
                if self.helping.len() > HELPING {
                    self.helping.pop_front();
                }
                let news = self.news_for(target);
                out.push(SwimEffect::Send { to: target, message: SwimMessage::Ping { seq: mine, news } });
            }
            SwimMessage::Ack { seq, .. } => {
                if let Some(probe) = &mut self.probe
                    && probe.seq == seq
                {
                    probe.answered = true;
                    probe.help_at = None;
                } else if let Some(at) = self.helping.iter().position(|(mine, ..)| *mine == seq) {
                    let (_, asker, theirs) = self.helping.remove(at).expect("just found");
                    let news = self.news_for(asker);
                    out.push(SwimEffect::Send { to: asker, message: SwimMessage::Ack { seq: theirs, news } });
                }
            }
        }
    }

    fn number(&mut self) -> ProbeNumber {
        self.next_seq.advance()
    }

    /// Lifeguard: how much longer everything takes while this member's own probes fail.
    const fn stretched(&self, time: Duration) -> Duration {
        time.times(self.health as u64 + 1)
    }

    fn begin_period(&mut self, now: LocalInstant, rng: &mut Rng, out: &mut Vec<SwimEffect>) {
        self.period_ends = now + self.stretched(self.config.period);
        let Some(target) = self.next_target(rng) else {
            self.probe = None;
            return;
        };
        let seq = self.number();
        let help_at = (self.config.helpers > 0).then(|| now + self.stretched(self.config.ack_timeout));
        self.probe = Some(Probe { target, seq, answered: false, help_at });
        let news = self.news_for(target);
        out.push(SwimEffect::Send { to: target, message: SwimMessage::Ping { seq, news } });
    }

    fn end_period(&mut self, now: LocalInstant, out: &mut Vec<SwimEffect>) {
        let Some(probe) = self.probe.take() else { return };
        let member = self.members[&probe.target];
        if probe.answered {
            self.health = self.health.saturating_sub(1);
            // A dead one that answers has heard of it by the ping, and will object; its word counts, not the answer.
        } else if member.standing == Standing::Alive {
            self.health = (self.health + 1).min(self.config.local_health);
            let standing = if self.config.suspicion == Duration::ZERO { Standing::Dead } else { Standing::Suspect };
            self.believe(Update { node: probe.target, incarnation: member.incarnation, standing }, now, out);
        }
    }

    fn next_target(&mut self, rng: &mut Rng) -> Option<NodeId> {
        if self.config.order == Order::Random {
            let living: Vec<NodeId> = self.but_dead().collect();
            return rng.pick(&living).copied();
        }
        loop {
            if self.round.is_empty() {
                self.round = self.but_dead().collect();
                let dead: Vec<NodeId> =
                    self.members.iter().filter(|(_, m)| m.standing == Standing::Dead).map(|(node, _)| *node).collect();
                self.round.extend(rng.pick(&dead));
                rng.shuffle(&mut self.round);
            }
            // One that died since the round began stays in it once: no harm.
            let next = self.round.pop()?;
            if self.members.contains_key(&next) {
                return Some(next);
            }
        }
    }

    fn but_dead(&self) -> impl Iterator<Item = NodeId> {
        self.members.iter().filter(|(_, m)| m.standing != Standing::Dead).map(|(node, _)| *node)
    }

    fn ask_helpers(&mut self, target: NodeId, seq: ProbeNumber, rng: &mut Rng, out: &mut Vec<SwimEffect>) {
        let mut others: Vec<NodeId> = self.but_dead().filter(|node| *node != target).collect();
        rng.shuffle(&mut others);
        for to in others.into_iter().take(self.config.helpers) {
            let news = self.news_for(to);
            out.push(SwimEffect::Send { to, message: SwimMessage::PingReq { seq, target, news } });
        }
    }

    /// Takes a piece of gossip in, if it is news.
    fn hear(&mut self, update: Update, now: LocalInstant, out: &mut Vec<SwimEffect>) {
        if update.node == self.me {
            if update.standing != Standing::Alive {
                if update.incarnation >= self.incarnation {
                    self.incarnation = update.incarnation.next();
                    self.health = (self.health + 1).min(self.config.local_health);
                }
                // Also to old news: whoever tells it has not heard the objection yet.
                self.spread(Update { node: self.me, incarnation: self.incarnation, standing: Standing::Alive });
            }
            return;
        }
        let Some(member) = self.members.get(&update.node) else { return };
        // Section 4.2: within an incarnation the worse news holds; a newer incarnation overrides. Unlike there, death
        // is not final.
        if (update.incarnation, update.standing) > (member.incarnation, member.standing) {
            self.believe(update, now, out);
        }
    }

    fn believe(&mut self, update: Update, now: LocalInstant, out: &mut Vec<SwimEffect>) {
        let dead_at = now + self.stretched(self.config.suspicion);
        let member = self.members.get_mut(&update.node).expect("only members are believed anything of");
        let changed = member.standing != update.standing;
        *member = Member { standing: update.standing, incarnation: update.incarnation, dead_at };
        self.spread(update);
        if changed {
            out.push(SwimEffect::Changed(update));
        }
    }

    fn spread(&mut self, update: Update) {
        self.news.retain(|(old, _)| old.node != update.node);
        self.news.push((update, 0));
    }

    /// Gossip for a message to `to`: what was sent least often first, and always what `to` is held for, if that is not
    /// alive.
    fn news_for(&mut self, to: NodeId) -> Vec<Update> {
        let enough = self.config.spread * (self.members.len() + 1).ilog2().max(1);
        let mut news: Vec<Update> = Vec::new();
        if let Some(member) = self.members.get(&to)
            && member.standing != Standing::Alive
        {
            news.push(Update { node: to, incarnation: member.incarnation, standing: member.standing });
        }
        self.news.sort_by_key(|(_, sent)| *sent);
        for (update, sent) in &mut self.news {
            if news.len() >= self.config.gossip {
                break;
            }
            if update.node != to || update.standing == Standing::Alive {
                news.push(*update);
                *sent += 1;
            }
        }
        self.news.retain(|(_, sent)| *sent < enough);
        news
    }
}
