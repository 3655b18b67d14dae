//! Wildcard matching in linear passes: no pattern makes it back-track.

use super::{ANY_LINES, ANY_TEXT};

/// The lines of an output: blanks at line ends removed, blank lines at the end removed.
pub fn output_lines(output: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = output.split('\n').map(str::trim_end).collect();
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines
}

/// Whether an output is what the expected lines say.
pub fn matches(expected: &[String], output: &str) -> bool {
    lines_match(expected, &output_lines(output))
}

/// Whether lines are what the expected lines say.
///
/// The stretches between two `...` are each placed as early as possible, the last one at the very end. The earliest
/// place never spoils a later one, so nothing is tried twice: the work is at most expected times actual lines.
pub(super) fn lines_match(expected: &[String], actual: &[&str]) -> bool {
    let mut end = expected.len();
    while expected.get(..end).and_then(<[_]>::last).is_some_and(|line| line.trim_end().is_empty()) {
        end -= 1;
    }
    let mut stretches = expected.get(..end).unwrap_or(expected).split(|line| line.trim_end() == ANY_LINES);
    let first = stretches.next().unwrap_or(&[]);
    let Some(mut rest) = strip_stretch(first, actual) else { return false };
    let stretches: Vec<&[String]> = stretches.collect();
    let Some((last, middle)) = stretches.split_last() else { return rest.is_empty() };
    for stretch in middle {
        let Some(after) = (0..=rest.len()).find_map(|at| strip_stretch(stretch, rest.get(at..)?)) else { return false };
        rest = after;
    }
    rest.len()
        .checked_sub(last.len())
        .and_then(|at| rest.get(at..))
        .is_some_and(|tail| strip_stretch(last, tail).is_some())
}

/// What follows `stretch` in `actual`, if `actual` begins with it.
fn strip_stretch<'a, 'b>(stretch: &[String], actual: &'a [&'b str]) -> Option<&'a [&'b str]> {
    let (head, rest) = actual.split_at_checked(stretch.len())?;
    stretch.iter().zip(head).all(|(pattern, line)| line_matches(pattern, line)).then_some(rest)
}

/// Whether a line is what an expected line says, `[..]` standing for any text, be it empty. Blanks at the end do not
/// count on either side.
pub fn line_matches(pattern: &str, line: &str) -> bool {
    let (pattern, line) = (pattern.trim_end(), line.trim_end());
    let mut parts = pattern.split(ANY_TEXT);
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or("")) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or("");
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(expected: &str, output: &str) -> bool {
        let expected: Vec<String> = expected.lines().map(str::to_owned).collect();
        matches(&expected, output)
    }

    #[test]
    fn within_a_line() {
        assert!(line_matches("time=[..] ms", "time=0.05 ms"));
        assert!(line_matches("a[..]", "a") && line_matches("[..]a", "a") && line_matches("[..]", ""));
        assert!(line_matches("[..]b[..]b", "abb") && !line_matches("b[..]b", "b"));
        assert!(!line_matches("a[..]b", "abc") && !line_matches("a", "ab"));
        assert!(line_matches("a", "a  ") && line_matches("a \t", "a") && !line_matches(" a", "a"));
    }

    #[test]
    fn across_lines() {
        assert!(check("a\n...\nd", "a\nb\nc\nd\n"));
        assert!(check("a\n...\nd", "a\nd\n"));
        assert!(check("...", "") && check("...", "a\nb\n"));
        assert!(check("...\nb\n...", "a\nb\n"));
        assert!(check("a\n...\nb\nc\n...\nb", "a\nx\nb\nb\nc\nb\n"));
        assert!(!check("a\n...\nb", "a\nb\nc\n"));
        assert!(!check("a\n...\nd", "a\nb\n"));
        assert!(!check("a", "a\nb\n"));
    }

    #[test]
    fn blank_lines_at_the_end_do_not_count_others_do() {
        assert!(check("a\n\n", "a\n") && check("a", "a\n\n\n"));
        assert!(!check("a\nb", "a\n\nb\n") && check("a\n\nb", "a\n\nb\n"));
    }

    #[test]
    fn many_wildcards_take_no_time() {
        let expected: Vec<String> = ["...", "a"].repeat(2_000).into_iter().map(str::to_owned).collect();
        let output = "a\n".repeat(2_000) + "b\n";
        assert!(!matches(&expected, &output));
        assert!(!line_matches(&"a[..]".repeat(5_000), &("a".repeat(4_999) + "b")));
    }

    /// The definition, by recursion: what the linear passes must agree with.
    fn by_definition(expected: &[String], actual: &[&str]) -> bool {
        match expected.split_first() {
            None => actual.is_empty(),
            Some((any, rest)) if any == "..." => (0..=actual.len()).any(|n| by_definition(rest, &actual[n..])),
            Some((first, rest)) => {
                actual.split_first().is_some_and(|(a, b)| line_matches(first, a) && by_definition(rest, b))
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(
            mut expected in prop::collection::vec(prop::sample::select(vec!["a", "b", "...", "[..]"]), 0..7),
            actual in prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 0..7),
        ) {
            let owned: Vec<String> = expected.drain(..).map(str::to_owned).collect();
            prop_assert_eq!(lines_match(&owned, &actual), by_definition(&owned, &actual));
        }

        #[test]
        fn text_matches_itself(text in "[a-c. \\[\\]\n]{0,40}") {
            let lines: Vec<String> = output_lines(&text).into_iter().map(str::to_owned).collect();
            prop_assert!(matches(&lines, &text));
        }
    }
}
