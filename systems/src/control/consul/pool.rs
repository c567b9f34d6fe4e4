//! A node's membership of the pool: Serf, its timers, its snapshot on the disk, and its way in.

use super::message::{ConsulFact, ConsulMessage, ConsulRecord};
use super::node::{Fx, POOL};
use super::options::Config;
use crate::shared::swim::{Left, Serf, SerfEffect, Status, SwimEffect, SwimMessage};
use sim_core::{LocalInstant, NodeId, Replay};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// What has become of members: what the agent around has to know.
pub(super) type Changes = Vec<(NodeId, Option<Status>)>;

/// How many more a member tries once one has let it in.
const GOES_ON: usize = 10;

/// A member of the pool.
#[derive(Clone, Debug)]
pub struct Pool {
    config: Rc<Config>,
    me: NodeId,
    serf: Serf,
    armed: Option<LocalInstant>,
    /// Whether it was let in.
    is_in: bool,
    /// When it tries to get in again, and whom it has not tried yet. Once it is in it goes on for a while, so that
    /// those who have all begun anew do not end up in pools of their own.
    joins: Option<(LocalInstant, Vec<NodeId>)>,
    /// Whom it knew when it was up before.
    knew: BTreeSet<NodeId>,
    /// News that are held back: since when, until when no more come, and what they are.
    held: Option<(LocalInstant, LocalInstant, BTreeMap<NodeId, Option<Status>>)>,
    out: Vec<SerfEffect>,
    has_left: bool,
}

impl Pool {
    pub(super) fn boot(config: &Rc<Config>, me: NodeId, disk: Replay<'_, ConsulRecord>, fx: &mut Fx<'_>) -> Self {
        let now = fx.now();
        let again = fx.device_was_used();
        let members = config.members();
        let mut knew: BTreeSet<NodeId> = (0..members).map(NodeId).collect();
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
        let joins = (!is_in && members > 1).then(|| (now, Vec::new()));
        let mut pool = Self {
            config: Rc::clone(config),
            me,
            serf,
            armed: None,
            is_in: is_in || members <= 1,
            joins,
            knew,
            held: None,
            out: Vec::new(),
            has_left: false,
        };
        if config.joined {
            pool.knew = pool.knew_or_seeds();
        } else if !again {
            pool.knew = pool.seeds();
        }
        pool
    }

    fn seeds(&self) -> BTreeSet<NodeId> {
        (0..self.config.members().min(3)).map(NodeId).filter(|node| *node != self.me).collect()
    }

    fn knew_or_seeds(&self) -> BTreeSet<NodeId> {
        if self.knew.is_empty() { self.seeds() } else { self.knew.clone() }
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
        self.join_if_due(now, fx, &mut out);
        self.flush(out, fx)
    }

    fn join_if_due(&mut self, now: LocalInstant, fx: &mut Fx<'_>, out: &mut Vec<SerfEffect>) {
        let Some((at, untried)) = &mut self.joins else { return };
        if *at > now || self.serf.left() != Left::No {
            return;
        }
        if untried.is_empty() {
            if self.is_in {
                self.joins = None;
                return;
            }
            *untried = self.knew.iter().copied().collect();
            fx.rng().shuffle(untried);
        }
        *at = now + self.config.retry_join;
        if let Some(with) = untried.pop() {
            self.serf.join(with, now, out);
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
                SerfEffect::Joined => {
                    if !core::mem::replace(&mut self.is_in, true) {
                        fx.note(ConsulFact::Joined);
                        if let Some((_, untried)) = &mut self.joins {
                            untried.truncate(GOES_ON);
                        }
                    }
                }
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
            let (_, until, held) = self.held.get_or_insert_with(|| (now, quiet, BTreeMap::new()));
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
        if let Some((at, _)) = self.joins.as_ref().filter(|_| self.serf.left() == Left::No) {
            due = due.min(*at);
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
