//! What a segment's header says.

/// Bytes of an IPv4 header without options.
const IP: usize = 20;

/// A segment's header, as far as traces and figures need it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Segment {
    pub syn: bool,
    pub ack: bool,
    pub fin: bool,
    pub rst: bool,
    /// The number of its first byte.
    pub seq: u32,
    /// The number that it acknowledges everything before of.
    pub acked: u32,
    /// Bytes of payload.
    pub payload: u32,
}

impl Segment {
    /// Reads the header of an IPv4 packet without IP options.
    pub fn of(packet: &[u8]) -> Self {
        let word = |at: usize| packet.get(at..at + 4).map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
        let byte = |at: usize| packet.get(at).copied().unwrap_or(0);
        let header = IP + usize::from(byte(IP + 12) >> 4) * 4;
        let flags = byte(IP + 13);
        let flag = |bit: u8| flags & bit != 0;
        Self {
            fin: flag(1),
            syn: flag(2),
            rst: flag(4),
            ack: flag(16),
            seq: word(IP + 4),
            acked: word(IP + 8),
            payload: packet.len().saturating_sub(header) as u32,
        }
    }

    /// What it is called in a trace.
    pub const fn name(self) -> &'static str {
        match (self.syn, self.ack, self.fin, self.rst) {
            (_, _, _, true) => "RST",
            (true, false, ..) => "SYN",
            (true, true, ..) => "SYN-ACK",
            (_, _, true, _) => "FIN",
            _ if self.payload > 0 => "data",
            _ => "ACK",
        }
    }

    /// The number of the first byte behind it; SYN and FIN count as one.
    pub const fn end(self) -> u32 {
        self.seq.wrapping_add(self.payload).wrapping_add(self.syn as u32 + self.fin as u32)
    }
}

/// Whether sequence number `a` lies before `b`, modulo 2^32.
pub(crate) const fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}
