//! What INFO says of a node: whether the one that was promoted leads, how far the others are, and who is not what the
//! configuration says, which is set right after a while.

use super::attempt::{Attempt, Stage};
use super::watch::{PUBLISH_PERIOD, Said, Setup};
use super::{Monitored, Sentinel, SentinelMessage};
use crate::control::failover::node::Fx;
use sim_core::{Duration, LocalInstant, NodeId};

/// A replica that turns out to lead has so many publications' time to be explained by a newer configuration.
const PUBLICATIONS: u64 = 4;

impl Sentinel {
    /// A node has said what it is.
    pub(super) fn on_info(
        &mut self,
        from: NodeId,
        follows: Option<NodeId>,
        (offset, linked, unlinked): (u64, bool, Duration),
        fx: &mut Fx<'_>,
    ) {
        let (now, monitored) = (fx.now(), self.monitored);
        let watched = &mut self.watched[from.index()];
        // Until it has said anything it is what it is taken for.
        let taken_for = Some(monitored).filter(|primary| *primary != from);
        let before = watched.said.map_or(taken_for, |said| said.follows);
        let (role_since, since) = watched.said.map_or((now, now), |said| (said.role_since, said.since));
        watched.said = Some(Said {
            follows,
            role_since: if before.is_some() == follows.is_some() { role_since } else { now },
            since: if before == follows { since } else { now },
            offset,
            linked,
            unlinked,
        });
        (watched.told, watched.asked) = (Some(now), None);
        if self.tilted.is_some() || from == monitored {
            return;
        }
        match follows {
            None => self.on_leading(from, fx),
            Some(primary) => self.on_following(from, primary, now),
        }
    }

    /// A node that should be a replica leads.
    fn on_leading(&mut self, node: NodeId, fx: &mut Fx<'_>) {
        let now = fx.now();
        let chosen = self.attempt.filter(|attempt| attempt.chosen == Some(node));
        match chosen {
            Some(Attempt { stage: Stage::Waiting, epoch, .. }) => {
                self.notes.config = Monitored { epoch, primary: node };
                self.unsaved = true;
                self.advance(Stage::SettingUp, now);
                for watched in &mut self.watched {
                    watched.published = None;
                }
            }
            Some(_) => {}
            None => {
                let role_since = self.watched(node).said.map_or(now, |said| said.role_since);
                self.set_right(node, (role_since, PUBLISH_PERIOD.times(PUBLICATIONS)), now);
            }
        }
    }

    /// A replica follows `primary`.
    fn on_following(&mut self, node: NodeId, primary: NodeId, now: LocalInstant) {
        if primary != self.monitored {
            let since = self.watched(node).said.map_or(now, |said| said.since);
            self.set_right(node, (since, self.config.failover_timeout), now);
        }
        let chosen = self.attempt.and_then(|attempt| attempt.chosen);
        let watched = &mut self.watched[node.index()];
        if matches!(watched.setup, Setup::Sent(_)) && chosen == Some(primary) {
            watched.setup = Setup::Begun;
        }
        if watched.setup == Setup::Begun && watched.said.is_some_and(|said| said.linked) {
            watched.setup = Setup::Done;
        }
    }

    /// Tells a node to follow the primary, if it and the primary are in order and it has been wrong for a while.
    fn set_right(&mut self, node: NodeId, (since, wait): (LocalInstant, Duration), now: LocalInstant) {
        let up = self.watched(node).has_been_up(wait, now);
        if self.is_primary_sane(now) && up && now.since(since) > wait {
            let (epoch, primary) = (self.notes.epoch, Some(self.monitored));
            self.say(node, SentinelMessage::SlaveOf { epoch, primary });
        }
    }
}
