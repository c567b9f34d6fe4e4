//! `splitbrain shrink`: from a failing run to the smallest one in which the same rule still fails.

use crate::args::ShrinkArgs;
use crate::exit::Exit;
use crate::failing::{self, Failing};
use crate::run::{self, Bars, Trouble, say};
use crate::run_dir::Partial;
use crate::sweep::workers;
use crate::wall::{Spinner, Stopwatch};
use reports::{program, quoted};
use scenarios::runner::TraceMode;
use scenarios::scenario::Plan;
use scenarios::shrink::{self, Keep, Oracle, Shrunk, Sighting, Size, Task};
use scenarios::{Registry, Scenario};
use sim_core::Duration;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Runs the command.
pub fn shrink(registry: &Registry, args: &ShrinkArgs) -> Exit {
    match whole(registry, args) {
        Ok(()) => Exit::Held,
        Err(exit) => exit,
    }
}

fn whole(registry: &Registry, args: &ShrinkArgs) -> Result<(), Exit> {
    let watch = Stopwatch::start();
    let target = target(&args.dir, args.out.as_deref()).map_err(|why| {
        complain!("{why}");
        Exit::Usage
    })?;
    let failing = failing::open(registry, &args.dir, args.rule.as_deref())?;
    let Failing { mut scenario, rule, expected, sighting, .. } = failing;
    let seed = scenario.seed;
    say(&format!("{}  seed {seed}   {rule} fails: {}\n", scenario.name, sighting.detail));
    // Other expectations say nothing about this rule, and would fail in ways of their own.
    scenario.expect.bounds.retain(|bound| rule == format!("expect.{}", bound.metric));

    let keep = Keep::of(&scenario, &args.keep).map_err(|wrong| {
        wrong.iter().for_each(|why| complain!("{why}"));
        Exit::Usage
    })?;

    let threads = workers::threads(args.jobs);
    let pool = workers::pool_of(args.jobs).map_err(|error| error.tell())?;
    let before = Size::of(&scenario);
    let mut crowd = Crowd { registry, pool, rule: &rule, spinner: Spinner::new(), made: 0 };
    let shrunk = shrink::shrink(
        Task {
            scenario: scenario.clone(),
            sighting,
            rule: &rule,
            max_runs: args.max_runs,
            other_seeds: args.other_seeds,
            keep,
            systems: registry,
        },
        &mut crowd,
    );
    crowd.spinner.clear();
    // Besides the candidates: the run as it was, and the small one with all that `run` leaves.
    let effort = |runs: u64| {
        let seconds = watch.elapsed().as_secs_f64();
        eprintln!(
            "{runs} runs in {seconds:.2} s of wall time on {threads} threads, those that were looked at in vain included"
        );
    };
    if shrunk.scenario == scenario {
        say(&format!("{}\n", nothing(&shrunk)));
        effort(crowd.made + 1);
        return Ok(());
    }

    let mut small = shrunk.scenario.clone();
    if expected {
        small.expect.violates = vec![rule.clone()];
    }
    let story =
        Story { rule: &rule, from: &args.dir, seed, before: &before, after: &Size::of(&small), shrunk: &shrunk };
    let dir = write(registry, &small, &target, &story).map_err(|trouble| trouble.tell())?;
    say(&story.told(&dir));
    effort(crowd.made + 2);
    Ok(())
}

fn nothing(shrunk: &Shrunk) -> String {
    if shrunk.cut_short {
        format!("nothing was found to leave out in {} runs; more may be found with a higher --max-runs", shrunk.runs)
    } else {
        format!("nothing more can be left out: {} runs tried to", shrunk.runs)
    }
}

/// Where the result goes: its folder's parent and name.
fn target(dir: &Path, out: Option<&Path>) -> Result<(PathBuf, String), String> {
    let parts = |path: &Path| {
        let name = path.file_name()?.to_str()?.to_owned();
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some((parent.to_owned(), name))
    };
    if let Some(out) = out {
        return parts(out).ok_or_else(|| format!("{}: this is not the name of a folder", out.display()));
    }
    // `latest` is a link: the result belongs beside the run, with the run's name.
    let whole = dir.canonicalize().map_err(|error| format!("{}: can not be read: {error}", dir.display()))?;
    let name = parts(&whole).map(|(_, name)| format!("{name}-shrunk"));
    let parent = parts(dir).map(|(parent, _)| parent);
    match (parent, name) {
        (Some(parent), Some(name)) => Ok((parent, name)),
        _ => parts(&whole)
            .map(|(parent, name)| (parent, format!("{name}-shrunk")))
            .ok_or_else(|| format!("{}: this is not the folder of a run", dir.display())),
    }
}

/// The small run, with everything that `run` leaves; its scenario says what it is.
fn write(
    registry: &Registry,
    small: &Scenario,
    target: &(PathBuf, String),
    story: &Story<'_>,
) -> Result<PathBuf, Trouble> {
    let schedule = scenarios::expand(small, small.seed);
    let folder = Partial::within(&target.0, &target.1)?;
    let preface = story.preface();
    let how = run::Folder { trace_mode: TraceMode::All, bars: Bars::None, preface: &preface, ..run::Folder::default() };
    Ok(run::into_folder(registry, small, &schedule, small.seed, folder, how)?.dir)
}

