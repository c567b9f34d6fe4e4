//! Every known bug that breaks a safety rule is caught by that rule: in random storms, or step by step where luck would
//! need too long. With the bug off the same storms and steps are silent.

use crate::support::chaos::{Calm, paxos_storm_of, storm_of};
use crate::support::script::{self, Story};
use crate::support::{Paxos, Raft};
use sim_core::{Bug, System, Violation};
use systems::consensus::paxos::{PaxosBug, PaxosSystem};
use systems::consensus::raft::{RaftBug, RaftSystem};

/// The rule that must catch a bug, as `splitbrain list bugs` says.
fn rule_of<S: System>(name: &str) -> &'static str {
    let row = |row: &&Bug| row.name == name;
    S::BUGS.iter().find(row).expect("every bug is in the catalogue").violates
}

/// Seeds until the bug is caught by its own rule (others may catch it before).
fn until_caught(name: &str, rule: &str, most: u64, storm: impl Fn(u64, bool) -> Result<Calm, Violation>) {
    let mut others = sim_core::sorted::SortedSet::new();
    for seed in 0..most {
        if let Err(violation) = storm(seed, true) {
            if violation.rule == rule {
                storm(seed, false).unwrap_or_else(|v| panic!("correct code, seed {seed}: {v:?}"));
                return;
            }
            others.insert(violation.rule);
        }
    }
    panic!("{name} was not caught by {rule} in {most} storms, but by {others:?}");
}

fn storms_until_caught(bug: RaftBug, most: u64) {
    let rule = rule_of::<RaftSystem>(bug.name());
    until_caught(bug.name(), rule, most, |seed, on| storm_of(seed, if on { bug } else { RaftBug::None }));
}

fn paxos_storms_until_caught(bug: PaxosBug, most: u64) {
    let rule = rule_of::<PaxosSystem>(bug.name());
    until_caught(bug.name(), rule, most, |seed, on| paxos_storm_of(seed, if on { bug } else { PaxosBug::None }));
}

#[test]
fn storms_catch_wrong_promises() {
    paxos_storms_until_caught(PaxosBug::IgnoreAccepted, 10);
    paxos_storms_until_caught(PaxosBug::PromiseNotDurable, 20);
    paxos_storms_until_caught(PaxosBug::WipedVotesAtOnce, 30);
    paxos_storms_until_caught(PaxosBug::SharedBallots, 10);
}

#[test]
fn storms_catch_wrong_quorums_and_slots() {
    paxos_storms_until_caught(PaxosBug::CountMessages, 20);
    paxos_storms_until_caught(PaxosBug::QuorumsDoNotMeet, 20);
    paxos_storms_until_caught(PaxosBug::GapsNotFilled, 100);
    paxos_storms_until_caught(PaxosBug::HigherSlotsForgotten, 20);
}

#[test]
fn storms_catch_wrong_elections() {
    storms_until_caught(RaftBug::NoUpToDateCheck, 30);
    storms_until_caught(RaftBug::LengthOnlyCheck, 300);
    storms_until_caught(RaftBug::QuorumHalf, 100);
    storms_until_caught(RaftBug::VoteNotPersisted, 300);
}

#[test]
fn storms_catch_wrong_replication() {
    storms_until_caught(RaftBug::NoPrevTermCheck, 50);
    storms_until_caught(RaftBug::UnconditionalTruncation, 10);
    storms_until_caught(RaftBug::NoTruncation, 50);
    storms_until_caught(RaftBug::MatchFromNext, 50);
    storms_until_caught(RaftBug::AckBeforeSync, 100);
    storms_until_caught(RaftBug::SuccessByIndex, 50);
}

#[test]
fn storms_catch_a_follower_that_never_catches_up() {
    storms_until_caught(RaftBug::BacktrackOffByOne, 50);
}

#[test]
fn storms_catch_wrong_service() {
    storms_until_caught(RaftBug::SnapshotOmitsSessions, 50);
    storms_until_caught(RaftBug::LocalReads, 10);
    storms_until_caught(RaftBug::ReadBeforeOwnCommit, 10);
    storms_until_caught(RaftBug::NoSessionFilter, 10);
}

/// Runs `steps` with and without the bug.
fn steps_catch(bug: RaftBug, options: &str, steps: &str) {
    steps_break::<Raft>(bug.name(), rule_of::<RaftSystem>(bug.name()), options, steps);
}

fn steps_break<N: Story>(bug: &str, rule: &str, options: &str, steps: &str) {
    let run = |bug: &str| script::tell::<N>(&format!("cluster {options}{bug}\n{steps}"));
    let broken = format!("RULE BROKEN: {rule}");
    let with = run(&format!(" bug={bug}"));
    assert!(with.contains(&broken), "{with}");
    let without = run("");
    assert!(!without.contains("RULE BROKEN"), "{without}");
}

#[test]
fn a_vote_answered_after_the_first_of_two_writes() {
    // n2 learns of term 2 without voting, then votes for n1, crashes before the vote is on disk, and votes for n3.
    let steps = "campaign n2\nstabilize\ncampaign n3\nsync n3\nheartbeat n2\ndeliver n2->n3\ndeliver n3->n2 newest\n\
                 sync n2\ncampaign n1\nsync n1\ndeliver n1->n2\ndeliver n2->n1\ncrash n2\nrestart n2\ndeliver n3->n2\n\
                 sync n2\ndeliver n2->n3\ndeliver n2->n1";
    steps_catch(RaftBug::TermBeforeVote, "3 pre_vote=false check_quorum=false", steps);
}

