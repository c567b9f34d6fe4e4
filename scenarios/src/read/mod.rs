//! From a scenario as written to a scenario as meant: complete, and with every problem said at once.

mod attached;
mod cluster;
mod csv;
mod expect;
mod fault;
mod file;
mod groups;
mod hazard;
mod latency;
mod limits;
mod load;
mod matrix;
mod measure;
mod mix;
mod network;
mod overlap;
mod probe;
mod process;
mod recorded;
mod reseed;
mod section;
mod swarm;
mod target;
mod transport;
mod trigger;

pub use probe::capacity;
pub use section::{Beside, Files};
pub use target::write as write_target;

use crate::diagnostics::{Diagnostics, Problems, Span};
use crate::keys::{self, LEVEL};
use crate::options::Systems;
use crate::runner;
use crate::scenario::{Choice, Scenario};
use crate::suggest;
use crate::written::{Kind, Override, Table, Value, apply, read_json, read_toml};
use cluster::World;
use section::{Context, Reader};
use sim_core::{Duration, Profile};
use std::path::Path;

/// The text of a scenario and what it may refer to.
pub struct Text<'a> {
    /// What messages call it: the path as the user gave it.
    pub name: &'a str,
    /// The text.
    pub text: &'a str,
    /// Whether it is JSON rather than TOML.
    pub json: bool,
    /// `--set`, in order.
    pub overrides: &'a [Override],
    /// The files it refers to.
    pub files: &'a dyn Files,
}

/// Reads a scenario file; one that ends in `.json` is JSON, and `-` is standard input, TOML or JSON.
///
/// # Errors
/// Every problem with it.
pub fn load(path: &Path, overrides: &[Override], systems: &dyn Systems) -> Result<Scenario, Diagnostics> {
    let piped = is_standard_input(path);
    let name = if piped { "standard input".to_owned() } else { path.display().to_string() };
    let text = if piped { file::standard_input() } else { file::text(path) };
    let text = text.map_err(|(what, help)| Diagnostics::of_file(&name, what, help))?;
    let ends_in = |ending: &str| path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending));
    if ends_in("yaml") || ends_in("yml") {
        return Err(yaml(&name));
    }
    let json = if piped { text.trim_start().starts_with('{') } else { ends_in("json") };
    parse(&Text { name: &name, text: &text, json, overrides, files: &Beside::new(path) }, systems)
}

/// The text of a scenario file, as it is written.
///
/// # Errors
/// Why it can not be read.
pub fn source(path: &Path) -> Result<String, Diagnostics> {
    file::text(path).map_err(|(what, help)| Diagnostics::of_file(&path.display().to_string(), what, help))
}

/// Whether a path stands for standard input.
#[must_use]
pub fn is_standard_input(path: &Path) -> bool {
    path == Path::new("-")
}

/// One sentence about a file of another kind, instead of one about each of its lines.
fn yaml(name: &str) -> Diagnostics {
    let help = "in TOML `scenario:` is `[scenario]`, `nodes: 5` is `nodes = 5`, and `- kind: crash` is `[[fault]]` and \
                `kind = \"crash\"`; the same fields as JSON are read too";
    Diagnostics::of_file(name, "this is YAML, but a scenario is TOML or JSON", help)
}

/// Whether the first line that says something is a key and a colon, or begins a document.
fn looks_like_yaml(text: &str) -> bool {
    let first = text.lines().map(str::trim_end).find(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let is_key = |key: &str| !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
    first.is_some_and(|line| line == "---" || line.split_once(':').is_some_and(|(key, _)| is_key(key)))
}

/// Reads a scenario's text.
///
/// # Errors
/// Every problem with it.
pub fn parse(text: &Text<'_>, systems: &dyn Systems) -> Result<Scenario, Diagnostics> {
    if text.text.trim().is_empty() {
        let help = "a scenario needs at least [scenario] and [cluster]; `list scenarios` names examples";
        return Err(Diagnostics::of_file(text.name, "the file is empty", help));
    }
    let problems = Problems::default();
    let source = problems.source(text.name, text.text);
    let document =
        if text.json { read_json(source, text.text, &problems) } else { read_toml(source, text.text, &problems) };
    // What a broken text seems to say is not worth complaining about.
    let Some(mut document) = document else {
        let is_yaml = !text.json && looks_like_yaml(text.text);
        return if is_yaml { Err(yaml(text.name)) } else { problems.finish(None) };
    };
    apply(&mut document, text.overrides, &problems);
    let scenario = scenario(&document, &Context { problems: &problems, files: text.files }, systems);
    problems.finish(scenario)
}

/// The table under `key` of the root: a section that is not there has its defaults.
fn child<'a>(root: &Reader<'a>, key: &'static str, section: &'static keys::Section) -> Reader<'a> {
    match root.value(key) {
        Some(value) => Reader::new(section, value, root.context),
        None => Reader::absent(section, root.span, root.context),
    }
}

