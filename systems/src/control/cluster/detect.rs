//! Who is there: pings that must be answered, what is told of others with every ping and pong, and when a majority
//! holds a node for failed.
//!
//! As `clusterCron`, `clusterSendPing` and `clusterProcessGossipSection` of Redis 7.0 do it. Silence alone means
//! nothing: what counts is a ping without an answer, and one is sent only when the last answer is half the node timeout
//! old, or by chance. Word of it travels with pings and pongs only, so two primaries that both suspect a third hold it
//! for failed when the next message happens to pass between them.

use super::gossip::Peer;
use super::message::{ClusterFact, ClusterMessage, Gossip};
use super::node::{Cluster, Fx};
use sim_core::{Duration, LocalInstant, NodeId, NodeSet};

/// Reports of failure count for so many node timeouts; a failed primary that nobody replaced is taken back after as
/// many.
pub(super) const REPORT_LASTS: u64 = 2;
/// Every how many ticks a node pings one at random: of a few drawn, the one whose last answer is oldest.
const RANDOM_PING: u64 = 10;
/// How many are drawn.
const DRAWN: u32 = 5;
/// How many nodes a message tells of, those that are suspected aside: a tenth of all, but at least so many.
const TOLD: usize = 3;
/// How far in the future, by this node's clock, the time of an answer may lie that somebody else tells of.
const FUTURE: Duration = Duration::millis(500);
/// Times are told in these.
const SECOND: u64 = 1_000_000_000;

/// What a node knows of the pings that it sends to another one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pings {
    /// Since when one is without an answer.
    unanswered: Option<LocalInstant>,
    /// When one was last sent.
    sent: LocalInstant,
    /// When one was last answered, as far as this node knows; `None` for never.
    answered: Option<LocalInstant>,
    /// When anything last came from there.
    heard: Option<LocalInstant>,
}

impl Pings {
    /// None yet.
    pub const NONE: Self = Self { unanswered: None, sent: LocalInstant(0), answered: None, heard: None };
}

impl Cluster {
    /// Something came from `node`.
    pub(super) fn heard_from(&mut self, node: NodeId, now: LocalInstant) {
        self.peers[node.index()].pings.heard = Some(now);
    }

    /// `node` has answered a ping.
    pub(super) fn on_answer(&mut self, node: NodeId, fx: &mut Fx<'_>) {
        let peer = &mut self.peers[node.index()];
        peer.pings.answered = Some(fx.now());
        peer.pings.unanswered = None;
        peer.suspected = false;
        self.take_back(node, fx);
    }

    /// Pings who has to be pinged, and suspects who has not answered for too long.
    pub(super) fn look_at_others(&mut self, fx: &mut Fx<'_>) {
        self.ticks += 1;
        self.doubts = self.peers.iter().filter(|peer| peer.suspected).count();
        if self.ticks.is_multiple_of(RANDOM_PING) {
            self.ping_at_random(fx);
        }
        for node in self.others() {
            self.look_at(node, fx);
        }
    }

    fn ping_at_random(&mut self, fx: &mut Fx<'_>) {
        let mut oldest: Option<(Option<LocalInstant>, NodeId)> = None;
        for _ in 0..DRAWN {
            let node = NodeId(fx.rng().below(u64::from(self.config.nodes)) as u32);
            let pings = &self.peers[node.index()].pings;
            let free = node != self.me && pings.unanswered.is_none();
            if free && oldest.is_none_or(|(answered, _)| pings.answered < answered) {
                oldest = Some((pings.answered, node));
            }
        }
        if let Some((_, node)) = oldest {
            self.ping(node, fx);
        }
    }

    fn ping(&mut self, node: NodeId, fx: &mut Fx<'_>) {
        let (now, header) = (fx.now(), self.header(fx));
        let pings = &mut self.peers[node.index()].pings;
        pings.sent = now;
        pings.unanswered.get_or_insert(now);
        fx.send(node, ClusterMessage::Ping(header));
    }

    fn look_at(&mut self, node: NodeId, fx: &mut Fx<'_>) {
        let (now, timeout) = (fx.now(), self.config.node_timeout);
        let Peer { pings, suspected, failed, .. } = &mut self.peers[node.index()];
        let Some(since) = pings.unanswered else {
            if pings.answered.is_none_or(|at| now.since(at) > self.config.ping_after) {
                self.ping(node, fx);
            }
            return;
        };
        // Any word of it counts, not only an answer: what else it sends may have held that up.
        let silent = pings.heard.map_or(now.since(since), |at| now.since(at).min(now.since(since)));
        if silent > timeout && !*suspected && failed.is_none() {
            *suspected = true;
            fx.note(ClusterFact::Suspected { node });
        }
        // What a connection does for Redis: messages get lost here.
        if now.since(pings.sent) >= self.config.repeat_after {
            self.ping(node, fx);
        }
    }

