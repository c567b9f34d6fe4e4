//! `splitbrain merge`: the shards of a sweep become the sweep that one machine would have made, byte for byte.

use crate::args::{Format, MergeArgs};
use crate::exit::Exit;
use crate::run::say;
use crate::sweep::folder::{FAILURES, FolderError, JOURNAL, MANIFEST, RESULTS, SUMMARY, publish, tell};
use crate::sweep::pages::Pages;
use crate::sweep::{again, exit_of, kept, text};
use scenarios::sweep::{JobResult, Manifest, Outcome, Plan, Shard, Summary, Tally, assemble};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// Runs the command.
pub fn merge(args: &MergeArgs) -> Exit {
    match whole(args) {
        Ok(summary) => {
            match args.format {
                Format::Json => say(&summary.to_json()),
                Format::Text => {
                    say(&format!("{}  {} runs\n", summary.scenario, summary.runs));
                    say(&text::body(&summary, &args.out, &text::Again::unknown()));
                }
            }
            exit_of(&summary)
        }
        Err(error) => error.tell(),
    }
}

fn whole(args: &MergeArgs) -> Result<Summary, FolderError> {
    let refuse = |why: String| Err(FolderError::Refused(why));
    let mut folders = Vec::new();
    for dir in &args.dirs {
        for dir in shards_in(dir)? {
            let manifest = again::manifest(&dir)?;
            folders.push((dir, manifest));
        }
    }
    let named: Vec<_> = folders.iter().map(|(dir, m)| (dir.display().to_string(), m.clone())).collect();
    let order = assemble(&named).map_err(FolderError::Refused)?;
    let shards: Vec<&Path> = order.iter().map(|i| folders[*i].0.as_path()).collect();
    let manifest = Manifest { shard: Shard::WHOLE, ..folders[0].1.clone() };
    let plan = again::plan(&manifest, &folders[0].0)?;
    let unfinished: Vec<String> =
        shards.iter().filter(|dir| !dir.join(RESULTS).exists()).map(|dir| again::unfinished(dir)).collect();
    if !unfinished.is_empty() {
        return refuse(unfinished.join("\n"));
    }
    protect(&args.out, &manifest, &shards)?;
    tell(fs::create_dir_all(&args.out), &args.out, "create the results folder")?;
    let mut tally = Tally::new(&plan);
    let mut pages = Pages::new(&plan);
    let mut kept = Vec::new();
    let mut broken = None;
    let written = publish(&args.out, RESULTS, |out| {
        interleave(&shards, &plan, &manifest.fingerprint, |result, line| {
            tally.add(result);
            pages.add(result);
            if result.ruling != Outcome::Pass && kept.len() < kept::MOST {
                kept.push((result.job, result.seed));
            }
            writeln!(out, "{line}")
        })
        .map_err(|error| match error {
            Interleave::Io(error) => error,
            Interleave::Shard(why) => {
                broken = Some(why);
                io::Error::other("a shard is not what it should be")
            }
        })
    });
    if let Some(why) = broken {
        return refuse(why);
    }
    written?;
    let summary = tally.finish(&manifest);
    let n = shards.len() as u64;
    for (job, seed) in kept {
        let from = kept::path(shards[(job % n) as usize], job, seed);
        let to = args.out.join(FAILURES).join(kept::name(job, seed));
        // A shard that could not keep a run has said so; the merged results are whole without it.
        if from.exists() && !to.exists() {
            tell(copy(&from, &to), &to, "copy a kept run")?;
        }
    }
    publish(&args.out, MANIFEST, |out| out.write_all(manifest.to_json().as_bytes()))?;
    publish(&args.out, SUMMARY, |out| out.write_all(summary.to_json().as_bytes()))?;
    pages.write(&args.out, &summary, manifest.charts)?;
    Ok(summary)
}

