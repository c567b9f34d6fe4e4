//! Kubernetes.

mod agenda;
mod api;
mod bugs;
mod checks;
mod client;
mod control;
mod controllers;
mod kubelet;
mod message;
mod node;
pub mod objects;
mod office;
mod operator;
mod options;
mod scheduler;
#[allow(dead_code)]
mod scheduling;
mod seed;
mod system;

pub use system::KubernetesSystem;
