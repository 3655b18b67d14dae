//! What the programs of iproute2 share: options first, then one command, or a batch of them (`do_batch`, `makeargs`).

use hopwise_machine::{Program, Read, Step, Sys, Wait};
use hopwise_sim_core::{Errno, NsId};

use super::args::{Args, Done, Fail};
use super::{Ip, Options, Out, Plan};
use crate::kernel::SimKernel;

/// What was said before the object.
#[derive(Clone)]
pub(crate) struct Said<T> {
    /// The options that all of iproute2's programs have.
    pub opt: Options,
    /// The namespace to work in.
    pub ns: NsId,
    /// The program's own options.
    pub own: T,
}

/// How a program reads its options.
type ReadOptions<T> = fn(&mut Sys<'_, SimKernel>, &mut Args) -> Done<Option<Said<T>>>;

/// A program of iproute2 that ends once its commands are carried out.
#[derive(Clone, Copy)]
pub(crate) struct Tool<T> {
    /// Reads the options before the object. `None`: all was said.
    pub options: ReadOptions<T>,
    /// Carries out one command.
    pub command: fn(&mut Ip<'_, '_>, &mut Args, &T) -> Done,
}

impl<T: Clone + Send + Sync + 'static> Tool<T> {
    /// The program as a process.
    pub(crate) fn start(self, args: &[String]) -> Box<dyn Program<SimKernel>> {
        Box::new(Process { tool: self, args: args.to_vec(), batch: None })
    }
}

#[derive(Clone)]
struct Process<T> {
    tool: Tool<T>,
    args: Vec<String>,
    batch: Option<(Said<T>, Source)>,
}

impl<T: Clone + Send + Sync + 'static> Program<SimKernel> for Process<T> {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        let begun = match self.batch.take() {
            Some(batch) => Ok(Some(batch)),
            None => self.begin(sys),
        };
        match begun {
            Ok(None) => Step::Exit(0),
            Ok(Some((said, source))) => self.read(sys, said, source),
            Err(fail) => failed(sys, &fail),
        }
    }
}

impl<T: Clone + Send + Sync + 'static> Process<T> {
    fn begin(&mut self, sys: &mut Sys<'_, SimKernel>) -> Done<Option<(Said<T>, Source)>> {
        let mut args = Args::new(self.args.clone());
        let Some(said) = (self.tool.options)(sys, &mut args)? else { return Ok(None) };
        match said.opt.batch.clone() {
            Some(name) => Ok(Some((said, Source::open(sys, &name)?))),
            None => {
                let command = |ip: &mut Ip<'_, '_>, args: &mut Args| (self.tool.command)(ip, args, &said.own);
                run_one(sys, &said.opt, said.ns, args, command).0.map(|()| None)
            }
        }
    }

    fn read(&mut self, sys: &mut Sys<'_, SimKernel>, said: Said<T>, mut source: Source) -> Step {
        let text = match source.read(sys) {
            Ok(text) => text,
            Err(step) => {
                self.batch = Some((said, source));
                return step;
            }
        };
        let mut script = Script::new(source.name, &text, said.opt.force);
        loop {
            let args = match script.command(sys) {
                Ok(args) => args,
                Err(status) => return Step::Exit(status),
            };
            let command = |ip: &mut Ip<'_, '_>, args: &mut Args| (self.tool.command)(ip, args, &said.own);
            let result = run_one(sys, &said.opt, said.ns, args, command).0;
            if let Err(status) = script.became(sys, result) {
                return Step::Exit(status);
            }
        }
    }
}

/// Prints why a program ends, and ends it.
pub(super) fn failed(sys: &mut Sys<'_, SimKernel>, fail: &Fail) -> Step {
    sys.err(&fail.text);
    Step::Exit(fail.status)
}

/// Runs one command and prints what it printed; gives what remains to be done.
pub(super) fn run_one(
    sys: &mut Sys<'_, SimKernel>,
    opt: &Options,
    ns: NsId,
    mut args: Args,
    command: impl FnOnce(&mut Ip<'_, '_>, &mut Args) -> Done,
) -> (Done, Option<Plan>) {
    let out = if opt.json { Out::json_mode(opt.pretty) } else { Out::text_mode(opt.oneline) };
    let mut ip = Ip { sys, opt: opt.clone(), ns, out, plan: None, by: None };
    let result = command(&mut ip, &mut args);
    let (text, plan) = (ip.out.take(), ip.plan.take());
    sys.out(&text);
    (result, plan)
}

/// Where a batch comes from: a file, or `-` for standard input.
#[derive(Clone)]
pub(super) struct Source {
    /// Its name, as errors tell it.
    pub name: String,
    text: Vec<u8>,
}

