//! What each client has seen, and what it therefore must see from now on: the four session guarantees (Terry et al.,
//! "Session guarantees for weakly consistent replicated data", 1994), in terms of places in the log.
//!
//! An operation owes something only to those whose answers had reached its client before it was begun. So operations
//! that overlap owe each other nothing, nor does one whose fate is unknown ever count as seen.

use sim_core::ClientId;
use std::collections::VecDeque;

sim_core::rules! {
    /// A read sees what its client has written before.
    pub const READ_YOUR_WRITES: &str = "read_your_writes";
    /// A read sees all that an earlier read of its client saw.
    pub const MONOTONIC_READS: &str = "monotonic_reads";
    /// A client's writes take effect in the order in which it made them.
    pub const MONOTONIC_WRITES: &str = "monotonic_writes";
    /// A write takes effect behind what its client had read before.
    pub const WRITES_FOLLOW_READS: &str = "writes_follow_reads";
}

/// Operations of one client that are remembered: a late try of an older one is not checked.
const MOST_REMEMBERED: usize = 1 << 12;

/// One operation.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    /// The newest of its client's writes, and the newest state its client had read, when it was begun: entries of the
    /// log.
    writes: u64,
    reads: u64,
    /// The newest entry that any write was acknowledged for when it first reached a node.
    acknowledged: Option<u64>,
    /// The entry that executed it, or the oldest state it was read from, if it was.
    wrote: Option<u64>,
    read: Option<u64>,
}

/// One client.
#[derive(Clone, Debug, Default)]
struct Session {
    /// Number of the first operation in `marks`.
    first: u64,
    marks: VecDeque<Mark>,
    /// The newest entry that executed one of its writes, and the newest state it read, as far as it knows.
    writes: u64,
    reads: u64,
}

impl Session {
    /// The operation's mark; `None` if it is forgotten. A new one is made for an operation that was not begun before.
    fn mark(&mut self, op: u64) -> Option<&mut Mark> {
        let (writes, reads) = (self.writes, self.reads);
        let mut at = usize::try_from(op.checked_sub(self.first)?).ok()?;
        if at >= self.marks.len() {
            if at >= self.marks.len() + MOST_REMEMBERED {
                self.marks.clear();
                (self.first, at) = (op, 0);
            }
            self.marks.resize_with(at + 1, || Mark { writes, reads, ..Mark::default() });
            while self.marks.len() > MOST_REMEMBERED {
                self.marks.pop_front();
                self.first += 1;
                at -= 1;
            }
        }
        self.marks.get_mut(at)
    }
}

