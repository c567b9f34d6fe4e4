//! One binary for all tests of this crate: linking sixteen takes longer than running them.

mod bursts;
mod chaos;
mod clients;
mod connections;
mod cpu;
mod crashes;
mod determinism;
mod disk;
mod disk_faults;
mod embedding;
mod limits;
mod network;
mod observers;
mod orders;
mod panics;
mod partitions;
mod support;
mod timers;
mod transport;
mod triggers;
mod waiting;
