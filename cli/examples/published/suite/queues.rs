//! Load balancing and queues: what queueing theory says of servers behind a balancer, and what backlogs and retries do.

use super::lab::{Lab, Run, Study};
use super::row::{Findings, Place, Row};
use super::stats;
use sim_core::Fate;

const SECTION: u32 = 5;
/// Service time, the unit of all times here: nanoseconds.
const SERVICE: f64 = 10e6;
/// Parts of a run whose means tell how far the whole strays; each longer than its queue remembers.
const PARTS: usize = 8;
/// All but one of a thousand samples stray less than this many standard errors, if that error is known from few parts.
const SIGMAS: f64 = 5.4;
/// The natural logarithm of 100.
const LN_100: f64 = 4.605_170_185_988_092;

/// The rows of the section.
///
/// # Errors
/// What is wrong with a file, or the first run that broke a safety rule.
pub fn rows(lab: &Lab) -> Result<Findings, String> {
    let mut rows = one_server(lab)?;
    rows.extend(erlang(lab)?);
    rows.extend(two_choices(lab)?);
    rows.extend(order(lab)?);
    rows.push(drain(lab)?);
    rows.push(retries(lab)?);
    rows.push(storm(lab)?);
    Ok(rows.into())
}

/// A queue to be measured.
struct Queue {
    policy: &'static str,
    servers: u32,
    workers: u32,
    /// Of all servers, in thousandths.
    load: u32,
    /// Requests of one run, the first fifth of which is not counted.
    requests: u32,
    runs: u64,
}

/// Times in the system, in service times.
struct Times {
    /// All of them, sorted.
    all: Vec<f64>,
    /// Means of parts of the runs.
    means: Vec<f64>,
    /// 99th percentiles of the same parts.
    tails: Vec<f64>,
    runs: u64,
    file: String,
}

impl Times {
    fn mean(&self) -> f64 {
        stats::mean(&self.all)
    }
}

fn measure(lab: &Lab, queue: &Queue) -> Result<Times, String> {
    let Queue { policy, servers, workers, load, requests, runs } = *queue;
    // A worker does 100 a second; thousandths of that are tenths of a request.
    let rate = f64::from(servers * workers * load) / 10.0;
    let ms = |share: f64| (share * f64::from(requests) / rate * 1000.0) as u64;
    let set = [
        format!("cluster.nodes={}", servers + 1),
        format!("system.policy={policy}"),
        format!("system.workers={workers}"),
        format!("workload.0.rate={rate}/s"),
        format!("scenario.warmup={}ms", ms(0.2)),
        format!("scenario.duration={}ms", ms(1.0)),
    ];
    let study = Study { file: "balancing/queue", set: &set, seeds: runs, trace: false };
    let answers = lab.ask(&study, times)?;
    let parts = || answers.iter().flat_map(|run| run.chunks(run.len().div_ceil(PARTS).max(1)));
    let tail = |part: &[f64]| {
        let mut sorted = part.to_vec();
        sorted.sort_by(f64::total_cmp);
        stats::quantile(&sorted, 0.99)
    };
    let (means, tails) = (parts().map(stats::mean).collect(), parts().map(tail).collect());
    let runs = answers.len() as u64;
    let mut all = answers.concat();
    all.sort_by(f64::total_cmp);
    Ok(Times { all, means, tails, runs, file: format!("balancing/queue {}", set.join(" ")) })
}

/// The times in the system of what was asked in the measured part of a run, in order of asking.
fn times(run: &Run) -> Vec<f64> {
    let record = &run.record;
    let mut all: Vec<(u64, f64)> = record
        .ops
        .iter()
        .filter(|op| op.invoke_ns >= record.measure_from_ns && op.invoke_ns < record.measure_to_ns)
        .map(|op| {
            assert!(op.outcome == Fate::Ok, "nobody gives up, and nothing is refused: {op:?}");
            (op.invoke_ns, (op.return_ns - op.invoke_ns) as f64 / SERVICE)
        })
        .collect();
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, time)| time).collect()
}

/// A row about a figure that may lie `band` beside what was published, as a share of it, and `error` of which is chance.
fn near(lab: &Lab, figure: String, (published, ours): (f64, f64), band: f64, error: f64, times: &Times) -> Row {
    let room = band + lab.room(SIGMAS * error / published);
    Row {
        section: SECTION,
        figure,
        published: format!("{published:.4}"),
        ours: format!("{ours:.4}"),
        band: format!("within {:.1} %", room * 100.0),
        place: Place::inside((ours / published - 1.0).abs() <= room),
        runs: times.runs,
        file: times.file.clone(),
    }
}

