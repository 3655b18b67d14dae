//! What is wrong with a text that is no program, in bash's words; and whether more lines could complete it.
//!
//! The grammar's parser says where it gave up, which is not always the token that bash's own LALR(1) parser (parse.y) stumbles over.
//! This recogniser walks the text once more, builds nothing, and stops at the first token that cannot go on.

use super::scan;

/// Why a text is no program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Wrong {
    /// This token cannot stand here.
    Token(String, usize),
    /// The text ends within a construct.
    End(usize),
    /// A quote, bracket or expansion is not closed: what would close it.
    Unclosed(&'static str, usize),
    /// `[[ ... ]]` is wrong: bash's sentence.
    Condition(String, usize),
    /// A regular expression's bracket swallows the rest of the text.
    OpenRegex(usize, usize),
    /// The last line ends with a backslash.
    Continued,
    /// A here-document's last line is missing.
    HereDocument,
    /// Deeper than is looked at.
    Deep,
}

/// Whether an interactive bash would ask for more (`PS2`).
pub(super) fn is_incomplete(text: &str) -> bool {
    let ends = Walk::new(text, 1).program();
    matches!(
        ends,
        Err(Wrong::End(_) | Wrong::Unclosed(..) | Wrong::OpenRegex(..) | Wrong::Continued | Wrong::HereDocument)
    )
}

/// Where the keyword `select` stands, outside of command substitutions (whose texts are parsed by themselves).
pub(super) fn selects(text: &str) -> Vec<usize> {
    let mut walk = Walk::new(text, 1);
    walk.lenient = true;
    let _ = walk.program();
    walk.selects
}

/// The first thing that is wrong with a text; `None`: nothing that this recogniser knows.
pub(super) fn diagnose(text: &str, first_line: usize) -> Option<Wrong> {
    let mut walk = Walk::new(text, first_line);
    walk.lenient = true;
    walk.program().err()
}

/// What the recogniser reads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Token {
    Word { text: String, quoted: bool },
    Op(&'static str),
    Newline,
    End,
}

/// Longest first.
const OPERATORS: [&str; 23] = [
    "&>>", "<<<", "<<-", ";;&", "&&", "||", ";;", ";&", "&>", ">>", "<<", "<&", ">&", "<>", ">|", "|&", ";", "&", "|",
    "<", ">", "(", ")",
];
const REDIRECTIONS: [&str; 12] = ["&>>", "<<<", "<<-", "&>", ">>", "<<", "<&", ">&", "<>", ">|", "<", ">"];
/// Words that end a list of commands.
const CLOSERS: [&str; 8] = ["then", "do", "done", "fi", "elif", "else", "esac", "}"];

pub(super) struct Walk<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
    pub(super) line: usize,
    pub(super) depth: usize,
    pub(super) token: Token,
    pub(super) token_line: usize,
    pub(super) here: Vec<(String, bool)>,
    /// Here-documents may end with the text, a last backslash is dropped: as in scripts.
    pub(super) lenient: bool,
    /// Where `select` stands as a keyword, outside of `$(...)`.
    pub(super) selects: Vec<usize>,
    pub(super) token_at: usize,
    pub(super) substitutions: usize,
}

pub(super) type Walked<T = ()> = Result<T, Wrong>;

impl<'t> Walk<'t> {
    pub(super) fn new(text: &'t str, line: usize) -> Self {
        Walk {
            text,
            at: 0,
            line,
            depth: 0,
            token: Token::Newline,
            token_line: line,
            here: Vec::new(),
            lenient: false,
            selects: Vec::new(),
            token_at: 0,
            substitutions: 0,
        }
    }

    pub(super) fn program(&mut self) -> Walked {
        self.advance()?;
        self.list(&[], true)?;
        if self.token == Token::End { Ok(()) } else { Err(self.unexpected()) }
    }

    pub(super) fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    pub(super) fn step(&mut self) {
        if self.byte(0) == Some(b'\n') {
            self.line += 1;
        }
        self.at += 1;
    }

    /// The line that bash has reached when the text is over.
    pub(super) fn last_line(&self) -> usize {
        self.line + usize::from(!self.text.is_empty() && !self.text.ends_with('\n'))
    }

