//! The checker held equal to a search over all orders, on small random histories.

use super::{Builder, Doing, Fate, History, Level, Ruling, Step, Transaction, Version, check};
use crate::sorted::SortedMap;
use crate::{Purpose, Rng};

/// What a database that keeps no level made of a few transactions: each step is done at some time, each read sees what
/// some time before had made, with or without what is not committed.
fn random(rng: &mut Rng, lists: bool) -> History {
    let mut builder: Builder<u32, u32> = Builder::new();
    let keys = rng.between(1, 3) as u32;
    let count = rng.between(2, 5) as u32;
    let sloppy = rng.below(4);
    let mut state: Vec<SortedMap<u32, Vec<Version>>> = vec![SortedMap::new()];
    let mut next = 0;
    let mut transactions = Vec::new();
    let mut time = 0;
    for process in 0..count {
        // What it works on: the newest state, or one before.
        let back = if sloppy > 0 && rng.below(4) > 0 { rng.below(state.len() as u64) as usize } else { 0 };
        let base = state.len() - 1 - back;
        let mut own = state[base].clone();
        let fate = match rng.below(10) {
            0 => Fate::Aborted,
            1 => Fate::Unknown,
            _ => Fate::Committed,
        };
        let mut steps = Vec::new();
        let mut writes: Vec<(u32, Version)> = Vec::new();
        for _ in 0..rng.between(1, 4) {
            let key = builder.key(&(rng.below(u64::from(keys)) as u32));
            if rng.below(2) == 0 {
                next += 1;
                let version = builder.version(key, next);
                own.entry(key).or_default().push(version);
                writes.push((key, version));
                steps.push(Step { key, doing: if lists { Doing::Append(version) } else { Doing::Write(version) } });
            } else if fate == Fate::Committed {
                let seen = own.get(&key).cloned().unwrap_or_default();
                let doing = if lists { Doing::ReadList(seen) } else { Doing::ReadRegister(seen.last().copied()) };
                steps.push(Step { key, doing });
            }
        }
        let takes_effect = match fate {
            Fate::Committed => true,
            Fate::Aborted => sloppy > 1 && rng.below(2) == 0,
            Fate::Unknown => rng.below(2) == 0,
        };
        if takes_effect {
            let mut after = state[state.len() - 1].clone();
            for (key, version) in writes {
                let list = after.entry(key).or_default();
                // A write may slip in before others.
                let at = if sloppy > 1 && rng.below(4) == 0 {
                    rng.below(list.len() as u64 + 1) as usize
                } else {
                    list.len()
                };
                list.insert(at, version);
            }
            state.push(after);
        }
        let invoked = time;
        time += rng.below(4);
        transactions.push(Transaction { process, fate, invoked, completed: invoked + 1 + rng.below(6), steps });
    }
    if !transactions.iter().any(|one: &Transaction| one.fate == Fate::Committed) {
        transactions[0].fate = Fate::Committed;
        transactions[0].steps.retain(|step| matches!(step.doing, Doing::Append(_) | Doing::Write(_)));
    }
    History { transactions, ..builder.history }
}

/// Applies a transaction to a state; whether every read fits.
fn replay(transaction: &Transaction, base: &SortedMap<u32, Vec<Version>>) -> bool {
    let mut own = base.clone();
    transaction.steps.iter().all(|step| {
        let list = own.entry(step.key).or_default();
        match &step.doing {
            Doing::Append(version) | Doing::Write(version) => {
                list.push(*version);
                true
            }
            Doing::ReadList(read) => list == read,
            Doing::ReadRegister(read) => list.last() == read.as_ref(),
        }
    })
}

fn write(transaction: &Transaction, state: &mut SortedMap<u32, Vec<Version>>) {
    for step in &transaction.steps {
        if let Doing::Append(version) | Doing::Write(version) = &step.doing {
            state.entry(step.key).or_default().push(*version);
        }
    }
}

/// Whether one after the other, in some order, could have given this.
fn serializable(history: &History, strict: bool) -> bool {
    fn go(history: &History, strict: bool, left: &mut Vec<usize>, state: &SortedMap<u32, Vec<Version>>) -> bool {
        let all = &history.transactions;
        if !left.iter().any(|index| all[*index].fate == Fate::Committed) {
            return true;
        }
        for place in 0..left.len() {
            let index = left[place];
            let ends = |other: usize| all[other].fate == Fate::Committed && all[other].completed < all[index].invoked;
            if strict && left.iter().any(|other| *other != index && ends(*other)) {
                continue;
            }
            if replay(&all[index], state) {
                let mut after = state.clone();
                write(&all[index], &mut after);
                left.remove(place);
                let fits = go(history, strict, left, &after);
                left.insert(place, index);
                if fits {
                    return true;
                }
            }
        }
        false
    }
    let mut left: Vec<usize> =
        (0..history.transactions.len()).filter(|index| history.transactions[*index].fate != Fate::Aborted).collect();
    go(history, strict, &mut left, &SortedMap::new())
}

