//! One binary for all tests of this crate: linking sixteen takes longer than running them.

mod availability;
mod compare;
mod files;
mod layers;
mod measured;
mod pages;
mod sample;
