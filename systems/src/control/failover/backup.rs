//! What a backup does: finds where its log and the primary's part, cuts what the primary does not have, and follows.

use super::FailoverBug;
use super::log::{Entry, Position, Snapshot};
use super::message::{FailoverFact, FailoverMessage};
use super::node::{Failover, Fx};
use sim_core::{LocalInstant, NodeId};
use std::rc::Rc;

impl Failover {
    /// The primary is alive.
    pub(super) fn on_heartbeat(&mut self, from: NodeId, committed: u64, sent: LocalInstant, fx: &mut Fx<'_>) {
        self.detector.heard(from, fx.now());
        self.suspects = false;
        self.forget_poll();
        self.pledged = Some(fx.now());
        self.await_primary(fx);
        if self.holds_data() && !self.config.is_shared() {
            self.learn_committed(committed, fx);
            if !self.joined {
                self.join(from, fx);
            }
        }
        let last = self.joined.then(|| self.log.last());
        let alive = FailoverMessage::Alive { epoch: self.epoch, sent, last, durable: self.tail.durable() };
        self.answer(from, alive, fx);
    }

    /// The primary knows everything up to here to be committed.
    fn learn_committed(&mut self, committed: u64, fx: &mut Fx<'_>) {
        // What lies behind the point where the logs part was never committed.
        if !self.joined && !self.config.has(FailoverBug::WatermarkBeforeTruncation) {
            return;
        }
        self.committed = self.committed.max(committed.min(self.log.last()));
        self.apply(fx);
    }

    /// Asks where the two logs part.
    fn join(&mut self, primary: NodeId, fx: &mut Fx<'_>) {
        if self.config.has(FailoverBug::TruncateToHighWatermark) {
            return self.agree(self.committed, fx);
        }
        self.answer(primary, FailoverMessage::Join { epoch: self.epoch, last: self.log.position() }, fx);
    }

    /// The logs are the same up to `keep`, and nothing behind that stays.
    fn agree(&mut self, keep: u64, fx: &mut Fx<'_>) {
        if keep < self.log.last() {
            self.truncate(keep + 1, fx);
        }
        if self.log.last() < keep {
            // The cut went behind its own snapshot: nothing is left, and it must ask again.
            return;
        }
        self.joined = true;
        fx.note(FailoverFact::Joined { epoch: self.epoch, last: keep });
        if let Some(primary) = self.primary {
            self.tell_stored(primary, fx);
        }
    }

    /// The primary's newest epoch up to the one asked for, and where it ends there (KIP-101).
    pub(super) fn on_joined(&mut self, asked: Position, end: Position, fx: &mut Fx<'_>) {
        if self.joined || asked != self.log.position() {
            return;
        }
        let own = self.log.end_of(end.epoch);
        if own.epoch == end.epoch {
            return self.agree(own.offset.min(end.offset), fx);
        }
        // The primary knows nothing of this node's newest epochs: without those, it asks again.
        self.truncate(own.offset + 1, fx);
        if let Some(primary) = self.primary {
            self.join(primary, fx);
        }
    }

    /// New entries.
    pub(super) fn on_replicate(
        &mut self,
        from: NodeId,
        previous: u64,
        committed: u64,
        entries: &Rc<[Entry]>,
        fx: &mut Fx<'_>,
    ) {
        if !self.joined {
            return;
        }
        let last = self.log.last();
        let known = last.saturating_sub(previous) as usize;
        if previous > last || known >= entries.len() {
            // One before it was lost or is late, or it is known already.
            return self.tell_stored(from, fx);
        }
        let fresh = if known == 0 { entries.clone() } else { entries[known..].into() };
        self.append(fresh, fx);
        self.learn_committed(committed, fx);
    }

    /// The primary's state.
    pub(super) fn on_install(&mut self, from: NodeId, snapshot: &Rc<Snapshot>, fx: &mut Fx<'_>) {
        // One that comes late, after a restart say: all of it is in this log, and what is behind may have been
        // acknowledged.
        let known = self.log.last() >= snapshot.offset && self.log.lineage(snapshot.offset) == snapshot.lineage;
        if known || (self.joined && self.log.last() >= snapshot.offset) {
            if self.joined {
                self.tell_stored(from, fx);
            }
            return;
        }
        self.restart_from(snapshot, fx);
        self.joined = true;
        fx.note(FailoverFact::Joined { epoch: self.epoch, last: snapshot.offset });
    }

    /// Tells the primary how far its log has got.
    pub(super) fn tell_stored(&mut self, to: NodeId, fx: &mut Fx<'_>) {
        let (epoch, durable, last) = (self.epoch, self.tail.durable(), self.log.last());
        self.answer(to, FailoverMessage::Stored { epoch, durable, last }, fx);
    }
}
