//! `run --manifest FILE`: a scenario made on the fly, in which a system runs the files that people give to the real
//! one.

use crate::args::ManifestArgs;
use crate::exit::Exit;
use reports::quoted;
use scenarios::{AnySystem, Beside, Override, Registry, Scenario, Text};
use std::fmt::Write;
use std::path::Path;

/// The option by which a system takes such files.
const OPTION: &str = "manifests";

/// What the scenario is called in messages.
const NAME: &str = "--manifest";

/// Makes the scenario, or says everything that is wrong with the files and the flags.
pub fn scenario(registry: &Registry, args: &ManifestArgs, set: &[String]) -> Result<Scenario, Exit> {
    let takes = |system: &&dyn AnySystem| system.file_options().iter().any(|option| option == OPTION);
    let Some(system) = registry.iter().find(takes) else {
        complain!("no system reads manifests");
        return Err(Exit::Usage);
    };
    let mut wrong = false;
    let mut faults = String::new();
    for text in &args.fault {
        match fault(text) {
            Some(fault) => faults.push_str(&fault),
            None => {
                complain!("--fault {}: for example \"crash node at 30s for 60s\"", quoted(text));
                wrong = true;
            }
        }
    }
    if wrong {
        return Err(Exit::Usage);
    }
    let text = text(system, args, &faults);
    let overrides: Vec<Override> = set.iter().map(Override::new).collect();
    // Manifests are named as people name them at a prompt: from where they are.
    let files = Beside::new(Path::new(NAME));
    let text = Text { name: NAME, text: &text, json: false, overrides: &overrides, files: &files };
    scenarios::parse(&text, registry).map_err(|problems| {
        crate::check::tell(&problems);
        Exit::Usage
    })
}

/// The flags that ask for it again.
pub fn flags(args: &ManifestArgs) -> String {
    let files = args.manifest.iter().map(|file| ("manifest", file.display().to_string()));
    let nodes = args.nodes.map(|nodes| ("nodes", nodes.to_string()));
    let faults = args.fault.iter().map(|fault| ("fault", fault.clone()));
    files.chain(nodes).chain(faults).map(|(flag, value)| format!(" --{flag} {}", quoted(&value))).collect()
}

/// `KIND TARGET at TIME [for TIME]` as a table of the file.
fn fault(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let (kind, rest) = words.split_first()?;
    let at = rest.iter().position(|word| *word == "at")?;
    let (target, times) = (rest[..at].join(" "), &rest[at + 1..]);
    let times = match times {
        [at] => format!("at = {at:?}\n"),
        [at, "for", duration] => format!("at = {at:?}\nduration = {duration:?}\n"),
        _ => return None,
    };
    let target = if target.is_empty() { String::new() } else { format!("target = {target:?}\n") };
    Some(format!("\n[[fault]]\nkind = {kind:?}\n{target}{times}"))
}

/// The scenario's text.
fn text(system: &dyn AnySystem, args: &ManifestArgs, faults: &str) -> String {
    let first = &args.manifest[0];
    let stem = first.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().to_lowercase());
    let fit = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let stem: String = stem.chars().map(fit).collect();
    let stem = stem.trim_matches('-');
    let name = if stem.is_empty() { "manifest" } else { stem };
    let nodes = args.nodes.unwrap_or(3);
    let mut text = format!(
        "[scenario]\nname = {name:?}\ntitle = {:?}\nsystem = {:?}\nduration = {:?}\nwarmup = \"20s\"\nsettle = \
         \"30s\"\n\n[cluster]\nzones = [\"a\", \"b\", \"c\"]\n",
        format!("{} on {nodes} nodes", first.display()),
        system.name(),
        args.duration.to_string(),
    );
    for (role, nodes) in system.default_groups(nodes).into_iter().filter(|(_, nodes)| *nodes > 0) {
        let _ = write!(text, "\n[[cluster.group]]\nrole = {role:?}\nnodes = {nodes}\n");
    }
    text.push_str(
        "\n[network]\nlatency = \"0.5ms..2ms\"\n\n[disk]\nsync = \"0.5ms..2ms\"\n\n[probe]\nevery = \"1s\"\n",
    );
    let mix: Vec<String> = system.operations().iter().map(|kind| format!("{} = 1", kind.name)).collect();
    let mix = if mix.is_empty() { String::new() } else { format!("mix = {{ {} }}\n", mix.join(", ")) };
    let _ = write!(text, "\n[[workload]]\nclients = 10\nrate = \"100/s\"\n{mix}{faults}\n[system]\n");
    let files: Vec<String> = args.manifest.iter().map(|file| format!("{:?}", file.display().to_string())).collect();
    let _ = writeln!(text, "{OPTION} = [{}]", files.join(", "));
    text
}

#[cfg(test)]
mod tests {
    use super::fault;

    #[test]
    fn a_fault_is_said_in_one_line() {
        let crash = "\n[[fault]]\nkind = \"crash\"\ntarget = \"node\"\nat = \"30s\"\nduration = \"60s\"\n";
        assert_eq!(fault("crash node at 30s for 60s").as_deref(), Some(crash));
        let cut = "\n[[fault]]\nkind = \"partition\"\ntarget = \"zone:a\"\nat = \"1m\"\n";
        assert_eq!(fault("partition zone:a at 1m").as_deref(), Some(cut));
        for wrong in ["", "crash", "crash node", "crash node at", "crash node at 1s for", "crash node at 1s 2s"] {
            assert_eq!(fault(wrong), None, "{wrong}");
        }
    }
}
