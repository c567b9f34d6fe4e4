//! A server: workers, and a queue before them.

use super::config::Config;
use super::message::{BalancingFact, BalancingMessage};
use super::node::Fx;
use super::policy::Policy;
use sim_core::{Duration, NodeId, Timer};
use std::collections::VecDeque;

/// One try of a request: who sent it, and its number there.
type Job = (NodeId, u64);

/// Works on some requests at a time, in the order in which they came.
#[derive(Clone, Debug)]
pub struct Server {
    queue: VecDeque<Job>,
    /// What each worker works on, and how long it takes. A worker's timer slot is its number.
    working: Vec<Option<(Job, Duration)>>,
    idle: Vec<u16>,
}

impl Server {
    pub(super) fn new(config: &Config) -> Self {
        let workers = config.workers as u16;
        Self { queue: VecDeque::new(), working: vec![None; usize::from(workers)], idle: (0..workers).rev().collect() }
    }

    /// Requests that wait or are worked on.
    #[must_use]
    pub fn length(&self) -> usize {
        self.queue.len() + self.working.len() - self.idle.len()
    }

    /// Whether requests wait although a worker is idle.
    #[must_use]
    pub fn is_lazy(&self) -> bool {
        !self.queue.is_empty() && !self.idle.is_empty()
    }

    /// Requests that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn on_forward(&mut self, config: &Config, from: NodeId, id: u64, fx: &mut Fx<'_>) {
        if let Some(worker) = self.idle.pop() {
            self.begin(config, worker, (from, id), fx);
        } else if self.queue.len() < config.queue_limit as usize {
            self.queue.push_back((from, id));
        } else {
            fx.note(BalancingFact::Refused);
            return fx.send(from, BalancingMessage::Full { id });
        }
        self.tell(config, fx);
    }

    fn begin(&mut self, config: &Config, worker: u16, job: Job, fx: &mut Fx<'_>) {
        let bits = fx.rng().next_u32();
        let takes = config.service.sample(bits);
        self.working[usize::from(worker)] = Some((job, takes));
        fx.arm(Timer(worker), takes);
    }

    /// A worker is done.
    pub(super) fn on_timer(&mut self, config: &Config, timer: Timer, fx: &mut Fx<'_>) {
        let working = self.working[usize::from(timer.0)].take();
        let ((from, id), took) = working.expect("only workers at work have a timer");
        fx.note(BalancingFact::Worked);
        // Its share of the machine's time.
        fx.worked(Duration(took.0 / u64::from(config.workers)));
        fx.send(from, BalancingMessage::Done { id });
        match self.queue.pop_front() {
            Some(job) => self.begin(config, timer.0, job, fx),
            None => self.idle.push(timer.0),
        }
        self.tell(config, fx);
    }

    fn tell(&self, config: &Config, fx: &mut Fx<'_>) {
        if config.policy == Policy::ShortestQueue {
            let length = self.length() as u32;
            (0..config.balancers).for_each(|balancer| fx.send(NodeId(balancer), BalancingMessage::Queue { length }));
        }
    }
}
