//! Every field of every message, record and fact of the Synod is in the run's digest.

use super::message::{FACT_KINDS, MESSAGE_KINDS, SynodFact, SynodMessage, SynodRecord};
use crate::consensus::paxos::Ballot;
use crate::shared::contents::{Told, vary};

#[test]
fn messages_records_and_facts() {
    let (b1, b2) = (Ballot { round: 1, node: 2 }, Ballot { round: 2, node: 2 });
    let mut told = Told::messages();
    vary!(told, SynodMessage::Prepare { ballot: b1 => b2 });
    vary!(told, SynodMessage::Promise { ballot: b1 => b2, accepted: Some((b1, 1)) => Some((b1, 2)) });
    vary!(told, SynodMessage::Accept { ballot: b1 => b2, value: 3 => 4 });
    vary!(told, SynodMessage::Accepted { ballot: b1 => b2 });
    vary!(told, SynodMessage::Outbid { promised: b1 => b2 });
    told.covers(MESSAGE_KINDS);
    let mut told = Told::others();
    told.add("a promise", &SynodRecord::Promised(b1));
    told.add("another promise", &SynodRecord::Promised(b2));
    told.add("accepted", &SynodRecord::Accepted(b1, 1));
    told.add("accepted in another ballot", &SynodRecord::Accepted(b2, 1));
    told.add("another value accepted", &SynodRecord::Accepted(b1, 2));
    let mut told = Told::facts();
    vary!(told, SynodFact::Prepared { ballot: b1 => b2 });
    vary!(told, SynodFact::Decided { ballot: b1 => b2, value: 3 => 4 });
    told.covers(FACT_KINDS);
}
