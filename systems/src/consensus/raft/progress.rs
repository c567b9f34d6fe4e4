//! How far one follower has got, and what may be sent to it (etcd-io/raft calls this `Progress`).

use super::log::Slice;
use super::message::Snapshot;
use super::options::Config;
use crate::shared::replication::{ReadRound, pop_if};
use sim_core::{LocalInstant, StateMachine};
use std::collections::VecDeque;
use std::rc::Rc;

/// How a follower is fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Where the two logs agree is not known: one append at a time.
    Probe {
        /// Whether one is on its way.
        waiting: bool,
    },
    /// They agree: appends follow each other without waiting for answers.
    Replicate,
    /// It lacks entries that are gone from the leader's log: it gets a snapshot, a piece at a time.
    Snapshot,
}

/// One follower, as its leader knows it.
#[derive(Clone, Debug)]
pub struct Peer<M: StateMachine> {
    pub(super) flow: Flow,
    /// The newest entry it is known to hold durably, equal to the leader's.
    pub(super) match_index: u64,
    /// The next entry to send.
    pub(super) next: u64,
    /// `next` when the heartbeat timer last came due: what was sent before should have been acknowledged by the time an
    /// answer to that heartbeat arrives. 0 if nothing is suspected.
    pub(super) mark: u64,
    /// When entries were last sent, on the leader's clock.
    pub(super) sent: LocalInstant,
    /// Whether it was heard from since the leader last counted.
    pub(super) active: bool,
    /// Whether it was heard from since the last heartbeat.
    pub(super) answered: bool,
    /// Heartbeats in a row at which it was found healthy and up to date.
    pub(super) steady: u8,
    /// The newest read round it has confirmed.
    pub(super) round: ReadRound,
    /// Appends on their way: last entry and bytes.
    inflight: VecDeque<(u64, u32)>,
    inflight_bytes: u64,
    /// The snapshot it is being sent.
    pub(super) snapshot: Option<Rc<Snapshot<M>>>,
    /// Where the piece on its way begins.
    pub(super) offset: u64,
    /// How often the heartbeat timer came due since that piece was sent.
    pub(super) idle_ticks: u8,
}

impl<M: StateMachine> Peer<M> {
    pub(super) const fn new(next: u64) -> Self {
        Self {
            flow: Flow::Probe { waiting: false },
            match_index: 0,
            next,
            mark: 0,
            sent: LocalInstant(0),
            active: true,
            answered: false,
            steady: 0,
            round: ReadRound(0),
            inflight: VecDeque::new(),
            inflight_bytes: 0,
            snapshot: None,
            offset: 0,
            idle_ticks: 0,
        }
    }

    /// It is there.
    #[inline]
    pub(super) const fn heard(&mut self) {
        (self.active, self.answered) = (true, true);
    }

    /// Whether another append may be on its way.
    #[inline]
    pub(super) fn has_window(&self, config: &Config) -> bool {
        self.inflight.len() < config.max_inflight as usize && self.inflight_bytes < config.max_inflight_bytes
    }

    /// These entries are on their way.
    #[inline]
    pub(super) fn launch<C>(&mut self, entries: &Slice<C>) {
        if !entries.is_empty() {
            self.next += entries.len() as u64;
            self.inflight.push_back((self.next - 1, entries.bytes()));
            self.inflight_bytes += u64::from(entries.bytes());
        }
    }

    /// It holds entries up to `index`. Returns whether that is news.
    pub(super) fn acknowledge(&mut self, index: u64) -> bool {
        while let Some((_, bytes)) = pop_if(&mut self.inflight, |(last, _)| *last <= index) {
            self.inflight_bytes -= u64::from(bytes);
        }
        let news = index > self.match_index;
        self.match_index = self.match_index.max(index);
        self.next = self.next.max(index + 1);
        match self.flow {
            // Also without news: the probe has found where the logs agree.
            Flow::Probe { .. } if index >= self.match_index => self.flow = Flow::Replicate,
            Flow::Snapshot if self.snapshot.as_ref().is_none_or(|s| self.match_index >= s.index) => {
                self.snapshot = None;
                self.flow = Flow::Replicate;
            }
            _ => {}
        }
        news
    }

    /// It has confirmed read round `round`. Returns whether that is news.
    #[inline]
    pub(super) fn confirm(&mut self, round: ReadRound) -> bool {
        let news = round > self.round;
        if news {
            self.round = round;
        }
        news
    }

    /// Whether a rejection of an append behind `prev_index` is about what was sent last, rather than stale.
    pub(super) const fn rejected(&self, prev_index: u64) -> bool {
        match self.flow {
            // A follower that refuses what it had acknowledged has lost it: asking again at once would get the same
            // answer, over and over.
            Flow::Probe { .. } => prev_index + 1 == self.next && prev_index > self.match_index,
            Flow::Replicate => prev_index > self.match_index,
            Flow::Snapshot => false,
        }
    }

    /// Looks for agreement at `next`.
    pub(super) fn probe_at(&mut self, next: u64) {
        self.flow = Flow::Probe { waiting: false };
        self.next = next.max(self.match_index + 1);
        self.inflight.clear();
        self.inflight_bytes = 0;
    }
}
