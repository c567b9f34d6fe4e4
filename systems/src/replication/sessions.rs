//! Client sessions: which operations have been executed, and what they were answered (Raft dissertation, section 6.3).

use sim_core::{ClientId, Ticket};
use std::collections::VecDeque;

/// What makes an operation recognisable however often it is tried: it travels in the log beside the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The session.
    pub client: ClientId,
    /// The operation's number in it.
    pub op: u64,
    /// Operations below have ended for the client: their answers may be forgotten.
    pub floor: u64,
}

impl From<Ticket> for Stamp {
    fn from(ticket: Ticket) -> Self {
        Self { client: ticket.client, op: ticket.op, floor: ticket.floor }
    }
}

/// What a session says about an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing<R> {
    /// Never executed.
    New,
    /// Executed before, with this answer.
    Done(R),
    /// It ended for its client long ago; whether it was executed is forgotten. It must not be executed now.
    Expired,
}

/// One client's session. A client may have several operations outstanding, so answers are kept one by one.
#[derive(Clone, Debug)]
struct Session<R> {
    floor: u64,
    /// Executed operations at or above `floor`, by number.
    done: VecDeque<(u64, R)>,
}

/// All sessions of a state machine. Part of its snapshot: a replica that forgot them would execute retries again.
#[derive(Clone, Debug)]
pub struct Sessions<R> {
    /// By client number, which is dense.
    sessions: Vec<Session<R>>,
}

impl<R> Default for Sessions<R> {
    fn default() -> Self {
        Self { sessions: Vec::new() }
    }
}

impl<R: Clone> Sessions<R> {
    /// What is known about operation `op` of `client`.
    #[must_use]
    pub fn standing(&self, client: ClientId, op: u64) -> Standing<R> {
        let Some(session) = self.sessions.get(client.index()) else { return Standing::New };
        if op < session.floor {
            return Standing::Expired;
        }
        match session.done.back() {
            // Operations mostly arrive in order: the usual answer without a search.
            Some((newest, _)) if *newest >= op => match session.done.binary_search_by_key(&op, |(n, _)| *n) {
                Ok(at) => Standing::Done(session.done[at].1.clone()),
                Err(_) => Standing::New,
            },
            _ => Standing::New,
        }
    }

    /// Remembers that the operation was executed and what it was answered, and forgets what its client has ended.
    pub fn record(&mut self, stamp: Stamp, response: R) {
        let index = stamp.client.index();
        if index >= self.sessions.len() {
            self.sessions.resize_with(index + 1, || Session { floor: 0, done: VecDeque::new() });
        }
        let session = &mut self.sessions[index];
        session.floor = session.floor.max(stamp.floor);
        while session.done.front().is_some_and(|(op, _)| *op < session.floor) {
            session.done.pop_front();
        }
        if session.done.back().is_none_or(|(newest, _)| *newest < stamp.op) {
            session.done.push_back((stamp.op, response));
        } else {
            match session.done.binary_search_by_key(&stamp.op, |(op, _)| *op) {
                Ok(at) => session.done[at].1 = response,
                Err(at) => session.done.insert(at, (stamp.op, response)),
            }
        }
    }

    /// How many answers are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.sessions.iter().map(|s| s.done.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_above_the_floor_and_refuses_below() {
        let mut sessions = Sessions::default();
        let client = ClientId(2);
        for (op, floor) in [(0, 0), (2, 0), (1, 0), (5, 2)] {
            sessions.record(Stamp { client, op, floor }, op * 10);
        }
        let standing = |op| sessions.standing(client, op);
        assert_eq!(standing(1), Standing::Expired);
        assert_eq!(standing(2), Standing::Done(20));
        assert_eq!(standing(3), Standing::New);
        assert_eq!(standing(5), Standing::Done(50));
        assert_eq!(standing(6), Standing::New);
        assert_eq!(sessions.standing(ClientId(9), 0), Standing::New);
        assert_eq!(sessions.remembered(), 2);
    }
}