/// The folder itself if it holds a sweep, else every sweep one or two folders below, as `--out` makes them.
fn shards_in(dir: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let list = |dir: &Path| -> Result<Vec<PathBuf>, FolderError> {
        let entries = tell(fs::read_dir(dir), dir, "read the folder")?;
        let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(|p| p.is_dir()).collect();
        paths.sort();
        Ok(paths)
    };
    if !dir.is_dir() {
        return Err(FolderError::Refused(format!("{}: there is no such folder", dir.display())));
    }
    let holds = |dir: &PathBuf| dir.join(MANIFEST).exists();
    if holds(&dir.to_owned()) {
        return Ok(vec![dir.to_owned()]);
    }
    let mut found = Vec::new();
    for below in list(dir)? {
        if holds(&below) {
            found.push(below);
        } else if !below.is_symlink() {
            found.extend(list(&below)?.into_iter().filter(holds));
        }
    }
    match found.is_empty() {
        true => {
            Err(FolderError::Refused(format!("{}: there is no {MANIFEST} here or below: not a sweep", dir.display())))
        }
        false => Ok(found),
    }
}

/// The output may be empty, or an earlier merge of the same sweep; never one of the shards, or anything else's results.
fn protect(out: &Path, manifest: &Manifest, shards: &[&Path]) -> Result<(), FolderError> {
    let same = |a: &Path, b: &Path| matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b);
    // A sweep that was never divided may be merged onto itself.
    if let Some(shard) = shards.iter().find(|shard| same(out, shard)).filter(|_| shards.len() > 1) {
        return Err(FolderError::Refused(format!(
            "--out {} is one of the shards; name another folder",
            shard.display()
        )));
    }
    let path = out.join(MANIFEST);
    if out.join(JOURNAL).exists() {
        return Err(FolderError::Refused(format!(
            "{} holds a sweep that is not finished; name another folder",
            out.display()
        )));
    }
    let Ok(text) = fs::read_to_string(&path) else { return Ok(()) };
    match Manifest::from_json(&text) {
        Ok(found) if found == *manifest => Ok(()),
        Ok(found) => {
            let why = manifest.differs(&found).unwrap_or_else(|| format!("shard {}", found.shard));
            Err(FolderError::Refused(format!("{} holds another sweep, {why}; name another folder", out.display())))
        }
        Err(why) => Err(FolderError::Refused(format!("{}: {why}; name another folder", path.display()))),
    }
}

enum Interleave {
    Io(io::Error),
    Shard(String),
}

/// Hands out every line in job order: job `j` is the next line of shard `j % n`. One line of each is in memory.
fn interleave(
    shards: &[&Path],
    plan: &Plan,
    fingerprint: &str,
    mut f: impl FnMut(&JobResult, &str) -> io::Result<()>,
) -> Result<(), Interleave> {
    let open = |dir: &&Path| {
        let path = dir.join(RESULTS);
        match File::open(&path) {
            Ok(file) => Ok((path, BufReader::new(file), 0_u64)),
            Err(error) => Err(Interleave::Shard(format!("{}: can not be read: {error}", path.display()))),
        }
    };
    let mut files = shards.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let mut line = String::new();
    for job in 0..plan.jobs() {
        let at = (job % shards.len() as u64) as usize;
        let (path, file, number) = &mut files[at];
        *number += 1;
        let wrong = |why: &str| {
            let advice = "run that shard's sweep command again, which repairs it";
            Interleave::Shard(format!("{}: line {number}: {why}; {advice}", path.display()))
        };
        line.clear();
        let length = file.read_line(&mut line).map_err(|e| wrong(&e.to_string()))?;
        let Some(text) = line.strip_suffix('\n') else {
            let why = if length == 0 { format!("the result of job {job} is missing") } else { "is cut off".to_owned() };
            return Err(wrong(&why));
        };
        let result = JobResult::from_line(text, plan, fingerprint).map_err(|why| wrong(&why))?;
        if result.job != job {
            return Err(wrong(&format!("this is job {}, where job {job} should be", result.job)));
        }
        f(&result, text).map_err(Interleave::Io)?;
    }
    for (path, file, _) in &mut files {
        if !file.fill_buf().map_err(Interleave::Io)?.is_empty() {
            return Err(Interleave::Shard(format!(
                "{}: there are more results than the shard has jobs",
                path.display()
            )));
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    // Under another name until it is whole, like every folder of a run.
    let temporary = to.with_extension("partial");
    if temporary.exists() {
        fs::remove_dir_all(&temporary)?;
    }
    tree(from, &temporary)?;
    fs::rename(&temporary, to)
}

fn tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
