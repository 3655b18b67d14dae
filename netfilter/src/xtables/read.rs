//! The command line of `iptables` (`do_parse` of xshared.c): what shall be done, and the rule that it is done with.

use smallvec::SmallVec;

use super::check::{check_chain, check_target_name, problem};
use super::getopt::{Token, Words};
use super::hosts::{self, Hosts};
use super::load::{Ext, Found, Loaded};
use super::{Done, Opt, Refusal, number};
use crate::matches;
use crate::names::{Names, protocol};
use crate::rules::{Counters, Draft, Inverted, IpMatch, LinkMatch, Rule, Target};
use crate::targets;

pub use super::given::Given;
pub use super::verb::Verb;

/// Names of links are shorter than this (`IFNAMSIZ`).
const MAX_LINK: usize = 16;

/// What a command line asks for.
#[derive(Clone, Debug)]
pub struct Parsed<'a> {
    /// What shall be done.
    pub verb: Verb,
    /// `-Z` beside `-L` or `-S`.
    pub and_zero: bool,
    /// The table.
    pub table: &'a str,
    /// The chain.
    pub chain: Option<&'a str>,
    /// The rule's number, from 1 on.
    pub number: Option<u32>,
    /// The new name or the policy.
    pub second: Option<&'a str>,
    /// What was given.
    pub given: Given,
    /// How often `-v` was given.
    pub verbose: u8,
    /// The rule, once for each pair of source and destination.
    pub rules: SmallVec<[Draft; 1]>,
}

/// What a command line leads to.
#[derive(Clone, Debug)]
pub enum Wish<'a> {
    /// Something to do.
    Do(Box<Parsed<'a>>),
    /// `-h`: the help, for these extensions.
    Help,
    /// `-V`.
    Version,
    /// `-6` in a saved file: the line is for the other program.
    Skip,
}

/// Who is reading.
#[derive(Clone, Copy)]
pub struct Reading<'n> {
    /// Names.
    pub names: &'n dyn Names,
    /// The name of the program that reads saved rules, if it is that.
    pub restore: Option<&'n str>,
}

/// The state of reading.
pub(super) struct Reader<'a> {
    how: Reading<'a>,
    pub(super) words: Words<'a>,
    exts: Loaded,
    ip: IpMatch,
    src: Option<&'a str>,
    dst: Option<&'a str>,
    protocol: Option<&'a str>,
    jump: Option<(&'a str, bool)>,
    counters: Counters,
    pub(super) verb: Option<Verb>,
    pub(super) and_zero: bool,
    pub(super) chain: Option<&'a str>,
    pub(super) number: Option<u32>,
    pub(super) second: Option<&'a str>,
    table: &'a str,
    table_set: bool,
    given: Given,
    verbose: u8,
    pub(super) inv: bool,
}

