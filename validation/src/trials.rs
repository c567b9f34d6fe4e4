//! Trials as they are kept: the form of `fixtures/trials/`, and beside it under which conditions they were made.

use crate::plan::Plan;
use crate::stage::Trial;
use crate::systems;
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One file.
#[derive(Serialize)]
struct File<'a> {
    system: String,
    measured: String,
    unit: &'static str,
    /// In the order in which they were made.
    trials: Vec<f64>,
    /// How long the longest outage of each was that probes saw, by the simulator's definition.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    outages: Vec<Option<f64>>,
    /// Acknowledged writes that each has lost.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lost: Vec<u64>,
    /// When a probe was given up.
    timeout_ms: u64,
    /// The model's file.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    conditions: &'a Conditions,
}

/// What may matter beside the file.
#[derive(Serialize)]
pub struct Conditions {
    /// The system's.
    pub version: String,
    /// The day.
    pub date: String,
    /// Processors.
    pub cores: usize,
    /// Load averages before and after: what else the machine had to do.
    pub load: [String; 2],
    /// `namespaces` or `loopback`.
    pub network: &'static str,
    /// The kernel's version.
    pub kernel: String,
}

impl Conditions {
    /// As they are now.
    pub fn now(kind: &systems::Kind) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            version: systems::version(kind),
            date: said("date", &["-u", "+%Y-%m-%d"]),
            cores,
            load: [load(), String::new()],
            network: if crate::place::inside().is_some() { "namespaces" } else { "loopback" },
            kernel: said("uname", &["-r"]),
        }
    }

    /// The trials are made.
    pub fn done(&mut self) {
        self.load[1] = load();
    }
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(|_| "unknown".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// Writes what was measured, a file for each figure; where they are.
///
/// # Errors
/// The folder can not be written.
pub fn write(folder: &Path, plan: &Plan, all: &[Trial], conditions: &Conditions) -> Result<Vec<PathBuf>, String> {
    let settings: Vec<String> = plan.settings.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let system = format!(
        "{} {}, {} members, {}: {}",
        plan.system.title,
        conditions.version,
        plan.nodes,
        if plan.hosts { "hosts of their own" } else { "one machine, loopback" },
        settings.join(", ")
    );
    let mut written = Vec::new();
    for (number, (end, words)) in plan.system.figures.iter().enumerate() {
        let probed = number == 0 && all.iter().any(|trial| trial.outage.is_some());
        let file = File {
            system: system.clone(),
            measured: format!("{}: milliseconds {words}", plan.title),
            unit: "ms",
            trials: all.iter().map(|trial| trial.figures[number]).collect(),
            outages: all.iter().filter(|_| probed).map(|trial| trial.outage).collect(),
            lost: all.iter().filter(|_| number == 0).filter_map(|trial| trial.lost).collect(),
            timeout_ms: plan.timeout.as_millis() as u64,
            model: plan.model.as_deref(),
            conditions,
        };
        let path = folder.join(format!("{}{end}.json", plan.name));
        let text = serde_json::to_string_pretty(&file).map_err(|error| error.to_string())?;
        // Whole or not at all.
        let part = folder.join(format!("{}{end}.json.part", plan.name));
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&part, compact(&text) + "\n"))
            .and_then(|()| fs::rename(&part, &path))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        written.push(path);
    }
    Ok(written)
}

/// Lists of numbers on one line.
fn compact(pretty: &str) -> String {
    let mut out = String::new();
    let mut inside = false;
    for line in pretty.lines() {
        let text = line.trim();
        if inside {
            out.push_str(if out.ends_with('[') || text.starts_with(']') { "" } else { " " });
            out.push_str(text);
        } else {
            out.push_str(if out.is_empty() { "" } else { "\n" });
            out.push_str(line);
        }
        inside = (inside || text.ends_with('[')) && !text.starts_with(']');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan;

    #[test]
    fn trials_are_written_as_the_fixtures_have_them() {
        let text = "[validation]\nname = \"x\"\ntitle = \"killed\"\nsystem = \"etcd\"\n[[fault]]\nkind = \"crash\"\n\
                    target = \"leader\"\n";
        let plan = plan::parse("x.toml", text).unwrap_or_else(|problems| panic!("{problems}"));
        let folder = std::env::temp_dir().join(format!("splitbrain-validation-trials-{}", std::process::id()));
        let trial = |ms: f64, outage| Trial { figures: vec![ms], outage, lost: None };
        let conditions = Conditions::now(plan.system);
        let all = [trial(1199.5, Some(1210.0)), trial(987.0, None)];
        let written = write(&folder, &plan, &all, &conditions).expect("it is written");
        let text = fs::read_to_string(&written[0]).expect("it is there");
        let back: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        assert_eq!(back["trials"], serde_json::json!([1199.5, 987.0]));
        assert_eq!(back["outages"], serde_json::json!([1210.0, null]));
        assert!(back.get("lost").is_none() && back["conditions"]["cores"].as_u64() >= Some(1));
        assert!(text.contains("\"trials\": [1199.5, 987.0],"), "{text}");
        fs::remove_dir_all(folder).expect("removed");
        assert!(write(Path::new("/proc/nowhere"), &plan, &all, &conditions).is_err());
    }
}
