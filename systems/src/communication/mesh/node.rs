//! A machine of the mesh, by what it is there for.

use super::control::Control;
use super::edge::Edge;
use super::gateway::Gateway;
use super::graph::MOST_ROUTES;
use super::hub::Hub;
use super::message::{MeshFact, MeshMessage, MeshRecord, MeshRequest, MeshResponse};
use super::options::{Config, Duty};
use super::replica::{Arrival, Replica};
use super::sidecar::Sidecar;
use crate::communication::balancing::{Balancer, MOST_WORKERS, Reason};
use sim_core::{Completion, Effects, Node, NodeId, Replay, Role, Ticket, Timer};
use std::rc::Rc;

/// A machine's outputs.
pub(super) type Fx<'a> = Effects<'a, Machine>;

/// A replica turns gray, or is well again. The slots before are those of work.
pub(super) const GRAY: Timer = Timer(MOST_WORKERS as u16);
/// A sidecar says hello to the control plane.
pub(super) const HELLO: Timer = Timer(MOST_WORKERS as u16 + 1);
/// The control plane looks around.
pub(super) const TICK: Timer = Timer(MOST_WORKERS as u16 + 2);
/// An edge has not heard from the hub.
pub(super) const UPLOAD: Timer = Timer(MOST_WORKERS as u16 + 3);
/// The first of a sidecar's slots.
pub(super) const SIDECAR: u16 = MOST_WORKERS as u16 + 4;
/// How many timer slots a machine uses at most.
pub const TIMERS: u16 = SIDECAR + MOST_ROUTES as u16 * Balancer::TIMERS;

/// What a machine is there for.
#[derive(Clone, Debug)]
pub enum Part {
    /// It runs a service.
    Replica(Box<Replica>),
    /// It takes clients' requests.
    Gateway(Box<Gateway>),
    /// It configures sidecars.
    Control(Box<Control>),
    /// It serves clients far from the core.
    Edge(Box<Edge>),
    /// It keeps what edges upload.
    Hub(Hub),
}

/// A machine.
#[derive(Clone, Debug)]
pub struct Machine {
    config: Rc<Config>,
    part: Part,
}

impl Machine {
    /// What it is there for.
    #[must_use]
    pub const fn part(&self) -> &Part {
        &self.part
    }

    /// Its sidecar, if it has one.
    #[must_use]
    pub const fn sidecar(&self) -> Option<&Sidecar> {
        match &self.part {
            Part::Replica(replica) => Some(replica.sidecar()),
            Part::Gateway(gateway) => Some(gateway.sidecar()),
            Part::Edge(edge) => Some(edge.sidecar()),
            Part::Control(_) | Part::Hub(_) => None,
        }
    }

    /// The control plane, if it is that.
    #[must_use]
    pub const fn control(&self) -> Option<&Control> {
        if let Part::Control(control) = &self.part { Some(control) } else { None }
    }

    /// The edge, if it is one.
    #[must_use]
    pub const fn edge(&self) -> Option<&Edge> {
        if let Part::Edge(edge) = &self.part { Some(edge) } else { None }
    }

    /// The replica, if it is one.
    #[must_use]
    pub const fn replica(&self) -> Option<&Replica> {
        if let Part::Replica(replica) = &self.part { Some(replica) } else { None }
    }

    fn sidecar_mut(&mut self) -> Option<&mut Sidecar> {
        match &mut self.part {
            Part::Replica(replica) => Some(&mut replica.sidecar),
            Part::Gateway(gateway) => Some(&mut gateway.sidecar),
            Part::Edge(edge) => Some(&mut edge.sidecar),
            Part::Control(_) | Part::Hub(_) => None,
        }
    }

    /// Goes on with what the sidecar's calls have come to.
    fn look(&mut self, fx: &mut Fx<'_>) {
        match &mut self.part {
            Part::Replica(replica) => replica.look(&self.config, fx),
            Part::Gateway(gateway) => gateway.look(fx),
            Part::Edge(edge) => edge.look(&self.config, fx),
            Part::Control(_) | Part::Hub(_) => {}
        }
    }
}

impl Node for Machine {
    type Config = Rc<Config>;
    type Message = MeshMessage;
    type Request = MeshRequest;
    type Response = MeshResponse;
    type Record = MeshRecord;
    type Fact = MeshFact;

    fn boot(config: &Rc<Config>, me: NodeId, disk: Replay<'_, MeshRecord>, fx: &mut Fx<'_>) -> Self {
        let part = match config.duty(me) {
            Duty::Replica(service) => Part::Replica(Box::new(Replica::new(config, service, fx))),
            Duty::Gateway => Part::Gateway(Box::new(Gateway::new(config, fx))),
            Duty::Control => Part::Control(Box::new(Control::boot(config, disk, fx))),
            Duty::Edge => Part::Edge(Box::new(Edge::boot(config, disk, fx))),
            Duty::Hub => Part::Hub(Hub::boot(disk, fx)),
        };
        Self { config: Rc::clone(config), part }
    }

