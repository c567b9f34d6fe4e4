//! What a run came to: fail-overs with their phases, acknowledged writes that are lost, and times in which two nodes
//! wrote.

use super::checks::{Beginning, ClusterChecks, Mark};
use super::data::StreamId;
use super::message::How;
use super::node::Cluster;
use crate::shared::fail_over::fail_overs;
use sim_core::measures::{Losses, LostWrite, Measures, TwoPrimaries};
use sim_core::recovery::Recovery;
use sim_core::{Instant, NodeId};

impl ClusterChecks {
    /// Everything this system measures.
    #[must_use]
    pub(super) fn measures(&self, nodes: &[Option<Cluster>]) -> Measures {
        let lost = self.lost(nodes);
        let lost_writes = lost.iter().map(|(told, _)| {
            let write = self.writes.get(&told.place);
            let node = write.map_or(NodeId(0), |write| write.node);
            LostWrite {
                client: told.client.0 + 1,
                op: told.op,
                key: told.key,
                what: format!("written at {}", told.place),
                acknowledged_ns: told.at.0,
                node: node.0,
                why: self.why(told.place, node).to_owned(),
            }
        });
        let losses = Losses {
            lost_writes: lost_writes.collect(),
            stale_reads: Some(0),
            stale: self.stale_reads.clone(),
            two_primaries: Some(self.two_primaries()),
            ..Losses::default()
        };
        let promotions = self.beginnings.iter().filter(|b| b.how == How::Promoted);
        let recoveries = Some(fail_overs(promotions.map(|b| self.failover(b)).collect()));
        let mut measures = Measures { losses: Some(losses), recoveries, ..Measures::default() };
        let reasons = [("moved", self.moved), ("cluster_down", self.refused)];
        measures.errors.extend(reasons.into_iter().filter(|(_, n)| *n > 0).map(|(why, n)| (why.to_owned(), n)));
        measures
    }

    /// Why a write is gone: the first stream that began without it where it might have been.
    fn why(&self, place: super::data::Position, node: NodeId) -> &'static str {
        let root = self.streams.root(place.stream);
        let without = |b: &&Beginning| self.streams.root(b.stream) == root && !self.streams.holds(b.after, place);
        let later =
            self.beginnings.iter().filter(without).find(|b| b.stream != place.stream && b.after.stream != StreamId(0));
        match later {
            Some(b) if b.how == How::Promoted => "it had not reached the replica that was promoted",
            Some(b) if b.node == node => "it was not on the disk of the primary when that restarted",
            Some(_) => "it had not reached the node that restarted as primary",
            None => "unknown",
        }
    }

    fn failover(&self, beginning: &Beginning) -> Recovery {
        let before = |what: &dyn Fn(NodeId, Mark) -> bool| {
            let mark = |(at, node, mark): &&(Instant, NodeId, Mark)| *at <= beginning.at && what(*node, *mark);
            self.marks.iter().rev().find(mark).map(|(at, ..)| *at)
        };
        let Some(old) = beginning.old else { return Recovery { steps: vec![None; 4], ..Recovery::default() } };
        let gone = |node: NodeId, mark: Mark| node == old && matches!(mark, Mark::Crashed | Mark::Paused(true));
        let back = |node: NodeId, mark: Mark| node == old && matches!(mark, Mark::Booted | Mark::Paused(false));
        let stopped = before(&gone).filter(|gone| before(&back).is_none_or(|back| back < *gone));
        // The first to say so in this fail-over: after the one before it, if there was one.
        let last =
            self.beginnings.iter().filter(|b| b.at < beginning.at && Some(b.node) == beginning.old).map(|b| b.at);
        let last = last.max().unwrap_or(Instant::ZERO);
        let failed = |(at, _, mark): &&(Instant, NodeId, Mark)| {
            *at > last.max(stopped.unwrap_or(last)) && *at <= beginning.at && *mark == Mark::Failed(old)
        };
        let detected = self.marks.iter().find(failed).map(|(at, ..)| *at);
        // What it wrote last, if it could still serve.
        let wrote = self
            .writes
            .values()
            .filter(|write| write.node == old && write.at <= beginning.at)
            .map(|write| write.at)
            .max();
        // One that could still serve counts as given up when it was held for failed.
        let gave_up = wrote.into_iter().chain(detected).min();
        let began = stopped.or(gave_up).unwrap_or(beginning.at);
        let decided = before(&|_, mark| mark == Mark::Voted(beginning.node));
        Recovery {
            shard: self.shard(beginning.stream),
            began_ns: began.0,
            steps: [detected, decided, Some(beginning.at), beginning.served].map(|at| at.map(|at| at.0)).into(),
            old: Some(old.0),
            new: Some(beginning.node.0),
            needless: stopped.is_none() && beginning.in_order,
            planned: false,
        }
    }

    /// Which shard a stream belongs to, numbered like those of operations: by the primary that had it at first. It goes
    /// back to the disk of that one, or of one of its replicas.
    fn shard(&self, stream: StreamId) -> u32 {
        let root = self.streams.root(stream);
        let node = self.beginnings.iter().find(|b| b.stream == root).map_or(NodeId(0), |b| b.node);
        self.config().primary_of(node).unwrap_or(node).0
    }

    fn two_primaries(&self) -> Vec<TwoPrimaries> {
        let spans = self.stale.iter().map(|((old, new, since), (last, writes))| TwoPrimaries {
            from_ns: since.0,
            to_ns: last.0,
            nodes: vec![old.0, new.0],
            writes: *writes,
        });
        let mut spans: Vec<TwoPrimaries> = spans.collect();
        // One span for each pair, however many slots it was about.
        spans.sort_by(|a, b| (&a.nodes, a.from_ns).cmp(&(&b.nodes, b.from_ns)));
        let mut merged: Vec<TwoPrimaries> = Vec::new();
        for span in spans {
            match merged.last_mut() {
                Some(last) if last.nodes == span.nodes && span.from_ns <= last.to_ns => {
                    last.to_ns = last.to_ns.max(span.to_ns);
                    last.writes += span.writes;
                }
                _ => merged.push(span),
            }
        }
        merged.sort_by_key(|span| span.from_ns);
        merged
    }
}
