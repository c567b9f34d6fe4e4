//! What was carried out and is gone: every execution that a leader announced, held against whoever is left in the end.

use super::audit::{Audit, Operations};
use super::{Service, Survivor};
use sim_core::measures::{Losses, LostWrite, Measures};
use sim_core::sorted::SortedMap;
use sim_core::{ClientId, History, Instant, Node};
use std::collections::VecDeque;

/// Where operations were carried out, from the newest entry on that every node has in a snapshot: what is before is
/// forgotten only with the disks of all.
#[derive(Clone, Debug, Default)]
pub(super) struct Executions {
    at: VecDeque<(u64, ClientId, u64)>,
    settled: u64,
}

impl Executions {
    /// A leader carried out an operation at entry `index`.
    #[inline]
    pub fn add(&mut self, index: u64, client: ClientId, op: u64) {
        self.at.push_back((index, client, op));
    }

    /// Every node has a snapshot that goes up to `index`.
    pub fn settle(&mut self, index: u64) {
        self.settled = self.settled.max(index);
        while self.at.front().is_some_and(|(at, ..)| *at <= index) {
            self.at.pop_front();
        }
    }

    /// What `survivor` has not, of all that was `executed`.
    pub fn lost(&self, executed: &Operations, survivor: &impl Survivor) -> Vec<LostWrite> {
        let (last, base) = (survivor.last(), survivor.base());
        let gone = |(index, client, op): &&(u64, ClientId, u64)| {
            let is_there = *index <= base || survivor.operation_at(*index) == Some((*client, *op));
            *index > last || !is_there
        };
        let mut lost: Vec<(Option<u64>, ClientId, u64)> =
            self.at.iter().filter(gone).map(|(index, client, op)| (Some(*index), *client, *op)).collect();
        if self.settled > last {
            let mut later: Vec<(ClientId, u64)> = self.at.iter().map(|(_, client, op)| (*client, *op)).collect();
            later.sort_unstable();
            let settled = executed.all().filter(|this| later.binary_search(this).is_err());
            lost.splice(..0, settled.map(|(client, op)| (None, client, op)));
        }
        lost.retain(|(_, client, op)| !survivor.remembers(*client, *op));
        let node = survivor.node();
        let told = |(index, client, op): (Option<u64>, ClientId, u64)| LostWrite {
            client: client.0 + 1,
            op,
            what: format!("operation {op} of {client}"),
            why: match index {
                Some(index) if index > last => format!("it was entry {index}, and the log of {node} ends at {last}"),
                Some(index) => format!("it was entry {index}, and the log of {node} has another one there"),
                None => format!("all had it in their snapshots, and the log of {node} ends at entry {last}"),
            },
            ..LostWrite::default()
        };
        lost.into_iter().map(told).collect()
    }
}

/// What a finished run shows beside its rules: who led when, and the acknowledged writes that are gone.
pub fn measures<S, N>(audit: &Audit, history: &History<N>, nodes: &[Option<N>], end: Instant) -> Measures
where
    S: Service,
    N: Survivor + Node<Request = S::Command>,
{
    let live = || nodes.iter().flatten();
    // Whoever leads last decides what there is; without a leader, whoever can become one.
    let leader = live().filter(|node| node.leads().is_some()).max_by_key(|node| node.leads());
    let survivor = leader.or_else(|| live().max_by_key(|node| node.standing()));
    Measures {
        losses: survivor.map(|survivor| losses::<S, N>(audit, survivor, history)),
        tracks: vec![audit.leaders.finish(end)],
        ..Measures::default()
    }
}

/// What clients lost. What was written is known of a run whose history was kept.
fn losses<S, N>(audit: &Audit, survivor: &N, history: &History<N>) -> Losses
where
    S: Service,
    N: Survivor + Node<Request = S::Command>,
{
    let mut lost_writes = audit.lost(survivor);
    let place = |w: &LostWrite| (w.client, w.op);
    let known: SortedMap<_, _> = lost_writes.iter().enumerate().map(|(at, write)| (place(write), at)).collect();
    for (op, said) in history.ops.iter().zip(&history.said).filter(|_| !known.is_empty()) {
        if let Some(at) = known.get(&(op.client, op.op)) {
            lost_writes[*at].key = S::operation(&said.request).key.unwrap_or_default();
            lost_writes[*at].what = said.request.to_string();
        }
    }
    Losses { lost_writes, ..Losses::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::NodeId;

    struct Log {
        base: u64,
        entries: Vec<u64>,
        remembered: Vec<u64>,
    }

    impl Survivor for Log {
        fn node(&self) -> NodeId {
            NodeId(1)
        }
        fn leads(&self) -> Option<(u64, u64)> {
            None
        }
        fn standing(&self) -> (u64, u64) {
            (0, self.last())
        }
        fn last(&self) -> u64 {
            self.base + self.entries.len() as u64
        }
        fn base(&self) -> u64 {
            self.base
        }
        fn operation_at(&self, index: u64) -> Option<(ClientId, u64)> {
            let at = index.checked_sub(self.base + 1)? as usize;
            self.entries.get(at).map(|op| (ClientId(0), *op))
        }
        fn remembers(&self, _: ClientId, op: u64) -> bool {
            self.remembered.contains(&op)
        }
    }

    #[test]
    fn lost_is_what_the_log_that_is_left_has_not() {
        let (mut executions, mut executed) = (Executions::default(), Operations::default());
        for (index, op) in [(1, 10), (2, 11), (3, 12), (4, 13)] {
            executions.add(index, ClientId(0), op);
            executed.add(ClientId(0), op);
        }
        let lost = |executions: &Executions, base, entries: &[u64], remembered: &[u64]| {
            let log = Log { base, entries: entries.to_vec(), remembered: remembered.to_vec() };
            executions.lost(&executed, &log).iter().map(|w| w.op).collect::<Vec<_>>()
        };
        assert!(lost(&executions, 0, &[10, 11, 12, 13], &[]).is_empty());
        assert!(lost(&executions, 4, &[], &[]).is_empty());
        assert_eq!(lost(&executions, 0, &[10, 11], &[]), [12, 13], "it ends before");
        assert_eq!(lost(&executions, 1, &[11, 99, 13], &[]), [12], "another one is in its place");
        assert!(lost(&executions, 1, &[11, 99, 12, 13], &[12, 13]).is_empty(), "they came again, elsewhere");
        executions.settle(2);
        assert!(lost(&executions, 2, &[12, 13], &[]).is_empty());
        assert_eq!(lost(&executions, 0, &[], &[13]), [10, 11, 12], "all disks are empty");
    }
}
