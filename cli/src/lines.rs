//! The lines of a run's trace: made by running it again, from its own folder, and handed on as they come.

use crate::recorded::Recorded;
use scenarios::Registry;
use scenarios::runner::{RunError, RunRequest, TraceMode};
use sim_core::record::RunRecord;
use std::io::{self, Write};

/// Takes in lines, without their line breaks.
pub trait Take {
    /// The next line.
    ///
    /// # Errors
    /// When there is no use for more lines.
    fn take(&mut self, raw: &str) -> io::Result<()>;
}

/// Cuts what is written to it into lines.
pub struct Cutter<T> {
    /// Who gets them.
    pub taker: T,
    begun: Vec<u8>,
}

impl<T: Take> Cutter<T> {
    /// Lines for `taker`.
    pub const fn new(taker: T) -> Self {
        Self { taker, begun: Vec::new() }
    }
}

impl<T: Take> Write for Cutter<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            if self.begun.is_empty() {
                self.taker.take(&String::from_utf8_lossy(&rest[..end]))?;
            } else {
                self.begun.extend_from_slice(&rest[..end]);
                let whole = std::mem::take(&mut self.begun);
                self.taker.take(&String::from_utf8_lossy(&whole))?;
            }
            rest = &rest[end + 1..];
        }
        self.begun.extend_from_slice(rest);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs a recorded run again and writes its whole trace to `sink`.
pub fn make(registry: &Registry, recorded: &Recorded, sink: &mut (dyn Write + 'static)) -> Result<RunRecord, RunError> {
    let system = registry.get(&recorded.scenario.system).expect("a checked scenario names a registered system");
    system.run(RunRequest {
        scenario: &recorded.scenario,
        schedule: &recorded.schedule,
        seed: recorded.seed,
        history: None,
        trace: Some(sink),
        trace_mode: TraceMode::All,
        keep_ops: false,
        evidence: None,
        progress: &mut |_| {},
    })
}