    pub(super) fn unexpected(&self) -> Wrong {
        match &self.token {
            Token::Word { text, .. } => Wrong::Token(text.clone(), self.token_line),
            Token::Op(op) => Wrong::Token((*op).to_owned(), self.token_line),
            Token::Newline => Wrong::Token("newline".to_owned(), self.token_line),
            Token::End => Wrong::End(self.last_line()),
        }
    }

    /// Reads the next token into `self.token`.
    pub(super) fn advance(&mut self) -> Walked {
        loop {
            match self.byte(0) {
                Some(b' ' | b'\t') => self.at += 1,
                Some(b'\\') if self.byte(1) == Some(b'\n') => {
                    self.at += 2;
                    self.line += 1;
                    if self.at >= self.text.len() && !self.lenient {
                        return Err(Wrong::Continued);
                    }
                }
                Some(b'#') => {
                    while self.byte(0).is_some_and(|b| b != b'\n') {
                        self.at += 1;
                    }
                }
                _ => break,
            }
        }
        self.token_line = self.line;
        self.token_at = self.at;
        self.token = match self.byte(0) {
            // A text's last line ends like the others.
            None if self.token != Token::Newline && self.token != Token::End => Token::Newline,
            None => Token::End,
            Some(b'\n') => {
                self.step();
                Token::Newline
            }
            Some(_) => match self.operator() {
                Some(op) => {
                    self.at += op.len();
                    Token::Op(op)
                }
                None => return self.read_word(),
            },
        };
        if self.token == Token::Newline {
            self.here_bodies()?;
        }
        Ok(())
    }

