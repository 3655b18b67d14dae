//! Shell patterns (`* ? [a-z] [[:digit:]] @(a|b) !(x)`), matched by walking sets of positions: no pattern can make it slow.

/// A compiled pattern. In its source, a backslash takes the meaning of the next character away.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Pattern(Vec<Item>);

#[derive(Clone, PartialEq, Debug)]
enum Item {
    Char(char),
    Any,
    Star,
    Set(bool, Vec<SetItem>),
    Group(char, Vec<Vec<Item>>),
}

#[derive(Clone, PartialEq, Debug)]
enum SetItem {
    Range(char, char),
    Class(String),
}

impl Pattern {
    pub(crate) fn new(source: &str) -> Self {
        let chars: Vec<char> = source.chars().collect();
        let mut at = 0;
        Pattern(items(&chars, &mut at, false, 0))
    }

    /// Whether the whole text matches.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        self.ends(&text, 0).last().copied().unwrap_or(false)
    }

    /// For each position of `text`, whether a match that begins at `start` can end there.
    fn ends(&self, text: &[char], start: usize) -> Vec<bool> {
        let mut from = vec![false; text.len() + 1];
        if let Some(place) = from.get_mut(start) {
            *place = true;
        }
        walk(&self.0, text, from)
    }

    /// The end (in characters) of the longest or shortest match that begins at `start`.
    pub(crate) fn match_at(&self, text: &[char], start: usize, longest: bool) -> Option<usize> {
        // Only so much of the text can be part of a match: without this, `${x//a/b}` would take the square of its length.
        let end = self.reach().map_or(text.len(), |reach| text.len().min(start + reach));
        let ends = self.ends(text.get(start..end)?, 0);
        let end = if longest { ends.iter().rposition(|e| *e) } else { ends.iter().position(|e| *e) };
        end.map(|end| start + end)
    }

    /// The most characters that can match, if there is a most.
    fn reach(&self) -> Option<usize> {
        let bounded = |item: &Item| !matches!(item, Item::Star | Item::Group(..));
        self.0.iter().all(bounded).then_some(self.0.len())
    }

    /// Whether a dot at the beginning is matched explicitly, as file names need it.
    pub(crate) fn begins_with_dot(&self) -> bool {
        matches!(self.0.first(), Some(Item::Char('.')))
    }
}

/// Whether a pattern's source has anything but ordinary characters.
pub(crate) fn is_pattern(source: &str) -> bool {
    let mut chars = source.chars().peekable();
    let mut bracket = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '*' | '?' => return true,
            '[' => bracket = true,
            ']' if bracket => return true,
            '@' | '+' | '!' if chars.peek() == Some(&'(') => return true,
            _ => {}
        }
    }
    false
}

/// The source without its protecting backslashes.
pub(crate) fn unescape(source: &str) -> String {
    let mut out = String::new();
    let mut chars = source.chars();
    while let Some(c) = chars.next() {
        if c == '\\' { out.extend(chars.next()) } else { out.push(c) }
    }
    out
}

/// Protects every special character.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if "*?[]\\()|!@+-^".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn items(chars: &[char], at: &mut usize, in_group: bool, depth: usize) -> Vec<Item> {
    let mut out = Vec::new();
    while let Some(&c) = chars.get(*at) {
        if in_group && (c == '|' || c == ')') {
            break;
        }
        *at += 1;
        match c {
            '?' | '*' | '+' | '@' | '!' if chars.get(*at) == Some(&'(') && depth < 20 && closes(chars, *at) => {
                *at += 1;
                let mut alternatives = vec![items(chars, at, true, depth + 1)];
                while chars.get(*at) == Some(&'|') {
                    *at += 1;
                    alternatives.push(items(chars, at, true, depth + 1));
                }
                *at += 1;
                out.push(Item::Group(c, alternatives));
            }
            '?' => out.push(Item::Any),
            '*' => {
                if out.last() != Some(&Item::Star) {
                    out.push(Item::Star);
                }
            }
            '[' => match set(chars, *at) {
                Some((item, end)) => {
                    out.push(item);
                    *at = end;
                }
                None => out.push(Item::Char('[')),
            },
            '\\' => {
                let next = chars.get(*at).copied();
                *at += 1;
                out.push(Item::Char(next.unwrap_or('\\')));
            }
            c => out.push(Item::Char(c)),
        }
    }
    out
}

/// Whether the bracket at `open` has a partner.
fn closes(chars: &[char], open: usize) -> bool {
    let mut depth = 0usize;
    let mut i = open;
    while let Some(c) = chars.get(i) {
        match c {
            '\\' => i += 1,
            '(' => depth += 1,
            ')' => {
                depth -= 1;
                if depth == 0 {
                    return true;
                }
            }
            _ => {}
        }
        i += 1;
    }
    false
}

