//! What was simulated, as far as a page shows it: plain data, which whoever knows the scenario fills in.

/// The machines, the links and everything that the scenario says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setup {
    /// The zones.
    pub zones: Vec<SetupZone>,
    /// The links between zones, and within each.
    pub links: Vec<SetupLink>,
    /// What the scenario says, part by part; faults are in [`Setup::faults`].
    pub parts: Vec<SetupPart>,
    /// The parameters of each fault, in the order of the plan.
    pub faults: Vec<SetupPart>,
    /// The scenario as text, resolved.
    pub text: String,
}

/// A zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetupZone {
    /// Its name.
    pub name: String,
    /// Its nodes: what each is called, and as what it serves if nodes differ.
    pub nodes: Vec<(String, String)>,
    /// How many clients sit in it, probes aside.
    pub clients: u32,
}

/// What links from one zone to another are like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetupLink {
    /// From which zone: its place.
    pub from: usize,
    /// To which; the same for links within it.
    pub to: usize,
    /// How long a message takes, for people.
    pub latency: String,
    /// How many are lost, and what else befalls them; empty if nothing does.
    pub loss: String,
    /// The middle of the latency, nanoseconds.
    pub median_ns: u64,
}

/// A part of a scenario: its name, and its keys with their values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetupPart {
    /// As `workload`.
    pub name: String,
    /// Keys and values, as written.
    pub keys: Vec<(String, String)>,
}

impl SetupPart {
    /// The parts of a scenario that is written a key a line: `[head]`, then `key = value`.
    #[must_use]
    pub fn of_text(text: &str) -> Vec<Self> {
        let mut parts: Vec<Self> = Vec::new();
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
            let head = line.trim().trim_start_matches('[').trim_end_matches(']');
            if line.starts_with('[') && line.trim_end().ends_with(']') {
                parts.push(Self { name: head.to_owned(), keys: Vec::new() });
            } else if let Some(part) = parts.last_mut() {
                match line.split_once(" = ") {
                    Some((key, value)) => part.keys.push((key.to_owned(), value.to_owned())),
                    // A value of several lines goes on.
                    None if line.is_empty() => {}
                    None => {
                        if let Some((_, value)) = part.keys.last_mut() {
                            value.push('\n');
                            value.push_str(line);
                        }
                    }
                }
            }
        }
        parts
    }

    /// The value of a key, without quotes.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.keys.iter().find(|(k, _)| k == key).map(|(_, value)| value.trim_matches('"'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_falls_into_its_parts() {
        let text = "# words\n\n[disk]\nsync = \"1ms\"\n\n[[fault]]\nkind = \"crash\"\nnotes = \"\"\"a\nb\"\"\"\n";
        let parts = SetupPart::of_text(text);
        assert_eq!(parts.len(), 2);
        assert_eq!((parts[0].name.as_str(), parts[0].get("sync")), ("disk", Some("1ms")));
        assert_eq!((parts[1].name.as_str(), parts[1].keys.len()), ("fault", 2));
        assert_eq!(parts[1].get("notes"), Some("a\nb"));
    }
}
