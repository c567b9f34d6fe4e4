//! The files of a run: written whole or not at all, and read back.

use super::Beside;
use crate::charts;
use crate::report::{BugProbability, Report};
use rayon::prelude::*;
use sim_core::hash::Mixer;
use sim_core::record::{OpRecord, RunRecord, SCHEMA_VERSION};
use sim_core::seal::{self, Seal};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

/// The record without its operations.
pub const RECORD: &str = "record.json";
/// The operations, one a line.
pub const HISTORY: &str = "history.jsonl";

/// The messages of its moments: lines of a trace ([`crate::moments`]).
pub const MOMENTS: &str = "moments.jsonl";

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {}", path.display(), reason(source))]
pub struct WriteError {
    /// Which file or folder.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// Why a run could not be read back.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file could not be read.
    #[error("cannot read {}: {}", path.display(), reason(source))]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is not what it should be.
    #[error("{}: not a record of a run: {source}", path.display())]
    Record {
        /// Which file.
        path: PathBuf,
        /// What was wrong with it, and where.
        #[source]
        source: serde_json::Error,
    },
    /// It was written by another version.
    #[error(
        "{}: schema version {found}, but this program reads version {SCHEMA_VERSION}: run the scenario again",
        path.display()
    )]
    Version {
        /// Which file.
        path: PathBuf,
        /// The version it says.
        found: u64,
    },
    /// It, or the history beside it, is not what was written.
    #[error(
        "{}: record.json or history.jsonl has been changed since the run: run it again from its scenario.toml",
        dir.display()
    )]
    Edited {
        /// The folder.
        dir: PathBuf,
    },
    /// It has no seal.
    #[error("{}: it has no seal, so another version wrote it: run the scenario again", path.display())]
    Unsealed {
        /// Which file.
        path: PathBuf,
    },
    /// A line is not an operation.
    #[error("{}: line {line} is not an operation: {source}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What was wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The last line ends in the middle.
    #[error("{}: cut off in line {line}: the run was interrupted while it was written; run it again", path.display())]
    Truncated {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
    },
}

/// What the system said, in words a person acts on.
#[must_use]
pub fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full".into(),
        io::ErrorKind::QuotaExceeded => "the disk quota is used up".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".into(),
        io::ErrorKind::NotADirectory => "a part of the path is not a folder".into(),
        io::ErrorKind::IsADirectory => "there is a folder of that name".into(),
        io::ErrorKind::NotFound => "no such file or folder".into(),
        _ => error.to_string(),
    }
}

/// Writes a file whole or not at all: to a temporary name beside it, then renamed. A failure leaves what was there.
///
/// `fill` writes the content; it is given a buffer.
///
/// # Errors
/// With the path and the reason.
pub fn write_whole(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), WriteError> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".part");
    let part = path.with_file_name(name);
    let written = (|| {
        let mut buffer = io::BufWriter::with_capacity(1 << 16, File::create(&part)?);
        fill(&mut buffer)?;
        buffer.into_inner().map_err(io::IntoInnerError::into_error)?;
        fs::rename(&part, path)
    })();
    written.map_err(|source| {
        // Best effort: the first error is the one to tell.
        let _ = fs::remove_file(&part);
        WriteError { path: path.to_owned(), source }
    })
}

/// Writes `report.json`, `report.md`, `report.html` and, with `draw`, `charts/` into the folder of a run, making it if
/// need be, with what is known `beside` the record.
///
/// # Errors
/// With the path and the reason. Each file is there whole or not at all.
pub fn write(
    dir: &Path,
    report: &Report,
    record: &RunRecord,
    beside: &Beside<'_>,
    draw: bool,
) -> Result<(), WriteError> {
    let folder = dir.join("charts");
    fs::create_dir_all(&folder).map_err(|source| WriteError { path: folder.clone(), source })?;
    let text = |name: &str, text: &str| write_whole(&dir.join(name), |out| out.write_all(text.as_bytes()));
    text("report.json", &report.to_json())?;
    let mut charts = if draw { charts::draw(report, record) } else { Vec::new() };
    if let Some(witness) = beside.witness.filter(|_| draw) {
        // What went wrong comes first.
        charts.insert(0, charts::draw_witness(witness, Some(report)));
    }
    text("report.md", &super::markdown(report, &charts))?;
    text("report.html", &super::html(report, record, &charts, beside))?;
    write_charts(dir, &charts)
}

/// Writes each chart as SVG and as PNG into `charts/` below `dir`.
pub(crate) fn write_charts(dir: &Path, charts: &[charts::Chart]) -> Result<(), WriteError> {
    if charts.is_empty() {
        return Ok(());
    }
    let folder = dir.join("charts");
    fs::create_dir_all(&folder).map_err(|source| WriteError { path: folder.clone(), source })?;
    // Most of a short run's time is drawing: as many at a time as there are cores.
    charts.par_iter().try_for_each(|chart| {
        write_whole(&folder.join(format!("{}.svg", chart.name)), |out| out.write_all(chart.svg().as_bytes()))?;
        write_whole(&folder.join(format!("{}.png", chart.name)), |out| out.write_all(&chart.png()))
    })
}

