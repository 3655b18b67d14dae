//! kubectl's command line: flags may stand anywhere before `--`.

/// The flags of all commands, with their short form and whether they take a value.
const FLAGS: &[(&str, char, bool)] = &[
    ("all", ' ', false),
    ("all-namespaces", 'A', false),
    ("cluster-ip", ' ', true),
    ("clusterip", ' ', true),
    ("command", ' ', false),
    ("container", 'c', true),
    ("delete-emptydir-data", ' ', false),
    ("dry-run", ' ', true),
    ("env", ' ', true),
    ("expose", ' ', false),
    ("external-ip", ' ', true),
    ("external-name", ' ', true),
    ("field-selector", ' ', true),
    ("filename", 'f', true),
    ("follow", ' ', false),
    ("for", ' ', true),
    ("force", ' ', false),
    ("grace-period", ' ', true),
    ("ignore-daemonsets", ' ', false),
    ("ignore-not-found", ' ', false),
    ("image", ' ', true),
    ("image-pull-policy", ' ', true),
    ("kubeconfig", ' ', true),
    ("kustomize", 'k', true),
    ("label-columns", 'L', true),
    ("labels", ' ', true),
    ("name", ' ', true),
    ("namespace", 'n', true),
    ("no-headers", ' ', false),
    ("node-port", ' ', true),
    ("now", ' ', false),
    ("output", 'o', true),
    ("overwrite", ' ', false),
    ("patch", 'p', true),
    ("port", ' ', true),
    ("protocol", ' ', true),
    ("quiet", 'q', false),
    ("replicas", 'r', true),
    ("restart", ' ', true),
    ("rm", ' ', false),
    ("selector", 'l', true),
    ("session-affinity", ' ', true),
    ("short", ' ', false),
    ("show-kind", ' ', false),
    ("show-labels", ' ', false),
    ("sort-by", ' ', true),
    ("stdin", 'i', false),
    ("tail", ' ', true),
    ("target-port", ' ', true),
    ("tcp", ' ', true),
    ("timeout", ' ', true),
    ("tty", 't', false),
    ("type", ' ', true),
    ("wait", ' ', false),
    ("watch", 'w', false),
];

/// Flags and words of a command line.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Args {
    flags: Vec<(&'static str, String)>,
    /// The words before `--`.
    pub(super) words: Vec<String>,
    /// The words behind `--`, if it is there.
    pub(super) behind: Option<Vec<String>>,
}

impl Args {
    /// Reads a command line.
    ///
    /// # Errors
    /// kubectl's words.
    pub(super) fn parse(args: &[String]) -> Result<Args, String> {
        let mut found = Args::default();
        let mut rest = args.iter();
        while let Some(word) = rest.next() {
            if word == "--" {
                found.behind = Some(rest.cloned().collect());
                break;
            } else if let Some(long) = word.strip_prefix("--") {
                let (name, value) = long.split_once('=').map_or((long, None), |(n, v)| (n, Some(v.to_owned())));
                let flag = FLAGS.iter().find(|flag| flag.0 == name).ok_or_else(|| format!("unknown flag: --{name}"))?;
                let value = match (flag.2, value) {
                    (true, None) => rest.next().cloned().ok_or_else(|| format!("flag needs an argument: --{name}"))?,
                    (_, Some(value)) => value,
                    (false, None) => "true".to_owned(),
                };
                found.flags.push((flag.0, value));
            } else if word.len() > 1
                && let Some(short) = word.strip_prefix('-')
            {
                found.short(short, &mut rest)?;
            } else {
                found.words.push(word.clone());
            }
        }
        Ok(found)
    }

    fn short<'a>(&mut self, letters: &str, rest: &mut impl Iterator<Item = &'a String>) -> Result<(), String> {
        let mut chars = letters.chars();
        while let Some(letter) = chars.next() {
            let unknown = || format!("unknown shorthand flag: '{letter}' in -{letters}");
            let flag = FLAGS.iter().find(|flag| flag.1 == letter && letter != ' ').ok_or_else(unknown)?;
            if !flag.2 {
                self.flags.push((flag.0, "true".to_owned()));
                continue;
            }
            let tail: String = chars.collect();
            let value = tail.strip_prefix('=').unwrap_or(&tail).to_owned();
            let needs = || format!("flag needs an argument: '{letter}' in -{letters}");
            let value = if value.is_empty() { rest.next().cloned().ok_or_else(needs)? } else { value };
            self.flags.push((flag.0, value));
            return Ok(());
        }
        Ok(())
    }

    /// The first flag that a command does not have.
    pub(super) fn foreign(&self, known: &[&str]) -> Option<&'static str> {
        let always = ["namespace", "kubeconfig"];
        self.flags.iter().map(|flag| flag.0).find(|name| !known.contains(name) && !always.contains(name))
    }

    /// The value of a flag; the last one counts.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.flags.iter().rev().find(|flag| flag.0 == name).map(|flag| &*flag.1)
    }

    /// All values of a flag, those between commas each for itself.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        self.flags.iter().filter(|flag| flag.0 == name).flat_map(|flag| flag.1.split(',')).collect()
    }

    /// All values of a flag as they are.
    pub(super) fn each(&self, name: &str) -> impl Iterator<Item = &str> {
        self.flags.iter().filter(move |flag| flag.0 == name).map(|flag| &*flag.1)
    }

    /// Whether a flag is set.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value != "false")
    }

    /// The namespace that is meant.
    pub(super) fn namespace(&self) -> String {
        self.get("namespace").unwrap_or("default").to_owned()
    }

    /// The namespace to look in: `None` is all of them.
    pub(super) fn scope(&self) -> Option<String> {
        (!self.has("all-namespaces")).then(|| self.namespace())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, String> {
        Args::parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn flags_stand_anywhere() {
        let args = parse("get pods -n kube-system -owide --show-labels -l app=web x -- ls -l").unwrap();
        assert_eq!(args.words, ["get", "pods", "x"]);
        assert_eq!(args.behind, Some(vec!["ls".to_owned(), "-l".to_owned()]));
        let flags = ["namespace", "output", "selector"].map(|name| args.get(name).unwrap());
        assert_eq!(flags, ["kube-system", "wide", "app=web"]);
        assert!(args.has("show-labels") && !args.has("watch"));
        assert_eq!(parse("exec -it web").unwrap().words, ["exec", "web"]);
        assert_eq!(parse("get --foo").unwrap_err(), "unknown flag: --foo");
        assert_eq!(parse("get -x").unwrap_err(), "unknown shorthand flag: 'x' in -x");
        assert_eq!(parse("get -n").unwrap_err(), "flag needs an argument: 'n' in -n");
        assert_eq!(parse("apply -f -").unwrap().get("filename"), Some("-"));
    }
}
