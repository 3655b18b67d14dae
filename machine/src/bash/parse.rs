//! Text into commands: `brush-parser` knows the grammar; its tree becomes ours, with words taken apart once.

use std::sync::Arc;

use brush_parser::ast as b;
use brush_parser::ast::SourceLocation as _;
use brush_parser::{ParseError, Parser, ParserOptions};

use super::ast::*;
use super::diagnose::{self, Wrong};
use super::{brace, scan, word};

/// Brackets and keywords may nest this deep: the grammar's parser recurses.
const NESTING_MAX: usize = 60;
/// So many round brackets may be left open: the grammar tries each as a subshell and as arithmetic, in twice the time for each more.
const OPEN_MAX: usize = 16;
/// Builtins whose arguments may be assignments.
const DECLARATIONS: [&str; 6] = ["declare", "export", "local", "readonly", "typeset", "alias"];

/// Text that is no program: what bash says about it, and on which line.
#[derive(Clone, Debug)]
pub(super) struct ParseFailure {
    /// Each with the line that it names.
    pub(super) messages: Vec<(usize, String)>,
    /// More lines could complete it.
    pub(super) at_end: bool,
    /// A shell that ends with this keeps its last status: so bash does after a wrong `[[ ]]`.
    pub(super) keeps_status: bool,
}

impl ParseFailure {
    fn new(message: impl Into<String>, line: usize) -> Self {
        ParseFailure { messages: vec![(line, message.into())], at_end: false, keeps_status: false }
    }

    fn at_end(message: impl Into<String>, line: usize) -> Self {
        ParseFailure { at_end: true, ..ParseFailure::new(message, line) }
    }

    /// The line of the first message.
    fn line(&self) -> usize {
        self.messages.first().map_or(1, |m| m.0)
    }
}

/// A text's complete commands, and what is wrong after them.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) units: Vec<Arc<List>>,
    pub(super) failure: Option<ParseFailure>,
}

/// Parses a script. As bash reads command by command, what stands before an error is kept. `first_line` is the number of its first line.
pub(super) fn script(text: &str, first_line: usize) -> Script {
    match whole(text, first_line) {
        Ok(units) => Script { units, failure: None },
        Err(failure) => salvage(text, first_line, failure),
    }
}

/// Parses a text that has to be complete (a command substitution).
pub(super) fn list(text: &str, first_line: usize) -> Result<Arc<List>, ParseFailure> {
    let units = whole(text, first_line)?;
    let items =
        units.iter().flat_map(|u| u.items.iter()).map(|i| ListItem { node: i.node.clone(), background: i.background });
    Ok(Arc::new(List { items: items.collect() }))
}

fn whole(text: &str, first_line: usize) -> Result<Vec<Arc<List>>, ParseFailure> {
    if scan::nesting(text) > NESTING_MAX {
        return Err(ParseFailure::new("brackets or keywords nest too deeply", first_line));
    }
    if scan::left_open(text) > OPEN_MAX {
        let last = text.rfind('(').map_or(0, |at| text[..at].matches('\n').count());
        return Err(ParseFailure::at_end("unexpected EOF while looking for matching `)'", first_line + last));
    }
    if has_huge_number(text) {
        return Err(ParseFailure::new("file descriptor or number out of range", first_line));
    }
    // The tokenizer takes `;;` in `for ((;;))` for the end of a case.
    let spaced = text.replace("((;;", "((; ;");
    let written = spaced.as_str();
    // The grammar has no `select`; it is read as a `for` of the same length, and known again by its place.
    let selects = if spaced.contains("select") { diagnose::selects(&spaced) } else { Vec::new() };
    let spaced = selects.iter().fold(spaced.clone(), |mut text, at| {
        text.replace_range(*at..at + "select".len(), "for   ");
        text
    });
    let text = spaced.as_str();
    let options = ParserOptions { tilde_expansion_at_word_start: false, ..ParserOptions::default() };
    let mut parsed = Parser::new(text.as_bytes(), &options).parse_program();
    let with_brackets;
    let mut text = text;
    let mut opened = false;
    if parsed.is_err() && text.contains("$(") && text.contains("case") {
        with_brackets = scan::with_open_patterns(text);
        let again = Parser::new(with_brackets.as_bytes(), &options).parse_program();
        if again.is_ok() {
            (parsed, text, opened) = (again, with_brackets.as_str(), true);
        }
    }
    let program = parsed.map_err(|e| failure(written, first_line, &e))?;
    let selects = selects.iter().map(|at| written.get(..*at).map_or(0, |t| t.chars().count())).collect();
    let text = if opened { text } else { written };
    let mut lower = Lower { text, line: first_line, offset: first_line.saturating_sub(1), selects };
    program.complete_commands.iter().map(|c| lower.list(c)).collect()
}