/// M/M/1: mean 1 / (mu - lambda), and every quantile that of an exponential law.
fn one_server(lab: &Lab) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for (load, band, runs) in [(500, 0.03, 50), (800, 0.03, 100), (950, 0.08, 150)] {
        let queue = Queue { policy: "random", servers: 1, workers: 1, load, requests: 25_000, runs };
        let times = measure(lab, &queue)?;
        let rho = f64::from(load) / 1000.0;
        let (mean, exact) = (times.mean(), 1.0 / (1.0 - rho));
        let named = |what: &str| format!("M/M/1 at load {rho}: {what} time in the system, in service times");
        let error = stats::error_of_mean(&times.means);
        rows.push(near(lab, named("mean"), (exact, mean), band, error, &times));
        let (p99, error) = (stats::quantile(&times.all, 0.99), stats::error_of_mean(&times.tails));
        rows.push(near(lab, named("99th percentile of the"), (LN_100 * exact, p99), band, error, &times));
    }
    Ok(rows)
}

/// The probability of waiting, from the mean wait: that is C / (c mu - lambda).
fn erlang(lab: &Lab) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for (workers, load, published, runs) in [(2, 800, 0.7111, 100), (8, 800, 0.4576, 200), (10, 900, 0.6687, 300)] {
        let times = measure(lab, &Queue { policy: "random", servers: 1, workers, load, requests: 25_000, runs })?;
        let rho = f64::from(load) / 1000.0;
        let free = f64::from(workers) * (1.0 - rho);
        let waits = (times.mean() - 1.0) * free;
        let figure = format!("Erlang C, {workers} workers at load {rho}: probability of waiting");
        let error = stats::error_of_mean(&times.means) * free;
        rows.push(near(lab, figure, (published, waits), 0.03, error, &times));
    }
    Ok(rows)
}

/// Mitzenmacher 1996, for infinitely many servers: the sum over i of lambda to the power of 2^i - 2.
fn two_choices(lab: &Lab) -> Result<Vec<Row>, String> {
    let mut rows = Vec::new();
    for (load, published) in [(500, 1.266), (700, 1.614), (800, 1.947), (900, 2.614), (950, 3.383)] {
        // So many servers need many requests to forget that they began empty.
        let (servers, requests) = if lab.is_short() { (200, 60_000) } else { (400, 600_000) };
        let queue = Queue { policy: "power_of_choices", servers, workers: 1, load, requests, runs: 8 };
        let times = measure(lab, &queue)?;
        let figure =
            format!("two choices, {servers} servers at load {}: mean time in the system", f64::from(load) / 1000.0);
        let error = stats::error_of_mean(&times.means);
        rows.push(near(lab, figure, (published, times.mean()), 0.03, error, &times));
    }
    Ok(rows)
}

/// The more a policy knows, the less one waits; one queue for ten workers is Erlang's.
fn order(lab: &Lab) -> Result<Vec<Row>, String> {
    let policies = ["random", "round_robin", "power_of_choices", "shortest_queue", "central_queue"];
    let mut all = Vec::new();
    for policy in policies {
        all.push(measure(lab, &Queue { policy, servers: 10, workers: 1, load: 900, requests: 60_000, runs: 50 })?);
    }
    let waits: Vec<f64> = all.iter().map(|times| times.mean() - 1.0).collect();
    let central = &all[policies.len() - 1];
    let told: Vec<String> = policies.iter().zip(&waits).map(|(policy, wait)| format!("{policy} {wait:.3}")).collect();
    let row = Row {
        section: SECTION,
        figure: "mean wait at load 0.9, 10 servers".into(),
        published: "random > round robin > two choices > shortest queue > one central queue".into(),
        ours: told.join(" > ").replace('_', " "),
        band: "strictly in this order".into(),
        place: Place::inside(waits.windows(2).all(|pair| pair[0] > pair[1])),
        runs: central.runs,
        file: central.file.clone(),
    };
    let erlang = "one central queue for 10 servers at load 0.9: probability of waiting".to_owned();
    // Ten servers at 0.9 have one to spare.
    let error = stats::error_of_mean(&central.means);
    Ok(vec![row, near(lab, erlang, (0.6687, waits[policies.len() - 1]), 0.03, error, central)])
}

