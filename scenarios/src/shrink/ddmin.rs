//! Delta debugging: the smallest list that still fails, in which nothing more can be left out (Zeller and Hildebrandt,
//! "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 2002, algorithm ddmin).
//!
//! Halves first, then the complements of ever smaller parts. Beyond halves, parts are not tried alone: a failure that
//! needs several items is hardly ever in one small part, and one that needs a single item is found by complements too.

/// Shrinks `items`. `first` is given candidates and says which is the first of them that still fails.
///
/// The result still fails if `items` does, and fails no more without any single one of its items: the last round asks
/// for each of them.
pub fn ddmin<T: Clone>(items: Vec<T>, mut first: impl FnMut(&[Vec<T>]) -> Option<usize>) -> Vec<T> {
    if items.is_empty() || first(&[Vec::new()]).is_some() {
        return Vec::new();
    }
    let mut items = items;
    let mut parts = 2;
    // Where to begin: behind what was left out last, because what lies before has just been found to be needed.
    let mut begin = 0;
    while items.len() >= 2 {
        parts = parts.min(items.len());
        let without: Vec<Vec<T>> = (0..parts).map(|i| complement(&items, parts, (begin + i) % parts)).collect();
        match first(&without) {
            Some(found) => {
                begin = (begin + found) % parts;
                items.clone_from(&without[found]);
                parts = (parts - 1).max(2);
                begin %= parts;
            }
            None if parts == items.len() => break,
            None => {
                parts *= 2;
                begin = 0;
            }
        }
    }
    items
}

/// `items` without each of `parts` parts.
pub fn complements<T: Clone>(items: &[T], parts: usize) -> Vec<Vec<T>> {
    (0..parts).map(|part| complement(items, parts, part)).collect()
}

/// `items` without part number `part` of `parts` nearly equal ones.
fn complement<T: Clone>(items: &[T], parts: usize, part: usize) -> Vec<T> {
    let edge = |i: usize| i * items.len() / parts;
    items[..edge(part)].iter().chain(&items[edge(part + 1)..]).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Shrinks `0..n` under an oracle; gives the result and how many lists were looked at.
    fn shrunk(n: usize, fails: impl Fn(&[usize]) -> bool) -> (Vec<usize>, usize) {
        let mut asked = 0;
        let result = ddmin((0..n).collect(), |candidates| {
            let found = candidates.iter().position(|c| fails(c));
            asked += found.map_or(candidates.len(), |i| i + 1);
            found
        });
        (result, asked)
    }

    proptest! {
        #[test]
        fn what_is_needed_is_found_exactly(
            n in 1_usize..120, picks in proptest::collection::btree_set(0_usize..120, 0..6),
        ) {
            let needed: Vec<usize> = picks.into_iter().filter(|i| *i < n).collect();
            let (result, _) = shrunk(n, |c| needed.iter().all(|i| c.contains(i)));
            prop_assert_eq!(result, needed);
        }

        /// An oracle without any order in it: whether a list fails depends on its sum, and the whole does.
        #[test]
        fn the_result_fails_and_no_item_can_be_left_out(n in 1_usize..60, modulus in 1_usize..9, least in 0_usize..30) {
            let whole: usize = (0..n).sum();
            let fails = |c: &[usize]| {
                let sum = c.iter().sum::<usize>();
                sum % modulus == whole % modulus && sum >= least.min(whole)
            };
            let (result, _) = shrunk(n, fails);
            prop_assert!(fails(&result));
            for i in 0..result.len() {
                let mut without = result.clone();
                without.remove(i);
                prop_assert!(!fails(&without), "{result:?} without {}", result[i]);
            }
        }
    }

    #[test]
    fn few_of_many_are_found_in_few_runs() {
        let (result, asked) = shrunk(1000, |c| [3, 500, 501].iter().all(|i| c.contains(i)));
        assert_eq!(result, [3, 500, 501]);
        assert!(asked < 150, "{asked}");
    }
}
