//! What `explore` says.

use super::Found;
use crate::args::{Budget, ExploreArgs};
use crate::run::out_flag;
use crate::sweep::kept;
use crate::terminal::{headed, width, wrapped};
use core::fmt::Write;
use reports::{program, quoted};
use scenarios::Scenario;
use scenarios::explore::Atlas;
use scenarios::runner::Meeting;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Failing runs that are told one by one.
const SHOWN: usize = 5;
/// What a fault never met, told by name.
const NAMED: usize = 6;

/// The first lines: what is looked at, and how to look again.
pub fn head(args: &ExploreArgs, scenario: &Scenario, start: u64) -> String {
    let head = format!("{}  at most {}, from seed {start}", scenario.name, args.budget);
    match args.budget {
        Budget::Runs(runs) => headed(&head, &again(args, start, runs)),
        Budget::Time(_) => wrapped(&format!("{head}: how many runs that is depends on the machine"), 2, width()),
    }
}

/// The command that makes the same search again.
fn again(args: &ExploreArgs, start: u64, runs: u64) -> String {
    let file = quoted(&args.file.display().to_string());
    let mut command = format!("{} explore {file} --budget {runs} --seed {start}", program());
    if args.keep_going {
        command.push_str(" --keep-going");
    }
    args.set.iter().for_each(|set| command.push_str(&format!(" --set {}", quoted(set))));
    command + &out_flag(&args.out)
}

/// What came of it, for people.
pub fn text(found: &Found<'_>) -> String {
    let Found { args, scenario, start, hunt, .. } = found;
    let mut out = String::new();
    let effort = hunt.explorer.effort();
    let how = format!("{} of fresh seeds, {} forked from others", effort.fresh, effort.forked);
    let _ = match hunt.failed + hunt.bugs {
        0 => writeln!(out, "{} runs and no rule broken: {how}", hunt.runs),
        1 => writeln!(out, "1 of {} runs failed: {how}", hunt.runs),
        failed => writeln!(out, "{failed} of {} runs failed: {how}", hunt.runs),
    };
    if hunt.inconclusive > 0 {
        let _ = writeln!(out, "{} runs were inconclusive", hunt.inconclusive);
    }
    for failing in hunt.found.iter().take(SHOWN) {
        let result = &failing.result;
        let moments: Vec<String> = failing.scenario.reseed.iter().map(|reseed| reseed.at.to_string()).collect();
        let luck = if moments.is_empty() { String::new() } else { format!(", fresh luck at {}", moments.join(", ")) };
        out.push_str(&wrapped(&format!("run {}: seed {}{luck}", result.job, result.seed), 4, width()));
        for broken in &result.failed_rules {
            let line = broken.detail.lines().next().unwrap_or_default();
            out.push_str(&wrapped(&format!("  {}  {line}", broken.rule), 4, width()));
        }
        let dir = quoted(&kept::path(found.dir, result.job, result.seed).display().to_string());
        let _ = writeln!(out, "    {} replay {dir}\n    {} shrink {dir}", program(), program());
    }
    let kept = hunt.found.len();
    if kept > SHOWN {
        let _ = writeln!(out, "and {} more in {}", kept - SHOWN, found.dir.join("failures").display());
    }
    coverage(&mut out, hunt.explorer.atlas(), &kinds(scenario));
    if matches!(args.budget, Budget::Time(_)) {
        let _ = writeln!(out, "again: {}", again(args, *start, hunt.runs));
    }
    out
}

/// The kinds of faults that the scenario has.
fn kinds(scenario: &Scenario) -> BTreeSet<&'static str> {
    scenario.faults.iter().map(|plan| plan.fault.kind()).collect()
}

