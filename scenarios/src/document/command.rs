//! How far a command reaches: continued lines and here-documents.
//!
//! A lab's command may go over several lines of the document. Which ones belong to it is decided without running
//! anything, from bash's grammar: a backslash at the end of a line continues it, and each `<<WORD` of the finished line
//! takes lines up to its end word. Only as much of the grammar is read here as tells a here-document from `<<` in
//! quotes, in a comment, in arithmetic or in a here-string.

/// A here-document that a command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HereDoc {
    /// The end word, after quote removal.
    pub word: String,
    /// `<<-`: leading tabs are not part of the lines, the end word's line included.
    pub strip_tabs: bool,
}

impl HereDoc {
    /// Whether `line` ends this here-document: the word and nothing else, as bash compares it.
    pub fn ended_by(&self, line: &str) -> bool {
        let line = if self.strip_tabs { line.trim_start_matches('\t') } else { line };
        line == self.word
    }
}

/// What a command still needs before it is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it can run.
    Nothing,
    /// Another line, because its last one ends in a backslash.
    Line,
    /// Lines up to this here-document's end word.
    HereDoc(HereDoc),
}

/// Collects the lines of one command.
///
/// ```
/// use hopwise_scenarios::document::command::{Collector, Need};
/// let mut command = Collector::new("cat <<EOF");
/// assert!(matches!(command.need(), Need::HereDoc(_)));
/// command.push("one line");
/// command.push("EOF");
/// assert_eq!(command.need(), Need::Nothing);
/// assert_eq!(command.text(), "cat <<EOF\none line\nEOF");
/// ```
#[derive(Clone, Debug)]
pub struct Collector {
    text: String,
    /// Here-documents whose end word has not been seen, the next one first.
    open: std::collections::VecDeque<HereDoc>,
    /// The command line itself has ended: what follows belongs to here-documents only.
    in_bodies: bool,
}

impl Collector {
    /// A command whose first line (without its prompt) is `line`.
    pub fn new(line: &str) -> Self {
        let mut this = Self { text: String::new(), open: Default::default(), in_bodies: false };
        this.add_command_line(line);
        this
    }

    /// What the command still needs.
    pub fn need(&self) -> Need {
        match self.open.front() {
            _ if !self.in_bodies => Need::Line,
            Some(doc) => Need::HereDoc(doc.clone()),
            None => Need::Nothing,
        }
    }

    /// The next line of the document, which [`need`](Self::need) asked for.
    pub fn push(&mut self, line: &str) {
        self.text.push('\n');
        if !self.in_bodies {
            self.add_command_line(line);
            return;
        }
        self.text.push_str(line);
        if self.open.front().is_some_and(|doc| doc.ended_by(line)) {
            self.open.pop_front();
        }
    }

    /// The command's text, its lines joined by newlines as they stand in the document.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn add_command_line(&mut self, line: &str) {
        self.text.push_str(line);
        let backslashes = line.bytes().rev().take_while(|&b| b == b'\\').count();
        if backslashes % 2 == 0 {
            self.in_bodies = true;
            self.open = here_documents(&self.text).into();
        }
    }
}

/// Where the reader of a command line stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    /// In commands: the line itself, `$( )`, `( )` or a backquoted part, ended by this character.
    Commands(Option<char>),
    /// In double quotes.
    Quoted,
    /// In `$(( ))` or `(( ))`; the number of parentheses still open.
    Arithmetic(u32),
    /// In `${ }`.
    Parameter,
}

/// The here-documents of a command line, in the order in which their bodies follow it.
pub fn here_documents(text: &str) -> Vec<HereDoc> {
    let mut reader = Reader { rest: text, before: '\n', stack: vec![Context::Commands(None)], found: Vec::new() };
    while reader.step().is_some() {}
    reader.found
}

