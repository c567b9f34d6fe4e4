//! Agreeing: how many sentinels hold the primary for down, and which of them fails over.

use super::{Sentinel, SentinelMessage, Vote};
use crate::control::failover::FailoverBug;
use crate::control::failover::message::FailoverFact;
use crate::control::failover::node::Fx;
use sim_core::sorted::SortedMap;
use sim_core::{Duration, LocalInstant, NodeId, NodeSet};

/// How often the others are asked (`sentinel_ask_period`).
const ASK_PERIOD: Duration = Duration::secs(1);
/// How long their answers count.
const ANSWER_LASTS: Duration = Duration::secs(5);
/// Up to so much is added to when a fail-over began, so that two do not begin again at once (`SENTINEL_MAX_DESYNC`).
const MAX_DESYNC_MS: u64 = 1000;

/// What another sentinel has said of the primary.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opinion {
    /// Whether it is down.
    down: bool,
    vote: Option<Vote>,
    /// When it last said so.
    said: LocalInstant,
    /// When it was last asked.
    asked: LocalInstant,
}

impl Opinion {
    /// None yet.
    pub const fn none(now: LocalInstant) -> Self {
        Self { down: false, vote: None, said: now, asked: now }
    }
}

impl Sentinel {
    /// Whether enough sentinels hold the primary for down.
    pub(super) fn count_those_who_agree(&mut self, now: LocalInstant) {
        let agree = self.others().filter(|node| self.watched(*node).opinion.down).count() as u32 + 1;
        let down = self.watched(self.monitored).down.is_some() && agree >= self.config.quorum;
        self.agreed = if down { self.agreed.or(Some(now)) } else { None };
    }

    /// Asks the others what they think of the primary, and for their votes if it stands.
    pub(super) fn ask(&mut self, at_once: bool, now: LocalInstant) {
        let down = self.watched(self.monitored).down.is_some();
        let ask = SentinelMessage::IsDown {
            primary: self.monitored,
            epoch: self.notes.epoch,
            stands: self.attempt.is_some(),
        };
        for node in self.others() {
            let watched = &mut self.watched[node.index()];
            let opinion = &mut watched.opinion;
            if now.since(opinion.said) > ANSWER_LASTS {
                (opinion.down, opinion.vote) = (false, None);
            }
            let due = at_once || now.since(opinion.said.max(opinion.asked)) >= ASK_PERIOD;
            if down && watched.connected && due {
                opinion.asked = now;
                self.say(node, ask.clone());
            }
        }
    }

    /// Another sentinel asks.
    pub(super) fn on_is_down(&mut self, from: NodeId, primary: NodeId, epoch: u64, stands: bool, fx: &mut Fx<'_>) {
        let known = primary == self.monitored;
        let down = known && self.tilted.is_none() && self.watched(primary).down.is_some();
        let vote = if known && stands { self.vote(epoch, from, fx) } else { None };
        self.say(from, SentinelMessage::Down { down, vote });
    }

    /// Another sentinel has answered.
    pub(super) fn on_down(&mut self, from: NodeId, down: bool, vote: Option<Vote>, now: LocalInstant) {
        let opinion = &mut self.watched[from.index()].opinion;
        (opinion.down, opinion.said) = (down, now);
        opinion.vote = vote.or(opinion.vote);
    }

    /// When a fail-over that begins now counts as begun.
    pub(super) fn desynchronised(fx: &mut Fx<'_>) -> LocalInstant {
        fx.now() + Duration::millis(fx.rng().below(MAX_DESYNC_MS))
    }

    /// Votes for `candidate` in `epoch`, unless it has voted in that or a newer one. Gives its last vote.
    fn vote(&mut self, epoch: u64, candidate: NodeId, fx: &mut Fx<'_>) -> Option<Vote> {
        self.learn_epoch(epoch);
        let free = self.notes.vote.is_none_or(|vote| vote.epoch < epoch) && self.notes.epoch <= epoch;
        if free {
            self.notes.vote = Some(Vote { epoch, leader: candidate });
            self.unsaved = true;
            fx.note(FailoverFact::SentinelVoted { epoch, leader: candidate });
            if candidate != self.me {
                self.start = Some(Self::desynchronised(fx));
            }
        }
        self.notes.vote
    }

    /// Who leads the sentinels in `epoch`, and with whose votes: more than half of all, and no fewer than the quorum.
    /// A sentinel that has not voted yet votes for whoever is ahead.
    pub(super) fn leader(&mut self, epoch: u64, fx: &mut Fx<'_>) -> Option<(NodeId, NodeSet)> {
        let mut votes: SortedMap<NodeId, NodeSet> = SortedMap::new();
        let counted = if self.config.has(FailoverBug::SentinelCountsAnyEpoch) { self.notes.epoch } else { epoch };
        for node in self.others() {
            if let Some(vote) = self.watched(node).opinion.vote.filter(|vote| vote.epoch == counted) {
                votes.entry(vote.leader).or_insert(NodeSet::EMPTY).insert(node);
            }
        }
        let ahead = |votes: &SortedMap<NodeId, NodeSet>| {
            votes.iter().rev().max_by_key(|(_, voters)| voters.len()).map(|(leader, voters)| (*leader, *voters))
        };
        let candidate = ahead(&votes).map_or(self.me, |(leader, _)| leader);
        // Its own vote counts once it is on its disk.
        if let Some(own) = self.vote(epoch, candidate, fx)
            && own.epoch == epoch
            && self.durable
            && !self.unsaved
        {
            votes.entry(own.leader).or_insert(NodeSet::EMPTY).insert(self.me);
        }
        let (quorum, majority) = (self.config.quorum as usize, self.config.arbiters as usize / 2 + 1);
        let majority = if self.config.has(FailoverBug::SentinelQuorumAlone) { 0 } else { majority };
        ahead(&votes).filter(|(_, voters)| voters.len() >= quorum.max(majority))
    }
}
