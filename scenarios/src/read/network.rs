//! Reads `[network]` and `[disk]`.

use super::cluster::World;
use super::latency::{Delay, delay, latency};
use super::section::{Context, Reader};
use super::transport::transport;
use super::{child, children, matrix, measure};
use crate::keys;
use crate::limits;
use crate::scenario::{Disk, DiskOverride, End, LinkChange, LinkRule, Network};
use crate::written::{Kind, Value};
use sim_core::network::{Latency, LinkPolicy, Transport};
use sim_core::{Duration, Probability};

/// The largest queue of a link.
const QUEUE: u64 = 1 << 40;

/// The default between nodes.
fn base() -> LinkPolicy {
    LinkPolicy {
        latency: Latency::uniform(Duration::micros(500), Duration::millis(2)),
        loss: Probability::NEVER,
        duplicate: Probability::NEVER,
        reorder: Probability::NEVER,
        reorder_by: Duration::millis(10),
        corrupt: Probability::NEVER,
        bandwidth: 0,
        queue_bytes: 1 << 20,
        ..LinkPolicy::default()
    }
}

/// The link keys of a table, without `latency`. Where nodes talk over connections, links are ordered, unless a hosted
/// transport (`carried`) makes the order: then links lose what they lose.
pub fn change(reader: &Reader<'_>, (connects, carried): (bool, bool)) -> LinkChange {
    let ordered = reader.get("ordered", measure::flag);
    if carried && ordered == Some(true) && !connects {
        let what = "whether messages arrive in order is the transport's to say";
        reader.wrong("ordered", what, "leave `ordered` out, or `transport`");
    }
    let connects = connects && !carried;
    let ordered = ordered.filter(|_| !carried);
    if connects && ordered == Some(false) {
        let what = "nodes of this system talk over TCP, so their links are ordered";
        reader.wrong("ordered", what, "leave `ordered` out");
    }
    let hidden = |key: &'static str| {
        let share = reader.get(key, measure::probability);
        // A resolved file writes out that it happens never.
        if (ordered == Some(true) || connects) && share.is_some_and(|share| !share.is_never()) {
            let what = format!("`{key}` is what an ordered link hides");
            let or = if connects { "" } else { ", or `ordered`" };
            reader.wrong(key, what, format!("leave it out{or}; what is lost or corrupted is sent again"));
        }
        share
    };
    LinkChange {
        latency: None,
        loss: reader.get("loss", measure::probability),
        duplicate: hidden("duplicate"),
        reorder: hidden("reorder"),
        reorder_by: reader.get("reorder_by", measure::duration),
        corrupt: reader.get("corrupt", measure::probability),
        bandwidth: reader.get("bandwidth", measure::bandwidth),
        queue_bytes: reader.get("queue", measure::size(QUEUE)),
        ordered,
        connection_timeout: reader.get("connection_timeout", measure::positive),
    }
}

/// Reads `[network]`.
pub fn read(reader: &Reader<'_>, world: &World) -> Network {
    let transport = transport(reader, world);
    let links = (world.connects, transport != Transport::Ideal);
    let mut own = change(reader, links);
    let mut rules = Vec::new();
    let span = reader.at("latency");
    match reader.get("latency", delay) {
        Some(Delay::One(latency)) => own.latency = Some(latency),
        Some(Delay::Matrix(listed)) => {
            rules.extend(matrix::matrix(&listed, span, world, reader.context).unwrap_or_default())
        }
        Some(Delay::Recorded(listed)) => {
            rules.extend(matrix::recorded(&listed, span, world, reader.context).unwrap_or_default());
        }
        None => {}
    }
    let client = child(reader, "client", &keys::CLIENT);
    let client = LinkChange { latency: client.get("latency", latency), ..change(&client, links) };
    for link in children(reader, "link", &keys::LINK) {
        let rule = rule(&link, world, links);
        if rule.as_ref().is_some_and(LinkRule::names_a_node) && world.cluster.nodes() > limits::NODES_WITH_LINKS {
            let what = format!(
                "rules for single nodes are kept for each pair, and {} nodes have too many",
                world.cluster.nodes()
            );
            let help = format!("at most {} nodes; name zones instead", limits::NODES_WITH_LINKS);
            link.context.wrong(link.span, what, help);
        }
        rules.extend(rule);
    }
    let ordered = LinkPolicy { ordered: world.connects && !links.1, ..base() };
    Network { base: own.apply(ordered), client, rules, transport }
}

fn rule(reader: &Reader<'_>, world: &World, links: (bool, bool)) -> Option<LinkRule> {
    let end = |value: &Value, context: &Context<'_>| end(value, context, world);
    let ends = match (reader.has("between"), reader.has("from") || reader.has("to")) {
        (true, true) => {
            reader.wrong("between", "a link has either `between` or `from` and `to`", "`between` is for both ways");
            None
        }
        (true, false) => reader.get("between", |value, context| {
            let ends = measure::list(end)(value, context)?;
            let [from, to] = ends.as_slice() else {
                let what = format!("a link is between two ends, not {}", ends.len());
                context.wrong(value.span, what, "for example [\"zone:a\", \"zone:b\"]");
                return None;
            };
            Some((*from, *to, true))
        }),
        (false, true) => {
            let (from, to) = (reader.must("from", end), reader.must("to", end));
            from.zip(to).map(|(from, to)| (from, to, false))
        }
        (false, false) => {
            let help = "add for example `between = [\"zone:a\", \"zone:b\"]`";
            reader.context.wrong(reader.span, "which link? [[network.link]] needs `between`, or `from` and `to`", help);
            None
        }
    };
    let change = LinkChange { latency: reader.get("latency", latency), ..change(reader, links) };
    if reader.present().all(|(key, _)| ["between", "from", "to"].contains(&key)) && ends.is_some() {
        reader.context.wrong(reader.span, "this link changes nothing", "add for example `latency = \"30ms\"`");
    }
    let (from, to, both_ways) = ends?;
    Some(LinkRule { from, to, both_ways, change })
}

fn end(value: &Value, context: &Context<'_>, world: &World) -> Option<End> {
    let Kind::Text(text) = &value.kind else { return measure::mismatch(value, context, "a zone or a node") };
    if let Some(zone) = text.strip_prefix("zone:") {
        return world.zone(zone, value.span, context).map(End::Zone);
    }
    let found = world.node(text, value.span, context).map(End::Node);
    if found.is_none() {
        context.wrong(value.span, format!("`{text}` is not an end of a link"), "write \"zone:a\" or \"n3\"");
    }
    found
}

/// Reads `[disk]`.
pub fn disk(reader: &Reader<'_>) -> Disk {
    let sync = Latency::uniform(Duration::micros(200), Duration::millis(1));
    disk_change(reader).of(&Disk { sync, fail: Probability::NEVER, at_once: 1 })
}

/// Reads what a table says of disks.
pub fn disk_change(reader: &Reader<'_>) -> DiskOverride {
    DiskOverride {
        sync: reader.get("sync", latency),
        fail: reader.get("fail", measure::probability),
        at_once: reader.get("at_once", measure::small(1, limits::SYNCS)),
    }
}
