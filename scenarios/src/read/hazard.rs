//! Reads `[[hazard]]`.

use super::measure;
use super::section::Reader;
use crate::scenario::{Hazard, HazardLaw, HazardOf, Window};
use crate::written::Kind;
use sim_core::Duration;

/// Reads every `[[hazard]]`.
pub fn read(readers: &[Reader<'_>]) -> Vec<Hazard> {
    readers.iter().filter_map(one).collect()
}

fn one(reader: &Reader<'_>) -> Option<Hazard> {
    let of = reader.must("of", measure::text);
    let known = of.as_deref().and_then(HazardOf::named);
    if let (Some(of), None) = (&of, known) {
        reader.wrong("of", format!("there is no hazard of `{of}`"), HazardOf::NAMES.join(", "));
    }
    let every = reader.must("every", measure::lifetime);
    let repair = reader.must("repair", measure::positive);
    let shape = match reader.value("shape").map(|value| &value.kind) {
        None => None,
        Some(Kind::Float(shape)) if (0.1..=10.0).contains(shape) => Some((shape * 1000.0).round() as u32),
        Some(Kind::Int(shape)) if (1..=10).contains(shape) => Some(*shape as u32 * 1000),
        Some(_) => {
            reader.wrong("shape", "a shape is a number from 0.1 to 10", "0.7 for hardware in the field");
            None
        }
    };
    let law = reader.get("law", measure::text);
    let law = match (law.as_deref().unwrap_or("exponential"), shape) {
        ("exponential", None) => HazardLaw::Exponential,
        ("fixed", None) => HazardLaw::Fixed,
        ("weibull", shape) => HazardLaw::Weibull(shape.unwrap_or(700)),
        ("exponential" | "fixed", Some(_)) => {
            reader.wrong("shape", "only `law = \"weibull\"` has a shape", "leave it out");
            HazardLaw::Exponential
        }
        (other, _) => {
            reader.wrong("law", format!("there is no law `{other}`"), "exponential, fixed or weibull");
            HazardLaw::Exponential
        }
    };
    if let (Some(every), Some(repair)) = (every, repair)
        && repair >= every
    {
        let what = format!("a repair of {repair} is as long as the {every} between failures: it would always be down");
        reader.wrong("repair", what, "the mean time to repair is the shorter one");
    }
    if known == Some(HazardOf::Deploy) && repair.is_some_and(|repair| repair > Duration::secs(60)) {
        let what = "of a deploy, `repair` is how long one member is away while all are restarted one after another";
        reader.wrong("repair", what, "at most a minute; a day without a member is a hazard of `machine`");
    }
    let window = reader
        .get("window", measure::text)
        .and_then(|text| Window::parse(&text).map_err(|(what, help)| reader.wrong("window", what, help)).ok());
    if reader.value("window").is_some() && known.is_some_and(|of| of != HazardOf::Deploy) {
        let what = "only a deploy waits for a window: what breaks, breaks at any time";
        reader.wrong("window", what, "leave it out, or `of = \"deploy\"`");
    }
    Some(Hazard { of: known?, every: every?, repair: repair?, law, window })
}
