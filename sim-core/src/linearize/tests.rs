use super::*;

/// A register: `None` reads, `Some(v)` writes.
struct Register;
impl Spec for Register {
    type Request = Option<u64>;
    type Response = u64;
    type State = u64;
    type Part = u8;
    fn part(_: &Option<u64>) -> u8 {
        0
    }
    fn start(_: &u8) -> u64 {
        0
    }
    fn apply(state: &mut u64, request: &Option<u64>) -> u64 {
        if let Some(v) = request {
            *state = *v;
        }
        *state
    }
    fn is_read(request: &Option<u64>) -> bool {
        request.is_none()
    }
    fn needs(request: &Option<u64>, response: &u64) -> Option<u64> {
        request.is_none().then_some(*response)
    }
    fn makes(request: &Option<u64>) -> Option<Makes<u64>> {
        Some(request.map_or(Makes::Nothing, Makes::State))
    }
}

type Row = (Option<u64>, u64, u64, Outcome<u64>);

fn row((request, from, to, outcome): &Row) -> Observed<'_, Register> {
    (request, Instant(*from), Instant(*to), outcome)
}

fn judge(rows: &[Row], budget: u64) -> Linearizable {
    check::<Register>(rows.len(), |i| row(&rows[i]), budget)
}

fn write(v: u64, from: u64, to: u64) -> Row {
    (Some(v), from, to, Outcome::Ok(v))
}
fn read(v: u64, from: u64, to: u64) -> Row {
    (None, from, to, Outcome::Ok(v))
}

#[test]
fn a_long_history_costs_nothing_as_long_as_nothing_about_it_is_hard() {
    let rows: Vec<Row> = (0..50_000)
        .flat_map(|n| {
            [write(n, 20 * n, 20 * n + 9), read(n, 20 * n + 5, 20 * n + 15), read(n, 20 * n + 12, 20 * n + 18)]
        })
        .collect();
    assert_eq!(judge(&rows, 0), Linearizable::Yes { operations: rows.len(), parts: 1 });
    let one_read_too_many: Vec<Row> = rows.iter().cloned().chain([read(7, 2_000_000, 2_000_001)]).collect();
    assert!(matches!(judge(&one_read_too_many, 0), Linearizable::No { .. }));
}

#[test]
fn a_walk_through_a_crowd_is_paid_for_and_ends() {
    // Nothing tells when the writes of a crowd came: each step of a straight walk looks at all of them.
    let crowd: Vec<Row> = (0..3_000).map(|n| write(n, n, 3_000 + n)).collect();
    let Linearizable::OutOfBudget { states, .. } = judge(&crowd, 10_000) else { panic!("it costs half a million") };
    assert!(states <= 11_000, "{states}");
    assert_eq!(judge(&crowd, 1_000_000), Linearizable::Yes { operations: crowd.len(), parts: 1 });
    // A thin one is free.
    let thin: Vec<Row> = (0..3_000).map(|n| write(n, n, n + 30)).collect();
    assert_eq!(judge(&thin, 0), Linearizable::Yes { operations: thin.len(), parts: 1 });
}

#[test]
fn right_histories_pass() {
    for rows in [
        vec![],
        vec![write(1, 0, 10), read(0, 5, 6), read(1, 7, 8)],
        vec![write(1, 0, 10), write(2, 0, 10), read(1, 11, 12)],
        // An unknown write may take effect much later, or never.
        vec![(Some(3), 0, 5, Outcome::Unknown), read(0, 6, 7), read(3, 20, 21)],
        vec![(Some(3), 0, 5, Outcome::Unknown), read(0, 6, 7), read(0, 20, 21)],
        // A failed write did not happen.
        vec![(Some(3), 0, 5, Outcome::Failed), read(0, 6, 7)],
    ] {
        assert!(matches!(judge(&rows, 1000), Linearizable::Yes { .. }), "{rows:?}");
    }
}

#[test]
fn wrong_histories_fail_and_name_what_does_not_fit() {
    for (rows, what) in [
        (vec![write(1, 0, 1), read(0, 2, 3)], 1),
        // The value goes back.
        (vec![write(1, 0, 10), read(1, 2, 3), read(0, 4, 5)], 2),
        (vec![(Some(3), 0, 5, Outcome::Failed), read(3, 6, 7)], 1),
        (vec![(Some(3), 4, 5, Outcome::Unknown), read(3, 1, 2)], 1),
        // An unknown write takes effect once, not twice.
        (vec![(Some(3), 0, 1, Outcome::Unknown), read(3, 2, 3), write(4, 4, 5), read(3, 6, 7)], 3),
    ] {
        match judge(&rows, 1000) {
            Linearizable::No { stuck, .. } => assert_eq!(stuck, what, "{rows:?}"),
            other => panic!("{other:?} for {rows:?}"),
        }
    }
}

#[test]
fn out_of_budget_is_no_verdict() {
    // Back and forth between values that were written once: nothing was stale, but no order of the thirty fits.
    let reads = [read(1, 10, 11), read(2, 20, 21), read(1, 30, 31)];
    let rows: Vec<Row> = (0..30).map(|i| write(i, 0, 100)).chain(reads).collect();
    assert!(matches!(judge(&rows, 10_000), Linearizable::OutOfBudget { .. }));
}

