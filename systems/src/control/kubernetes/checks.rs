//! What must hold, seen in the one history of the store, in what machines announce and in what they have heard.

mod measure;
mod rules;
mod world;

use super::api::{Key, Member, Obj, pod};
use super::message::{Event, KubeFact};
use super::node::Machine;
use super::objects::{Kind, Object, Uid};
use super::office::Office;
use super::options::Config;
use crate::consensus::raft::checks::RaftChecks;
use crate::shared::replication::CouncilChecks;
use measure::Book;
pub(super) use measure::METRICS;
use sim_core::measures::Measures;
use sim_core::sorted::SortedMap;
use sim_core::{Duration, Instant, NodeId, Observed, Observer, Violation};
use std::rc::Rc;
use world::World;

sim_core::rules! {
    /// The store's Raft keeps the rules of any other.
    pub const STORE_AGREES: &str = "store_agrees";
    /// The pods of a node request no more than it has.
    pub const NO_OVERCOMMIT: &str = "no_overcommit";
    /// No pod is bound to a node that has been closed to it for longer than it takes to hear of that.
    pub const FILTERS_HOLD: &str = "filters_hold";
    /// A pod is bound to one node, once.
    pub const BOUND_ONCE: &str = "bound_once";
    /// A deployment's sets together are no larger than it and its surge, and none is made smaller below what must be
    /// available.
    pub const SURGE_KEPT: &str = "surge_and_unavailable_kept";
    /// No eviction that a budget allowed leaves fewer healthy pods than it promises.
    pub const BUDGET_KEPT: &str = "budget_kept";
    /// Services send requests to no pod that has not been ready for longer than it takes to hear of that.
    pub const ENDPOINTS_READY: &str = "endpoints_hold_ready_pods";
    /// What a machine has heard never gets older, and in the end it has heard all that concerns it.
    pub const WATCHES: &str = "watches_miss_nothing";
    /// Of each office, one acts at a time.
    pub const ONE_ACTING: &str = "one_acting_leader";
    /// While no node at all is ready, no pod goes because of its node's taints.
    pub const NO_MASS_EVICTION: &str = "no_mass_eviction";
    /// No pod goes because of taints that it tolerates.
    pub const TOLERATED_STAY: &str = "tolerated_pods_stay";
    /// While there is a controller manager, no pod of a node that is not ready stays ready for long.
    pub const LOST_LEAVE: &str = "lost_pods_leave_services";
    /// A controller manager gives up no node that it has not listened to for the grace period.
    pub const LISTEN_FIRST: &str = "new_managers_listen_first";
    /// A kubelet that is started anew makes no pod not ready.
    pub const KUBELET_HARMLESS: &str = "kubelet_restart_is_harmless";
    /// While there is a scheduler, a pod that fits somewhere does not wait for long.
    pub const FITTING_TRIED: &str = "fitting_pods_are_tried";
    /// An autoscaler wants no more pods when they use less than it aims at, and no fewer when they use more.
    pub const KEEPS_DIRECTION: &str = "autoscaler_keeps_direction";
    /// In the end, each set has as many pods as it shall.
    pub const CONVERGES: &str = "replicas_converge";
    /// In the end, pods of a template that is rolled out are spread as they must be.
    pub const SPREAD_KEPT: &str = "spread_after_rollout";
}

/// The memory of one run.
#[derive(Clone, Debug)]
pub struct KubeChecks {
    config: Rc<Config>,
    store: CouncilChecks<Member, RaftChecks>,
    world: World,
    book: Book,
    /// How far each machine had heard.
    heard: SortedMap<NodeId, u64>,
    /// When each began to act last.
    began: SortedMap<(NodeId, u8), Instant>,
    /// When each kubelet was last started anew alone.
    kubelets: SortedMap<NodeId, Instant>,
    /// When a container of each pod last stopped.
    stopped: SortedMap<Uid, Instant>,
    /// When the rules about time were looked at last.
    looked: Instant,
    now: Instant,
    counts: SortedMap<&'static str, u64>,
    broken: Option<Violation>,
}

impl KubeChecks {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(config: &Rc<Config>) -> Self {
        Self {
            config: Rc::clone(config),
            store: CouncilChecks::new(STORE_AGREES, super::api::LANE, RaftChecks::new(config.nodes)),
            world: World::new(config.retry_period.times(3)),
            book: Book::new(),
            heard: SortedMap::new(),
            began: SortedMap::new(),
            kubelets: SortedMap::new(),
            stopped: SortedMap::new(),
            looked: Instant::ZERO,
            now: Instant::ZERO,
            counts: SortedMap::new(),
            broken: None,
        }
    }

    fn breaks(&mut self, rule: &str, node: Option<NodeId>, detail: String) {
        if self.broken.is_none() {
            self.broken = Some(Violation { rule: rule.to_owned(), at: self.now, node, detail });
        }
    }

    fn count(&mut self, rule: &'static str) {
        *self.counts.entry(rule).or_default() += 1;
    }

    fn name(&self, pod: Uid) -> String {
        self.world.pods.get(&pod).map_or_else(|| format!("pod {}", pod.0), |life| life.name.clone())
    }

