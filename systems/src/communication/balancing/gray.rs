//! Gray servers: up for everybody who looks from afar, and yet slow, failing or hung.

use sim_core::network::exponential;
use sim_core::{Clock, Duration, Instant, LocalInstant, NodeId, Probability, Rng};

/// What is wrong with a gray server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Gray {
    /// Work takes `factor` times as long.
    Slow {
        /// So many times.
        factor: u32,
    },
    /// A share of the work fails, after `takes`.
    Failing {
        /// Which share.
        share: Probability,
        /// How fast.
        takes: Duration,
    },
    /// It accepts connections and work, and answers nothing.
    Hung,
}

impl Gray {
    /// Its name in scenario files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Slow { .. } => "slow",
            Self::Failing { .. } => "failing",
            Self::Hung => "hung",
        }
    }
}

/// When servers turn gray.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Once: from, until, counted from the start of the run.
    Once(Instant, Instant),
    /// At random: the means of the times between and of the times gray, both exponential; and when all is well for
    /// good.
    Process(Duration, Duration, Instant),
}

/// A plan to make a server gray, or each server on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spell {
    /// Which node; every server if `None`.
    pub server: Option<NodeId>,
    /// How.
    pub gray: Gray,
    /// When.
    pub when: When,
}

/// The gray times of one server: which of its spells are on, and when that changes next.
#[derive(Clone, Debug)]
pub struct Grayness {
    /// Each with whether it is on, and when that changes; never again if `None`.
    spells: Vec<(Spell, bool, Option<LocalInstant>)>,
}

/// A time, unless all is well for good by then.
fn before(until: Instant, at: LocalInstant) -> Option<LocalInstant> {
    (at < Clock::honest(until)).then_some(at)
}

impl Grayness {
    /// Those of `spells` that are meant for this server.
    pub fn new(spells: &[Spell], me: NodeId, now: LocalInstant, rng: &mut Rng) -> Self {
        let mine = spells.iter().filter(|spell| spell.server.is_none_or(|server| server == me));
        let mut start = |spell: &Spell| match spell.when {
            // Scenario times are the world's; an honest clock shows them.
            When::Once(from, until) if now < Clock::honest(until) => Some(Clock::honest(from)),
            When::Once(..) => None,
            When::Process(between, _, until) => before(until, now + exponential(between, rng.next_u32())),
        };
        Self { spells: mine.map(|spell| (*spell, false, start(spell))).collect() }
    }

    /// When something changes next.
    #[must_use]
    pub fn next(&self) -> Option<LocalInstant> {
        self.spells.iter().filter_map(|(.., at)| *at).min()
    }

    /// Brings it up to date.
    pub fn turn(&mut self, now: LocalInstant, rng: &mut Rng) {
        for (spell, on, at) in &mut self.spells {
            if at.is_none_or(|at| at > now) {
                continue;
            }
            *on = !*on;
            *at = match spell.when {
                When::Once(_, until) => (*on && until != Instant::FAR).then(|| Clock::honest(until)),
                When::Process(_, lasts, until) if *on => {
                    Some((now + exponential(lasts, rng.next_u32())).min(Clock::honest(until)))
                }
                When::Process(between, _, until) => before(until, now + exponential(between, rng.next_u32())),
            };
        }
    }

    /// What is wrong now: the first of its spells that is on.
    #[must_use]
    pub fn now(&self) -> Option<Gray> {
        self.spells.iter().find(|(_, on, _)| *on).map(|(spell, ..)| spell.gray)
    }

    /// How long work takes here that takes so long where all is well, and whether it ends well.
    pub fn strain(&self, takes: Duration, rng: &mut Rng) -> (Duration, bool) {
        match self.now() {
            Some(Gray::Slow { factor }) => (takes.times(u64::from(factor)), true),
            Some(Gray::Failing { share, takes: fast }) if rng.chance(share) => (fast, false),
            _ => (takes, true),
        }
    }

    /// Whether nothing is ever wrong.
    #[must_use]
    pub const fn is_never(&self) -> bool {
        self.spells.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::Purpose;

    #[test]
    fn a_random_process_is_over_when_all_is_to_be_well() {
        let until = Instant::ZERO + Duration::secs(10);
        let (mut gray_at_all, mut gray_at_the_end) = (0, 0);
        for seed in 0..100 {
            let mut rng = Rng::stream(seed, Purpose::Node, 0);
            let when = When::Process(Duration::secs(2), Duration::secs(3), until);
            let spell = Spell { server: None, gray: Gray::Hung, when };
            let mut grayness = Grayness::new(&[spell], NodeId(0), Clock::honest(Instant::ZERO), &mut rng);
            let mut ended = None;
            while let Some(at) = grayness.next() {
                assert!(at <= Clock::honest(until), "it changes at {at:?}");
                grayness.turn(at, &mut rng);
                gray_at_all += u32::from(grayness.now().is_some());
                ended = Some(at);
            }
            assert_eq!(grayness.now(), None);
            gray_at_the_end += u32::from(ended == Some(Clock::honest(until)));
        }
        assert!(gray_at_all > 100 && gray_at_the_end > 20, "{gray_at_all} spells, {gray_at_the_end} cut short");
    }
}
