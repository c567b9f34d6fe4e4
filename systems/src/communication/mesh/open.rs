//! Tries that replicas have and have not answered, as a trace of the run shows them: what each rests on, when it must
//! be answered, and where its time goes.

use super::graph::ServiceId;
use super::message::Span;
use sim_core::sorted::SortedMap;
use sim_core::{Duration, Instant, NodeId};

/// A call that a try waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Awaited {
    pub route: u16,
    pub request: u64,
    pub to: ServiceId,
    /// Whether it must be answered well before the try may be.
    pub needed: bool,
}

/// A try that a replica has.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub came: Instant,
    /// When nobody waits for it any more, if it was told.
    pub expires: Option<Instant>,
    /// Calls that it waits for.
    pub calls: Vec<Awaited>,
    /// Since when it has waited for any.
    waits: Instant,
    /// Whether it was delivered twice: the replica works twice then, and answers twice.
    pub twice: bool,
}

/// Where the time of a service's slots goes, in nanoseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Spent {
    pub own: u64,
    pub calls: SortedMap<ServiceId, u64>,
}

/// All of them.
#[derive(Clone, Debug)]
pub(super) struct Opens {
    /// By replica.
    open: Vec<SortedMap<Span, Open>>,
    /// Of each replica, whose calls are whose.
    calls: Vec<SortedMap<(u16, u64), Span>>,
    pub spent: Vec<Spent>,
}

impl Opens {
    pub fn new(nodes: usize, services: usize) -> Self {
        Self {
            open: vec![SortedMap::new(); nodes],
            calls: vec![SortedMap::new(); nodes],
            spent: vec![Spent::default(); services],
        }
    }

    pub fn get(&self, node: NodeId, span: Span) -> Option<&Open> {
        self.open[node.index()].get(&span)
    }

    pub fn begin(&mut self, at: Instant, node: NodeId, span: Span, within: Option<Duration>) {
        let expires = within.map(|within| at + within);
        let open = Open { came: at, expires, calls: Vec::new(), waits: at, twice: false };
        let twice = |open: &mut Open| (open.twice, open.expires) = (true, open.expires.max(expires));
        self.open[node.index()].entry(span).and_modify(twice).or_insert(open);
    }

    /// A call is made for it that must be answered.
    pub fn awaits(&mut self, at: Instant, node: NodeId, span: Span, call: Awaited) {
        if let Some(open) = self.open[node.index()].get_mut(&span) {
            if open.calls.is_empty() {
                open.waits = at;
            }
            open.calls.push(call);
            self.calls[node.index()].insert((call.route, call.request), span);
        }
    }

    /// That is answered.
    pub fn answered(&mut self, at: Instant, node: NodeId, service: ServiceId, route: u16, request: u64) {
        let Some(span) = self.calls[node.index()].remove(&(route, request)) else { return };
        let Some(open) = self.open[node.index()].get_mut(&span) else { return };
        let Some(place) = open.calls.iter().position(|call| (call.route, call.request) == (route, request)) else {
            return;
        };
        let call = open.calls.swap_remove(place);
        if open.calls.is_empty() {
            let spent = self.spent[usize::from(service.0)].calls.entry(call.to).or_default();
            *spent += at.since(open.waits).0;
        }
    }

    /// It is over, however.
    pub fn end(&mut self, at: Instant, node: NodeId, service: ServiceId, span: Span) -> Option<Open> {
        let open = self.open[node.index()].remove(&span)?;
        for call in &open.calls {
            self.calls[node.index()].remove(&(call.route, call.request));
        }
        if let Some(call) = open.calls.first() {
            let spent = self.spent[usize::from(service.0)].calls.entry(call.to).or_default();
            *spent += at.since(open.waits).0;
        }
        Some(open)
    }

    /// A replica is gone, with all it had.
    pub fn crash(&mut self, node: NodeId) {
        self.open[node.index()].clear();
        self.calls[node.index()].clear();
    }
}