/// brush-parser turns the digits before a redirection into a number and would give up on one that is too large.
fn has_huge_number(text: &str) -> bool {
    let mut digits = 0;
    for c in text.chars() {
        match c {
            '0'..='9' => digits += 1,
            '<' | '>' if digits > 9 => return true,
            _ => digits = 0,
        }
    }
    false
}

/// The longest beginning (in whole lines) that is a program; the failure is told after it.
fn salvage(text: &str, first_line: usize, failure: ParseFailure) -> Script {
    let mut ends: Vec<usize> = text.match_indices('\n').map(|(i, _)| i + 1).collect();
    let stop = if failure.at_end { usize::MAX } else { failure.line().saturating_sub(first_line) };
    ends.truncate(stop.min(2000));
    for end in ends.into_iter().rev() {
        if let Some(Ok(units)) = text.get(..end).map(|t| whole(t, first_line)) {
            return Script { units, failure: Some(failure) };
        }
    }
    Script { units: Vec::new(), failure: Some(failure) }
}

/// What bash says about a text that the grammar refuses.
fn failure(text: &str, first_line: usize, error: &ParseError) -> ParseFailure {
    let source = |line: usize| text.lines().nth(line.saturating_sub(first_line)).unwrap_or("");
    let condition = |message: String, line| ParseFailure { keeps_status: true, ..ParseFailure::new(message, line) };
    match diagnose::diagnose(text, first_line) {
        Some(Wrong::Token(token, line)) => {
            let messages = vec![
                (line, format!("syntax error near unexpected token `{token}'")),
                (line, format!("`{}'", source(line))),
            ];
            ParseFailure { messages, at_end: false, keeps_status: false }
        }
        Some(Wrong::End(line)) => ParseFailure::at_end("syntax error: unexpected end of file", line),
        Some(Wrong::Unclosed("]]", line)) => ParseFailure::at_end("unexpected EOF while looking for `]]'", line),
        Some(Wrong::Unclosed(what, line)) => {
            ParseFailure::at_end(format!("unexpected EOF while looking for matching `{what}'"), line)
        }
        Some(Wrong::Condition(message, line)) => condition(message, line),
        Some(Wrong::OpenRegex(line, end)) => {
            let looking = "unexpected EOF while looking for matching `)'".to_owned();
            let argument = "unexpected argument to conditional binary operator".to_owned();
            ParseFailure { messages: vec![(line, looking), (end, argument)], at_end: true, keeps_status: false }
        }
        Some(Wrong::Deep) => ParseFailure::new("brackets or keywords nest too deeply", first_line),
        // Good bash for all that is known here: something that hopwise's grammar lacks.
        Some(Wrong::Continued | Wrong::HereDocument) | None => {
            let line = match error {
                ParseError::ParsingNear(position) => position.line + first_line.saturating_sub(1),
                _ => first_line,
            };
            ParseFailure::new(format!("{error}: not supported by hopwise"), line)
        }
    }
}

/// The translation from brush's tree.
struct Lower<'t> {
    text: &'t str,
    /// The line of the last simple command seen, for those that carry none.
    line: usize,
    /// What to add to the parser's line numbers.
    offset: usize,
    /// Where a `for` was written `select`, in characters.
    selects: Vec<usize>,
}

type Lowered<T> = Result<T, ParseFailure>;

