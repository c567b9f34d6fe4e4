//! The plan of a sweep: which runs there are, in which order, and which of them belong to a shard.

use super::{Cell, Manifest, Seeds, Vary, grid};
use crate::Scenario;
use core::fmt;
use core::str::FromStr;
use serde::{Deserialize, Serialize};
use sim_core::hash::Mixer;
use sim_core::metric::MetricKind;

/// `K/N`: one part of a sweep, so that N machines can share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Counted from 1.
    pub k: u64,
    /// How many parts there are.
    pub n: u64,
}

impl Shard {
    /// The sweep that is not divided.
    pub const WHOLE: Self = Self { k: 1, n: 1 };

    /// Whether the job at `index` belongs to it.
    #[must_use]
    pub const fn has(self, index: u64) -> bool {
        index % self.n == self.k - 1
    }

    /// How many of `jobs` belong to it.
    #[must_use]
    pub const fn share(self, jobs: u64) -> u64 {
        jobs / self.n + (jobs % self.n >= self.k) as u64
    }

    /// Its `i`-th job.
    #[must_use]
    pub const fn job(self, i: u64) -> u64 {
        i * self.n + self.k - 1
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.k, self.n)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example = "write K/N, such as `2/5` for the second of five shards";
        let numbers = text.split_once('/').and_then(|(k, n)| Some((k.trim().parse().ok()?, n.trim().parse().ok()?)));
        let Some((k, n)) = numbers else { return Err(format!("`{text}` is not a shard: {example}")) };
        match (k, n) {
            (_, 0) => Err(format!("`{text}`: a sweep can not be divided into 0 shards; {example}")),
            (0, n) => Err(format!("`{text}`: shards are counted from 1, so the first one is `1/{n}`")),
            (k, n) if k > n => Err(format!("`{text}`: there is no shard {k} of {n}; the last one is `{n}/{n}`")),
            (_, n) if n > SHARDS => Err(format!("`{text}`: a sweep has at most {SHARDS} shards")),
            (k, n) => Ok(Self { k, n }),
        }
    }
}

/// More machines than anybody has, and few enough to open a file for each when they are merged.
const SHARDS: u64 = 10_000;

/// One run of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its place in the whole sweep, whatever the shard.
    pub index: u64,
    /// Which cell of the grid.
    pub cell: usize,
    /// The seed.
    pub seed: u64,
}

/// The runs of a sweep: for every cell of the grid, every seed.
#[derive(Clone, Debug)]
pub struct Plan {
    seeds: Seeds,
    axes: Vec<Vary>,
    cells: Vec<Cell>,
    shard: Shard,
}

impl Plan {
    /// A plan.
    ///
    /// # Errors
    /// When the grid makes no sense, or there are too many runs.
    pub fn new(seeds: Seeds, axes: Vec<Vary>, shard: Shard) -> Result<Self, String> {
        let cells = grid(&axes)?;
        let jobs = seeds.count().saturating_mul(cells.len() as u64);
        if jobs > JOBS {
            return Err(format!(
                "{} seeds in {} cells are {jobs} runs; a sweep has at most {JOBS}",
                seeds.count(),
                cells.len()
            ));
        }
        Ok(Self { seeds, axes, cells, shard })
    }

    /// All cells of the grid, row-major in the order of the axes.
    #[must_use]
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The axes.
    #[must_use]
    pub fn axes(&self) -> &[Vary] {
        &self.axes
    }

    /// The seeds.
    #[must_use]
    pub const fn seeds(&self) -> &Seeds {
        &self.seeds
    }

    /// The shard.
    #[must_use]
    pub const fn shard(&self) -> Shard {
        self.shard
    }

    /// How many runs the whole sweep has.
    #[must_use]
    pub fn jobs(&self) -> u64 {
        self.seeds.count() * self.cells.len() as u64
    }

    /// How many of them are this shard's.
    #[must_use]
    pub fn share(&self) -> u64 {
        self.shard.share(self.jobs())
    }

    /// The run at `index` in the whole sweep.
    #[must_use]
    pub fn job(&self, index: u64) -> Option<Job> {
        let cell = usize::try_from(index / self.seeds.count()).ok().filter(|cell| *cell < self.cells.len())?;
        Some(Job { index, cell, seed: self.seeds.get(index % self.seeds.count())? })
    }

    /// What a folder says about itself, so that it is not taken for another sweep's: made by a program of this version
    /// and this hash. `scenarios` has one entry a cell, `metrics` are followed.
    #[must_use]
    pub fn manifest(
        &self,
        (version, executable): (&str, &str),
        scenarios: &[Scenario],
        metrics: Vec<MetricKind>,
    ) -> Manifest {
        let first = &scenarios[0];
        Manifest {
            schema_version: super::SCHEMA_VERSION,
            version: version.to_owned(),
            executable: executable.to_owned(),
            fingerprint: self.fingerprint((version, executable), scenarios),
            scenario: first.name.clone(),
            title: first.title.clone(),
            system: first.system.clone(),
            seeds: self.seeds.to_string(),
            vary: self.axes.clone(),
            jobs: self.jobs(),
            shard: self.shard,
            charts: first.report.charts,
            metrics,
        }
    }

    /// One number for everything a result depends on: the program, the scenarios as meant (after `--set` and `--vary`,
    /// with every file they refer to), the seeds and the grid. Equal for all shards of one sweep.
    fn fingerprint(&self, (version, executable): (&str, &str), scenarios: &[Scenario]) -> String {
        let mut hash = Mixer::default();
        for scenario in scenarios {
            // All of it, as the reader understood it. Its own seed is never used in a sweep.
            hash.bytes(format!("{:?}", Scenario { seed: 0, ..scenario.clone() }).as_bytes());
        }
        hash.bytes(
            format!("{version} {executable} {} {} {:?}", super::SCHEMA_VERSION, self.seeds, self.axes).as_bytes(),
        );
        format!("{:016x}", hash.finish())
    }
}

/// A place in a file for every run must fit into memory.
const JOBS: u64 = 20_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(shard: &str) -> Plan {
        let axes = vec!["a=1,2,3".parse().expect("good"), "b=x,y".parse().expect("good")];
        Plan::new("5..9,1".parse().expect("good"), axes, shard.parse().expect("good")).expect("good")
    }

    #[test]
    fn shards_share_all_jobs_and_each_has_its_own() {
        let whole = plan("1/1");
        assert_eq!((whole.jobs(), whole.share()), (36, 36));
        assert_eq!(whole.job(7), Some(Job { index: 7, cell: 1, seed: 6 }));
        assert_eq!(whole.job(36), None);
        for n in 1..=40 {
            let mut seen = vec![0; 36];
            for k in 1..=n {
                let part = plan(&format!("{k}/{n}"));
                for i in 0..part.share() {
                    let index = part.shard().job(i);
                    assert!(part.shard().has(index));
                    seen[index as usize] += 1;
                }
            }
            assert!(seen.iter().all(|s| *s == 1), "{n} shards: {seen:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, word) in [
            ("5/4", "no shard 5 of 4"),
            ("0/4", "counted from 1"),
            ("1/0", "0 shards"),
            ("1", "not a shard"),
            ("a/b", "not a shard"),
            ("-1/4", "not a shard"),
            ("1/99999", "at most"),
        ] {
            let error = text.parse::<Shard>().expect_err(text);
            assert!(error.contains(word), "{text}: {error}");
        }
        let many = Plan::new("1..9000000000".parse().expect("good"), Vec::new(), Shard::WHOLE);
        assert!(many.expect_err("too many").contains("at most"));
    }
}
