//! A machine of the system: one of the control plane, or a worker, by its number.

use super::api::{Link, Member};
use super::control::Control;
use super::kubelet::Worker;
use super::message::{KubeFact, KubeMessage, KubeRecord, KubeRequest, KubeResponse};
use super::office::Office;
use super::options::Config;
use crate::shared::replication::Consensus;
use sim_core::{Completion, Effects, Node, NodeId, Order, Replay, Role, Ticket, Timer};
use std::rc::Rc;

/// A node's outputs.
pub(super) type Fx<'a> = Effects<'a, Machine>;

/// Something is due.
pub(super) const CLOCK: Timer = Timer(0);
/// How many timer slots a node uses.
pub const TIMERS: u16 = super::api::TIMERS_FROM + Member::TIMERS;

/// A node.
#[derive(Clone, Debug)]
pub enum Machine {
    /// One of the control plane.
    Control(Box<Control>),
    /// One that runs pods.
    Worker(Box<Worker>),
}

impl Machine {
    /// As one of the control plane.
    #[must_use]
    pub const fn control(&self) -> Option<&Control> {
        if let Self::Control(control) = self { Some(control) } else { None }
    }

    /// As one that runs pods.
    #[must_use]
    pub const fn worker(&self) -> Option<&Worker> {
        if let Self::Worker(worker) = self { Some(worker) } else { None }
    }
}

impl Node for Machine {
    const CONNECTS: bool = true;
    type Config = Rc<Config>;
    type Message = KubeMessage;
    type Request = KubeRequest;
    type Response = KubeResponse;
    type Record = KubeRecord;
    type Fact = KubeFact;

    fn boot(config: &Rc<Config>, me: NodeId, disk: Replay<'_, KubeRecord>, fx: &mut Fx<'_>) -> Self {
        if config.controls(me) {
            Self::Control(Box::new(Control::boot(config, me, disk, fx)))
        } else {
            Self::Worker(Box::new(Worker::boot(config, me, disk, fx)))
        }
    }

    fn on_message(&mut self, from: NodeId, message: KubeMessage, fx: &mut Fx<'_>) {
        match self {
            Self::Control(control) => control.on_message(from, message, fx),
            Self::Worker(worker) => worker.on_message(from, message, fx),
        }
    }

    fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        match self {
            Self::Control(control) => control.on_timer(timer, fx),
            Self::Worker(worker) => worker.on_timer(fx),
        }
    }

    /// Callers reach services by way of workers.
    fn on_request(&mut self, ticket: Ticket, request: KubeRequest, fx: &mut Fx<'_>) {
        match self {
            Self::Control(_) => fx.refuse(ticket),
            Self::Worker(worker) => worker.on_caller(ticket, request, fx),
        }
    }

    fn on_disk(&mut self, done: Completion<KubeRecord>, fx: &mut Fx<'_>) {
        match self {
            Self::Control(control) => control.on_disk(&done, fx),
            Self::Worker(_) => {
                if let Completion::SyncFailed { .. } = done {
                    fx.halt("a sync failed: what is on the disk is unknown");
                }
            }
        }
    }

    fn on_closed(&mut self, peer: NodeId, fx: &mut Fx<'_>) {
        match self {
            Self::Control(control) => control.on_closed(peer, fx),
            Self::Worker(worker) => worker.on_closed(peer, fx),
        }
    }

    fn on_order(&mut self, order: Order, fx: &mut Fx<'_>) {
        if let (Self::Control(control), Order::Own { kind, argument }) = (self, order) {
            control.on_order(kind, argument, fx);
        }
    }

    fn has_obeyed(&self, order: &Order) -> bool {
        match (self, order) {
            (Self::Control(control), Order::Own { kind, argument }) => control.has_obeyed(*kind, *argument),
            _ => false,
        }
    }

    fn is_read(request: &KubeRequest) -> bool {
        request.is_read()
    }

    fn timer_name(timer: Timer) -> &'static str {
        if timer == CLOCK { "the next thing that is due" } else { "of the store's group" }
    }

    fn role(&self) -> Role {
        let role = |name, rank| Role { name, rank };
        match self {
            Self::Control(control) => match control.api.council.leads() {
                Some((term, _)) => role("leader", term),
                None => role("follower", 0),
            },
            Self::Worker(_) => role("node", 0),
        }
    }

    fn progress(&self) -> u64 {
        self.control().map_or(0, |control| control.api.council.inside().progress())
    }

    fn can_be_member(&self) -> bool {
        self.control().is_some()
    }
}

/// For those who look at a run.
impl Machine {
    /// What its components have heard.
    pub(super) const fn link(&self) -> &Link {
        match self {
            Self::Control(control) => control.link(),
            Self::Worker(worker) => worker.link(),
        }
    }

    /// Whether it acts in an office.
    #[must_use]
    pub fn acts(&self, office: Office) -> bool {
        self.control().is_some_and(|control| control.acts(office))
    }
}
