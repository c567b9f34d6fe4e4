//! `sweep --emit`: the sweep as jobs for an engine that people have. Every shard is the same command with another
//! `--shard`, it goes on from where it was killed, and `merge` follows when all have ended.

use crate::args::{Emit, EmitArgs, SweepArgs};
use crate::exit::Exit;
use crate::run::say;
use core::fmt::Write;
use reports::quoted;
use scenarios::Scenario;
use scenarios::sweep::{Plan, Shard};
use std::path::{Path, PathBuf};

/// What all engines are told.
struct Work {
    /// Of the scenario.
    name: String,
    /// `sweep FILE ...` without program, shard, jobs and results folder.
    sweep: String,
    out: PathBuf,
    runs: u64,
    shards: u64,
    cpus: u16,
    memory: u32,
    retries: u32,
}

/// Writes the jobs to standard output.
pub fn emit(args: &SweepArgs, how: Emit, plan: &Plan, scenario: &Scenario) -> Exit {
    let EmitArgs { shards, cpus, memory, retries, .. } = &args.emit;
    if args.shard != Shard::WHOLE {
        complain!("--emit writes all shards: --shard makes no sense beside it");
        return Exit::Usage;
    }
    if *shards > plan.jobs() {
        let runs = plan.jobs();
        complain!("{runs} runs are too few for {shards} shards: --shards {runs} is the most");
        return Exit::Usage;
    }
    if args.file() == Path::new("-") {
        complain!("--emit needs a file that every job can read: standard input is read once. Save it first");
        return Exit::Usage;
    }
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut flags = format!("--seeds {}", plan.seeds());
    for axis in plan.axes() {
        let _ = write!(flags, " --vary {}", quoted(&format!("{}={}", axis.key, axis.values.join(","))));
    }
    let set: String = args.set.iter().map(|set| format!(" --set {}", quoted(set))).collect();
    // A name of the library means the same everywhere; a file has to be found from wherever a job starts.
    let file = if args.file().exists() { absolute(args.file()) } else { args.file().to_owned() };
    // The name's ending says how a scenario is read.
    let json = file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
    let mounted = if json { "scenario.json" } else { "scenario.toml" };
    let file = if how == Emit::Kubernetes { format!("/scenario/{mounted}") } else { file.display().to_string() };
    let out = if how == Emit::Kubernetes { PathBuf::from("/results") } else { absolute(&args.out) };
    let work = Work {
        name: scenario.name.clone(),
        sweep: format!("sweep {} {flags}{set}", quoted(&file)),
        out,
        runs: plan.jobs(),
        shards: *shards,
        cpus: *cpus,
        memory: *memory,
        retries: *retries,
    };
    let text = match scenarios::source(args.file()) {
        Ok(text) => text,
        Err(problems) => {
            crate::check::tell(&problems);
            return Exit::Usage;
        }
    };
    say(&match how {
        Emit::Slurm => work.slurm(&own()),
        Emit::Kubernetes => work.kubernetes(&args.emit, mounted, &text),
        Emit::List => work.list(&own()),
    });
    Exit::Held
}

/// The program that runs now, as a job finds it on a shared disk.
fn own() -> String {
    std::env::current_exe().map_or_else(|_| reports::program().to_owned(), |path| path.display().to_string())
}

impl Work {
    fn shard(&self, program: &str, k: &str) -> String {
        let (program, out) = (quoted(program), quoted(&self.out.display().to_string()));
        format!("{program} {} --shard {k}/{} --jobs {} --out {out}", self.sweep, self.shards, self.cpus)
    }

    fn results(&self) -> PathBuf {
        self.out.join(&self.name)
    }

    fn merge(&self, program: &str) -> String {
        let from = self.results();
        let to = from.join("sweep");
        if self.shards == 1 {
            return format!("{} report {}", quoted(program), quoted(&to.display().to_string()));
        }
        let shards: Vec<String> = (1..=self.shards).map(|k| format!("sweep-{k}-of-{}", self.shards)).collect();
        let dirs: Vec<String> = shards.iter().map(|s| quoted(&from.join(s).display().to_string())).collect();
        format!("{} merge {} --out {}", quoted(program), dirs.join(" "), quoted(&to.display().to_string()))
    }

    /// One command a line: for `xargs`, GNU parallel, Nextflow, or whatever takes lines.
    fn list(&self, program: &str) -> String {
        let mut text = String::new();
        for k in 1..=self.shards {
            let _ = writeln!(text, "{}", self.shard(program, &k.to_string()));
        }
        let _ = writeln!(text, "# when all have ended: {}", self.merge(program));
        text
    }

