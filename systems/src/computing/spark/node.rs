//! A machine of the system: the driver, a node of the storage, or an executor.

use super::driver::Driver;
use super::executor::Executor;
use super::message::{SparkFact, SparkMessage, SparkRecord, SparkRequest, SparkResponse};
use super::options::Config;
use super::storage::Storage;
use sim_core::{Effects, Node, NodeId, Replay, Role, Ticket, Timer};
use std::rc::Rc;

/// A node's outputs.
pub(super) type Fx<'a> = Effects<'a, Machine>;

/// Of an executor: it says what it does.
pub(super) const PING: Timer = Timer(0);
/// Of an executor: some work is done.
pub(super) const WORK: Timer = Timer(1);
/// Of an executor: somebody may not have answered.
pub(super) const RETRY: Timer = Timer(2);
/// Of the driver: somebody may have been silent for too long.
pub(super) const CHECK: Timer = Timer(0);
/// How many timer slots a node uses.
pub const TIMERS: u16 = 3;

/// A node.
#[derive(Clone, Debug)]
pub enum Machine {
    /// Who gives out tasks.
    Driver(Box<Driver>),
    /// Where checkpoints go.
    Storage(Storage),
    /// Who executes tasks.
    Executor(Box<Executor>),
}

impl Machine {
    /// The driver that it is.
    #[must_use]
    pub const fn driver(&self) -> Option<&Driver> {
        if let Self::Driver(driver) = self { Some(driver) } else { None }
    }

    /// The node of the storage that it is.
    #[must_use]
    pub const fn storage(&self) -> Option<&Storage> {
        if let Self::Storage(storage) = self { Some(storage) } else { None }
    }

    /// The executor that it is.
    #[must_use]
    pub const fn executor(&self) -> Option<&Executor> {
        if let Self::Executor(executor) = self { Some(executor) } else { None }
    }
}

impl Node for Machine {
    type Config = Rc<Config>;
    type Message = SparkMessage;
    type Request = SparkRequest;
    type Response = SparkResponse;
    type Record = SparkRecord;
    type Fact = SparkFact;

    fn boot(config: &Rc<Config>, me: NodeId, disk: Replay<'_, SparkRecord>, fx: &mut Fx<'_>) -> Self {
        if me == config.driver() {
            Self::Driver(Box::new(Driver::boot(config, disk, fx)))
        } else if (config.storage.0..config.storage.1).contains(&me.0) {
            Self::Storage(Storage::boot(disk, fx))
        } else {
            Self::Executor(Box::new(Executor::boot(config, me, disk, fx)))
        }
    }

    fn on_message(&mut self, from: NodeId, message: SparkMessage, fx: &mut Fx<'_>) {
        match (self, message) {
            (Self::Driver(driver), SparkMessage::Ping(ping)) => driver.on_ping(from, &ping, fx),
            (Self::Driver(_), _) => {}
            (Self::Storage(storage), message) => storage.on_message(from, message, fx),
            (Self::Executor(executor), message) => executor.on_message(from, message, fx),
        }
    }

    fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        match self {
            Self::Driver(driver) => driver.on_timer(fx),
            Self::Storage(_) => {}
            Self::Executor(executor) => executor.on_timer(timer, fx),
        }
    }

    fn on_request(&mut self, ticket: Ticket, request: SparkRequest, fx: &mut Fx<'_>) {
        match self {
            Self::Driver(driver) => driver.on_request(ticket, request, fx),
            Self::Storage(_) | Self::Executor(_) => fx.refuse(ticket),
        }
    }

    fn is_read(request: &SparkRequest) -> bool {
        request.is_read()
    }

    fn timer_name(timer: Timer) -> &'static str {
        ["heartbeat, or check", "work", "retry"].get(usize::from(timer.0)).copied().unwrap_or("")
    }

    fn role(&self) -> Role {
        let name = match self {
            Self::Driver(_) => "driver",
            Self::Storage(_) => "storage",
            Self::Executor(_) => "executor",
        };
        Role { name, rank: 0 }
    }
}
