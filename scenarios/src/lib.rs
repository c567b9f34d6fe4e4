//! The scenario format: what a person writes, what it means, and the concrete schedule it expands to.
//!
//! [`Scenario`] is a file as meant.

pub mod scenario;

pub use scenario::Scenario;
