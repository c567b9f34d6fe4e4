//! Losses in a sentence.

use crate::report::Losses;
use crate::units;

/// `179 of 980 acknowledged writes lost; two primaries for 4.56 s; 12 stale reads`, or how good it was; nothing where
/// nobody looked.
pub(crate) fn sentence(losses: &Losses) -> Option<String> {
    let lost = losses.lost_writes?;
    let mut parts = vec![match (lost, losses.acknowledged_writes) {
        (0, 0) => "no write was acknowledged".to_owned(),
        (0, n) => format!("none of {} acknowledged writes lost", units::count(n)),
        (lost, n) => format!("{} of {} acknowledged writes lost", units::count(lost), units::count(n)),
    }];
    parts.extend(losses.two_primaries_ns.map(|ns| match ns {
        0 => "never two primaries".to_owned(),
        ns => format!("two primaries for {}", units::duration(ns)),
    }));
    parts.extend(losses.stale_reads.map(|reads| match reads {
        0 => "no stale read".to_owned(),
        1 => "1 stale read".to_owned(),
        n => format!("{} stale reads", units::count(n)),
    }));
    Some(parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_says_as_much_as_is_known() {
        let sentence = |losses: Losses| sentence(&losses);
        assert_eq!(sentence(Losses { acknowledged_writes: 9, ..Losses::default() }), None);
        let losses = Losses { acknowledged_writes: 1880, lost_writes: Some(2), ..Losses::default() };
        assert_eq!(sentence(losses.clone()).unwrap(), "2 of 1,880 acknowledged writes lost");
        let losses = Losses { lost_writes: Some(0), stale_reads: Some(1), two_primaries_ns: Some(0), ..losses };
        let said = "none of 1,880 acknowledged writes lost; never two primaries; 1 stale read";
        assert_eq!(sentence(losses).unwrap(), said);
    }
}
