//! Recorded work: a file with a task a line, `submit, duration, cpu, memory, parent`, as traces of real clusters are
//! easily brought to. `docs/systems/scheduling.md` says how.

use super::task::{JobId, JobSpec, Needs, TaskId, TaskSpec, mix, rank};
use sim_core::units::DurationText;
use sim_core::{Duration, FileProblem, FileReading, FileText};

/// A line of a trace: a task that is a job of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// When it is submitted, from the start of the workload on.
    pub submit: Duration,
    /// The job.
    pub job: JobSpec,
    /// Which file it stands in.
    pub file: usize,
    /// Its line there.
    pub line: u32,
}

/// A line as it was read.
struct Raw {
    file: usize,
    line: u32,
    submit: Duration,
    work: Duration,
    needs: Needs,
    /// Numbers of rows, with the columns they stand in.
    parents: Vec<(usize, u32)>,
}

/// What is wrong with a word.
type Wrong = (String, String);

fn time(what: &str, word: &str) -> Result<Duration, Wrong> {
    let seconds = || format!("a time such as \"1.5s\", or a number of seconds, at least 0, for the {what}");
    if word.starts_with('-') {
        return Err((format!("the {what} is negative: {word}"), seconds()));
    }
    let plain = word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let text = if plain { format!("{word}s") } else { word.to_owned() };
    text.parse::<DurationText>().map(|time| time.0).map_err(|_| (format!("{word:?} is no {what}"), seconds()))
}

fn number(what: &str, word: &str) -> Result<u32, Wrong> {
    let help = || format!("a whole number for the {what}");
    word.parse().map_err(|_| (format!("{word:?} is no {what}"), help()))
}

/// Reads files as one trace: rows are counted through all of them. What is wrong is said all at once.
pub fn read(files: &[FileText]) -> (Vec<Row>, Vec<FileProblem>) {
    let (mut raws, mut problems): (Vec<Raw>, Vec<FileProblem>) = (Vec::new(), Vec::new());
    // A row that is wrong counts, too, so that the numbers of parents mean what they say.
    let mut rows = 0;
    for (file, FileText { text, .. }) in files.iter().enumerate() {
        for (at, line) in text.lines().enumerate() {
            let is_head = rows == 0 && line.trim_start().starts_with("submit");
            if line.trim().is_empty() || line.trim_start().starts_with('#') || is_head {
                continue;
            }
            rows += 1;
            if let Some(raw) = read_line(file, at as u32 + 1, line, &mut problems) {
                raws.push(raw);
            }
        }
    }
    if rows == 0 && !files.is_empty() {
        let (what, help) = ("there is no task in it".to_owned(), "a line such as \"0s, 2s, 1, 512,\"".to_owned());
        problems.push(FileProblem { file: 0, line: 1, column: 1, what, help });
    }
    for raw in &raws {
        for (parent, column) in raw.parents.iter().filter(|(parent, _)| !(1..=rows).contains(parent)) {
            let what = format!("there is no task {parent} to wait for");
            let help = format!("the number of a task in this trace, 1 to {rows}");
            problems.push(FileProblem { file: raw.file, line: raw.line, column: *column, what, help });
        }
    }
    if problems.is_empty() {
        cycle(&raws, &mut problems);
    }
    problems.sort_by_key(|problem| (problem.file, problem.line, problem.column));
    let rows = if problems.is_empty() { jobs(raws) } else { Vec::new() };
    (rows, problems)
}

fn read_line(file: usize, line: u32, text: &str, problems: &mut Vec<FileProblem>) -> Option<Raw> {
    let before = problems.len();
    let mut words = Vec::new();
    let mut column = 1;
    for word in text.split(',') {
        let blank = word.len() - word.trim_start().len();
        words.push((word.trim(), column + blank as u32));
        column += word.len() as u32 + 1;
    }
    if !(4..=5).contains(&words.len()) {
        let what = format!("{} columns", words.len());
        let help = "submit, duration, cpu, memory, parent; the last may be empty".to_owned();
        problems.push(FileProblem { file, line, column: 1, what, help });
        return None;
    }
    let mut tell = |column: u32, (what, help): Wrong| {
        problems.push(FileProblem { file, line, column, what, help });
    };
    let mut of = |at: usize, what: &str| {
        time(what, words[at].0).unwrap_or_else(|wrong| {
            tell(words[at].1, wrong);
            Duration::ZERO
        })
    };
    let (submit, work) = (of(0, "time of submission"), of(1, "duration"));
    let mut of = |at: usize, what: &str| {
        number(what, words[at].0).unwrap_or_else(|wrong| {
            tell(words[at].1, wrong);
            0
        })
    };
    let (cpus, memory) = (of(2, "number of cpus"), of(3, "memory in MiB"));
    if cpus == 0 && words[2].0 == "0" {
        tell(words[2].1, ("a task of no cpu".to_owned(), "at least 1".to_owned()));
    }
    let (listed, column) = words.get(4).copied().unwrap_or(("", 1));
    let mut parents = Vec::new();
    for word in listed.split([';', ' ']).map(str::trim).filter(|word| !word.is_empty() && *word != "-") {
        match word.parse() {
            Ok(parent) => parents.push((parent, column)),
            Err(_) => tell(column, (format!("{word:?} is no parent"), "numbers of tasks, as in \"3;4\"".to_owned())),
        }
    }
    let good = problems.len() == before;
    good.then_some(Raw { file, line, submit, work, needs: Needs { cpus, memory }, parents })
}

