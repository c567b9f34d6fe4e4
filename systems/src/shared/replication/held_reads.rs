//! Reads that nodes were asked and have not answered: whoever stops leading lets go of them, in that step.

use super::audit::Audit;
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{ClientId, Instant, Node, NodeId, Observed, Ticket, Verdict};

sim_core::rules! {
    /// Who stops leading sends away those whose reads it still holds: a read has no effect, so nobody need wait for its
    /// client to give up.
    pub const READS_LET_GO: &str = "reads_let_go";
}

/// The memory over one run.
#[derive(Clone, Debug, Default)]
pub struct HeldReads {
    reads: SortedSet<(ClientId, u64)>,
    held: SortedMap<NodeId, SortedSet<(ClientId, u64)>>,
    stepped_down: Option<NodeId>,
    looked_at: u64,
}

impl HeldReads {
    /// What happened to clients and machines.
    pub fn watch<N: Node>(&mut self, what: &Observed<'_, N>, is_read: impl Fn(&N::Request) -> bool) {
        let name = |ticket: &Ticket| (ticket.client, ticket.op);
        match what {
            Observed::Invoked { ticket, request } if is_read(request) => drop(self.reads.insert(name(ticket))),
            Observed::Requested { ticket, node } if self.reads.contains(&name(ticket)) => {
                self.held.entry(*node).or_default().insert(name(ticket));
            }
            Observed::Answered { ticket, node, .. } => {
                self.held.get_mut(node).map(|held| held.remove(&name(ticket)));
            }
            Observed::Returned { ticket, .. } => drop(self.reads.remove(&name(ticket))),
            Observed::Crashed { node, .. } => drop(self.held.remove(node)),
            _ => {}
        }
    }

    /// A leader stops leading.
    pub const fn stepped_down(&mut self, node: NodeId) {
        self.stepped_down = Some(node);
    }

    /// A step is over. `may_hold` says of a node that it may have reads again: it leads anew, or some of its inputs
    /// still wait.
    pub fn after_step(&mut self, audit: &mut Audit, at: Instant, may_hold: impl FnOnce(NodeId) -> bool) {
        let Some(node) = self.stepped_down.take() else { return };
        let held = self.held.remove(&node).unwrap_or_default();
        if may_hold(node) {
            return;
        }
        self.looked_at += 1;
        // Whose client has given up meanwhile waits no longer.
        if let Some((client, op)) = held.into_iter().find(|read| self.reads.contains(read)) {
            audit.fail(at, READS_LET_GO, node, || {
                format!("{node} leads no longer, and holds operation {op} of {client}, a read, all the same")
            });
        }
    }

    /// What the rule says, if it looked at anything.
    pub fn verdict(&self, audit: &Audit) -> Option<Verdict> {
        (self.looked_at > 0).then(|| audit.rule(READS_LET_GO, self.looked_at, format!("{} leaders", self.looked_at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consensus::raft::Raft;
    use crate::shared::kv::{Kv, KvCommand};
    use sim_core::StateMachine;

    type Seen<'a> = Observed<'a, Raft<Kv>>;

    #[test]
    fn a_leader_that_stops_and_keeps_a_read_is_found() {
        let node = NodeId(1);
        let ticket = Ticket { client: ClientId(3), op: 5, floor: 0, attempt: 0 };
        let run = |request: KvCommand, redirected: bool| {
            let (mut held, mut audit) = (HeldReads::default(), Audit::new(3));
            let mut watch = |what: Seen<'_>| held.watch(&what, Kv::is_read);
            watch(Seen::Invoked { ticket, request: &request });
            watch(Seen::Requested { ticket, node });
            if redirected {
                watch(Seen::Answered { ticket, node, redirect: true, names: None });
            }
            held.stepped_down(node);
            held.after_step(&mut audit, Instant(7), |_| false);
            audit.violation().map(|violation| violation.rule.clone())
        };
        assert_eq!(run(KvCommand::Get { key: 1 }, false).as_deref(), Some(READS_LET_GO));
        assert_eq!(run(KvCommand::Get { key: 1 }, true), None);
        assert_eq!(run(KvCommand::Delete { key: 1 }, false), None, "it may yet be committed");
    }
}
