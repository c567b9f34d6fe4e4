//! How long an election may take where nothing goes wrong: by how far election timeouts are spread, and how long
//! questions take.

use sim_core::{Duration, Instant, NodeId};

/// How seldom an election takes longer than is allowed for: one of 2^24.
const SELDOM: f64 = 1.0 / (1 << 24) as f64;
/// As many campaigns in vain at least, whatever time they took: so many in a row lost by a toss each are one of 2^24
/// too.
const CAMPAIGNS: u32 = 24;
/// More turns than this are not waited for: no run is long enough to tell chance from a defect.
const MOST_TURNS: u32 = 200;

/// A campaign of one node.
#[derive(Clone, Copy, Debug)]
struct Began {
    term: u64,
    at: Instant,
    pre: bool,
}

/// The campaigns in a row in which nobody has been elected.
#[derive(Clone, Debug, Default)]
pub(super) struct Rounds {
    /// By node: its last campaign.
    began: Vec<Option<Began>>,
    /// The longest time from the begin of a campaign until somebody was asked: from then on its timeout runs anew.
    window: Duration,
    campaigns: u32,
    /// When the first of them began.
    since: Instant,
}

/// What is allowed for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    /// Turns, in each of which every node's timeout runs out once.
    pub turns: u32,
    /// All of them together.
    pub time: Duration,
}

impl Rounds {
    /// Of a cluster of `nodes`.
    pub fn new(nodes: usize) -> Self {
        Self { began: vec![None; nodes], ..Self::default() }
    }

    /// A node campaigns; nothing has gone wrong since `calm`, if it is so now and nobody leads. What goes before a
    /// campaign is part of it.
    pub fn campaign(&mut self, at: Instant, node: NodeId, (term, pre): (u64, bool), calm: Option<Instant>) {
        let last = &mut self.began[node.index()];
        let goes_on = last.is_some_and(|last| last.term == term && last.pre && !pre);
        let begun = last.map_or(at, |last| if goes_on { last.at } else { at });
        *last = Some(Began { term, at: begun, pre });
        if pre {
            return;
        }
        match calm {
            None => self.campaigns = 0,
            Some(calm) if self.campaigns == 0 || calm > self.since => (self.campaigns, self.since) = (1, at),
            Some(_) => self.campaigns += 1,
        }
    }

    /// Somebody has been elected.
    pub const fn elected(&mut self) {
        self.campaigns = 0;
    }

    /// A candidate's question arrives; nothing has gone wrong since `calm`.
    pub fn asked(&mut self, at: Instant, candidate: NodeId, term: u64, calm: Option<Instant>) {
        let Some(began) = self.began[candidate.index()].filter(|began| began.term == term && !began.pre) else {
            return;
        };
        if calm.is_some_and(|calm| calm <= began.at) {
            self.window = self.window.max(at.since(began.at));
        }
    }

    /// The campaigns in a row and how long they have taken, if that is more than is allowed for.
    pub fn too_many(&self, at: Instant, allowed: Option<Allowed>) -> Option<(u32, Duration)> {
        let (campaigns, took) = (self.campaigns, at.since(self.since));
        let allowed = allowed?;
        (campaigns > CAMPAIGNS.max(allowed.turns) && took > allowed.time).then_some((campaigns, took))
    }

    /// What is allowed for with timeouts between these; `tick` is what they are counted in. Nothing is demanded where
    /// timeouts are spread over so little that votes are split most of the time, which is no defect of the election but
    /// of its settings (Raft paper, figure 16: with 150 ms for everyone an election lasts for tens of seconds).
    ///
    /// Somebody has a log as new as any that all the others hold. A turn, in which its timeout runs out once, is won at
    /// least if nobody else's runs out while its question is on the way, nor so shortly before that another question
    /// is. The times at which `n` timeouts run out, spread evenly over `s`, leave a given one `2w` to itself with a
    /// probability of `(1 - 2w / s)^(n - 1)` or more.
    pub fn allowed(&self, (lo, hi): (Duration, Duration), tick: Option<Duration>) -> Option<Allowed> {
        let spread = hi.0.saturating_sub(lo.0);
        let window = self.window.max(tick.unwrap_or_default());
        if spread <= window.times(2).0 {
            return None;
        }
        let apart = 1.0 - window.times(2).0 as f64 / spread as f64;
        let split = 1.0 - self.began.iter().skip(1).fold(1.0, |all, _| all * apart);
        let (mut turns, mut chance) = (0, 1.0);
        while chance > SELDOM {
            if turns == MOST_TURNS {
                return None;
            }
            (turns, chance) = (turns + 1, chance * split);
        }
        Some(Allowed { turns, time: (hi + window.times(2)).times(u64::from(turns)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::millis;

    /// Five nodes, of which one is elected once, 2 ms after it began to campaign.
    fn five(window: Duration) -> Rounds {
        let mut rounds = Rounds::new(5);
        rounds.campaign(Instant::ZERO, NodeId(0), (1, true), Some(Instant::ZERO));
        rounds.campaign(Instant::ZERO + MS(1), NodeId(0), (1, false), Some(Instant::ZERO));
        rounds.asked(Instant::ZERO + window, NodeId(0), 1, Some(Instant::ZERO));
        rounds.elected();
        rounds
    }

    /// Campaigns each `every` from one second on, until there are too many of them.
    fn in_vain(mut rounds: Rounds, every: Duration, timeouts: (u64, u64), calm: Instant) -> Option<(u32, Duration)> {
        (0..1_000).find_map(|n| {
            let at = Instant::ZERO + MS(1_000) + every.times(n);
            rounds.campaign(at, NodeId((n % 5) as u32), (2 + n, false), (at >= calm).then_some(calm));
            let allowed = rounds.allowed((MS(timeouts.0), MS(timeouts.1)), None);
            rounds.too_many(at, allowed)
        })
    }

    #[test]
    fn more_is_allowed_for_the_less_timeouts_are_spread() {
        let turns = |lo, hi| five(MS(2)).allowed((MS(lo), MS(hi)), None).map(|allowed| allowed.turns);
        assert_eq!(turns(150, 150), None);
        assert_eq!(turns(150, 151), None);
        assert_eq!(turns(150, 155), None);
        // 0.84^4 of the turns are won, and 0.9733^4.
        assert_eq!((turns(150, 175), turns(150, 300)), (Some(25), Some(8)));
        assert_eq!(five(MS(40)).allowed((MS(150), MS(300)), None).map(|allowed| allowed.turns), None);
        // Whole ticks are no closer together than a tick.
        assert_eq!(five(MS(2)).allowed((MS(1_000), MS(2_000)), Some(MS(100))).map(|allowed| allowed.turns), Some(32));
    }

    #[test]
    fn elections_without_end_are_found_only_where_timeouts_are_spread_and_nothing_goes_wrong() {
        // Eight turns of 304 ms.
        let found = in_vain(five(MS(2)), MS(30), (150, 300), Instant::ZERO);
        assert_eq!(found, Some((83, MS(2_460))));
        assert_eq!(in_vain(five(MS(2)), MS(150), (150, 300), Instant::ZERO), Some((25, MS(3_600))));
        assert_eq!(in_vain(five(MS(2)), MS(30), (150, 155), Instant::ZERO), None);
        // What was before the calm does not count.
        let calm = Instant::ZERO + MS(4_000);
        assert_eq!(in_vain(five(MS(2)), MS(30), (150, 300), calm), Some((83, MS(2_460))));
    }
}
