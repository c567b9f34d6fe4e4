//! Hazards: what goes wrong in real life, how often, and for how long. They change no run; a forecast is made of them.

use super::Window;
use sim_core::Duration;

/// One `[[hazard]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hazard {
    /// Of what: each of these fails by itself.
    pub of: HazardOf,
    /// Mean time from a repair of one of them to its next failure.
    pub every: Duration,
    /// Mean time to repair one.
    pub repair: Duration,
    /// How the times between failures are spread.
    pub law: HazardLaw,
    /// When it may happen: what is due at another time waits for the window.
    pub window: Option<Window>,
}

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HazardOf {
    /// A member's machine loses power.
    Machine,
    /// All members of a zone do.
    Zone,
    /// A member can reach nobody, and nobody it.
    Link,
    /// The disk of a member hangs.
    Disk,
    /// Every member is restarted, one after another; `repair` is how long one is away.
    Deploy,
}

impl HazardOf {
    /// The names in scenario files.
    pub const NAMES: &'static [&'static str] = &["machine", "zone", "link", "disk", "deploy"];

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::Machine, Self::Zone, Self::Link, Self::Disk, Self::Deploy];
        Self::NAMES.iter().position(|known| *known == name).map(|at| all[at])
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

/// How the times between failures are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HazardLaw {
    /// At any moment with the same chance, whatever the age.
    Exponential,
    /// As a timetable has it, from a random beginning.
    Fixed,
    /// Weibull with this shape in thousandths: below 1000, what has just failed fails again soon.
    Weibull(u32),
}
