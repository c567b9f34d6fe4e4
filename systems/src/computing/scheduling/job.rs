//! What jobs are made of: drawn from the options and one random number, so that every policy gets the same.

use super::options::{Config, JobShape};
use super::task::{JobId, JobSpec, Needs, TaskId, TaskSpec, mix, rank};
use sim_core::Duration;

/// The job that `seed` decides.
#[must_use]
pub fn job(config: &Config, job: JobId, seed: u64) -> JobSpec {
    let others = u64::from(config.classes) - 1;
    let class = match others {
        0 => 0,
        _ if config.urgent.hit((mix(seed ^ 1) >> 32) as u32) => 0,
        _ => 1 + (mix(seed ^ 2) % others) as u8,
    };
    let task = |index: u32| {
        let luck = mix(seed ^ mix(u64::from(index) + 3));
        let parents = parents(config, index, luck).into_iter().map(|index| TaskId { job, index }).collect();
        TaskSpec {
            work: config.draw.0.sample((mix(luck) >> 32) as u32).max(Duration::micros(1)),
            needs: Needs { cpus: config.task_cpus, memory: config.task_memory },
            parents,
            rank: Duration::ZERO,
            block: (mix(luck ^ 1) % u64::from(config.blocks)) as u32,
            luck,
        }
    };
    let mut tasks: Vec<TaskSpec> = (0..config.tasks).map(task).collect();
    rank(&mut tasks, |id| (id.job == job).then_some(id.index as usize));
    JobSpec { job, class, tasks: tasks.into() }
}

/// What a firing of the cron table is to do.
#[must_use]
pub fn firing(config: &Config, entry: u8, due: u64) -> JobSpec {
    let job = JobId::cron(entry, due);
    let task = TaskSpec {
        work: config.cron_time,
        needs: Needs { cpus: 1, memory: 0 },
        parents: Vec::new(),
        rank: config.cron_time,
        block: 0,
        luck: mix(job.0),
    };
    JobSpec { job, class: 0, tasks: core::iter::once(task).collect() }
}

/// Which tasks of its job a task waits for.
fn parents(config: &Config, index: u32, luck: u64) -> Vec<u32> {
    /// How many tasks a layer has.
    const WIDE: u32 = 4;
    match config.graph {
        JobShape::Bag => Vec::new(),
        JobShape::Chain => index.checked_sub(1).into_iter().collect(),
        JobShape::ForkJoin if index == 0 => Vec::new(),
        JobShape::ForkJoin if index + 1 == config.tasks && index > 1 => (1..index).collect(),
        JobShape::ForkJoin => vec![0],
        JobShape::Layers if index < WIDE => Vec::new(),
        JobShape::Layers => {
            let before = index / WIDE * WIDE - WIDE;
            let (one, two) = (mix(luck ^ 5) as u32 % WIDE, mix(luck ^ 6) as u32 % WIDE);
            if one == two { vec![before + one] } else { vec![before + one.min(two), before + one.max(two)] }
        }
    }
}

/// Whether an attempt fails when it has run.
#[must_use]
pub fn fails(config: &Config, luck: u64, attempt: u32) -> bool {
    config.poison.hit((mix(luck ^ 7) >> 32) as u32)
        || config.fails.hit((mix(luck ^ mix(u64::from(attempt) + 11)) >> 32) as u32)
}

/// How many times as long as it should it takes.
#[must_use]
pub fn straggles(config: &Config, luck: u64, attempt: u32) -> u32 {
    let hit = config.stragglers.hit((mix(luck ^ mix(u64::from(attempt) + 13)) >> 32) as u32);
    if hit { config.straggle } else { 1 }
}
