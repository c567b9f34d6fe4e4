//! The network: per-link policies, latencies as integer quantile tables, cuts checked at send and at arrival.

mod latency;

pub use latency::{Latency, Law, Quantiles, exponential};
