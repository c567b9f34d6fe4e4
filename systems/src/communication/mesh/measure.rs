//! What a run of the mesh measures of itself: amplification by edge of the graph, time by hop, whose fault it was.

use super::checks::MeshChecks;
use super::graph::{Service, ServiceId};
use super::histogram::Histogram;
use super::options::Config;
use super::story::{AtService, OnEdge, Second, blamed, within};
use crate::communication::balancing::{Service as Law, erlang_c};
use sim_core::Span;
use sim_core::curve::{Curve, Line};
use sim_core::measures::{Formula, Measures};
use sim_core::metric::{MetricKind, Unit};
use sim_core::network::{Latency, Law as LatencyLaw};
use sim_core::table::{Cell, Column, Holds, Table};

/// Its own figures.
pub(super) const METRICS: &[MetricKind] = &[
    MetricKind::new("amplification", "tries for each call", Unit::Number, "tries of all calls for each of them"),
    MetricKind::new(
        "worst_amplification",
        "worst amplification",
        Unit::Number,
        "at the service where it is most: tries that come to it, for each call that there would be without retries",
    ),
    MetricKind::new("calls_failed", "calls that failed", Unit::Fraction, "the share of calls that callers gave up"),
    MetricKind::new(
        "error_budget_used",
        "error budgets used",
        Unit::Number,
        "requests that were not served, for each that need not be by the objective; over 1 it is overdrawn",
    ),
    MetricKind::new("hop_p99", "p99 at the slowest hop", Unit::Time, "of the services, where 99 % take longest"),
    MetricKind::new("far_calls", "calls to another zone", Unit::Fraction, "the share of tries that left their zone"),
    MetricKind::new(
        "too_late",
        "requests too late",
        Unit::Fraction,
        "the share of requests to services that were dropped because nobody waited for them any more",
    ),
    MetricKind::new("shed", "load shed", Unit::Number, "requests that replicas refused for want of room or time"),
    MetricKind::new("rate_limited", "rate limited", Unit::Number, "requests that replicas did not admit"),
    MetricKind::new("outliers", "replicas ejected", Unit::Number, "ejections, and circuits that opened, by sidecars"),
    MetricKind::new("cache_hits", "answers from caches", Unit::Fraction, "the share of questions that caches answered")
        .more_is_better(),
    MetricKind::new("canary_share", "calls to new versions", Unit::Fraction, "of services that have one"),
    MetricKind::new("config_lag", "lag of configurations", Unit::Time, "until 99 % of the sidecars had a new version"),
    MetricKind::new("release_late", "a release too late", Unit::Time, "from when one was due until it had a version"),
    MetricKind::new("config_behind", "sidecars behind", Unit::Number, "most that had not the newest configuration"),
    MetricKind::new("edge_offline", "an edge without the core", Unit::Time, "the longest that one was"),
    MetricKind::new("edge_backlog", "writes queued at an edge", Unit::Number, "most that waited at one"),
];

/// Services that curves show, at most.
const SHOWN: usize = 10;

fn sum<'a>(seconds: impl Iterator<Item = &'a OnEdge>) -> OnEdge {
    seconds.fold(OnEdge::default(), |sum, of| OnEdge {
        calls: sum.calls + of.calls,
        tries: sum.tries + of.tries,
        failed: sum.failed + of.failed,
        far: sum.far + of.far,
    })
}

fn total<'a>(seconds: impl Iterator<Item = &'a AtService>) -> AtService {
    let mut sum = AtService::default();
    for of in seconds {
        sum.came += of.came;
        sum.ok += of.ok;
        sum.failed += of.failed;
        sum.erred += of.erred;
        sum.took += of.took;
        sum.hits += of.hits;
        sum.misses += of.misses;
        sum.time.merge(&of.time);
    }
    sum
}

/// How many calls come to each service for one request, if none is tried again and no cache answers.
fn visits(config: &Config) -> Vec<f64> {
    let mut visits = vec![0.0; config.services.len()];
    let mut now = visits.clone();
    now[usize::from(config.entry().0)] = 1.0;
    for _ in 0..config.services.len().max(32) {
        let mut next = vec![0.0; visits.len()];
        for (at, service) in config.services.iter().enumerate() {
            visits[at] += now[at];
            for call in service.steps.iter().flatten() {
                next[usize::from(call.to.0)] += now[at] * call.probability.as_f64();
            }
        }
        if next.iter().all(|visits| *visits == 0.0) {
            break;
        }
        now = next;
    }
    visits
}

