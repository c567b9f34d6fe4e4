//! What the charts of a sweep are drawn from: a few figures of every run, sorted, for each cell of the grid.

/// The figures of one run that are drawn. Nothing where the run had nothing to measure.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// Its longest outage, nanoseconds.
    pub longest_outage_ns: Option<u64>,
    /// The share of its operations that succeeded.
    pub fraction: Option<f64>,
}

/// A varied key and the values it took, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Axis {
    /// The dotted path.
    pub key: String,
    /// As they were written.
    pub values: Vec<String>,
}

/// All runs of one cell of the grid.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// How many there are.
    pub runs: u64,
    /// How many of them broke a rule or an expectation, or ended in a bug.
    pub failed: u64,
    longest: Vec<f64>,
    available: Vec<f64>,
}

impl Cell {
    /// Takes in one more run.
    pub fn add(&mut self, failed: bool, figures: Figures) {
        self.runs += 1;
        self.failed += u64::from(failed);
        self.longest.extend(figures.longest_outage_ns.map(|ns| ns as f64));
        self.available.extend(figures.fraction);
    }

    /// The longest outage of each run in nanoseconds, the shortest first.
    pub(crate) fn longest(&self) -> &[f64] {
        &self.longest
    }

    /// The availability of each run, the lowest first.
    pub(crate) fn available(&self) -> &[f64] {
        &self.available
    }

    /// The share of runs that failed.
    pub(crate) fn failing(&self) -> f64 {
        self.failed as f64 / self.runs.max(1) as f64
    }

    fn sort(&mut self) {
        self.longest.sort_unstable_by(f64::total_cmp);
        self.available.sort_unstable_by(f64::total_cmp);
    }

    fn append(&mut self, other: &Self) {
        self.runs += other.runs;
        self.failed += other.failed;
        self.longest.extend(&other.longest);
        self.available.extend(&other.available);
    }
}

/// A sweep, as far as it is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// The scenario's name.
    pub(crate) scenario: String,
    /// The seeds, as `--seeds` takes them.
    pub(crate) seeds: String,
    pub(crate) axes: Vec<Axis>,
    pub(crate) cells: Vec<Cell>,
}

impl Sweep {
    /// A sweep whose `cells` are in row-major order: the last axis changes fastest. Without an axis there is one cell.
    ///
    /// # Panics
    /// When there are not as many cells as the axes span.
    #[must_use]
    pub fn new(scenario: String, seeds: String, axes: Vec<Axis>, mut cells: Vec<Cell>) -> Self {
        let spanned: usize = axes.iter().map(|axis| axis.values.len()).product();
        assert_eq!(spanned, cells.len(), "the axes span the cells");
        cells.iter_mut().for_each(Cell::sort);
        Self { scenario, seeds, axes, cells }
    }

    /// The runs of all cells.
    pub(crate) fn runs(&self) -> u64 {
        self.cells.iter().map(|cell| cell.runs).sum()
    }

    /// The value of each axis in a cell.
    pub(crate) fn values(&self, mut cell: usize) -> Vec<&str> {
        let mut values = Vec::new();
        for axis in self.axes.iter().rev() {
            values.push(axis.values[cell % axis.values.len()].as_str());
            cell /= axis.values.len();
        }
        values.reverse();
        values
    }

    /// The same sweep as if only its first `axes` had been varied: the runs of all values of the others together.
    pub(crate) fn pooled(&self, axes: usize) -> Self {
        let rest: usize = self.axes[axes..].iter().map(|axis| axis.values.len()).product();
        let cells = self.cells.chunks_exact(rest).map(|chunk| {
            let mut cell = Cell::default();
            chunk.iter().for_each(|other| cell.append(other));
            cell
        });
        Self::new(self.scenario.clone(), self.seeds.clone(), self.axes[..axes].to_vec(), cells.collect())
    }
}

/// The smallest of sorted `values` that at least `percent` of 100 do not exceed.
pub(crate) fn quantile(values: &[f64], percent: usize) -> Option<f64> {
    let rank = (values.len() * percent).div_ceil(100).max(1);
    values.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_know_their_values_and_pool_over_the_last_axes() {
        let axis = |key: &str, values: &[&str]| Axis {
            key: key.into(),
            values: values.iter().map(|v| (*v).to_owned()).collect(),
        };
        let cells = (0..6_u64).map(|i| {
            let mut cell = Cell::default();
            cell.add(i == 4, Figures { longest_outage_ns: Some(10 - i), fraction: None });
            cell
        });
        let sweep = Sweep::new(
            "s".into(),
            "1".into(),
            vec![axis("a", &["x", "y"]), axis("b", &["1", "2", "3"])],
            cells.collect(),
        );
        assert_eq!(sweep.values(4), ["y", "2"]);
        let pooled = sweep.pooled(1);
        assert_eq!(pooled.cells.len(), 2);
        assert_eq!(pooled.cells[1].longest(), [5.0, 6.0, 7.0]);
        assert_eq!((pooled.cells[0].failed, pooled.cells[1].failed, pooled.runs()), (0, 1, 6));
    }
}