fn coverage(out: &mut String, atlas: &Atlas, faults: &BTreeSet<&'static str>) {
    let growth = atlas.growth();
    let Some((_, features)) = growth.last() else { return };
    let _ = writeln!(out, "\ncoverage: {features} features");
    // As many points as fit: the first, the last, and some between.
    let step = growth.len().div_ceil(8);
    let shown: Vec<&(u64, u64)> = growth.iter().rev().step_by(step).collect::<Vec<_>>().into_iter().rev().collect();
    let line = |name: &str, values: Vec<u64>| {
        let cells: String = values.iter().map(|value| format!("{value:>9}")).collect();
        format!("  {name:<10}{cells}\n")
    };
    out.push_str(&line("runs", shown.iter().map(|(runs, _)| *runs).collect()));
    out.push_str(&line("features", shown.iter().map(|(_, features)| *features).collect()));
    let roles = atlas.roles();
    let names: Vec<&str> = roles.iter().map(|role| name(role)).collect();
    let wide = names.iter().map(|name| name.len()).max().unwrap_or(0).max(7) + 2;
    let _ = writeln!(out, "\nwhich fault met how many of the messages and facts that nodes of each role had at all");
    let head: String = names.iter().map(|name| format!("{name:>wide$}")).collect();
    let _ = writeln!(out, "  {:<12}{head}", "");
    let all: Vec<usize> = roles.iter().map(|role| atlas.of_role(role).len()).collect();
    for row in atlas.rows(faults) {
        let cells: String =
            row.met.iter().zip(&all).map(|(met, all)| format!("{:>wide$}", format!("{met}/{all}"))).collect();
        let _ = writeln!(out, "  {:<12}{cells}", row.fault);
    }
    for fault in faults {
        let never = atlas.never(fault);
        if never.is_empty() {
            continue;
        }
        let names: Vec<String> = never.iter().take(NAMED).map(meeting).collect();
        let more = never.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        out.push_str(&wrapped(&format!("  {fault} never met {}{more}", names.join(", ")), 4, width()));
    }
}

const fn name(role: &str) -> &str {
    if role.is_empty() { "no role" } else { role }
}

fn meeting(meeting: &Meeting) -> String {
    format!("{} at {}", meeting.what, name(meeting.role))
}

/// The same as one JSON object.
pub fn json(found: &Found<'_>) -> String {
    let Found { args, scenario, start, hunt, dir } = found;
    let effort = hunt.explorer.effort();
    let atlas = hunt.explorer.atlas();
    let faults = kinds(scenario);
    let failures: Vec<Value> = hunt
        .found
        .iter()
        .map(|failing| {
            let result = &failing.result;
            let reseed = failing.scenario.reseed.iter().map(|r| json!({ "at_ns": r.at.0, "seed": r.seed.to_string() }));
            json!({
                "run": result.job,
                "seed": result.seed.to_string(),
                "reseed": reseed.collect::<Vec<_>>(),
                "rules": result.failed_rules,
                "dir": kept::path(dir, result.job, result.seed),
            })
        })
        .collect();
    let never = |fault: &&'static str| {
        let all = atlas.never(fault);
        let one = |m: &Meeting| json!({ "role": m.role, "what": m.what, "fact": m.fact });
        ((*fault).to_owned(), all.iter().map(one).collect::<Value>())
    };
    let rows = atlas.rows(&faults).into_iter().map(|row| (row.fault.to_owned(), json!(row.met)));
    let json = json!({
        "schema_version": 1,
        "scenario": scenario.name,
        "system": scenario.system,
        "start": start.to_string(),
        "runs": hunt.runs,
        "fresh": effort.fresh,
        "forked": effort.forked,
        "failed": hunt.failed,
        "inconclusive": hunt.inconclusive,
        "bugs": hunt.bugs,
        "failures": failures,
        "features": atlas.growth(),
        "roles": atlas.roles(),
        "met": rows.collect::<serde_json::Map<_, _>>(),
        "all": atlas.roles().iter().map(|role| atlas.of_role(role).len()).collect::<Vec<_>>(),
        "never": faults.iter().map(never).collect::<serde_json::Map<_, _>>(),
        "again": again(args, *start, hunt.runs),
    });
    format!("{json}\n")
}
