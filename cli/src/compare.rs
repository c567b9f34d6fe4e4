//! `splitbrain compare`: sweeps over the same seeds, and what their differences show.

mod many;

use crate::args::{CompareArgs, Format};
use crate::exit::Exit;
use crate::forecast::{Ask, Design, side_by_side};
use crate::run::{out_flag, say};
use crate::sweep::folder::FolderError;
use crate::sweep::pages::Pages;
use crate::sweep::{self, Made, workers};
use crate::terminal::{headed, say_lines};
use reports::compare::{Against, BrokenRule, Comparison, Difference, RunFigures, Side};
use reports::{program, quoted};
use scenarios::sweep::{JobResult, Outcome, Plan, Shard, Summary, Vary};
use scenarios::{Registry, Scenario};
use std::path::{Path, PathBuf};

/// Runs the command.
pub fn compare(registry: &Registry, args: &CompareArgs) -> Exit {
    let plan = match Plan::new(args.seeds.clone(), Vec::new(), Shard::WHOLE) {
        Ok(plan) => plan,
        Err(why) => {
            complain!("{why}");
            return Exit::Usage;
        }
    };
    let wrong = match (args.remove_fault || !args.vary.is_empty(), args.files.len()) {
        (true, 1) | (false, 2..) => None,
        (true, _) => Some("--remove-fault and --vary compare one file with itself: name one"),
        (false, _) => Some(
            "one file alone: name another, vary something in it with --vary, or ask what each of its faults costs with \
             --remove-fault",
        ),
    };
    if let Some(wrong) = wrong {
        eprintln!("{}: {wrong}", program());
        return Exit::Usage;
    }
    if !args.vary.is_empty() {
        let designs = match many::varied(registry, args) {
            Ok(designs) => designs,
            Err(exit) => return exit,
        };
        if args.forecast {
            return in_nines(registry, args, designs);
        }
        return many::rank(registry, args, &plan, &designs, Against::Each).unwrap_or_else(|error| error.tell());
    }
    let Some(scenarios) = crate::check::load_all(registry, &args.files, &args.set) else { return Exit::Usage };
    if args.forecast {
        return in_nines(registry, args, many::of_files(&args.files, scenarios));
    }
    let exit = match scenarios.as_slice() {
        [one] if one.faults.is_empty() => {
            eprintln!("{}: {} has no [[fault]] that could be removed", program(), args.files[0].display());
            return Exit::Usage;
        }
        [one] => {
            let designs = many::without_each_fault(&args.files[0], one);
            many::rank(registry, args, &plan, &designs, Against::First)
        }
        [a, b] => whole(registry, args, &plan, (a, b)),
        _ => many::rank(registry, args, &plan, &many::of_files(&args.files, scenarios), Against::Each),
    };
    exit.unwrap_or_else(|error| error.tell())
}

/// Their forecasts, side by side.
fn in_nines(registry: &Registry, args: &CompareArgs, designs: Vec<Design>) -> Exit {
    let ask =
        Ask { years: args.years.unwrap_or(1.0), samples: args.samples.unwrap_or(20_000), runs: args.runs.unwrap_or(5) };
    let files: String = args.files.iter().map(|file| format!(" {}", quoted(&file.display().to_string()))).collect();
    let mut again = format!("{} compare{files} --forecast", program());
    let numbers = [
        ("years", args.years.map(|n| n.to_string())),
        ("samples", args.samples.map(|n| n.to_string())),
        ("runs", args.runs.map(|n| n.to_string())),
    ];
    for (flag, number) in numbers {
        again.extend(number.map(|number| format!(" --{flag} {number}")));
    }
    let vary = |axis: &Vary| format!(" --vary {}", quoted(&format!("{}={}", axis.key, axis.values.join(","))));
    again.extend(args.vary.iter().map(vary));
    again.extend(args.set.iter().map(|set| format!(" --set {}", quoted(set))));
    side_by_side(registry, (args.jobs, args.format, &again), ask, designs, !args.vary.is_empty())
}

