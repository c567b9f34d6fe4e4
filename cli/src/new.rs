//! `splitbrain new`: a first scenario for a system, or the crate of a first protocol. What is there already stays as it
//! is.

use crate::args::NewArgs;
use crate::exit::Exit;
use crate::run::say;
use reports::{program, quoted};
use scenarios::{AnySystem, Registry};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// The files of `examples/counter`, from which a new protocol is made: where they go, and what is in them.
const EXAMPLE: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("../../examples/counter/Cargo.toml")),
    ("src/main.rs", include_str!("../../examples/counter/src/main.rs")),
    ("scenarios/steady.toml", include_str!("../../examples/counter/scenarios/steady.toml")),
    ("scenarios/chaos.toml", include_str!("../../examples/counter/scenarios/chaos.toml")),
    ("scenarios/rot.toml", include_str!("../../examples/counter/scenarios/rot.toml")),
];

/// A scenario in which one node crashes under a steady load.
const STARTER: &str = include_str!("../templates/starter.toml");

/// Runs the command.
pub fn new(registry: &Registry, args: &NewArgs) -> Exit {
    let made = match &args.protocol {
        Some(name) => protocol(name),
        None => scenario(registry, args.system.as_deref(), args.file.as_deref()),
    };
    match made {
        Ok(told) => {
            say(&told);
            Exit::Held
        }
        Err((why, exit)) => {
            complain!("{why}");
            exit
        }
    }
}

type Made = Result<String, (String, Exit)>;

/// Writes a file that was not there.
fn create(path: &Path, text: &str) -> Result<(), (String, Exit)> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let made = folder.map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::File::create_new(path));
    let written = made.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            (format!("{}: is there already, and stays as it is; name another", path.display()), Exit::Usage)
        }
        _ => (format!("{}: can not be written: {}", path.display(), reports::reason(&error)), Exit::Environment),
    })
}

fn scenario(registry: &Registry, name: Option<&str>, file: Option<&Path>) -> Made {
    let names: Vec<&str> = registry.iter().map(AnySystem::name).collect();
    let system = match name {
        Some(name) => registry.get(name),
        None => registry.iter().next(),
    };
    let Some(system) = system else {
        let asked = name.unwrap_or_default();
        return Err((format!("there is no system {asked:?}; there are {}", names.join(", ")), Exit::Usage));
    };
    let path = file.map_or_else(|| PathBuf::from(format!("my-{}.toml", system.name())), Path::to_owned);
    create(&path, &starter(system))?;
    let shown = quoted(&path.display().to_string());
    Ok(format!("wrote {}\n    {p} check {shown}\n    {p} run {shown}\n", path.display(), p = program()))
}

/// A first scenario, with every option of the system at hand.
fn starter(system: &dyn AnySystem) -> String {
    let filled = |text: &str| text.replace("NAME", system.name()).replace("PROGRAM", program());
    let story = system.first_story().and_then(|name| scenarios::library::text(Path::new(name)));
    let mut text = match story {
        Some(story) => told(story, system.name()),
        None => seated(&filled(STARTER).replace("ABOUT", system.about()), system),
    };
    let schema = system.options_schema().to_value();
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        let about = property["description"].as_str().unwrap_or_default().replace('\n', " ");
        let values = scenarios::schema_values(&schema, property);
        let words = if values.is_empty() { String::new() } else { format!(" ({})", values.join(", ")) };
        let default = property.get("default").filter(|default| !default.is_null());
        let default = default.map_or_else(|| "...".to_owned(), toml_text);
        let _ = write!(text, "# {key} = {default}\n#     {about}{words}\n");
    }
    text
}

/// A story of the library under a name of its own, and below it the options that it leaves alone.
fn told(story: &str, system: &str) -> String {
    let name = story.lines().find(|line| line.starts_with("name = ")).unwrap_or_default();
    let text = story.replacen(name, &format!("name = \"my-{system}\""), 1);
    format!("{text}\n# Each option with its default: what is to be changed goes into [system].\n")
}

/// The same where the system has nodes of several kinds that must be there, at which its clients sit, or operations of
/// its own.
fn seated(text: &str, system: &dyn AnySystem) -> String {
    const NODES: &str = "nodes = 5\n";
    const ZONES: &str = "zones = [\"a\", \"b\", \"c\"]    # dealt round-robin\n";
    const RATIO: &str = "read_ratio = 0.5\n";
    let mut text = text.to_owned();
    let needed = || system.roles().iter().enumerate().filter(|(place, role)| *place == 0 || role.least > 0);
    // A system that shares so many nodes out itself needs nothing said.
    let shares = system.default_groups(8).len() > 1;
    if shares {
        text = text.replace(NODES, "nodes = 8\n");
    } else if needed().count() > 1 {
        let group = |(place, role): (usize, &sim_core::RoleKind)| {
            let nodes = if place == 0 { 5 } else { role.least.max(4) };
            format!("\n[[cluster.group]]\nrole = \"{}\"\nnodes = {nodes}\n", role.name)
        };
        let groups: String = needed().map(group).collect();
        text = text.replace(NODES, "").replace(ZONES, &format!("{ZONES}{groups}"));
    }
    if !system.operations().is_empty() {
        let all: Vec<String> = system.operations().iter().map(|kind| format!("{} = 1", kind.name)).collect();
        let seat = system.roles().iter().find(|role| role.seats);
        let at = seat.map_or_else(String::new, |role| format!("at = \"{}\"\n", role.name));
        text = text.replace(RATIO, &format!("{at}mix = {{ {} }}\n", all.join(", ")));
    }
    text
}

/// A default as TOML has it, on one line.
fn toml_text(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(entries) => {
            let entries: Vec<String> =
                entries.iter().map(|(key, value)| format!("{key} = {}", toml_text(value))).collect();
            if entries.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", entries.join(", ")) }
        }
        serde_json::Value::Array(items) => {
            format!("[{}]", items.iter().map(toml_text).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

fn protocol(name: &str) -> Made {
    let words = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(words) {
        let why =
            format!("--protocol {name}: a crate is called by lower-case letters, digits, - and _, such as my-lock");
        return Err((why, Exit::Usage));
    }
    let root = PathBuf::from(name);
    if root.exists() {
        return Err((format!("{name}: is there already, and stays as it is; name another"), Exit::Usage));
    }
    for (path, text) in EXAMPLE {
        create(&root.join(path), &renamed(text, name))?;
    }
    Ok(format!(
        "wrote {name}/: a counter, to be made into something else; docs/5-your-protocol.md explains it line by line\n    \
         cd {name}\n    cargo run --release -- run scenarios/steady.toml\n    \
         cargo run --release -- bugs scenarios/chaos.toml\n"
    ))
}

/// A file of the example under another name, of a crate that lies somewhere else.
fn renamed(text: &str, name: &str) -> String {
    let type_name: String = name.split(['-', '_']).map(capitalised).collect();
    let library = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = if library.join("Cargo.toml").exists() {
        format!("path = {:?}", library.display().to_string())
    } else {
        format!("git = {:?}", env!("CARGO_PKG_REPOSITORY"))
    };
    text.replace("path = \"../../cli\"", &source).replace("Counter", &type_name).replace("counter", name)
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}
