//! The workers: whole runs in parallel. The only place in splitbrain with more than one thread.

use super::folder::{Folder, FolderError};
use crate::wall::SweepBar;
use scenarios::sweep::{Job, JobResult, Outcome, Plan};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// As much as the main thread has: a run must not fail here that works alone.
const STACK: usize = 8 << 20;

/// A pool of as many threads as were asked for, or else one a core.
pub fn pool_of(jobs: Option<u16>) -> Result<rayon::ThreadPool, FolderError> {
    let threads = threads(jobs);
    pool(threads).map_err(|error| {
        FolderError::Machine(format!("can not start {threads} threads: {error}; try fewer with --jobs"))
    })
}

/// How many runs are made at a time: as asked, or one a core.
pub fn threads(jobs: Option<u16>) -> usize {
    jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from)
}

/// A pool of `threads`.
pub fn pool(threads: usize) -> Result<rayon::ThreadPool, rayon::ThreadPoolBuildError> {
    rayon::ThreadPoolBuilder::new().num_threads(threads).stack_size(STACK).build()
}

/// Makes all runs of the plan's shard that `folder` does not have yet, and keeps each as it finishes. A run is built, made
/// and judged within one thread: nothing of it crosses to another but its result.
///
/// Runs are handed out in job order, so that what a kill leaves behind is nearly the beginning of the whole.
pub fn make(
    pool: &rayon::ThreadPool,
    plan: &Plan,
    folder: &Folder<'_>,
    run: impl Fn(Job) -> JobResult + Sync,
) -> Result<(), FolderError> {
    let bar = SweepBar::new(plan.share(), folder.done());
    let next = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let trouble = Mutex::new(None);
    pool.broadcast(|_| {
        while !stop.load(Ordering::Relaxed) {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= plan.share() {
                return;
            }
            let index = plan.shard().job(i);
            if folder.has(index) {
                continue;
            }
            let result = run(plan.job(index).expect("a shard's jobs are the plan's"));
            match folder.append(&result) {
                Ok(()) => bar.advance(result.ruling == Outcome::Pass),
                Err(error) => {
                    // A disk that is full now will be full for the next result too.
                    stop.store(true, Ordering::Relaxed);
                    trouble.lock().expect("nobody panicked with it").get_or_insert(error);
                }
            }
        }
    });
    bar.clear();
    trouble.into_inner().expect("nobody panicked with it").map_or(Ok(()), Err)
}
