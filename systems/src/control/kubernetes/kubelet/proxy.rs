//! Requests: a node's proxy takes them to one of the ready pods behind a service, as far as it has heard of those, each
//! with the same chance (kube-proxy by iptables). The pod serves one after the other, as fast as its node lets it.

use super::pods::Local;
use super::{Due, Worker};
use crate::control::kubernetes::api::{Cache, Key, machine_of};
use crate::control::kubernetes::message::{KubeMessage, KubeRequest, KubeResponse, Served};
use crate::control::kubernetes::node::Fx;
use crate::control::kubernetes::objects::{Kind, Object, Uid};
use sim_core::sorted::SortedMap;
use sim_core::{Duration, LocalInstant, NodeId, Ticket};

/// How long a proxy remembers a request that nobody answers.
const FORGOTTEN: Duration = Duration::secs(30);
/// Who has more to do than this takes no more requests.
const BACKLOG: Duration = Duration::millis(200);
/// What a pod weighs that requests no processor time, in thousandths of a core: `cpu.shares` of 2.
const LEAST: i64 = 2;

/// What a caller waits for.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    ticket: Ticket,
    pod: Uid,
    node: NodeId,
    since: LocalInstant,
}

/// What a pod is working on.
#[derive(Clone, Copy, Debug)]
struct Work {
    from: NodeId,
    number: u64,
    pod: Uid,
    took: Duration,
}

/// The proxy of a node, and what its pods are working on.
#[derive(Clone, Debug)]
pub(super) struct Proxy {
    numbers: u64,
    waiting: SortedMap<u64, Waiting>,
    work: SortedMap<u64, Work>,
}

impl Proxy {
    pub fn new(fx: &mut Fx<'_>) -> Self {
        Self { numbers: fx.rng().next_u64() >> 16, waiting: SortedMap::new(), work: SortedMap::new() }
    }

    /// Somebody calls a service.
    pub fn on_caller(&mut self, cache: &Cache, ticket: Ticket, request: KubeRequest, fx: &mut Fx<'_>) {
        let services = cache.of(Kind::Service).count() as u64;
        let service = (services > 0).then(|| cache.of(Kind::Service).nth((request.service() % services) as usize));
        let endpoints = service
            .flatten()
            .and_then(|object| cache.get(&Key::of(object).beside(Kind::Endpoints, &object.meta().name)));
        let Some(Object::Endpoints(endpoints)) = endpoints.map(|object| &**object) else { return fx.refuse(ticket) };
        if endpoints.ready.is_empty() {
            return fx.refuse(ticket);
        }
        let chosen = &endpoints.ready[fx.rng().below(endpoints.ready.len() as u64) as usize];
        let Some(node) = machine_of(&chosen.node) else { return fx.refuse(ticket) };
        self.numbers += 1;
        self.waiting.insert(self.numbers, Waiting { ticket, pod: chosen.uid, node, since: fx.now() });
        fx.send(node, KubeMessage::Request { number: self.numbers, pod: chosen.uid });
    }

    pub fn on_response(&mut self, number: u64, served: Served, fx: &mut Fx<'_>) {
        let Some(Waiting { ticket, pod, node, .. }) = self.waiting.remove(&number) else { return };
        match served {
            Served::Well => fx.reply(ticket, KubeResponse::Served { pod: pod.0, node }),
            Served::Badly | Served::Refused => fx.refuse(ticket),
        }
    }

    /// The machine that a request went to is gone.
    pub fn on_closed(&mut self, peer: NodeId, fx: &mut Fx<'_>) {
        self.waiting.retain(|_, waiting| {
            if waiting.node == peer {
                fx.refuse(waiting.ticket);
            }
            waiting.node != peer
        });
    }

    pub fn on_tick(&mut self, now: LocalInstant) {
        self.waiting.retain(|_, waiting| now.since(waiting.since) < FORGOTTEN);
    }
}

impl Worker {
    /// A request for a pod of this node.
    pub(super) fn on_request(&mut self, from: NodeId, number: u64, uid: Uid, fx: &mut Fx<'_>) {
        let now = fx.now();
        let served = match self.pods.get(&uid) {
            Some(local) if local.serves(now) => {
                if local.busy.0.saturating_sub(now.0) > BACKLOG.0 {
                    Served::Badly
                } else {
                    Served::Well
                }
            }
            Some(local) if local.runs() => Served::Badly,
            _ => Served::Refused,
        };
        if served != Served::Well {
            return fx.send(from, KubeMessage::Response { number, served });
        }
        let took = self.takes(uid, now);
        let Some(local) = self.pods.get_mut(&uid) else { return };
        local.busy = local.busy.max(now) + took;
        local.used += self.config.work.0;
        let done = local.busy;
        self.proxy.numbers += 1;
        self.proxy.work.insert(self.proxy.numbers, Work { from, number, pod: uid, took });
        self.agenda.at(done, Due::Served(self.proxy.numbers));
        self.agenda.arm(fx);
    }

    /// How long a request takes in a pod: busy pods share the processor by what they request, and none uses more than
    /// a core, or its limit.
    fn takes(&self, uid: Uid, now: LocalInstant) -> Duration {
        let weight = |local: &Local| local.spec.demand().cpu.max(LEAST);
        let busy = |local: &&Local| local.uid == uid || local.burns() || local.busy > now && local.runs();
        let sum: i64 = self.pods.values().filter(busy).map(weight).sum();
        let Some(local) = self.pods.get(&uid) else { return self.config.work };
        let limit = local.spec.containers.iter().filter_map(|one| one.limits.cpu).sum::<i64>();
        let limit = if limit > 0 { limit.min(1000) } else { 1000 };
        let share = i64::from(self.config.node_cpu) * weight(local) / sum.max(1);
        let gets = share.clamp(1, limit) as u64;
        Duration(self.config.work.0 * 1000 / gets)
    }

    pub(super) fn on_served(&mut self, work: u64, fx: &mut Fx<'_>) {
        let Some(Work { from, number, took, .. }) = self.proxy.work.remove(&work) else { return };
        fx.worked(None, took);
        fx.send(from, KubeMessage::Response { number, served: Served::Well });
    }

    /// A pod's containers are gone, and with them what they were working on.
    pub(super) fn refuse_all(&mut self, uid: Uid, fx: &mut Fx<'_>) {
        self.proxy.work.retain(|_, work| {
            if work.pod == uid {
                fx.send(work.from, KubeMessage::Response { number: work.number, served: Served::Refused });
            }
            work.pod != uid
        });
        if let Some(local) = self.pods.get_mut(&uid) {
            local.busy = fx.now();
        }
    }

    /// Somebody asks what the pods use.
    pub(super) fn on_usage(&mut self, from: NodeId, fx: &mut Fx<'_>) {
        let now = fx.now();
        let past = now.since(self.measured).0.max(1);
        self.measured = now;
        let burning = self.pods.values().filter(|local| local.burns()).count() as u32;
        let share = self.config.node_cpu.checked_div(burning).map_or(0, |share| share.min(1000));
        let uses = self.pods.values_mut().filter(|local| local.runs()).map(|local| {
            let used = core::mem::take(&mut local.used);
            let milli = (u128::from(used) * 1000 / u128::from(past)) as u32;
            (local.uid, if local.burns() { share } else { milli })
        });
        let pods: Vec<(Uid, u32)> = uses.collect();
        fx.send(from, KubeMessage::Uses { pods: pods.into() });
    }
}
