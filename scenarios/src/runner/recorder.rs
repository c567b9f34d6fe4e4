//! The recorder: keeps what a report needs and hands the history on as it happens. Keeps nothing nobody asked for.

use super::coverage::Coverage;
use super::history::HistoryWriter;
use crate::Scenario;
use sim_core::measures::{Condition, Conditions};
use sim_core::record::{Mark, OpRecord};
use sim_core::{
    Class, ClientId, Drop, Fact, Fate, History, Instant, Kind, Node, NodeId, Observed, Observer, Outcome, Peer, Said,
    System, Violation,
};
use std::collections::BTreeMap;
use std::io;

/// More landmarks than this are counted but no longer kept one by one.
const MARKS: usize = 200_000;

/// An [`Observer`] that keeps the makings of a report.
pub(super) struct Recorder<'a, S: System> {
    writer: Option<HistoryWriter<'a>>,
    /// Whether operations are kept beyond what the history needs.
    keep_ops: bool,
    history: History<S::Node>,
    marks: Vec<Mark>,
    marks_left_out: u64,
    counts: [u64; Kind::LIMIT],
    names: [&'static str; Kind::LIMIT],
    /// Workload clients sit before the probes.
    first_probe: u32,
    zones: Vec<u16>,
    /// What says in which shard a key lies, where there are shards.
    sharded: Option<<S::Node as Node>::Config>,
    heal_at: Instant,
    progress: [Progress; 2],
    waits: Vec<Wait>,
    conditions: Conditions,
    /// What the run goes through, if somebody searches for what few runs do.
    pub coverage: Option<Box<Coverage>>,
}

/// A fork of a run keeps what its trunk kept.
impl<S: System> Clone for Recorder<'_, S> {
    fn clone(&self) -> Self {
        assert!(self.writer.is_none(), "a run that writes its history does not fork");
        Self {
            writer: None,
            keep_ops: self.keep_ops,
            history: self.history.clone(),
            marks: self.marks.clone(),
            marks_left_out: self.marks_left_out,
            counts: self.counts,
            names: self.names,
            first_probe: self.first_probe,
            zones: self.zones.clone(),
            sharded: self.sharded.clone(),
            heal_at: self.heal_at,
            progress: self.progress,
            waits: self.waits.clone(),
            conditions: self.conditions.clone(),
            coverage: self.coverage.clone(),
        }
    }
}

/// A client's first wait once the faults are over.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wait {
    /// Since when: the faults' end, or its first question after.
    pub since: Option<Instant>,
    /// When it had its first answer.
    pub answered: Option<Instant>,
    /// When it last gave up or had an answer.
    pub until: Instant,
}

/// What became of the reads, or of the writes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// How many there were.
    pub tried: u64,
    /// How many began after the faults were over.
    pub tried_after_heal: u64,
    /// When the last one that succeeded began.
    pub last_ok: Option<Instant>,
}

/// What a recorder kept.
pub(super) struct Kept<S: System> {
    pub history: History<S::Node>,
    /// Whether its operations belong into the record.
    pub keep_ops: bool,
    pub marks: Vec<Mark>,
    pub facts: BTreeMap<String, u64>,
    pub notes: Vec<String>,
    /// Of its writes or, in a run without any, of its reads.
    pub progress: (Class, Progress),
    /// Of each client.
    pub waits: Vec<Wait>,
    /// Links that were full.
    pub conditions: Conditions,
}

impl<'a, S: System> Recorder<'a, S> {
    pub fn new(
        scenario: &Scenario,
        config: &<S::Node as Node>::Config,
        writer: Option<HistoryWriter<'a>>,
        keep_ops: bool,
        keep_history: bool,
    ) -> Self {
        let workload_zones = scenario.workloads.iter().flat_map(|w| (0..w.clients).map(|i| w.zone_of(i)));
        // Two probes a zone, in the order in which the cluster seats them.
        let probe_zones = scenario.probe_zones().into_iter().flat_map(|zone| [zone, zone]);
        let zones: Vec<u16> = workload_zones.chain(probe_zones).collect();
        Self {
            writer,
            keep_ops,
            history: History { kept: keep_history, ..History::default() },
            marks: Vec::new(),
            marks_left_out: 0,
            counts: [0; Kind::LIMIT],
            names: [""; Kind::LIMIT],
            first_probe: scenario.clients(),
            waits: vec![Wait::default(); zones.len()],
            zones,
            sharded: (S::profile(config).shards > 0).then(|| config.clone()),
            heal_at: scenario.heal_at(),
            progress: [Progress::default(); 2],
            conditions: Conditions::default(),
            coverage: None,
        }
    }

