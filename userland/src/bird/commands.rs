//! The commands that `birdc` knows: it sends no others, takes abbreviations, and tells of them at a question mark.

/// A command or a group of them: its words, what may follow, what it does.
struct Entry {
    words: &'static str,
    arguments: &'static str,
    help: &'static str,
    /// It can be given as it is; otherwise words have to follow.
    whole: bool,
}

const fn whole(words: &'static str, arguments: &'static str, help: &'static str) -> Entry {
    Entry { words, arguments, help, whole: true }
}

const fn group(words: &'static str, help: &'static str) -> Entry {
    Entry { words, arguments: "...", help, whole: false }
}

const PROTOCOLS: &str = "(<protocol> | \"<pattern>\" | all) [message]";
const RELOADED: &str = "<protocol> | \"<pattern>\" | all";
const INTERFACE: &str = "[<name>] [\"<interface>\"]";
const SOME: &str = "[<protocol> | \"<pattern>\"]";

/// In the order in which BIRD lists them. A group that is a command too stands twice: `...` is what a list shows of it.
#[rustfmt::skip]
const TABLE: &[Entry] = &[
    whole("quit", "", "Quit the client"),
    whole("exit", "", "Exit the client"),
    whole("help", "", "Description of the help system"),
    group("show", "Show status information"),
    whole("show status", "", "Show router status"),
    whole("show memory", "", "Show memory usage"),
    whole("show protocols", SOME, "Show routing protocols"),
    whole("show protocols all", SOME, "Show routing protocol details"),
    whole("show interfaces", "", "Show network interfaces"),
    whole("show interfaces summary", "", "Show summary of network interfaces"),
    group("show route", "Show routing table"),
    whole("show route", "[<prefix>|for <prefix>|for <ip>] [table <t>] [(import|export) table <p>.<c>] [filter <f>|where <cond>] \
        [all] [primary] [filtered] [(export|preexport|noexport) <p>] [protocol <p>] [stats|count]", "Show routing table"),
    group("show symbols", "Show all known symbolic names"),
    whole("show symbols", "[table|filter|function|protocol|template|<symbol>]", "Show all known symbolic names"),
    group("show bfd", "Show information about BFD protocol"),
    whole("show bfd sessions", "[<name>]", "Show information about BFD sessions"),
    group("show babel", "Show information about Babel protocol"),
    whole("show babel interfaces", INTERFACE, "Show information about Babel interfaces"),
    whole("show babel neighbors", INTERFACE, "Show information about Babel neighbors"),
    whole("show babel entries", "[<name>]", "Show information about Babel prefix entries"),
    whole("show babel routes", "[<name>]", "Show information about Babel route entries"),
    group("show ospf", "Show information about OSPF protocol"),
    whole("show ospf", "[<name>]", "Show information about OSPF protocol"),
    whole("show ospf neighbors", INTERFACE, "Show information about OSPF neighbors"),
    whole("show ospf interface", INTERFACE, "Show information about interface"),
    whole("show ospf topology", "[all] [<name>]", "Show information about OSPF network topology"),
    whole("show ospf topology", "[<name>]", "Show information about reachable OSPF network topology"),
    whole("show ospf topology all", "[<name>]", "Show information about all OSPF network topology"),
    whole("show ospf state", "[all] [<name>]", "Show information about OSPF network state"),
    whole("show ospf state", "[<name>]", "Show information about reachable OSPF network state"),
    whole("show ospf state all", "[<name>]", "Show information about all OSPF network state"),
    group("show ospf lsadb", "Show content of OSPF LSA database"),
    whole("show ospf lsadb", "[global | area <id> | link] [type <num>] [lsid <id>] [self | router <id>] [<proto>] ",
        "Show content of OSPF LSA database"),
    group("show rip", "Show information about RIP protocol"),
    whole("show rip interfaces", INTERFACE, "Show information about RIP interfaces"),
    whole("show rip neighbors", INTERFACE, "Show information about RIP neighbors"),
    whole("show static", "[<name>]", "Show details of static protocol"),
    group("dump", "Dump debugging information"),
    whole("dump resources", "", "Dump all allocated resource"),
    whole("dump sockets", "", "Dump open sockets"),
    whole("dump events", "", "Dump event log"),
    whole("dump interfaces", "", "Dump interface information"),
    whole("dump neighbors", "", "Dump neighbor cache"),
    whole("dump attributes", "", "Dump attribute cache"),
    whole("dump routes", "", "Dump routing table"),
    whole("dump protocols", "", "Dump protocol information"),
    whole("dump filter all", "", "Dump all filters in linearized form"),
    whole("eval", "<expr>", "Evaluate an expression"),
    group("echo", "Control echoing of log messages"),
    whole("echo", "(all | off | { debug|trace|info|remote|warning|error|auth [, ...] }) [<buffer-size>]", "Control echoing of log messages"),
    whole("disable", PROTOCOLS, "Disable protocol"),
    whole("enable", PROTOCOLS, "Enable protocol"),
    whole("restart", PROTOCOLS, "Restart protocol"),
    whole("reload", RELOADED, "Reload protocol"),
    whole("reload in", RELOADED, "Reload protocol (just imported routes)"),
    whole("reload out", RELOADED, "Reload protocol (just exported routes)"),
    group("debug", "Control protocol debugging via BIRD logs"),
    whole("debug", "(<protocol> | <channel> | \"<pattern>\" | all) (all | off | { states|routes|filters|interfaces|events|packets [, ...] })",
        "Control protocol debugging via BIRD logs"),
    group("mrtdump", "Control protocol debugging via MRTdump files"),
    whole("mrtdump", "(<protocol> | \"<pattern>\" | all) (all | off | { states|messages [, ...] })", "Control protocol debugging via MRTdump format"),
    whole("restrict", "", "Restrict current CLI session to safe commands"),
    group("configure", "Reload configuration"),
    whole("configure", "[\"<file>\"] [timeout [<sec>]]", "Reload configuration"),
    whole("configure soft", "[\"<file>\"] [timeout [<sec>]]", "Reload configuration and ignore changes in filters"),
    whole("configure soft timeout", "[<sec>]", "Reload configuration with undo timeout"),
    whole("configure timeout", "[<sec>]", "Reload configuration with undo timeout"),
    whole("configure confirm", "", "Confirm last configuration change - deactivate undo timeout"),
    whole("configure undo", "", "Undo last configuration change"),
    whole("configure status", "", "Show configuration status"),
    whole("configure check", "[\"<file>\"]", "Parse configuration and check its validity"),
    whole("down", "", "Shut the daemon down"),
    whole("graceful restart", "", "Shut the daemon down for graceful restart"),
];