struct Reader<'a> {
    rest: &'a str,
    /// The character before `rest`: a `#` begins a comment only after a blank or an operator.
    before: char,
    stack: Vec<Context>,
    found: Vec<HereDoc>,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        self.before = c;
        Some(c)
    }

    fn take(&mut self, prefix: &str) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                self.before = prefix.chars().next_back().unwrap_or(self.before);
                true
            }
            None => false,
        }
    }

    /// Skips to the end of a single-quoted string.
    fn single_quoted(&mut self) {
        while self.next().is_some_and(|c| c != '\'') {}
    }

    /// Reads one element of the text; `None` at its end.
    fn step(&mut self) -> Option<()> {
        let context = *self.stack.last().unwrap_or(&Context::Commands(None));
        if self.opens(context) {
            return Some(());
        }
        let before = self.before;
        let c = self.next()?;
        match (context, c) {
            (_, '\\') => {
                self.next();
            }
            (Context::Quoted, '"') | (Context::Parameter, '}') => self.close(),
            (Context::Quoted, _) => {}
            (_, '"') => self.stack.push(Context::Quoted),
            (Context::Commands(_) | Context::Parameter, '\'') => self.single_quoted(),
            (Context::Commands(Some(end)), c) if c == end => self.close(),
            (Context::Commands(_), '(') => self.stack.push(Context::Commands(Some(')'))),
            (Context::Commands(_), '#') if before.is_whitespace() || ";&|()".contains(before) => {
                self.rest = self.rest.find('\n').and_then(|i| self.rest.get(i..)).unwrap_or("");
            }
            (Context::Arithmetic(depth), '(') => self.replace(Context::Arithmetic(depth + 1)),
            (Context::Arithmetic(1), ')') => self.close(),
            (Context::Arithmetic(depth), ')') => self.replace(Context::Arithmetic(depth - 1)),
            _ => {}
        }
        Some(())
    }

    /// Takes what opens a context of its own, or a `<<`. Longer openings come first.
    fn opens(&mut self, context: Context) -> bool {
        let commands = matches!(context, Context::Commands(_));
        if self.take("$((") || (commands && self.take("((")) {
            self.stack.push(Context::Arithmetic(2));
        } else if self.take("$(") {
            self.stack.push(Context::Commands(Some(')')));
        } else if self.take("${") {
            self.stack.push(Context::Parameter);
        } else if context != Context::Commands(Some('`')) && self.take("`") {
            self.stack.push(Context::Commands(Some('`')));
        } else if commands && self.take("<<<") {
            // A here-string: its word is an ordinary one.
        } else if commands && self.take("<<") {
            self.here_document();
        } else {
            return false;
        }
        true
    }

    fn close(&mut self) {
        if self.stack.len() > 1 {
            self.stack.pop();
        }
    }

    fn replace(&mut self, context: Context) {
        self.close();
        self.stack.push(context);
    }

    /// The word after `<<` or `<<-`, with bash's quote removal.
    fn here_document(&mut self) {
        let strip_tabs = self.take("-");
        while self.take(" ") || self.take("\t") || self.take("\\\n") {}
        let mut word = String::new();
        let mut any = false;
        while let Some(c) = self.rest.chars().next() {
            if c.is_whitespace() || ";&|()<>".contains(c) {
                break;
            }
            any = true;
            self.next();
            match c {
                '\'' | '"' => word.extend(std::iter::from_fn(|| self.next().filter(|&q| q != c))),
                '\\' => word.extend(self.next()),
                '$' if matches!(self.rest.chars().next(), Some('\'' | '"')) => {}
                c => word.push(c),
            }
        }
        if any {
            self.found.push(HereDoc { word, strip_tabs });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str) -> Vec<String> {
        here_documents(text).into_iter().map(|d| format!("{}{}", if d.strip_tabs { "-" } else { "" }, d.word)).collect()
    }

    #[test]
    fn here_documents_of_bash() {
        for (text, expected) in [
            ("cat <<EOF", vec!["EOF"]),
            ("cat <<-EOF", vec!["-EOF"]),
            ("cat <<'E F' >x", vec!["E F"]),
            ("cat << \"EOF\"; ls", vec!["EOF"]),
            ("cat <<\\EOF|wc", vec!["EOF"]),
            ("cat <<A <<-B", vec!["A", "-B"]),
            ("x=$(cat <<EOF", vec!["EOF"]),
            ("echo \"$(cat <<EOF", vec!["EOF"]),
            ("cat <<''", vec![""]),
            ("cat <<E\"O\"F", vec!["EOF"]),
            ("echo `cat <<EOF", vec!["EOF"]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_a_here_document() {
        for text in [
            "cat <<<EOF",
            "echo '<<EOF'",
            "echo \"<<EOF\"",
            "echo $((1<<2))",
            "((x = 1 << 2))",
            "ls # <<EOF",
            "echo ${x:-<<EOF}",
            "echo \"a $((1 << (2)))\"",
            "cat <<",
        ] {
            assert_eq!(words(text), [""; 0], "{text}");
        }
        assert_eq!(words("echo $((1<<2)) <<EOF"), ["EOF"]);
        assert_eq!(words("echo a#b <<EOF"), ["EOF"]);
    }

    #[test]
    fn an_even_number_of_backslashes_does_not_continue() {
        assert_eq!(Collector::new("echo a\\").need(), Need::Line);
        assert_eq!(Collector::new("echo a\\\\").need(), Need::Nothing);
        assert_eq!(Collector::new("echo a\\\\\\").need(), Need::Line);
    }

    #[test]
    fn bodies_follow_the_continued_line() {
        let mut c = Collector::new("cat <<A - \\");
        c.push("<<-B");
        assert_eq!(c.need(), Need::HereDoc(HereDoc { word: "A".into(), strip_tabs: false }));
        for line in ["x\\", "A", "\tB"] {
            assert_ne!(c.need(), Need::Nothing);
            c.push(line);
        }
        assert_eq!(c.need(), Need::Nothing);
        assert_eq!(c.text(), "cat <<A - \\\n<<-B\nx\\\nA\n\tB");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[<$(){}`'\"\\\\#\\- a\n\té]{0,40}") {
            let _ = here_documents(&text);
            let mut c = Collector::new(&text);
            c.push(&text);
        }
    }
}
