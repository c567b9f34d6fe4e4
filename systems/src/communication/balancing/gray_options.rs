//! Servers that turn gray, as written in `[[system.gray]]`.

use super::gray::{Gray, Spell, When};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::units::{DurationText, ProbabilityText};
use sim_core::{Duration, Instant, Invalid, NodeId};

const fn is_zero(time: DurationText) -> bool {
    time.0.0 == 0
}

sim_core::choices! {
    /// What is wrong with a gray server, as written.
    pub enum GrayKind {
        /// Work takes `factor` times as long.
        #[default]
        Slow,
        /// A `share` of the work fails, after `takes`.
        Failing,
        /// It accepts connections and work, and answers nothing.
        Hung,
    }
}

/// A server that turns gray: up for everybody who looks from afar, and yet of no use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GrayOptions {
    /// Which server, by the name of its node, e.g. `n3`; every server on its own if empty.
    pub server: String,
    /// How.
    pub kind: GrayKind,
    /// From when, counted from the start of the run.
    pub from: DurationText,
    /// Until when; to the end if 0.
    pub until: DurationText,
    /// Instead of `from`: at random, with this mean time between.
    pub mtbf: DurationText,
    /// And for so long, in the mean.
    pub mttr: DurationText,
    /// Slow: so many times.
    pub factor: u32,
    /// Failing: which share of the work.
    pub share: ProbabilityText,
    /// Failing: how fast.
    pub takes: DurationText,
}

impl Default for GrayOptions {
    fn default() -> Self {
        Self {
            server: String::new(),
            kind: GrayKind::default(),
            from: DurationText::default(),
            until: DurationText::default(),
            mtbf: DurationText::default(),
            mttr: DurationText::default(),
            factor: 10,
            share: ProbabilityText::per_billion(1_000_000_000),
            takes: DurationText(Duration::millis(1)),
        }
    }
}

impl GrayOptions {
    /// A gray server as meant, unless it makes no sense.
    pub fn spell(&self, balancers: u32, nodes: u32, invalid: &mut Vec<Invalid>) -> Option<Spell> {
        let before = invalid.len();
        let mut complain = |wrong: bool, what: String, help: &str| {
            if wrong {
                invalid.push(Invalid { key: "gray", what, help: help.to_owned() });
            }
        };
        let number = self.server.strip_prefix('n').and_then(|number| number.parse::<u32>().ok());
        let server = number.filter(|number| (balancers + 1..=nodes).contains(number)).map(|n| NodeId(n - 1));
        let help = format!("a server: from \"n{}\" to \"n{nodes}\", or none for all", balancers + 1);
        complain(server.is_none() && !self.server.is_empty(), format!("no server is called {:?}", self.server), &help);
        let process = !is_zero(self.mtbf) || !is_zero(self.mttr);
        complain(
            process && (is_zero(self.mtbf) || is_zero(self.mttr)),
            "a random process needs both `mtbf` and `mttr`".to_owned(),
            "for example mtbf = \"10s\", mttr = \"2s\"",
        );
        complain(
            process && !is_zero(self.from),
            "either at a fixed time or at random".to_owned(),
            "`from`, or `mtbf` and `mttr`; `until` with either",
        );
        complain(
            !is_zero(self.until) && self.until <= self.from,
            format!("well again at {}, before it turns gray at {}", self.until, self.from),
            "`until` after `from`",
        );
        complain(self.factor == 0, "slow by a factor of 0".to_owned(), "at least 2");
        let until = if is_zero(self.until) { Instant::FAR } else { Instant::ZERO + self.until.0 };
        (invalid.len() == before).then(|| Spell {
            server,
            gray: match self.kind {
                GrayKind::Slow => Gray::Slow { factor: self.factor },
                GrayKind::Failing => Gray::Failing { share: self.share.probability(), takes: self.takes.0 },
                GrayKind::Hung => Gray::Hung,
            },
            when: if process {
                When::Process(self.mtbf.0, self.mttr.0, until)
            } else {
                When::Once(Instant::ZERO + self.from.0, until)
            },
        })
    }
}
