//! The running hash of a log: equal for equal logs, so that two can be compared at any place at once.

use sim_core::hash::Mixer;

/// The running hash of a log: one more link.
#[inline]
pub const fn link(chain: u64, hash: u64) -> u64 {
    let mut mixer = Mixer::resume(chain);
    mixer.word(hash);
    mixer.finish()
}
