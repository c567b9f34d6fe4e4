//! Measures the event queues side by side: nanoseconds per pop and push with a constant number pending.
//!
//! `cargo run --release -p sim-core --example queues [calendar|binary|all [load|all [pending|all [operations]]]]`

use std::hint::black_box;
use std::time::Instant;

use sim_core::queue::{BinaryQueue, CalendarQueue, Key, Queue};

const MS: u64 = 1_000_000;
const LOADS: [&str; 7] = ["uniform", "exponential", "constant", "mixture", "timers", "bimodal", "ties"];
const PENDING: [usize; 6] = [2, 100, 1_000, 10_000, 100_000, 1_000_000];
const QUEUES: [&str; 2] = ["calendar", "binary"];

/// Delays drawn beforehand, so that drawing them is not what is measured.
struct Delays {
    table: Vec<u64>,
    /// Whether all that is pending is due at a few times only.
    tied: bool,
}

impl Delays {
    fn new(load: &str) -> Self {
        let mut state = 42u64;
        let mut draw = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
        };
        let uniform = |x: u64| MS + x % (9 * MS);
        let table = (0..1 << 13).map(|_| match load {
            "uniform" => uniform(draw()),
            "exponential" => (-libm::log((draw() + 1) as f64 / (1u64 << 53) as f64) * 5e6) as u64,
            "constant" => MS,
            "mixture" if draw() % 100 == 0 => 3_600_000 * MS,
            "mixture" => uniform(draw()),
            "timers" => 90 * MS + draw() % (20 * MS),
            "bimodal" => draw() % 2 * 50_000,
            "ties" => (1 + draw() % 10) * MS,
            other => panic!("no load named {other}"),
        });
        Self { table: table.collect(), tied: load == "ties" }
    }
}

#[allow(clippy::disallowed_methods)] // The one thing a benchmark needs a wall clock for.
fn hold<Q: Queue>(delays: &Delays, pending: usize, operations: usize) -> f64 {
    let mut queue = Q::default();
    let mut sequence = 0u64;
    for _ in 0..pending {
        // Spread over a millisecond, so that a constant delay is not one big tie from the start.
        let spread = if delays.tied { 0 } else { sequence * MS / pending as u64 };
        let at = delays.table[sequence as usize % delays.table.len()] + spread;
        queue.push(Key { at, rest: sequence << 24 });
        sequence += 1;
    }
    let mut best = f64::INFINITY;
    let mut run = |operations: usize, timed: bool| {
        let start = Instant::now();
        for _ in 0..operations {
            let key = queue.pop().expect("the queue never runs empty here");
            let delay = delays.table[sequence as usize & (delays.table.len() - 1)];
            queue.push(Key { at: black_box(key.at) + delay, rest: sequence << 24 });
            sequence += 1;
        }
        if timed {
            best = best.min(start.elapsed().as_nanos() as f64 / operations as f64);
        }
    };
    run(operations.max(2 * pending), false);
    for _ in 0..3 {
        run(operations, true);
    }
    best
}

fn measure(queue: &str, delays: &Delays, pending: usize, operations: usize) -> f64 {
    match queue {
        "calendar" => hold::<CalendarQueue>(delays, pending, operations),
        "binary" => hold::<BinaryQueue>(delays, pending, operations),
        other => panic!("no queue named {other}"),
    }
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let wants = |place: usize, name: &str| wanted.get(place).is_none_or(|want| want == "all" || want == name);
    let operations = wanted.get(3).map_or(1_000_000, |count| count.parse().expect("a number of operations"));
    println!("ns per pop + push, best of 3");
    for load in LOADS.into_iter().filter(|load| wants(1, load)) {
        let delays = Delays::new(load);
        print!("{load:12}");
        PENDING.iter().for_each(|pending| print!("{pending:>9}"));
        println!();
        for queue in QUEUES.into_iter().filter(|queue| wants(0, queue)) {
            print!("  {queue:10}");
            for pending in PENDING {
                if wants(2, &pending.to_string()) {
                    print!("{:9.1}", measure(queue, &delays, pending, operations));
                } else {
                    print!("{:>9}", "-");
                }
            }
            println!();
        }
    }
}
