//! The tasks of one stage as whoever hands them out knows them: idle, running, done; a result counts once.

use super::attempt::Cause;
use sim_core::sorted::SortedSet;
use sim_core::{LocalInstant, NodeId};

/// An execution under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Run {
    /// Its number, from 1.
    pub number: u32,
    /// Who runs it.
    pub worker: NodeId,
    /// Since when.
    pub since: LocalInstant,
    /// Why there is one.
    pub cause: Cause,
}

/// A task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Task {
    /// Executions so far.
    pub attempts: u32,
    /// How many of them have crashed.
    pub crashes: u32,
    /// Those under way.
    pub runs: Vec<Run>,
    /// Who has done it, if it is done.
    pub done_by: Option<NodeId>,
    /// Why its next execution begins.
    why: Cause,
}

/// The tasks of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Board {
    tasks: Vec<Task>,
    idle: SortedSet<u32>,
    /// Tasks with one execution, the oldest first.
    alone: SortedSet<(LocalInstant, u32)>,
    done: u32,
}

impl Board {
    /// So many tasks, all idle.
    #[must_use]
    pub fn new(tasks: u32) -> Self {
        Self {
            tasks: vec![Task::default(); tasks as usize],
            idle: (0..tasks).collect(),
            alone: SortedSet::new(),
            done: 0,
        }
    }

    /// How many tasks there are.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.tasks.len() as u32
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// How many are done.
    #[must_use]
    pub const fn done(&self) -> u32 {
        self.done
    }

    /// Whether all are done.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.done == self.tasks.len() as u32
    }

    /// How many run.
    #[must_use]
    pub fn running(&self) -> u32 {
        self.len() - self.done - self.idle.len() as u32
    }

    /// A task.
    #[must_use]
    pub fn task(&self, task: u32) -> Option<&Task> {
        self.tasks.get(task as usize)
    }

    /// Those that nobody runs, in order.
    pub fn idle(&self) -> impl Iterator<Item = u32> + '_ {
        self.idle.iter().copied()
    }

    /// Whether nobody runs it, and it is not done.
    #[must_use]
    pub fn is_idle(&self, task: u32) -> bool {
        self.idle.contains(&task)
    }

    /// Whether it is done.
    #[must_use]
    pub fn is_task_done(&self, task: u32) -> bool {
        self.task(task).is_some_and(|task| task.done_by.is_some())
    }

    /// The execution of a task with this number, if it is under way.
    #[must_use]
    pub fn run(&self, task: u32, number: u32) -> Option<&Run> {
        self.task(task)?.runs.iter().find(|run| run.number == number)
    }

    fn sort(&mut self, task: u32) {
        let of = &self.tasks[task as usize];
        let is_idle = of.runs.is_empty() && of.done_by.is_none();
        match is_idle {
            true => self.idle.insert(task),
            false => self.idle.remove(&task),
        };
    }

    fn stand_alone(&mut self, task: u32, is: bool) {
        let of = &self.tasks[task as usize];
        if let [only] = of.runs.as_slice() {
            let key = (only.since, task);
            let _ = if is { self.alone.insert(key) } else { self.alone.remove(&key) };
        }
    }

    /// `worker` begins to execute a task: the number of this execution, and why there is one.
    pub fn begin(&mut self, task: u32, worker: NodeId, now: LocalInstant) -> (u32, Cause) {
        self.stand_alone(task, false);
        let of = &mut self.tasks[task as usize];
        of.attempts += 1;
        let cause = if of.runs.is_empty() { of.why } else { Cause::Backup };
        let number = of.attempts;
        of.runs.push(Run { number, worker, since: now, cause });
        self.sort(task);
        self.stand_alone(task, true);
        (number, cause)
    }

    /// A worker executes this, and nobody knew: whoever handed it out has forgotten. Whether it is wanted.
    pub fn adopt(&mut self, task: u32, number: u32, worker: NodeId, now: LocalInstant) -> bool {
        if self.task(task).is_none_or(|of| of.done_by.is_some() || of.runs.iter().any(|run| run.number == number)) {
            return false;
        }
        self.stand_alone(task, false);
        let of = &mut self.tasks[task as usize];
        of.attempts = of.attempts.max(number);
        of.runs.push(Run { number, worker, since: now, cause: Cause::First });
        self.sort(task);
        self.stand_alone(task, true);
        true
    }

    /// An execution is over without a result.
    pub fn give_up(&mut self, task: u32, number: u32, why: Cause) {
        if self.run(task, number).is_none() {
            return;
        }
        self.stand_alone(task, false);
        let of = &mut self.tasks[task as usize];
        of.runs.retain(|run| run.number != number);
        of.crashes += u32::from(why == Cause::Failed);
        of.why = why;
        self.sort(task);
        self.stand_alone(task, true);
    }

    /// An execution has a result. Whether it is the first for the task; the others are then wanted no more.
    pub fn finish(&mut self, task: u32, number: u32, worker: NodeId) -> bool {
        if self.task(task).is_none_or(|of| of.done_by.is_some()) {
            return false;
        }
        self.stand_alone(task, false);
        let of = &mut self.tasks[task as usize];
        of.attempts = of.attempts.max(number);
        of.done_by = Some(worker);
        of.runs.clear();
        self.done += 1;
        self.sort(task);
        true
    }

    /// The result of a task is lost.
    pub fn lose(&mut self, task: u32) {
        let of = &mut self.tasks[task as usize];
        if of.done_by.take().is_some() {
            of.why = Cause::OutputLost;
            self.done -= 1;
        }
        self.sort(task);
    }

    /// Why a task has crashed is known, and will not crash it again.
    pub fn forgive(&mut self, task: u32) {
        self.tasks[task as usize].crashes = 0;
    }

    /// Nobody knows what runs any more: tasks that are not done are idle. So many numbers are left out, for what was
    /// begun since all of this was written down.
    pub fn forget_runs(&mut self, unknown: u32) {
        self.alone.clear();
        for task in 0..self.len() {
            self.tasks[task as usize].runs.clear();
            self.tasks[task as usize].attempts += unknown;
            self.sort(task);
        }
    }

    /// The task that has run alone for longest, and for at least so long, elsewhere than at `worker`.
    #[must_use]
    pub fn straggler(&self, worker: NodeId, since: LocalInstant) -> Option<u32> {
        let old = self.alone.range(..=(since, u32::MAX)).map(|(_, task)| *task);
        old.into_iter().find(|task| self.tasks[*task as usize].runs.iter().all(|run| run.worker != worker))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(1);
    const B: NodeId = NodeId(2);

    #[test]
    fn a_result_counts_once_and_can_be_lost() {
        let mut board = Board::new(2);
        let at = LocalInstant;
        assert_eq!(board.begin(0, A, at(1)), (1, Cause::First));
        assert_eq!((board.straggler(A, at(9)), board.straggler(B, at(0))), (None, None));
        assert_eq!(board.straggler(B, at(9)), Some(0));
        assert_eq!(board.begin(0, B, at(5)), (2, Cause::Backup));
        assert_eq!(board.straggler(B, at(9)), None, "one backup is enough");
        assert!(board.finish(0, 2, B) && !board.finish(0, 1, A));
        assert_eq!((board.done(), board.running()), (1, 0));
        board.lose(0);
        assert_eq!(board.begin(0, A, at(7)), (3, Cause::OutputLost));
        board.give_up(0, 3, Cause::Failed);
        assert_eq!((board.begin(0, A, at(8)), board.task(0).unwrap().crashes), ((4, Cause::Failed), 1));
        assert_eq!(board.idle().collect::<Vec<_>>(), [1]);
    }
}
