//! `ipset` 7.17.

use hopwise_sim_core::Time;
use smallvec::SmallVec;

use super::SetError;
use super::element::Element;
use super::set::{Kind, Member, Set};
use crate::names::Names;
use crate::rules::Ruleset;
use crate::xtables::{Answer, number, split};

/// Where the program works.
pub struct Place<'a> {
    /// The rules and sets.
    pub rules: &'a mut Ruleset,
    /// Names.
    pub names: &'a dyn Names,
    /// The present.
    pub now: Time,
}

/// Names of sets are shorter than this (`IPSET_MAXNAMELEN`).
const MAX_NAME: usize = 32;

/// Options that stand anywhere.
#[derive(Clone, Copy, Default)]
struct Global {
    exist: bool,
    quiet: bool,
    names_only: bool,
    terse: bool,
    save: bool,
}

/// A command: its names, and how many words it must have.
struct Command {
    names: &'static [&'static str],
    least: usize,
    run: fn(&mut Place<'_>, &[&str], Global, &mut Answer) -> Done,
}

type Done<T = ()> = Result<T, SetError>;

static COMMANDS: &[Command] = &[
    Command { names: &["create", "n", "-N", "--create"], least: 2, run: |p, w, g, _| create(p, w, g) },
    Command { names: &["add", "-A", "--add"], least: 2, run: |p, w, g, _| change(p, w, g, true) },
    Command { names: &["del", "-D", "--del"], least: 2, run: |p, w, g, _| change(p, w, g, false) },
    Command { names: &["test", "-T", "--test"], least: 2, run: test },
    Command { names: &["destroy", "x", "-X", "--destroy"], least: 0, run: |p, w, _, _| destroy(p, w) },
    Command { names: &["list", "-L", "--list"], least: 0, run: list },
    Command { names: &["save", "-S", "--save"], least: 0, run: save },
    Command { names: &["flush", "-F", "--flush"], least: 0, run: |p, w, _, _| flush(p, w) },
    Command { names: &["rename", "e", "-E", "--rename"], least: 2, run: |p, w, _, _| rename(p, w) },
    Command { names: &["swap", "w", "-W", "--swap"], least: 2, run: |p, w, _, _| swap(p, w) },
    Command { names: &["version", "-v", "-V", "--version"], least: 0, run: version },
    Command { names: &["help", "-h", "-H", "--help"], least: 0, run: help },
];

/// Runs `ipset` with these words.
pub fn run(place: &mut Place<'_>, words: &[&str]) -> Answer {
    let mut answer = Answer::default();
    let mut quiet = false;
    if let Err(error) = one(place, words, false, &mut quiet, &mut answer) {
        return if quiet { answer.failing("", error.status()) } else { refuse(answer, &error, None) };
    }
    answer
}

/// Runs `ipset restore` on a text.
pub fn restore(place: &mut Place<'_>, text: &str, exist: bool) -> Answer {
    let mut answer = Answer::default();
    for (number, line) in text.lines().enumerate() {
        let words = split(line);
        let words: SmallVec<[&str; 32]> = words.iter().map(|word| &**word).collect();
        if words.first().is_none_or(|first| first.starts_with('#') || *first == "COMMIT") {
            continue;
        }
        if let Err(error) = one(place, &words, exist, &mut false, &mut answer) {
            let line = (!matches!(error, SetError::Usage(_))).then_some(number + 1);
            return refuse(answer, &error, line);
        }
    }
    answer
}

fn refuse(answer: Answer, error: &SetError, line: Option<usize>) -> Answer {
    let line = line.map_or(String::new(), |line| format!("Error in line {line}: "));
    let hint = if error.status() == 2 { "Try `ipset help' for more information.\n" } else { "" };
    answer.failing(&format!("ipset v7.17: {line}{error}\n{hint}"), error.status())
}

fn usage<T>(text: impl Into<String>) -> Done<T> {
    Err(SetError::Usage(text.into()))
}

/// Takes the options that stand anywhere out of the words.
fn globals<'w>(words: &[&'w str]) -> Done<(Global, Vec<&'w str>)> {
    let mut global = Global::default();
    let mut rest = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "-!" | "-exist" | "--exist" => global.exist = true,
            "-q" | "-quiet" | "--quiet" => global.quiet = true,
            "-n" | "-name" | "--name" => global.names_only = true,
            "-t" | "-terse" | "--terse" => global.terse = true,
            "-s" | "-sorted" | "--sorted" | "-r" | "-resolve" | "--resolve" => {}
            "-o" | "-output" | "--output" => match words.next() {
                Some(&"plain") => {}
                Some(&"save") => global.save = true,
                Some(other) => return usage(format!("Couldn't parse output mode '{other}'")),
                None => return usage("Missing mandatory argument to option -o"),
            },
            word => rest.push(word),
        }
    }
    Ok((global, rest))
}

