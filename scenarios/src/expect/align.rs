//! Which expected line is which line of the output, when they do not agree as a whole.
//!
//! The same alignment serves the difference that is shown and the lines that `--bless` writes, and it works on words
//! of a line as on lines of an output: a sequence of elements, some of which are wildcards.

use std::ops::Range;

/// What became of an element. Indices into the pattern and into the actual sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// The pattern's element fits the actual one.
    Keep(usize, usize),
    /// The wildcard stands for these actual elements.
    Wild(usize, Range<usize>),
    /// The pattern's element became another one.
    Replace(usize, usize),
    /// The pattern's element fits nothing.
    Remove(usize),
    /// An actual element that the pattern does not have.
    Insert(usize),
}

/// Above this many cells (pattern elements times actual elements) no alignment is searched: it would take longer than
/// the lab. The caller then shows or writes the actual sequence as it is.
const MAX_CELLS: usize = 4_000_000;

/// One element that fits outweighs any number of replaced ones.
const KEEP: u64 = 1 << 24;
/// Replacing is better than removing here and inserting there, which gives up where things stand.
const REPLACE: u64 = 1;

/// What to do in a cell of the table.
#[derive(Clone, Copy)]
enum Step {
    Done,
    Keep,
    /// The wildcard ends here (if what follows it fits) or takes one more element.
    WildEnd,
    WildMore,
    Replace,
    Remove,
    Insert,
}

/// Aligns `pattern` elements (`wild(i)` tells wildcards) with `actual` elements so that as many as possible fit.
///
/// A wildcard is kept only if the element behind it fits what follows its stretch, or if it stands at the end: a
/// wildcard without that would swallow what the author wanted compared. `None` if the sequences are too long.
pub(super) fn align(
    pattern: usize,
    actual: usize,
    wild: impl Fn(usize) -> bool,
    fits: impl Fn(usize, usize) -> bool,
) -> Option<Vec<Edit>> {
    let width = actual + 1;
    let cells = (pattern + 1).checked_mul(width).filter(|cells| *cells <= MAX_CELLS)?;
    let mut score = vec![0u64; cells];
    // Score of a cell from which the wildcard has begun and may take more.
    let mut taking = vec![0u64; width];
    let mut plan = vec![(Step::Done, Step::Done); cells];
    let at = |i: usize, j: usize| i * width + j;
    let get = |score: &[u64], i: usize, j: usize| score.get(at(i, j)).copied().unwrap_or(0);
    for i in (0..=pattern).rev() {
        for j in (0..=actual).rev() {
            if i == pattern {
                set(&mut plan, at(i, j), (if j == actual { Step::Done } else { Step::Insert }, Step::Done));
                continue;
            }
            let mut best = (get(&score, i + 1, j), Step::Remove);
            let mut inner = Step::Done;
            if wild(i) {
                let ends_here = if i + 1 == pattern {
                    (j == actual).then_some(KEEP)
                } else {
                    (j < actual && !wild(i + 1) && fits(i + 1, j)).then(|| 2 * KEEP + get(&score, i + 2, j + 1))
                };
                let more = if j < actual { taking.get(j + 1).copied().unwrap_or(0) } else { 0 };
                let (value, step) = match ends_here {
                    Some(value) if value >= more => (value, Step::WildEnd),
                    _ => (more, Step::WildMore),
                };
                set(&mut taking, j, value);
                inner = step;
                if value > best.0 {
                    best = (value, step);
                }
            } else if j < actual {
                if fits(i, j) {
                    best = max(best, (KEEP + get(&score, i + 1, j + 1), Step::Keep));
                } else {
                    best = max(best, (REPLACE + get(&score, i + 1, j + 1), Step::Replace));
                }
            }
            if j < actual && get(&score, i, j + 1) > best.0 {
                best = (get(&score, i, j + 1), Step::Insert);
            }
            set(&mut score, at(i, j), best.0);
            set(&mut plan, at(i, j), (best.1, inner));
        }
    }
    Some(walk(pattern, actual, |i, j| plan.get(at(i, j)).copied().unwrap_or((Step::Done, Step::Done))))
}

fn set<T>(table: &mut [T], at: usize, value: T) {
    if let Some(cell) = table.get_mut(at) {
        *cell = value;
    }
}

