//! Those who wait until what they asked for is applied: in the order of the log, and by operation once somebody asks
//! again.

use sim_core::sorted::SortedMap;
use sim_core::{ClientId, Ticket};
use std::collections::VecDeque;

/// Requests whose commands are in the log, or about to be.
#[derive(Clone, Debug, Default)]
pub struct Waiters {
    /// The place of each in the log, in order, and who asked first.
    queue: VecDeque<(u64, Ticket)>,
    /// The newest try of each operation that waits. Made when the first retry comes, and kept until nobody waits: who
    /// is answered at the first try never pays for it, and however many wait, a retry is found without looking at them
    /// all.
    newest: Option<SortedMap<(ClientId, u64), Ticket>>,
}

const fn operation(ticket: &Ticket) -> (ClientId, u64) {
    (ticket.client, ticket.op)
}

impl Waiters {
    /// `ticket` waits for `place`, which is behind all others.
    pub fn push(&mut self, place: u64, ticket: Ticket) {
        if let Some(newest) = &mut self.newest {
            newest.insert(operation(&ticket), ticket);
        }
        self.queue.push_back((place, ticket));
    }

    /// If an earlier try of the same operation waits, this one is answered in its stead. Returns whether one does.
    pub fn renew(&mut self, ticket: Ticket) -> bool {
        let queue = &self.queue;
        let newest = self.newest.get_or_insert_with(|| queue.iter().map(|(_, t)| (operation(t), *t)).collect());
        newest.get_mut(&operation(&ticket)).map(|waiting| *waiting = ticket).is_some()
    }

    /// The first of those who wait for `place` or an earlier one, and what it waits for.
    #[inline]
    pub fn pop_through(&mut self, place: u64) -> Option<(u64, Ticket)> {
        let (at, first) = super::pop_if(&mut self.queue, |(at, _)| *at <= place)?;
        match &mut self.newest {
            None => Some((at, first)),
            Some(newest) => {
                let ticket = newest.remove(&operation(&first)).unwrap_or(first);
                if self.queue.is_empty() {
                    self.newest = None;
                }
                Some((at, ticket))
            }
        }
    }

    /// Those who wait for places from `from` on.
    pub fn since(&self, from: u64) -> impl Iterator<Item = Ticket> {
        let start = self.queue.partition_point(|(at, _)| *at < from);
        self.queue.range(start..).map(|(_, first)| {
            let newest = self.newest.as_ref().and_then(|newest| newest.get(&operation(first)));
            *newest.unwrap_or(first)
        })
    }

    /// What they wait for from `from` on comes so many places later.
    pub fn put_off(&mut self, from: u64, later: u64) {
        self.queue.iter_mut().rev().take_while(|(at, _)| *at >= from).for_each(|(at, _)| *at += later);
    }

    /// Nobody waits for places from `from` on any more.
    pub fn cut(&mut self, from: u64) {
        self.queue.truncate(self.queue.partition_point(|(at, _)| *at < from));
        self.newest = None;
    }

    /// Nobody waits for places up to `upto` any more.
    pub fn skip(&mut self, upto: u64) {
        self.queue.drain(..self.queue.partition_point(|(at, _)| *at <= upto));
        self.newest = None;
    }

    /// Nobody waits any more.
    pub fn clear(&mut self) {
        self.queue.clear();
        self.newest = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ticket(op: u64, attempt: u32) -> Ticket {
        Ticket { client: ClientId(1), op, floor: 0, attempt }
    }

    fn four() -> Waiters {
        let mut waiters = Waiters::default();
        (0..4).for_each(|op| waiters.push(10 + op, ticket(op, 0)));
        waiters
    }

    #[test]
    fn the_newest_try_is_answered() {
        let mut waiters = four();
        assert!(waiters.renew(ticket(1, 1)) && !waiters.renew(ticket(7, 1)) && waiters.renew(ticket(1, 2)));
        waiters.push(14, ticket(7, 1));
        assert!(waiters.renew(ticket(7, 2)));
        assert_eq!(waiters.pop_through(9), None);
        let answered: Vec<_> = core::iter::from_fn(|| waiters.pop_through(14)).collect();
        let tries = [(10, 0, 0), (11, 1, 2), (12, 2, 0), (13, 3, 0), (14, 7, 2)];
        assert_eq!(answered, tries.map(|(at, op, attempt)| (at, ticket(op, attempt))));
        assert!(!waiters.renew(ticket(7, 3)), "who was answered waits no more");
    }

    #[test]
    fn places_move_and_go() {
        let mut waiters = four();
        assert!(waiters.renew(ticket(2, 1)));
        waiters.put_off(12, 5);
        assert_eq!(waiters.since(12).collect::<Vec<_>>(), [ticket(2, 1), ticket(3, 0)]);
        waiters.cut(18);
        assert!(!waiters.renew(ticket(3, 1)) && waiters.renew(ticket(2, 2)));
        waiters.skip(11);
        assert!(!waiters.renew(ticket(1, 1)));
        assert_eq!(waiters.since(0).collect::<Vec<_>>(), [ticket(2, 0)]);
        waiters.clear();
        assert!(!waiters.renew(ticket(2, 3)));
    }
}
