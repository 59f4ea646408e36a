//! The valid key most like a mistyped one.

/// The candidate with the smallest edit distance, if it is close enough to be meant.
pub(super) fn nearest<'k>(key: &str, candidates: impl Iterator<Item = &'k str>) -> Option<String> {
    candidates
        .map(|candidate| (distance(key, candidate), candidate))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 2)
        .map(|(_, candidate)| candidate.to_owned())
}

/// Levenshtein distance, one row at a time.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = i;
        let mut previous = i + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(&right) {
            let above = *cell;
            let substituted = diagonal + usize::from(a != *b);
            diagonal = above;
            previous = substituted.min(above + 1).min(previous + 1);
            *cell = previous;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn a_typo_finds_its_key_and_nonsense_finds_none() {
        let keys = ["grpc.port", "grpc.host", "rest.port"];
        assert_eq!(nearest("grpc.prot", keys.into_iter()).as_deref(), Some("grpc.port"));
        assert_eq!(nearest("completely.different.thing", keys.into_iter()), None);
    }
}
