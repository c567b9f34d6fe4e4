//! Snapshots: taking them, sending them in pieces to whoever lags too far, and starting over from one (Paxos Made Live,
//! section 5.5).

use super::message::{PaxosFact, PaxosMessage, Snapshot};
use super::node::{Fx, Paxos, Stage};
use crate::shared::replication::Sessioned;
use sim_core::{NodeId, StateMachine};
use std::rc::Rc;

/// A snapshot that is arriving.
#[derive(Clone, Copy, Debug)]
pub struct Incoming {
    pub(super) slot: u64,
    /// How many bytes have arrived, without a gap.
    pub(super) received: u64,
}

impl<M: StateMachine> Paxos<M> {
    /// Takes a snapshot of its own state and forgets the log behind it, save some slots for replicas that lag.
    pub(super) fn take_snapshot(&mut self, fx: &mut Fx<'_, M>) {
        let slot = self.applied;
        let image = self.state.snapshot(true);
        let bytes = image.bytes();
        let members = self.members.since(slot);
        self.snapshot = Some(Rc::new(Snapshot { slot, chain: self.applied_chain, bytes, image, members }));
        self.log.drop_through(slot.saturating_sub(self.config.snapshot_keep));
        let id = self.write_snapshot(self.log.base(), fx);
        self.compact_disk(id, fx);
        fx.note(PaxosFact::SnapshotTaken { slot });
    }

    /// `to` asks for slots that are gone, and has so much of this snapshot: it gets the next piece of the newest one.
    pub(super) fn send_piece(&self, to: NodeId, (slot, received): (u64, u64), fx: &mut Fx<'_, M>) {
        let Some(snapshot) = self.snapshot.clone() else { return };
        let offset = if slot == snapshot.slot { received.min(snapshot.bytes) } else { 0 };
        let length = (snapshot.bytes - offset).min(u64::from(self.config.snapshot_chunk)) as u32;
        fx.send(to, PaxosMessage::Piece { offset, length, snapshot });
    }

    /// How much of a snapshot has arrived.
    pub(super) fn incoming_bytes(&self) -> u64 {
        self.incoming.map_or(0, |incoming| incoming.received)
    }

    /// A piece of a snapshot arrived.
    pub(super) fn on_piece(
        &mut self,
        from: NodeId,
        (offset, length): (u64, u32),
        snapshot: &Rc<Snapshot<M>>,
        fx: &mut Fx<'_, M>,
    ) {
        if snapshot.slot <= self.commit {
            // Nothing new in it.
            self.incoming = None;
            return;
        }
        let incoming = match &mut self.incoming {
            Some(incoming) if incoming.slot == snapshot.slot => incoming,
            // A late piece of an older one.
            Some(incoming) if incoming.slot > snapshot.slot => return,
            other => other.insert(Incoming { slot: snapshot.slot, received: 0 }),
        };
        if offset != incoming.received {
            return;
        }
        incoming.received += u64::from(length);
        if incoming.received < snapshot.bytes {
            return self.ask(from, fx);
        }
        self.incoming = None;
        if self.lead.as_ref().is_some_and(|lead| snapshot.slot > lead.chosen) {
            // Somebody has gone on without this leader (see `learn`).
            self.follow(self.promised, None, fx);
        }
        self.install(snapshot, fx);
        // There may be more behind it.
        self.ask(from, fx);
        self.try_rejoin(fx);
    }

    /// Replaces its state by the snapshot's. What it has accepted behind it stays.
    fn install(&mut self, snapshot: &Rc<Snapshot<M>>, fx: &mut Fx<'_, M>) {
        let slot = snapshot.slot;
        self.snapshot = Some(Rc::clone(snapshot));
        // What it holds up to there need not be what was chosen.
        self.log.drop_through(slot);
        let id = self.write_snapshot(slot, fx);
        self.state = Sessioned::restore(&snapshot.image);
        (self.commit, self.applied, self.applied_chain) = (slot, slot, snapshot.chain);
        self.waiters.skip(slot);
        self.compact_disk(id, fx);
        fx.note(PaxosFact::SnapshotInstalled { slot, chain: snapshot.chain, digest: self.state.digest() });
        if self.members != snapshot.members {
            self.members = snapshot.members.clone();
            self.announce_members(fx);
        }
        match self.stage {
            Stage::Leader => self.advance(fx),
            _ => self.follow_chosen(fx),
        }
    }
}
