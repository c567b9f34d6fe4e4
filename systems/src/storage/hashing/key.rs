//! The hash of a key: xxh3, 64 bits, the same on every machine and in every version.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The hash of a key of any kind, from its bytes. This is what every placement works on.
#[inline]
#[must_use]
pub fn of_bytes(key: &[u8]) -> u64 {
    xxh3_64(key)
}

/// The hash of a numbered key: of its eight bytes, little endian.
#[inline]
#[must_use]
pub fn of_number(key: u64) -> u64 {
    xxh3_64(&key.to_le_bytes())
}

/// Another hash of the same key, as independent of the first as the seed says.
#[inline]
#[must_use]
pub fn again(hash: u64, seed: u64) -> u64 {
    xxh3_64_with_seed(&hash.to_le_bytes(), seed)
}

/// A hash as a number below `n`: its share of the whole range (Lemire 2019), without a division.
#[inline]
#[must_use]
pub const fn below(hash: u64, n: u64) -> u64 {
    ((hash as u128 * n as u128) >> 64) as u64
}
