//! The command line of curl 7.88.

use core::net::Ipv4Addr;

use hopwise_sim_core::Duration;

/// What is to be done with each URL.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Options {
    pub(super) urls: Vec<String>,
    /// Where the bodies go, one for each URL.
    pub(super) outputs: Vec<Output>,
    pub(super) silent: bool,
    pub(super) show_error: bool,
    pub(super) no_meter: bool,
    pub(super) verbose: bool,
    pub(super) head: bool,
    pub(super) include: bool,
    pub(super) follow: bool,
    pub(super) fail: bool,
    pub(super) get: bool,
    pub(super) http10: bool,
    pub(super) method: Option<String>,
    pub(super) data: Option<String>,
    pub(super) fields: Vec<String>,
    pub(super) agent: Option<String>,
    pub(super) range: Option<String>,
    pub(super) referer: Option<String>,
    pub(super) user: Option<String>,
    pub(super) write_out: Option<String>,
    pub(super) max_time: Option<Duration>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) interface: Option<String>,
    pub(super) local_port: u16,
    pub(super) resolve: Vec<(String, u16, Ipv4Addr)>,
    pub(super) connect_to: Vec<String>,
    pub(super) max_redirects: Option<i64>,
    pub(super) retries: u64,
    pub(super) retry_refused: bool,
    pub(super) retry_delay: Option<Duration>,
}

/// Where a body goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Output {
    /// `-o FILE`
    File(String),
    /// `-O`: a file named as the last part of the URL.
    Remote,
}

/// What ends curl before it begins: exit status, output, error output.
pub(super) type Refusal = (i32, String, String);

const VERSION: &str = "curl 7.88.1 (x86_64-pc-linux-gnu) libcurl/7.88.1\nRelease-Date: 2023-02-20\nProtocols: http \n\
     Features: \n";
const HELP: &str = "Usage: curl [options...] <url>\n -d, --data <data>          HTTP POST data\n \
-f, --fail                 Fail fast with no output on HTTP errors\n \
-h, --help <category>      Get help for commands\n \
-i, --include              Include protocol response headers in the output\n \
-o, --output <file>        Write to file instead of stdout\n \
-O, --remote-name          Write output to a file named as the remote file\n \
-s, --silent               Silent mode\n -T, --upload-file <file>   Transfer local FILE to destination\n \
-u, --user <user:password> Server user and password\n \
-A, --user-agent <name>    Send User-Agent <name> to server\n \
-v, --verbose              Make the operation more talkative\n \
-V, --version              Show version number and quit\n\n\
This is not the full help, this menu is stripped into categories.\n\
Use \"--help category\" to get an overview of all categories.\n\
For all options use the manual or \"--help all\".\n";
const TRY: &str = "curl: try 'curl --help' or 'curl --manual' for more information\n";

/// Long name, short one (or a space), whether it takes a value.
const TABLE: &[(&str, char, bool)] = &[
    ("anyauth", ' ', false),
    ("basic", ' ', false),
    ("compressed", ' ', false),
    ("connect-timeout", ' ', true),
    ("connect-to", ' ', true),
    ("data", 'd', true),
    ("data-ascii", ' ', true),
    ("data-binary", ' ', true),
    ("data-raw", ' ', true),
    ("fail", 'f', false),
    ("get", 'G', false),
    ("globoff", 'g', false),
    ("head", 'I', false),
    ("header", 'H', true),
    ("help", 'h', false),
    ("http0.9", ' ', false),
    ("http1.0", '0', false),
    ("http1.1", ' ', false),
    ("include", 'i', false),
    ("insecure", 'k', false),
    ("interface", ' ', true),
    ("ipv4", '4', false),
    ("local-port", ' ', true),
    ("location", 'L', false),
    ("max-redirs", ' ', true),
    ("max-time", 'm', true),
    ("no-buffer", 'N', false),
    ("no-keepalive", ' ', false),
    ("no-progress-meter", ' ', false),
    ("noproxy", ' ', true),
    ("output", 'o', true),
    ("range", 'r', true),
    ("referer", 'e', true),
    ("remote-name", 'O', false),
    ("request", 'X', true),
    ("resolve", ' ', true),
    ("retry", ' ', true),
    ("retry-connrefused", ' ', false),
    ("retry-delay", ' ', true),
    ("show-error", 'S', false),
    ("silent", 's', false),
    ("tcp-nodelay", ' ', false),
    ("url", ' ', true),
    ("user", 'u', true),
    ("user-agent", 'A', true),
    ("verbose", 'v', false),
    ("version", 'V', false),
    ("write-out", 'w', true),
];

impl Options {
    /// Reads the command line.
    pub(super) fn parse(args: &[String]) -> Result<Options, Refusal> {
        let mut options = Options::default();
        let mut words = args.iter();
        let mut only_urls = false;
        while let Some(word) = words.next() {
            if only_urls || !word.starts_with('-') || word == "-" {
                options.urls.push(word.clone());
            } else if word == "--" {
                only_urls = true;
            } else if let Some(name) = word.strip_prefix("--") {
                let row = find(name).ok_or_else(|| wrong(&format!("option {word}: is unknown")))?;
                let value = if row.2 { Some(words.next().ok_or_else(|| missing(word))?.clone()) } else { None };
                options.set(row.0, value.unwrap_or_default(), word)?;
            } else {
                options.cluster(word, &mut words)?;
            }
        }
        if options.urls.is_empty() {
            return Err((2, String::new(), "curl: no URL specified!\n".to_owned() + TRY));
        }
        Ok(options)
    }

