//! Prompts: what makes a line of a console block a command.

/// A prompt at the beginning of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prompt<'a> {
    /// The machine it names; `None` for `# ` and `$ `.
    pub machine: Option<&'a str>,
    /// The command after the prompt.
    pub command: &'a str,
}

/// The forms a prompt can have, for messages.
pub const FORMS: &str =
    "`worker1# `, `[root@worker1 ~]# `, `root@worker1:~# `, and in a lab with one machine `# ` or `$ `";

/// Reads the prompt of a line, if it begins with one: `worker1# `, `[root@worker1 ~]# `, `root@worker1:~# `, `# `, `$ `.
/// One blank ends the prompt; the rest, be it empty, is the command.
pub fn read(line: &str) -> Option<Prompt<'_>> {
    named_in_brackets(line).or_else(|| named_with_path(line)).or_else(|| named(line)).or_else(|| bare(line))
}

/// `[root@worker1 ~]# ip link`
fn named_in_brackets(line: &str) -> Option<Prompt<'_>> {
    let (machine, rest) = name(line.strip_prefix("[root@")?)?;
    let (_, rest) = rest.split_once(']')?;
    command(Some(machine), rest.strip_prefix('#')?)
}

/// `root@worker1:~# ip link`
fn named_with_path(line: &str) -> Option<Prompt<'_>> {
    let (machine, rest) = name(line.strip_prefix("root@")?)?;
    let (_, rest) = rest.strip_prefix(':')?.split_once('#')?;
    command(Some(machine), rest)
}

/// `worker1# ip link`
fn named(line: &str) -> Option<Prompt<'_>> {
    let (machine, rest) = name(line)?;
    command(Some(machine), rest.strip_prefix('#')?)
}

/// `# ip link`
fn bare(line: &str) -> Option<Prompt<'_>> {
    command(None, line.strip_prefix(['#', '$'])?)
}

/// A machine's name and what follows it.
fn name(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))).unwrap_or(text.len());
    text.split_at_checked(end).filter(|(name, _)| !name.is_empty())
}

fn command<'a>(machine: Option<&'a str>, rest: &'a str) -> Option<Prompt<'a>> {
    rest.strip_prefix([' ', '\t']).map(|command| Prompt { machine, command })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_forms() {
        for line in
            ["worker1# ip link", "[root@worker1 ~]# ip link", "root@worker1:~# ip link", "[root@worker1]# ip link"]
        {
            assert_eq!(read(line), Some(Prompt { machine: Some("worker1"), command: "ip link" }), "{line}");
        }
        for line in ["# ip link", "$ ip link"] {
            assert_eq!(read(line), Some(Prompt { machine: None, command: "ip link" }), "{line}");
        }
        assert_eq!(read("a# "), Some(Prompt { machine: Some("a"), command: "" }));
    }

    #[test]
    fn output_is_not_a_prompt() {
        for line in
            ["", "#", "$", "##  x", "worker1#", "1: lo: <UP>", "a b# x", "root@: # x", "[root@w", "$x y", " # x"]
        {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
