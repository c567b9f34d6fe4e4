//! Clients that sit at a node: the main programs of application machines, whose library is the node.

use super::Engine;
use crate::{Client, ClientId, Node, NodeId, Observer, Seat, Ticket};

impl<N: Node, C: Client<N>, O: Observer<N>> Engine<N, C, O> {
    /// Takes note of a new client's seat. Retries are the business of the library of who sits at a node.
    pub(super) fn take_seat(&mut self, id: ClientId, mut seat: Seat) -> Seat {
        if seat.at().is_some() {
            self.seated.push(id);
            seat.patience = seat.patience.once();
        }
        seat
    }

    /// Whether a client sits at a node.
    #[inline]
    pub(super) fn is_seated(&self, client: ClientId) -> bool {
        !self.seated.is_empty() && self.clients.get(client.index()).is_some_and(|client| client.seat.at().is_some())
    }

    /// What a main program asks while its machine is down has not been asked: it is when the machine is back.
    pub(super) fn wait_for_machine(&mut self, ticket: Ticket) {
        let state = &mut self.clients[ticket.client.index()];
        let timeout = state.seat.patience.timeout;
        let Some(pending) = state.pending.get(ticket.op) else { return };
        (pending.attempts, pending.between, pending.doubtful) = (0, true, (false, false));
        pending.due = pending.invoked + timeout;
        let due = pending.due;
        self.set_due(ticket.client, ticket.op, due);
    }

    /// A machine is back: what its main programs wanted meanwhile is asked now.
    pub(super) fn machine_is_back(&mut self, node: NodeId) {
        for place in 0..self.seated.len() {
            let id = self.seated[place];
            let state = &mut self.clients[id.index()];
            if state.seat.at() != Some(node) {
                continue;
            }
            for op in state.pending.numbers() {
                if self.clients[id.index()].pending.get(op).is_some_and(|pending| pending.between) {
                    self.try_again(id, op);
                }
            }
        }
    }
}
