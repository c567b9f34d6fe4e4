//! What a run of balancers and servers measures of itself: errors by reason, and queueing theory beside the simulation.

use super::checks::BalancingChecks;
use super::config::Service;
use super::fact::Reason;
use super::options::Config;
use super::policy::Policy;
use sim_core::Span;
use sim_core::measures::{Formula, Measures};
use sim_core::metric::Unit;
use sim_core::network::{Latency, Law};

/// How many requests a second all servers can do together, if how long one takes has a mean that is known.
pub(super) fn capacity(config: &Config) -> Option<f64> {
    let mean = exponential(&config.service).or(match &config.service {
        Service::One(Latency::Fixed(time)) => Some(time.as_secs_f64()),
        Service::One(Latency::Uniform(lo, hi)) => Some((lo.as_secs_f64() + hi.as_secs_f64()) / 2.0),
        _ => None,
    })?;
    let workers = f64::from(config.servers() - config.spares) * f64::from(config.workers);
    (mean > 0.0).then(|| workers / mean)
}

/// The natural logarithm of 100.
const LN_100: f64 = 4.605_170_185_988_092;

pub(super) fn measure(config: &Config, checks: &BalancingChecks, span: Span) -> Measures {
    let did = checks.tally().between(span.from, span.to);
    let name = |why: &Option<Reason>| why.map_or("no_answer", Reason::name).to_owned();
    let errors = did.errors.iter().map(|(why, count)| (name(why), *count)).collect();
    let seconds = span.to.since(span.from).as_secs_f64();
    let rate = did.ended as f64 / seconds;
    let took = (did.served > 0).then(|| did.took as f64 / did.served as f64);
    let formulas = if seconds > 0.0 && did.ended > 0 { formulas(config, rate, took) } else { Vec::new() };
    Measures { errors, formulas, conditions: checks.conditions(span.end), ..Measures::default() }
}

/// The mean service time in seconds, if it is exponential.
fn exponential(service: &Service) -> Option<f64> {
    match service {
        Service::One(Latency::Table(table)) => match table.law() {
            Law::Exponential { mean } => Some(mean.as_secs_f64()),
            _ => None,
        },
        _ => None,
    }
}

/// The probability of waiting in a queue with `c` servers at a load of `a` (in Erlang): Erlang's C.
#[must_use]
pub fn erlang_c(c: u32, a: f64) -> f64 {
    // Erlang B by its recursion, which does not overflow; C from B.
    let b = (1..=c).fold(1.0, |b, k| a * b / (f64::from(k) + a * b));
    let rho = a / f64::from(c);
    b / (1.0 - rho * (1.0 - b))
}

/// What theory says of `rate` requests per second, beside the mean time `took`, in nanoseconds.
fn formulas(config: &Config, rate: f64, took: Option<f64>) -> Vec<Formula> {
    let Some(service) = exponential(&config.service) else { return Vec::new() };
    let servers = f64::from(config.servers() - config.spares);
    let (workers, even) = (f64::from(config.workers), config.weights.iter().min() == config.weights.iter().max());
    let rho = rate * service / (servers * workers);
    let mut all = vec![Formula {
        name: "offered load".to_owned(),
        formula: "lambda E[S] / (servers x workers)".to_owned(),
        predicted: rho,
        measured: None,
        unit: Unit::Number,
        note: "the share of the time that a server is busy if all that is asked is done once; over 1, queues grow"
            .to_owned(),
    }];
    // Random choice splits a Poisson stream into Poisson streams; a central queue is one queue for all.
    let (c, rate) = match config.policy {
        _ if servers <= 1.0 => (workers, rate),
        Policy::CentralQueue => (servers * workers, rate),
        Policy::Random if even => (workers, rate / servers),
        _ => return all,
    };
    if rho >= 1.0 || !config.gray.is_empty() || config.hedge.is_some() {
        return all;
    }
    let waits = erlang_c(c as u32, rate * service);
    let free = c / service - rate;
    let (law, what) = if c > 1.0 {
        ("M/M/c", format!("C(c, a) / (c mu - lambda) + 1 / mu, with c = {c}, C = {waits:.4}"))
    } else {
        ("M/M/1", "1 / (mu - lambda)".to_owned())
    };
    let note = "for a steady stream without faults, the network's time left out".to_owned();
    all.push(Formula {
        name: format!("mean time in the system ({law})"),
        formula: what,
        predicted: (waits / free + service) * 1e9,
        measured: took,
        unit: Unit::Time,
        note: note.clone(),
    });
    if c <= 1.0 {
        all.push(Formula {
            name: "p99 of the time in the system (M/M/1)".to_owned(),
            formula: "ln(100) / (mu - lambda)".to_owned(),
            predicted: LN_100 / free * 1e9,
            measured: None,
            unit: Unit::Time,
            note,
        });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erlangs_c_is_as_in_the_tables() {
        for (c, rho, published) in [(1, 0.5, 0.5), (2, 0.8, 0.7111), (8, 0.8, 0.4576), (10, 0.9, 0.6687)] {
            let ours = erlang_c(c, f64::from(c) * rho);
            assert!((ours - published).abs() < 5e-5, "{c} {rho}: {ours}, published {published}");
        }
    }
}
