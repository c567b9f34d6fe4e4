//! The tasks that wait for a worker, in the order in which a policy wants them.

use super::options::Policy;
use super::task::{JobId, Needs, TaskId, TaskSpec};
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{Duration, LocalInstant};

/// A task that waits.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// Which.
    pub id: TaskId,
    /// Its place in the queue of the log.
    pub place: u64,
    /// The attempt that it waits for.
    pub attempt: u32,
    /// Its class.
    pub class: u8,
    /// What it takes.
    pub needs: Needs,
    /// How long it takes.
    pub work: Duration,
    /// Which data it reads.
    pub block: u32,
    /// Since when it waits, as this leader knows it.
    pub since: LocalInstant,
    /// Where it stands within its class.
    key: u64,
}

/// All of them.
#[derive(Clone, Debug)]
pub struct Waiting {
    policy: Policy,
    /// A queue for each class, where the policy tells classes apart; one for all where it does not.
    queues: Vec<SortedSet<(u64, u64)>>,
    items: SortedMap<u64, Item>,
    /// By job, where workers ask for tasks of a job.
    jobs: SortedMap<JobId, SortedSet<u64>>,
    /// How many cpus each class has.
    running: Vec<u64>,
    /// Whether what is tried again goes first: a bug.
    jumps: bool,
}

impl Waiting {
    /// None yet.
    #[must_use]
    pub fn new(policy: Policy, classes: u8, jumps: bool) -> Self {
        let apart = matches!(policy, Policy::Fair | Policy::Priority);
        let many = if apart { usize::from(classes) } else { 1 };
        Self {
            policy,
            queues: vec![SortedSet::new(); many],
            items: SortedMap::new(),
            jobs: SortedMap::new(),
            running: vec![0; many],
            jumps,
        }
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    fn queue_of(&self, class: u8) -> usize {
        usize::from(class).min(self.queues.len() - 1)
    }

    /// One more waits.
    pub fn put(&mut self, id: TaskId, place: u64, attempt: u32, class: u8, spec: &TaskSpec, since: LocalInstant) {
        let mut key = match self.policy {
            Policy::Shortest => spec.work.0,
            Policy::CriticalPath => u64::MAX - spec.rank.0,
            _ => place,
        };
        let mut queue = self.queue_of(class);
        if self.jumps && attempt > 1 {
            (key, queue) = (0, 0);
        }
        let (needs, work, block) = (spec.needs, spec.work, spec.block);
        self.queues[queue].insert((key, place));
        self.items.insert(place, Item { id, place, attempt, class, needs, work, block, since, key });
        if self.policy == Policy::Sparrow {
            self.jobs.entry(id.job).or_default().insert(place);
        }
    }

    /// One does not wait any more.
    pub fn take(&mut self, place: u64) {
        let Some(item) = self.items.remove(&place) else { return };
        self.queues.iter_mut().for_each(|queue| _ = queue.remove(&(item.key, place)));
        if let Some(places) = self.jobs.get_mut(&item.id.job) {
            places.remove(&place);
            if places.is_empty() {
                self.jobs.remove(&item.id.job);
            }
        }
    }

    /// A class has so many cpus more, or less.
    pub fn runs(&mut self, class: u8, cpus: u32, more: bool) {
        let at = self.queue_of(class);
        let running = &mut self.running[at];
        *running = if more { *running + u64::from(cpus) } else { running.saturating_sub(u64::from(cpus)) };
    }

    /// Who goes next.
    #[must_use]
    pub fn next(&self) -> Option<Item> {
        let some = |queue: &usize| !self.queues[*queue].is_empty();
        let queue = match self.policy {
            Policy::Fair => (0..self.queues.len()).filter(some).min_by_key(|queue| self.running[*queue])?,
            _ => (0..self.queues.len()).find(some)?,
        };
        let (_, place) = self.queues[queue].first()?;
        self.items.get(place).copied()
    }

    /// All in order, for policies that may pass over one.
    pub fn in_order(&self) -> impl Iterator<Item = Item> + '_ {
        let all = self.queues.iter().flatten();
        all.filter_map(|(_, place)| self.items.get(place).copied())
    }

    /// The one at this place.
    #[must_use]
    pub fn of_place(&self, place: u64) -> Option<Item> {
        self.items.get(&place).copied()
    }

    /// The first of a job.
    #[must_use]
    pub fn of_job(&self, job: JobId) -> Option<Item> {
        let place = self.jobs.get(&job)?.first()?;
        self.items.get(place).copied()
    }

