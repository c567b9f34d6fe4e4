//! The run's digest: one number that proves two runs equal, down to what every message, request, answer, record and
//! fact says.

/// What an event is, for the digest. The numbers are part of every recorded digest: never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Code {
    Message = 1,
    Timer = 2,
    Disk = 3,
    Request = 4,
    Answer = 5,
    Client = 6,
    Crash = 7,
    Boot = 8,
    Fault = 9,
    Pause = 10,
    Drop = 11,
    Read = 12,
    Note = 13,
    Order = 14,
    Append = 15,
    Closed = 16,
    Segment = 17,
}

/// Folds `(time, who, what, payload)` of every event into 64 bits, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digest(u64);

impl Digest {
    pub const fn new(seed: u64) -> Self {
        Self(seed ^ 0x51_7c_c1_b7_27_22_0a_95)
    }

    #[inline(always)]
    pub const fn event(&mut self, at: u64, who: u64, code: Code, payload: u64) {
        // Multiplications that do not wait for each other, and one that chains: about a nanosecond. `who` is spread
        // over all bits first: it must not cancel against a payload, whose bits may be anywhere.
        let what = (at ^ ((code as u64) << 56)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let who = who.wrapping_mul(0xff51_afd7_ed55_8ccd).rotate_left(23);
        let which = (payload ^ who).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let folded = (self.0 ^ what.rotate_left(31) ^ which) as u128 * 0xa076_1d64_78bd_642f_u128;
        self.0 = (folded as u64) ^ ((folded >> 64) as u64) ^ self.0.rotate_left(17);
    }

    /// Something that the step of the newest event has brought forth: when and where is in the digest with that.
    #[inline(always)]
    pub const fn within(&mut self, code: Code, content: u64) {
        let what = content.wrapping_add((code as u64) << 56);
        self.0 = (self.0.rotate_left(11) ^ what).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    pub const fn value(self) -> u64 {
        self.0
    }
}
