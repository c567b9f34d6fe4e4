//! A run's folder, read back: the scenario that replays it, and what was recorded of it.

use crate::exit::Exit;
use reports::LoadError;
use scenarios::{Registry, Scenario};
use sim_core::fault::Schedule;
use sim_core::hash::Mixer;
use sim_core::record::RunRecord;
use std::path::{Path, PathBuf};

/// The version that is running.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a run's folder holds.
pub struct Recorded {
    /// The folder.
    pub dir: PathBuf,
    /// The scenario, resolved.
    pub scenario: Scenario,
    /// Its text.
    pub text: String,
    /// Its concrete faults.
    pub schedule: Schedule,
    /// The seed of the run.
    pub seed: u64,
    /// What was recorded, without operations; `None` if the run never ended (a panic).
    pub record: Option<RunRecord>,
}

/// The fingerprint of a scenario's text, by which a run knows its own.
pub fn fingerprint(text: &str) -> String {
    let mut mixer = Mixer::default();
    mixer.bytes(text.as_bytes());
    format!("{:016x}", mixer.finish())
}

/// Opens a folder, or says what is wrong with it.
pub fn open(registry: &Registry, dir: &Path) -> Result<Recorded, Exit> {
    let refuse = |why: String| {
        complain!("{why}");
        Exit::Usage
    };
    let file = dir.join("scenario.toml");
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) => return Err(refuse(not_a_run(dir, &error))),
    };
    let record = match reports::load_record(dir) {
        Ok(record) => Some(record),
        Err(LoadError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(refuse(error.to_string())),
    };
    let Some(scenario) = crate::check::load(registry, &file, &[]) else { return Err(Exit::Usage) };
    let seed = record.as_ref().map_or(scenario.seed, |record| record.seed);
    let schedule = scenarios::expand(&scenario, seed);
    Ok(Recorded { dir: dir.to_owned(), scenario, text, schedule, seed, record })
}

/// Why a folder can not be taken for a run.
pub fn not_a_run(dir: &Path, error: &std::io::Error) -> String {
    let dir_text = dir.display();
    if !dir.exists() {
        return format!("{dir_text}: no such folder; runs are in runs/<name>/<seed>/");
    }
    if dir.join("sweep.json").exists() || dir.join("summary.json").exists() {
        return format!("{dir_text} is a sweep, not a run; the runs it kept are in {dir_text}/failures/");
    }
    if dir.join("latest").exists() {
        return format!("{dir_text} holds runs; the newest is {dir_text}/latest");
    }
    format!("{dir_text} is not the folder of a run: scenario.toml can not be read: {error}")
}

impl Recorded {
    /// What a reader should know before trusting a comparison with what was recorded: an edited scenario, another
    /// version, no record.
    pub fn doubts(&self) -> Vec<String> {
        let dir = self.dir.display();
        let Some(record) = &self.record else {
            return vec![format!("{dir} has no record.json: there is nothing to compare this run with")];
        };
        let mut doubts = Vec::new();
        if self.is_edited() {
            doubts.push(format!("{dir}/scenario.toml has been changed since the run was recorded"));
        }
        if !record.version.is_empty() && record.version != VERSION {
            doubts.push(format!("{dir} was recorded by version {}, this is version {VERSION}", record.version));
        }
        doubts
    }

    /// Whether somebody has changed the scenario since.
    pub fn is_edited(&self) -> bool {
        let told = self.record.as_ref().map(|record| record.scenario_fingerprint.as_str()).unwrap_or_default();
        !told.is_empty() && told != fingerprint(&self.text)
    }

    /// Why a digest that was made now is not the recorded one; `None` if it is.
    pub fn mismatch(&self, digest: &str) -> Option<String> {
        let record = self.record.as_ref()?;
        (record.digest != digest).then(|| {
            let dir = self.dir.display();
            let mut text =
                format!("{dir}: the run made now is not the recorded one: digest {digest}, recorded {}", record.digest);
            for doubt in self.doubts() {
                text.push_str("; ");
                text.push_str(&doubt);
            }
            text
        })
    }

    /// With which code a command ends that found the run made now to be another one: an edited scenario is bad input,
    /// not nondeterminism.
    pub fn mismatch_exit(&self) -> Exit {
        if self.is_edited() { Exit::Usage } else { Exit::Differed }
    }
}
