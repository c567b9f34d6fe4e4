//! What a folder of results says about itself (`sweep.json`), and whether two folders belong to one sweep.

use super::{Shard, Vary};
use serde::{Deserialize, Serialize};
use sim_core::metric::MetricKind;
use sim_core::seal::{self, Seal};

/// The contents of `sweep.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`super::SCHEMA_VERSION`] when it was written.
    pub schema_version: u32,
    /// The version of splitbrain that made the results.
    pub version: String,
    /// 16 hexadecimal digits over the program that made them: its version says little about code that is being worked
    /// on.
    #[serde(default)]
    pub executable: String,
    /// 16 hexadecimal digits over everything that the results depend on.
    pub fingerprint: String,
    /// The scenario's name.
    pub scenario: String,
    /// The scenario's title.
    pub title: String,
    /// The system under test.
    pub system: String,
    /// The seeds, as `--seeds` takes them.
    pub seeds: String,
    /// The axes of the grid.
    pub vary: Vec<Vary>,
    /// How many runs the whole sweep has.
    pub jobs: u64,
    /// Which part of them is here.
    pub shard: Shard,
    /// Whether charts are drawn of them.
    pub charts: bool,
    /// The figures of each run that are followed beside availability and latency.
    #[serde(default)]
    pub metrics: Vec<MetricKind>,
}

impl Manifest {
    /// `sweep.json`, sealed: what it says of the results is told to readers, so nobody may edit it.
    #[must_use]
    pub fn to_json(&self) -> String {
        seal::seal(&serde_json::to_string_pretty(self).expect("plain data becomes JSON"), 0)
    }

    /// Reads `sweep.json`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let manifest: Self = serde_json::from_str(text).map_err(|e| format!("not a description of a sweep: {e}"))?;
        let Shard { k, n } = manifest.shard;
        if k == 0 || k > n {
            return Err(format!("there is no shard {k} of {n}"));
        }
        Ok(manifest)
    }

    /// Whether the text of a `sweep.json` is as it was written.
    ///
    /// # Errors
    /// That it is not.
    pub fn check_seal(text: &str) -> Result<(), String> {
        match seal::check(text, 0) {
            Seal::Whole => Ok(()),
            Seal::Broken => Err("it has been edited".to_owned()),
            Seal::None => Err("it has no seal, so another version wrote it".to_owned()),
        }
    }

    /// Why results under `other` can not stand beside results under this one; nothing if they can.
    #[must_use]
    pub fn differs(&self, other: &Self) -> Option<String> {
        let show = |axes: &[Vary]| match axes {
            [] => "nothing".to_owned(),
            axes => axes.iter().map(|a| format!("{}={}", a.key, a.values.join(","))).collect::<Vec<_>>().join(" "),
        };
        let of =
            |what: &str, a: &dyn core::fmt::Display, b: &dyn core::fmt::Display| Some(format!("{what} {a}, not {b}"));
        if self.schema_version != other.schema_version || self.version != other.version {
            return of("made by version", &other.version, &self.version);
        }
        if self.executable != other.executable {
            return Some("made by another build of this program (its code has changed since)".to_owned());
        }
        if self.scenario != other.scenario {
            return of("of scenario", &other.scenario, &self.scenario);
        }
        if self.seeds != other.seeds {
            return of("over seeds", &other.seeds, &self.seeds);
        }
        if self.vary != other.vary {
            return of("varying", &show(&other.vary), &show(&self.vary));
        }
        if self.fingerprint != other.fingerprint || self.jobs != other.jobs {
            return Some(
                "of a scenario with the same name and other contents (its file or a --set has changed)".to_owned(),
            );
        }
        None
    }
}

