//! Snapshots travel in pieces: which have arrived where, so that nobody begins anew from one with a hole.

use sim_core::NodeId;
use sim_core::sorted::SortedMap;

/// Which snapshot: the last place it covers, and the running hash of the log up to there.
type Id = (u64, u64);

/// What has arrived of one snapshot at one node.
#[derive(Clone, Debug, Default)]
struct Arrived {
    /// Ranges of bytes, in order and apart from each other.
    ranges: Vec<(u64, u64)>,
    /// Size of the whole, in bytes.
    whole: u64,
}

/// What has arrived of the snapshots under way.
#[derive(Clone, Debug, Default)]
pub struct Pieces {
    arrived: SortedMap<(NodeId, Id), Arrived>,
    /// Snapshots that were begun from.
    pub installed: u64,
}

impl Pieces {
    /// Bytes `from..to` of a snapshot of `whole` bytes arrived at `node`.
    pub fn arrived(&mut self, node: NodeId, id: Id, (from, to): (u64, u64), whole: u64) {
        let Arrived { ranges, whole: size } = self.arrived.entry((node, id)).or_default();
        *size = whole;
        // Those it touches become one with it.
        let first = ranges.partition_point(|(_, end)| *end < from);
        let last = ranges.partition_point(|(begin, _)| *begin <= to);
        let touched = &ranges[first..last.max(first)];
        let joined = touched.iter().fold((from, to), |(from, to), (begin, end)| (from.min(*begin), to.max(*end)));
        ranges.splice(first..last.max(first), [joined]);
    }

    /// What `node` had in memory is gone.
    pub fn crashed(&mut self, node: NodeId) {
        self.arrived.retain(|(at, _), _| *at != node);
    }

    /// `node` begins anew from a snapshot. Returns the first byte that is missing, if one is.
    pub fn installed(&mut self, node: NodeId, id: Id) -> Option<u64> {
        self.installed += 1;
        let Arrived { ranges, whole } = self.arrived.remove(&(node, id)).unwrap_or_default();
        self.crashed(node);
        match ranges.as_slice() {
            [] => Some(0),
            [(0, end), ..] => (*end < whole).then_some(*end),
            _ => Some(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_found_and_duplicates_fill_none() {
        let (node, id) = (NodeId(2), (40, 7));
        let missing = |pieces: &[(u64, u64)]| {
            let mut all = Pieces::default();
            all.arrived(node, (30, 5), (0, 100), 100);
            pieces.iter().for_each(|piece| all.arrived(node, id, *piece, 100));
            all.installed(node, id)
        };
        assert_eq!(missing(&[(0, 30), (30, 60), (60, 100)]), None);
        assert_eq!(missing(&[(60, 100), (0, 30), (20, 70)]), None, "in any order, overlapping");
        assert_eq!(missing(&[(0, 30), (0, 30), (0, 30), (60, 100)]), Some(30));
        assert_eq!(missing(&[(30, 60), (60, 100)]), Some(0));
        assert_eq!(missing(&[(0, 60)]), Some(60));
        assert_eq!(missing(&[]), Some(0), "those of another snapshot do not count");
        let mut crashed = Pieces::default();
        crashed.arrived(node, id, (0, 60), 100);
        crashed.crashed(node);
        crashed.arrived(node, id, (60, 100), 100);
        assert_eq!(crashed.installed(node, id), Some(0), "what came before the crash is gone");
    }
}
