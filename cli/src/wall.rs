//! The wall clock: the only place that reads it, for progress bars and `run.json`. Nothing in a run may.

use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A stopwatch.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts it.
    #[expect(clippy::disallowed_methods, reason = "how long a command took is not part of any run")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Waits for what happens elsewhere.
#[expect(clippy::disallowed_methods, reason = "what other machines do is looked at now and then")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// A bar on standard error that appears only when a run takes long, and only on a terminal.
pub struct Bar {
    started: Stopwatch,
    bar: Option<ProgressBar>,
    title: String,
}

/// Runs shorter than this show no bar.
const PATIENCE: Duration = Duration::from_millis(700);
const STEPS: u64 = 1000;

impl Bar {
    /// A bar for something called `title`.
    pub fn new(title: &str) -> Self {
        Self { started: Stopwatch::start(), bar: None, title: title.to_owned() }
    }

    /// `done` of the work is done, from 0 to 1.
    pub fn set(&mut self, done: f64) {
        if self.bar.is_none() && self.started.elapsed() > PATIENCE {
            let style = ProgressStyle::with_template("{msg} [{bar:40}] {percent:>3}% of simulated time, {eta} left")
                .expect("the template is constant")
                .progress_chars("=> ");
            // indicatif draws nothing when standard error is not a terminal.
            self.bar = Some(ProgressBar::new(STEPS).with_style(style).with_message(self.title.clone()));
        }
        if let Some(bar) = &self.bar {
            bar.set_position((done * STEPS as f64) as u64);
        }
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// A bar for many runs at a time: rate, failures so far, remaining time.
pub struct SweepBar {
    bar: ProgressBar,
    failed: AtomicU64,
}

impl SweepBar {
    /// A bar for `total` runs, of which `done` were made earlier.
    pub fn new(total: u64, done: u64) -> Self {
        let template = "[{bar:30}] {pos} of {len} runs, {msg}, {rate}, {eta} left";
        let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            // A bar that can not be written is no reason to fail.
            let _ = match state.per_sec() {
                few if few < 10.0 => write!(out, "{few:.1} a second"),
                many => write!(out, "{many:.0} a second"),
            };
        };
        let style = ProgressStyle::with_template(template).expect("the template is constant");
        let style = style.with_key("rate", rate).progress_chars("=> ");
        // indicatif draws nothing when standard error is not a terminal. Runs made earlier say nothing about the rate.
        let bar = ProgressBar::new(total).with_style(style).with_message("0 failed").with_position(done);
        bar.reset_eta();
        Self { bar, failed: AtomicU64::new(0) }
    }

    /// A bar for as many runs as can be made in a time.
    pub fn timed(time: Duration) -> Self {
        let template =
            format!("{{spinner}} {{pos}} runs, {{msg}}, {{elapsed}} of {}", sim_core::Duration(time.as_nanos() as u64));
        let style = ProgressStyle::with_template(&template).expect("the template is constant");
        Self { bar: ProgressBar::new_spinner().with_style(style).with_message("0 failed"), failed: AtomicU64::new(0) }
    }

    /// One more run is done.
    pub fn advance(&self, held: bool) {
        if !held {
            let failed = self.failed.fetch_add(1, Ordering::Relaxed) + 1;
            self.bar.set_message(format!("{failed} failed"));
        }
        self.bar.inc(1);
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// A line that says how far a search is that has no known end.
pub struct Spinner(ProgressBar);

impl Spinner {
    /// Begins.
    pub fn new() -> Self {
        // indicatif draws nothing when standard error is not a terminal.
        let style = ProgressStyle::with_template("{spinner} {msg}").expect("the template is constant");
        Self(ProgressBar::new_spinner().with_style(style))
    }

    /// What has been found so far.
    pub fn set(&self, text: &str) {
        self.0.set_message(text.to_owned());
        self.0.tick();
    }

    /// Takes the line away.
    pub fn clear(&self) {
        self.0.finish_and_clear();
    }
}
