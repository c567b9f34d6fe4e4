//! Examples at the end of each verb's help: a command, and what it is for.

/// By verb. Scenarios are those of the library, so that what is shown can be tried anywhere.
const EXAMPLES: &[(&str, &[(&str, &str)])] = &[
    (
        "run",
        &[
            ("run raft/leader-crash", "one story, from the library"),
            ("run my.toml --seed 7 --set network.loss=1%", "another day, on a worse network"),
            ("run --manifest app.yaml --fault 'crash node at 30s for 60s'", "manifests, without a scenario"),
        ],
    ),
    (
        "sweep",
        &[
            ("sweep raft/chaos --seeds 1..1000", "a thousand days; the same command goes on where it stopped"),
            ("sweep raft/leader-crash --vary cluster.nodes=3,5,7", "each seed with each of these"),
            ("sweep raft/chaos --seeds 1..500 --format junit > junit.xml", "for CI"),
            ("sweep raft/chaos --seeds 1..1000000 --emit slurm --shards 1000", "on a cluster of machines"),
        ],
    ),
    (
        "enumerate",
        &[
            (
                "enumerate raft/steady --set cluster.nodes=3 --depth 12",
                "every way of three replicas, twelve steps long",
            ),
            (
                "enumerate raft/steady --set cluster.nodes=3 --depth 24 --set system.bug=figure_8",
                "the shortest way into a bug",
            ),
        ],
    ),
    (
        "compare",
        &[
            ("compare raft/leader-crash paxos/leader-crash", "two designs under the same luck"),
            ("compare failover/async-loss --vary system.mode=async,semi_sync,sync", "three, ranked"),
            ("compare raft/leader-crash --remove-fault", "what does each fault cost?"),
            ("compare raft/nines --forecast --vary cluster.nodes=3,5", "minutes down in a year, side by side"),
        ],
    ),
    ("forecast", &[("forecast raft/nines --years 1", "minutes down in a year, and what is to blame")]),
    (
        "check",
        &[
            ("check my.toml", "all problems, with lines"),
            ("check raft/chaos --seeds 1..1000", "which faults these seeds have"),
        ],
    ),
    ("shrink", &[("shrink runs/raft-chaos/sweep/failures/5-seed6 --keep system.bug", "but with the bug still on")]),
    (
        "trace",
        &[
            ("trace runs/raft-leader-crash/42 --from 9.9s --to 10.5s", "what happened then"),
            ("trace runs/raft-leader-crash/42 --node n3 --fact elected", "who was elected, as n3 has it"),
            ("trace runs/raft-leader-crash/42 --format perfetto > trace.json", "for ui.perfetto.dev"),
        ],
    ),
    (
        "history",
        &[
            ("history history.edn --model kv", "Jepsen's, or our own history.jsonl"),
            ("history txns.edn --model list-append --level serializable", "transactions"),
        ],
    ),
    ("bugs", &[("bugs raft/chaos --seeds 1..200", "is each known bug caught, and how soon?")]),
    ("serve", &[("serve runs --export public", "pages to publish, and no server")]),
    ("new", &[("new raft my.toml", "every option and what it means"), ("new --protocol my-lock", "a crate")]),
];

/// The command line with them.
pub fn with(command: clap::Command, program: &str) -> clap::Command {
    EXAMPLES.iter().fold(command, |command, (verb, examples)| {
        let lines = examples.iter().map(|(line, what)| format!("\n  {program} {line}\n      {what}"));
        let text = format!("Examples:{}", lines.collect::<String>());
        command.mut_subcommand(verb, |verb| verb.after_help(text))
    })
}
