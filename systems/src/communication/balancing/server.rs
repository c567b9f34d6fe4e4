//! A server: workers, and a queue before them. It may turn gray.

use super::config::MOST_WORKERS;
use super::fact::BalancingFact;
use super::gray::{Gray, Grayness};
use super::message::{BalancingMessage, CheckRound, TryNumber};
use super::node::Fx;
use super::options::Config;
use super::policy::Policy;
use super::queue::{Job, Next, WaitingLine};
use sim_core::{ClientId, Duration, NodeId, Timer};

/// Comes due when the server turns gray, or is well again.
const TURN: Timer = Timer(MOST_WORKERS as u16);
/// ... when it is time to say again how long the queue is.
const TELL: Timer = Timer(MOST_WORKERS as u16 + 1);
/// How long nobody hears of a queue that does not change: a message may be lost.
const TELL_EVERY: Duration = Duration::millis(100);

/// What a worker is at.
#[derive(Clone, Copy, Debug)]
struct Working {
    job: Job,
    takes: Duration,
    /// Whether it will go well.
    well: bool,
}

/// Works on some requests at a time.
#[derive(Clone, Debug)]
pub struct Server {
    line: WaitingLine,
    /// What each worker works on. A worker's timer slot is its number.
    working: Vec<Option<Working>>,
    idle: Vec<u16>,
    gray: Grayness,
    /// Workers that would be done, if the server did not hang.
    stuck: Vec<u16>,
}

impl Server {
    pub(super) fn new(config: &Config, fx: &mut Fx<'_>) -> Self {
        let workers = config.workers as u16;
        let (me, now) = (fx.me(), fx.now());
        let gray = Grayness::new(&config.gray, me, now, fx.rng());
        if let Some(next) = gray.next() {
            fx.arm(TURN, next.since(now));
        }
        Self {
            line: WaitingLine::new(now),
            working: vec![None; usize::from(workers)],
            idle: (0..workers).rev().collect(),
            gray,
            stuck: Vec::new(),
        }
    }

    /// Requests that wait or are worked on.
    #[must_use]
    pub fn length(&self) -> usize {
        self.line.len() + self.working.len() - self.idle.len()
    }

    /// Whether requests wait although a worker is idle and could work.
    #[must_use]
    pub fn is_lazy(&self) -> bool {
        !self.line.is_empty() && !self.idle.is_empty() && !self.hangs()
    }

    /// Requests that wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.line.len()
    }

    /// Whether it hangs.
    pub(super) fn hangs(&self) -> bool {
        !self.gray.is_never() && self.gray.now() == Some(Gray::Hung)
    }

    pub(super) fn on_forward(
        &mut self,
        config: &Config,
        from: NodeId,
        (id, client): (TryNumber, ClientId),
        within: Option<Duration>,
        fx: &mut Fx<'_>,
    ) {
        let now = fx.now();
        let job = Job { from, id, client, came: now, expires: within.map(|within| now + within) };
        let has_room = self.line.len() < config.queue_limit as usize;
        if self.hangs() {
            // Accepted, and that is all that anybody will hear of it; beyond the limit not even kept.
            if has_room {
                self.line.push(job, now);
            }
            return;
        }
        if let Some(worker) = self.idle.pop() {
            self.begin(config, worker, job, fx);
        } else if has_room {
            self.line.push(job, now);
        } else {
            fx.note(BalancingFact::Refused);
            return fx.send(from, BalancingMessage::Full { id, client });
        }
        self.tell(config, fx);
    }

    fn begin(&mut self, config: &Config, worker: u16, job: Job, fx: &mut Fx<'_>) {
        let takes = config.service.draw(fx.rng());
        let (takes, well) = self.gray.strain(takes, fx.rng());
        self.working[usize::from(worker)] = Some(Working { job, takes, well });
        fx.arm(Timer(worker), takes);
    }

    pub(super) fn on_timer(&mut self, config: &Config, timer: Timer, fx: &mut Fx<'_>) {
        if timer == TURN {
            self.turn(config, fx);
        } else if timer == TELL {
            self.tell(config, fx);
        } else if self.hangs() {
            self.stuck.push(timer.0);
        } else {
            self.finish(config, timer.0, fx);
            self.tell(config, fx);
        }
    }

    /// A worker is done.
    fn finish(&mut self, config: &Config, worker: u16, fx: &mut Fx<'_>) {
        let working = self.working[usize::from(worker)].take();
        let Working { job: Job { from, id, client, .. }, takes, well } =
            working.expect("only workers at work have a timer");
        // Its share of the machine's time.
        fx.worked(Some(client), Duration(takes.0 / u64::from(config.workers)));
        if well {
            fx.note(BalancingFact::Worked);
            fx.send(from, BalancingMessage::Done { id, client });
        } else {
            fx.send(from, BalancingMessage::Failed { id, client });
        }
        self.take_next(config, worker, fx);
    }

    /// An idle worker takes whatever is worth it, if anything waits.
    fn take_next(&mut self, config: &Config, worker: u16, fx: &mut Fx<'_>) {
        let now = fx.now();
        while let Some(next) = self.line.next(&config.discipline, now) {
            match next {
                Next::Work(job) => return self.begin(config, worker, job, fx),
                Next::Expired(_) => fx.note(BalancingFact::Expired),
                Next::Shed(job) => {
                    fx.note(BalancingFact::Shed);
                    fx.send(job.from, BalancingMessage::Full { id: job.id, client: job.client });
                }
            }
        }
        self.idle.push(worker);
    }

    /// It turns gray, or is well again and goes on where it was.
    fn turn(&mut self, config: &Config, fx: &mut Fx<'_>) {
        let (now, before) = (fx.now(), self.gray.now());
        self.gray.turn(now, fx.rng());
        if let Some(next) = self.gray.next() {
            fx.arm(TURN, next.since(now));
        }
        if self.gray.now() != before {
            fx.note(BalancingFact::TurnedGray(self.gray.now()));
        }
        if !self.hangs() {
            for worker in core::mem::take(&mut self.stuck) {
                self.finish(config, worker, fx);
            }
            for worker in core::mem::take(&mut self.idle) {
                self.take_next(config, worker, fx);
            }
            self.tell(config, fx);
        }
    }

    /// Its balancer does not need this any more. What is being worked on is finished all the same.
    pub(super) fn on_cancel(&mut self, config: &Config, from: NodeId, id: TryNumber, fx: &mut Fx<'_>) {
        if self.line.cancel(from, id) {
            self.tell(config, fx);
        }
    }

    /// Somebody asks how it is. A connection is accepted by the machine, whatever becomes of it.
    pub(super) fn on_probe(&self, from: NodeId, round: CheckRound, connect: bool, fx: &mut Fx<'_>) {
        let well = match self.gray.now() {
            _ if connect => true,
            Some(Gray::Hung) => return,
            Some(Gray::Failing { share, .. }) => !fx.rng().chance(share),
            Some(Gray::Slow { .. }) | None => true,
        };
        fx.send(from, BalancingMessage::Health { round, well });
    }

    fn tell(&self, config: &Config, fx: &mut Fx<'_>) {
        if config.policy == Policy::ShortestQueue {
            let length = self.length() as u32;
            (0..config.balancers).for_each(|balancer| fx.send(NodeId(balancer), BalancingMessage::Queue { length }));
            fx.arm(TELL, TELL_EVERY);
        }
    }
}