fn one(place: &mut Place<'_>, words: &[&str], exist: bool, quiet: &mut bool, answer: &mut Answer) -> Done {
    let (mut global, words) = globals(words)?;
    global.exist |= exist;
    *quiet = global.quiet;
    let Some((word, args)) = words.split_first() else { return usage("No command specified.") };
    let Some(command) = COMMANDS.iter().find(|command| command.names.contains(word)) else {
        return usage(format!("No command specified: unknown argument {word}"));
    };
    if args.len() < command.least {
        let nth = if args.is_empty() { "" } else { "second " };
        return usage(format!("Missing {nth}mandatory argument to command {}", command.names[0]));
    }
    (command.run)(place, args, global, answer)
}

fn version(_: &mut Place<'_>, _: &[&str], _: Global, answer: &mut Answer) -> Done {
    answer.out.push_str("ipset v7.17, protocol version: 7\n");
    Ok(())
}

fn help(_: &mut Place<'_>, _: &[&str], _: Global, answer: &mut Answer) -> Done {
    answer.out.push_str(
        "ipset v7.17

Usage: ipset [options] COMMAND

Commands:
create SETNAME TYPENAME [type-specific-options]
add SETNAME ENTRY [entry-specific-options]
del SETNAME ENTRY
test SETNAME ENTRY
destroy [SETNAME]
list [SETNAME]
save [SETNAME]
restore
flush [SETNAME]
rename FROM-SETNAME TO-SETNAME
swap FROM-SETNAME TO-SETNAME
help
version

Options: -o plain|save, -s, -q, -r, -!, -n, -t, -f FILE

Supported set types:
",
    );
    for (_, name, revision) in Kind::ALL {
        answer.out.push_str(&format!("    {name}\t\t{revision}\n"));
    }
    Ok(())
}

fn number_of(option: &str, word: Option<&&str>, max: u64) -> Done<u32> {
    let Some(word) = word else { return usage(format!("Missing mandatory argument of option `{option}'")) };
    let bad = || SetError::Syntax(format!("'{word}' is out of range 0-{max}"));
    number::within(word, 0, max).map(|n| n as u32).ok_or_else(bad)
}

fn create(place: &mut Place<'_>, words: &[&str], global: Global) -> Done {
    let (name, kind) = (words[0], words[1]);
    check_name(name)?;
    let Some((kind, ..)) = Kind::ALL.into_iter().find(|row| row.1 == kind) else {
        return Err(SetError::Syntax(format!("typename '{kind}' is unknown")));
    };
    let mut set = Set::new(name, kind);
    let mut ranged = false;
    let mut rest = words[2..].iter();
    while let Some(option) = rest.next() {
        match (*option, kind) {
            ("timeout", _) => set.timeout = Some(number_of(option, rest.next(), 2_147_483)?),
            ("counters", _) => set.counters = true,
            ("comment", _) => set.comment = true,
            ("size", Kind::ListSet) => set.maxelem = number_of(option, rest.next(), 65_535)?,
            ("range", Kind::BitmapPort) => {
                set.range = port_range(rest.next())?;
                ranged = true;
            }
            ("family", _) if kind.is_hash() => match rest.next() {
                Some(&("inet" | "ipv4" | "-4")) => {}
                Some(&("inet6" | "ipv6" | "-6")) => return Err(SetError::Refused("IPv6 sets")),
                other => return Err(SetError::Syntax(format!("unknown INET family {}", other.unwrap_or(&"")))),
            },
            ("hashsize", _) if kind.is_hash() => {
                let size = number_of(option, rest.next(), u32::MAX.into())?;
                set.hashsize = size.clamp(64, 1 << 31).next_power_of_two();
            }
            ("maxelem", _) if kind.is_hash() => set.maxelem = number_of(option, rest.next(), u32::MAX.into())?,
            ("bucketsize", _) if kind.is_hash() => drop(number_of(option, rest.next(), 255)?),
            ("initval", _) if kind.is_hash() => set.initval = number_of(option, rest.next(), u32::MAX.into())?,
            ("netmask", Kind::HashIp) => set.netmask = number_of(option, rest.next(), 32)?.max(1) as u8,
            (other, _) => return usage(format!("Unknown argument: `{other}'")),
        }
    }
    if kind == Kind::BitmapPort && !ranged {
        return usage("Mandatory option `range' is missing");
    }
    match place.rules.shared.sets.create(set) {
        Err(SetError::Exists) if global.exist => Ok(()),
        result => result,
    }
}

