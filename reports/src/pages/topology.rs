//! The machines and their links as a drawing: zones as boxes, nodes in them, links between them with their latency.

use super::escaped;
use crate::report::{Setup, SetupLink, SetupZone};
use std::fmt::Write;

const WIDTH: f64 = 760.0;
/// The middle of the ring on which zones lie.
const MIDDLE: (f64, f64) = (380.0, 205.0);
const RADII: (f64, f64) = (282.0, 140.0);
const BOX: f64 = 184.0;
/// More zones than this are a list: their links would be a ball of wool.
const DRAWN: usize = 6;
/// More nodes of a zone than this are counted.
const NODES: usize = 12;
const A_ROW: usize = 4;

/// The drawing; empty where there are too many zones for one.
pub(super) fn svg(setup: &Setup) -> String {
    let zones = setup.zones.len();
    if zones == 0 || zones > DRAWN {
        return String::new();
    }
    let places: Vec<(f64, f64)> = (0..zones).map(|zone| place(zone, zones)).collect();
    let mut height = 0.0_f64;
    let mut out = String::new();
    let mut labels = String::new();
    for link in &setup.links {
        let (Some(a), Some(b)) = (places.get(link.from), places.get(link.to)) else { continue };
        let there_and_back = setup.links.iter().any(|other| (other.from, other.to) == (link.to, link.from));
        if link.from == link.to || (there_and_back && link.from > link.to) {
            continue;
        }
        // Longer links are thinner, as if they were further away.
        let width = if link.median_ns > 20_000_000 {
            1.5
        } else if link.median_ns > 2_000_000 {
            2.5
        } else {
            4.0
        };
        let _ = write!(
            out,
            "<line class=\"link\" x1=\"{:.0}\" y1=\"{:.0}\" x2=\"{:.0}\" y2=\"{:.0}\" stroke-width=\"{width}\"/>",
            a.0, a.1, b.0, b.1
        );
        label(&mut labels, setup, link, (*a, *b), there_and_back);
    }
    for ((index, zone), at) in setup.zones.iter().enumerate().zip(&places) {
        let own = setup.links.iter().find(|link| (link.from, link.to) == (index, index));
        height = height.max(draw(&mut out, zone, *at, own) + 4.0);
    }
    let head = "class=\"map\" role=\"img\" aria-label=\"Zones, nodes and links\"";
    format!("<svg viewBox=\"0 0 {WIDTH} {height:.0}\" {head}>{out}{labels}</svg>")
}

/// The middle of a zone's box.
fn place(zone: usize, zones: usize) -> (f64, f64) {
    if zones < 3 {
        return ((zone as f64 + 0.5) * WIDTH / zones as f64, 100.0);
    }
    let angle = std::f64::consts::TAU * zone as f64 / zones as f64 - std::f64::consts::FRAC_PI_2;
    (MIDDLE.0 + RADII.0 * libm::cos(angle), MIDDLE.1 + RADII.1 * libm::sin(angle))
}

fn label(out: &mut String, setup: &Setup, link: &SetupLink, (a, b): ((f64, f64), (f64, f64)), both_ways: bool) {
    // Where links cross, labels in the middle would, too.
    let share = if setup.zones.len() > 3 { 0.4 } else { 0.5 };
    let (x, y) = (a.0 + (b.0 - a.0) * share, a.1 + (b.1 - a.1) * share);
    let mut lines = vec![link.latency.clone()];
    if both_ways {
        let back = setup.links.iter().find(|other| (other.from, other.to) == (link.to, link.from));
        lines.extend(back.map(|back| format!("back {}", back.latency)));
    }
    if !link.loss.is_empty() {
        lines.push(link.loss.clone());
    }
    let widest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0).min(34) as f64 * 8.4 + 10.0;
    let high = lines.len() as f64 * 19.0 + 4.0;
    let (left, top) = ((x - widest / 2.0).clamp(0.0, WIDTH - widest), y - high / 2.0);
    let _ = write!(
        out,
        "<rect class=\"label\" x=\"{left:.0}\" y=\"{top:.0}\" width=\"{widest:.0}\" height=\"{high:.0}\" rx=\"4\"/>"
    );
    for (i, line) in lines.iter().enumerate() {
        let (x, y) = (left + widest / 2.0, top + 17.0 + i as f64 * 19.0);
        let text: String = line.chars().take(34).collect();
        let _ = write!(out, "<text x=\"{x:.0}\" y=\"{y:.0}\" text-anchor=\"middle\">{}</text>", escaped(&text));
    }
}

/// Draws a zone; gives the lower edge of its box.
fn draw(out: &mut String, zone: &SetupZone, (x, y): (f64, f64), own: Option<&SetupLink>) -> f64 {
    let shown = if zone.nodes.len() > NODES { 0 } else { zone.nodes.len() };
    let rows = shown.div_ceil(A_ROW).max(1);
    let high = 58.0 + rows as f64 * 30.0;
    let (left, top) = ((x - BOX / 2.0).clamp(2.0, WIDTH - BOX - 2.0), (y - high / 2.0).max(2.0));
    let _ = write!(
        out,
        "<rect class=\"zone\" x=\"{left:.0}\" y=\"{top:.0}\" width=\"{BOX}\" height=\"{high:.0}\" rx=\"10\"/>"
    );
    let name: String = zone.name.chars().take(12).collect();
    let _ =
        write!(out, "<text class=\"head\" x=\"{:.0}\" y=\"{:.0}\">{}</text>", left + 10.0, top + 21.0, escaped(&name));
    if shown == 0 {
        let text = format!("{} nodes", zone.nodes.len());
        let _ = write!(out, "<text x=\"{:.0}\" y=\"{:.0}\">{text}</text>", left + 10.0, top + 47.0);
    }
    for (i, (node, role)) in zone.nodes.iter().take(shown).enumerate() {
        let (x, y) = (left + 25.0 + (i % A_ROW) as f64 * 44.0, top + 44.0 + (i / A_ROW) as f64 * 30.0);
        let what = if role.is_empty() { node.clone() } else { format!("{node}, {role}") };
        let _ = write!(
            out,
            "<g><title>{}</title><rect class=\"node\" x=\"{:.0}\" y=\"{:.0}\" width=\"40\" height=\"24\" rx=\"12\"/>\
             <text x=\"{x:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text></g>",
            escaped(&what),
            x - 20.0,
            y - 12.0,
            y + 5.5,
            escaped(node)
        );
    }
    let clients = match zone.clients {
        0 => String::new(),
        1 => "1 client".to_owned(),
        n => format!("{n} clients"),
    };
    let right = left + BOX - 10.0;
    let _ = write!(
        out,
        "<text class=\"quiet\" x=\"{right:.0}\" y=\"{:.0}\" text-anchor=\"end\">{clients}</text>",
        top + 21.0
    );
    let within: String = own.map_or_else(String::new, |link| link.latency.clone()).chars().take(22).collect();
    let (x, y) = (left + 10.0, top + high - 9.0);
    let _ = write!(out, "<text class=\"quiet\" x=\"{x:.0}\" y=\"{y:.0}\">{}</text>", escaped(&within));
    top + high
}