    fn on_fact(&mut self, node: NodeId, fact: KubeFact) {
        let at = self.now;
        match fact {
            KubeFact::Leads { office } => {
                self.began.insert((node, office as u8), at);
                self.book.leads(at, node, office);
            }
            KubeFact::StepsDown { office } => self.book.steps_down(at, node, office),
            KubeFact::NodeLost { node: lost } => {
                self.count(LISTEN_FIRST);
                let began = self.began.get(&(node, Office::Manager as u8)).copied().unwrap_or(Instant::ZERO);
                // Its clock may be a little fast.
                if at.since(began) + Duration::secs(1) < self.config.monitor_grace {
                    let detail = format!("{node} began {} ago and gives {lost} up", at.since(began));
                    self.breaks(LISTEN_FIRST, Some(node), detail);
                }
                self.book.lost(at, lost);
            }
            KubeFact::TaintDeletes { pod, node: of } => {
                self.on_taint_delete(node, pod, of);
                self.book.evicted(at, of);
            }
            KubeFact::KubeletRestarts => _ = self.kubelets.insert(node, at),
            KubeFact::Unready { pod } => self.on_unready(node, pod),
            KubeFact::Stops { pod } => {
                self.stopped.insert(pod, at);
                let name = self.name(pod);
                self.book.stops(at, node, &name);
            }
            KubeFact::Runs { pod, restarts } => {
                let name = self.name(pod);
                self.book.runs(at, node, &name, restarts);
            }
            KubeFact::Scales { from, to, ratio, least } => {
                self.count(KEEPS_DIRECTION);
                if ratio < 1000 && to > from && from >= least || ratio > 1000 && to < from {
                    let (whole, part) = (ratio / 1000, ratio % 1000);
                    let detail = format!("{from} pods become {to}, and they use {whole}.{part:03} of what is aimed at");
                    self.breaks(KEEPS_DIRECTION, Some(node), detail);
                }
            }
            KubeFact::Held { .. } => self.book.held += 1,
            KubeFact::Preempts { .. } => self.book.preempted += 1,
            _ => {}
        }
    }

    /// A change of the store: what must hold at every single one.
    fn on_event(&mut self, event: &Event) {
        let at = self.now;
        let key = Key::of(&event.object);
        if key.kind == Kind::ReplicaSet && !event.gone {
            self.on_replica_set(&event.object);
        }
        if key.kind == Kind::PodDisruptionBudget && !event.gone {
            self.on_budget(&event.object);
        }
        let old = self.world.take(at, event);
        match &*event.object {
            Object::Pod(new) => {
                let before = old.as_ref().and_then(pod);
                self.on_pod(before, new);
                self.book.pod(at, new, self.world.pods.get(&new.meta.uid), event.gone);
            }
            Object::Node(node) => self.book.node(at, node),
            _ => {}
        }
    }

    /// Takes in what the store of this machine knows beyond what was seen before.
    fn follow(&mut self, machine: &Machine) {
        let Some(control) = machine.control() else { return };
        if control.api.seen() <= self.world.seen {
            return;
        }
        match control.api.changes(self.world.seen) {
            Some(changes) => {
                let fresh: Vec<Event> = changes.cloned().collect();
                fresh.iter().for_each(|event| self.on_event(event));
            }
            None => {
                let store = control.api.store();
                let all: Vec<Obj> = store.all().map(|(_, object)| object.clone()).collect();
                self.world.replace(self.now, store.revision(), all.into_iter());
            }
        }
    }

    /// What a machine has heard only grows, as long as it runs.
    fn on_heard(&mut self, node: NodeId, machine: &Machine) {
        let version = machine.link().cache.version;
        let before = self.heard.insert(node, version).unwrap_or(0);
        if version != before {
            self.count(WATCHES);
        }
        if version < before {
            let detail = format!("{node} had heard of revision {before}, and takes {version} for all there is");
            self.breaks(WATCHES, Some(node), detail);
        }
    }

    /// Who does anything has looked at its clock: it acts no more when somebody else has had the lease for a while.
    fn on_acting(&mut self, stepped: NodeId, machine: &Machine) {
        for office in Office::ALL {
            let Some((holder, since)) = self.world.holder(office.name()).filter(|_| machine.acts(office)) else {
                continue;
            };
            let long = self.now.since(since) > Duration::secs(1);
            let began = self.began.get(&(stepped, office as u8)).copied().unwrap_or(self.now);
            if holder != stepped && long && began < since {
                let detail =
                    format!("{stepped} acts as {office}, which {holder} has been for {}", self.now.since(since));
                self.breaks(ONE_ACTING, Some(stepped), detail);
            }
        }
    }

    pub(super) fn measures(&self, end: Instant) -> Measures {
        self.book.measures(&self.world, end)
    }
}

impl Observer<Machine> for KubeChecks {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Machine>) {
        self.now = at;
        self.store.observe(at, what);
        match what {
            Observed::Noted { node, fact } => self.on_fact(*node, *fact),
            Observed::Crashed { node, .. } => {
                self.heard.remove(node);
                self.book.crashed(at, *node);
            }
            Observed::Booted { node, .. } => self.book.booted(at, *node),
            _ => {}
        }
    }

    fn after_step(&mut self, at: Instant, stepped: NodeId, nodes: &[Option<Machine>]) -> Result<(), Violation> {
        self.now = at;
        self.store.after_step(at, stepped, nodes)?;
        if let Some(machine) = &nodes[stepped.index()] {
            self.follow(machine);
            self.on_heard(stepped, machine);
            if self.config.controls(stepped) {
                self.on_acting(stepped, machine);
            }
        }
        if at.since(self.looked) >= Duration::secs(1) {
            self.looked = at;
            self.look();
            self.book.sample(at, &self.world);
        }
        self.broken.take().map_or(Ok(()), Err)
    }
}
