//! Other people's protocols, unchanged, with every verb of splitbrain: `hosted run scenarios/raft-rs/minimal.toml`.
//! `docs/adapters.md` says how each is hosted, `docs/findings.md` what broke.

mod command;
mod external;
mod host;
mod library;
mod noraft;
mod omni_paxos;
mod raft_rs;
mod rules;
mod swim;
mod swim_rules;

use splitbrain::Registry;
use splitbrain::prelude::Collect;

fn main() -> std::process::ExitCode {
    let mut registry = Registry::new();
    registry.add_unclonable::<raft_rs::RaftRsSystem>();
    registry.add_unclonable::<omni_paxos::OmniPaxosSystem>();
    registry.add_unclonable::<noraft::newest::BareSystem>();
    registry.add_unclonable::<noraft::raftbare::BareSystem>();
    registry.add_unclonable::<swim::FocaSystem>();
    registry.add_unclonable::<external::External>();
    splitbrain::main(registry)
}
