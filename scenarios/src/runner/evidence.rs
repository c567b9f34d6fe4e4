//! What is kept of a run so that it can be explained: checkpoints of its digest, and the last events before it broke.

use sim_core::record::RunRecord;

/// Checkpoints kept at most; beyond, every other one is dropped.
const MOST: usize = 1 << 15;

/// The digest after every so many events, so that a replay that differs can say where it began to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoints {
    /// Events between two checkpoints: a power of two.
    stride: u64,
    /// The lower half of the digest after events `stride`, `2 * stride`, ...
    digests: Vec<u32>,
}

impl Default for Checkpoints {
    fn default() -> Self {
        Self { stride: 1, digests: Vec::new() }
    }
}

const HEAD: &str = "splitbrain checkpoints 1: lower half of the digest after every so many events: ";

impl Checkpoints {
    /// The run has handled `events` events.
    #[inline]
    pub(super) fn event(&mut self, events: u64, digest: u64) {
        if events & (self.stride - 1) == 0 {
            self.keep(digest as u32);
        }
    }

    #[cold]
    fn thin(&mut self) {
        self.stride *= 2;
        let mut place = 0;
        self.digests.retain(|_| {
            place += 1;
            place % 2 == 0
        });
    }

    #[inline]
    fn keep(&mut self, digest: u32) {
        self.digests.push(digest);
        if self.digests.len() == MOST {
            self.thin();
        }
    }

    /// The last event up to which two runs were the same, and the first at which they are known to differ; `None` if
    /// no checkpoint tells them apart.
    #[must_use]
    pub fn part(&self, other: &Self) -> Option<(u64, u64)> {
        let stride = self.stride.max(other.stride);
        let every = |of: &Self| {
            let step = (stride / of.stride) as usize;
            of.digests.iter().skip(step - 1).step_by(step).copied().collect::<Vec<_>>()
        };
        let (a, b) = (every(self), every(other));
        let same = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
        (same < a.len().max(b.len())).then(|| (same as u64 * stride, (same as u64 + 1) * stride))
    }

    /// As a file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEAD}{}\n", self.stride);
        for digest in &self.digests {
            text.push_str(&format!("{digest:08x}\n"));
        }
        text
    }

    /// From a file; `None` if it is not one of checkpoints.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let stride: u64 = lines.next()?.strip_prefix(HEAD)?.parse().ok()?;
        let digests = lines.map(|line| u32::from_str_radix(line, 16).ok()).collect::<Option<Vec<_>>>()?;
        (stride.is_power_of_two() && text.ends_with('\n')).then_some(Self { stride, digests })
    }
}

/// Kept while a run is made, if somebody wants to explain it.
#[derive(Debug)]
pub struct Evidence {
    /// Checkpoints of the digest.
    pub checkpoints: Checkpoints,
    /// Whether a second run is made beside the first, step by step.
    pub twin: bool,
    /// The run stops after this many events.
    pub stop_after: u64,
    /// Where `stop_after` is set: from which event on the last events are wanted.
    pub stop_from: u64,
    /// Whether the last events are kept as the run goes. Keeping them takes a tenth of a run's time, so a run that
    /// breaks without is made again, to the same end, for what happened last.
    pub flight: bool,
    /// Told the last events, as lines of a trace, if the run panics.
    pub on_panic: fn(&[String]),
    /// The last events before the run stopped or a rule was broken, as lines of a trace.
    pub last: Vec<String>,
    /// How the twin differed.
    pub parted: Option<TwinParted>,
    /// What was seen of the twin, if it never parted.
    pub twin_record: Option<Box<RunRecord>>,
}

impl Default for Evidence {
    fn default() -> Self {
        Self {
            checkpoints: Checkpoints::default(),
            twin: false,
            stop_after: u64::MAX,
            stop_from: 0,
            flight: false,
            on_panic: |_| {},
            last: Vec::new(),
            parted: None,
            twin_record: None,
        }
    }
}

impl Evidence {
    /// Whether the last events are to be kept from the start.
    pub(super) const fn keeps_flight(&self) -> bool {
        self.flight || self.twin || self.stop_after < u64::MAX
    }
}

/// The event at which a run and its twin parted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TwinParted {
    /// How many events they had in common.
    pub events: u64,
    /// The last events of the run, as lines of a trace, the common ones first.
    pub run: Vec<String>,
    /// Those of its twin.
    pub twin: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(events: u64, differs_at: u64) -> Checkpoints {
        let mut checkpoints = Checkpoints::default();
        for event in 1..=events {
            checkpoints.event(event, event * 7 + u64::from(event >= differs_at));
        }
        checkpoints
    }

    #[test]
    fn the_first_difference_lies_between_two_checkpoints() {
        for (events, at) in [(10, 1), (10, 10), (1_000, 777), (70_000, 3), (1_000_000, 654_321)] {
            let (a, b) = (run(events, u64::MAX), run(events, at));
            let (from, to) = a.part(&b).expect("they differ");
            assert!(from < at && at <= to, "{events} {at}: {from}..{to}");
            assert!(to - from <= 32 && a.digests.len() < MOST);
            assert_eq!(a.part(&a), None);
            assert_eq!(Checkpoints::parse(&b.to_text()).as_ref(), Some(&b));
        }
        // One that ended earlier, thinned less.
        let (from, to) = run(1_000_000, u64::MAX).part(&run(1_000, u64::MAX)).expect("they differ");
        assert!(from <= 1_000 && to > 1_000 - 64 && to - from == 32, "{from}..{to}");
        assert_eq!(Checkpoints::parse("nonsense\n"), None);
        let whole = run(10, 20).to_text();
        assert_eq!(Checkpoints::parse(&whole[..whole.len() - 1]), None, "one that is cut off is none");
    }
}