/// Tries that a request becomes at the service where they are most, if everything fails and is tried again.
fn most_tries(config: &Config) -> f64 {
    let mut tries = vec![0.0_f64; config.services.len()];
    let mut now = tries.clone();
    let attempts = |route: &super::Route| f64::from(route.balancing.attempts);
    now[usize::from(config.entry().0)] = attempts(&config.entry_routes[0]);
    for _ in 0..config.services.len().max(32) {
        let mut next = vec![0.0; tries.len()];
        for (at, service) in config.services.iter().enumerate() {
            tries[at] += now[at];
            for call in service.steps.iter().flatten() {
                let route = &service.routes[usize::from(call.route)];
                next[usize::from(call.to.0)] += now[at] * call.probability.as_f64() * attempts(route);
            }
        }
        now = next;
    }
    tries.into_iter().fold(0.0, f64::max)
}

fn ratio(part: u64, all: u64) -> Option<f64> {
    (all > 0).then(|| part as f64 / all as f64)
}

/// Everything, of the measured part of the run.
pub(super) fn measure(config: &Config, checks: &MeshChecks, span: Span) -> Measures {
    let story = &checks.story;
    let edges: Vec<Vec<OnEdge>> =
        story.edges.iter().map(|routes| routes.iter().map(|seconds| sum(within(seconds, span))).collect()).collect();
    let services: Vec<AtService> = story.services.iter().map(|seconds| total(within(seconds, span))).collect();
    let all = sum(edges.iter().flatten());
    let seconds = || within(&story.seconds, span);
    let count = |of: fn(&Second) -> u64| seconds().map(of).sum::<u64>();
    let (requests, served) = (count(|of| of.requests), count(|of| of.served));
    let visits = visits(config);
    let amplified = |at: usize| {
        let wanted = visits[at] * requests as f64;
        (wanted > 0.0).then(|| services[at].came as f64 / wanted)
    };
    let worst = |only: &dyn Fn(&Second) -> bool| worst_amplification(config, checks, span, only);

    let mut measures = Measures::default();
    let mut set = |name: &str, value: Option<f64>| {
        if let Some(value) = value {
            measures.set(METRICS, name, value);
        }
    };
    let slowest = services.iter().filter_map(|service| service.time.quantile(990)).max();
    let (hits, misses) = services.iter().fold((0, 0), |sum, of| (sum.0 + of.hits, sum.1 + of.misses));
    let (chosen, new) = checks.canaries();
    let (offline, backlog) = checks.edges.worst();
    let has_edges = !config.edges.is_empty();
    set("amplification", ratio(all.tries, all.calls));
    set("worst_amplification", worst(&|_| true));
    set("calls_failed", ratio(all.failed, all.calls.max(all.failed)));
    let failed = ratio(requests.saturating_sub(served), requests);
    set("error_budget_used", failed.map(|failed| failed / (1.0 - config.objective)));
    set("hop_p99", slowest.map(|time| time.0 as f64));
    set("far_calls", ratio(all.far, all.tries));
    set("too_late", ratio(count(|of| of.expired), services.iter().map(|of| of.came).sum()));
    set("shed", Some(count(|of| of.refused + of.shed) as f64));
    set("rate_limited", config.services.iter().any(|s| s.limit.is_some()).then(|| count(|of| of.limited) as f64));
    set("outliers", Some((story.ejections + story.opened) as f64));
    set("cache_hits", ratio(hits, hits + misses));
    set("canary_share", ratio(new, chosen));
    set("config_lag", story.lag.quantile(990).map(|time| time.0 as f64));
    set("release_late", (!config.releases.is_empty()).then_some(story.release_late as f64));
    set("config_behind", config.control().map(|_| seconds().map(|of| of.behind).max().unwrap_or(0) as f64));
    set("edge_offline", has_edges.then_some(offline as f64));
    set("edge_backlog", has_edges.then_some(backlog as f64));

    let blame = blamed(checks, config, span);
    measures.tables = vec![
        edge_table(config, &edges, &|to: ServiceId| amplified(usize::from(to.0))),
        service_table(config, &services, &blame),
    ];
    // Only where nothing was tried again.
    let series = ratio(served, requests).filter(|_| all.tries == all.calls);
    measures.curves = curves(config, checks);
    measures.formulas = formulas(config, &services, span, (&visits, worst(&|second| second.served == 0), series));
    measures.conditions = story.conditions.finish(span.end);
    measures.tracks = [&story.outliers, &story.online]
        .into_iter()
        .filter(|track| !track.spans.is_empty())
        .map(|track| track.finish(span.end))
        .collect();
    measures
}

/// At the service where they are most: tries for each call that there would be without retries, in the seconds that
/// `only` takes.
fn worst_amplification(
    config: &Config,
    checks: &MeshChecks,
    span: Span,
    only: &dyn Fn(&Second) -> bool,
) -> Option<f64> {
    let story = &checks.story;
    let visits = visits(config);
    let mut worst: Option<f64> = None;
    for (seconds, visits) in story.services.iter().zip(&visits).filter(|(_, visits)| **visits > 0.0) {
        let of_both = within(seconds, span).zip(within(&story.seconds, span));
        let counted = of_both.filter(|(_, second)| second.requests > 0 && only(second));
        let (came, requests) = counted.fold((0, 0), |sum, (of, second)| (sum.0 + of.came, sum.1 + second.requests));
        let this = (requests > 0).then(|| came as f64 / (requests as f64 * visits));
        worst = this.into_iter().chain(worst).reduce(f64::max);
    }
    worst
}

