//! Comparisons: what is concluded from differences that are known, and that it is never more than they show.

use reports::compare::{
    Against, Better, BrokenRule, Comparison, Difference, Ranking, RunFigures, Side, draw, text, text_of_ranking, write,
    write_ranking,
};
use std::path::Path;

const MS: u64 = 1_000_000;

fn side(label: &str) -> Side {
    Side {
        label: label.into(),
        file: format!("{label}.toml"),
        title: format!("The design <b>{label}</b>"),
        system: "raft".into(),
        held: 10,
        failed: 0,
        inconclusive: 0,
        bugs: 0,
        broken: Vec::new(),
        failing_seeds: Vec::new(),
    }
}

fn run(outage_ms: u64) -> RunFigures {
    let outage = (outage_ms * MS) as f64;
    let figures = [
        ("total_outage_ns", outage),
        ("longest_outage_ns", outage / 2.0),
        ("availability", 1.0 - outage_ms as f64 / 1e5),
        ("read_p99_ns", 5e6),
        ("write_p99_ns", 8e6),
    ];
    figures.map(|(name, value)| (name.to_owned(), value)).into()
}

/// Seeds 0.. with these outages in milliseconds under A and under B.
fn compared(pairs: &[(u64, u64)], differences: &[(&str, &str, &str)]) -> Comparison {
    let pairs: Vec<_> = pairs.iter().map(|(a, b)| (run(*a), run(*b))).collect();
    let differences = differences.iter().map(|(path, a, b)| Difference {
        path: (*path).into(),
        a: Some((*a).into()),
        b: Some((*b).into()),
    });
    Comparison::of(format!("1..{}", pairs.len()), (side("old"), side("new")), differences.collect(), &[], &pairs)
}

#[test]
fn a_clear_difference_is_said_with_its_size_and_its_interval() {
    let pairs: Vec<(u64, u64)> = (0..40).map(|i| (500 + 10 * i, 200 + 11 * i)).collect();
    let c = compared(&pairs, &[("system.pre_vote", "false", "true")]);
    assert_eq!((c.better, c.figures[0].b_better, c.figures[0].ties), (Better::B, 40, 0));
    let interval = c.figures[0].median_interval.expect("40 are enough");
    assert!(interval.low < -280.0 * MS as f64 && interval.high > -281.0 * MS as f64, "{interval:?}");
    let said = &c.conclusion[0];
    assert!(said.starts_with("B (new) is down for less time: 281 ms less in the median seed (95 % interval"), "{said}");
    assert!(said.contains("B is better in 40 of 40 seeds"), "{said}");
    assert!(c.warnings.is_empty(), "{:?}", c.warnings);
    // More is better for availability alone.
    assert_eq!(c.figures[2].better, Better::B);
    assert_eq!(c.figures[3].better, Better::NotShown);
    // The other way round.
    let turned: Vec<(u64, u64)> = pairs.iter().map(|(a, b)| (*b, *a)).collect();
    assert_eq!(compared(&turned, &[]).better, Better::A);
}

/// Twenty seeds in which A loses `a` writes and B `b`; B is down for less time.
fn losing(a: f64, b: f64) -> Comparison {
    let lost =
        sim_core::metric::MetricKind::new("lost_writes", "lost writes", sim_core::metric::Unit::Number, "").harm();
    let with = |outage, lost| {
        let mut run = run(outage);
        run.insert("lost_writes".into(), lost);
        run
    };
    let pairs: Vec<_> = (0..20).map(|i| (with(500 + i, a), with(300 + i, b))).collect();
    Comparison::of("1..20".into(), (side("old"), side("new")), Vec::new(), &[lost], &pairs)
}

