//! `splitbrain list` and `splitbrain schema`: what there is.

use crate::args::Listing;
use crate::exit::Exit;
use crate::run::say;
use scenarios::Registry;
use scenarios::keys::{FAULT, KINDS, SHAPES, Takes};
use std::path::{Path, PathBuf};

/// Runs `list`.
pub fn list(registry: &Registry, what: Listing) -> Exit {
    match what {
        Listing::Systems => systems(registry),
        Listing::Faults => faults(),
        Listing::Scenarios => return library(registry),
        Listing::Bugs => bugs(registry),
    }
    Exit::Held
}

/// Runs `schema`.
pub fn schema(registry: &Registry) -> Exit {
    let systems: Vec<_> = registry.iter().map(|s| (s.name(), Some(s.options_schema().to_value()))).collect();
    say(&format!("{:#}\n", scenarios::schema(&systems)));
    Exit::Held
}

fn systems(registry: &Registry) {
    for system in registry.iter() {
        say(&format!("{}\n    {}\n", system.name(), system.about()));
        if !system.orders().is_empty() {
            say(&format!("    takes orders: {}\n", system.orders().join(", ")));
        }
        let schema = system.options_schema();
        let Some(properties) = schema.get("properties").and_then(|p| p.as_object()) else { continue };
        for (key, property) in properties {
            let text = |name: &str| property.get(name).map(|v| v.to_string()).unwrap_or_default();
            let about = property.get("description").and_then(|d| d.as_str()).unwrap_or_default().replace('\n', " ");
            say(&format!("    {key:<20} default {:<16} {about}\n", text("default")));
        }
    }
}

/// From the same table that the reader checks files against.
fn faults() {
    let fields = |kind: Option<&str>| {
        for key in FAULT.keys {
            let fits = kind.map_or(key.kinds.is_empty(), |kind| key.kinds.contains(&kind));
            if fits {
                let default =
                    if key.default.is_empty() { String::new() } else { format!(" (default {})", key.default) };
                say(&format!("    {:<12} {}{default}\n", key.name, key.about));
                if let Takes::Table(inner) = key.takes {
                    for key in inner.keys {
                        let default = if key.default.is_empty() { "" } else { &format!(" (default {})", key.default) };
                        say(&format!("        .{:<13} {}{default}\n", key.name, key.about));
                    }
                }
            }
        }
    };
    say("every kind of fault\n");
    fields(None);
    for kind in KINDS {
        say(&format!("kind = {kind:?}\n"));
        fields(Some(kind));
    }
    say(&format!("partition shapes: {}\n", SHAPES.join(", ")));
}

fn bugs(registry: &Registry) {
    for system in registry.iter() {
        for bug in system.bugs() {
            say(&format!("{:<8} {:<32} {}\n", system.name(), bug.name, bug.about));
            say(&format!("{:<8} {:<32} breaks {}; {}\n", "", "", bug.violates, bug.source));
        }
    }
}

/// The library beside the working directory: every file with its title.
fn library(registry: &Registry) -> Exit {
    let root = Path::new("scenarios/library");
    let mut files = Vec::new();
    walk(root, &mut files);
    if files.is_empty() {
        eprintln!("splitbrain: no scenario files under {}: run this in a checkout of splitbrain", root.display());
        return Exit::Usage;
    }
    files.sort();
    for file in files {
        let title = match scenarios::load(&file, &[], registry) {
            Ok(scenario) => scenario.title,
            Err(_) => "does not check; see `splitbrain check`".to_owned(),
        };
        say(&format!("{:<60} {title}\n", file.display()));
    }
    Exit::Held
}

fn walk(dir: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|e| e == "toml" || e == "json") {
            files.push(path);
        }
    }
}
