//! Failing over: the steps that the leader of the sentinels takes, one a tick at most, and the one that waits to be it.

use super::watch::{INFO_PERIOD, PING_PERIOD, Setup};
use super::{Sentinel, SentinelMessage};
use crate::control::failover::message::FailoverFact;
use crate::control::failover::node::Fx;
use core::cmp::Reverse;
use sim_core::{Duration, LocalInstant, NodeId};

/// How long a sentinel stands for election; less if fail-overs may take less (`sentinel_election_timeout`).
const ELECTION_TIMEOUT: Duration = Duration::secs(10);
/// How long a replica may take to follow the new primary before the next one's turn (`sentinel_slave_reconf_timeout`).
const RECONF_TIMEOUT: Duration = Duration::secs(10);
/// What INFO said so many pings ago is too old to choose by, while the primary is down.
const PINGS_OF_INFO: u64 = 5;
/// A replica that lost the primary so many down-afters before that was down lacks too much.
const DOWN_AFTERS: u64 = 10;

/// Where a fail-over stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It stands for election.
    Standing,
    /// It is elected, and chooses a replica.
    Choosing,
    /// It tells that one to lead.
    Promoting,
    /// It waits until that one says that it leads.
    Waiting,
    /// It tells the others to follow.
    SettingUp,
    /// All is done: the new primary is the one that it watches, from the end of the tick on.
    Over,
}

/// A fail-over under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    /// In which it stands, or was elected.
    pub epoch: u64,
    pub stage: Stage,
    /// Since when it is there.
    since: LocalInstant,
    /// Who is promoted.
    pub chosen: Option<NodeId>,
}

impl Sentinel {
    /// Begins a fail-over if enough agree that the primary is down and the last one is long ago.
    pub(super) fn begin_if_needed(&mut self, fx: &mut Fx<'_>) -> bool {
        let (now, pause) = (fx.now(), self.config.failover_timeout.times(2));
        let early = self.start.is_some_and(|start| now.since(start) < pause);
        if self.agreed.is_none() || self.attempt.is_some() || early {
            return false;
        }
        self.learn_epoch(self.notes.epoch + 1);
        let epoch = self.notes.epoch;
        self.attempt = Some(Attempt { epoch, stage: Stage::Standing, since: now, chosen: None });
        self.start = Some(Self::desynchronised(fx));
        true
    }

    /// Goes on to `stage`.
    pub(super) fn advance(&mut self, stage: Stage, now: LocalInstant) {
        if let Some(attempt) = &mut self.attempt {
            (attempt.stage, attempt.since) = (stage, now);
        }
    }

    fn abort(&mut self, why: &'static str, fx: &mut Fx<'_>) {
        if let Some(attempt) = self.attempt.take() {
            fx.note(FailoverFact::Aborted { epoch: attempt.epoch, why });
        }
    }

    /// Takes the next step if it can be taken.
    pub(super) fn pursue(&mut self, fx: &mut Fx<'_>) {
        let Some(Attempt { epoch, stage, since, chosen }) = self.attempt else { return };
        let (now, timeout) = (fx.now(), self.config.failover_timeout);
        match (stage, chosen) {
            (Stage::Standing, _) => match self.leader(epoch, fx) {
                Some((leader, votes)) if leader == self.me => {
                    fx.note(FailoverFact::SentinelElected { epoch, votes });
                    self.advance(Stage::Choosing, now);
                }
                _ if self.start.is_some_and(|start| now.since(start) > timeout.min(ELECTION_TIMEOUT)) => {
                    self.abort("not elected", fx);
                }
                _ => {}
            },
            (Stage::Choosing, _) => match self.choose(now) {
                None => self.abort("no good replica", fx),
                chosen => {
                    self.advance(Stage::Promoting, now);
                    if let Some(attempt) = &mut self.attempt {
                        attempt.chosen = chosen;
                    }
                }
            },
            (Stage::Promoting, Some(chosen)) if self.watched(chosen).connected => {
                self.say(chosen, SentinelMessage::SlaveOf { epoch, primary: None });
                self.advance(Stage::Waiting, now);
            }
            (Stage::Promoting | Stage::Waiting, _) if now.since(since) > timeout => {
                self.abort("the replica was not promoted in time", fx);
            }
            (Stage::SettingUp, Some(chosen)) => self.set_up_next(epoch, chosen, since, now),
            _ => {}
        }
    }

    /// The replica to promote, of those that were heard from lately and had not lost the primary long before: the one
    /// that has most, or of several the first by name.
    fn choose(&self, now: LocalInstant) -> Option<NodeId> {
        let down = self.watched(self.monitored).down;
        let most = down.map_or(Duration::ZERO, |since| now.since(since)) + self.config.down_after.times(DOWN_AFTERS);
        let lasts = if down.is_some() { PING_PERIOD.times(PINGS_OF_INFO) } else { INFO_PERIOD.times(3) };
        let good = self.replicas().filter_map(|node| {
            let watched = self.watched(node);
            let said = watched.said?;
            let heard = watched.connected && now.since(watched.answered) <= PING_PERIOD.times(PINGS_OF_INFO);
            let fresh = watched.told.is_some_and(|at| now.since(at) <= lasts);
            let fits = watched.down.is_none() && heard && fresh && said.unlinked <= most;
            fits.then_some((Reverse(said.offset), node))
        });
        good.min().map(|(_, node)| node)
    }

    /// Tells the next replicas to follow `chosen`, as many at a time as may be, and looks whether all do.
    fn set_up_next(&mut self, epoch: u64, chosen: NodeId, since: LocalInstant, now: LocalInstant) {
        let follow = SentinelMessage::SlaveOf { epoch, primary: Some(chosen) };
        let others: Vec<NodeId> = self.replicas().filter(|node| *node != chosen).collect();
        let under_way = |setup: Setup| matches!(setup, Setup::Sent(_) | Setup::Begun);
        let mut busy = others.iter().filter(|node| under_way(self.watched(**node).setup)).count();
        for node in others.iter().copied() {
            if busy >= self.config.parallel_syncs as usize {
                break;
            }
            let watched = &mut self.watched[node.index()];
            if matches!(watched.setup, Setup::Sent(at) if now.since(at) > RECONF_TIMEOUT) {
                // It will be found to follow somebody else, and set right.
                watched.setup = Setup::Done;
            }
            if watched.setup == Setup::Not && watched.connected {
                watched.setup = Setup::Sent(now);
                busy += 1;
                self.say(node, follow.clone());
            }
        }
        if self.watched(chosen).down.is_some() {
            return;
        }
        let ready = |node: &NodeId| {
            let watched = self.watched(*node);
            watched.setup == Setup::Done || watched.down.is_some()
        };
        let late = now.since(since) > self.config.failover_timeout;
        if late {
            for node in others.iter().copied() {
                if self.watched(node).setup == Setup::Not && self.watched(node).connected {
                    self.watched[node.index()].setup = Setup::Sent(now);
                    self.say(node, follow.clone());
                }
            }
        } else if !others.iter().all(ready) {
            return;
        }
        self.advance(Stage::Over, now);
    }
}