/// What is said of a command that there is not.
pub(super) const UNKNOWN: &str = "No such command. Press `?' for help.";

/// Those that stand directly below some words, in order; of those that stand twice the first one.
fn below(words: &str) -> Vec<(&'static str, &'static Entry)> {
    let mut found: Vec<(&str, &Entry)> = Vec::new();
    for entry in TABLE {
        let rest = if words.is_empty() { Some(entry.words) } else { after(entry.words, words) };
        let Some(next) = rest.and_then(|rest| rest.split(' ').next()) else { continue };
        // Of `dump filter all` nothing is shown among the commands of `dump`.
        if !found.iter().any(|(word, _)| *word == next) {
            found.push((next, entry));
        }
    }
    found
}

/// What follows these words in the name of a command.
fn after(name: &'static str, words: &str) -> Option<&'static str> {
    name.strip_prefix(words)?.strip_prefix(' ')
}

fn line(entry: &Entry) -> String {
    let name = format!("{} {}", entry.words, entry.arguments);
    format!("{:<45}  {}\n", name.trim_end_matches(' '), entry.help)
}

/// Follows words as far as they are known: the words written out, and what follows them. The error is what to print.
fn walk(text: &str) -> Result<(String, &str), String> {
    let (mut known, mut rest) = (String::new(), text.trim_start());
    while !rest.is_empty() {
        let word = rest.split(char::is_whitespace).next().unwrap_or_default();
        let sons = below(&known);
        let fits: Vec<_> = sons.iter().filter(|(name, _)| name.starts_with(word)).collect();
        let chosen = match fits.as_slice() {
            // The most wanted of all has the shortest name.
            _ if known == "show" && word == "r" => "route",
            many if many.iter().any(|(name, _)| *name == word) => word,
            [only] => only.0,
            [] => break,
            many => {
                let lines: String = many.iter().map(|(_, entry)| line(entry)).collect();
                return Err(format!("Ambiguous command, possible expansions are:\n{lines}"));
            }
        };
        known = format!("{known} {chosen}").trim_start().to_owned();
        rest = rest[word.len()..].trim_start();
    }
    Ok((known, rest))
}

/// A command with its words written out; the error is what to print.
pub(super) fn expand(text: &str) -> Result<String, String> {
    let (known, rest) = walk(text)?;
    match TABLE.iter().any(|entry| entry.whole && entry.words == known) {
        true => Ok(format!("{known} {rest}").trim_end().to_owned()),
        false => Err(format!("{UNKNOWN}\n")),
    }
}

/// What a question mark behind some words tells (`cmd_help`).
pub(super) fn help(text: &str) -> String {
    let Ok((known, _)) = walk(text) else { return String::new() };
    let own = TABLE.iter().rfind(|entry| entry.whole && entry.words == known).map(line);
    let sons = below(&known)
        .into_iter()
        .filter(|(word, entry)| entry.words == "graceful restart" || entry.words.split(' ').next_back() == Some(*word));
    own.into_iter().chain(sons.map(|(_, entry)| line(entry))).collect()
}

#[cfg(test)]
mod tests {
    use super::{expand, help};

    /// What `birdc` 2.0.12 did.
    #[test]
    fn abbreviations() {
        let cases = [
            ("sh prot", "show protocols"),
            ("show r count", "show route count"),
            ("show route for 10.0.0.1 all", "show route for 10.0.0.1 all"),
        ];
        for (short, long) in cases {
            assert_eq!(expand(short).as_deref(), Ok(long));
        }
        for text in [
            "s",
            "show",
            "show nix",
            "dump",
            "dump filter",
            "graceful",
            "nix",
            "42",
            "show bfd",
            "show rip",
            "show mpls",
        ] {
            assert_eq!(expand(text), Err("No such command. Press `?' for help.\n".to_owned()), "{text}");
        }
        let ambiguous = "Ambiguous command, possible expansions are:
show status                                    Show router status
show static [<name>]                           Show details of static protocol
";
        assert_eq!(expand("sh st"), Err(ambiguous.to_owned()));
        let d = "Ambiguous command, possible expansions are:
dump ...                                       Dump debugging information
disable (<protocol> | \"<pattern>\" | all) [message]  Disable protocol
debug ...                                      Control protocol debugging via BIRD logs
down                                           Shut the daemon down
";
        assert_eq!(expand("d"), Err(d.to_owned()));
    }

    #[test]
    fn question_marks() {
        let recorded = include_str!("help_recorded.txt");
        // Each question stands on a line of its own behind the prompt.
        for part in recorded.strip_prefix("> ").expect("a prompt").split("\n> ") {
            let (asked, told) = part.split_once("?\n").expect("a question");
            let told = format!("{}\n", told.trim_end_matches('\n'));
            assert_eq!(help(asked), told, "{asked}");
        }
    }
}