/// Whether each could have read from a snapshot, with the first committer winning.
fn snapshot(history: &History) -> bool {
    /// What has begun, from which state and at how many commits.
    struct Search<'a> {
        history: &'a History,
        states: Vec<SortedMap<u32, Vec<Version>>>,
        /// The keys of each commit.
        commits: Vec<Vec<u32>>,
    }
    fn go(search: &mut Search<'_>, left: &mut Vec<usize>) -> bool {
        let all = &search.history.transactions;
        if !left.iter().any(|index| all[*index].fate == Fate::Committed) {
            return true;
        }
        for place in 0..left.len() {
            let index = left[place];
            let mut keys: Vec<u32> = all[index]
                .steps
                .iter()
                .filter(|step| matches!(step.doing, Doing::Append(_) | Doing::Write(_)))
                .map(|step| step.key)
                .collect();
            keys.sort_unstable();
            // It commits next, and began at any state since which nobody has written what it writes.
            for start in (0..search.states.len()).rev() {
                let since = &search.commits[start..];
                if since.iter().any(|other| other.iter().any(|key| keys.contains(key))) {
                    break;
                }
                if !replay(&all[index], &search.states[start]) {
                    continue;
                }
                let mut after = search.states[search.states.len() - 1].clone();
                write(&all[index], &mut after);
                search.states.push(after);
                search.commits.push(keys.clone());
                left.remove(place);
                let fits = go(search, left);
                left.insert(place, index);
                search.states.pop();
                search.commits.pop();
                if fits {
                    return true;
                }
            }
        }
        false
    }
    let mut left: Vec<usize> =
        (0..history.transactions.len()).filter(|index| history.transactions[*index].fate != Fate::Aborted).collect();
    go(&mut Search { history, states: vec![SortedMap::new()], commits: Vec::new() }, &mut left)
}

fn compare(lists: bool, level: Level, histories: u64, truth: impl Fn(&History) -> bool) -> [u64; 3] {
    let mut counts = [0; 3];
    for seed in 0..histories {
        let mut rng = Rng::stream(seed, Purpose::Client, u64::from(lists));
        let history = random(&mut rng, lists);
        let checked = check(&history, level);
        let truth = truth(&history);
        match checked.ruling {
            Ruling::Holds => assert!(truth, "seed {seed}: no order exists for {level}: {history:#?}"),
            Ruling::Broken => {
                assert!(!truth, "seed {seed}: {level} holds, but {:?} in {history:#?}", checked.anomalies);
            }
            Ruling::Inconclusive => {}
        }
        counts[match checked.ruling {
            Ruling::Holds => 0,
            Ruling::Broken => 1,
            Ruling::Inconclusive => 2,
        }] += 1;
    }
    counts
}

const MANY: u64 = 20_000;

#[test]
fn appends_are_judged_as_a_search_over_all_orders_does() {
    for (level, strict) in [(Level::Serializable, false), (Level::StrictSerializable, true)] {
        let [holds, broken, inconclusive] = compare(true, level, MANY, |history| serializable(history, strict));
        assert!(holds > MANY / 4 && broken > MANY / 8 && inconclusive == 0, "{level}: {holds} {broken} {inconclusive}");
    }
}

#[test]
fn appends_under_snapshots_are_judged_as_a_search_over_all_of_them_does() {
    let [holds, broken, inconclusive] = compare(true, Level::SnapshotIsolation, MANY, snapshot);
    assert!(holds > MANY / 4 && broken > MANY / 10 && inconclusive < MANY / 100, "{holds} {broken} {inconclusive}");
}

#[test]
fn registers_are_judged_as_a_search_over_all_orders_does_or_not_at_all() {
    for (level, strict) in [(Level::Serializable, false), (Level::StrictSerializable, true)] {
        let [holds, broken, inconclusive] = compare(false, level, MANY, |history| serializable(history, strict));
        assert!(
            holds > MANY / 4 && broken > MANY / 20 && inconclusive < MANY / 100,
            "{level}: {holds} {broken} {inconclusive}"
        );
    }
    let [holds, broken, inconclusive] = compare(false, Level::SnapshotIsolation, MANY, snapshot);
    assert!(holds > MANY / 4 && broken > MANY / 40 && inconclusive < MANY / 40, "{holds} {broken} {inconclusive}");
}
