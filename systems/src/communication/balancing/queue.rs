//! A server's queue: in which order requests are taken from it, and how long they may wait.

use super::message::TryNumber;
use sim_core::{ClientId, Duration, LocalInstant, NodeId};
use std::collections::VecDeque;

sim_core::choices! {
    /// The order of a queue, as written.
    pub enum QueueOrder {
        /// First in, first out; whoever waits, waits.
        #[default]
        Fifo,
        /// The newest first, whenever the queue has not been empty for a while: those who come now can still be served
        /// in time, those who have waited long are gone already (Facebook, "Fail at Scale", 2015: adaptive LIFO).
        AdaptiveLifo,
        /// First in, first out, but whenever the queue has not been empty for a while, nothing may wait longer than the
        /// target (Facebook's variant of controlled delay).
        ControlledDelay,
    }
}

/// The order, and what it needs to know.
#[derive(Clone, Copy, Debug, Default)]
pub struct Discipline {
    /// The order.
    pub order: QueueOrder,
    /// What a request may wait under controlled delay while there is a standing queue.
    pub target: Duration,
    /// A queue that was not empty for so long is a standing one; and what a request may wait at most under controlled
    /// delay.
    pub interval: Duration,
}

/// One try of a request, waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// Who sent it.
    pub from: NodeId,
    /// Its number there.
    pub id: TryNumber,
    /// Whose request it is.
    pub client: ClientId,
    /// When it came.
    pub came: LocalInstant,
    /// When nobody waits for it any more.
    pub expires: Option<LocalInstant>,
}

/// What becomes of the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is to be worked on.
    Work(Job),
    /// Its client has gone.
    Expired(Job),
    /// It has waited too long.
    Shed(Job),
}

/// The requests that wait.
#[derive(Clone, Debug)]
pub struct WaitingLine {
    jobs: VecDeque<Job>,
    /// When it was last empty.
    empty: LocalInstant,
}

impl WaitingLine {
    /// None wait.
    #[must_use]
    pub const fn new(now: LocalInstant) -> Self {
        Self { jobs: VecDeque::new(), empty: now }
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// One more waits.
    pub fn push(&mut self, job: Job, now: LocalInstant) {
        if self.jobs.is_empty() {
            self.empty = now;
        }
        self.jobs.push_back(job);
    }

    /// Takes out a request that waits; false if it does not.
    pub fn cancel(&mut self, from: NodeId, id: TryNumber) -> bool {
        let found = self.jobs.iter().position(|job| (job.from, job.id) == (from, id));
        found.and_then(|at| self.jobs.remove(at)).is_some()
    }

    /// Takes out the next request.
    pub fn next(&mut self, discipline: &Discipline, now: LocalInstant) -> Option<Next> {
        let waited = |since: LocalInstant| now.since(since);
        let stands = waited(self.empty) > discipline.interval;
        let newest_first = discipline.order == QueueOrder::AdaptiveLifo && stands;
        let job = if newest_first { self.jobs.pop_back() } else { self.jobs.pop_front() }?;
        if self.jobs.is_empty() {
            self.empty = now;
        }
        let most = if stands { discipline.target } else { discipline.interval };
        Some(if job.expires.is_some_and(|expires| expires <= now) {
            Next::Expired(job)
        } else if discipline.order == QueueOrder::ControlledDelay && waited(job.came) > most {
            Next::Shed(job)
        } else {
            Next::Work(job)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> LocalInstant {
        LocalInstant(ms * 1_000_000)
    }

    fn line(came: &[u64]) -> WaitingLine {
        let mut line = WaitingLine::new(at(0));
        for (id, ms) in (0..).map(TryNumber).zip(came) {
            line.push(
                Job { from: NodeId(0), id, client: ClientId(0), came: at(*ms), expires: Some(at(ms + 500)) },
                at(*ms),
            );
        }
        line
    }

    fn discipline(order: QueueOrder) -> Discipline {
        Discipline { order, target: Duration::millis(5), interval: Duration::millis(100) }
    }

    /// What becomes of everything that waits, at the same time.
    fn all(order: QueueOrder, came: &[u64], now: u64) -> Vec<(char, u64)> {
        let mut line = line(came);
        let next = || line.next(&discipline(order), at(now));
        let short = |next| match next {
            Next::Work(job) => ('w', job.id.0),
            Next::Expired(job) => ('x', job.id.0),
            Next::Shed(job) => ('s', job.id.0),
        };
        std::iter::from_fn(next).map(short).collect()
    }

    #[test]
    fn fifo_serves_in_order_what_somebody_still_waits_for() {
        assert_eq!(all(QueueOrder::Fifo, &[1, 2, 300], 502), [('x', 0), ('x', 1), ('w', 2)]);
    }

    #[test]
    fn adaptive_lifo_turns_round_once_the_queue_stands() {
        assert_eq!(all(QueueOrder::AdaptiveLifo, &[10, 20, 30], 100), [('w', 0), ('w', 1), ('w', 2)]);
        assert_eq!(all(QueueOrder::AdaptiveLifo, &[10, 20, 200], 201), [('w', 2), ('w', 1), ('w', 0)]);
    }

    #[test]
    fn controlled_delay_sheds_what_waited_longer_than_the_target_once_the_queue_stands() {
        assert_eq!(all(QueueOrder::ControlledDelay, &[10, 20, 30], 100), [('w', 0), ('w', 1), ('w', 2)]);
        assert_eq!(all(QueueOrder::ControlledDelay, &[10, 190, 199], 201), [('s', 0), ('s', 1), ('w', 2)]);
    }

    #[test]
    fn what_is_cancelled_waits_no_longer() {
        let mut line = line(&[1, 2, 3]);
        assert!(line.cancel(NodeId(0), TryNumber(1)));
        assert!(!line.cancel(NodeId(0), TryNumber(1)) && !line.cancel(NodeId(1), TryNumber(0)));
        assert_eq!(line.len(), 2);
    }
}