/// The tables under `key`; `[x]` where `[[x]]` should be is said.
pub(crate) fn children<'a>(root: &Reader<'a>, key: &'static str, section: &'static keys::Section) -> Vec<Reader<'a>> {
    let Some(value) = root.value(key) else { return Vec::new() };
    match &value.kind {
        Kind::List(items) => items.iter().map(|item| Reader::new(section, item, root.context)).collect(),
        other => {
            let what = format!("`{key}` is a list of tables, not {}", other.name());
            let help = match section.name.strip_prefix("[[") {
                Some(_) => format!("write {} in double brackets", section.name),
                None => "put it into square brackets".to_owned(),
            };
            root.context.wrong(value.span, what, help);
            Vec::new()
        }
    }
}

fn scenario(document: &Value, context: &Context<'_>, systems: &dyn Systems) -> Option<Scenario> {
    let root = Reader::new(&keys::ROOT, document, context);
    for (key, example) in [("scenario", "duration = \"60s\""), ("cluster", "nodes = 5")] {
        if root.is_there() && !root.has(key) {
            let help = format!("add [{key}] with for example `{example}`");
            context.problems.with_source(root.span.source, format!("there is no [{key}]"), help);
        }
    }
    let head = child(&root, "scenario", &keys::SCENARIO);
    let name = head.must("name", measure::name);
    let title = head.get("title", measure::text).or_else(|| name.clone());
    let description = head.get("description", measure::text).unwrap_or_default();
    let duration = head.must("duration", measure::positive);
    let warmup = head.get("warmup", measure::duration).unwrap_or(Duration::ZERO);
    let settle = head.get("settle", measure::duration).unwrap_or(Duration::secs(5));
    let seed = head.get("seed", measure::seed).unwrap_or(1);
    let shuffle_ties = head.get("shuffle_ties", measure::flag).unwrap_or(false);
    let reseed = reseed::read(&children(&head, "reseed", &keys::RESEED), duration.map(|length| length + settle));
    let max_events = head.get("max_events", measure::count(1, u64::MAX)).unwrap_or(crate::limits::EVENTS);
    if let Some(duration) = duration
        && warmup >= duration
    {
        let key = if head.has("warmup") { "warmup" } else { "duration" };
        let what = format!("a warm-up of {warmup} leaves nothing of {duration} to measure");
        head.wrong(key, what, "`duration` counts from the start, warm-up included");
    }
    let cluster = child(&root, "cluster", &keys::CLUSTER);
    let system = match head.value("system").map(|v| &v.kind) {
        Some(Kind::Text(system)) => Some(system),
        _ => None,
    };
    let by_default = |nodes| system.map_or_else(Vec::new, |system| systems.default_groups(system, nodes));
    let kinds = system.map_or(("", Default::default()), |system| (system.as_str(), systems.roles(system)));
    let mut world = cluster::read(&cluster, duration, groups::Roles { kinds, by_default: Some(&by_default) });
    if let Some(system) = system {
        (world.messages, world.facts) = systems.kinds(system);
        world.metrics = systems.metrics(system);
        world.operations = systems.operations(system);
        let kinds = systems.roles(system);
        let seat = || kinds.iter().find(|kind| kind.seats).map(|kind| kind.name);
        world.seat = if kinds.iter().any(|kind| kind.asked) { None } else { seat() };
        world.rules = systems.rules(system).iter().map(|rule| rule.name).collect();
        if !world.rules.is_empty() {
            world.rules.extend(runner::RULES.iter().map(|rule| rule.name));
        }
        world.orders = systems.names().contains(&system.as_str()).then(|| systems.orders(system));
        world.own_orders = world.orders.map(|_| systems.own_orders(system));
        let members = world.orders.is_none_or(|orders| orders.contains(&"members"));
        if world.cluster.spares > 0 && !members {
            let what = format!("`{system}` can not change its members, so spares would stay what they are");
            cluster.wrong("spares", what, "leave `spares` out");
        }
    }
    let (system, options, choices) = options(&root, &head, &world, systems);
    if let Some(system) = &system {
        let (options, shape) = (options.clone().unwrap_or_default(), world.cluster.shape());
        world.connects = systems.connects(system, &options, &shape);
    }
    let network = network::read(&child(&root, "network", &keys::NETWORK), &world);
    let disk = network::disk(&child(&root, "disk", &keys::DISK));
    let workloads = load::workloads(&children(&root, "workload", &keys::WORKLOAD), &world);
    let faults = children(&root, "fault", &keys::FAULT);
    let plans = fault::read(&faults, root.has("swarm"), &world);
    let hazards = hazard::read(&children(&root, "hazard", &keys::HAZARD));
    let limits = limits::read(&child(&root, "limits", &keys::LIMITS), &plans, &world);
    let links = (world.connects, network.transport != sim_core::network::Transport::Ideal);
    let swarm = root.has("swarm").then(|| swarm::read(&child(&root, "swarm", &keys::SWARM), &plans, links));
    let expect = expect::read(&child(&root, "expect", &keys::EXPECT), settle, &world);
    let probe = probe::read(&child(&root, "probe", &keys::PROBE));
    let patience = probe.timeout.unwrap_or_else(|| probe::patience(&workloads));
    let report = expect::report(&child(&root, "report", &keys::REPORT), duration, patience);
    if workloads.is_empty() && !probe.enabled && !root.has("workload") {
        let what = "nothing is asked of the system: there is no [[workload]], and the probe is off";
        context.wrong(root.at("probe"), what, "add a [[workload]]");
    }
    let profile = match (&system, &options) {
        (Some(system), Some(options)) => systems.profile(system, options, &world.cluster.shape()),
        _ => Profile::default(),
    };
    let (cluster, window) = (&world.cluster, report.window);
    let asked = probe::Around { cluster, network: &network, disk: &disk, workloads: &workloads, profile, window };
    let probe = probe.complete(&asked);
    let swarm = swarm.flatten().map(|mut swarm| {
        swarm.choices.extend(choices);
        // The order of the file says nothing: JSON has none.
        swarm.choices.sort_by(|a, b| a.key.cmp(&b.key));
        swarm
    });
    Some(Scenario {
        name: name?,
        title: title?,
        description,
        system: system?,
        duration: duration?,
        warmup,
        settle,
        seed,
        shuffle_ties,
        max_events,
        reseed,
        cluster: world.cluster,
        options: options?,
        network,
        disk,
        workloads,
        profile,
        probe,
        faults: plans,
        hazards,
        limits,
        swarm,
        expect,
        report,
    })
}