impl Lower<'_> {
    /// A command as it was written.
    fn source(&self, node: &b::AndOrList) -> Option<String> {
        let loc = node.location()?;
        let length = loc.end.index.checked_sub(loc.start.index)?;
        Some(self.text.chars().skip(loc.start.index).take(length).collect())
    }

    /// A text as it was written.
    fn written(&self, loc: &brush_parser::SourceSpan) -> String {
        let length = loc.end.index.saturating_sub(loc.start.index);
        self.text.chars().skip(loc.start.index).take(length).collect()
    }

    /// `((...))`, or a subshell in a subshell: for the grammar `( (` and `((` are the same.
    fn double_brackets(&self, node: &b::ArithmeticCommand, line: usize) -> Lowered<Kind> {
        let source = self.written(&node.loc);
        if let Some(inner) = source.strip_prefix("((").and_then(|rest| rest.strip_suffix("))")) {
            return Ok(Kind::Arith(self.arithmetic(inner)?));
        }
        match source.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
            Some(inner) => Ok(Kind::Subshell(list(inner, line)?)),
            None => Ok(Kind::Arith(self.arithmetic(&node.expr.value)?)),
        }
    }

    fn refuse<T>(&self, message: &str) -> Lowered<T> {
        Err(ParseFailure::new(message, self.line))
    }

    fn at(&mut self, word: &b::Word) {
        if let Some(loc) = &word.loc {
            self.line = loc.start.line + self.offset;
        }
    }

    fn word(&self, text: &str) -> Lowered<Word> {
        word::word(text, self.line).or_else(|message| self.refuse(&message))
    }

    fn words(&self, text: &str) -> Lowered<Vec<Word>> {
        match brace::expand(text) {
            Some(words) => words.iter().map(|w| self.word(w)).collect(),
            // Bash notices when it runs out of memory, while the command is carried out.
            None => Ok(vec![Word::refused(format!("brace expansion: failed to allocate memory for `{text}'"))]),
        }
    }

    fn arithmetic(&self, text: &str) -> Lowered<Word> {
        word::arithmetic(text, self.line).or_else(|message| self.refuse(&message))
    }

    fn list(&mut self, list: &b::CompoundList) -> Lowered<Arc<List>> {
        let items = list.0.iter().map(|b::CompoundListItem(node, separator)| {
            let background = matches!(separator, b::SeparatorOperator::Async);
            let text = if background { self.source(node).unwrap_or_else(|| node.to_string()) } else { String::new() };
            Ok(ListItem { node: Arc::new(self.and_or(node, text)?), background })
        });
        Ok(Arc::new(List { items: items.collect::<Lowered<_>>()? }))
    }

    fn and_or(&mut self, node: &b::AndOrList, text: String) -> Lowered<AndOr> {
        let mut parts = vec![(true, Arc::new(self.pipeline(&node.first)?))];
        for more in &node.additional {
            let (and, pipeline) = match more {
                b::AndOr::And(p) => (true, p),
                b::AndOr::Or(p) => (false, p),
            };
            parts.push((and, Arc::new(self.pipeline(pipeline)?)));
        }
        Ok(AndOr { parts, text })
    }

    fn pipeline(&mut self, node: &b::Pipeline) -> Lowered<Pipeline> {
        let timed = node.timed.as_ref().map(|t| matches!(t, b::PipelineTimed::TimedWithPosixOutput(_)));
        let commands = node.seq.iter().map(|c| self.command(c).map(Arc::new)).collect::<Lowered<_>>()?;
        Ok(Pipeline { negate: node.bang, timed, commands })
    }

    fn command(&mut self, node: &b::Command) -> Lowered<Command> {
        match node {
            b::Command::Simple(simple) => self.simple(simple),
            b::Command::Compound(compound, redirects) => self.compound(compound, redirects.as_ref()),
            b::Command::Function(function) => {
                self.at(&function.fname);
                let line = self.line;
                let body = self.compound(&function.body.0, function.body.1.as_ref())?;
                let function =
                    Function { name: function.fname.value.clone(), body: Arc::new(body), text: function.to_string() };
                Ok(Command { line, kind: Kind::Function(Arc::new(function)), redirects: Vec::new() })
            }
            b::Command::ExtendedTest(test, redirects) => {
                self.line = test.loc.start.line + self.offset;
                let kind = Kind::Test(self.test(&test.expr)?);
                Ok(Command { line: self.line, kind, redirects: self.redirects(redirects.as_ref())? })
            }
        }
    }

    fn simple(&mut self, node: &b::SimpleCommand) -> Lowered<Command> {
        let mut assigns = Vec::new();
        let mut args = Vec::new();
        let mut redirects = Vec::new();
        let mut line = None;
        for item in node.prefix.iter().flat_map(|p| p.0.iter()) {
            match item {
                b::CommandPrefixOrSuffixItem::IoRedirect(redirect) => redirects.push(self.redirect(redirect)?),
                b::CommandPrefixOrSuffixItem::AssignmentWord(assignment, word) => {
                    self.at(word);
                    line.get_or_insert(self.line);
                    assigns.push(self.assignment(assignment)?);
                }
                _ => return self.refuse("syntax error in the words before a command"),
            }
        }
        let mut declares = false;
        if let Some(name) = &node.word_or_name {
            self.at(name);
            line.get_or_insert(self.line);
            declares = DECLARATIONS.contains(&name.value.as_str());
            args.extend(self.words(&name.value)?.into_iter().map(Arg::Word));
        }
        for item in node.suffix.iter().flat_map(|s| s.0.iter()) {
            match item {
                b::CommandPrefixOrSuffixItem::IoRedirect(redirect) => redirects.push(self.redirect(redirect)?),
                b::CommandPrefixOrSuffixItem::AssignmentWord(assignment, _) if declares => {
                    args.push(Arg::Assign(self.assignment(assignment)?));
                }
                b::CommandPrefixOrSuffixItem::AssignmentWord(
                    b::Assignment { value: b::AssignmentValue::Array(_), .. },
                    _,
                ) => {
                    return self.refuse("syntax error near unexpected token `('");
                }
                b::CommandPrefixOrSuffixItem::AssignmentWord(_, word) | b::CommandPrefixOrSuffixItem::Word(word) => {
                    args.extend(self.words(&word.value)?.into_iter().map(Arg::Word));
                }
                b::CommandPrefixOrSuffixItem::ProcessSubstitution(kind, shell) => {
                    let read = matches!(kind, b::ProcessSubstitutionKind::Read);
                    args.push(Arg::ProcessSubstitution(read, self.list(&shell.list)?));
                }
            }
        }
        let line = line.unwrap_or(self.line);
        Ok(Command { line, kind: Kind::Simple { assigns, args }, redirects })
    }

    fn assignment(&mut self, node: &b::Assignment) -> Lowered<Assign> {
        let index_word = |text: &str| word::index(text, self.line).or_else(|message| self.refuse(&message));
        let (name, index) = match &node.name {
            b::AssignmentName::VariableName(name) => (name.clone(), None),
            b::AssignmentName::ArrayElementName(name, index) => (name.clone(), Some(index_word(index)?)),
        };
        let value = match &node.value {
            b::AssignmentValue::Scalar(text) => {
                AssignValue::Scalar(word::assigned(&text.value, self.line).or_else(|message| self.refuse(&message))?)
            }
            b::AssignmentValue::Array(elements) => {
                let mut array = Vec::new();
                for (key, element) in elements {
                    match key {
                        Some(key) => array.push((Some(index_word(&key.value)?), self.word(&element.value)?)),
                        None => array.extend(self.words(&element.value)?.into_iter().map(|w| (None, w))),
                    }
                }
                AssignValue::Array(array)
            }
        };
        Ok(Assign { name, index, append: node.append, value })
    }

    fn compound(&mut self, node: &b::CompoundCommand, redirects: Option<&b::RedirectList>) -> Lowered<Command> {
        let start = |loc: &brush_parser::SourceSpan| loc.start.line + self.offset;
        let (line, kind) = match node {
            b::CompoundCommand::Arithmetic(c) => {
                let line = start(&c.loc);
                (line, self.double_brackets(c, line)?)
            }
            b::CompoundCommand::BraceGroup(c) => (start(&c.loc), Kind::Group(self.list(&c.list)?)),
            b::CompoundCommand::Subshell(c) => (start(&c.loc), Kind::Subshell(self.list(&c.list)?)),
            b::CompoundCommand::ForClause(c) => {
                let line = start(&c.loc);
                self.line = line;
                let words = match &c.values {
                    None => None,
                    Some(values) => {
                        let mut words = Vec::new();
                        for value in values {
                            words.extend(self.words(&value.value)?);
                        }
                        Some(words)
                    }
                };
                let menu = self.selects.contains(&c.loc.start.index);
                (line, Kind::For { menu, name: c.variable_name.clone(), words, body: self.list(&c.body.list)? })
            }
            b::CompoundCommand::ArithmeticForClause(c) => {
                let line = start(&c.loc);
                let part = |e: &Option<b::UnexpandedArithmeticExpr>| {
                    e.as_ref().filter(|e| !e.value.trim().is_empty()).map(|e| self.arithmetic(&e.value)).transpose()
                };
                let parts = [part(&c.initializer)?, part(&c.condition)?, part(&c.updater)?];
                (line, Kind::ArithFor { parts, body: self.list(&c.body.list)? })
            }
            b::CompoundCommand::CaseClause(c) => (start(&c.loc), self.case(c)?),
            b::CompoundCommand::IfClause(c) => {
                let line = start(&c.loc);
                let mut arms = vec![(self.list(&c.condition)?, self.list(&c.then)?)];
                let mut otherwise = None;
                for clause in c.elses.iter().flatten() {
                    match &clause.condition {
                        Some(condition) => arms.push((self.list(condition)?, self.list(&clause.body)?)),
                        None => otherwise = Some(self.list(&clause.body)?),
                    }
                }
                (line, Kind::If { arms, otherwise })
            }
            b::CompoundCommand::WhileClause(c) | b::CompoundCommand::UntilClause(c) => {
                let until = matches!(node, b::CompoundCommand::UntilClause(_));
                let line = start(&c.2);
                (line, Kind::Loop { until, condition: self.list(&c.0)?, body: self.list(&c.1.list)? })
            }
            b::CompoundCommand::Coprocess(_) => return self.refuse("coproc: not supported by hopwise"),
        };
        Ok(Command { line, kind, redirects: self.redirects(redirects)? })
    }

    fn case(&mut self, node: &b::CaseClauseCommand) -> Lowered<Kind> {
        self.at(&node.value);
        let word = self.word(&node.value.value)?;
        let mut items = Vec::new();
        for item in &node.cases {
            let patterns = item.patterns.iter().map(|p| self.word(&p.value)).collect::<Lowered<_>>()?;
            let body = item.cmd.as_ref().map(|c| self.list(c)).transpose()?;
            let then = match item.post_action {
                b::CaseItemPostAction::ExitCase => CaseThen::Leave,
                b::CaseItemPostAction::UnconditionallyExecuteNextCaseItem => CaseThen::FallThrough,
                b::CaseItemPostAction::ContinueEvaluatingCases => CaseThen::TestNext,
            };
            items.push(CaseItem { patterns, body, then });
        }
        Ok(Kind::Case { word, items })
    }

    fn redirects(&mut self, list: Option<&b::RedirectList>) -> Lowered<Vec<Redirect>> {
        list.iter().flat_map(|l| l.0.iter()).map(|r| self.redirect(r)).collect()
    }

    fn redirect(&mut self, node: &b::IoRedirect) -> Lowered<Redirect> {
        let number = |fd: &Option<b::IoFd>| fd.map(|n| u32::try_from(n).unwrap_or(0));
        Ok(match node {
            b::IoRedirect::File(fd, kind, target) => {
                Redirect { fd: number(fd), kind: self.file_redirect(kind, target)? }
            }
            b::IoRedirect::HereDocument(fd, doc) => {
                let text = &doc.doc.value;
                let text = if doc.remove_tabs { strip_tabs(text) } else { text.clone() };
                let body = if doc.requires_expansion {
                    word::here_document(&text, self.line).or_else(|message| self.refuse(&message))?
                } else {
                    Word::literal(&text)
                };
                Redirect { fd: number(fd), kind: RedirectKind::HereDoc(body) }
            }
            b::IoRedirect::HereString(fd, text) => {
                Redirect { fd: number(fd), kind: RedirectKind::HereString(self.word(&text.value)?) }
            }
            b::IoRedirect::OutputAndError(text, append) => {
                Redirect { fd: None, kind: RedirectKind::Both(self.word(&text.value)?, *append) }
            }
        })
    }

    fn file_redirect(
        &mut self,
        kind: &b::IoFileRedirectKind,
        target: &b::IoFileRedirectTarget,
    ) -> Lowered<RedirectKind> {
        let target = match target {
            b::IoFileRedirectTarget::Filename(text) | b::IoFileRedirectTarget::Duplicate(text) => {
                self.at(text);
                self.word(&text.value)?
            }
            b::IoFileRedirectTarget::Fd(fd) => Word::literal(&fd.to_string()),
            b::IoFileRedirectTarget::ProcessSubstitution(kind, shell) => {
                let read = matches!(kind, b::ProcessSubstitutionKind::Read);
                return Ok(RedirectKind::ProcessSubstitution(read, self.list(&shell.list)?));
            }
        };
        Ok(match kind {
            b::IoFileRedirectKind::Read => RedirectKind::Read(target),
            b::IoFileRedirectKind::Write => RedirectKind::Write(target),
            b::IoFileRedirectKind::Append => RedirectKind::Append(target),
            b::IoFileRedirectKind::ReadAndWrite => RedirectKind::ReadWrite(target),
            b::IoFileRedirectKind::Clobber => RedirectKind::Clobber(target),
            b::IoFileRedirectKind::DuplicateInput => RedirectKind::DupIn(target),
            b::IoFileRedirectKind::DuplicateOutput => RedirectKind::DupOut(target),
        })
    }

    fn test(&mut self, node: &b::ExtendedTestExpr) -> Lowered<TestExpr> {
        Ok(match node {
            b::ExtendedTestExpr::And(a, c) => TestExpr::And(Box::new(self.test(a)?), Box::new(self.test(c)?)),
            b::ExtendedTestExpr::Or(a, c) => TestExpr::Or(Box::new(self.test(a)?), Box::new(self.test(c)?)),
            b::ExtendedTestExpr::Not(a) => TestExpr::Not(Box::new(self.test(a)?)),
            b::ExtendedTestExpr::Parenthesized(a) => self.test(a)?,
            b::ExtendedTestExpr::UnaryTest(op, text) => TestExpr::Unary(unary(op), self.word(&text.value)?),
            b::ExtendedTestExpr::BinaryTest(op, left, right) => {
                TestExpr::Binary(binary(op), self.word(&left.value)?, self.word(&right.value)?)
            }
        })
    }
}

