//! Places labels in lanes so that none overlap; what does not fit is left out and counted.

/// A label that wants to be near a place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    /// Left edge it would like.
    pub left: f64,
    /// Its width.
    pub width: f64,
    /// Higher goes first.
    pub weight: f64,
}

/// The lane and left edge of each label, or nothing where there is no room.
///
/// Heavier labels choose first; each takes the topmost lane in which it is free. `gap` pixels stay between neighbours
/// and nothing leaves `from..to`: a label near the right end is moved left.
pub(crate) fn lanes(wishes: &[Wish], lanes: usize, from: f64, to: f64, gap: f64) -> Vec<Option<(usize, f64)>> {
    let mut order: Vec<usize> = (0..wishes.len()).collect();
    order.sort_by(|a, b| wishes[*b].weight.total_cmp(&wishes[*a].weight).then(a.cmp(b)));
    let mut taken: Vec<Vec<(f64, f64)>> = vec![Vec::new(); lanes];
    let mut placed = vec![None; wishes.len()];
    for index in order {
        let Wish { left, width, .. } = wishes[index];
        if width > to - from {
            continue;
        }
        let left = left.clamp(from, to - width);
        let free = |lane: &[(f64, f64)]| lane.iter().all(|(l, r)| left >= r + gap || left + width + gap <= *l);
        if let Some(lane) = (0..lanes).find(|lane| free(&taken[*lane])) {
            taken[lane].push((left, left + width));
            placed[index] = Some((lane, left));
        }
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn labels_never_overlap_nor_leave(
            wishes in proptest::collection::vec((0.0_f64..1000.0, 10.0_f64..300.0, 0.0_f64..1.0), 0..60),
            count in 1_usize..4,
        ) {
            let wish = |(left, width, weight)| Wish { left, width, weight };
            let wishes: Vec<Wish> = wishes.into_iter().map(wish).collect();
            let placed = lanes(&wishes, count, 0.0, 1000.0, 8.0);
            for (i, a) in placed.iter().enumerate() {
                let Some((lane, left)) = a else { continue };
                prop_assert!(*lane < count && *left >= 0.0 && left + wishes[i].width <= 1000.0 + 1e-9);
                for (j, b) in placed.iter().enumerate().skip(i + 1) {
                    let Some((other, at)) = b else { continue };
                    let apart = *left >= at + wishes[j].width || *at >= left + wishes[i].width;
                    prop_assert!(lane != other || apart, "{i} and {j}");
                }
            }
            // Somebody always fits.
            prop_assert!(wishes.is_empty() || placed.iter().any(Option::is_some));
        }
    }

    #[test]
    fn two_at_one_place_are_staggered() {
        let wish = Wish { left: 10.0, width: 50.0, weight: 1.0 };
        assert_eq!(lanes(&[wish, wish, wish], 2, 0.0, 100.0, 4.0), [Some((0, 10.0)), Some((1, 10.0)), None]);
    }
}