/// The chosen system and its options, completed.
fn options(
    root: &Reader<'_>,
    head: &Reader<'_>,
    world: &World,
    systems: &dyn Systems,
) -> (Option<String>, Option<toml::Table>, Vec<Choice>) {
    let context = root.context;
    let given = root.value("system");
    let empty = Table::default();
    let table = match given.map(|v| (&v.kind, v.span)) {
        None => Some(&empty),
        Some((Kind::Table(table), _)) => Some(table),
        Some((other, span)) => {
            let help = "the system's name goes into [scenario] system, its options into a table [system]";
            context.wrong(span, format!("[system] should be a table, not {}", other.name()), help);
            None
        }
    };
    let names = systems.names();
    let system = head.must("system", measure::text).filter(|system| {
        let known = names.contains(&system.as_str());
        if !known {
            head.wrong("system", format!("there is no system `{system}`"), suggest::help(system, &names));
        }
        known
    });
    let (Some(system), Some(table)) = (system, table) else { return (None, None, Vec::new()) };
    let mut options = toml::Table::new();
    let files = systems.file_options(&system);
    let mut sound = world.known;
    for entry in &table.entries {
        let value = if files.contains(&entry.key) {
            let before = context.problems.count();
            let files = attached::read((&system, systems), &entry.key, &entry.value, context);
            sound &= context.problems.count() == before;
            Some(files)
        } else {
            entry.value.to_toml()
        };
        match value {
            Some(value) => drop(options.insert(entry.key.clone(), value)),
            None => measure::no_option(&entry.value, context),
        }
    }
    let level = root.path(&["expect", LEVEL]);
    if let Some((level, value)) = level.and_then(|level| Some((level, level.to_toml()?)))
        && options.insert(LEVEL.to_owned(), value.clone()).is_some_and(|said| said != value)
    {
        context.wrong(level.span, "[system] has another `level` than is expected here", "leave that one out");
    }
    // Without a sound cluster, and sound files, the system would object to what the user did not write.
    if !sound {
        return (Some(system), None, Vec::new());
    }
    let at = given.map_or(root.span, |v| v.span);
    match systems.options(&system, &options, &world.cluster.shape()) {
        Ok(complete) => {
            let lists = root.path(&["swarm", "vary", "system"]);
            let of = (system.as_str(), systems, &world.cluster.shape());
            let choices = lists.map_or_else(Vec::new, |lists| swarm::options(lists, &options, of, context));
            (Some(system), Some(complete), choices)
        }
        Err(problems) => {
            for mut problem in problems {
                let expected = level.filter(|_| problem.key == LEVEL);
                if let (Some(_), true) = (expected, problem.unknown) {
                    problem.what = format!("the operations of `{system}` are no transactions, and have no level");
                    problem.help = "`linearizable = true` is for single operations".to_owned();
                }
                let span: Span = match table.entry(&problem.key) {
                    Some(entry) if problem.unknown => entry.key_span,
                    Some(entry) => entry.value.span,
                    None => expected.map_or(at, |level| level.span),
                };
                context.wrong(span, problem.what, problem.help);
            }
            (Some(system), None, Vec::new())
        }
    }
}
