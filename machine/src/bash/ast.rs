//! The shell's commands as the interpreter walks them: shared (`Arc`), so that frames of a cloned shell point into the same tree.

use std::sync::{Arc, OnceLock};

use super::parse::ParseFailure;

/// Commands in a row, each followed by `;`, a newline or `&`.
#[derive(Debug)]
pub(super) struct List {
    pub(super) items: Vec<ListItem>,
}

#[derive(Debug)]
pub(super) struct ListItem {
    pub(super) node: Arc<AndOr>,
    pub(super) background: bool,
}

/// Pipelines joined by `&&` and `||`.
#[derive(Debug)]
pub(super) struct AndOr {
    /// The joining operator before each pipeline (`true`: `&&`); the first one's does not count.
    pub(super) parts: Vec<(bool, Arc<Pipeline>)>,
    /// How `jobs` shows it.
    pub(super) text: String,
}

#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) negate: bool,
    /// `time`; with `-p` in POSIX's format.
    pub(super) timed: Option<bool>,
    pub(super) commands: Vec<Arc<Command>>,
}

#[derive(Debug)]
pub(super) struct Command {
    pub(super) line: usize,
    pub(super) kind: Kind,
    pub(super) redirects: Vec<Redirect>,
}

#[derive(Debug)]
pub(super) enum Kind {
    Simple {
        assigns: Vec<Assign>,
        args: Vec<Arg>,
    },
    Group(Arc<List>),
    Subshell(Arc<List>),
    If {
        arms: Vec<(Arc<List>, Arc<List>)>,
        otherwise: Option<Arc<List>>,
    },
    Loop {
        until: bool,
        condition: Arc<List>,
        body: Arc<List>,
    },
    /// `for`, or (with a menu) `select`.
    For {
        menu: bool,
        name: String,
        words: Option<Vec<Word>>,
        body: Arc<List>,
    },
    ArithFor {
        parts: [Option<Word>; 3],
        body: Arc<List>,
    },
    Case {
        word: Word,
        items: Vec<CaseItem>,
    },
    Function(Arc<Function>),
    Arith(Word),
    Test(TestExpr),
}

#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) body: Arc<Command>,
    /// As `declare -f` prints it.
    pub(super) text: String,
}

/// An argument of a simple command. Assignments stay such for `export`, `local` and the like.
#[derive(Debug)]
pub(super) enum Arg {
    Word(Word),
    Assign(Assign),
    /// `<(...)` (true) or `>(...)`.
    ProcessSubstitution(bool, Arc<List>),
}

#[derive(Debug)]
pub(super) struct Assign {
    pub(super) name: String,
    pub(super) index: Option<Word>,
    pub(super) append: bool,
    pub(super) value: AssignValue,
}

#[derive(Debug)]
pub(super) enum AssignValue {
    Scalar(Word),
    Array(Vec<(Option<Word>, Word)>),
}

#[derive(Debug)]
pub(super) struct CaseItem {
    pub(super) patterns: Vec<Word>,
    pub(super) body: Option<Arc<List>>,
    pub(super) then: CaseThen,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CaseThen {
    /// `;;`
    Leave,
    /// `;&`
    FallThrough,
    /// `;;&`
    TestNext,
}

#[derive(Debug)]
pub(super) struct Redirect {
    pub(super) fd: Option<u32>,
    pub(super) kind: RedirectKind,
}

#[derive(Debug)]
pub(super) enum RedirectKind {
    Read(Word),
    Write(Word),
    Clobber(Word),
    Append(Word),
    ReadWrite(Word),
    DupIn(Word),
    DupOut(Word),
    /// `&>` (or `&>>`, if true).
    Both(Word, bool),
    HereDoc(Word),
    HereString(Word),
    /// `< <(...)` (true) or `> >(...)`.
    ProcessSubstitution(bool, Arc<List>),
}

/// The expression of `[[ ]]`.
#[derive(Debug)]
pub(super) enum TestExpr {
    And(Box<TestExpr>, Box<TestExpr>),
    Or(Box<TestExpr>, Box<TestExpr>),
    Not(Box<TestExpr>),
    Unary(char, Word),
    Binary(&'static str, Word, Word),
}

/// A word in parts, ready for expansion.
#[derive(Clone, Debug, Default)]
pub(super) struct Word {
    pub(super) parts: Vec<Part>,
}

#[derive(Clone, Debug)]
pub(super) enum Part {
    /// Unquoted text.
    Text(String),
    /// Quoted text.
    Quoted(String),
    /// Inside double quotes.
    Double(Vec<Part>),
    Param(Arc<Param>),
    Command(Arc<Substitution>),
    Arith(Word),
    /// `~user` at the beginning: the user's name.
    Tilde(String),
    /// What cannot be expanded: the message.
    Refused(String),
}

/// The commands of a `$(...)`, parsed when they are first needed.
#[derive(Debug)]
pub(super) struct Substitution {
    pub(super) text: String,
    pub(super) line: usize,
    pub(super) parsed: OnceLock<Result<Arc<List>, ParseFailure>>,
}

/// `$name` or `${...}`.
#[derive(Clone, Debug)]
pub(super) struct Param {
    pub(super) name: String,
    pub(super) index: Option<Index>,
    pub(super) indirect: bool,
    pub(super) op: Op,
    /// The text, for "bad substitution".
    pub(super) source: String,
}

#[derive(Clone, Debug)]
pub(super) enum Index {
    All,
    Star,
    Expr(Word),
}

#[derive(Clone, Debug)]
pub(super) enum Op {
    None,
    Length,
    /// `-`, `=`, `?`, `+`; with a colon.
    Default(char, bool, Word),
    /// `#` or `%`; the longest match.
    Trim(char, bool, Word),
    Substring(Word, Option<Word>),
    /// `/`: where (`\0` first, `/` all, `#` prefix, `%` suffix), pattern, replacement.
    Replace(char, Word, Word),
    /// `^` or `,`; all characters.
    Case(char, bool, Word),
    Transform(char),
    /// `${!prefix*}` or `${!prefix@}`
    Names(bool),
    /// `${!array[*]}` or `${!array[@]}`
    Keys(bool),
    /// Not a substitution that bash knows.
    Bad,
}

impl Word {
    /// Text that needs no expansion.
    pub(super) fn literal(text: &str) -> Word {
        Word { parts: vec![Part::Quoted(text.to_owned())] }
    }

    /// A word that cannot be expanded.
    pub(super) fn refused(message: String) -> Word {
        Word { parts: vec![Part::Refused(message)] }
    }

    /// The text, if it is a single unquoted text.
    pub(super) fn plain(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }
}
