//! When a leader sends what it writes down itself as well, and what becomes of its inputs while its own disk makes it
//! wait.

use sim_core::{NodeId, Order, Ticket};
use std::collections::VecDeque;

sim_core::choices! {
    /// A leader's own disk and its messages: which waits for which.
    pub enum LeaderDisk {
        /// Neither: entries are sent while the leader's own write goes on, and heartbeats whatever the disk does (Raft
        /// dissertation 10.2.1).
        #[default]
        Parallel,
        /// Entries are sent once the leader has written them durably itself. Its loop waits for that: meanwhile it
        /// takes no request, confirms no read, commits nothing and answers no candidate. Only heartbeats go on, which
        /// are sent beside it. This is hashicorp/raft, where `leaderLoop` waits in `dispatchLogs` and every follower
        /// has a goroutine `heartbeat`.
        BeforeSending,
        /// Entries are sent first, but while the leader's disk syncs its loop stands still: it sends nothing,
        /// heartbeats neither, and takes no input, as the loop of etcd.
        Blocking,
    }
}

/// What came while a leader's loop stood still.
#[derive(Clone, Debug)]
pub enum Input<T, C> {
    /// A message.
    Message(NodeId, T),
    /// A client's request.
    Request(Ticket, C),
    /// An operator's order.
    Order(Order),
}

/// A loop that stands still until the disk is durable up to some point.
#[derive(Clone, Debug)]
pub struct Standstill<T, C> {
    /// That point; `None` for a loop that goes on.
    until: Option<u64>,
    /// In order of arrival.
    inputs: VecDeque<Input<T, C>>,
    /// Whether a heartbeat has come due meanwhile.
    pub heartbeat: bool,
}

impl<T, C> Default for Standstill<T, C> {
    fn default() -> Self {
        Self { until: None, inputs: VecDeque::new(), heartbeat: false }
    }
}

impl<T, C> Standstill<T, C> {
    /// Whether the loop stands still.
    #[inline]
    pub const fn is_on(&self) -> bool {
        self.until.is_some()
    }

    /// The loop stands still until the disk is durable up to `until`.
    pub const fn begin(&mut self, until: u64) {
        self.until = Some(until);
    }

    /// The disk is durable up to `synced`. Returns whether the loop goes on with that.
    #[inline]
    pub const fn ends_at(&mut self, synced: u64) -> bool {
        match self.until {
            Some(until) if until <= synced => {
                self.until = None;
                true
            }
            _ => false,
        }
    }

    /// The loop goes on, whatever the disk does.
    pub const fn end(&mut self) {
        self.until = None;
    }

    /// An input waits for the loop.
    pub fn put(&mut self, input: Input<T, C>) {
        self.inputs.push_back(input);
    }

    /// The next input that has waited.
    pub fn pop(&mut self) -> Option<Input<T, C>> {
        self.inputs.pop_front()
    }
}