    fn cluster<'a>(&mut self, word: &str, words: &mut impl Iterator<Item = &'a String>) -> Result<(), Refusal> {
        let mut letters = word[1..].chars();
        while let Some(letter) = letters.next() {
            let row = TABLE.iter().find(|row| row.1 == letter && letter != ' ');
            let row = row.ok_or_else(|| wrong(&format!("option {word}: is unknown")))?;
            if !row.2 {
                self.set(row.0, String::new(), word)?;
                continue;
            }
            let value = match letters.as_str() {
                "" => words.next().ok_or_else(|| missing(word))?.clone(),
                rest => rest.to_owned(),
            };
            return self.set(row.0, value, word);
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: String, word: &str) -> Result<(), Refusal> {
        match name {
            "silent" => self.silent = true,
            "show-error" => self.show_error = true,
            "no-progress-meter" => self.no_meter = true,
            "verbose" => self.verbose = true,
            "head" => self.head = true,
            "include" => self.include = true,
            "location" => self.follow = true,
            "fail" => self.fail = true,
            "get" => self.get = true,
            "http1.0" => self.http10 = true,
            "request" => self.method = Some(value),
            "header" => self.fields.push(value),
            "user-agent" => self.agent = Some(value),
            "range" => self.range = Some(value),
            "referer" => self.referer = Some(value),
            "user" => self.user = Some(value),
            "write-out" => self.write_out = Some(value),
            "output" => self.outputs.push(Output::File(value)),
            "remote-name" => self.outputs.push(Output::Remote),
            "url" => self.urls.push(value),
            "interface" => self.interface = Some(value),
            "connect-to" => self.connect_to.push(value),
            "max-time" => self.max_time = seconds(word, &value)?,
            "connect-timeout" => self.connect_timeout = seconds(word, &value)?,
            "retry-delay" => self.retry_delay = seconds(word, &value)?,
            "retry-connrefused" => self.retry_refused = true,
            "retry" => self.retries = integer(word, &value)?.unsigned_abs(),
            "max-redirs" => self.max_redirects = Some(integer(word, &value)?),
            "local-port" => {
                let first = value.split('-').next().unwrap_or_default();
                self.local_port = first.parse().map_err(|_| bad(word))?;
            }
            "data" | "data-ascii" | "data-binary" | "data-raw" => match &mut self.data {
                Some(data) => *data = format!("{data}&{value}"),
                None => self.data = Some(value),
            },
            "resolve" => self.resolve.push(resolve(&value).ok_or_else(|| {
                (49, String::new(), format!("curl: (49) Couldn't parse CURLOPT_RESOLVE entry '{value}'\n"))
            })?),
            "version" => return Err((0, VERSION.to_owned(), String::new())),
            "help" => return Err((0, HELP.to_owned(), String::new())),
            // What makes no difference here: no proxies, no TLS, no compression, IPv4 only, no patterns in URLs.
            _ => {}
        }
        Ok(())
    }
}

/// `HOST:PORT:ADDRESS`
fn resolve(text: &str) -> Option<(String, u16, Ipv4Addr)> {
    let mut parts = text.splitn(3, ':');
    let (host, port, addr) = (parts.next()?, parts.next()?, parts.next()?);
    let addr = addr.split(',').next()?.trim_matches(['[', ']']);
    Some((host.trim_start_matches('+').to_owned(), port.parse().ok()?, addr.parse().ok()?))
}

fn find(name: &str) -> Option<&'static (&'static str, char, bool)> {
    let exact = TABLE.iter().find(|row| row.0 == name);
    let mut similar = TABLE.iter().filter(|row| row.0.starts_with(name));
    exact.or_else(|| similar.next().filter(|_| similar.next().is_none()))
}

fn wrong(text: &str) -> Refusal {
    (2, String::new(), format!("curl: {text}\n{TRY}"))
}

fn missing(word: &str) -> Refusal {
    wrong(&format!("option {word}: requires parameter"))
}

fn bad(word: &str) -> Refusal {
    wrong(&format!("option {word}: expected a proper numerical parameter"))
}

fn integer(word: &str, text: &str) -> Result<i64, Refusal> {
    crate::getopt::strtol(text).ok_or_else(|| bad(word))
}

/// A time in seconds with a fraction; 0 is no limit.
fn seconds(word: &str, text: &str) -> Result<Option<Duration>, Refusal> {
    let (number, rest) = crate::getopt::strtod(text);
    if !rest.is_empty() || text.is_empty() || number < 0.0 {
        return Err(bad(word));
    }
    let millis = (number * 1000.0) as u64;
    Ok(Some(Duration::from_millis(millis)).filter(|limit| !limit.is_zero()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, Refusal> {
        Options::parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn letters_together_and_values_behind_them() {
        let options = parse("-sSm2 -o /dev/null -w x --connect-ti 1.5 http://a").unwrap();
        assert!(options.silent && options.show_error);
        assert_eq!(options.max_time, Some(Duration::from_secs(2)));
        assert_eq!(options.connect_timeout, Some(Duration::from_millis(1500)));
        assert_eq!((options.outputs, options.urls), (vec![Output::File("/dev/null".into())], vec!["http://a".into()]));
    }

    #[test]
    fn what_is_wrong_is_told() {
        let text = |line: &str| parse(line).unwrap_err().2.lines().next().unwrap_or_default().to_owned();
        assert_eq!(text("--nope a"), "curl: option --nope: is unknown");
        assert_eq!(text("-o"), "curl: option -o: requires parameter");
        assert_eq!(text("-s"), "curl: no URL specified!");
        assert_eq!(text("-m x a"), "curl: option -m: expected a proper numerical parameter");
    }
}
