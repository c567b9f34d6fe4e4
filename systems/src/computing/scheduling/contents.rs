//! All that messages, records and facts hold is in the run's digest.

use super::command::{Change, Why};
use super::message::{End, Kick, Life, Parcel, SchedulingFact, SchedulingMessage, SchedulingRecord};
use super::task::{JobId, Lease, Needs, TaskId};
use crate::shared::contents::{Told, vary};
use sim_core::{Duration, NodeId};

type M = SchedulingMessage;
type F = SchedulingFact;

const A: NodeId = NodeId(4);
const B: NodeId = NodeId(5);
const TASK: TaskId = TaskId { job: JobId(1), index: 2 };
const OTHER: TaskId = TaskId { job: JobId(1), index: 3 };
const X: Lease = Lease { task: TASK, attempt: 1 };
const Y: Lease = Lease { task: TASK, attempt: 2 };
const KICK: Kick = Kick { entry: 1, due: 2, launch: 3 };
const LATER: Kick = Kick { launch: 4, ..KICK };

fn parcel(lease: Lease, work: u64) -> Parcel {
    Parcel { lease, work: Duration(work), needs: Needs { cpus: 1, memory: 2 }, block: 3, luck: 4 }
}

#[test]
fn messages() {
    let mut told = Told::<M>::new();
    vary!(told, M::Beat { life: Life(1) => Life(2), held: vec![X] => vec![X, Y], running: 1 => 0 });
    told.add("heard", &M::Heard);
    told.add("steal", &M::Steal);
    told.add("keeps", &M::Keeps);
    vary!(told, M::Elsewhere { leader: None => Some(A) });
    vary!(told, M::Launch { life: Life(1) => Life(2), parcel: parcel(X, 1) => parcel(X, 2) });
    vary!(told, M::Stop { lease: X => Y });
    vary!(told, M::Stopped { life: Life(1) => Life(2), lease: X => Y });
    vary!(told, M::Result { lease: X => Y });
    vary!(told, M::Staged { lease: X => Y });
    vary!(told, M::Finished { life: Life(1) => Life(2), lease: X => Y, well: true => false });
    vary!(told, M::Noted { lease: X => Y });
    vary!(told, M::Publish { leases: vec![X] => vec![Y] });
    vary!(told, M::Published { tasks: vec![TASK] => vec![OTHER] });
    vary!(told, M::Reserve { job: JobId(1) => JobId(2) });
    vary!(told, M::Want { life: Life(1) => Life(2), job: JobId(1) => JobId(2) });
    vary!(told, M::Nothing { job: JobId(1) => JobId(2) });
    vary!(told, M::Stolen { parcel: parcel(X, 1) => parcel(Y, 1) });
    for (name, kick) in [("one", KICK), ("another", LATER)] {
        told.add(&format!("kick {name}"), &M::Kick(kick));
        told.add(&format!("ran {name}"), &M::Ran(kick));
        told.add(&format!("staged {name}"), &M::RanStaged(kick));
        told.add(&format!("kicked {name}"), &M::Kicked(kick));
    }
}

#[test]
fn records() {
    let mut told = Told::<SchedulingRecord>::new();
    for (name, lease) in [("one", X), ("another", Y)] {
        told.add(&format!("staged {name}"), &SchedulingRecord::Staged(lease));
        told.add(&format!("public {name}"), &SchedulingRecord::Published(lease));
    }
    told.add("a firing", &SchedulingRecord::Ran(KICK));
    told.add("another", &SchedulingRecord::Ran(LATER));
}

#[test]
fn facts() {
    let mut told = Told::<F>::new();
    vary!(told, F::Leads { term: 1 => 2 });
    vary!(told, F::SteppedDown { term: 1 => 2 });
    vary!(told, F::Accepted { number: 1 => 2, job: JobId(1) => JobId(2), again: true => false });
    vary!(told, F::Picks { task: TASK => OTHER });
    let done = Change::Done { lease: X };
    let public = Change::Published { task: TASK };
    vary!(told, F::Decided { number: 1 => 2, part: 1 => 2, change: done => public, took: true => false });
    vary!(told, F::LeaseLost { lease: X => Y, why: Why::Expired => Why::Failed });
    vary!(told, F::ToldDone { lease: X => Y, well: true => false });
    vary!(told, F::Registered { worker: A => B });
    vary!(told, F::Started { lease: X => Y, slot: 1 => 2, remote: true => false });
    vary!(told, F::Ended { lease: X => Y, how: End::Well => End::Stopped });
    vary!(told, F::Gave { lease: X => Y, to: A => B });
    vary!(told, F::Staged { lease: X => Y });
    vary!(told, F::Published { lease: X => Y });
    vary!(told, F::Missing { lease: X => Y });
}

#[test]
fn changes() {
    let mut told = Told::<Change>::new();
    vary!(told, Change::Grant { task: TASK => OTHER, worker: A => B, life: Life(1) => Life(2) });
    vary!(told, Change::Done { lease: X => Y });
    vary!(told, Change::Lost { lease: X => Y, why: Why::Expired => Why::Overdue });
    vary!(told, Change::Published { task: TASK => OTHER });
    vary!(told, Change::Fire { entry: 1 => 2, due: 3 => 4, work: None => Some(Duration(1)) });
}
