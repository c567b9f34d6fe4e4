//! What CI shows of results: JUnit's XML, which every CI reads, or the annotations of GitHub's workflows.

use crate::args::Output;
use core::fmt::Write;
use scenarios::sweep::{Cell, JobResult, Outcome};
use sim_core::record::Ruling;

/// Results that belong together: of a run its rules, of a sweep its runs, of a check its files.
pub struct Suite {
    /// What they are of.
    pub name: String,
    /// The scenario file, for who looks at results beside a change of it.
    pub file: String,
    /// What else is known of all of them.
    pub properties: Vec<(&'static str, String)>,
    /// What harm was done though all held: never shown as a plain success.
    pub caution: Option<String>,
    /// One by one.
    pub cases: Vec<Case>,
}

/// Something that was judged.
pub struct Case {
    /// What.
    pub name: String,
    /// How it came out.
    pub came: Came,
    /// Why, in a line.
    pub why: String,
    /// All that is known of it, as many lines as it takes.
    pub detail: String,
    /// Where in the file, as people count lines and columns.
    pub place: Option<(usize, usize)>,
}

/// How something came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// It held.
    Held,
    /// It was broken.
    Failed,
    /// Nobody knows.
    Open,
    /// splitbrain has a bug.
    Bug,
}

impl From<Ruling> for Came {
    fn from(ruling: Ruling) -> Self {
        match ruling {
            Ruling::Pass => Self::Held,
            Ruling::Inconclusive => Self::Open,
            Ruling::Fail => Self::Failed,
        }
    }
}

impl Case {
    /// One that held, and of which there is no more to say.
    pub fn held(name: String) -> Self {
        Self { name, came: Came::Held, why: String::new(), detail: String::new(), place: None }
    }

    /// A run of a sweep; `again` is what shows it once more.
    pub fn of(result: &JobResult, again: &str) -> Self {
        let name = run_name(result.seed, &result.values);
        let (came, broken) = match result.ruling {
            Outcome::Pass => return Self::held(name),
            Outcome::Inconclusive => (Came::Open, &result.inconclusive_rules),
            Outcome::Fail => (Came::Failed, &result.failed_rules),
            Outcome::Bug => (Came::Bug, &result.failed_rules),
        };
        let why = broken.iter().map(|b| b.rule.as_str()).collect::<Vec<_>>().join(", ");
        let mut detail: String = broken.iter().map(|b| format!("{}: {}\n", b.rule, b.detail)).collect();
        detail.push_str(again);
        Self { name, came, why, detail, place: None }
    }
}

/// What a run of a sweep is called: its seed, and what was varied.
fn run_name(seed: u64, values: &Cell) -> String {
    values.iter().fold(format!("seed {seed}"), |name, (key, value)| format!("{name} {key}={value}"))
}

/// All of it, in this form; nothing in a form that is not for CI.
pub fn told(output: Output, suites: &[Suite]) -> Option<String> {
    match output {
        Output::Text | Output::Json => None,
        Output::Junit => Some(junit(suites)),
        Output::Github => Some(github(suites)),
    }
}

/// Text within XML, attributes included. What XML can not hold, however it is written, becomes the mark for that.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            // An attribute would come back with blanks instead of them.
            '\n' | '\r' | '\t' => {
                let _ = write!(out, "&#{};", u32::from(c));
            }
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// How many came out so.
fn count(cases: &[Case], came: Came) -> usize {
    cases.iter().filter(|case| case.came == came).count()
}

fn counts(suites: &[Suite]) -> String {
    let of = |came| suites.iter().map(|suite| count(&suite.cases, came)).sum::<usize>();
    let all: usize = suites.iter().map(|suite| suite.cases.len()).sum();
    format!(
        "tests=\"{all}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\"",
        of(Came::Failed),
        of(Came::Bug),
        of(Came::Open)
    )
}

fn junit(suites: &[Suite]) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(out, "<testsuites name=\"{}\" {}>", xml(reports::program()), counts(suites));
    for suite in suites {
        let name = xml(&suite.name);
        let _ = writeln!(out, "  <testsuite name=\"{name}\" {}>", counts(core::slice::from_ref(suite)));
        let _ = writeln!(out, "    <properties>");
        let caution = suite.caution.iter().map(|caution| ("caution", caution));
        let named = suite.properties.iter().map(|(key, value)| (*key, value)).chain(caution);
        for (key, value) in core::iter::once(("file", &suite.file)).chain(named) {
            let _ = writeln!(out, "      <property name=\"{key}\" value=\"{}\"/>", xml(value));
        }
        let _ = writeln!(out, "    </properties>");
        for case in &suite.cases {
            let _ = write!(out, "    <testcase classname=\"{name}\" name=\"{}\"", xml(&case.name));
            let element = match case.came {
                Came::Held => {
                    let _ = writeln!(out, "/>");
                    continue;
                }
                Came::Failed => "failure",
                Came::Open => "skipped",
                Came::Bug => "error",
            };
            let why = match case.came {
                Came::Open => format!("inconclusive: {}", case.why),
                _ => case.why.clone(),
            };
            let text = case.detail.split('\n').map(xml).collect::<Vec<_>>().join("\n");
            let _ = writeln!(out, ">\n      <{element} message=\"{}\">{text}</{element}>\n    </testcase>", xml(&why));
        }
        let _ = writeln!(out, "  </testsuite>");
    }
    out.push_str("</testsuites>\n");
    out
}

/// GitHub shows ten of a kind for each step.
const SHOWN: usize = 10;