    /// What this node tells of others: a few at random, and those it suspected at its last look.
    pub(super) fn gossip(&self, fx: &mut Fx<'_>) -> Vec<Gossip> {
        let nodes = self.config.nodes as usize;
        let mut others = nodes.saturating_sub(2);
        let wanted = (nodes / 10).max(TOLD).min(others);
        let mut told = Vec::with_capacity(wanted + self.doubts);
        let mut chosen = NodeSet::EMPTY.with(self.me);
        for _ in 0..3 * wanted {
            if others == 0 || told.len() == wanted {
                break;
            }
            let node = NodeId(fx.rng().below(nodes as u64) as u32);
            if !chosen.has(node) && !self.peers[node.index()].suspected {
                chosen.insert(node);
                told.push(self.word_of(node));
                others -= 1;
            }
        }
        let suspects = self.others().filter(|node| self.peers[node.index()].suspected);
        told.extend(suspects.take(self.doubts).map(|node| self.word_of(node)));
        told
    }

    fn word_of(&self, node: NodeId) -> Gossip {
        let peer = &self.peers[node.index()];
        let answered = peer.pings.answered.map_or(0, |at| at.0 / SECOND);
        Gossip { node, suspected: peer.suspected, failed: peer.failed.is_some(), answered }
    }

    /// Takes in what `from` tells of others.
    pub(super) fn take_gossip(&mut self, from: NodeId, told: &[Gossip], fx: &mut Fx<'_>) {
        let (now, lasts) = (fx.now(), self.config.node_timeout.times(REPORT_LASTS));
        let (me, counts) = (self.me, self.counts(from));
        for word in told.iter().filter(|word| word.node != me) {
            let bad = word.suspected || word.failed;
            let reports = &mut self.peers[word.node.index()].reports;
            if counts && bad {
                reports.insert(from, now);
                self.weigh_reports(word.node, fx);
            } else if counts {
                reports.remove(&from);
            }
            let Peer { reports, pings, .. } = &mut self.peers[word.node.index()];
            reports.retain(|_, at| now.since(*at) <= lasts);
            // Whoever has answered somebody else need not be asked again so soon.
            let at = LocalInstant(word.answered * SECOND);
            let news = pings.answered.is_none_or(|known| at > known) && at <= now + FUTURE;
            if !bad && news && word.answered > 0 && pings.unanswered.is_none() && reports.is_empty() {
                pings.answered = Some(at);
            }
        }
    }

    /// A suspected node has failed if a majority of the primaries has said so within a window of time.
    fn weigh_reports(&mut self, node: NodeId, fx: &mut Fx<'_>) {
        let (now, lasts) = (fx.now(), self.config.node_timeout.times(REPORT_LASTS));
        let peer = &mut self.peers[node.index()];
        if !peer.suspected || peer.failed.is_some() {
            return;
        }
        peer.reports.retain(|_, at| now.since(*at) <= lasts);
        let reports: NodeSet = peer.reports.keys().copied().collect();
        let word = reports.with(self.me).iter().filter(|by| self.counts(*by)).count();
        if word >= self.majority() {
            self.fail(node, fx);
            for other in self.others() {
                fx.send(other, ClusterMessage::Fail(node));
            }
        }
    }

    fn fail(&mut self, node: NodeId, fx: &mut Fx<'_>) {
        let peer = &mut self.peers[node.index()];
        peer.suspected = false;
        peer.failed = Some(fx.now());
        fx.note(ClusterFact::Failed { node });
    }

    /// Somebody has found that a majority holds `node` for failed.
    pub(super) fn on_fail(&mut self, node: NodeId, fx: &mut Fx<'_>) {
        if node != self.me && self.peers[node.index()].failed.is_none() {
            self.fail(node, fx);
        }
    }

    /// A failed node that answers is taken back: a replica at once, a primary when nobody has replaced it for some
    /// time.
    fn take_back(&mut self, node: NodeId, fx: &mut Fx<'_>) {
        let Some(since) = self.peers[node.index()].failed else { return };
        let lasts = self.config.node_timeout.times(REPORT_LASTS);
        if !self.counts(node) || fx.now().since(since) > lasts {
            self.peers[node.index()].failed = None;
            fx.note(ClusterFact::Back { node });
        }
    }
}