/// Names the first cycle, if tasks wait for each other in one.
fn cycle(raws: &[Raw], problems: &mut Vec<FileProblem>) {
    // 0: not seen; 1: on the way that is being walked; 2: known to come to an end.
    let mut state = vec![0_u8; raws.len()];
    for start in 0..raws.len() {
        let mut way: Vec<(usize, usize)> = Vec::new();
        if state[start] == 0 {
            (way.push((start, 0)), state[start] = 1).1
        }
        while let Some((at, next)) = way.last_mut() {
            let at = *at;
            let Some((parent, _)) = raws[at].parents.get(*next) else {
                state[at] = 2;
                way.pop();
                continue;
            };
            *next += 1;
            let parent = parent - 1;
            match state[parent] {
                0 => (way.push((parent, 0)), state[parent] = 1).1,
                1 => {
                    let from = way.iter().position(|(on, _)| *on == parent).unwrap_or(0);
                    let mut named: Vec<String> = way[from..].iter().map(|(on, _)| (on + 1).to_string()).collect();
                    named.push((parent + 1).to_string());
                    let what = format!("tasks wait for each other in a cycle: {}", named.join(" waits for "));
                    let help = "a graph without cycles: take one of these parents out".to_owned();
                    problems.push(FileProblem { file: raws[at].file, line: raws[at].line, column: 1, what, help });
                    return;
                }
                _ => {}
            }
        }
    }
}

/// The job of row `row`, counted from 0: the trace is played by the first client.
const fn job_of(row: usize) -> JobId {
    JobId(row as u64)
}

fn jobs(raws: Vec<Raw>) -> Vec<Row> {
    let task = |row: usize, raw: &Raw| TaskSpec {
        work: raw.work,
        needs: raw.needs,
        parents: raw.parents.iter().map(|(parent, _)| TaskId { job: job_of(parent - 1), index: 0 }).collect(),
        rank: Duration::ZERO,
        block: row as u32,
        luck: mix(row as u64),
    };
    let mut tasks: Vec<TaskSpec> = raws.iter().enumerate().map(|(row, raw)| task(row, raw)).collect();
    rank(&mut tasks, |id| Some(id.job.0 as usize));
    let row = |(at, (raw, task)): (usize, (Raw, TaskSpec))| Row {
        submit: raw.submit,
        job: JobSpec { job: job_of(at), class: 0, tasks: std::iter::once(task).collect() },
        file: raw.file,
        line: raw.line,
    };
    let mut rows: Vec<Row> = raws.into_iter().zip(tasks).enumerate().map(row).collect();
    rows.sort_by_key(|row| row.submit);
    rows
}

/// What a scenario is told of its trace.
pub fn reading(files: &[FileText]) -> FileReading {
    let (rows, problems) = read(files);
    if !problems.is_empty() {
        return FileReading { problems, notes: Vec::new() };
    }
    let work: u64 = rows.iter().map(|row| row.job.tasks[0].work.0).sum();
    let longest = rows.iter().map(|row| row.job.tasks[0].rank).max().unwrap_or_default();
    let last = rows.last().map(|row| row.submit).unwrap_or_default();
    let (many, work) = (rows.len(), Duration(work));
    let note = format!("a trace of {many} tasks over {last}: {work} of work, the longest chain {longest}");
    FileReading { problems, notes: vec![note] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Vec<FileText> {
        vec![FileText { file: "t.csv".to_owned(), text: text.to_owned() }]
    }

    #[test]
    fn rows_are_tasks_with_ranks() {
        let (rows, problems) = read(&file(
            "submit, duration, cpu, memory, parent\n0, 2s, 1, 512,\n# why\n1.5, 500ms, 2, 0, 1\n1, 4, 1, 0, 1;2\n",
        ));
        assert_eq!(problems, []);
        let ranks: Vec<_> = rows.iter().map(|row| (row.line, row.submit, row.job.tasks[0].rank)).collect();
        let ms = Duration::millis;
        assert_eq!(ranks, [(2, ms(0), ms(6500)), (5, ms(1000), ms(4000)), (4, ms(1500), ms(4500))]);
    }

    #[test]
    fn all_that_is_wrong_is_said_with_its_line() {
        let (_, problems) = read(&file("0, 2s, 1, 512,\n-1, x, 0, 512, 9\n1, 2\n"));
        let told: Vec<_> = problems.iter().map(|it| (it.line, it.column, it.what.as_str())).collect();
        assert_eq!(
            told,
            [
                (2, 1, "the time of submission is negative: -1"),
                (2, 5, "\"x\" is no duration"),
                (2, 8, "a task of no cpu"),
                (3, 1, "2 columns"),
            ]
        );
        let (_, problems) = read(&file("0, 2s, 1, 512, 7\n"));
        assert_eq!(problems[0].what, "there is no task 7 to wait for");
        assert_eq!(read(&file("# nothing\n")).1[0].what, "there is no task in it");
    }

    #[test]
    fn a_cycle_is_named() {
        let (_, problems) = read(&file("0, 1, 1, 0, 3\n0, 1, 1, 0, 1\n0, 1, 1, 0, 2\n0, 1, 1, 0,\n"));
        assert_eq!(problems[0].what, "tasks wait for each other in a cycle: 1 waits for 3 waits for 2 waits for 1");
    }
}
