//! Faults are data: a concrete schedule a person can read, a shrinker can halve and a file can hold.
//!
//! A scenario's plan (with `every` and random processes) expands into a [`Schedule`] before the run, purely. The engine
//! carries the schedule out; only targets such as "leader" are resolved when a fault fires.

mod limits;
mod membership;
mod schedule;
mod shape;
mod target;

pub use limits::Limits;
pub use membership::MemberChange;
pub use schedule::{
    Burst, ClockChange, Cue, CutClients, Direction, DiskChange, Fault, Injection, Name, OnCrash, PacketChange,
    Schedule, Trigger,
};
pub use shape::{Shape, Sides};
pub use target::Target;
