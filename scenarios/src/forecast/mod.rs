//! From a minute of simulation to the years of real life.
//!
//! A forecast has two halves that know nothing of each other: the **years** (`years.rs`) are the hazards alone:
//! which component fails when, for how long, and what else is down then. Of them a great many can be drawn, as nothing
//! is simulated for them. What comes of a failure is measured by simulating it (`situation.rs`): the cluster as it is
//! with what is down already, then the component fails, or comes back. A **situation** that many years share is
//! simulated once, with several seeds; that is what makes rare overlaps affordable: a situation that comes once in a
//! thousand years costs as much as one of every day, and its weight is known from the years, without luck. (Conditional
//! Monte Carlo; what it leaves of variance is that of the years, which is told, and that of the simulations, told too.)

mod situation;
mod years;

pub use situation::{Situation, scenario_of};
pub use years::{Change, Component, YEAR, Years, components};