impl BugProbability {
    /// Writes `bisect.json` and `charts/bug-probability.svg` and `.png` into `dir`, making it if need be.
    ///
    /// # Errors
    /// With the path and the reason. Each file is there whole or not at all.
    pub fn write(&self, dir: &Path) -> Result<(), WriteError> {
        let folder = dir.join("charts");
        fs::create_dir_all(&folder).map_err(|source| WriteError { path: folder.clone(), source })?;
        write_whole(&dir.join("bisect.json"), |out| {
            serde_json::to_writer_pretty(&mut *out, self)?;
            out.write_all(b"\n")
        })?;
        let chart = charts::draw_bug_probability(self);
        write_whole(&folder.join(format!("{}.svg", chart.name)), |out| out.write_all(chart.svg().as_bytes()))?;
        write_whole(&folder.join(format!("{}.png", chart.name)), |out| out.write_all(&chart.png()))
    }
}

/// A hash of a file's bytes; 0 if there is none.
fn hash_of(path: &Path) -> u64 {
    let Ok(mut file) = File::open(path) else { return 0 };
    let mut mixer = Mixer::default();
    let mut piece = vec![0; 1 << 16];
    loop {
        // What can not be read can not be judged either: reading it as a history says why.
        let mut filled = 0;
        while let Ok(n @ 1..) = file.read(&mut piece[filled..]) {
            filled += n;
        }
        if filled == 0 {
            return mixer.finish();
        }
        mixer.bytes(&piece[..filled]);
    }
}

/// Whether `record.json` and `history.jsonl` are as they were written.
///
/// # Errors
/// When they have been changed since, or were written by a version that did not seal them.
pub fn check_seal(dir: &Path) -> Result<(), LoadError> {
    let path = dir.join(RECORD);
    let text = fs::read_to_string(&path).map_err(io(&path))?;
    match seal::check(&text, hash_of(&dir.join(HISTORY))) {
        Seal::Whole => Ok(()),
        Seal::Broken => Err(LoadError::Edited { dir: dir.to_owned() }),
        Seal::None => Err(LoadError::Unsealed { path }),
    }
}

/// Writes `record.json`, sealed together with the `history.jsonl` that is there already.
///
/// # Errors
/// With the path and the reason.
pub fn write_record(dir: &Path, record: &RunRecord) -> Result<(), WriteError> {
    let beside = hash_of(&dir.join(HISTORY));
    write_whole(&dir.join(RECORD), |out| {
        let text = serde_json::to_string_pretty(record)?;
        out.write_all(seal::seal(&text, beside).as_bytes())
    })
}

/// Writes `history.jsonl` from the record alone, without requests and responses.
///
/// # Errors
/// With the path and the reason.
pub fn write_history(dir: &Path, record: &RunRecord) -> Result<(), WriteError> {
    write_whole(&dir.join(HISTORY), |out| {
        for op in &record.ops {
            serde_json::to_writer(&mut *out, op)?;
            out.write_all(b"\n")?;
        }
        Ok(())
    })
}

/// Reads a finished run back: `record.json` and `history.jsonl`, whose further fields are skipped.
///
/// # Errors
/// When a file is missing, cut off, damaged or of another version.
pub fn load(dir: &Path) -> Result<RunRecord, LoadError> {
    let mut record = load_record(dir)?;
    let path = dir.join(HISTORY);
    let mut reader = BufReader::with_capacity(1 << 18, File::open(&path).map_err(io(&path))?);
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(io(&path))? == 0 {
            break;
        }
        number += 1;
        if line.last() != Some(&b'\n') {
            return Err(LoadError::Truncated { path, line: number });
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let op: OpRecord = serde_json::from_slice(&line).map_err(|source| LoadError::Line {
            path: path.clone(),
            line: number,
            source,
        })?;
        record.ops.push(op);
    }
    record.ops.shrink_to_fit();
    Ok(record)
}

fn io(path: &Path) -> impl FnOnce(io::Error) -> LoadError {
    let path = path.to_owned();
    move |source| LoadError::Io { path, source }
}

/// Reads `record.json` alone: everything of a finished run but its operations.
///
/// # Errors
/// When it is missing, cut off, damaged or of another version.
pub fn load_record(dir: &Path) -> Result<RunRecord, LoadError> {
    let path = dir.join(RECORD);
    let text = fs::read(&path).map_err(io(&path))?;
    let json = |source| LoadError::Record { path: path.clone(), source };
    // The version first: another version's fields may not fit.
    let version: Version = serde_json::from_slice(&text).map_err(json)?;
    if version.schema_version != u64::from(SCHEMA_VERSION) {
        return Err(LoadError::Version { path, found: version.schema_version });
    }
    serde_json::from_slice(&text).map_err(json)
}

#[derive(serde::Deserialize)]
struct Version {
    schema_version: u64,
}
