//! Losses as a part of the report.

use serde::Serialize;

/// The part of the report about losses. Operations count once each, as clients saw them, in the whole run; probes do
/// not count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Losses {
    /// Writes whose clients were told that they are done.
    pub acknowledged_writes: u64,
    /// How many of them are lost (RPO, counted in writes): no node that serves has them, nor will. `null` where the
    /// system keeps no account of it.
    pub lost_writes: Option<u64>,
    /// Reads that saw less than had been acknowledged before they began; `null` likewise.
    pub stale_reads: Option<u64>,
    /// Time in which two nodes or more accepted writes for the same data; times that overlap count once. `null`
    /// likewise.
    pub two_primaries_ns: Option<u64>,
    /// Zones whose clients were without service at some time: of reads, of writes, or of a shard. `null` where nobody
    /// asked.
    pub unavailable_zones: Option<u64>,
    /// The first hundred of the lost writes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub first_lost: Vec<LostWrite>,
    /// The times of two primaries.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub two_primaries: Vec<TwoPrimaries>,
}

/// An acknowledged write that is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LostWrite {
    /// Its key.
    pub key: u64,
    /// What was written, for people.
    pub what: String,
    /// When it was acknowledged.
    pub acknowledged_ns: u64,
    /// By whom.
    pub node: String,
    /// Why it is gone, as far as is known.
    pub why: String,
}

/// A time in which two nodes or more accepted writes for the same data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TwoPrimaries {
    /// Since when.
    pub start_ns: u64,
    /// Until when.
    pub end_ns: u64,
    /// Who did.
    pub nodes: Vec<String>,
    /// Writes that were acknowledged meanwhile by any but the newest of them.
    pub writes: u64,
}
