//! What a verdict costs: a hard part hides no other, a long history is not a hard one, and crowds are no trouble to
//! models whose order makes no difference.

use super::{BUDGET, crowded};
use scenarios::history::{Judged, ModelName, Reading, Ruling, judge};
use std::fmt::Write as _;

fn judged(text: &str, model: ModelName, budget: u64) -> Judged {
    judge("x", text, model, &Reading::default(), budget, &mut || true).unwrap_or_else(|p| panic!("{p}"))
}

fn line(text: &mut String, process: u64, stage: &str, rest: &str) {
    writeln!(text, "{{:process {process}, :type :{stage}, {rest}}}").expect("into memory");
}

#[test]
fn a_hard_part_hides_no_other() {
    // Thirty writes at once, and reads that go back and forth between two of them: no order fits, and all must be
    // tried.
    let mut text = String::new();
    let write = |i: u64| format!(":f :put, :key \"a\", :value {i}");
    (0..30).for_each(|i| line(&mut text, i, "invoke", &write(i)));
    for value in [1, 2, 1] {
        line(&mut text, 99, "invoke", ":f :get, :key \"a\"");
        line(&mut text, 99, "ok", &format!(":f :get, :key \"a\", :value {value}"));
    }
    (0..30).for_each(|i| line(&mut text, i, "ok", &write(i)));
    let alone = judged(&text, ModelName::Kv, 100_000);
    assert_eq!(alone.ruling, Ruling::Inconclusive, "{}", alone.why);
    // Two texts appended at once, seen in both orders.
    for (process, value) in [(0, "x"), (1, "y")] {
        line(&mut text, process, "invoke", &format!(":f :append, :key \"z\", :value {value}"));
    }
    for (process, value) in [(2, "xy"), (3, "yx")] {
        line(&mut text, process, "invoke", ":f :get, :key \"z\"");
        line(&mut text, process, "ok", &format!(":f :get, :key \"z\", :value {value}"));
    }
    let both = judged(&text, ModelName::Kv, 100_000);
    assert_eq!(both.ruling, Ruling::NotLinearizable, "{}", both.why);
    assert_eq!(both.object.as_deref(), Some("key z"));
}

#[test]
fn a_long_history_is_not_a_hard_one() {
    let mut text = String::new();
    for i in 0..5_000 {
        line(&mut text, 1, "invoke", &format!(":f :write, :value {i}"));
        line(&mut text, 2, "invoke", ":f :read, :value nil");
        line(&mut text, 1, "ok", &format!(":f :write, :value {i}"));
        line(&mut text, 2, "ok", &format!(":f :read, :value {i}"));
    }
    let judged = judged(&text, ModelName::Register, 100);
    assert_eq!(judged.ruling, Ruling::Linearizable, "{}", judged.why);
}

/// Adds by twenty clients at once, one in ten of them with an unknown outcome, and reads that see `lost` missing.
fn adds(f: &str, count: u64, lost: Option<u64>) -> String {
    let mut text = String::new();
    for round in 0..count / 20 {
        let element = |i: u64| round * 20 + i;
        (0..20).for_each(|i| line(&mut text, element(i), "invoke", &format!(":f :add, :value {}", element(i))));
        for i in 0..20 {
            let stage = if element(i) % 10 == 3 { "info" } else { "ok" };
            line(&mut text, element(i), stage, &format!(":f :add, :value {}", element(i)));
        }
        if round % 10 == 9 {
            // Half of what is not told has happened.
            let seen = (0..element(20)).filter(|e| e % 20 != 13 && Some(*e) != lost);
            let value = match f {
                "set" => format!("[{}]", seen.map(|e| e.to_string()).collect::<Vec<_>>().join(" ")),
                _ => seen.sum::<u64>().to_string(),
            };
            line(&mut text, 100_000, "invoke", ":f :read, :value nil");
            line(&mut text, 100_000, "ok", &format!(":f :read, :value {value}"));
        }
    }
    text
}

#[test]
fn a_crowd_of_adds_is_decided_either_way() {
    let right = judged(&adds("set", 1_000, None), ModelName::Set, 10_000);
    assert_eq!(right.ruling, Ruling::Linearizable, "{}", right.why);
    let wrong = judged(&adds("set", 1_000, Some(77)), ModelName::Set, 10_000);
    assert_eq!(wrong.ruling, Ruling::NotLinearizable, "{}", wrong.why);
    // The add that was answered, and the read that does not see it.
    assert_eq!(wrong.conflict.len(), 2, "{:?}", wrong.conflict);
}