/// Runs candidates on all threads.
struct Crowd<'a> {
    registry: &'a Registry,
    pool: rayon::ThreadPool,
    rule: &'a str,
    spinner: Spinner,
    /// How many runs were really made; the threads look ahead, so it is a few more than were looked at.
    made: u64,
}

impl Oracle for Crowd<'_> {
    fn first(&mut self, candidates: &[Scenario], said: Option<&str>) -> Option<(usize, Sighting)> {
        let (next, best) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
        let found: Mutex<Option<(usize, Sighting)>> = Mutex::new(None);
        let (registry, rule) = (self.registry, self.rule);
        self.pool.broadcast(|_| {
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                // All before the first that fails are finished: whoever took one of them goes on until it is done.
                if i >= candidates.len() || i > best.load(Ordering::Relaxed) {
                    return;
                }
                if let Some(sighting) = failing::test(registry, &candidates[i], rule)
                    && said.is_none_or(|said| shrink::gist(&sighting.detail) == said)
                {
                    best.fetch_min(i, Ordering::Relaxed);
                    let mut found = found.lock().expect("nobody panicked with it");
                    if found.as_ref().is_none_or(|(other, _)| i < *other) {
                        *found = Some((i, sighting));
                    }
                }
            }
        });
        self.made += next.into_inner().min(candidates.len()) as u64;
        let found = found.into_inner().expect("nobody panicked with it");
        if let Some((i, _)) = &found {
            let size = Size::of(&candidates[*i]);
            self.spinner.set(&format!(
                "{} runs: {} faults, {} nodes, {} clients",
                self.made, size.faults, size.nodes, size.clients
            ));
        }
        found
    }
}

/// What is told about the result.
struct Story<'a> {
    rule: &'a str,
    from: &'a Path,
    seed: u64,
    before: &'a Size,
    after: &'a Size,
    shrunk: &'a Shrunk,
}

impl Story<'_> {
    /// What became of every figure that changed.
    fn figures(&self) -> Vec<(&'static str, String, String)> {
        let (a, b) = (self.before, self.after);
        let time = |ns: u64| Duration(ns).to_string();
        let noise = |size: &Size| if size.noise.is_empty() { "none".to_owned() } else { size.noise.join(", ") };
        let on = |size: &Size| if size.probes { "on" } else { "off" }.to_owned();
        let all = vec![
            ("faults", a.faults.to_string(), b.faults.to_string()),
            ("nodes", a.nodes.to_string(), b.nodes.to_string()),
            ("zones", a.zones.to_string(), b.zones.to_string()),
            ("clients", a.clients.to_string(), b.clients.to_string()),
            ("rate", format!("{}/s", a.rate), format!("{}/s", b.rate)),
            ("keys", a.keys.to_string(), b.keys.to_string()),
            ("probes", on(a), on(b)),
            ("noise", noise(a), noise(b)),
            ("duration", time(a.duration_ns), time(b.duration_ns)),
            ("settle", time(a.settle_ns), time(b.settle_ns)),
            ("seed", self.seed.to_string(), self.shrunk.scenario.seed.to_string()),
        ];
        all.into_iter().filter(|(_, a, b)| a != b).collect()
    }

    fn told(&self, dir: &Path) -> String {
        let mut text = String::from("\n");
        for (name, before, after) in self.figures() {
            text.push_str(&format!("{name:<10} {before} -> {after}\n"));
        }
        let faults = &self.shrunk.scenario.faults;
        text.push_str(&format!("\n{}\n", if faults.is_empty() { "no fault is needed" } else { "what remains" }));
        faults.iter().for_each(|plan| text.push_str(&format!("  {}\n", line(plan))));
        text.push_str(&format!("\n{} fails: {}\n", self.rule, self.shrunk.sighting.detail));
        let end = if self.shrunk.cut_short {
            "--max-runs ended the search: shrink the result again"
        } else {
            "nothing more can be left out"
        };
        text.push_str(&format!("{} runs; {end}\n", self.shrunk.runs));
        let (file, dir) = (dir.join("scenario.toml"), quoted(&dir.display().to_string()));
        let program = program();
        text.push_str(&format!(
            "\nresult  {}\n    {program} replay {dir}\n    {program} trace {dir}\n    {program} bisect {dir}\n",
            file.display()
        ));
        text
    }

    /// What stands above the scenario in its file.
    fn preface(&self) -> String {
        let mut text = format!(
            "# Shrunk: {} still fails here. Made by `{} shrink {}` in {} runs:\n",
            self.rule,
            program(),
            quoted(&self.from.display().to_string()),
            self.shrunk.runs
        );
        for (name, before, after) in self.figures() {
            text.push_str(&format!("#   {name}: {before} -> {after}\n"));
        }
        text.push_str(&format!("# {}\n#\n", self.shrunk.sighting.detail));
        text
    }
}

/// One fault for people.
fn line(plan: &Plan) -> String {
    let injection = scenarios::shrink::injection(plan);
    let how = match &injection.fault {
        sim_core::fault::Fault::Crash { on_crash } => format!(", {}", on_crash.name()),
        _ => String::new(),
    };
    let lasts = plan.duration.map_or_else(|| "to the end".to_owned(), |d| format!("for {d}"));
    format!("at {} {lasts}  {injection}{how}", plan.at)
}
