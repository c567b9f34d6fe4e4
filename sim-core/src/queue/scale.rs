//! How fine and how wide a calendar should be: chosen from the delays pushed lately and the number of keys pending.

use super::coarse::TURNS;

/// Quarter octaves: the exponent and two bits of mantissa of a delay.
const BINS: usize = 64 * 4;
/// Keys a bucket should hold when its turn comes. Fewer means more buckets to visit and more memory to touch,
/// more means more sorting.
const KEYS_PER_BUCKET: f64 = 1.2;
/// Buckets in a ring at most: what fits a core's own cache.
const MOST_BUCKETS: usize = 1 << 16;
/// One push in this many may be due beyond the ring and go the slow way.
const BEYOND: u64 = 32;

/// The geometry of a calendar's ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    /// A bucket spans `1 << shift` nanoseconds.
    pub(super) shift: u32,
    /// Buckets in the ring, a power of two.
    pub(super) buckets: usize,
}

/// A decaying histogram of the delays pushed.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    bins: Vec<u32>,
}

impl Scale {
    pub(super) fn new() -> Self {
        Self {
            bins: vec![0; BINS],
        }
    }

    /// Counts one push due `delay` nanoseconds after the last key popped.
    #[inline(always)]
    pub(super) fn note(&mut self, delay: u64) {
        let octave = 63 - (delay | 4).leading_zeros();
        let bin = (octave << 2) + ((delay >> (octave - 2)) & 3) as u32;
        self.bins[bin as usize & (BINS - 1)] += 1;
    }

    /// Forgets half of what it knows, so that a change of load shows soon.
    pub(super) fn age(&mut self) {
        for bin in &mut self.bins {
            *bin /= 2;
        }
    }

    /// The smallest delay beyond bin `bin`, nanoseconds.
    fn edge(bin: usize) -> u64 {
        let next = bin as u64 + 1;
        let (octave, quarter) = (next >> 2, next & 3);
        if octave < 2 {
            4
        } else {
            (4 + quarter)
                .checked_shl(octave as u32 - 2)
                .unwrap_or(u64::MAX)
        }
    }

    /// The delay that all but one in [`BEYOND`] stay below, nanoseconds; none when every delay was zero.
    pub(super) fn horizon(&self) -> Option<u64> {
        // The lowest bin holds 0..=4 ns and is mostly zero delays, which never reach the ring.
        let total: u64 = self.bins[9..].iter().map(|&count| u64::from(count)).sum();
        let mut beyond = total / BEYOND;
        for bin in (9..BINS).rev() {
            let count = u64::from(self.bins[bin]);
            if count > beyond {
                return Some(Self::edge(bin));
            }
            beyond -= count;
        }
        None
    }

    /// The geometry for `pending` keys due within `horizon` nanoseconds.
    pub(super) fn geometry(&self, horizon: u64, pending: usize) -> Geometry {
        let (mut count, mut sum) = (0.0, 0.0);
        for (bin, &pushes) in self.bins.iter().enumerate().skip(9) {
            let edge = Self::edge(bin);
            if edge > horizon {
                break;
            }
            count += f64::from(pushes);
            sum += f64::from(pushes) * (edge as f64 * 0.9);
        }
        let pending = pending.max(1);
        // Little's law: keys arrive, and fall due, at a rate of pending / mean delay.
        let width = KEYS_PER_BUCKET * (sum / f64::max(count, 1.0)) / pending as f64;
        let width = (width * std::f64::consts::SQRT_2) as u64;
        let mut shift = width.max(1).ilog2();
        let most =
            (pending.next_power_of_two() * 4).clamp(64, MOST_BUCKETS * TURNS as usize / 2) as u64;
        while (horizon >> shift) + 2 > most {
            shift += 1;
        }
        let buckets = ((horizon >> shift) + 2)
            .next_power_of_two()
            .clamp(64, MOST_BUCKETS as u64) as usize;
        Geometry { shift, buckets }
    }
}
