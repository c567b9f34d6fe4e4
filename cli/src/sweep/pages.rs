//! The pages and charts of a sweep, made of the results as they pass by and of the summary.

use super::folder::FolderError;
use super::kept;
use reports::sweep::{Axis, Cell, Figures, Sweep};
use scenarios::sweep::{JobResult, Outcome, Plan, Summary};
use std::path::Path;

/// Gathers what the charts need of every result.
pub struct Pages<'a> {
    plan: &'a Plan,
    cells: Vec<Cell>,
}

impl<'a> Pages<'a> {
    /// Of a plan's results.
    pub fn new(plan: &'a Plan) -> Self {
        Self { plan, cells: vec![Cell::default(); plan.cells().len()] }
    }

    /// Takes in one result.
    pub fn add(&mut self, result: &JobResult) {
        let Some(job) = self.plan.job(result.job) else { return };
        let failed = matches!(result.ruling, Outcome::Fail | Outcome::Bug);
        let figures = Figures { longest_outage_ns: result.longest_outage_ns, fraction: result.fraction };
        self.cells[job.cell].add(failed, figures);
    }

    /// Writes `summary.html`, `summary.md` and, with `draw`, `charts/` into `dir`.
    pub fn write(self, dir: &Path, summary: &Summary, draw: bool) -> Result<(), FolderError> {
        let axes = self.plan.axes().iter().map(|a| Axis { key: a.key.clone(), values: a.values.clone() }).collect();
        let sweep = Sweep::new(summary.scenario.clone(), summary.seeds.clone(), axes, self.cells);
        let kept = |job, seed| {
            let folder = kept::path(Path::new(""), job, seed);
            dir.join(&folder).exists().then(|| folder.display().to_string())
        };
        reports::sweep::write(dir, &summary.to_json(), &sweep, &kept, draw)
            .map_err(|error| FolderError::Io(error.path, "write the file", error.source))
    }
}
