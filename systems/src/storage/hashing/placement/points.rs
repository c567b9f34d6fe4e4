//! Points on a circle of 64-bit hashes, and the first one at or behind a hash, mostly in one step.

/// A point and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub hash: u64,
    pub node: u32,
}

/// Points in the order of their hashes, with an index by the first bits of the hash.
#[derive(Clone, Debug, Default)]
pub(super) struct Points {
    points: Vec<Point>,
    /// For each value of the first bits, how many points lie before all hashes that begin so.
    first: Vec<u32>,
    shift: u32,
}

impl Points {
    /// From points that are sorted by hash.
    pub fn new(points: Vec<Point>) -> Self {
        debug_assert!(points.is_sorted_by_key(|point| point.hash), "points out of order");
        // About as many buckets as points: one point each, on average.
        let bits = points.len().max(2).next_power_of_two().trailing_zeros();
        let shift = 64 - bits;
        let mut first = Vec::with_capacity(1 << bits);
        let mut at = 0;
        for bucket in 0..1_u64 << bits {
            while at < points.len() && points[at].hash >> shift < bucket {
                at += 1;
            }
            first.push(at as u32);
        }
        Self { points, first, shift }
    }

    /// Position of the first point at or behind `hash`; the circle closes behind the last.
    #[inline]
    pub fn find(&self, hash: u64) -> usize {
        let mut at = self.first[(hash >> self.shift) as usize] as usize;
        while at < self.points.len() && self.points[at].hash < hash {
            at += 1;
        }
        if at < self.points.len() { at } else { 0 }
    }

    #[inline]
    pub fn get(&self, at: usize) -> Point {
        self.points[at]
    }

    pub const fn len(&self) -> usize {
        self.points.len()
    }

    pub fn take(&mut self) -> Vec<Point> {
        core::mem::take(&mut self.points)
    }

    pub const fn bytes(&self) -> usize {
        self.points.capacity() * size_of::<Point>() + self.first.capacity() * size_of::<u32>()
    }
}