#[test]
fn what_both_lose_is_said_though_they_do_not_differ() {
    let scratch = std::env::temp_dir().join(format!("splitbrain-losing-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).expect("a folder");
    let page = |c: &Comparison| {
        write(&scratch, c, false).expect("it can be written");
        let read = |file: &str| std::fs::read_to_string(scratch.join(file)).expect(file);
        let (html, md) = (read("compare.html"), read("compare.md"));
        let pill =
            html.split("<span class=\"pill ").nth(1).expect("a verdict").split("</span>").next().unwrap().to_owned();
        (pill, md.lines().nth(2).expect("a verdict").to_owned())
    };
    let same = losing(3.0, 3.0);
    assert_eq!(same.conclusion[0], "A had lost writes in 20 of 20 seeds, B in 20.");
    let (pill, said) = page(&same);
    assert!(pill.starts_with("inconclusive") && pill.contains("though it had lost writes in 20 of 20 seeds"), "{pill}");
    assert!(said.contains("though it had lost writes"), "{said}");
    // Who loses less loses, too.
    let less = losing(9.0, 3.0);
    assert!(less.conclusion[0].ends_with("A had lost writes in 20 of 20 seeds, B in 20."), "{:?}", less.conclusion);
    assert!(page(&less).0.starts_with("inconclusive"));
    let none = losing(9.0, 0.0);
    assert!(!none.conclusion[0].contains(" had "), "{:?}", none.conclusion);
    assert!(page(&none).0.starts_with("pass"), "{:?}", page(&none));
    assert!(!losing(0.0, 0.0).conclusion.iter().any(|said| said.contains("lost writes")));
    std::fs::remove_dir_all(&scratch).expect("it is there");
}

#[test]
fn chance_and_too_few_seeds_show_nothing() {
    let noise: Vec<(u64, u64)> = (0..60).map(|i| (500, if i % 2 == 0 { 440 + i } else { 510 + i })).collect();
    let c = compared(&noise, &[]);
    assert_eq!(c.better, Better::NotShown);
    assert!(
        c.conclusion[0].contains("No difference shown") && c.conclusion[0].contains("contains 0"),
        "{:?}",
        c.conclusion
    );
    let c = compared(&[(900, 100); 5], &[]);
    assert_eq!(c.better, Better::NotShown);
    assert!(c.conclusion[0].contains("too few"), "{:?}", c.conclusion);
    assert_eq!(compared(&[(900, 100); 6], &[]).better, Better::B);
    let c = compared(&[(300, 300); 50], &[]);
    assert!(c.conclusion[0].contains("most seeds are down for the same time"), "{:?}", c.conclusion);
    assert!(c.warnings[0].contains("with itself"), "{:?}", c.warnings);
}

#[test]
fn how_many_more_seeds_would_settle_it_is_said_where_it_makes_sense() {
    let scratch = std::env::temp_dir().join(format!("splitbrain-power-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).expect("a folder");
    // B is better in 24 of 40 seeds: a sign test of such a share wants 204 of them.
    let pairs: Vec<(u64, u64)> = (0..40).map(|i| (500, if i % 5 < 3 { 440 + i } else { 550 + i })).collect();
    let c = compared(&pairs, &[]);
    let more = c.figures[0].to_settle.more_seeds.expect("a number");
    assert!((150..=170).contains(&more), "{more}");
    let said = format!("If the designs differ as much as in these seeds, {more} more seeds would settle it.");
    assert!(c.conclusion[0].contains(&said), "{:?}", c.conclusion);
    let told = text(&c, &scratch);
    assert!(told.contains(&said), "{told}");
    assert!(
        told.contains(&format!("settle the other figures: longest outage {more}, availability {more}\n")),
        "{told}"
    );
    let json: serde_json::Value = serde_json::from_str(&c.to_json()).expect("JSON");
    assert_eq!(json["figures"][0]["to_settle"]["more_seeds"], more);
    assert!(json["figures"][0]["to_settle"]["why_not"].is_null());
    // The latencies are equal in every seed: there is no number, and the reason is said.
    assert!(json["figures"][3]["to_settle"]["more_seeds"].is_null());
    assert!(json["figures"][3]["to_settle_mean"]["why_not"].as_str().is_some_and(|why| why.contains("equal in every")));
    write(&scratch, &c, false).expect("it can be written");
    for file in ["compare.html", "compare.md"] {
        let page = std::fs::read_to_string(scratch.join(file)).expect(file);
        assert!(page.contains("More seeds that would settle it") && page.contains("equal in every seed"), "{file}");
        assert!(page.contains(&said), "{file}");
    }
    // What is shown needs none.
    let shown = compared(&[(900, 100); 20], &[]);
    assert_eq!(shown.figures[0].to_settle.more_seeds, Some(0));
    assert!(!text(&shown, &scratch).contains("would settle"), "{}", text(&shown, &scratch));
    std::fs::remove_dir_all(&scratch).expect("it is there");
}

#[test]
fn a_few_disasters_are_not_hidden_by_the_median() {
    let pairs: Vec<(u64, u64)> = (0..100).map(|i| (300, if i % 10 == 0 { 9_000 + i } else { 300 })).collect();
    let c = compared(&pairs, &[]);
    assert_eq!(c.better, Better::NotShown);
    assert!(c.conclusion[1].starts_with("But on average A has"), "{:?}", c.conclusion);
}

#[test]
fn other_conditions_and_broken_rules_are_said_first_and_last() {
    let mut c = compared(
        &[(1, 2); 10],
        &[("workload.0.rate", "400/s", "100/s"), ("system.x", "1", "2"), ("fault.0.at", "1s", "2s")],
    );
    assert!(
        c.warnings[0].starts_with("Apples and pears") && c.warnings[0].contains("[workload], [fault]"),
        "{:?}",
        c.warnings
    );
    assert_eq!((c.design.len(), c.conditions.len()), (1, 2));
    let mut broken = side("broken");
    broken.broken.push(BrokenRule { rule: "log_matching".into(), runs: 3 });
    broken.failing_seeds = vec![7, 9];
    c = Comparison::of("1..10".into(), (side("fine"), broken), Vec::new(), &[], &vec![(run(1), run(1)); 10]);
    let last = c.conclusion.last().expect("a sentence");
    assert!(last.contains("B (broken) breaks log_matching in 3 runs (first seeds: 7, 9)"), "{last}");
}

#[test]
fn what_one_design_loses_is_said_before_for_how_long_it_is_down() {
    let kinds = reports::followed();
    let with = |outage: u64, lost: f64| {
        let mut figures = run(outage);
        figures.insert("lost_writes".into(), lost);
        figures
    };
    let compare = |pairs: &[(RunFigures, RunFigures)]| {
        Comparison::of("1..20".into(), (side("bold"), side("careful")), Vec::new(), &kinds, pairs)
    };
    // A loses writes, B is down for longer.
    let pairs: Vec<_> = (0..20).map(|i| (with(100, 150.0 + i as f64), with(500, 0.0))).collect();
    let c = compare(&pairs);
    assert_eq!(c.figures.len(), 6, "only what somebody measured");
    let lost = &c.figures[5];
    assert_eq!((lost.figure.as_str(), lost.better, lost.b_better), ("lost_writes", Better::B, 20));
    assert!(lost.median_interval.is_some_and(|i| i.high < -150.0));
    let first = &c.conclusion[0];
    assert!(first.starts_with("B (careful) has fewer lost writes: 160 fewer in the median seed"), "{first}");
    assert!(c.conclusion[1].starts_with("A (bold) is down for less time"), "{:?}", c.conclusion);
    // Equal outages are no reason to say that there is no difference.
    let pairs: Vec<_> = (0..20).map(|i| (with(0, 150.0 + i as f64), with(0, 0.0))).collect();
    assert!(compare(&pairs).conclusion[0].starts_with("B (careful) has fewer lost writes"));
    // A few seeds that lose much are not hidden by a median of none.
    let pairs: Vec<_> =
        (0..60).map(|i| (with(0, if i % 5 == 0 { 90.0 + i as f64 } else { 0.0 }), with(0, 0.0))).collect();
    let c = compare(&pairs);
    assert_eq!(c.figures[5].better, Better::NotShown);
    assert!(c.conclusion[0].starts_with("On average B has"), "{:?}", c.conclusion);
}

#[test]
fn runs_that_measured_nothing_are_left_out_and_counted() {
    let mut pairs = vec![(run(500), run(100)); 20];
    pairs.push((RunFigures::default(), run(1)));
    let c = Comparison::of("1..21".into(), (side("a"), side("b")), Vec::new(), &[], &pairs);
    assert_eq!((c.pairs, c.figures[0].pairs, c.better), (21, 20, Better::B));
    assert!(c.warnings.iter().any(|w| w.contains("1 run measured nothing")), "{:?}", c.warnings);
    let nothing = Comparison::of("1".into(), (side("a"), side("b")), Vec::new(), &[], &[Default::default()]);
    assert!(nothing.conclusion[0].contains("No difference shown"));
    assert_eq!(draw(&nothing).len(), 4);
}

#[test]
fn pages_hold_all_of_it_and_are_escaped() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compare");
    std::fs::create_dir_all(&dir).expect("a folder");
    let pairs: Vec<(u64, u64)> = (0..40).map(|i| (500 + 10 * i, 200 + 11 * i)).collect();
    let c = compared(&pairs, &[("system.pre_vote", "<i>", "true")]);
    write(&dir, &c, true).expect("written");
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).expect(name);
    let page = read("compare.html");
    assert!(page.contains(&c.conclusion[0]) && !page.contains("<i>") && !page.contains("<b>"), "escaped");
    assert_eq!(page.matches("<svg").count(), 4);
    assert!(read("compare.md").contains(&c.conclusion[0]));
    let json: serde_json::Value = serde_json::from_str(&read("compare.json")).expect("JSON");
    assert_eq!((&json["better"], json["figures"].as_array().map(Vec::len)), (&"b".into(), Some(5)));
    assert_eq!(c.to_json(), compared(&pairs, &[("system.pre_vote", "<i>", "true")]).to_json());
    let said = text(&c, &dir);
    assert!(said.lines().next().is_some_and(|line| line == c.conclusion[0]), "{said}");
}

/// Seeds 0.. under several designs, with these total outages in milliseconds.
fn ranked(designs: &[(&str, &dyn Fn(u64) -> u64)], seeds: u64, against: Against) -> Ranking {
    let runs: Vec<Vec<RunFigures>> =
        designs.iter().map(|(_, outage)| (0..seeds).map(|seed| run(outage(seed))).collect()).collect();
    let sides = designs.iter().map(|(label, _)| side(label)).collect();
    Ranking::of(format!("1..{seeds}"), sides, (against, &[]), &[], &runs)
}

#[test]
fn designs_are_ranked_by_what_is_shown_of_them() {
    let fast = |seed: u64| 100 + seed % 7;
    let slow = |seed: u64| 300 + seed % 11;
    // Faster than `fast` in half of the seeds, slower in the others.
    let other = |seed: u64| 100 + (seed + 3) % 7;
    let designs: [(&str, &dyn Fn(u64) -> u64); 3] = [("slow", &slow), ("fast", &fast), ("other", &other)];
    let r = ranked(&designs, 40, Against::Each);
    let places: Vec<usize> = r.figures[0].standings.iter().map(|standing| standing.place).collect();
    assert_eq!(places, [3, 1, 1]);
    assert_eq!(r.order()[2], 0);
    assert!(
        r.conclusion[0].starts_with("fast, other share the first place in total outage; slow is shown"),
        "{:?}",
        r.conclusion
    );
    assert!(r.conclusion[1].starts_with("2 of 3 pairs differ"), "{:?}", r.conclusion);
    // More is better for availability alone.
    let availability: Vec<usize> = r.figures[2].standings.iter().map(|standing| standing.place).collect();
    assert_eq!(availability, places);
    // Eight seeds that all say the same are enough for three pairs, seven are not.
    let claims = |seeds| ranked(&designs, seeds, Against::Each).figures[0].standings.iter().map(|s| s.place).max();
    assert_eq!((claims(8), claims(6)), (Some(3), Some(1)));
    assert!(ranked(&designs, 6, Against::Each).warnings[0].contains("use at least 7"));
    let r = ranked(&designs, 40, Against::First);
    assert_eq!(r.figures[0].contrasts.len(), 2);
    assert!(r.conclusion[0].contains(" less total outage in the median seed"), "{:?}", r.conclusion);
}

#[test]
fn a_ranking_is_a_page_whatever_designs_are_called() {
    let fast = |seed: u64| 100 + seed % 7;
    let slow = |seed: u64| 300 + seed % 11;
    let r = ranked(&[("a|<b>&", &slow), ("c`d`", &fast), ("e", &fast)], 20, Against::Each);
    let dir = std::env::temp_dir().join(format!("splitbrain-ranking-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a folder");
    write_ranking(&dir, &r).expect("written");
    let [page, text] =
        ["ranking.html", "ranking.md"].map(|name| std::fs::read_to_string(dir.join(name)).expect("it is there"));
    std::fs::remove_dir_all(&dir).expect("can be removed");
    assert!(page.contains("a|&lt;b&gt;&amp;") && !page.contains("<b>"));
    // Every row of a table has as many cells as its head.
    let cells = |line: &str| line.replace("\\|", "").matches('|').count();
    let mut width = 0;
    for line in text.lines() {
        width = match cells(line) {
            0 => 0,
            n if width == 0 || n == width => n,
            n => panic!("{n} cells, not {width}: {line}"),
        };
    }
    assert!(text.contains("| total outage | a\\|\\<b>& | c\\`d\\` |"), "{text}");
    let told = text_of_ranking(&r, &dir, 60);
    assert!(told.lines().filter(|line| line.starts_with("e ")).all(|line| line.chars().count() <= 60), "{told}");
}
