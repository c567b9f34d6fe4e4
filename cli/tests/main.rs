//! One binary for all tests of this crate: linking sixteen takes longer than running them.

mod bad_input;
mod bugs;
mod compare;
mod counter;
mod docs;
mod emit;
mod explain;
mod faults;
mod files;
mod library;
mod locks;
mod manifests;
mod measures;
mod new;
mod outages;
mod outside;
mod page;
mod plans;
mod published;
mod roles;
mod serve;
mod shrink;
mod store_stories;
mod support;
mod sweep;
mod tidy;