fn whole(
    registry: &Registry,
    args: &CompareArgs,
    plan: &Plan,
    (a, b): (&Scenario, &Scenario),
) -> Result<Exit, FolderError> {
    let [label_a, label_b] = labels(args, a, b);
    let dir = args.out.join(format!("{}-vs-{}", folder(&label_a), folder(&label_b)));
    if args.format == Format::Text {
        let set: String = args.set.iter().map(|s| format!(" --set {}", quoted(s))).collect();
        let file = |path: &Path| quoted(&path.display().to_string());
        let (file_a, file_b, out) = (file(&args.files[0]), file(&args.files[1]), out_flag(&args.out));
        let head = format!("{label_a} and {label_b}  {} seeds", plan.seeds().count());
        let seeds = plan.seeds();
        say(&headed(&head, &format!("{} compare {file_a} {file_b} --seeds {seeds}{out}{set}", program())));
    }
    let pool = workers::pool_of(args.jobs)?;
    let one = |scenario: &Scenario, name: &str| {
        let mut pages = Pages::new(plan);
        let mut figures = Vec::new();
        let scenarios = std::slice::from_ref(scenario);
        let made = sweep::make(registry, &pool, plan, scenarios, dir.join(name), &mut |result| {
            pages.add(result);
            figures.push(figures_of(result));
        })?;
        pages.write(&made.dir, &made.summary, scenario.report.charts)?;
        Ok::<(Made, Vec<RunFigures>), FolderError>((made, figures))
    };
    let (made_a, figures_a) = one(a, "a")?;
    let (made_b, figures_b) = one(b, "b")?;
    let pairs: Vec<_> = figures_a.into_iter().zip(figures_b).collect();
    let seed = plan.seeds().get(0).unwrap_or_default();
    let differences = scenarios::differences(a, b, seed).into_iter();
    let differences = differences.map(|d| Difference { path: d.path, a: d.a, b: d.b }).collect();
    let sides = (side(label_a, &args.files[0], &made_a.summary), side(label_b, &args.files[1], &made_b.summary));
    let metrics = sweep::metrics(registry, [a, b]);
    let comparison = Comparison::of(plan.seeds().to_string(), sides, differences, &metrics, &pairs);
    reports::compare::write(&dir, &comparison, a.report.charts && b.report.charts)
        .map_err(|error| FolderError::Io(error.path, "write the file", error.source))?;
    match args.format {
        Format::Json => say(&comparison.to_json()),
        Format::Text => say_lines(&reports::compare::text(&comparison, &dir)),
    }
    let troubles = made_a.troubles().max(made_b.troubles());
    Ok(troubles.max(exit_of(&[comparison.a, comparison.b])))
}

/// A missed expectation is what one compares; a broken safety rule is not. Inconclusive runs leave the answer open.
fn exit_of(sides: &[Side]) -> Exit {
    if sides.iter().any(|s| s.bugs > 0) {
        Exit::Bug
    } else if sides.iter().any(|s| !s.broken.is_empty()) {
        Exit::Failed
    } else if sides.iter().any(|s| s.inconclusive > 0) {
        Exit::Inconclusive
    } else {
        Exit::Held
    }
}

fn figures_of(result: &JobResult) -> RunFigures {
    let times = [
        ("total_outage_ns", result.total_outage_ns),
        ("longest_outage_ns", result.longest_outage_ns),
        ("read_p99_ns", result.read_p99_ns),
        ("write_p99_ns", result.write_p99_ns),
    ];
    let times = times.into_iter().filter_map(|(name, ns)| Some((name.to_owned(), ns? as f64)));
    let share = result.fraction.map(|share| ("availability".to_owned(), share));
    times.chain(share).chain(result.metrics.clone()).collect()
}

fn side(label: String, file: &Path, summary: &Summary) -> Side {
    let safety = |rule: &str| !rule.starts_with("expect.") && rule != "panic";
    let broken = summary.rules.iter().filter(|r| r.failed > 0 && safety(&r.rule));
    let failed = summary.failures.iter().filter(|f| matches!(f.ruling, Outcome::Fail | Outcome::Bug));
    Side {
        label,
        file: file.display().to_string(),
        title: summary.title.clone(),
        system: summary.system.clone(),
        held: summary.counts.pass,
        failed: summary.counts.fail,
        inconclusive: summary.counts.inconclusive,
        bugs: summary.counts.bug,
        broken: broken.map(|r| BrokenRule { rule: r.rule.clone(), runs: r.failed }).collect(),
        failing_seeds: failed.take(20).map(|f| f.seed).collect(),
    }
}

/// The scenarios' names where they differ, else their files' names, else the paths.
fn labels(args: &CompareArgs, a: &Scenario, b: &Scenario) -> [String; 2] {
    let stem = |path: &PathBuf| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let path = |path: &PathBuf| path.display().to_string();
    let (one, other) = (&args.files[0], &args.files[1]);
    let tries = [[a.name.clone(), b.name.clone()], [stem(one), stem(other)], [path(one), path(other)]];
    let [first, ..] = tries.clone();
    tries.into_iter().find(|[a, b]| a != b).unwrap_or(first)
}

/// A label as part of a folder's name.
fn folder(label: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    label.chars().map(plain).collect::<String>().trim_start_matches('.').to_owned()
}
