//! A machine of the system: the master, a node of the file system, or a worker.

use super::files::Files;
use super::master::Master;
use super::message::{MapReduceFact, MapReduceMessage, MapReduceRecord, MapReduceRequest, MapReduceResponse};
use super::options::Config;
use super::worker::Worker;
use sim_core::{Effects, Node, NodeId, Replay, Role, Ticket, Timer};
use std::rc::Rc;

/// A node's outputs.
pub(super) type Fx<'a> = Effects<'a, Machine>;

/// Of a worker: it says what it does.
pub(super) const PING: Timer = Timer(0);
/// Of a worker: some work is done.
pub(super) const WORK: Timer = Timer(1);
/// Of a worker: somebody may not have answered.
pub(super) const RETRY: Timer = Timer(2);
/// Of the master: somebody may have been silent for too long.
pub(super) const CHECK: Timer = Timer(0);
/// Of the master: it writes down what it knows.
pub(super) const CHECKPOINT: Timer = Timer(1);
/// How many timer slots a node uses.
pub const TIMERS: u16 = 3;

/// A node.
#[derive(Clone, Debug)]
pub enum Machine {
    /// Who gives out tasks.
    Master(Box<Master>),
    /// Where outputs go.
    Files(Files),
    /// Who executes tasks.
    Worker(Box<Worker>),
}

impl Machine {
    /// The master that it is.
    #[must_use]
    pub const fn master(&self) -> Option<&Master> {
        if let Self::Master(master) = self { Some(master) } else { None }
    }

    /// The node of the file system that it is.
    #[must_use]
    pub const fn files(&self) -> Option<&Files> {
        if let Self::Files(files) = self { Some(files) } else { None }
    }

    /// The worker that it is.
    #[must_use]
    pub const fn worker(&self) -> Option<&Worker> {
        if let Self::Worker(worker) = self { Some(worker) } else { None }
    }
}

impl Node for Machine {
    type Config = Rc<Config>;
    type Message = MapReduceMessage;
    type Request = MapReduceRequest;
    type Response = MapReduceResponse;
    type Record = MapReduceRecord;
    type Fact = MapReduceFact;

    fn boot(config: &Rc<Config>, me: NodeId, disk: Replay<'_, MapReduceRecord>, fx: &mut Fx<'_>) -> Self {
        if me == config.master() {
            Self::Master(Box::new(Master::boot(config, disk, fx)))
        } else if (config.files.0..config.files.1).contains(&me.0) {
            Self::Files(Files::boot(disk, fx))
        } else {
            Self::Worker(Box::new(Worker::boot(config, me, disk, fx)))
        }
    }

    fn on_message(&mut self, from: NodeId, message: MapReduceMessage, fx: &mut Fx<'_>) {
        match self {
            Self::Master(master) => master.on_message(from, message, fx),
            Self::Files(files) => files.on_message(from, message, fx),
            Self::Worker(worker) => worker.on_message(from, message, fx),
        }
    }

    fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        match self {
            Self::Master(master) => master.on_timer(timer, fx),
            Self::Files(_) => {}
            Self::Worker(worker) => worker.on_timer(timer, fx),
        }
    }

    fn on_request(&mut self, ticket: Ticket, request: MapReduceRequest, fx: &mut Fx<'_>) {
        match self {
            Self::Master(master) => master.on_request(ticket, request, fx),
            Self::Files(_) | Self::Worker(_) => fx.refuse(ticket),
        }
    }

    fn is_read(request: &MapReduceRequest) -> bool {
        request.is_read()
    }

    fn timer_name(timer: Timer) -> &'static str {
        ["ping, or check", "work, or checkpoint", "retry"].get(usize::from(timer.0)).copied().unwrap_or("")
    }

    fn role(&self) -> Role {
        let name = match self {
            Self::Master(_) => "master",
            Self::Files(_) => "files",
            Self::Worker(_) => "worker",
        };
        Role { name, rank: 0 }
    }

    fn progress(&self) -> u64 {
        self.master().and_then(|master| master.saved.job.as_ref()).map_or(0, |job| u64::from(job.done()))
    }
}