/// Nothing but annotations: a line that is told to be one can not be mistaken for another.
fn github(suites: &[Suite]) -> String {
    let mut out = String::new();
    let mut shown = [(Came::Bug, "error", 0), (Came::Failed, "error", 0), (Came::Open, "warning", 0)];
    for (suite, case) in suites.iter().flat_map(|suite| suite.cases.iter().map(move |case| (suite, case))) {
        let Some((_, command, number)) = shown.iter_mut().find(|(came, ..)| *came == case.came) else { continue };
        *number += 1;
        if *number > SHOWN {
            continue;
        }
        let title = format!("{}: {}", suite.name, case.name);
        let mut properties = format!("file={}", property(&suite.file));
        if let Some((line, column)) = case.place {
            let _ = write!(properties, ",line={line},col={column}");
        }
        let about = if case.why.is_empty() || case.detail.starts_with(&case.why) { "" } else { &case.why };
        let text = format!("{about}\n{}", case.detail);
        let _ = writeln!(out, "::{command} {properties},title={}::{}", property(&title), message(text.trim()));
    }
    for suite in suites {
        let [held, failed, open, bugs] =
            [Came::Held, Came::Failed, Came::Open, Came::Bug].map(|came| count(&suite.cases, came));
        let bugs = if bugs > 0 { format!(", {bugs} bugs in splitbrain") } else { String::new() };
        let text = format!("{held} held, {failed} failed, {open} inconclusive{bugs}");
        let text = suite.properties.iter().fold(text, |text, (key, value)| format!("{text}\n{key}: {value}"));
        let (file, name) = (property(&suite.file), property(&suite.name));
        if let Some(caution) = &suite.caution {
            let _ = writeln!(out, "::warning file={file},title={name}::{}", message(caution));
        }
        let _ = writeln!(out, "::notice file={file},title={name}::{}", message(&text));
    }
    out
}

/// The text of an annotation.
fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A property of an annotation.
fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suites() -> Vec<Suite> {
        let case = |name: &str, came, why: &str, detail: &str| Case {
            name: name.to_owned(),
            came,
            why: why.to_owned(),
            detail: detail.to_owned(),
            place: Some((3, 7)),
        };
        vec![Suite {
            name: "a<b>\"&'\u{1}".to_owned(),
            file: "dir/x,y:z.toml".to_owned(),
            properties: vec![("again", "splitbrain sweep 'x' --seeds 1..9".to_owned())],
            caution: Some("3 writes lost".to_owned()),
            cases: vec![
                Case::held("seed 1".to_owned()),
                case("seed 2", Came::Failed, "fresh\u{b}_reads", "]]> saw\n100 % <less>\r\n::error::injected"),
                case("seed 3", Came::Open, "budget", ""),
                case("seed 4", Came::Bug, "panic", "at\tx"),
            ],
        }]
    }

    #[test]
    fn xml_is_well_formed_whatever_it_is_about() {
        let text = junit(&suites());
        assert!(
            text.contains("<testsuites name=\"splitbrain\" tests=\"4\" failures=\"1\" errors=\"1\" skipped=\"1\">")
        );
        assert!(text.contains("name=\"a&lt;b&gt;&quot;&amp;&apos;\u{fffd}\" tests=\"4\""), "{text}");
        assert!(
            text.contains("<failure message=\"fresh\u{fffd}_reads\">]]&gt; saw\n100 % &lt;less&gt;&#13;\n"),
            "{text}"
        );
        assert!(text.contains("<property name=\"caution\" value=\"3 writes lost\"/>"), "{text}");
        assert!(text.contains("<skipped message=\"inconclusive: budget\"></skipped>"), "{text}");
        assert!(text.contains("<error message=\"panic\">at&#9;x</error>"), "{text}");
        assert!(!text.contains(|c: char| c < ' ' && c != '\n'), "{text}");
    }

    #[test]
    fn an_annotation_is_one_line_and_nobody_elses() {
        let text = github(&suites());
        let lines: Vec<&str> = text.lines().collect();
        let [failed, open, bug, caution, notice] = lines[..] else { panic!("{text}") };
        let place = "file=dir/x%2Cy%3Az.toml,line=3,col=7";
        assert!(failed.starts_with(&format!("::error {place},title=a<b>\"&'\u{1}%3A seed 2::fresh")), "{failed}");
        assert!(failed.ends_with("]]> saw%0A100 %25 <less>%0D%0A::error::injected"), "{failed}");
        assert!(open.starts_with("::warning ") && open.ends_with("::budget"), "{open}");
        assert!(bug.starts_with("::error "), "{bug}");
        assert!(caution.starts_with("::warning file=dir/x%2Cy%3Az.toml,title="), "{caution}");
        assert!(caution.ends_with("::3 writes lost"), "{caution}");
        assert!(notice.contains("::1 held, 1 failed, 1 inconclusive, 1 bugs in splitbrain%0Aagain: "), "{notice}");
    }

    #[test]
    fn ten_of_a_kind_are_shown_and_all_are_counted() {
        let mut suites = suites();
        let failed = |seed: u64| Case { came: Came::Failed, ..Case::held(format!("seed {seed}")) };
        suites[0].cases.extend((5..40).map(failed));
        let text = github(&suites);
        assert_eq!(text.lines().filter(|line| line.starts_with("::error")).count(), SHOWN + 1, "{text}");
        assert!(text.contains("::1 held, 36 failed"), "{text}");
    }
}