/// Finds out in which order folders make one whole sweep: for each shard, the index of its folder.
///
/// # Errors
/// Shards that are missing, that are there twice, or that belong to another sweep.
pub fn assemble(folders: &[(String, Manifest)]) -> Result<Vec<usize>, String> {
    let Some((first, manifest)) = folders.first() else { return Err("there is nothing to merge".to_owned()) };
    for (name, other) in &folders[1..] {
        if let Some(why) = manifest.differs(other) {
            return Err(format!("{name} does not belong to the same sweep as {first}: it is {why}"));
        }
        if manifest.shard.n != other.shard.n {
            let (a, b) = (manifest.shard, other.shard);
            return Err(format!("{name} is shard {b}, but {first} is shard {a}: a sweep is divided only one way"));
        }
    }
    let n = manifest.shard.n;
    let mut order = Vec::new();
    let mut missing = Vec::new();
    for k in 1..=n {
        let holders: Vec<usize> = (0..folders.len()).filter(|i| folders[*i].1.shard.k == k).collect();
        match holders.as_slice() {
            [] => missing.push(format!("{k}/{n}")),
            [one] => order.push(*one),
            [a, b, ..] => {
                return Err(format!("shard {k}/{n} is there twice: {} and {}", folders[*a].0, folders[*b].0));
            }
        }
    }
    match missing.as_slice() {
        [] => Ok(order),
        [one] => Err(format!("shard {one} is missing")),
        many => {
            let (shown, more) = (&many[..many.len().min(10)], many.len().saturating_sub(10));
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            Err(format!("shards {}{more} are missing", shown.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(k: u64, n: u64) -> (String, Manifest) {
        let manifest = Manifest {
            schema_version: 1,
            version: "0.1.0".into(),
            executable: "8899aabbccddeeff".into(),
            fingerprint: "0011223344556677".into(),
            scenario: "s".into(),
            title: "t".into(),
            system: "raft".into(),
            seeds: "1..9".into(),
            vary: Vec::new(),
            jobs: 9,
            shard: Shard { k, n },
            charts: true,
            metrics: Vec::new(),
        };
        (format!("dir{k}"), manifest)
    }

    #[test]
    fn a_whole_is_put_in_order_and_anything_else_refused() {
        assert_eq!(assemble(&[shard(3, 3), shard(1, 3), shard(2, 3)]), Ok(vec![1, 2, 0]));
        assert_eq!(assemble(&[shard(1, 1)]), Ok(vec![0]));
        let error = |folders: &[_]| assemble(folders).expect_err("refused");
        assert_eq!(error(&[shard(1, 3), shard(2, 3)]), "shard 3/3 is missing");
        assert!(error(&[shard(7, 20)]).contains("1/20, 2/20") && error(&[shard(7, 20)]).contains("and 9 more"));
        assert!(error(&[shard(1, 2), shard(1, 2), shard(2, 2)]).contains("1/2 is there twice: dir1 and dir1"));
        assert!(error(&[shard(1, 2), shard(2, 3)]).contains("divided"));
        let changed = |change: fn(&mut Manifest)| {
            let mut two = shard(2, 2);
            change(&mut two.1);
            error(&[shard(1, 2), two])
        };
        assert!(changed(|m| m.version = "0.2.0".into()).contains("version 0.2.0, not 0.1.0"));
        assert!(changed(|m| m.executable = "ff".into()).contains("another build"));
        assert!(changed(|m| m.fingerprint = "ff".into()).contains("other contents"));
        assert!(changed(|m| m.seeds = "1..8".into()).contains("over seeds 1..8, not 1..9"));
        assert!(changed(|m| m.scenario = "u".into()).contains("of scenario u, not s"));
        let vary = |m: &mut Manifest| m.vary.push("a=1,2".parse().expect("good"));
        assert!(changed(vary).contains("varying a=1,2, not nothing"));
        assert!(error(&[]).contains("nothing"));
    }

    #[test]
    fn it_comes_back_from_its_file() {
        let (_, manifest) = shard(2, 3);
        assert_eq!(Manifest::from_json(&manifest.to_json()), Ok(manifest.clone()));
        assert!(Manifest::from_json("{").is_err());
        let renamed = manifest.to_json().replace("\"t\"", "\"better\"");
        assert_eq!(Manifest::check_seal(&renamed), Err("it has been edited".to_owned()));
        assert_eq!(Manifest::check_seal(&manifest.to_json()), Ok(()));
        let edited = Manifest { shard: Shard { k: 4, n: 3 }, ..manifest };
        assert!(Manifest::from_json(&edited.to_json()).expect_err("edited").contains("no shard 4 of 3"));
    }
}
