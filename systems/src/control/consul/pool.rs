//! A node's membership of the pool: Serf, its timers, its snapshot on the disk, and its way in.

use super::message::{ConsulFact, ConsulMessage, ConsulRecord};
use super::node::{Fx, POOL};
use super::options::Config;
use crate::shared::swim::{Left, Serf, SerfEffect, Status, SwimEffect, SwimMessage};
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{LocalInstant, NodeId, Replay};
use std::rc::Rc;

/// What has become of members: what the agent around has to know.
pub(super) type Changes = Vec<(NodeId, Option<Status>)>;

/// A way into the pool: who is dialled, one after another.
#[derive(Clone, Debug)]
struct Way {
    /// Who is dialled at the moment.
    dials: Option<NodeId>,
    /// Who is next.
    untried: Vec<NodeId>,
    /// Whether somebody has answered.
    answered: bool,
    /// When it begins, or begins once more.
    at: LocalInstant,
}

impl Way {
    const fn by(untried: Vec<NodeId>, at: LocalInstant) -> Self {
        Self { dials: None, untried, answered: false, at }
    }

    /// Dials the next, if none is dialled at the moment. Whether there is none.
    fn is_over(&mut self, serf: &mut Serf, now: LocalInstant, out: &mut Vec<SerfEffect>) -> bool {
        if self.at > now || self.dials.is_some_and(|with| serf.swim().is_joining(with)) {
            return false;
        }
        self.dials = self.untried.pop();
        if let Some(with) = self.dials {
            serf.join(with, now, out);
        }
        self.dials.is_none()
    }
}

/// A member of the pool.
#[derive(Clone, Debug)]
pub struct Pool {
    config: Rc<Config>,
    me: NodeId,
    serf: Serf,
    armed: Option<LocalInstant>,
    /// Whether it was let in.
    is_in: bool,
    /// `handleRejoin`: those whom it knew when it was up before, until one of them answers.
    rejoins: Option<Way>,
    /// `retry_join`: all of those whom it is configured with, again and again until one of them has answered. Whoever
    /// has begun anew dials all of them, so that those who have all begun anew do not stay in pools of their own.
    retries: Option<Way>,
    /// News that are held back: since when, until when no more come, and what they are.
    held: Option<(LocalInstant, LocalInstant, SortedMap<NodeId, Option<Status>>)>,
    out: Vec<SerfEffect>,
    has_left: bool,
}

impl Pool {
    pub(super) fn boot(config: &Rc<Config>, me: NodeId, disk: Replay<'_, ConsulRecord>, fx: &mut Fx<'_>) -> Self {
        let now = fx.now();
        let again = fx.device_was_used();
        let members = config.members();
        let known_at_first = if config.joined { members } else { 0 };
        let mut knew: SortedSet<NodeId> = (0..known_at_first).map(NodeId).collect();
        for (_, record) in disk.iter() {
            match record {
                Ok(ConsulRecord::There { node, there: true }) => _ = knew.insert(*node),
                Ok(ConsulRecord::There { node, there: false }) => _ = knew.remove(node),
                _ => {}
            }
        }
        knew.remove(&me);
        if again {
            fx.sync();
        } else {
            fx.append(ConsulRecord::Began);
            fx.sync();
        }
        let is_in = config.joined && !again;
        let base = if is_in { members } else { 0 };
        let serf = Serf::new(me, (members, base), config.serf(), now, fx.rng());
        let must = !is_in && members > 1;
        let rejoins = (must && again && !knew.is_empty()).then(|| {
            let mut knew: Vec<NodeId> = knew.into_iter().collect();
            fx.rng().shuffle(&mut knew);
            Way::by(knew, now)
        });
        Self {
            config: Rc::clone(config),
            me,
            serf,
            armed: None,
            is_in: is_in || members <= 1,
            rejoins,
            retries: must.then(|| Way::by(Vec::new(), now)),
            held: None,
            out: Vec::new(),
            has_left: false,
        }
    }

    /// Whom `retry_join` names: the first three members.
    fn seeds(&self) -> Vec<NodeId> {
        // The first of the list is tried first.
        (0..self.config.members().min(3)).rev().map(NodeId).filter(|node| *node != self.me).collect()
    }

    /// Serf.
    #[must_use]
    pub const fn serf(&self) -> &Serf {
        &self.serf
    }

    /// Whether it takes part: not while it has not been let in, nor when it has left.
    #[must_use]
    pub fn is_in(&self) -> bool {
        self.is_in && self.serf.left() != Left::Gone
    }

    /// Whether it has not left.
    #[must_use]
    pub fn has_not_left(&self) -> bool {
        self.serf.left() != Left::Gone
    }

    pub(super) fn on_message(&mut self, from: NodeId, message: SwimMessage, fx: &mut Fx<'_>) -> Changes {
        let mut out = core::mem::take(&mut self.out);
        self.serf.on_message(from, message, fx.now(), &mut out);
        self.flush(out, fx)
    }

    pub(super) fn on_timer(&mut self, fx: &mut Fx<'_>) -> Changes {
        self.armed = None;
        let now = fx.now();
        let mut out = core::mem::take(&mut self.out);
        self.serf.wake(now, fx.rng(), &mut out);
        self.join_if_due(now, &mut out);
        self.flush(out, fx)
    }