/// Reads a command line (without the program's name). Rules go to `table` if none is named.
///
/// # Errors
/// What `iptables` says to it.
pub fn read<'a>(words: &'a [&'a str], table: &'a str, how: Reading<'a>) -> Done<Wish<'a>> {
    let mut reader = Reader {
        how,
        words: Words::new(words),
        exts: Loaded::default(),
        ip: IpMatch::default(),
        src: None,
        dst: None,
        protocol: None,
        jump: None,
        counters: Counters::default(),
        verb: None,
        and_zero: false,
        chain: None,
        number: None,
        second: None,
        table,
        table_set: how.restore.is_some(),
        given: Given::empty(),
        verbose: 0,
        inv: false,
    };
    loop {
        let place = reader.words.place();
        let Some(token) = reader.words.next(&reader.exts.options) else { break };
        match token {
            Token::Main(letter, arg) => {
                if let Some(wish) = reader.main(letter, arg)? {
                    return Ok(wish);
                }
            }
            Token::Ext(at, opt, arg) => reader.extension(at, opt, arg)?,
            Token::Bare("!") if reader.inv => return problem("multiple consecutive ! not allowed"),
            Token::Bare("!") => {
                reader.inv = true;
                continue;
            }
            Token::Bare(word) => return Err(Refusal::BadArgument(word.to_owned())),
            Token::Unknown(_) | Token::Missing(_) if reader.load_protocol() => {
                reader.words.back(place);
                continue;
            }
            Token::Unknown(word) if word.starts_with("--") => return problem(format!("unknown option \"{word}\"")),
            Token::Unknown(letter) => return problem(format!("unknown option \"-{letter}\"")),
            Token::Missing(word) => return problem(format!("option \"{word}\" requires an argument")),
        }
        reader.inv = false;
    }
    reader.finish().map(|parsed| Wish::Do(Box::new(parsed)))
}

impl<'a> Reader<'a> {
    fn main(&mut self, letter: u8, arg: Option<&'a str>) -> Done<Option<Wish<'a>>> {
        let word = arg.unwrap_or_default();
        match letter {
            b'p' => self.protocol(word)?,
            b's' => {
                self.option(letter)?;
                self.src = Some(word);
            }
            b'd' => {
                self.option(letter)?;
                self.dst = Some(word);
            }
            b'i' | b'o' => self.link(letter, word)?,
            b'j' | b'g' => self.jump(letter == b'g', word)?,
            b'm' => {
                if self.inv {
                    return problem("unexpected ! flag before --match");
                }
                let kind = matches::find(word)
                    .ok_or_else(|| Refusal::new(format!("Couldn't load match `{word}':No such file or directory\n")))?;
                self.exts.load(Ext::Match((kind.make)()));
            }
            b't' => self.table(word)?,
            b'c' => self.counters(word)?,
            b'v' => {
                if self.verbose == 0 {
                    self.option(letter)?;
                }
                self.verbose = self.verbose.saturating_add(1);
            }
            b'n' | b'x' | b'0' => self.option(letter)?,
            b'f' => {
                self.option(letter)?;
                self.ip.fragment = true;
            }
            b'w' | b'W' => self.wait(letter, arg)?,
            b'h' => return Ok(Some(Wish::Help)),
            b'V' if self.inv => return problem("unexpected ! flag before --version"),
            b'V' => return Ok(Some(Wish::Version)),
            b'6' if self.how.restore.is_some() => return Ok(Some(Wish::Skip)),
            b'6' => return Err(Refusal::Hint),
            b'4' | b'M' => {}
            _ => self.verb(letter, arg)?,
        }
        Ok(None)
    }

    /// Notes an option that may be given once (`set_option`).
    fn option(&mut self, letter: u8) -> Done {
        let one = Given::of(if letter == b'g' { b'j' } else { letter });
        let letter = one.letter();
        if self.given.contains(one) {
            return problem(format!("multiple -{letter} flags not allowed"));
        }
        self.given |= one;
        if self.inv {
            let Some(bit) = one.inverted() else { return problem(format!("cannot have ! before -{letter}")) };
            self.ip.inv |= bit;
        }
        Ok(())
    }

    fn protocol(&mut self, word: &'a str) -> Done {
        self.option(b'p')?;
        let unknown = || Refusal::new(format!("unknown protocol \"{}\" specified", word.to_ascii_lowercase()));
        self.ip.protocol = protocol(self.how.names, word).ok_or_else(unknown)?;
        if self.ip.protocol == 0 && self.ip.inv.contains(Inverted::PROTOCOL) {
            return problem("rule would never match protocol");
        }
        self.protocol = Some(word);
        Ok(())
    }

    fn link(&mut self, letter: u8, word: &str) -> Done {
        if word.is_empty() {
            return problem("Empty interface is likely to be undesired");
        }
        self.option(letter)?;
        // iptables takes the last word whole here: `-ieth0` asks for a link of the name `-ieth0`.
        let word = self.words.last();
        if word.len() >= MAX_LINK {
            return problem(format!("interface name `{word}' must be shorter than IFNAMSIZ ({})", MAX_LINK - 1));
        }
        *(if letter == b'i' { &mut self.ip.input } else { &mut self.ip.output }) = LinkMatch::new(word);
        Ok(())
    }

    fn jump(&mut self, goto: bool, name: &'a str) -> Done {
        self.option(b'j')?;
        check_target_name(name)?;
        self.jump = Some((name, goto));
        if goto {
            return Ok(());
        }
        if let Some(kind) = targets::find(name) {
            self.exts.load(Ext::Target((kind.make)()));
        } else if targets::is_absent(name) {
            return problem(format!("Couldn't load target `{name}':No such file or directory\n"));
        }
        Ok(())
    }

    fn table(&mut self, word: &'a str) -> Done {
        if self.inv {
            return problem("unexpected ! flag before --table");
        }
        if let Some(program) = self.how.restore.filter(|_| self.table_set) {
            return problem(format!("The -t option cannot be used in {program}.\n"));
        }
        self.table = word;
        self.table_set = true;
        Ok(())
    }

    fn counters(&mut self, word: &'a str) -> Done {
        self.option(b'c')?;
        let (packets, bytes) = word.split_once(',').map_or((word, None), |(a, b)| (a, Some(b)));
        let bytes = bytes.or_else(|| self.words.argument());
        let bytes = bytes.ok_or_else(|| Refusal::new("-c requires packet and byte counter"))?;
        let number = |word: &str| {
            let end = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
            word[..end].parse().ok()
        };
        let packets = number(packets).ok_or_else(|| Refusal::new("-c packet counter not numeric"))?;
        let bytes = number(bytes).ok_or_else(|| Refusal::new("-c byte counter not numeric"))?;
        self.counters = Counters { packets, bytes };
        Ok(())
    }

    /// Nobody else holds the lock: there is nothing to wait for.
    fn wait(&mut self, letter: u8, arg: Option<&'a str>) -> Done {
        if let Some(program) = self.how.restore {
            return problem(format!("You cannot use `-{}' from {program}", letter as char));
        }
        let Some(word) = arg.or_else(|| self.words.argument()) else { return Ok(()) };
        match number::within(word, 0, i32::MAX as u64) {
            Some(_) => Ok(()),
            None => problem("wait seconds not numeric"),
        }
    }

    /// An option of an extension.
    fn extension(&mut self, at: usize, opt: &'static Opt, arg: Option<&'a str>) -> Done {
        let found = Found { at, opt, arg, inv: self.inv };
        self.exts.option(&found, &self.ip, self.how.names, || self.words.argument())
    }

    fn load_protocol(&mut self) -> bool {
        self.protocol.is_some_and(|word| self.exts.load_protocol(word, self.how.names))
    }

    fn finish(mut self) -> Done<Parsed<'a>> {
        let drops = self.second == Some("DROP") && self.verb == Some(Verb::SetPolicy);
        if self.table == "nat" && (drops || self.jump.is_some_and(|jump| jump.0 == "DROP")) {
            let text = "\nThe \"nat\" table is not intended for filtering, the use of DROP is therefore inhibited.\n\n";
            return problem(text);
        }
        self.exts.finish(&self.ip)?;
        if self.words.is_left() {
            return problem("unknown arguments found on commandline");
        }
        let Some(verb) = self.verb else { return problem("no command specified") };
        if self.inv {
            return problem("nothing appropriate following !");
        }
        let src = Hosts::read(self.src, self.how.names)?;
        let dst = Hosts::read(self.dst, self.how.names)?;
        let pairs = src.len() * dst.len();
        if pairs > 1 && self.ip.inv.intersects(Inverted::SRC | Inverted::DST) {
            return problem("! not allowed with multiple source or destination IP addresses");
        }
        if verb == Verb::Replace && pairs != 1 {
            return problem("Replacement rule does not specify a unique address");
        }
        verb.check(self.given)?;
        if let Some(chain) = self.chain {
            check_chain(chain, verb, self.given)?;
        }
        let rules = if verb.has_rule() { self.drafts(&src, &dst) } else { SmallVec::new() };
        let Reader { and_zero, table, chain, number, second, given, verbose, .. } = self;
        Ok(Parsed { verb, and_zero, table, chain, number, second, given, verbose, rules })
    }

    fn drafts(&mut self, src: &Hosts, dst: &Hosts) -> SmallVec<[Draft; 1]> {
        let mut rule = Rule { ip: self.ip, counters: self.counters, ..Rule::new() };
        let named = self.exts.put_into(&mut rule);
        let jump = match self.jump {
            None => None,
            Some(_) if named => None,
            Some((name, false)) if Target::standard(name).is_some() => {
                rule.target = Target::standard(name).unwrap_or(Target::Nothing);
                None
            }
            Some((name, goto)) => Some((name.into(), goto)),
        };
        let of = |mut rule: Rule, (src, dst), jump| {
            (rule.ip.src, rule.ip.dst) = (src, dst);
            Draft { rule, jump }
        };
        let mut pairs = hosts::pairs(src, dst);
        let Some(first) = pairs.next() else { return SmallVec::new() };
        let mut drafts: SmallVec<[Draft; 1]> = pairs.map(|pair| of(rule.clone(), pair, jump.clone())).collect();
        drafts.insert(0, of(rule, first, jump));
        drafts
    }
}