    pub(super) fn operator(&self) -> Option<&'static str> {
        let rest = self.text.get(self.at..)?;
        let op = OPERATORS.into_iter().find(|op| rest.starts_with(op))?;
        // `<(` and `>(` begin a word.
        let substitutes = (op == "<" || op == ">") && rest[1..].starts_with('(');
        (!substitutes).then_some(op)
    }

    pub(super) fn here_bodies(&mut self) -> Walked {
        for (tag, strip) in std::mem::take(&mut self.here) {
            loop {
                if self.at >= self.text.len() {
                    if self.lenient {
                        break;
                    }
                    return Err(Wrong::HereDocument);
                }
                let rest = self.text.get(self.at..).unwrap_or("");
                let line = rest.split('\n').next().unwrap_or("");
                self.at = (self.at + line.len() + 1).min(self.text.len());
                self.line += 1;
                if (if strip { line.trim_start_matches('\t') } else { line }) == tag {
                    break;
                }
            }
        }
        Ok(())
    }

    pub(super) fn is_word(&self, wanted: &str) -> bool {
        matches!(&self.token, Token::Word { text, quoted: false } if text == wanted)
    }

    pub(super) fn closes(&self) -> bool {
        match &self.token {
            Token::Word { text, quoted: false } => CLOSERS.contains(&text.as_str()),
            Token::Op(op) => matches!(*op, ")" | ";;" | ";&" | ";;&"),
            _ => false,
        }
    }

    pub(super) fn newlines(&mut self) -> Walked {
        while self.token == Token::Newline {
            self.advance()?;
        }
        Ok(())
    }

    /// Commands up to a token that closes the list; the token stays. `enders` are those that may.
    pub(super) fn list(&mut self, enders: &[&str], may_be_empty: bool) -> Walked {
        self.newlines()?;
        let mut empty = true;
        loop {
            if self.token == Token::End && enders.is_empty() {
                return Ok(());
            }
            if self.closes() {
                let fits = enders.iter().any(|e| self.is_word(e) || self.token == Token::Op(static_op(e)));
                return if fits && (!empty || may_be_empty) { Ok(()) } else { Err(self.unexpected()) };
            }
            if self.token == Token::End {
                return if enders == [")"] && may_be_empty { Ok(()) } else { Err(self.unexpected()) };
            }
            self.and_or()?;
            empty = false;
            match self.token {
                Token::Op(";" | "&") => {
                    self.advance()?;
                    self.newlines()?;
                }
                Token::Newline => self.newlines()?,
                Token::End | Token::Op(")" | ";;" | ";&" | ";;&") => {}
                _ => return Err(self.unexpected()),
            }
        }
    }

    pub(super) fn and_or(&mut self) -> Walked {
        loop {
            self.command()?;
            match self.token {
                Token::Op("&&" | "||" | "|" | "|&") => {
                    self.advance()?;
                    self.newlines()?;
                    if self.closes() {
                        return Err(self.unexpected());
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    pub(super) fn command(&mut self) -> Walked {
        self.enter()?;
        let mut prefixed = false;
        while self.is_word("!") || self.is_word("time") {
            prefixed = true;
            self.advance()?;
            if self.is_word("-p") {
                self.advance()?;
            }
        }
        let walked = match &self.token {
            Token::Word { text, quoted: false } => {
                let word = text.clone();
                self.begun_by(&word)
            }
            Token::Word { .. } => self.simple(),
            Token::Op("(") if self.byte(0) == Some(b'(') && scan::arithmetic_end(self.text, self.at + 1).is_some() => {
                let end = scan::arithmetic_end(self.text, self.at + 1).unwrap_or(self.at) + 2;
                while self.at < end {
                    self.step();
                }
                self.advance()?;
                self.redirections()
            }
            Token::Op("(") => {
                self.advance()?;
                self.list(&[")"], false)?;
                self.close(")")
            }
            Token::Op(op) if REDIRECTIONS.contains(op) => self.simple(),
            Token::Newline | Token::Op(";" | "&") if prefixed => Ok(()),
            _ => Err(self.unexpected()),
        };
        self.depth -= 1;
        walked
    }

    /// A command by its first word.
    pub(super) fn begun_by(&mut self, word: &str) -> Walked {
        match word {
            "if" => {
                self.advance()?;
                self.list(&["then"], false)?;
                self.advance()?;
                loop {
                    self.list(&["elif", "else", "fi"], false)?;
                    if self.is_word("fi") {
                        return self.close("fi");
                    }
                    let last = self.is_word("else");
                    self.advance()?;
                    if last {
                        self.list(&["fi"], false)?;
                        return self.close("fi");
                    }
                    self.list(&["then"], false)?;
                    self.advance()?;
                }
            }
            "while" | "until" => {
                self.advance()?;
                self.list(&["do"], false)?;
                self.body()
            }
            "for" | "select" => self.for_clause(),
            "case" => self.case_clause(),
            "{" => {
                self.advance()?;
                self.list(&["}"], false)?;
                self.close("}")
            }
            "[[" => self.condition(),
            "function" => {
                self.advance()?;
                self.need_word()?;
                if self.token == Token::Op("(") {
                    self.advance()?;
                    self.need(")")?;
                }
                self.function_body()
            }
            "coproc" => {
                self.advance()?;
                self.command()
            }
            _ => self.simple(),
        }
    }

    pub(super) fn need_word(&mut self) -> Walked {
        match self.token {
            Token::Word { .. } => self.advance(),
            _ => Err(self.unexpected()),
        }
    }

    pub(super) fn need(&mut self, wanted: &str) -> Walked {
        if self.is_word(wanted) || self.token == Token::Op(static_op(wanted)) {
            self.advance()
        } else {
            Err(self.unexpected())
        }
    }

    /// A compound command's last word, and its redirections.
    pub(super) fn close(&mut self, word: &str) -> Walked {
        self.need(word)?;
        self.redirections()
    }

    pub(super) fn body(&mut self) -> Walked {
        self.need("do")?;
        self.list(&["done"], false)?;
        self.close("done")
    }

    pub(super) fn for_clause(&mut self) -> Walked {
        if self.is_word("select") && self.substitutions == 0 {
            self.selects.push(self.token_at);
        }
        self.advance()?;
        if self.token == Token::Op("(")
            && let Some(end) = scan::arithmetic_end(self.text, self.at + 1)
        {
            while self.at < end + 2 {
                self.step();
            }
            self.advance()?;
        } else {
            self.need_word()?;
            self.newlines()?;
            if self.is_word("in") {
                self.advance()?;
                while matches!(self.token, Token::Word { .. }) {
                    self.advance()?;
                }
                if !matches!(self.token, Token::Op(";") | Token::Newline) {
                    return Err(self.unexpected());
                }
            }
        }
        if self.token == Token::Op(";") {
            self.advance()?;
        }
        self.newlines()?;
        if self.is_word("{") {
            self.advance()?;
            self.list(&["}"], false)?;
            return self.close("}");
        }
        self.body()
    }

    pub(super) fn case_clause(&mut self) -> Walked {
        self.advance()?;
        self.need_word()?;
        self.newlines()?;
        self.need("in")?;
        loop {
            self.newlines()?;
            if self.is_word("esac") {
                return self.close("esac");
            }
            if self.token == Token::Op("(") {
                self.advance()?;
            }
            self.need_word()?;
            while self.token == Token::Op("|") {
                self.advance()?;
                self.need_word()?;
            }
            self.need(")")?;
            self.list(&[";;", ";&", ";;&", "esac"], true)?;
            if !self.is_word("esac") {
                self.advance()?;
            }
        }
    }

    pub(super) fn function_body(&mut self) -> Walked {
        self.newlines()?;
        let begins = ["{", "if", "while", "until", "for", "select", "case", "[["].iter().any(|w| self.is_word(w));
        if begins || self.token == Token::Op("(") { self.command() } else { Err(self.unexpected()) }
    }

    pub(super) fn redirection(&mut self) -> Walked<bool> {
        let Token::Op(op) = self.token else { return Ok(false) };
        if !REDIRECTIONS.contains(&op) {
            return Ok(false);
        }
        self.advance()?;
        if let (Token::Word { text, .. }, "<<" | "<<-") = (&self.token, op) {
            let tag = text.chars().filter(|c| !"'\"\\".contains(*c)).collect();
            self.here.push((tag, op == "<<-"));
        }
        self.need_word()?;
        Ok(true)
    }

    pub(super) fn redirections(&mut self) -> Walked {
        while self.redirection()? || self.is_redirected_number() {
            if self.is_redirected_number() {
                self.advance()?;
            }
        }
        Ok(())
    }

    /// `2` in `2>file`.
    pub(super) fn is_redirected_number(&self) -> bool {
        matches!(&self.token, Token::Word { text, quoted: false }
            if text.bytes().all(|b| b.is_ascii_digit()) && matches!(self.byte(0), Some(b'<' | b'>')))
    }

    pub(super) fn simple(&mut self) -> Walked {
        let mut words = 0;
        loop {
            match self.token {
                Token::Word { .. } => {
                    words += 1;
                    self.advance()?;
                }
                Token::Op("(") if words == 1 => {
                    self.advance()?;
                    self.need(")")?;
                    return self.function_body();
                }
                _ => {
                    if !self.redirection()? {
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// The operator of this spelling, for comparisons; words give one that never occurs.
fn static_op(text: &str) -> &'static str {
    OPERATORS.into_iter().find(|op| *op == text).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    pub(super) fn programs_are_left_alone() {
        for text in [
            "",
            "\n",
            "echo a",
            "a=(1 2\n3) b=x; f() { echo \"$(echo \")\")\"; }",
            "if a; then b; elif c; then d; else e; fi > x 2>&1",
            "for ((i = 0; i < 3; i++)); do echo $i; done",
            "for i in a b; do\n:\ndone | cat",
            "case $x in a|b) echo;; (c) ;; *) esac",
            "cat <<E <<-F\na\nE\n\tb\n\tF\necho",
            "[[ a = b && ( -n c || ! x =~ ^(a|b c)$ ) ]]",
            "! true | cat && { x; } || (y) & z <(a) >(b)",
            "echo $((1 + (2))) ${a:-${b}} `c` $'d\\''",
            "function f { :; }; while :; do break; done <<< a",
            "x=$(case a in b) c;; esac)",
            "time; (( 1 )) && echo a # comment (",
        ] {
            assert_eq!(diagnose(text, 1), None, "{text}");
            assert!(!is_incomplete(text), "{text}");
        }
    }

    #[test]
    pub(super) fn what_bash_waits_for() {
        for text in [
            "echo \"a",
            "echo 'a",
            "echo $(",
            "echo `",
            "if true",
            "for i in a",
            "for i in a; do",
            "f() {",
            "( a",
            "a |",
            "a &&",
            "a \\\n",
            "a \\",
            "cat <<E\na",
            "case a in",
            "echo ${a",
            "x=(1",
            "[[ a",
            "while",
            "f()",
        ] {
            assert!(is_incomplete(text), "{text}");
        }
        for text in ["fi", "a | | b", ";;", ")", "[[ a b ]]", "function", "for", "case"] {
            assert!(!is_incomplete(text), "{text}");
        }
    }
}