/// Who called whom, how often, and how much more often for having to try again.
fn edge_table(config: &Config, edges: &[Vec<OnEdge>], amplified: &dyn Fn(ServiceId) -> Option<f64>) -> Table {
    let mut table = Table::new(
        "graph",
        "Calls over the graph",
        &[
            Column::new("from", "From", Holds::Text),
            Column::new("to", "To", Holds::Text),
            Column::new("calls", "Calls", Holds::Count),
            Column::new("tries", "Tries", Holds::Count),
            Column::new("tries_per_call", "Tries for each call", Holds::Number),
            Column::new("amplified", "Tries at the callee, times what no retry would make", Holds::Number),
            Column::new("failed", "Given up", Holds::Fraction),
            Column::new("far", "To another zone", Holds::Fraction),
        ],
    );
    let mut callers: Vec<(String, &[super::Route])> =
        config.services.iter().map(|service| (service.name.clone(), service.routes.as_slice())).collect();
    callers.push(("clients".to_owned(), &config.entry_routes));
    callers.push(("edges".to_owned(), &config.entry_routes));
    let mut rows: Vec<(f64, Vec<Cell>)> = Vec::new();
    for ((from, routes), edges) in callers.into_iter().zip(edges) {
        for (route, edge) in routes.iter().zip(edges).filter(|(_, edge)| edge.calls + edge.failed > 0) {
            let name = &config.service(route.to).name;
            let to = if route.canary { format!("{name}, new version") } else { name.clone() };
            let much = amplified(route.to);
            let row = vec![
                from.as_str().into(),
                to.into(),
                edge.calls.into(),
                edge.tries.into(),
                ratio(edge.tries, edge.calls).into(),
                much.into(),
                ratio(edge.failed, edge.calls.max(edge.failed)).into(),
                ratio(edge.far, edge.tries).into(),
            ];
            rows.push((much.unwrap_or(0.0), row));
        }
    }
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    table.about = "Each edge of the graph: the most amplified first.".to_owned();
    table.rows = rows.into_iter().take(60).map(|(_, row)| row).collect();
    table
}

/// What each service did, how long it took, and how much of the trouble was its fault.
fn service_table(config: &Config, services: &[AtService], blame: &[f64]) -> Table {
    let mut table = Table::new(
        "services",
        "Services",
        &[
            Column::new("service", "Service", Holds::Text),
            Column::new("requests", "Requests", Holds::Count),
            Column::new("failed", "Failed", Holds::Fraction),
            Column::new("budget_used", "Error budget used", Holds::Number),
            Column::new("blame", "Of the requests that failed, its fault", Holds::Fraction),
            Column::new("p50_ns", "p50", Holds::Time),
            Column::new("p99_ns", "p99", Holds::Time),
            Column::new("cache_hits", "Cache hits", Holds::Fraction),
        ],
    );
    let mut order: Vec<usize> = (0..services.len()).collect();
    order.sort_by(|a, b| blame[*b].total_cmp(&blame[*a]));
    let cause = order.first().filter(|at| blame[**at] > 0.0);
    table.about = match cause {
        Some(at) => format!("The cause was {} for {:.0} %.", config.services[*at].name, blame[*at] * 100.0),
        None => "No request to a gateway failed.".to_owned(),
    };
    let row = |at: &usize| {
        let this = &services[*at];
        let failed = ratio(this.came.saturating_sub(this.ok), this.came);
        vec![
            config.services[*at].name.as_str().into(),
            this.came.into(),
            failed.into(),
            failed.map(|failed| failed / (1.0 - config.objective)).into(),
            blame[*at].into(),
            this.time.quantile(500).map(|time| time.0).into(),
            this.time.quantile(990).map(|time| time.0).into(),
            ratio(this.hits, this.hits + this.misses).into(),
        ]
    };
    table.rows = order.iter().take(60).map(row).collect();
    table
}

