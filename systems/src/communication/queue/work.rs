//! What a consumer does with what it has fetched: it works on one message after the other, and says how far it
//! has come.

use super::bugs::QueueBug;
use super::consumer::{Claim, Consumer, Stage, Work};
use super::log::Offset;
use super::message::{CommitNumber, Denial, Me, QueueFact, QueueMessage};
use super::metadata::Partition;
use super::node::{Fx, WAITS};
use super::options::Commit;
use crate::shared::number::Counts;
use sim_core::LocalInstant;

impl Consumer {
    /// Takes some messages from the partition whose turn it is.
    pub(super) fn begin_work(&mut self, fx: &mut Fx<'_>) {
        if self.work.is_some() || self.commit.is_some() || self.must_join || self.dealt.is_some() {
            return;
        }
        if self.commit_due && self.config.commit == Commit::Auto {
            self.commit_due = false;
            self.commit_positions(fx);
        }
        let full = |(_, claim): &(&Partition, &Claim)| !claim.buffer.is_empty();
        let after = self.claims.range(Partition(self.last.0 + 1)..).find(full);
        let Some(partition) = after.or_else(|| self.claims.iter().find(full)).map(|(at, _)| *at) else { return };
        let Some(claim) = self.claims.get_mut(&partition) else { return };
        let many = claim.buffer.len().min(self.config.max_poll_records as usize);
        let items: Vec<(Offset, u64)> = claim.buffer.drain(..many).collect();
        let end = items.last().map_or(0, |(offset, _)| offset + 1);
        self.last = partition;
        let before = self.config.commit == Commit::Before || self.config.has(QueueBug::CommitBeforeProcessing);
        self.work = Some(Work { partition, items, done: 0, begun: !before });
        if before {
            self.commit(vec![(partition.0, end)], fx);
        } else {
            fx.arm(WAITS, self.config.process);
        }
    }

    /// One message is done; behind the last one it says how far it has come.
    pub(super) fn on_work_done(&mut self, fx: &mut Fx<'_>) {
        let Some(work) = &mut self.work else { return };
        let partition = work.partition;
        let Some((offset, value)) = work.items.get(work.done).copied() else { return };
        fx.note(QueueFact::Processed { partition, offset, value });
        work.done += 1;
        if work.done < work.items.len() {
            return fx.arm(WAITS, self.config.process);
        }
        let Some(work) = self.work.take() else { return };
        let end = work.items.last().map_or(0, |(offset, _)| offset + 1);
        let is_mine = self.claims.get_mut(&partition).map(|claim| claim.position = end.max(claim.position)).is_some();
        let zombie = self.config.has(QueueBug::ZombieCommits);
        let after = self.config.commit == Commit::After && !self.config.has(QueueBug::CommitBeforeProcessing);
        if after && (is_mine || zombie) {
            self.commit(vec![(partition.0, end)], fx);
        }
    }

    /// Before it lets go of anything, what it has done is written down, where that happens by itself: whether it is.
    pub(super) fn commit_first(&mut self, fx: &mut Fx<'_>) -> bool {
        if self.config.commit != Commit::Auto {
            return true;
        }
        self.commit_positions(fx);
        self.commit.is_none()
    }

    /// Says how far it has come with everything, where it has not yet.
    pub(super) fn commit_positions(&mut self, fx: &mut Fx<'_>) {
        let new = |claim: &Claim| claim.next.is_some() && claim.committed.unwrap_or(0) < claim.position;
        let offsets: Vec<(u32, Offset)> =
            self.claims.iter().filter(|(_, claim)| new(claim)).map(|(at, claim)| (at.0, claim.position)).collect();
        if !offsets.is_empty() && self.commit.is_none() {
            self.commit(offsets, fx);
        }
    }

    pub(super) fn commit(&mut self, offsets: Vec<(u32, Offset)>, fx: &mut Fx<'_>) {
        let number = self.commits.advance();
        (self.commit, self.sent) = (Some((number, offsets, LocalInstant(0))), false);
        self.try_commit(fx);
    }

    /// Sends the commit that is under way, if it is time to.
    pub(super) fn try_commit(&mut self, fx: &mut Fx<'_>) {
        let (now, patience, me) = (fx.now(), self.config.request_timeout, self.me);
        let coordinator = self.coordinator();
        let Some((number, offsets, until)) = &mut self.commit else { return };
        if *until > now {
            return;
        }
        let rests = now + self.config.retry_backoff;
        let Some(coordinator) = coordinator else {
            (self.stale, *until) = (true, rests);
            return;
        };
        if self.silent.has(coordinator, self.image.version, self.config.retry_backoff, fx) {
            *until = rests;
            return;
        }
        (*until, self.sent) = (now + patience, true);
        let (number, offsets) = (*number, offsets.clone().into());
        fx.send(coordinator, QueueMessage::Commit { me, number, offsets });
    }

    pub(super) fn on_committed(&mut self, number: CommitNumber, fx: &mut Fx<'_>) {
        if self.commit.as_ref().is_some_and(|(of, ..)| *of == number) {
            self.end_commit(true, fx);
        }
    }

    /// A commit was refused. Unless another coordinator may take it, it is given up: what it is about may be somebody
    /// else's by then.
    pub(super) fn on_commit_denied(&mut self, me: Me, number: CommitNumber, why: Denial, fx: &mut Fx<'_>) {
        let Some((.., until)) = self.commit.as_mut().filter(|(of, ..)| *of == number) else { return };
        self.sent = false;
        if why == Denial::NotCoordinator {
            *until = fx.now() + self.config.retry_backoff;
            self.stale = true;
            return;
        }
        fx.note(QueueFact::CommitRefused { why });
        self.end_commit(false, fx);
        match why {
            Denial::Rebalancing => self.must_join |= self.stage == Stage::Member,
            _ if me.generation == self.me.generation => self.lose(why, fx),
            _ => {}
        }
    }

    pub(super) fn end_commit(&mut self, done: bool, fx: &mut Fx<'_>) {
        let Some((_, offsets, _)) = self.commit.take() else { return };
        if done {
            for (partition, offset) in offsets {
                if let Some(claim) = self.claims.get_mut(&Partition(partition)) {
                    claim.committed = Some(offset);
                }
            }
        }
        let Some(work) = self.work.as_mut().filter(|work| !work.begun) else { return };
        if done {
            work.begun = true;
            fx.arm(WAITS, self.config.process);
        } else {
            // It has not begun: whoever has the partition next does it.
            let (partition, items) = (work.partition, core::mem::take(&mut work.items));
            self.work = None;
            if let Some(claim) = self.claims.get_mut(&partition) {
                items.into_iter().rev().for_each(|item| claim.buffer.push_front(item));
            }
        }
    }
}
