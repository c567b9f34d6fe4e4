//! Snapshots that lie on disks: what a node has synced, it finds after a restart.

use super::audit::Audit;
use sim_core::sorted::SortedMap;
use sim_core::{Instant, Node, NodeId, Observed, Verdict};

sim_core::rules! {
    /// A snapshot that a node has taken, or begun anew from, and has synced is there after a restart, unless the disk
    /// was lost.
    pub const SNAPSHOTS_STAY: &str = "snapshots_stay";
}

/// What is known of one node.
#[derive(Clone, Copy, Debug, Default)]
struct Disk {
    /// The newest record.
    written: u64,
    /// The newest snapshot, and its record or a later one.
    newest: Option<(u64, u64)>,
    /// As far as a sync under way covers it.
    syncing: Option<(u64, u64)>,
    durable: u64,
    /// Whether it has booted in this step.
    booted: bool,
}

/// The memory over one run.
#[derive(Clone, Debug, Default)]
pub struct KeptSnapshots {
    disks: SortedMap<NodeId, Disk>,
    looked_at: u64,
}

impl KeptSnapshots {
    /// What happened to machines.
    pub fn watch<N: Node>(&mut self, what: &Observed<'_, N>) {
        match what {
            Observed::Appended { node, write, .. } => self.disks.entry(*node).or_default().written = write.0,
            Observed::SyncStarted { node, .. } => {
                let disk = self.disks.entry(*node).or_default();
                disk.syncing = disk.newest.take().map(|(index, _)| (index, disk.written)).or(disk.syncing);
            }
            Observed::Synced { node, upto, ok: true } => {
                let disk = self.disks.entry(*node).or_default();
                if let Some((index, _)) = disk.syncing.take_if(|(_, need)| upto.0 >= *need) {
                    disk.durable = disk.durable.max(index);
                }
            }
            // What a failed sync covered is on the disk or is not, and no later sync tells.
            Observed::Synced { node, ok: false, .. } => self.disks.entry(*node).or_default().syncing = None,
            Observed::Crashed { node, .. } => {
                let disk = self.disks.entry(*node).or_default();
                (disk.newest, disk.syncing) = (None, None);
            }
            // An empty disk is a new one, or was wiped.
            Observed::Booted { node, records: 0 } => drop(self.disks.remove(node)),
            Observed::Booted { node, .. } => self.disks.entry(*node).or_default().booted = true,
            _ => {}
        }
    }

    /// A node has a snapshot that ends at `index`, as it says in the step that writes it.
    pub fn noted(&mut self, node: NodeId, index: u64) {
        let disk = self.disks.entry(node).or_default();
        disk.newest = Some((index, disk.written));
    }

    /// A step of `node` is over, in which it may have booted: then with a log that begins behind a snapshot at `base`.
    /// `None` if it found that its disk is no more what it was.
    pub fn after_step(&mut self, audit: &mut Audit, at: Instant, node: NodeId, base: impl FnOnce() -> Option<u64>) {
        let Some(disk) = self.disks.get_mut(&node).filter(|disk| disk.booted) else { return };
        disk.booted = false;
        let Some(base) = base() else {
            *disk = Disk::default();
            return;
        };
        let durable = disk.durable;
        self.looked_at += u64::from(durable > 0);
        if base < durable {
            audit.fail(at, SNAPSHOTS_STAY, node, || {
                format!(
                    "{node} had the snapshot at {durable} on its disk, and knows nothing behind {base} after a restart"
                )
            });
        }
    }

    /// What the rule says, if it looked at anything.
    pub fn verdict(&self, audit: &Audit) -> Option<Verdict> {
        (self.looked_at > 0).then(|| audit.rule(SNAPSHOTS_STAY, self.looked_at, format!("{} restarts", self.looked_at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consensus::raft::{Raft, Record};
    use crate::shared::kv::Kv;
    use sim_core::WriteId;

    type Seen<'a> = Observed<'a, Raft<Kv>>;

    #[test]
    fn a_snapshot_that_was_synced_and_is_gone_is_found() {
        let node = NodeId(1);
        let failing = |fails: bool, upto: u64, base: Option<u64>| {
            let (mut kept, mut audit) = (KeptSnapshots::default(), Audit::new(3));
            let record = Record::Hard { term: 1, vote: None };
            kept.watch(&Seen::Appended { node, write: WriteId(4), record: &record });
            kept.noted(node, 20);
            kept.watch(&Seen::SyncStarted { node, due: Instant(2) });
            if fails {
                kept.watch(&Seen::Synced { node, upto: WriteId(upto), ok: false });
                kept.watch(&Seen::SyncStarted { node, due: Instant(3) });
            }
            kept.watch(&Seen::Synced { node, upto: WriteId(upto), ok: true });
            kept.watch(&Seen::Crashed { node, halted: None, lost_records: 0 });
            kept.watch(&Seen::Booted { node, records: 1 });
            kept.after_step(&mut audit, Instant(7), node, || base);
            audit.violation().map(|violation| violation.rule.clone())
        };
        let run = |upto, base| failing(false, upto, base);
        assert_eq!(run(4, Some(0)).as_deref(), Some(SNAPSHOTS_STAY));
        assert_eq!(run(4, Some(20)), None);
        assert_eq!(run(3, Some(0)), None, "it was not durable");
        assert_eq!(run(4, None), None, "the disk was lost");
        assert_eq!(failing(true, 4, Some(0)), None, "nobody knows what the first sync has written");
    }
}
