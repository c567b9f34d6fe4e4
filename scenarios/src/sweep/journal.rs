//! Files of results, a line a run: the journal of a running sweep, in the order in which runs finish, and the finished
//! `results.jsonl` in job order.
//!
//! A line is written with one call. What a kill can leave behind is a last line without its end: it is dropped, and its
//! run is made again.

use super::JobResult;
use std::collections::BTreeMap;
use std::io::{self, BufRead};

/// What a file of lines holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// For each finished run, where its line begins and how long it is, without its end.
    pub found: BTreeMap<u64, (u64, u32)>,
    /// How much of the file is whole lines.
    pub whole: u64,
    /// How many bytes of an unfinished last line follow.
    pub torn: u64,
}

/// Why a file of results can not be used.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// It can not be read.
    #[error("can not be read: {0}")]
    Io(#[from] io::Error),
    /// A line says something impossible.
    #[error("line {number}: {what}; remove that line and its run is made again")]
    Line {
        /// Counted from 1.
        number: u64,
        /// What is wrong.
        what: String,
    },
}

/// Goes through a file line by line; `read` makes a job's number of a line. Only one line is in memory at a time.
///
/// # Errors
/// When a whole line is not what it should be, or a run is there twice with different results.
pub fn scan(
    mut file: impl BufRead,
    mut read: impl FnMut(&str) -> Result<JobResult, String>,
) -> Result<Scan, ScanError> {
    let mut scan = Scan::default();
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        let length = file.read_until(b'\n', &mut line)? as u64;
        if length == 0 {
            return Ok(scan);
        }
        number += 1;
        if line.last() != Some(&b'\n') {
            scan.torn = length;
            return Ok(scan);
        }
        let wrong = |what: String| ScanError::Line { number, what };
        let text = core::str::from_utf8(&line[..line.len() - 1]).map_err(|_| wrong("this is not UTF-8 text".into()))?;
        let result = read(text).map_err(wrong)?;
        if scan.found.insert(result.job, (scan.whole, text.len() as u32)).is_some() {
            return Err(wrong(format!("job {} is there twice", result.job)));
        }
        scan.whole += length;
    }
}
