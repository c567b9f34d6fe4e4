//! The load: generated transactions.

use super::message::{CommitRequest, What};
use super::node::Machine;
use sim_core::workload::Generated;

sim_core::operations! {
    CommitRequest of op {
        read "audit": Self { what is (What::Audit), key = op.key, unique = op.unique } on key,
            "reads all accounts of the bank";
        write "transfer": Self { what is (What::Transfer), key = op.key, unique = op.unique } on key,
            "moves money from one account to another";
        read "lists": Self { what is (What::Lists), key = op.key, unique = op.unique } on key,
            "reads lists";
        write "append": Self { what is (What::Append), key = op.key, unique = op.unique } on key,
            "reads some lists and appends to others";
        read "registers": Self { what is (What::Registers), key = op.key, unique = op.unique } on key,
            "reads registers";
        write "write": Self { what is (What::Write), key = op.key, unique = op.unique } on key,
            "reads some registers and writes others";
        write "skew": Self { what is (What::Skew), key = op.key, unique = op.unique } on key,
            "reads two lists and appends to one of them";
        write "long": Self { what is (What::Long), key = op.key, unique = op.unique } on key,
            "as append, on many lists";
        read "get": Self { what is (What::Get), key = op.key, unique = op.unique } on key,
            "reads one list";
        write "put": Self { what is (What::Put), key = op.key, unique = op.unique } on key,
            "appends to one list";
    }
}

/// A client.
pub type CommitClient = Generated<Machine>;
