//! Who submits jobs: generated ones, or the tasks of a trace at their times.

use super::job;
use super::message::{SchedulingRequest, SchedulingResponse};
use super::node::Machine;
use super::options::Config;
use super::task::{JobId, JobSpec};
use sim_core::workload::{Generated, Load};
use sim_core::{Client, Instant, Move, Outcome, Rng};
use std::rc::Rc;

sim_core::operations! {
    SchedulingRequest of op {
        read "status": Self::Status, "asks how many tasks were accepted, and are done";
        write "submit": Self::Submit(= JobSpec { job: JobId(op.unique), class: 0, tasks: Rc::new([]) }),
            "submits a job: it is answered when the job is in the queue, not when it has run";
        write "check": Self::Check, "goes through the log of the schedulers, and changes nothing";
    }
}

/// A client.
#[derive(Clone, Debug)]
pub enum SchedulingClient {
    /// Whose jobs are drawn.
    Drawn {
        /// When it asks what.
        load: Box<Generated<Machine>>,
        /// What jobs are like.
        config: Rc<Config>,
    },
    /// Who plays a trace.
    Trace {
        /// The trace.
        config: Rc<Config>,
        /// Its next row.
        next: usize,
        /// When the trace begins.
        start: Instant,
        /// When it is over, whatever is left.
        stop: Instant,
    },
    /// Who has nothing to say.
    Idle,
}

/// A client with this load.
#[must_use]
pub fn client(config: &Rc<Config>, load: Load) -> SchedulingClient {
    let submits =
        matches!(&load.mix, sim_core::workload::Mix::Weights(parts) if parts.iter().any(|(_, kind, _)| *kind == 1));
    if config.trace.is_empty() || !submits {
        return SchedulingClient::Drawn {
            load: Box::new(Generated::new(load, SchedulingRequest::of)),
            config: Rc::clone(config),
        };
    }
    match load.tag {
        0 => SchedulingClient::Trace { config: Rc::clone(config), next: 0, start: load.start, stop: load.stop },
        _ => SchedulingClient::Idle,
    }
}

impl Client<Machine> for SchedulingClient {
    fn next(&mut self, now: Instant, rng: &mut Rng) -> Move<SchedulingRequest> {
        match self {
            Self::Idle => Move::Stop,
            Self::Drawn { load, config } => match load.next(now, rng) {
                Move::Issue(SchedulingRequest::Submit(spec)) => {
                    Move::Issue(SchedulingRequest::Submit(job::job(config, spec.job, rng.next_u64())))
                }
                other => other,
            },
            Self::Trace { config, next, start, stop } => {
                let Some(row) = config.trace.get(*next) else { return Move::Stop };
                let due = *start + row.submit;
                if due >= *stop {
                    return Move::Stop;
                }
                if due > now {
                    return Move::Sleep(due);
                }
                *next += 1;
                Move::Issue(SchedulingRequest::Submit(row.job.clone()))
            }
        }
    }

    fn done(&mut self, now: Instant, op: u64, outcome: &Outcome<SchedulingResponse>) {
        if let Self::Drawn { load, .. } = self {
            load.done(now, op, outcome);
        }
    }
}