#[test]
fn what_was_left_for_good_needs_no_search() {
    let crowd = || (10..40).map(|i| write(i, 0, 100));
    let wrong: [(&[Row], usize); 5] = [
        // Nobody ever wrote it.
        (&[read(99, 200, 201)], 0),
        // Overwritten after all who wrote it had ended.
        (&[write(1, 0, 90), write(1, 0, 100), write(2, 101, 110), read(1, 111, 112)], 3),
        // Seen after somebody saw another.
        (&[write(1, 0, 90), read(2, 101, 102), read(1, 103, 104), write(2, 0, 100)], 2),
        // The beginning does not come back.
        (&[write(1, 0, 90), read(0, 91, 92)], 1),
        // Not even if somebody saw it once more meanwhile.
        (&[write(1, 0, 5), write(2, 10, 20), write(1, 10, 20), read(2, 21, 22), read(2, 25, 26), read(1, 30, 31)], 5),
    ];
    for (rows, stale) in wrong {
        let rows: Vec<Row> = crowd().chain(rows.iter().cloned()).collect();
        let found = judge(&rows, 0);
        assert!(matches!(found, Linearizable::No { stuck, .. } if stuck == 30 + stale), "{found:?}: {rows:?}");
        let rows = rows.iter().map(row);
        assert!(conflict::<Register>(rows, 0, &mut || true).len() <= 3);
    }
    let right: [&[Row]; 4] = [
        // The two may have come in any order.
        &[write(1, 0, 100), write(2, 99, 110), read(1, 111, 112)],
        // One that is not told may come at any time, and one that is under way may have come.
        &[(Some(1), 0, 90, Outcome::Unknown), write(2, 101, 110), read(1, 111, 112)],
        &[write(1, 0, 90), write(2, 101, 110), write(1, 111, 200), read(1, 111, 112)],
        // Another one who saw the same.
        &[write(1, 0, 100), read(1, 101, 102), read(1, 103, 104)],
    ];
    for rows in right {
        assert!(matches!(judge(rows, 10_000), Linearizable::Yes { .. }), "{rows:?}");
    }
}

/// Every order of a few operations, by hand: the search must agree.
fn brute_force(rows: &[Row]) -> bool {
    fn go(rows: &[Row], left: &[usize], state: u64) -> bool {
        if left.iter().all(|i| !matches!(rows[*i].3, Outcome::Ok(_))) {
            return true;
        }
        left.iter().any(|i| {
            let (request, from, _, outcome) = &rows[*i];
            let late = left.iter().any(|j| matches!(rows[*j].3, Outcome::Ok(_)) && rows[*j].2 < *from);
            let mut after = state;
            let response = Register::apply(&mut after, request);
            let fits = !matches!(outcome, Outcome::Ok(r) if *r != response) && *outcome != Outcome::Failed;
            let rest: Vec<usize> = left.iter().copied().filter(|j| j != i).collect();
            !late && fits && go(rows, &rest, after)
        })
    }
    let all: Vec<usize> = (0..rows.len()).collect();
    go(rows, &all, 0)
}

proptest::proptest! {
    #[test]
    fn agrees_with_brute_force(raw in proptest::collection::vec((0_u64..4, 0_u64..12, 1_u64..6, 0_u8..4), 0..7)) {
        let rows: Vec<Row> = raw
            .into_iter()
            .map(|(v, from, length, sort)| match sort {
                0 => write(v, from, from + length),
                1 | 2 => read(v, from, from + length),
                _ => (Some(v), from, from + length, Outcome::Unknown),
            })
            .collect();
        let yes = matches!(judge(&rows, 1_000_000), Linearizable::Yes { .. });
        proptest::prop_assert_eq!(yes, brute_force(&rows));
    }
}

proptest::proptest! {
    #[test]
    fn a_conflict_is_a_contradiction_by_itself(
        raw in proptest::collection::vec((0_u64..4, 0_u64..40, 1_u64..8, 0_u8..5), 0..16)
    ) {
        let rows: Vec<Row> = raw
            .into_iter()
            .map(|(v, from, length, sort)| match sort {
                0 | 1 => write(v, from, from + length),
                2 | 3 => read(v, from, from + length),
                _ => (Some(v), from, from + length, Outcome::Unknown),
            })
            .collect();
        let some: Vec<usize> = conflict::<Register>(
            rows.iter().map(row), 1_000_000, &mut || true);
        let no = matches!(judge(&rows, 1_000_000), Linearizable::No { .. });
        proptest::prop_assert_eq!(no, !some.is_empty());
        if let Some(last) = some.last() {
            // By themselves, and with answers after the last straw forgotten, there is no order either.
            let end = rows[*last].2;
            let few: Vec<Row> = some
                .iter()
                .map(|i| rows[*i].clone())
                .map(|(q, from, to, o)| (q, from, to, if to > end { Outcome::Unknown } else { o }))
                .collect();
            let few_fail = matches!(judge(&few, 1_000_000), Linearizable::No { .. });
            proptest::prop_assert!(few_fail, "{:?}", few);
        }
    }
}