/// When the server that stood still goes on, nanoseconds.
const GOES_ON: u64 = 30_000_000_000;

/// When nothing is under way any more for the first time after the server goes on, in seconds from then.
fn drained(run: &Run) -> Option<f64> {
    let mut steps: Vec<(u64, i64)> =
        run.record.ops.iter().flat_map(|op| [(op.invoke_ns, 1), (op.return_ns, -1)]).collect();
    // Who comes as the last one leaves meets an empty system.
    steps.sort_unstable();
    let mut under_way = 0;
    let ends = steps.into_iter().find_map(|(at, step)| {
        under_way += step;
        (under_way == 0 && at > GOES_ON).then_some(at)
    })?;
    Some((ends - GOES_ON) as f64 / 1e9)
}

/// The backlog of an outage of T drains in lambda T / (mu - lambda).
fn drain(lab: &Lab) -> Result<Row, String> {
    let study = Study { file: "balancing/backlog", set: &[], seeds: 600, trace: false };
    let all = lab.ask(&study, drained)?;
    let times: Vec<f64> = all.iter().flatten().copied().collect();
    let (mean, exact) = (stats::mean(&times), 70.0 * 10.0 / (100.0 - 70.0));
    let room = 0.03 + lab.room(SIGMAS * stats::error_of_mean(&times) / exact);
    Ok(Row {
        section: SECTION,
        figure: "backlog of 10 s at 70/s, server does 100/s: seconds until it is gone".into(),
        published: format!("{exact:.1}"),
        ours: format!("{mean:.2} ({} of {} runs)", times.len(), all.len()),
        band: format!("within {:.1} %", room * 100.0),
        place: Place::inside(times.len() == all.len() && (mean / exact - 1.0).abs() <= room),
        runs: all.len() as u64,
        file: study.file.into(),
    })
}

/// When the first request is answered without a retry again after the server goes on, in seconds from then.
fn recovered(run: &Run) -> Option<f64> {
    const TIMEOUT: u64 = 2_000_000_000;
    let in_time = |op: &&sim_core::record::OpRecord| {
        op.invoke_ns >= GOES_ON && op.outcome == Fate::Ok && op.return_ns - op.invoke_ns <= TIMEOUT
    };
    let first = run.record.ops.iter().filter(in_time).map(|op| op.invoke_ns).min()?;
    Some((first - GOES_ON) as f64 / 1e9)
}

/// Retries are load, but within a budget the backlog drains all the same.
fn retries(lab: &Lab) -> Result<Row, String> {
    let file = "balancing/retries";
    let drain = 70.0 * 10.0 / (100.0 - 70.0);
    let within = lab.ask(&Study { file, set: &[], seeds: 200, trace: false }, recovered)?;
    let times: Vec<f64> = within.iter().flatten().copied().collect();
    let (mean, room) = (stats::mean(&times), lab.room(SIGMAS * stats::error_of_mean(&times) / drain));
    Ok(Row {
        section: SECTION,
        figure: "the same with a timeout of 2 s and a retry budget of 10 %: recovery over the time to drain".into(),
        published: "at most 1.3".into(),
        ours: format!("{:.3} ({} of {} runs recovered)", mean / drain, times.len(), within.len()),
        band: format!("at most {:.2}", 1.3 + room),
        place: Place::inside(times.len() == within.len() && mean / drain <= 1.3 + room),
        runs: within.len() as u64,
        file: file.into(),
    })
}

/// Without a budget the retries are what keeps the server busy, long after it goes on.
fn storm(lab: &Lab) -> Result<Row, String> {
    let file = "balancing/retries";
    let set = &["system.retry_budgeted=false".to_owned()];
    let all = lab.ask(&Study { file, set, seeds: 50, trace: false }, recovered)?;
    let recovered = all.iter().flatten().count();
    Ok(Row {
        section: SECTION,
        figure: "the same with a retry for every try that takes 2 s: recovers in the 80 s after the server goes on"
            .into(),
        published: "never".into(),
        ours: format!("{recovered} of {} runs", all.len()),
        band: "exact".into(),
        place: Place::inside(recovered == 0),
        runs: all.len() as u64,
        file: file.into(),
    })
}
