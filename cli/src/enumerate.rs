//! `splitbrain enumerate`: every way in which a small cluster can go.

use crate::args::{EnumerateArgs, Format};
use crate::exit::Exit;
use crate::run::say;
use crate::terminal::{headed, width, wrapped};
use crate::wall::{Spinner, Stopwatch};
use core::fmt::Write;
use reports::{program, quoted};
use scenarios::runner::{Bounds, Ways};
use scenarios::{Registry, Scenario};
use serde_json::json;

/// Runs the command.
pub fn enumerate(registry: &Registry, args: &EnumerateArgs) -> Exit {
    let Some(scenario) = crate::check::load_all(registry, std::slice::from_ref(&args.file), &args.set) else {
        return Exit::Usage;
    };
    let scenario = &scenario[0];
    let bounds = Bounds {
        depth: args.depth,
        timers: args.timers,
        only: args.ring.clone(),
        under_way: args.under_way as usize,
        crashes: args.crashes,
        asks: args.asks,
        disk: args.disk,
        states: args.states as usize,
    };
    let system = registry.get(&scenario.system).expect("a checked scenario names a registered system");
    if args.asks > 0 && scenario.workloads.is_empty() {
        complain!("--asks {}: nobody asks anything in {}: it has no [[workload]]", args.asks, args.file.display());
        return Exit::Usage;
    }
    if args.format == Format::Text {
        say(&headed(
            &format!("{}  {} nodes, ways of up to {} steps", scenario.name, scenario.cluster.nodes(), args.depth),
            &again(args),
        ));
    }
    let watch = Stopwatch::start();
    let spinner = Spinner::new();
    let told = |ways: &Ways| spinner.set(&format!("all ways of {} steps: {} states", ways.whole, ways.states));
    let ways = system.ways(scenario, bounds, &mut |ways| told(ways));
    spinner.clear();
    let ways = match ways {
        Some(Ok(ways)) => ways,
        Some(Err(error)) => {
            complain!("{error}");
            return Exit::Usage;
        }
        None => {
            complain!("nodes of {} can not be cloned, so that their ways can not be gone one by one", scenario.system);
            return Exit::Usage;
        }
    };
    let exit = match &ways.broken {
        Some(_) => Exit::Failed,
        None if ways.whole == args.depth || ways.exhausted => Exit::Held,
        None => Exit::Inconclusive,
    };
    match args.format {
        Format::Text => say(&text(&ways, args)),
        Format::Json => say(&(json(&ways, scenario, args).to_string() + "\n")),
    }
    let seconds = watch.elapsed().as_secs_f64();
    eprintln!("{} steps in {seconds:.2} s, {:.0} a second", ways.steps, ways.steps as f64 / seconds.max(1e-9));
    exit
}

fn again(args: &EnumerateArgs) -> String {
    let file = quoted(&args.file.display().to_string());
    let mut command = format!("{} enumerate {file} --depth {} --timers {}", program(), args.depth, args.timers);
    args.ring.iter().for_each(|timer| command.push_str(&format!(" --ring {}", quoted(timer))));
    let counts = [("--under-way", args.under_way, 1000), ("--crashes", args.crashes, 0), ("--asks", args.asks, 0)];
    for (flag, value, usual) in counts {
        if value != usual {
            let _ = write!(command, " {flag} {value}");
        }
    }
    if args.disk {
        command.push_str(" --disk");
    }
    args.set.iter().for_each(|set| command.push_str(&format!(" --set {}", quoted(set))));
    command
}

fn text(ways: &Ways, args: &EnumerateArgs) -> String {
    let mut out = String::new();
    let states = ways.states;
    match &ways.broken {
        Some(broken) => {
            let steps = broken.way.len();
            out.push_str(&wrapped(&format!("FAIL  {}: {}", broken.rule, broken.detail), 6, width()));
            let _ = writeln!(out, "no shorter way breaks a rule than these {steps} steps:");
            for (number, step) in (1..).zip(&broken.way) {
                out.push_str(&wrapped(&format!("{number:>4}  {step}"), 6, width()));
            }
        }
        None if ways.exhausted => {
            let _ = writeln!(
                out,
                "HELD  there are no other ways: {states} states, the longest way has {} steps",
                ways.whole
            );
        }
        None if ways.whole == args.depth => {
            let _ = writeln!(out, "HELD  in all ways of up to {} steps: {states} states", ways.whole);
        }
        None => {
            let more = format!(
                "OPEN  all ways of up to {} steps hold; those of {} steps have more than {} states (--states)",
                ways.whole,
                ways.whole + 1,
                args.states
            );
            out.push_str(&wrapped(&more, 6, width()));
        }
    }
    out
}

fn json(ways: &Ways, scenario: &Scenario, args: &EnumerateArgs) -> serde_json::Value {
    let broken = ways.broken.as_ref();
    json!({
        "scenario": scenario.name,
        "depth": args.depth,
        "whole": ways.whole,
        "exhausted": ways.exhausted,
        "states": ways.states,
        "steps": ways.steps,
        "broken": broken.map(|broken| json!({ "rule": broken.rule, "detail": broken.detail, "way": broken.way })),
    })
}