#[test]
fn appends_in_a_crowd_are_decided_by_what_is_read_later() {
    let mut text = String::new();
    let mut held = String::new();
    for round in 0..20 {
        let value = |i: u64| format!("{}.", round * 30 + i);
        (0..30).for_each(|i| line(&mut text, i, "invoke", &format!(":f :append, :key k, :value \"{}\"", value(i))));
        (0..30).for_each(|i| line(&mut text, i, "ok", &format!(":f :append, :key k, :value \"{}\"", value(i))));
        // Backwards: the last to begin came first.
        (0..30).rev().for_each(|i| held.push_str(&value(i)));
        line(&mut text, 99, "invoke", ":f :get, :key k");
        line(&mut text, 99, "ok", &format!(":f :get, :key k, :value \"{held}\""));
    }
    let right = judged(&text, ModelName::Kv, 100_000);
    assert_eq!(right.ruling, Ruling::Linearizable, "{}", right.why);
    line(&mut text, 99, "invoke", ":f :get, :key k");
    line(&mut text, 99, "ok", &format!(":f :get, :key k, :value \"{}\"", &held[..held.len() - 2]));
    let wrong = judged(&text, ModelName::Kv, 100_000);
    assert_eq!(wrong.ruling, Ruling::NotLinearizable, "{}", wrong.why);
}

#[test]
fn forty_enqueues_at_once_are_decided_by_what_comes_out() {
    let crowd = || {
        let mut text = String::new();
        for stage in ["invoke", "ok"] {
            (0..40).for_each(|i| line(&mut text, i, stage, &format!(":f :enqueue, :value {i}")));
        }
        text
    };
    let out = |text: &mut String, process: u64, value: u64| {
        line(text, process, "invoke", ":f :dequeue, :value nil");
        line(text, process, "ok", &format!(":f :dequeue, :value {value}"));
    };
    // Backwards: the last to begin came first.
    let mut right = crowd();
    (10..40).rev().for_each(|i| out(&mut right, 99, i));
    let mut found_empty = right.clone();
    line(&mut found_empty, 99, "invoke", ":f :dequeue, :value nil");
    line(&mut found_empty, 99, "ok", ":f :dequeue, :value nil");
    let with = |value| {
        let mut text = right.clone();
        out(&mut text, 99, value);
        text
    };
    for model in [ModelName::Queue, ModelName::UnorderedQueue] {
        let found = judged(&right, model, 10_000);
        assert_eq!(found.ruling, Ruling::Linearizable, "{}", found.why);
        // What never came in, what was out already, and nothing where ten are left.
        for wrong in [with(99), with(25), found_empty.clone()] {
            let found = judged(&wrong, model, 10_000);
            assert_eq!(found.ruling, Ruling::NotLinearizable, "{}: {}", model.name(), found.why);
            // All that came in belongs to why an unordered queue can not have been found empty.
            let is_small = found.conflict.len() <= 3 || (model != ModelName::Queue && wrong == found_empty);
            assert!(is_small, "{}: {:?}", model.name(), found.conflict);
        }
    }
    // Two that came in one after the other, out the other way round.
    let mut swapped = String::new();
    for i in 0..60 {
        line(&mut swapped, 1, "invoke", &format!(":f :enqueue, :value {i}"));
        line(&mut swapped, 1, "ok", &format!(":f :enqueue, :value {i}"));
    }
    (0..60).for_each(|i| out(&mut swapped, 99, if i / 2 == 20 { 81 - i } else { i }));
    assert_eq!(judged(&swapped, ModelName::UnorderedQueue, 10_000).ruling, Ruling::Linearizable);
    let found = judged(&swapped, ModelName::Queue, 10_000);
    assert_eq!(found.ruling, Ruling::NotLinearizable, "{}", found.why);
    assert!(found.conflict.len() <= 4, "{:?}", found.conflict);
}

#[test]
fn a_crowd_with_everything_told_is_still_decided() {
    let decided = (0..6).filter(|seed| {
        let text = crowded(*seed, 20, 3, 0);
        judged(&text, ModelName::Register, BUDGET).ruling == Ruling::Linearizable
    });
    assert!(decided.count() > 0);
}

/// Something goes in and comes out: 40 enqueues at once of `kinds` different values, and what `out` says came out.
fn equal_crowd(kinds: u64, out: &[u64]) -> String {
    let mut text = String::new();
    for stage in ["invoke", "ok"] {
        (0..40).for_each(|i| line(&mut text, i, stage, &format!(":f :enqueue, :value {}", i % kinds)));
    }
    for value in out {
        line(&mut text, 99, "invoke", ":f :dequeue, :value nil");
        let value = if *value == 99 { "nil".to_owned() } else { value.to_string() };
        line(&mut text, 99, "ok", &format!(":f :dequeue, :value {value}"));
    }
    text
}

