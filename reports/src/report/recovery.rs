//! Recoveries as a part of the report, under the names that their system gives them.

use crate::report::Phase;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use sim_core::recovery::{self, RecoveryKind};

/// The recoveries of a run, under the names that the system has for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recoveries {
    /// What they are.
    pub kind: RecoveryKind,
    /// Each, in order of time.
    pub all: Vec<Recovery>,
    /// The longest (RTO). Planned ones do not count. One that never ended lasts until the end of the run. `None` if
    /// there was none.
    pub longest_ns: Option<u64>,
    /// Those of what was in order, as far as clients could notice.
    pub needless: u64,
}

/// One recovery. Its parts make up `rto_ns`; a step that was not seen is a part of the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Recovery {
    /// Which part of the data; 0 where there is one.
    pub shard: u32,
    /// When clients of `zone` lost service; without an outage, when the old one stopped serving or was given up.
    pub began_ns: u64,
    /// When they had it again, or the end of the run.
    pub ended_ns: u64,
    /// Nobody had been served again when the run ended.
    pub open: bool,
    /// `ended_ns - began_ns`.
    pub rto_ns: u64,
    /// How long each step took, with its field; `None` for one that was not seen.
    #[serde(flatten)]
    pub steps: Steps,
    /// The old one.
    pub old: Option<String>,
    /// The new one.
    pub new: Option<String>,
    /// Whether the old one was in order, as far as clients could notice: nobody had to be replaced.
    pub needless: bool,
    /// Whether somebody asked for it.
    pub planned: bool,
    /// The zone whose clients waited longest; `None` where no zone had an outage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// How long each zone's clients waited, the longest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<ZoneRecovery>,
}

/// How long each step took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steps(pub Vec<(recovery::Step, Option<u64>)>);

/// How long the clients of a zone were without service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ZoneRecovery {
    /// The zone.
    pub zone: String,
    /// The first operation that was not served.
    pub start_ns: u64,
    /// When the first success after it returned.
    pub end_ns: u64,
    /// It had not ended when the measured window did.
    pub open: bool,
}

impl Serialize for Steps {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(step, took)| (&step.field, took)))
    }
}

impl Serialize for Recoveries {
    /// One field with all that there is to say, so that it can be a part of the report under the system's own name.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Inner<'a>(&'a Recoveries);
        impl Serialize for Inner<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let Recoveries { kind, all, longest_ns, needless } = self.0;
                let mut map = serializer.serialize_map(Some(3))?;
                map.serialize_entry(&kind.list, all)?;
                map.serialize_entry(&kind.longest.1, longest_ns)?;
                map.serialize_entry(&kind.needless.1, needless)?;
                map.end()
            }
        }
        serializer.collect_map([(&self.kind.field, Inner(self))])
    }
}

impl Recoveries {
    /// Whether clients were never served again after one that nobody planned.
    pub(crate) fn never_ended(&self) -> bool {
        self.all.iter().any(|r| r.open && !r.planned)
    }
}

impl Recovery {
    /// What the time was spent on, each part with its name; nothing for a step that was not seen.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&str, Option<u64>)> {
        self.steps.0.iter().map(|(step, took)| (&*step.name, *took))
    }

    /// The same as phases of the outage that it was, up to its end.
    pub(crate) fn phases(&self) -> Vec<Phase> {
        let mut from = self.began_ns;
        let mut phases: Vec<Phase> = Vec::new();
        let mut push = |name: &str, start_ns: u64, end_ns: u64| {
            if end_ns > start_ns {
                phases.push(Phase { name: name.to_owned(), start_ns, end_ns });
            }
        };
        for (name, part) in self.parts().filter_map(|(name, part)| Some((name, part?))) {
            push(name, from, from + part);
            from += part;
        }
        // It never came to the next step.
        let next = self.parts().find(|(_, part)| part.is_none()).or(self.parts().last());
        push(next.map_or("", |(name, _)| name), from, self.ended_ns);
        phases
    }
}