    fn on_message(&mut self, from: NodeId, message: MeshMessage, fx: &mut Fx<'_>) {
        use MeshMessage as M;
        let config = Rc::clone(&self.config);
        let config = &*config;
        match (&mut self.part, message) {
            (Part::Replica(replica), M::Call { route, id, request, span, within, header, .. }) => {
                replica.on_call(config, Arrival { from, route, id, request, span, within, header }, fx);
            }
            (Part::Replica(replica), M::Cancel { route, id }) => replica.on_cancel(from, route, id, fx),
            (Part::Replica(replica), M::Probe { route, round, connect }) => {
                if let Some(well) = replica.is_well(connect, fx) {
                    fx.send(from, M::Health { route, round, well });
                }
            }
            (Part::Control(control), M::Subscribe { version }) => control.on_subscribe(from, version, fx),
            (Part::Hub(hub), M::Upload { writes }) => hub.on_upload(config, from, &writes, fx),
            (Part::Edge(edge), M::Uploaded { upto }) => edge.on_uploaded(config, upto, fx),
            (_, message) => {
                let Some(sidecar) = self.sidecar_mut() else { return };
                match message {
                    M::Done { route, id, made, .. } => sidecar.on_done(config, route, id, made, fx),
                    M::Failed { route, id, cause, .. } => {
                        sidecar.on_refused(config, (route, id), (Reason::Failed, cause), fx);
                    }
                    M::Full { route, id, cause, .. } => {
                        sidecar.on_refused(config, (route, id), (Reason::Refused, cause), fx);
                    }
                    M::Health { route, round, well } => {
                        sidecar.on_health(config, (route, from), (round, well), fx);
                    }
                    M::Push { version, image } => {
                        sidecar.on_push(config, version, image, fx);
                        if let Some(control) = config.control() {
                            fx.send(control, M::Subscribe { version: sidecar.version() });
                        }
                    }
                    _ => {}
                }
                self.look(fx);
            }
        }
    }

    fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        let config = Rc::clone(&self.config);
        let config = &*config;
        if timer.0 >= SIDECAR {
            if let Some(sidecar) = self.sidecar_mut() {
                sidecar.on_timer(config, timer.0 - SIDECAR, fx);
            }
        } else if timer == HELLO {
            let version = self.sidecar().map(Sidecar::version);
            if let (Some(version), Some(control)) = (version, config.control()) {
                fx.send(control, MeshMessage::Subscribe { version });
                fx.arm(HELLO, config.subscribe_interval);
            }
        } else {
            match &mut self.part {
                Part::Replica(replica) if timer == GRAY => replica.turn(config, fx),
                Part::Replica(replica) => replica.on_slot(config, timer.0, fx),
                Part::Control(control) => control.on_tick(config, fx),
                Part::Edge(edge) => edge.on_upload_timer(config, fx),
                Part::Gateway(_) | Part::Hub(_) => {}
            }
        }
        self.look(fx);
    }

    fn on_request(&mut self, ticket: Ticket, request: MeshRequest, fx: &mut Fx<'_>) {
        let config = Rc::clone(&self.config);
        match &mut self.part {
            Part::Gateway(gateway) => gateway.on_request(&config, ticket, &request, fx),
            Part::Edge(edge) => edge.on_request(&config, ticket, &request, fx),
            Part::Replica(_) | Part::Control(_) | Part::Hub(_) => {
                let gateways = &config.gateways;
                let many = u64::from(gateways.end - gateways.start);
                let hint = (many > 0).then(|| NodeId(gateways.start + fx.rng().below(many.max(1)) as u32));
                return fx.redirect(ticket, hint);
            }
        }
        self.look(fx);
    }

    fn on_disk(&mut self, done: Completion<MeshRecord>, fx: &mut Fx<'_>) {
        let config = Rc::clone(&self.config);
        match (&mut self.part, done) {
            (_, Completion::SyncFailed { .. }) => fx.halt("a sync failed: what is on the disk is unknown"),
            (Part::Control(control), Completion::Synced { upto }) => control.on_synced(upto, fx),
            (Part::Edge(edge), Completion::Synced { upto }) => edge.on_synced(&config, upto, fx),
            (Part::Hub(hub), Completion::Synced { upto }) => hub.on_synced(upto, fx),
            _ => {}
        }
    }

    fn is_read(request: &MeshRequest) -> bool {
        request.is_read()
    }

    fn request_bytes(_: &MeshRequest) -> u32 {
        256
    }

    fn response_bytes(_: &MeshResponse) -> u32 {
        1024
    }

    fn timer_name(timer: Timer) -> &'static str {
        match timer {
            GRAY => "gray",
            HELLO => "subscribe",
            TICK => "look around",
            UPLOAD => "upload",
            Timer(slot) if slot < SIDECAR => "work",
            _ => "sidecar",
        }
    }

    fn role(&self) -> Role {
        let role = |name| Role { name, rank: 0 };
        match &self.part {
            Part::Replica(_) => role("replica"),
            Part::Gateway(_) => role("gateway"),
            Part::Control(_) => role("control"),
            Part::Edge(_) => role("edge"),
            Part::Hub(_) => role("hub"),
        }
    }
}

/// What a machine runs, for people.
#[must_use]
pub fn who(config: &Config, node: NodeId) -> String {
    match config.duty(node) {
        Duty::Replica(service) => config.service(service).name.clone(),
        Duty::Gateway => "gateway".to_owned(),
        Duty::Control => "control plane".to_owned(),
        Duty::Edge => format!("edge {node}"),
        Duty::Hub => "hub".to_owned(),
    }
}
