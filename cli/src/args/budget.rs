//! What a search may cost: so many runs, or so much time.

use core::fmt;
use core::str::FromStr;
use sim_core::units::DurationText;
use std::time::Duration;

/// What a search may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// So many runs: the same search wherever it is made.
    Runs(u64),
    /// So much wall time: how many runs that is depends on the machine.
    Time(Duration),
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let budget = match (text.parse(), text.parse::<DurationText>()) {
            (Ok(runs), _) => Self::Runs(runs),
            (_, Ok(DurationText(time))) => Self::Time(Duration::from_nanos(time.0)),
            _ => return Err("so many runs, such as 2000, or so much time, such as 10m".to_owned()),
        };
        if matches!(budget, Self::Runs(0) | Self::Time(Duration::ZERO)) {
            return Err("with nothing, nothing is looked at; at least 1 run".to_owned());
        }
        Ok(budget)
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runs(1) => write!(f, "1 run"),
            Self::Runs(runs) => write!(f, "{runs} runs"),
            Self::Time(time) => write!(f, "{}", sim_core::Duration(time.as_nanos() as u64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_runs_or_time_and_never_nothing() {
        assert_eq!("2000".parse(), Ok(Budget::Runs(2000)));
        assert_eq!("10m".parse(), Ok(Budget::Time(Duration::from_secs(600))));
        for nothing in ["0", "0s", "", "-5", "many"] {
            assert!(nothing.parse::<Budget>().is_err(), "{nothing:?}");
        }
    }
}
