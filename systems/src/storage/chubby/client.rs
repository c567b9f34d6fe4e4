//! The programs that run at applications: generated operations.

use super::database::Mode;
use super::message::ChubbyRequest;
use super::node::Machine;
use sim_core::workload::Generated;

sim_core::operations! {
    ChubbyRequest of op {
        read "get": Self::Get { key = op.key } on key, "reads a file, from the cache if it is there";
        write "set": Self::Set { key = op.key, value = op.unique } on key, "writes a file";
        write "lock": Self::Lock { lock = op.key, mode is (Mode::Exclusive) } on lock,
            "takes a lock alone, writes to the store if there is one, and lets it go";
        write "share": Self::Lock { lock = op.key, mode is (Mode::Shared) } on lock,
            "takes a lock beside others, and lets it go";
        write "appear": Self::Appear, "makes an ephemeral file and keeps it open for a while";
    }
}

/// A program at an application.
pub type ChubbyClient = Generated<Machine>;
