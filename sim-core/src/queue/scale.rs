//! How fine and how wide a calendar should be: chosen from the delays pushed lately and the number of keys pending.

use super::coarse::TURNS;

/// Quarter octaves: the exponent and two bits of mantissa of a delay.
const BINS: usize = 64 * 4;
/// Keys a bucket should hold when its turn comes. Fewer means more buckets to visit and more memory to touch,
/// more means more sorting.
const KEYS_PER_BUCKET: f64 = 1.2;
/// Buckets at most in a ring that spans the whole horizon: about what a core's own caches hold.
const MOST_BUCKETS: usize = 1 << 16;
/// Buckets in a ring that is dealt one turn after the other, where there would be more than that.
const DEALT_BUCKETS: usize = 1 << 12;
/// One push in this many may be due beyond the ring and go the slow way.
const BEYOND: u64 = 32;

/// The geometry of a calendar's ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    /// What a bucket ideally would span, nanoseconds.
    pub(super) width: f64,
    /// A bucket spans `1 << shift` nanoseconds.
    pub(super) shift: u32,
    /// Buckets in the ring, a power of two.
    pub(super) buckets: usize,
}

/// A decaying histogram of the delays pushed.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    bins: Vec<u64>,
}

impl Scale {
    pub(super) fn new() -> Self {
        Self { bins: vec![0; BINS] }
    }

    /// Counts one push due `delay` nanoseconds after the last key popped.
    #[inline(always)]
    pub(super) fn note(&mut self, delay: u64) {
        let octave = 63 - (delay | 4).leading_zeros();
        let bin = (octave << 2) + ((delay >> (octave - 2)) & 3) as u32;
        self.bins[bin as usize & (BINS - 1)] += 1;
    }

    /// Forgets at least half of what it knows, and all but about `keep` pushes, so that a change of load shows soon.
    pub(super) fn age(&mut self, keep: u64) {
        let total: u64 = self.bins.iter().sum();
        let shift = 1 + (total / keep).max(1).ilog2();
        for bin in &mut self.bins {
            *bin >>= shift;
        }
    }

    /// The smallest delay beyond bin `bin`, nanoseconds.
    fn edge(bin: usize) -> u64 {
        let next = bin as u64 + 1;
        let (octave, quarter) = (next >> 2, next & 3);
        match octave {
            0..2 => 4,
            2..64 => (4 + quarter) << (octave - 2),
            _ => u64::MAX,
        }
    }

    /// The delay that all but one in [`BEYOND`] stay below, nanoseconds; none when every delay was zero.
    pub(super) fn horizon(&self) -> Option<u64> {
        // Bin 8 is for delays of 0 (and 4) ns: those of zero never reach the ring.
        let total: u64 = self.bins[9..].iter().sum();
        let mut beyond = total / BEYOND;
        for bin in (9..BINS).rev() {
            let count = self.bins[bin];
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
            count += pushes as f64;
            sum += pushes as f64 * (edge as f64 * 0.9);
        }
        let pending = pending.max(1);
        // Little's law: keys arrive, and fall due, at a rate of pending / mean delay.
        let width = KEYS_PER_BUCKET * (sum / f64::max(count, 1.0)) / pending as f64;
        // At least two nanoseconds, so that no bucket has the number that stands for none.
        let mut shift = ((width * std::f64::consts::SQRT_2) as u64).max(2).ilog2();
        let most = (pending.next_power_of_two() * 4).clamp(64, DEALT_BUCKETS * TURNS as usize / 2) as u64;
        while (horizon >> shift) + 2 > most {
            shift += 1;
        }
        let width = width.max((1u64 << shift) as f64 * std::f64::consts::FRAC_1_SQRT_2);
        let buckets = (((horizon >> shift) + 2).next_power_of_two() as usize).max(64);
        let buckets = if buckets > MOST_BUCKETS { DEALT_BUCKETS } else { buckets };
        Geometry { width, shift, buckets }
    }
}