    /// Those that have waited since this moment or longer.
    pub fn since(&self, then: LocalInstant) -> impl Iterator<Item = Item> + '_ {
        self.items.values().filter(move |item| item.since <= then).copied()
    }

    /// They have waited since now.
    pub fn renew(&mut self, places: &[u64], now: LocalInstant) {
        for place in places {
            if let Some(item) = self.items.get_mut(place) {
                item.since = now;
            }
        }
    }

    /// How many of a class more urgent than this wait.
    #[must_use]
    pub fn more_urgent_than(&self, class: u8) -> usize {
        self.queues.iter().take(usize::from(class)).map(SortedSet::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(waiting: &mut Waiting, place: u64, class: u8, work: u64, rank: u64) {
        let spec = TaskSpec {
            work: Duration(work),
            needs: Needs { cpus: 1, memory: 0 },
            parents: Vec::new(),
            rank: Duration(rank),
            block: 0,
            luck: 0,
        };
        waiting.put(TaskId { job: JobId(place), index: 0 }, place, 1, class, &spec, LocalInstant(0));
    }

    fn drain(mut waiting: Waiting, runs: bool) -> Vec<u64> {
        let mut all = Vec::new();
        while let Some(item) = waiting.next() {
            waiting.take(item.place);
            if runs {
                waiting.runs(item.class, 1, true);
            }
            all.push(item.place);
        }
        all
    }

    #[test]
    fn each_policy_has_its_order() {
        let orders = [
            (Policy::Fifo, [1, 2, 3, 4]),
            (Policy::Shortest, [3, 4, 1, 2]),
            (Policy::CriticalPath, [2, 4, 3, 1]),
            (Policy::Priority, [3, 1, 2, 4]),
            (Policy::Fair, [3, 1, 2, 4]),
        ];
        for (policy, order) in orders {
            let mut waiting = Waiting::new(policy, 2, false);
            put(&mut waiting, 1, 1, 30, 1);
            put(&mut waiting, 2, 1, 40, 9);
            put(&mut waiting, 3, 0, 10, 2);
            put(&mut waiting, 4, 1, 20, 5);
            assert_eq!(drain(waiting, true), order, "{policy:?}");
        }
    }

    #[test]
    fn fair_takes_turns() {
        let mut waiting = Waiting::new(Policy::Fair, 2, false);
        (1..=4).for_each(|place| put(&mut waiting, place, 0, 1, 1));
        (5..=6).for_each(|place| put(&mut waiting, place, 1, 1, 1));
        assert_eq!(drain(waiting, true), [1, 5, 2, 6, 3, 4]);
    }
}

#[cfg(test)]
mod laws {
    use super::*;
    use sim_core::{Purpose, Rng};

    /// Whoever goes next is never behind another, whatever was put in and taken out before.
    #[test]
    fn nobody_goes_before_who_should() {
        let policies = [Policy::Fifo, Policy::Shortest, Policy::CriticalPath, Policy::Priority, Policy::Fair];
        for (seed, policy) in (0..40).flat_map(|seed| policies.map(|policy| (seed, policy))) {
            let mut rng = Rng::stream(seed, Purpose::Node, 0);
            let mut waiting = Waiting::new(policy, 3, false);
            let mut left: SortedMap<u64, (u8, u64, u64)> = SortedMap::new();
            let mut running = [0_u64; 3];
            for place in 1..200 {
                let (class, work, rank) = (rng.below(3) as u8, rng.below(50), rng.below(50));
                let spec = TaskSpec {
                    work: Duration(work),
                    needs: Needs { cpus: 1, memory: 0 },
                    parents: Vec::new(),
                    rank: Duration(rank),
                    block: 0,
                    luck: 0,
                };
                waiting.put(TaskId { job: JobId(place), index: 0 }, place, 1, class, &spec, LocalInstant(0));
                left.insert(place, (class, work, rank));
                if rng.below(3) == 0 {
                    continue;
                }
                let item = waiting.next().expect("one was put in");
                let (class, work, rank) = left[&item.place];
                let best = match policy {
                    Policy::Shortest => left.values().all(|other| other.1 >= work),
                    Policy::CriticalPath => left.values().all(|other| other.2 <= rank),
                    Policy::Priority => left.values().all(|other| other.0 >= class),
                    Policy::Fair => {
                        let of = |class: u8| running[usize::from(class)];
                        left.values().all(|other| of(other.0) >= of(class))
                    }
                    _ => left.keys().all(|other| *other >= item.place),
                };
                assert!(best, "{policy:?}, seed {seed}: {item:?} of {left:?}");
                waiting.take(item.place);
                left.remove(&item.place);
                waiting.runs(class, 1, true);
                running[usize::from(class)] += 1;
            }
            assert_eq!(waiting.len(), left.len());
        }
    }
}
