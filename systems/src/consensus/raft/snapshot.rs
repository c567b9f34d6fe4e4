//! Snapshots: taking them, sending them in pieces, and starting over from one (Raft paper 7; dissertation 5).

use super::RaftBug;
use super::message::{RaftFact, RaftMessage, Snapshot};
use super::node::{Fx, Raft};
use super::progress::Flow;
use crate::shared::replication::{ReadRound, Sessioned};
use sim_core::{NodeId, StateMachine};
use std::rc::Rc;

/// A snapshot that is arriving.
#[derive(Clone, Copy, Debug)]
pub struct Incoming {
    index: u64,
    term: u64,
    /// How many bytes have arrived, without a gap.
    received: u64,
}

impl<M: StateMachine> Raft<M> {
    /// Takes a snapshot of its own state and forgets the log behind it, save some entries for followers that lag.
    pub(super) fn take_snapshot(&mut self, fx: &mut Fx<'_, M>) {
        let index = self.applied;
        let Some(term) = self.log.term(index) else { return };
        let image = self.state.snapshot(!self.config.has(RaftBug::SnapshotOmitsSessions));
        let bytes = image.bytes();
        let configuration = *self.log.configuration_at(index);
        let chain = self.applied_chain;
        self.snapshot = Some(Rc::new(Snapshot { index, term, chain, configuration, bytes, image }));
        let id = self.write_snapshot(fx);
        let kept = self.log.compact(index.saturating_sub(self.config.snapshot_keep));
        self.compact_disk(id, kept, fx);
        fx.note(RaftFact::SnapshotTaken { index });
    }

    /// Follower `to` lacks entries that are gone: it gets the snapshot instead.
    pub(super) fn start_snapshot(&mut self, to: NodeId, fx: &mut Fx<'_, M>) {
        let Some(lead) = &mut self.lead else { return };
        let snapshot = self.snapshot.clone().expect("the log is only compacted behind a snapshot");
        let peer = &mut lead.peers[to.index()];
        peer.probe_at(snapshot.index + 1);
        peer.flow = Flow::Snapshot;
        peer.snapshot = Some(snapshot);
        peer.offset = 0;
        self.send_chunk(to, fx);
    }

    fn send_chunk(&mut self, to: NodeId, fx: &mut Fx<'_, M>) {
        let Some(lead) = &mut self.lead else { return };
        let round = lead.reads.newest();
        let peer = &mut lead.peers[to.index()];
        let Some(snapshot) = peer.snapshot.clone() else { return };
        let offset = peer.offset;
        let length = (snapshot.bytes - offset).min(u64::from(self.config.snapshot_chunk)) as u32;
        peer.idle_ticks = 0;
        fx.send(to, RaftMessage::InstallSnapshot { term: self.term, offset, round, length, snapshot });
    }

    /// The follower is alive. If the piece has been on its way for a whole heartbeat interval, it is lost.
    pub(super) fn resend_chunk(&mut self, to: NodeId, fx: &mut Fx<'_, M>) {
        let Some(lead) = &mut self.lead else { return };
        if lead.peers[to.index()].idle_ticks >= 2 {
            self.send_chunk(to, fx);
        }
    }

    /// Follower `from` has the first `received` bytes of the snapshot at `index`.
    pub(super) fn on_snapshot_received(
        &mut self,
        from: NodeId,
        index: u64,
        received: u64,
        round: ReadRound,
        fx: &mut Fx<'_, M>,
    ) {
        let Some(lead) = &mut self.lead else { return };
        let peer = &mut lead.peers[from.index()];
        peer.heard();
        let confirms = peer.confirm(round);
        let expected = peer.flow == Flow::Snapshot && peer.snapshot.as_ref().is_some_and(|s| s.index == index);
        // The same count again is a duplicate; a smaller one means that the follower started over.
        if expected && received != peer.offset {
            peer.offset = received;
            self.send_chunk(from, fx);
        }
        if confirms {
            self.on_round(fx);
        }
    }

    /// A piece of a snapshot arrived.
    pub(super) fn on_install(
        &mut self,
        from: NodeId,
        (offset, length): (u64, u32),
        round: ReadRound,
        snapshot: &Rc<Snapshot<M>>,
        fx: &mut Fx<'_, M>,
    ) {
        if self.lead.is_some() {
            return;
        }
        self.hear(from, fx);
        let term = self.term;
        if snapshot.index <= self.commit && !self.config.has(RaftBug::SnapshotRollsBack) {
            // Nothing new in it: say how far this node has got instead.
            self.incoming = None;
            let matched = RaftMessage::Appended { term, match_index: self.commit, round };
            return self.send_after(self.disk.written(), from, matched, fx);
        }
        let (index, of) = (snapshot.index, snapshot.term);
        let incoming = match &mut self.incoming {
            Some(incoming) if (incoming.index, incoming.term) == (index, of) => incoming,
            other => other.insert(Incoming { index, term: of, received: 0 }),
        };
        if offset == incoming.received {
            incoming.received += u64::from(length);
        }
        let received = incoming.received;
        if received < snapshot.bytes {
            return self.answer(from, RaftMessage::SnapshotReceived { term, index, received, round }, fx);
        }
        self.incoming = None;
        self.install(snapshot, fx);
        let matched = RaftMessage::Appended { term, match_index: index, round };
        self.send_after(self.disk.written(), from, matched, fx);
    }

    /// Replaces its state by the snapshot's. The log goes on behind it if it holds the snapshot's last entry; otherwise
    /// it begins anew there (Raft paper, figure 13, steps 6 and 7).
    fn install(&mut self, snapshot: &Rc<Snapshot<M>>, fx: &mut Fx<'_, M>) {
        let (index, term) = (snapshot.index, snapshot.term);
        let configured = *self.log.configuration();
        self.snapshot = Some(Rc::clone(snapshot));
        let id = self.write_snapshot(fx);
        let kept = if self.log.term(index) == Some(term) {
            self.log.adopt(index, snapshot.configuration);
            self.log.compact(index.saturating_sub(self.config.snapshot_keep))
        } else {
            self.restart_log(index, term, snapshot.configuration, fx.now());
            None
        };
        self.state = Sessioned::restore(&snapshot.image);
        (self.commit, self.applied, self.applied_chain) = (index, index, snapshot.chain);
        self.rehash();
        self.agreed = true;
        self.early.clear();
        self.compact_disk(id, kept, fx);
        if *self.log.configuration() != configured {
            self.configured(fx);
        }
        fx.note(RaftFact::SnapshotInstalled { index, chain: snapshot.chain, digest: self.state.digest() });
        self.serve_due(fx);
    }
}
