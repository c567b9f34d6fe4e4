//! The programs that run at applications: generated operations.

use super::message::RedlockRequest;
use super::node::Machine;
use sim_core::workload::Generated;

sim_core::operations! {
    RedlockRequest of op {
        read "look": Self::Look { lock = op.key } on lock, "asks a majority of instances whether a lock is taken";
        write "touch": Self::Touch { lock = op.key } on lock, "takes a lock if it is free, and lets it go at once";
        write "lock": Self::Lock { lock = op.key } on lock,
            "takes a lock, writes to the store if there is one, and lets it go";
    }
}

/// A program at an application.
pub type RedlockClient = Generated<Machine>;