    /// Takes the recorder apart.
    pub fn finish(self) -> io::Result<Kept<S>> {
        if let Some(writer) = self.writer {
            writer.finish()?;
        }
        let facts = self.names.iter().zip(self.counts).filter(|(_, n)| *n > 0);
        let mut notes = Vec::new();
        if self.marks_left_out > 0 {
            notes
                .push(format!("{} landmarks beyond the first {MARKS} are counted but not listed", self.marks_left_out));
        }
        let [reads, writes] = self.progress;
        Ok(Kept {
            history: self.history,
            keep_ops: self.keep_ops,
            marks: self.marks,
            facts: facts.map(|(name, n)| ((*name).to_owned(), n)).collect(),
            notes,
            progress: if writes.tried == 0 { (Class::Read, reads) } else { (Class::Write, writes) },
            waits: self.waits,
            conditions: self.conditions,
        })
    }

    /// A link had no room for what it was given.
    #[cold]
    fn overflowed(&mut self, at: Instant, from: Peer, to: Peer) {
        let end = |peer: Peer| match peer {
            Peer::Node(node) => node.to_string(),
            Peer::Client(_) => "clients".to_owned(),
        };
        let label = format!("overload, the link from {} to {} is full", end(from), end(to));
        let node = |peer| if let Peer::Node(NodeId(node)) = peer { Some(node) } else { None };
        let nodes = || [node(from), node(to)].into_iter().flatten().collect();
        let kind = || "overload".to_owned();
        self.conditions.seen(at, &label, || Condition { kind: kind(), nodes: nodes(), ..Condition::default() });
    }

    fn noted(&mut self, at: Instant, node: NodeId, fact: <S::Node as Node>::Fact) {
        let kind = fact.kind();
        self.counts[kind.index as usize] += 1;
        self.names[kind.index as usize] = kind.name;
        if fact.landmark() {
            if self.marks.len() < MARKS {
                let (detail, why) = (format!("{fact:?}"), fact.why().map(str::to_owned));
                self.marks.push(Mark { at_ns: at.0, node: node.0, kind: kind.name.to_owned(), detail, why });
            } else {
                self.marks_left_out += 1;
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "an operation has this many properties")]
    fn returned(
        &mut self,
        at: Instant,
        client: ClientId,
        op: u64,
        attempts: u32,
        request: &<S::Node as Node>::Request,
        invoked: Instant,
        outcome: &Outcome<<S::Node as Node>::Response>,
        node: Option<u32>,
    ) {
        let operation = S::operation(request);
        let record = OpRecord {
            client: client.0 + 1,
            op,
            class: operation.class,
            probe: client.0 >= self.first_probe,
            zone: self.zones[client.index()],
            shard: match (&self.sharded, operation.key) {
                (Some(config), Some(key)) => S::shard(config, key),
                _ => 0,
            },
            invoke_ns: invoked.0,
            return_ns: at.0,
            outcome: outcome.fate(),
            node,
            attempts,
        };
        let progress = &mut self.progress[usize::from(record.class == Class::Write)];
        progress.tried += 1;
        progress.tried_after_heal += u64::from(invoked >= self.heal_at);
        if record.outcome == Fate::Ok {
            progress.last_ok = progress.last_ok.max(Some(invoked));
        }
        if at >= self.heal_at {
            let wait = &mut self.waits[client.index()];
            let since = invoked.max(self.heal_at);
            wait.since = Some(wait.since.map_or(since, |earlier| earlier.min(since)));
            wait.until = wait.until.max(at);
            if record.outcome == Fate::Ok {
                wait.answered = Some(wait.answered.map_or(at, |earlier| earlier.min(at)));
            }
        }
        if self.history.kept {
            self.history.said.push(Said { request: request.clone(), outcome: outcome.clone() });
        }
        if self.keep_ops || self.history.kept {
            self.history.ops.push(record);
        }
        if let Some(writer) = &mut self.writer {
            let response = if let Outcome::Ok(response) = outcome { Some(response) } else { None };
            writer.add(record, &operation, request, response);
        }
    }
}

impl<S: System> Observer<S::Node> for Recorder<'_, S> {
    #[inline(always)]
    fn observe(&mut self, at: Instant, what: &Observed<'_, S::Node>) {
        if let Some(coverage) = &mut self.coverage {
            coverage.see(at, what);
        }
        match what {
            Observed::Noted { node, fact } => self.noted(at, *node, *fact),
            Observed::Dropped { from, to, why: Drop::QueueFull, .. } => self.overflowed(at, *from, *to),
            Observed::Returned { ticket, request, invoked, outcome, node } => self.returned(
                at,
                ticket.client,
                ticket.op,
                ticket.attempt + 1,
                request,
                *invoked,
                outcome,
                node.map(|n| n.0),
            ),
            _ => {}
        }
    }
    #[inline(always)]
    fn after_step(&mut self, at: Instant, stepped: NodeId, nodes: &[Option<S::Node>]) -> Result<(), Violation> {
        if let Some(coverage) = &mut self.coverage {
            coverage.stepped(at, stepped, nodes);
        }
        Ok(())
    }
}