fn strip_tabs(text: &str) -> String {
    text.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
}

fn unary(op: &b::UnaryPredicate) -> char {
    use b::UnaryPredicate as U;
    match op {
        U::FileExists => 'e',
        U::FileExistsAndIsBlockSpecialFile => 'b',
        U::FileExistsAndIsCharSpecialFile => 'c',
        U::FileExistsAndIsDir => 'd',
        U::FileExistsAndIsRegularFile => 'f',
        U::FileExistsAndIsSetgid => 'g',
        U::FileExistsAndIsSymlink => 'h',
        U::FileExistsAndHasStickyBit => 'k',
        U::FileExistsAndIsFifo => 'p',
        U::FileExistsAndIsReadable => 'r',
        U::FileExistsAndIsNotZeroLength => 's',
        U::FdIsOpenTerminal => 't',
        U::FileExistsAndIsSetuid => 'u',
        U::FileExistsAndIsWritable => 'w',
        U::FileExistsAndIsExecutable => 'x',
        U::FileExistsAndOwnedByEffectiveGroupId => 'G',
        U::FileExistsAndModifiedSinceLastRead => 'N',
        U::FileExistsAndOwnedByEffectiveUserId => 'O',
        U::FileExistsAndIsSocket => 'S',
        U::ShellOptionEnabled => 'o',
        U::ShellVariableIsSetAndAssigned => 'v',
        U::ShellVariableIsSetAndNameRef => 'R',
        U::StringHasZeroLength => 'z',
        U::StringHasNonZeroLength => 'n',
    }
}

fn binary(op: &b::BinaryPredicate) -> &'static str {
    use b::BinaryPredicate as B;
    match op {
        B::FilesReferToSameDeviceAndInodeNumbers => "-ef",
        B::LeftFileIsNewerOrExistsWhenRightDoesNot => "-nt",
        B::LeftFileIsOlderOrDoesNotExistWhenRightDoes => "-ot",
        B::StringExactlyMatchesPattern | B::StringExactlyMatchesString => "==",
        B::StringDoesNotExactlyMatchPattern | B::StringDoesNotExactlyMatchString => "!=",
        B::StringMatchesRegex | B::StringContainsSubstring => "=~",
        B::LeftSortsBeforeRight => "<",
        B::LeftSortsAfterRight => ">",
        B::ArithmeticEqualTo => "-eq",
        B::ArithmeticNotEqualTo => "-ne",
        B::ArithmeticLessThan => "-lt",
        B::ArithmeticLessThanOrEqualTo => "-le",
        B::ArithmeticGreaterThan => "-gt",
        B::ArithmeticGreaterThanOrEqualTo => "-ge",
    }
}