impl Source {
    /// Opens a batch.
    ///
    /// # Errors
    /// In iproute2's words if there is no such file.
    pub(super) fn open(sys: &mut Sys<'_, SimKernel>, name: &str) -> Done<Source> {
        let text = match name {
            "-" => Vec::new(),
            name => match sys.read_file(name) {
                Ok(text) => text,
                // It can be opened, but not a line of it be read.
                Err(Errno::EISDIR) => Vec::new(),
                Err(errno) => {
                    return Err(Fail::new(1, format!("Cannot open file \"{name}\" for reading: {errno}")));
                }
            },
        };
        Ok(Source { name: name.to_owned(), text })
    }

    /// The whole text. `Err`: what is waited for.
    pub(super) fn read(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<String, Step> {
        while self.name == "-" {
            match sys.read(0, 65_536) {
                Ok(Read::Data(data)) => self.text.extend(data),
                Ok(Read::WouldBlock) => return Err(Step::Block(Wait::readable(0))),
                Ok(Read::Eof) | Err(_) => break,
            }
        }
        Ok(String::from_utf8_lossy(&self.text).into_owned())
    }
}

/// A batch that is carried out: one command per line, `#` begins a comment, a backslash goes on in the next line.
#[derive(Clone)]
pub(super) struct Script {
    /// Its name, as errors tell it.
    name: String,
    /// Whether it goes on after an error.
    force: bool,
    lines: std::vec::IntoIter<(usize, String)>,
    /// The line of the command that is being carried out.
    number: usize,
    status: i32,
}

impl Script {
    pub(super) fn new(name: String, text: &str, force: bool) -> Script {
        let lines: Vec<_> = logical_lines(text).collect();
        Script { name, force, lines: lines.into_iter(), number: 0, status: 0 }
    }

    /// The next command. `Err`: the batch is over, with that exit status.
    pub(super) fn command(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<Args, i32> {
        loop {
            let Some((number, line)) = self.lines.next() else { return Err(self.status) };
            let Some(words) = split(&line) else {
                sys.err("Unterminated quoted string\n");
                return Err(1);
            };
            if !words.is_empty() {
                self.number = number;
                return Ok(Args::new(words));
            }
        }
    }

    /// What became of the command. `Err`: the batch is over, with that exit status.
    pub(super) fn became(&mut self, sys: &mut Sys<'_, SimKernel>, result: Done) -> Result<(), i32> {
        let Err(fail) = result else { return Ok(()) };
        if fail.ends || fail.status == 0 {
            sys.err(&fail.text);
            return Err(fail.status);
        }
        sys.err(&format!("{}Command failed {}:{}\n", fail.text, self.name, self.number));
        self.status = 1;
        if self.force { Ok(()) } else { Err(1) }
    }
}

/// The lines without comments, those that go on put together, each with the number of its last one (`getcmdline`).
fn logical_lines(text: &str) -> impl Iterator<Item = (usize, String)> {
    let without_comment = |line: &str| line.split('#').next().unwrap_or_default().to_owned();
    let mut lines = text.split_inclusive('\n').map(without_comment).enumerate();
    core::iter::from_fn(move || {
        let (mut number, mut line) = lines.next()?;
        while let Some(front) = line.strip_suffix("\\\n").map(str::to_owned) {
            line = front;
            let Some((next, more)) = lines.next() else { break };
            number = next;
            line.push_str(&more);
        }
        Some((number + 1, line))
    })
}

/// Splits a line into words; quotes keep blanks. `None`: a quote has no end (`makeargs`).
fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, tail) = if first == '"' || first == '\'' {
            rest[1..].split_once(first)?
        } else {
            rest.split_at(rest.find([' ', '\t', '\r', '\n']).unwrap_or(rest.len()))
        };
        words.push(word.to_owned());
        rest = tail.trim_start();
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_of_a_line() {
        let words = split("  link add 'a b'  type\t\"veth\" ");
        assert_eq!(words.unwrap(), ["link", "add", "a b", "type", "veth"]);
        assert_eq!(split("link 'add"), None);
    }

    #[test]
    fn lines_go_on_after_a_backslash_at_their_very_end() {
        let lines: Vec<_> = logical_lines("# nothing\na \\\n b # c \\\n\nd \\").collect();
        let lines: Vec<_> = lines.iter().map(|(n, line)| (*n, line.trim())).collect();
        assert_eq!(lines, [(1, ""), (3, "a  b"), (4, ""), (5, "d \\")]);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[a#'\"\\\\ \n]{0,40}") {
            for (_, line) in logical_lines(&text) {
                let _words = split(&line);
            }
        }

        #[test]
        fn quoted_words_come_back(words in prop::collection::vec("[a-z #\\\\]{1,8}", 0..5)) {
            let line: String = words.iter().map(|w| format!("'{w}' ")).collect();
            prop_assert_eq!(split(&line), Some(words));
        }
    }
}