/// A bracket expression after its `[`; gives it and the position after its `]`.
fn set(chars: &[char], start: usize) -> Option<(Item, usize)> {
    let mut i = start;
    let negated = matches!(chars.get(i), Some('!' | '^'));
    if negated {
        i += 1;
    }
    let mut members = Vec::new();
    let first = i;
    loop {
        let mut c = *chars.get(i)?;
        if c == ']' && i > first {
            return Some((Item::Set(negated, members), i + 1));
        }
        if c == '[' && chars.get(i + 1) == Some(&':') {
            let end = (i + 2..chars.len()).find(|&e| chars.get(e) == Some(&':') && chars.get(e + 1) == Some(&']'));
            if let Some(end) = end {
                members.push(SetItem::Class(chars.get(i + 2..end)?.iter().collect()));
                i = end + 2;
                continue;
            }
        }
        if c == '\\' {
            i += 1;
            c = *chars.get(i)?;
        }
        i += 1;
        if chars.get(i) == Some(&'-') && chars.get(i + 1).is_some_and(|n| *n != ']') {
            let mut end = *chars.get(i + 1)?;
            i += 2;
            if end == '\\' {
                end = *chars.get(i)?;
                i += 1;
            }
            members.push(SetItem::Range(c, end));
        } else {
            members.push(SetItem::Range(c, c));
        }
    }
}

/// Whether a character is in a POSIX class.
pub(crate) fn in_class(c: char, class: &str) -> bool {
    match class {
        "alpha" => c.is_alphabetic(),
        "digit" => c.is_ascii_digit(),
        "alnum" => c.is_alphanumeric(),
        "upper" => c.is_uppercase(),
        "lower" => c.is_lowercase(),
        "space" => c.is_whitespace(),
        "blank" => c == ' ' || c == '\t',
        "punct" => c.is_ascii_punctuation(),
        "print" => !c.is_control(),
        "graph" => !c.is_control() && !c.is_whitespace(),
        "cntrl" => c.is_control(),
        "xdigit" => c.is_ascii_hexdigit(),
        "word" => c.is_alphanumeric() || c == '_',
        _ => false,
    }
}

fn fits(item: &Item, c: char) -> bool {
    match item {
        Item::Char(own) => *own == c,
        Item::Any => true,
        Item::Set(negated, members) => {
            let inside = members.iter().any(|m| match m {
                SetItem::Range(a, b) => (*a..=*b).contains(&c),
                SetItem::Class(name) => in_class(c, name),
            });
            inside != *negated
        }
        Item::Star | Item::Group(..) => false,
    }
}

fn walk(items: &[Item], text: &[char], mut from: Vec<bool>) -> Vec<bool> {
    for item in items {
        from = match item {
            Item::Star => {
                let mut reached = false;
                from.iter()
                    .map(|f| {
                        reached |= *f;
                        reached
                    })
                    .collect()
            }
            Item::Group(kind, alternatives) => group(*kind, alternatives, text, &from),
            single => {
                let mut next = vec![false; from.len()];
                for (i, c) in text.iter().enumerate() {
                    if from.get(i) == Some(&true) && fits(single, *c) {
                        next[i + 1] = true;
                    }
                }
                next
            }
        };
    }
    from
}

fn either(a: &mut [bool], b: &[bool]) -> bool {
    let mut grew = false;
    for (a, b) in a.iter_mut().zip(b) {
        grew |= *b && !*a;
        *a |= *b;
    }
    grew
}

fn group(kind: char, alternatives: &[Vec<Item>], text: &[char], from: &[bool]) -> Vec<bool> {
    let once = |from: &[bool]| {
        let mut to = vec![false; from.len()];
        for alternative in alternatives {
            either(&mut to, &walk(alternative, text, from.to_vec()));
        }
        to
    };
    match kind {
        '@' => once(from),
        '?' => {
            let mut to = once(from);
            either(&mut to, from);
            to
        }
        '!' => {
            let mut to = vec![false; from.len()];
            for start in (0..from.len()).filter(|i| from[*i]) {
                let mut single = vec![false; from.len()];
                single[start] = true;
                let hit = once(&single);
                for (end, place) in to.iter_mut().enumerate().skip(start) {
                    *place |= !hit[end];
                }
            }
            to
        }
        _ => {
            let mut to = if kind == '*' { from.to_vec() } else { once(from) };
            loop {
                let more = once(&to);
                if !either(&mut to, &more) {
                    return to;
                }
            }
        }
    }
}
