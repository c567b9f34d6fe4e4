//! Fail-over: noticing that a node is gone, deciding who follows it, and what that costs those who wrote to it.
//!
//! | What | Where in the literature | Folder |
//! |---|---|---|
//! | Failure detectors: fixed timeout, phi accrual, SWIM | Chandra and Toueg 1996; Hayashibara et al. 2004; Das et al. 2002 | `detector/` |

pub mod detector;