    /// A script that submits a job array, and the merge to follow it.
    fn slurm(&self, program: &str) -> String {
        let Self { name, runs, shards, cpus, memory, retries, .. } = self;
        let logs = quoted(&self.results().join("logs").display().to_string());
        let shard = self.shard(program, "\"$SLURM_ARRAY_TASK_ID\"");
        let merge = self.merge(program);
        let job = quoted(&format!("splitbrain-{name}"));
        format!(
            r#"#!/usr/bin/env bash
# {runs} runs of {name} in {shards} shards as a job array, and the merge after it.
# Start it with: bash THIS_FILE    See how far it is: {program} sweep --watch {results}
set -euo pipefail
command -v sbatch >/dev/null || {{ echo "there is no Slurm here: sbatch was not found" >&2; exit 74; }}
mkdir -p {logs}

# 0, 1, 3 and 4 are answers: what a shard found is told by the merge. What was asked wrongly (2) stays wrong, and a sweep that
# was stopped (130) stays stopped. Anything else is tried again; finished runs are kept.
array=$(sbatch --parsable --job-name={job} --array=1-{shards} --cpus-per-task={cpus} --mem={memory}M \
    --requeue --open-mode=append --output={logs}/%a.log <<'SHARD'
#!/usr/bin/env bash
for attempt in $(seq 0 {retries}); do
    code=0
    {shard} || code=$?
    case "$code" in 0|1|3|4) exit 0 ;; esac
    echo "shard $SLURM_ARRAY_TASK_ID ended with code $code (attempt $attempt)" >&2
    case "$code" in 2|130) exit "$code" ;; esac
done
exit "$code"
SHARD
)
merge=$(sbatch --parsable --job-name={job}-merge --dependency="afterany:$array" --cpus-per-task=1 --mem={memory}M \
    --output={logs}/merge.log <<'MERGE'
#!/usr/bin/env bash
exec {merge}
MERGE
)
echo "array $array, then merge $merge: results in {results}/sweep"
"#,
            results = self.results().display(),
        )
    }

    /// An Indexed Job over a shared volume, and a Job that waits for its shards and merges them.
    fn kubernetes(&self, how: &EmitArgs, mounted: &str, scenario: &str) -> String {
        let Self { runs, shards, cpus, memory, retries, .. } = self;
        let name = label(&format!("splitbrain-{}", self.name));
        let (image, claim) = (&how.image, &how.claim);
        let shard = self.shard("splitbrain", "$((JOB_COMPLETION_INDEX + 1))");
        let watch = format!("splitbrain sweep --watch {}", quoted(&self.results().display().to_string()));
        let merge = self.merge("splitbrain");
        let text: String =
            scenario.lines().map(|line| if line.is_empty() { "\n".into() } else { format!("    {line}\n") }).collect();
        let pod = |command: &str, cpus: u16| {
            format!(
                r#"      restartPolicy: Never
      containers:
      - name: splitbrain
        image: {image}
        command: ["/bin/sh", "-c"]
        args:
        - |
          {command}
        resources:
          requests: {{ cpu: "{cpus}", memory: "{memory}Mi" }}
          limits: {{ memory: "{memory}Mi" }}
        volumeMounts:
        - {{ name: scenario, mountPath: /scenario, readOnly: true }}
        - {{ name: results, mountPath: /results }}
      volumes:
      - name: scenario
        configMap: {{ name: {name} }}
      - name: results
        persistentVolumeClaim: {{ claimName: {claim} }}
"#
            )
        };
        // 0, 1, 3 and 4 are answers; anything else is a failed pod, which is made again and goes on from what it had.
        let work =
            pod(&format!("{shard} || {{ code=$?; case \"$code\" in 1|3|4) ;; *) exit \"$code\" ;; esac; }}"), *cpus);
        let after = pod(&format!("{watch} && {merge}"), 1);
        let limit = u64::from(*retries) * shards;
        format!(
            r#"# {runs} runs of {own} in {shards} shards as an Indexed Job, and a Job that merges them.
# It needs a volume that many nodes may write to: the claim `{claim}` (ReadWriteMany).
# Files that the scenario names beside itself have to be added to its ConfigMap.
apiVersion: v1
kind: ConfigMap
metadata:
  name: {name}
data:
  {mounted}: |
{text}---
apiVersion: batch/v1
kind: Job
metadata:
  name: {name}
spec:
  completionMode: Indexed
  completions: {shards}
  parallelism: {shards}
  backoffLimit: {limit}
  template:
    spec:
{work}---
apiVersion: batch/v1
kind: Job
metadata:
  name: {name}-merge
spec:
  backoffLimit: {retries}
  template:
    spec:
{after}"#,
            own = self.name,
        )
    }
}

/// A name as Kubernetes takes it: at most 52 of a to z, 0 to 9 and `-`, which leaves room for endings.
fn label(name: &str) -> String {
    let lower = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    let short: String = lower.take(52).collect();
    short.trim_matches('-').to_owned()
}