#[test]
fn a_crowd_of_equal_elements_is_decided_by_what_comes_out() {
    for (model, kinds) in [ModelName::Queue, ModelName::UnorderedQueue]
        .into_iter()
        .flat_map(|model| [1, 4, 13].map(|kinds| (model, kinds)))
    {
        // Backwards: the last to begin came first.
        let right: Vec<u64> = (0..30).rev().map(|i| i % kinds).collect();
        let found = judged(&equal_crowd(kinds, &right), model, 10_000);
        assert_eq!(found.ruling, Ruling::Linearizable, "{} of {kinds}: {}", model.name(), found.why);
        // Empty where ten are left, and one more of a kind than came in.
        let empty = [&right[..], &[99]].concat();
        let too_many = [vec![0; 41], right].concat();
        // All of a kind that came in and out belong to why one is left, or missing.
        let of_a_kind = 2 * 40_usize.div_ceil(kinds as usize);
        for (wrong, most) in [(empty, of_a_kind + 1), (too_many, of_a_kind + 1)] {
            let found = judged(&equal_crowd(kinds, &wrong), model, 10_000);
            assert_eq!(found.ruling, Ruling::NotLinearizable, "{} of {kinds}: {}", model.name(), found.why);
            assert!(found.conflict.len() <= most, "{} of {kinds}: {:?}", model.name(), found.conflict);
        }
    }
}

/// A good history of a lock or a queue, and what is added to it.
fn rounds(
    count: u64,
    more: &[(u64, &'static str, &str)],
    round: impl Fn(u64) -> Vec<(u64, &'static str, String)>,
) -> String {
    let mut text = String::new();
    for (process, f, value) in (0..count).flat_map(round).chain(more.iter().map(|(p, f, v)| (*p, *f, (*v).to_owned())))
    {
        line(&mut text, process, "invoke", &format!(":f :{f}, :value {value}"));
        line(&mut text, process, "ok", &format!(":f :{f}, :value {value}"));
    }
    text
}

#[test]
fn the_contradiction_of_a_lock_leaves_out_all_that_is_settled() {
    let good = |i: u64| vec![(i % 3, "acquire", "nil".to_owned()), (i % 3, "release", "nil".to_owned())];
    for model in [ModelName::Mutex, ModelName::Lock] {
        assert_eq!(judged(&rounds(200, &[], good), model, 10_000).ruling, Ruling::Linearizable);
        let twice = judged(&rounds(200, &[(1, "acquire", "nil"), (2, "acquire", "nil")], good), model, 10_000);
        // Of a mutex the release before is shown as well.
        let asked: Vec<&str> = twice.conflict.iter().rev().map(|o| o.process.as_str()).take(2).collect();
        assert_eq!(asked, ["2", "1"], "{}", twice.why);
        assert!(twice.conflict.len() <= 3, "{:?}", twice.conflict);
        let freed = judged(&rounds(200, &[(1, "release", "nil")], good), model, 10_000);
        assert_eq!(freed.ruling, Ruling::NotLinearizable, "{}", freed.why);
        assert!(freed.conflict.len() <= 3, "{:?}", freed.conflict);
    }
}

#[test]
fn the_contradiction_of_elements_leaves_out_the_others() {
    // Something came out of an unordered queue twice, long after all else had come and gone.
    let good = |i: u64| vec![(i % 3, "enqueue", i.to_string()), (i % 5, "dequeue", i.to_string())];
    let twice = judged(&rounds(300, &[(1, "dequeue", "150")], good), ModelName::UnorderedQueue, 10_000);
    assert_eq!((twice.ruling, twice.conflict.len()), (Ruling::NotLinearizable, 3), "{}", twice.why);
    // Found empty, though one of many had not come out.
    let left = [(1, "enqueue", "a"), (1, "enqueue", "b"), (2, "dequeue", "a"), (1, "dequeue", "nil")];
    let empty = judged(&rounds(300, &left, good), ModelName::UnorderedQueue, 10_000);
    let asked: Vec<&str> = empty.conflict.iter().map(|o| o.request.as_str()).collect();
    assert_eq!(asked, ["enqueue b", "dequeue"], "{}", empty.why);
    // Two reads of a set, each of which saw what the other did not: no element contradicts itself.
    let mut text = String::new();
    (0..100).for_each(|i| line(&mut text, i, "invoke", &format!(":f :add, :value {i}")));
    for (process, odd) in [(200, 0), (201, 1)] {
        let seen: Vec<String> = (0..100).filter(|i| i % 2 == odd).map(|i| i.to_string()).collect();
        line(&mut text, process, "invoke", ":f :read, :value nil");
        line(&mut text, process, "ok", &format!(":f :read, :value [{}]", seen.join(" ")));
    }
    (0..100).for_each(|i| line(&mut text, i, "ok", &format!(":f :add, :value {i}")));
    let parted = judged(&text, ModelName::Set, 100_000);
    assert_eq!(parted.ruling, Ruling::NotLinearizable, "{}", parted.why);
    assert!(parted.conflict.len() <= 4, "{:?}", parted.conflict.len());
}
