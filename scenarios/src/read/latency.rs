//! Reads latencies: a time, a range, or a table that names a distribution.

use super::matrix::Listed;
use super::measure;
use super::section::{Context, Reader};
use crate::keys;
use crate::written::{Kind, Value};
use sim_core::Duration;
use sim_core::network::Latency;

/// What stands where a latency may stand.
pub enum Delay {
    /// One distribution.
    One(Latency),
    /// A CSV file of latencies for each pair of zones.
    Matrix(Listed),
    /// A CSV file of samples for each pair of zones.
    Recorded(Listed),
}

/// A latency; a matrix is refused.
pub fn latency(value: &Value, context: &Context<'_>) -> Option<Latency> {
    match delay(value, context)? {
        Delay::One(latency) => Some(latency),
        Delay::Matrix(_) | Delay::Recorded(_) => {
            context.wrong(value.span, "a file with latencies of all zones does not belong here", "use it in [network]");
            None
        }
    }
}

/// A latency or the name of a matrix file.
pub fn delay(value: &Value, context: &Context<'_>) -> Option<Delay> {
    if !matches!(value.kind, Kind::Table(_)) {
        let (lo, hi) = measure::range(value, context)?;
        return Some(Delay::One(Latency::uniform(lo, hi)));
    }
    let reader = Reader::new(&keys::LATENCY, value, context);
    let given = |key| reader.has(key);
    if given("matrix") || given("recorded") {
        let key = if given("matrix") { "matrix" } else { "recorded" };
        only(&reader, key, &[key, "unit", "rtt"])?;
        let unit = reader.get("unit", measure::word(keys::TIME_UNITS));
        let rtt = reader.get("rtt", measure::flag).unwrap_or(false);
        let path = reader.get(key, measure::text)?;
        let listed = Listed { path, unit, rtt };
        return Some(if key == "matrix" { Delay::Matrix(listed) } else { Delay::Recorded(listed) });
    }
    let dist = reader.must("dist", measure::word(keys::DISTRIBUTIONS))?;
    let (needs, latency): (&[&'static str], _) = match dist {
        "fixed" => (&["value"], fixed(&reader)),
        "uniform" => (&["min", "max"], uniform(&reader)),
        "exponential" => (&["mean"], reader.must("mean", measure::positive).map(Latency::exponential)),
        "lognormal" => (&["median", "p99"], lognormal(&reader)),
        _ => (&["samples"], recorded(&reader)),
    };
    only(&reader, dist, needs);
    latency.map(Delay::One)
}

/// Says which keys do not belong to a distribution.
fn only(reader: &Reader<'_>, dist: &str, keys: &[&'static str]) -> Option<()> {
    let mut good = Some(());
    for (key, span) in reader.present() {
        if key != "dist" && !keys.contains(&key) && keys::LATENCY.key(key).is_some() {
            reader.context.wrong(
                span,
                format!("`{key}` does not belong to `{dist}`"),
                format!("use {}", keys.join(", ")),
            );
            good = None;
        }
    }
    good
}

fn fixed(reader: &Reader<'_>) -> Option<Latency> {
    reader.must("value", measure::duration).map(Latency::Fixed)
}

fn uniform(reader: &Reader<'_>) -> Option<Latency> {
    let (min, max) = (reader.must("min", measure::duration), reader.must("max", measure::duration));
    ordered(reader, ("min", min?), ("max", max?)).map(|(min, max)| Latency::uniform(min, max))
}

fn lognormal(reader: &Reader<'_>) -> Option<Latency> {
    let (median, p99) = (reader.must("median", measure::positive), reader.must("p99", measure::positive));
    ordered(reader, ("median", median?), ("p99", p99?)).map(|(median, p99)| Latency::lognormal(median, p99))
}

fn recorded(reader: &Reader<'_>) -> Option<Latency> {
    let samples = reader.must("samples", measure::list(measure::duration))?;
    if samples.is_empty() {
        reader.wrong("samples", "a recorded latency needs at least one sample", "");
        return None;
    }
    Some(Latency::recorded(&samples))
}

fn ordered(
    reader: &Reader<'_>,
    low: (&'static str, Duration),
    high: (&'static str, Duration),
) -> Option<(Duration, Duration)> {
    if low.1 > high.1 {
        let what = format!("`{}` {} is above `{}` {}", low.0, low.1, high.0, high.1);
        reader.wrong(low.0, what, "exchange them");
        return None;
    }
    Some((low.1, high.1))
}
