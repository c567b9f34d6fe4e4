//! Client sessions: which operations have been executed, and what they were answered (Raft dissertation, section 6.3).

use sim_core::{ClientId, Ticket};
use std::collections::VecDeque;

/// What makes an operation recognisable however often it is tried: it travels in the log beside the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
#[derive(Clone, Debug, Hash)]
struct Session<R> {
    floor: u64,
    /// The answers of operations `floor`, `floor + 1`, ...; `None` for those not executed (or not writes at all). No
    /// longer than the span of what the client has outstanding.
    done: VecDeque<Option<R>>,
}

/// All sessions of a state machine. Part of its snapshot: a replica that forgot them would execute retries again.
#[derive(Clone, Debug, Hash)]
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
    #[inline]
    #[must_use]
    pub fn standing(&self, client: ClientId, op: u64) -> Standing<R> {
        let Some(session) = self.sessions.get(client.index()) else { return Standing::New };
        let Some(place) = op.checked_sub(session.floor) else { return Standing::Expired };
        match session.done.get(place as usize) {
            Some(Some(response)) => Standing::Done(response.clone()),
            _ => Standing::New,
        }
    }

    /// Remembers that the operation was executed and what it was answered, and forgets what its client has ended.
    #[inline]
    pub fn record(&mut self, stamp: Stamp, response: R) {
        let index = stamp.client.index();
        if index >= self.sessions.len() {
            self.sessions.resize_with(index + 1, || Session { floor: 0, done: VecDeque::new() });
        }
        let session = &mut self.sessions[index];
        while session.floor < stamp.floor {
            if session.done.pop_front().is_none() {
                session.floor = stamp.floor;
                break;
            }
            session.floor += 1;
        }
        let Some(place) = stamp.op.checked_sub(session.floor) else { return };
        let place = place as usize;
        if place < session.done.len() {
            session.done[place] = Some(response);
            return;
        }
        while session.done.len() < place {
            session.done.push_back(None);
        }
        session.done.push_back(Some(response));
    }

    /// How many answers are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.sessions.iter().flat_map(|s| &s.done).filter(|answer| answer.is_some()).count()
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
