//! One binary for all tests of this crate: linking sixteen takes longer than running them.

mod balancing_by_hand;
mod by_hand;
mod cluster_by_hand;
mod coordination;
mod councils;
mod detectors;
mod embedded_rafts;
mod handover;
mod known_bugs;
mod manifests;
mod paxos_by_hand;
mod paxos_laws;
mod placement_laws;
mod placements;
mod queueing_laws;
mod replicated_log;
mod storms;
mod support;
mod transcripts;