fn check_name(name: &str) -> Done {
    if name.len() >= MAX_NAME {
        return Err(SetError::Syntax(format!("setname '{name}' is longer than {} characters", MAX_NAME - 1)));
    }
    Ok(())
}

fn port_range(word: Option<&&str>) -> Done<(u16, u16)> {
    let Some(word) = word else { return usage("Missing mandatory argument of option `range'") };
    let (from, to) = word.split_once('-').unwrap_or((word, word));
    let port = |word| number::within(word, 0, 65_535).map(|port| port as u16);
    let ports = port(from).zip(port(to)).filter(|(from, to)| from <= to);
    ports.ok_or_else(|| SetError::Syntax(format!("cannot parse '{word}' as a port range")))
}

/// What stands behind an element.
#[derive(Default)]
struct Extra<'w> {
    timeout: Option<u32>,
    member: Member,
    /// The set beside which it shall stand, and whether before it.
    beside: Option<(&'w str, bool)>,
}

fn extras<'w>(set: &Set, words: &[&'w str]) -> Done<Extra<'w>> {
    let mut extra = Extra::default();
    let mut rest = words.iter();
    let lacks = |has: bool, what| if has { Ok(()) } else { Err(SetError::NoSupport(what)) };
    while let Some(option) = rest.next() {
        match *option {
            "timeout" => {
                lacks(set.timeout.is_some(), "Timeout cannot be used: set was created without timeout support")?;
                extra.timeout = Some(number_of(option, rest.next(), 2_147_483)?);
            }
            "packets" | "bytes" => {
                lacks(set.counters, "Packet/byte counters cannot be used: set was created without counter support")?;
                let count = u64::from(number_of(option, rest.next(), u32::MAX.into())?);
                *(if *option == "packets" { &mut extra.member.packets } else { &mut extra.member.bytes }) = count;
            }
            "comment" => {
                lacks(set.comment, "Comment cannot be used: set was created without comment support")?;
                extra.member.comment = rest.next().map(|text| (*text).into());
            }
            "nomatch" if set.kind.has_nets() => extra.member.nomatch = true,
            "before" | "after" if set.kind == Kind::ListSet => {
                let Some(other) = rest.next() else {
                    return usage(format!("Missing mandatory argument of option `{option}'"));
                };
                extra.beside = Some((other, *option == "before"));
            }
            other => return usage(format!("Unknown argument: `{other}'")),
        }
    }
    Ok(extra)
}

/// `add` and `del`.
fn change(place: &mut Place<'_>, words: &[&str], global: Global, add: bool) -> Done {
    let (now, names) = (place.now, place.names);
    let set = place.rules.shared.sets.get_mut(words[0]).ok_or(SetError::NoSet)?;
    let element = set.element(words[1], names)?;
    let mut extra = extras(set, &words[2..])?;
    extra.member.expires = set.expiry(extra.timeout, now);
    match element {
        Element::Keys(keys) => {
            for key in keys {
                if add {
                    set.add(key, extra.member.clone(), global.exist, now)?;
                } else {
                    set.delete(&key, global.exist, now)?;
                }
            }
            Ok(())
        }
        Element::Set(member) => change_list(place, words[0], &member, extra, global, add),
    }
}

fn change_list(place: &mut Place<'_>, list: &str, name: &str, extra: Extra<'_>, global: Global, add: bool) -> Done {
    match place.rules.shared.sets.get(name) {
        None => return Err(SetError::NoMember),
        Some(set) if set.kind == Kind::ListSet => return Err(SetError::ListInList),
        Some(_) => {}
    }
    let set = place.rules.shared.sets.get_mut(list).ok_or(SetError::NoSet)?;
    set.expire(place.now);
    let there = set.list.iter().position(|row| &*row.0 == name);
    match (there, add) {
        (Some(at), false) => {
            set.list.remove(at);
        }
        (None, false) if !global.exist => return Err(SetError::Missing),
        (Some(at), true) if global.exist => set.list[at].1 = extra.member,
        (Some(_), true) => return Err(SetError::Added),
        (None, true) => {
            if set.list.len() >= set.maxelem as usize {
                return Err(SetError::ListFull);
            }
            let at = match extra.beside {
                None => set.list.len(),
                Some((other, before)) => {
                    let found = set.list.iter().position(|row| &*row.0 == other);
                    found.ok_or(SetError::NoNeighbour)? + usize::from(!before)
                }
            };
            set.list.insert(at, (name.into(), extra.member));
        }
        (None, false) => {}
    }
    Ok(())
}