    fn join_if_due(&mut self, now: LocalInstant, out: &mut Vec<SerfEffect>) {
        if self.serf.left() != Left::No {
            return;
        }
        if self.rejoins.as_mut().is_some_and(|way| way.is_over(&mut self.serf, now, out)) {
            self.rejoins = None;
        }
        let seeds = self.seeds();
        if let Some(way) = &mut self.retries {
            if way.dials.is_none() && way.at <= now {
                way.untried = seeds;
            }
            if way.is_over(&mut self.serf, now, out) {
                way.at = now + self.config.retry_join;
                self.retries.take_if(|way| way.answered);
            }
        }
    }

    /// Somebody has let it in.
    fn on_joined(&mut self, with: NodeId, fx: &mut Fx<'_>) {
        if !core::mem::replace(&mut self.is_in, true) {
            fx.note(ConsulFact::Joined);
        }
        self.rejoins.take_if(|way| way.dials == Some(with));
        if let Some(way) = self.retries.as_mut().filter(|way| way.dials == Some(with)) {
            way.answered = true;
        }
    }

    /// An application has an event for all.
    pub(super) fn event(&mut self, what: u64, fx: &mut Fx<'_>) {
        let mut out = core::mem::take(&mut self.out);
        self.serf.event(what, &mut out);
        self.flush(out, fx);
    }

    /// It shall leave.
    pub(super) fn leave(&mut self, fx: &mut Fx<'_>) -> Changes {
        let mut out = core::mem::take(&mut self.out);
        self.serf.leave(fx.now(), &mut out);
        self.flush(out, fx)
    }

    /// Another one that failed is to be taken for left.
    pub(super) fn force_leave(&mut self, node: NodeId, fx: &mut Fx<'_>) -> Changes {
        let mut out = core::mem::take(&mut self.out);
        self.serf.force_leave(node, fx.now(), &mut out);
        self.flush(out, fx)
    }

    fn flush(&mut self, mut out: Vec<SerfEffect>, fx: &mut Fx<'_>) -> Changes {
        let mut changes = Vec::new();
        for effect in out.drain(..) {
            match effect {
                SerfEffect::Send { to, message } => fx.send(to, ConsulMessage::Pool(message)),
                SerfEffect::Is(about, what) => {
                    fx.note(ConsulFact::Is { about, what });
                    changes.push((about, what));
                }
                SerfEffect::Event(at, what) => fx.note(ConsulFact::Event { at, what }),
                SerfEffect::Joined(with) => self.on_joined(with, fx),
                SerfEffect::Swim(effect) => note(effect, fx),
            }
        }
        self.out = out;
        if self.serf.left() == Left::Gone && !self.has_left {
            self.has_left = true;
            fx.note(ConsulFact::HasLeft);
        }
        let writes = !changes.is_empty();
        for (node, status) in changes.iter().filter(|(node, _)| *node != self.me) {
            let there = matches!(status, Some(Status::Alive | Status::Leaving));
            fx.append(ConsulRecord::There { node: *node, there });
        }
        if writes {
            fx.sync();
        }
        let changes = self.hold_back(changes, fx);
        for (about, what) in &changes {
            fx.note(ConsulFact::Told { about: *about, what: *what });
        }
        self.arm(fx);
        changes
    }

    /// Serf's agent tells applications only once no more news have come for a while.
    fn hold_back(&mut self, changes: Changes, fx: &mut Fx<'_>) -> Changes {
        if self.config.quiescent == sim_core::Duration::ZERO {
            return changes;
        }
        let now = fx.now();
        if !changes.is_empty() {
            let quiet = now + self.config.quiescent;
            let (_, until, held) = self.held.get_or_insert_with(|| (now, quiet, SortedMap::new()));
            *until = quiet;
            held.extend(changes);
        }
        let coalesce = self.config.coalesce;
        let over = self.held.take_if(|(since, until, _)| now >= *until || now >= *since + coalesce);
        over.map(|(_, _, held)| held.into_iter().collect()).unwrap_or_default()
    }

    /// Wakes up when something is due next.
    pub(super) fn arm(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let mut due = self.serf.next_due(now);
        if self.serf.left() == Left::No {
            let ways = [&self.rejoins, &self.retries].into_iter().flatten();
            let waits = |way: &&Way| way.dials.is_none_or(|with| !self.serf.swim().is_joining(with));
            due = ways.filter(waits).map(|way| way.at).fold(due, LocalInstant::min);
        }
        if let Some((since, until, _)) = &self.held {
            due = due.min(*until).min(*since + self.config.coalesce);
        }
        if due.0 == u64::MAX {
            if self.armed.take().is_some() {
                fx.disarm(POOL);
            }
        } else if self.armed != Some(due) {
            self.armed = Some(due);
            fx.arm(POOL, sim_core::Duration(due.0.saturating_sub(now.0)));
        }
    }
}

/// Announces what SWIM does.
fn note(effect: SwimEffect, fx: &mut Fx<'_>) {
    let fact = match effect {
        SwimEffect::Probes(about) => ConsulFact::Probes { about },
        SwimEffect::Believes { node, state, incarnation, by } => {
            ConsulFact::Believes { about: node, what: state, incarnation, by }
        }
        SwimEffect::Accuses { node, waited, silent } => ConsulFact::Accuses { about: node, waited: waited.0, silent },
        SwimEffect::Objects(incarnation) => ConsulFact::Objects { incarnation },
        SwimEffect::Forgets(about) => ConsulFact::Forgets { about },
        SwimEffect::Send { .. } | SwimEffect::Heard(_) | SwimEffect::Synced(..) => return,
    };
    fx.note(fact);
}
