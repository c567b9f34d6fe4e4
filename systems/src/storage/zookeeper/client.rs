//! The programs that run at applications: generated operations.

use super::message::ZkRequest;
use super::node::Machine;
use sim_core::workload::Generated;

sim_core::operations! {
    ZkRequest of op {
        read "get": Self::Get { key = op.key } on key, "reads a key at the server that the application is at";
        read "synced_get": Self::SyncedGet { key = op.key } on key, "reads a key after `sync`";
        write "set": Self::Set { key = op.key, value = op.unique } on key, "sets a key";
        write "cas": Self::Cas { key = op.key, value = op.unique } on key,
            "reads a key and sets it if its version is still the same";
        write "pair": Self::Pair { key = op.key, value = op.unique } on key, "sets two keys, both or neither";
        write "lock": Self::Lock { lock = op.key } on lock, "takes a lock, holds it for a while and lets it go";
        write "configure": Self::Configure { value = op.unique },
            "sets the configuration that every application watches";
        write "elect": Self::Elect, "stands for election, leads for a while and resigns";
        write "meet": Self::Meet { barrier = op.key } on barrier,
            "works for a while between the doors of a double barrier";
    }
}

/// A program at an application.
pub type ZkClient = Generated<Machine>;