fn test(place: &mut Place<'_>, words: &[&str], global: Global, answer: &mut Answer) -> Done {
    let (now, names) = (place.now, place.names);
    let set = place.rules.shared.sets.get_mut(words[0]).ok_or(SetError::NoSet)?;
    set.expire(now);
    let (text, found) = match set.element(words[1], names)? {
        Element::Set(name) => {
            let found = set.list.iter().any(|row| row.0 == name);
            (name.to_string(), found)
        }
        Element::Keys(keys) => match keys.first() {
            Some(key) => {
                let found = set.find(*key, now).is_some_and(|member| !member.nomatch);
                (set.text(key, names), found)
            }
            None => (words[1].to_owned(), false),
        },
    };
    let text = match found {
        true => format!("Warning: {text} is in set {}.\n", words[0]),
        false => format!("{text} is NOT in set {}.\n", words[0]),
    };
    if !global.quiet {
        answer.err.push_str(&text);
    }
    answer.status = i32::from(!found);
    Ok(())
}

/// How often something refers to a set.
fn references(rules: &Ruleset, name: &str) -> u32 {
    rules.uses_of_set(name) + rules.shared.sets.listed(name)
}

fn destroy(place: &mut Place<'_>, words: &[&str]) -> Done {
    let names: Vec<String> = match words.first() {
        Some(name) => {
            place.rules.shared.sets.get(name).ok_or(SetError::NoSet)?;
            vec![(*name).to_owned()]
        }
        None => place.rules.shared.sets.all().map(|set| set.name.to_string()).collect(),
    };
    if names.iter().any(|name| references(place.rules, name) > 0) {
        return Err(SetError::Busy);
    }
    for name in names {
        place.rules.shared.sets.destroy(&name);
    }
    Ok(())
}

fn flush(place: &mut Place<'_>, words: &[&str]) -> Done {
    let sets = &mut place.rules.shared.sets;
    match words.first() {
        Some(name) => sets.get_mut(name).ok_or(SetError::NoSet)?.flush(),
        None => {
            let names: Vec<String> = sets.all().map(|set| set.name.to_string()).collect();
            for name in names {
                if let Some(set) = sets.get_mut(&name) {
                    set.flush();
                }
            }
        }
    }
    Ok(())
}

fn rename(place: &mut Place<'_>, words: &[&str]) -> Done {
    check_name(words[1])?;
    place.rules.shared.sets.get(words[0]).ok_or(SetError::NoSet)?;
    if references(place.rules, words[0]) > 0 {
        return Err(SetError::RenameBusy);
    }
    if place.rules.shared.sets.get(words[1]).is_some() {
        return Err(SetError::NameTaken);
    }
    place.rules.shared.sets.rename(words[0], words[1]);
    Ok(())
}

fn swap(place: &mut Place<'_>, words: &[&str]) -> Done {
    let sets = &mut place.rules.shared.sets;
    let one = sets.get(words[0]).ok_or(SetError::NoSet)?;
    let other = sets.get(words[1]).ok_or(SetError::NoSecond)?;
    if one.kind != other.kind {
        return Err(SetError::Unequal);
    }
    sets.swap(words[0], words[1]);
    Ok(())
}

/// The sets that `list` and `save` are about, without what has gone.
fn chosen(place: &mut Place<'_>, words: &[&str]) -> Done<Vec<String>> {
    let now = place.now;
    let sets = &mut place.rules.shared.sets;
    let names: Vec<String> = match words.first() {
        Some(name) => vec![sets.get(name).ok_or(SetError::NoSet)?.name.to_string()],
        None => sets.all().map(|set| set.name.to_string()).collect(),
    };
    for name in &names {
        if let Some(set) = sets.get_mut(name) {
            set.expire(now);
        }
    }
    Ok(names)
}

fn list(place: &mut Place<'_>, words: &[&str], global: Global, answer: &mut Answer) -> Done {
    if global.save {
        return save(place, words, global, answer);
    }
    for (at, name) in chosen(place, words)?.iter().enumerate() {
        if global.names_only {
            answer.out.push_str(&format!("{name}\n"));
            continue;
        }
        if at > 0 {
            answer.out.push('\n');
        }
        if let Some(set) = place.rules.shared.sets.get(name) {
            let references = references(place.rules, name);
            set.listing(&mut answer.out, references, global.terse, place.names, place.now);
        }
    }
    Ok(())
}

fn save(place: &mut Place<'_>, words: &[&str], _: Global, answer: &mut Answer) -> Done {
    for name in chosen(place, words)? {
        if let Some(set) = place.rules.shared.sets.get(&name) {
            set.save(&mut answer.out, place.names, place.now);
        }
    }
    Ok(())
}