fn max(a: (u64, Step), b: (u64, Step)) -> (u64, Step) {
    if b.0 > a.0 { b } else { a }
}

/// Follows the plan from the beginning.
fn walk(pattern: usize, actual: usize, plan: impl Fn(usize, usize) -> (Step, Step)) -> Vec<Edit> {
    let (mut i, mut j) = (0, 0);
    let mut edits = Vec::new();
    while i < pattern || j < actual {
        match plan(i, j).0 {
            Step::Keep => {
                edits.push(Edit::Keep(i, j));
                (i, j) = (i + 1, j + 1);
            }
            Step::Replace => {
                edits.push(Edit::Replace(i, j));
                (i, j) = (i + 1, j + 1);
            }
            Step::Insert => {
                edits.push(Edit::Insert(j));
                j += 1;
            }
            Step::WildEnd | Step::WildMore => {
                let start = j;
                while j < actual && matches!(plan(i, j).1, Step::WildMore) {
                    j += 1;
                }
                edits.push(Edit::Wild(i, start..j));
                i += 1;
            }
            Step::Remove | Step::Done => {
                edits.push(Edit::Remove(i));
                i += 1;
            }
        }
    }
    edits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `.` is the wildcard. The result: kept elements as they are, `-x` removed, `+x` inserted, `x>y` replaced.
    fn aligned(pattern: &str, actual: &str) -> String {
        let (p, a) = (pattern.as_bytes(), actual.as_bytes());
        let edits = align(p.len(), a.len(), |i| p[i] == b'.', |i, j| p[i] == a[j]).unwrap();
        let show = |edit: Edit| match edit {
            Edit::Keep(i, _) => pattern[i..=i].to_owned(),
            Edit::Wild(_, range) => format!("({})", &actual[range]),
            Edit::Replace(i, j) => format!("{}>{}", &pattern[i..=i], &actual[j..=j]),
            Edit::Remove(i) => format!("-{}", &pattern[i..=i]),
            Edit::Insert(j) => format!("+{}", &actual[j..=j]),
        };
        edits.into_iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_fits_is_kept() {
        assert_eq!(aligned("abc", "abc"), "a b c");
        assert_eq!(aligned("abc", "axc"), "a b>x c");
        assert_eq!(aligned("abc", "ac"), "a -b c");
        assert_eq!(aligned("ac", "abc"), "a +b c");
        assert_eq!(aligned("", "ab"), "+a +b");
        assert_eq!(aligned("ab", ""), "-a -b");
    }

    #[test]
    fn a_wildcard_stays_where_its_end_fits() {
        assert_eq!(aligned("a.d", "abcd"), "a (bc) d");
        assert_eq!(aligned("x.d", "abcd"), "x>a (bc) d");
        assert_eq!(aligned("a.", "bcd"), "a>b (cd)");
        assert_eq!(aligned("a.d", "ad"), "a () d");
        assert_eq!(aligned(".b", "b"), "() b");
    }

    #[test]
    fn a_wildcard_without_its_end_goes() {
        assert_eq!(aligned("a.d", "abc"), "a -. d>b +c");
        assert_eq!(aligned("a..d", "abcd"), "a -. (bc) d");
    }

    proptest! {
        #[test]
        fn each_element_has_one_fate(pattern in "[ab.]{0,9}", actual in "[abc]{0,9}") {
            let (p, a) = (pattern.as_bytes(), actual.as_bytes());
            let edits = align(p.len(), a.len(), |i| p[i] == b'.', |i, j| p[i] == a[j]).unwrap();
            let (mut i, mut j) = (0, 0);
            for edit in edits {
                let (di, dj) = match edit {
                    Edit::Keep(x, y) | Edit::Replace(x, y) => { prop_assert_eq!((x, y), (i, j)); (1, 1) }
                    Edit::Wild(x, range) => { prop_assert_eq!((x, range.start), (i, j)); (1, range.len()) }
                    Edit::Remove(x) => { prop_assert_eq!(x, i); (1, 0) }
                    Edit::Insert(y) => { prop_assert_eq!(y, j); (0, 1) }
                };
                (i, j) = (i + di, j + dj);
            }
            prop_assert_eq!((i, j), (p.len(), a.len()));
        }
    }
}