/// What an operation of a client falls short of: the rule, and the entry it should have come behind.
pub type Short = Option<(&'static str, u64)>;

/// What all clients have seen.
#[derive(Clone, Debug, Default)]
pub struct Seen(Vec<Session>);

impl Seen {
    fn mark(&mut self, client: ClientId, op: u64) -> Option<&mut Mark> {
        if client.index() >= self.0.len() {
            self.0.resize_with(client.index() + 1, Session::default);
        }
        self.0[client.index()].mark(op)
    }

    /// A client begins an operation.
    pub fn begun(&mut self, client: ClientId, op: u64) {
        let _ = self.mark(client, op);
    }

    /// An operation reached a node when entries up to `acknowledged` had been. Only the first time counts.
    pub fn reached(&mut self, client: ClientId, op: u64, acknowledged: u64) {
        if let Some(mark) = self.mark(client, op) {
            mark.acknowledged.get_or_insert(acknowledged);
        }
    }

    /// A write was executed by entry `index`.
    pub fn wrote(&mut self, client: ClientId, op: u64, index: u64) -> Short {
        let mark = self.mark(client, op)?;
        mark.wrote = Some(index);
        if index <= mark.writes {
            return Some((MONOTONIC_WRITES, mark.writes));
        }
        (index <= mark.reads).then_some((WRITES_FOLLOW_READS, mark.reads))
    }

    /// A read was served from the state at `index`; `fresh` is the rule for what others had been told before.
    pub fn read(&mut self, client: ClientId, op: u64, index: u64, fresh: &'static str) -> Short {
        let mark = self.mark(client, op)?;
        // Which of several answers the client takes is its own affair: it has seen the oldest at least.
        mark.read = Some(mark.read.map_or(index, |read| read.min(index)));
        let acknowledged = mark.acknowledged.unwrap_or(0);
        [(READ_YOUR_WRITES, mark.writes), (MONOTONIC_READS, mark.reads), (fresh, acknowledged)]
            .into_iter()
            .find(|(_, due)| index < *due)
    }

    /// A client has its answer.
    pub fn returned(&mut self, client: ClientId, op: u64) {
        let Some(session) = self.0.get_mut(client.index()) else { return };
        let Some(mark) = session.mark(op).copied() else { return };
        session.writes = session.writes.max(mark.wrote.unwrap_or(0));
        session.reads = session.reads.max(mark.read.unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const C: ClientId = ClientId(0);
    const FRESH: &str = "fresh";

    fn write(seen: &mut Seen, op: u64, index: u64) -> Short {
        seen.begun(C, op);
        let short = seen.wrote(C, op, index);
        seen.returned(C, op);
        short
    }

    fn read(seen: &mut Seen, op: u64, index: u64) -> Short {
        seen.begun(C, op);
        let short = seen.read(C, op, index, FRESH);
        seen.returned(C, op);
        short
    }

    #[test]
    fn each_guarantee_is_missed_by_one_entry() {
        let mut seen = Seen::default();
        assert_eq!(write(&mut seen, 0, 5), None);
        assert_eq!(read(&mut seen.clone(), 1, 5), None);
        assert_eq!(read(&mut seen.clone(), 1, 4), Some((READ_YOUR_WRITES, 5)));
        assert_eq!(write(&mut seen.clone(), 1, 5), Some((MONOTONIC_WRITES, 5)));
        assert_eq!(read(&mut seen, 1, 8), None);
        assert_eq!(read(&mut seen.clone(), 2, 8), None);
        assert_eq!(read(&mut seen.clone(), 2, 7), Some((MONOTONIC_READS, 8)));
        assert_eq!(write(&mut seen.clone(), 2, 9), None);
        assert_eq!(write(&mut seen.clone(), 2, 8), Some((WRITES_FOLLOW_READS, 8)));
        seen.begun(C, 2);
        seen.reached(C, 2, 9);
        seen.reached(C, 2, 12);
        assert_eq!(seen.clone().read(C, 2, 9, FRESH), None);
        assert_eq!(seen.read(C, 2, 8, FRESH), Some((FRESH, 9)));
    }

    #[test]
    fn other_clients_overlapping_operations_and_unknown_outcomes_owe_nothing() {
        let mut seen = Seen::default();
        assert_eq!(write(&mut seen, 0, 5), None);
        let other = ClientId(3);
        seen.begun(other, 0);
        assert_eq!(seen.read(other, 0, 1, FRESH), None);
        // Two reads at a time: the one begun before the other returned may see less.
        seen.begun(C, 1);
        seen.begun(C, 2);
        assert_eq!(seen.read(C, 2, 9, FRESH), None);
        seen.returned(C, 2);
        assert_eq!(seen.read(C, 1, 6, FRESH), None);
        // A write that was executed, but whose answer never came.
        seen.begun(C, 3);
        assert_eq!(seen.wrote(C, 3, 20), None);
        assert_eq!(read(&mut seen, 4, 10), None);
    }

    #[test]
    fn of_several_answers_the_oldest_counts() {
        let mut seen = Seen::default();
        seen.begun(C, 0);
        assert_eq!(seen.read(C, 0, 9, FRESH), None);
        assert_eq!(seen.read(C, 0, 7, FRESH), None);
        seen.returned(C, 0);
        assert_eq!(read(&mut seen.clone(), 1, 7), None);
        assert_eq!(read(&mut seen, 1, 6), Some((MONOTONIC_READS, 7)));
    }

    #[test]
    fn what_is_forgotten_is_not_checked_and_memory_stays_bounded() {
        let mut seen = Seen::default();
        let most = MOST_REMEMBERED as u64;
        seen.begun(C, 0);
        for op in 1..=2 * most {
            assert_eq!(write(&mut seen, op, op), None);
        }
        assert_eq!(seen.0[0].marks.len(), MOST_REMEMBERED);
        assert_eq!(seen.read(C, 0, 0, FRESH), None);
        assert_eq!(read(&mut seen.clone(), 2 * most + 1, 2 * most - 1), Some((READ_YOUR_WRITES, 2 * most)));
        assert_eq!(read(&mut seen, 10 * most, 2 * most - 1), Some((READ_YOUR_WRITES, 2 * most)));
        assert_eq!(seen.0[0].marks.len(), 1);
    }
}
