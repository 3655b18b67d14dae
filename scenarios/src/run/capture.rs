//! Which links are captured: `--capture all|none|GLOB`.

use std::convert::Infallible;
use std::str::FromStr;

/// Chooses links by their labels `machine:link` and `machine/namespace:link`.
///
/// ```
/// use hopwise_scenarios::run::CaptureFilter;
/// let filter: CaptureFilter = "worker?/*:eth0".parse()?;
/// assert!(filter.takes("worker1/netns1:eth0") && !filter.takes("leaf03:swp1"));
/// # Ok::<(), std::convert::Infallible>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CaptureFilter {
    /// Every link.
    #[default]
    All,
    /// No link: no captures are written.
    None,
    /// The links whose label this pattern fits: `*` is any text, `?` any one character.
    Glob(String),
}

impl CaptureFilter {
    /// Whether a link with this label is captured.
    pub fn takes(&self, label: &str) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Glob(pattern) => fits(&pattern.chars().collect::<Vec<_>>(), &label.chars().collect::<Vec<_>>()),
        }
    }
}

impl FromStr for CaptureFilter {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "all" => Self::All,
            "none" => Self::None,
            pattern => Self::Glob(pattern.to_owned()),
        })
    }
}

/// Each stretch between two `*` is placed as early as possible: linear in pattern times label.
fn fits(pattern: &[char], label: &[char]) -> bool {
    let same = |p: &[char], l: &[char]| p.len() == l.len() && p.iter().zip(l).all(|(p, l)| *p == '?' || p == l);
    let mut stretches = pattern.split(|c| *c == '*');
    let first = stretches.next().unwrap_or(&[]);
    let Some((head, mut rest)) = label.split_at_checked(first.len()) else { return false };
    if !same(first, head) {
        return false;
    }
    let stretches: Vec<&[char]> = stretches.collect();
    let Some((last, middle)) = stretches.split_last() else { return rest.is_empty() };
    for stretch in middle {
        let found = (0..=rest.len()).find(|at| rest.get(*at..at + stretch.len()).is_some_and(|l| same(stretch, l)));
        let Some(at) = found else { return false };
        rest = rest.get(at + stretch.len()..).unwrap_or(&[]);
    }
    rest.len().checked_sub(last.len()).and_then(|at| rest.get(at..)).is_some_and(|tail| same(last, tail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, label, expected) in [
            ("all", "a:b", true),
            ("none", "a:b", false),
            ("a:*", "a:b", true),
            ("a:*", "a/n:b", false),
            ("*:b", "a/n:b", true),
            ("a*b*c", "axbxbc", true),
            ("a*b*c", "axbxb", false),
            ("?:b", "a:b", true),
            ("?:b", "é:b", true),
            ("?:b", ":b", false),
            ("**", "", true),
            ("", "a", false),
        ] {
            assert_eq!(pattern.parse::<CaptureFilter>().unwrap().takes(label), expected, "{pattern} {label}");
        }
    }
}