fn curves(config: &Config, checks: &MeshChecks) -> Vec<Curve> {
    let story = &checks.story;
    let last = story.services.iter().map(Vec::len).max().unwrap_or(0);
    let at_ns: Vec<u64> = (0..last as u64).map(|second| second * 1_000_000_000).collect();
    let mut order: Vec<usize> = (0..config.services.len()).collect();
    let load = |at: usize| story.services[at].iter().map(|of| of.came).sum::<u64>();
    order.sort_by_key(|at| core::cmp::Reverse(load(*at)));
    order.truncate(SHOWN);
    order.sort_unstable();
    let curve = |kind: MetricKind, value: &dyn Fn(usize, usize) -> Option<f64>| {
        let line = |at: &usize| Line {
            name: config.services[*at].name.clone(),
            values: (0..last).map(|second| value(*at, second).unwrap_or(0.0)).collect(),
        };
        Curve { kind, at_ns: at_ns.clone(), lines: order.iter().map(line).collect() }
    };
    let requests = |second: usize| story.seconds.get(second).map_or(0, |of| of.requests);
    let visits = visits(config);
    let amplified = |at: usize, second: usize| {
        let wanted = visits[at] * requests(second) as f64;
        let came = story.services[at].get(second)?.came as f64;
        (wanted > 0.0).then_some(came / wanted)
    };
    let p99 = |at: usize, second: usize| {
        let time: &Histogram = &story.services[at].get(second)?.time;
        Some(time.quantile(990)?.0 as f64)
    };
    let hits = |at: usize, second: usize| {
        let of = story.services[at].get(second)?;
        ratio(of.hits, of.hits + of.misses)
    };
    let mut all = vec![
        curve(
            MetricKind::new(
                "amplification_by_service",
                "amplification",
                Unit::Number,
                "tries that come to each service, for each call that there would be without retries",
            ),
            &amplified,
        ),
        curve(MetricKind::new("hop_p99_by_service", "p99 by hop", Unit::Time, "what 99 % take at each service"), &p99),
    ];
    if config.services.iter().any(|service| service.cache_ttl.is_some()) || !config.edges.is_empty() {
        let about = "the share of questions to each service's caches that they answered; to edges' at the first";
        all.push(curve(MetricKind::new("cache_hits_by_service", "cache hits", Unit::Fraction, about), &hits));
    }
    if config.control().is_some() {
        let kind = MetricKind::new(
            "config_behind_over_time",
            "sidecars behind",
            Unit::Number,
            "sidecars that had not the newest configuration",
        );
        let mut behind = 0.0;
        let mut values = Vec::new();
        for second in 0..last {
            behind = story.seconds.get(second).map_or(behind, |of| of.behind as f64);
            values.push(behind);
        }
        all.push(Curve { kind, at_ns, lines: vec![Line { name: "all".to_owned(), values }] });
    }
    all
}

/// The mean of a service's own work in seconds, if it is exponential.
fn exponential(service: &Service) -> Option<f64> {
    match &service.law {
        Law::One(Latency::Table(table)) => match table.law() {
            LatencyLaw::Exponential { mean } => Some(mean.as_secs_f64()),
            _ => None,
        },
        _ => None,
    }
}

fn formulas(
    config: &Config,
    services: &[AtService],
    span: Span,
    (visits, worst, served): (&[f64], Option<f64>, Option<f64>),
) -> Vec<Formula> {
    let mut all = Vec::new();
    if !config.retry_budgeted {
        all.push(Formula {
            name: "retries of retries".to_owned(),
            formula: "the product of the attempts of all layers: (r + 1)^layers".to_owned(),
            predicted: most_tries(config),
            measured: worst,
            unit: Unit::Number,
            note: "measured in the seconds in which nobody was served; if nobody runs out of time".to_owned(),
        });
    }
    let own = |of: &AtService| ratio(of.erred, of.came).map_or(1.0, |erred| 1.0 - erred);
    if served.is_some() && services.iter().any(|of| of.erred > 0) {
        let powers = services.iter().zip(visits).map(|(of, visits)| libm::pow(own(of), *visits));
        all.push(Formula {
            name: "availability of services in series".to_owned(),
            formula: "the product of what each serves of what comes to it".to_owned(),
            predicted: powers.product(),
            measured: served,
            unit: Unit::Fraction,
            note: "without retries, and if services fail independently".to_owned(),
        });
    }
    let seconds = span.to.since(span.from).as_secs_f64();
    for (service, of) in config.services.iter().zip(services) {
        let Some(mean) = exponential(service).filter(|_| service.replicas == 1 && service.steps.is_empty()) else {
            continue;
        };
        let (rate, workers) = (of.came as f64 / seconds.max(1e-9), f64::from(service.capacity));
        let load = rate * mean;
        if of.ok == 0 || load >= workers {
            continue;
        }
        let wait = erlang_c(u32::from(service.capacity), load) / (workers / mean - rate);
        all.push(Formula {
            name: format!("mean time at {} (M/M/c)", service.name),
            formula: format!("C(c, a) / (c mu - lambda) + 1 / mu, with c = {workers}"),
            predicted: (wait + mean) * 1e9,
            measured: Some(of.took as f64 / of.ok as f64),
            unit: Unit::Time,
            note: "for a steady stream, without trouble".to_owned(),
        });
    }
    all
}