#[test]
fn a_vote_that_arrives_twice() {
    let steps = "campaign n1\nsync n1\ndeliver n1->n2\nsync n2\nduplicate n2->n1\ndeliver n2->n1\ncampaign n3\nsync \
        n3\n\
                 deliver n3->n4\ndeliver n3->n5\nsync n4\nsync n5\ndeliver n4->n3\ndeliver n5->n3";
    steps_catch(RaftBug::DuplicateVotesCounted, "5 pre_vote=false check_quorum=false", steps);
}

#[test]
fn a_vote_of_an_earlier_term() {
    let steps = "campaign n1\nsync n1\ndeliver n1->n2\nsync n2\ncampaign n1\nsync n1\ncampaign n3\ncampaign n3\nsync \
        n3\n\
                 deliver n3->n2 newest\nsync n2\ndeliver n2->n3\ndeliver n2->n1";
    steps_catch(RaftBug::StaleVotesCounted, "3 pre_vote=false check_quorum=false", steps);
}

#[test]
fn a_vote_forgotten_when_the_leader_is_heard() {
    let steps = "campaign n1\nsync n1\ndeliver n1->n2\nsync n2\ndeliver n2->n1\ndrop n1->n2\nheartbeat n1\n\
                 deliver n1->n2\nsync n2\ncrash n2\nrestart n2\ncampaign n3\nsync n3\ndeliver n3->n2\nsync n2\n\
                 deliver n2->n3";
    steps_catch(RaftBug::VoteForgottenInTerm, "3 pre_vote=false check_quorum=false", steps);
}

#[test]
fn an_old_entry_committed_by_counting() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/transcripts/raft/figure8.txt");
    let text = std::fs::read_to_string(folder).expect("the transcript is there");
    let steps = text.split_once("max_batch=40\n").expect("begins with the cluster").1;
    steps_catch(RaftBug::CommitOldTerm, "5 pre_vote=false check_quorum=false max_batch=40", steps);
}

#[test]
fn a_lease_that_only_ticks_end() {
    let steps = "campaign n1\nstabilize\nheartbeat n1\nstabilize\nisolate n1\ncampaign n2\nstabilize\n\
                 ask n2 c1 put k1 new\nstabilize\nask n1 c2 get k1";
    steps_catch(RaftBug::LeaseByTicks, "3 leases=true", steps);
}

#[test]
fn a_lease_kept_while_another_takes_over() {
    let steps = "campaign n1\nstabilize\nheartbeat n1\nstabilize\norder n1 lead n2\ndeliver n1->n2\nisolate n1\n\
                 stabilize\nask n2 c1 put k1 new\nstabilize\nask n1 c2 get k1";
    steps_catch(RaftBug::LeaseKeptInTransfer, "3 leases=true", steps);
}

#[test]
fn a_read_before_the_log_is_applied() {
    let steps = "campaign n1\nstabilize\nisolate n3\nask n1 c1 put k1 a\nstabilize\nheal\nask n3 c2 get k1\n\
                 deliver n3->n1\ndeliver n1->n2\ndeliver n2->n1\ndeliver n1->n3 newest";
    steps_catch(RaftBug::ReadBeforeReplay, "3 follower_reads=true", steps);
}

#[test]
fn a_snapshot_that_arrives_late() {
    let steps = "campaign n1\nstabilize\nisolate n3\nask n1 c1 put k1 a\nstabilize\nask n1 c1 put k2 b\nstabilize\n\
                 ask n1 c1 put k3 c\nstabilize\nheal\nheartbeat n1\nheartbeat n1\ndeliver n1->n3\ndeliver n3->n1\n\
                 deliver n1->n3\ndeliver n3->n1\nduplicate n1->n3\ndeliver n1->n3 oldest\nsync n3\ndeliver n3->n1\n\
                 ask n1 c1 put k4 d\nsync n1\ndeliver n1->n2\nsync n2\ndeliver n2->n1\ndeliver n1->n3 newest\n\
                 heartbeat n1\nheartbeat n1\nsync n3\ndeliver n3->n1\nheartbeat n1\nheartbeat n1\n\
                 deliver n1->n3 newest\ndeliver n1->n3 oldest";
    steps_catch(RaftBug::SnapshotRollsBack, "3 snapshot_every=4 snapshot_keep=1", steps);
}

#[test]
fn a_promise_to_an_earlier_ballot() {
    // n2's promise to n1's first ballot is late. Meanwhile n3 has a value chosen, with n2; n1 tries again.
    let steps = "campaign n1\nsync n1\ndeliver n1->n2\nsync n2\ncampaign n3\nsync n3\ndeliver n3->n2\nsync n2\n\
                 deliver n2->n3\nask n3 c1 put k1 a\nsync n3\ndeliver n3->n2\nsync n2\ndeliver n2->n3\n\
                 campaign n1\nsync n1\ndeliver n2->n1 oldest";
    let bug = PaxosBug::StalePromises.name();
    steps_break::<Paxos>(bug, rule_of::<PaxosSystem>(bug), "3 check_quorum=false", steps);
}

#[test]
fn a_lease_counted_from_when_the_grant_arrives() {
    // n2's grant is late. When it has run out n2 leads, with n3, and acknowledges a write; then the grant arrives at
    // n1.
    let steps = "campaign n1\nstabilize\nask n1 c1 put k1 a\nstabilize\nheartbeat n1\ndeliver n1->n2\ndrop n1->n3\n\
                 campaign n2\nsync n2\ndeliver n2->n3\nsync n3\ndeliver n3->n2\nask n2 c1 put k1 b\nsync n2\n\
                 deliver n2->n3\nsync n3\ndeliver n3->n2\ndeliver n2->n1 oldest\nask n1 c2 get k1";
    let bug = PaxosBug::LeaseFromReceipt.name();
    steps_break::<Paxos>(bug, rule_of::<PaxosSystem>(bug), "3 leases=true", steps);
}
