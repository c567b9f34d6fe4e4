//! Watching: what a sentinel says to each of the others and when, and when it holds one of them for down.

use super::{Sentinel, SentinelMessage};
use crate::control::failover::message::FailoverFact;
use crate::control::failover::node::Fx;
use sim_core::{Duration, LocalInstant, NodeId};

use super::vote::Opinion;

/// How often somebody is pinged; a primary that may be silent for less is pinged as often as that.
pub(super) const PING_PERIOD: Duration = Duration::secs(1);
/// How often a node is asked what it is.
pub(super) const INFO_PERIOD: Duration = Duration::secs(10);
/// A replica whose primary is down, or which has lost it, is asked more often.
const INFO_PERIOD_IN_TROUBLE: Duration = Duration::secs(1);
/// How often a sentinel publishes what it knows.
pub(super) const PUBLISH_PERIOD: Duration = Duration::secs(2);

/// What a node says that it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    /// Whose replica it is; `None` for a primary.
    pub follows: Option<NodeId>,
    /// Since when it says that it is one, or a replica.
    pub role_since: LocalInstant,
    /// Since when it says that it is this one's.
    pub since: LocalInstant,
    pub offset: u64,
    pub linked: bool,
    pub unlinked: Duration,
}

/// How far the leader is with setting up a replica of the new primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setup {
    Not,
    Sent(LocalInstant),
    /// It says that it follows the new primary.
    Begun,
    Done,
}

/// What a sentinel knows of another process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watched {
    pub connected: bool,
    /// When it was last connected with.
    dialled: Option<LocalInstant>,
    /// Since when a ping is without an answer.
    unanswered: Option<LocalInstant>,
    pinged: Option<LocalInstant>,
    /// When it last answered a ping.
    pub answered: LocalInstant,
    /// When this sentinel last published there; `None` to do it at once.
    pub published: Option<LocalInstant>,
    /// Since when it is down for this sentinel.
    pub down: Option<LocalInstant>,
    /// When it last went down, if ever.
    went_down: Option<LocalInstant>,
    /// When it was asked what it is, and has not said yet.
    pub asked: Option<LocalInstant>,
    /// When it last said what it is.
    pub told: Option<LocalInstant>,
    pub said: Option<Said>,
    pub setup: Setup,
    /// What it thinks of the primary, if it is a sentinel.
    pub opinion: Opinion,
}

impl Watched {
    /// Taken to be there until it turns out not to be.
    pub const fn new(now: LocalInstant) -> Self {
        Self {
            connected: false,
            dialled: None,
            unanswered: Some(now),
            pinged: None,
            answered: now,
            published: Some(now),
            down: None,
            went_down: None,
            asked: None,
            told: None,
            said: None,
            setup: Setup::Not,
            opinion: Opinion::none(now),
        }
    }

    /// Whether it has not been down for so long.
    pub fn has_been_up(&self, time: Duration, now: LocalInstant) -> bool {
        self.went_down.is_none_or(|at| now.since(at) > time)
    }
}

impl Sentinel {
    /// Says to `node` whatever is due.
    pub(super) fn speak_to(&mut self, node: NodeId, now: LocalInstant) {
        let in_trouble = self.agreed.is_some() || self.attempt.is_some();
        let (data, replica) = (self.config.holds_data(node), node != self.monitored);
        let every = self.config.down_after.min(PING_PERIOD);
        let hello = SentinelMessage::Hello { by: self.me, epoch: self.notes.epoch, config: self.notes.config };
        let watched = &mut self.watched[node.index()];
        let mut says = Vec::new();
        if !watched.connected && watched.dialled.is_none_or(|at| now.since(at) >= PING_PERIOD) {
            (watched.connected, watched.dialled, watched.asked) = (true, Some(now), None);
            watched.ping(now, &mut says);
        }
        if watched.connected {
            let unlinked = watched.said.is_some_and(|said| said.unlinked > Duration::ZERO);
            let trouble = replica && (in_trouble || unlinked);
            let period = if trouble { INFO_PERIOD_IN_TROUBLE } else { INFO_PERIOD };
            let lacks = watched.told.is_none_or(|at| now.since(at) > period);
            if data && lacks && watched.asked.is_none_or(|at| now.since(at) > PING_PERIOD) {
                watched.asked = Some(now);
                says.push(SentinelMessage::Info);
            }
            let again = watched.pinged.is_none_or(|at| now.since(at).0 > every.0 / 2);
            if now.since(watched.answered) > every && again {
                watched.ping(now, &mut says);
            }
            if watched.published.is_none_or(|at| now.since(at) > PUBLISH_PERIOD) {
                watched.published = Some(now);
                says.push(hello);
            }
        }
        for message in says {
            self.say(node, message);
        }
    }

    /// It has answered a ping.
    pub(super) fn on_pong(&mut self, from: NodeId, now: LocalInstant) {
        let watched = &mut self.watched[from.index()];
        (watched.answered, watched.unanswered) = (now, None);
    }

    /// Whether `node` is down, as far as this sentinel can tell alone.
    pub(super) fn judge(&mut self, node: NodeId, fx: &mut Fx<'_>) {
        let (now, primary, after) = (fx.now(), node == self.monitored, self.config.down_after);
        let epoch = self.notes.config.epoch;
        let watched = &mut self.watched[node.index()];
        let silent = match watched.unanswered {
            Some(since) => now.since(since),
            None if watched.connected => Duration::ZERO,
            None => now.since(watched.answered),
        };
        // A primary that says that it is a replica serves nobody.
        let abdicated = |said: &super::watch::Said| {
            said.follows.is_some() && now.since(said.role_since) > after + INFO_PERIOD.times(2)
        };
        let down = silent > after || primary && watched.said.as_ref().is_some_and(abdicated);
        if !down {
            watched.down = None;
        } else if watched.down.is_none() {
            (watched.down, watched.went_down) = (Some(now), Some(now));
            if primary {
                fx.note(FailoverFact::Suspected { primary: Some(node), epoch });
            }
        }
    }

    /// Whether the primary seems to be in order.
    pub(super) fn is_primary_sane(&self, now: LocalInstant) -> bool {
        let primary = self.watched(self.monitored);
        let leads = primary.said.is_none_or(|said| said.follows.is_none());
        let fresh = primary.told.is_some_and(|at| now.since(at) < INFO_PERIOD.times(2));
        leads && fresh && primary.down.is_none() && self.agreed.is_none()
    }
}

impl Watched {
    fn ping(&mut self, now: LocalInstant, says: &mut Vec<SentinelMessage>) {
        self.pinged = Some(now);
        self.unanswered.get_or_insert(now);
        says.push(SentinelMessage::Ping);
    }
}
