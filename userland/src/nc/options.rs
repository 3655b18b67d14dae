//! The command line of nc.

use core::net::Ipv4Addr;

use hopwise_sim_core::Duration;

use super::Refusal;
use crate::getopt;

const USAGE: &str = "usage: nc [-46CDdFhklNnrStUuvZz] [-I length] [-i interval] [-M ttl]\n\
\t  [-m minttl] [-O length] [-P proxy_username] [-p source_port]\n\
\t  [-q seconds] [-s sourceaddr] [-T keyword] [-V rtable] [-W recvlimit]\n\
\t  [-w timeout] [-X proxy_protocol] [-x proxy_address[:port]]\n\
\t  [destination] [port]\n";

/// What is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Options {
    pub(super) listen: bool,
    pub(super) keep: bool,
    pub(super) udp: bool,
    pub(super) scan: bool,
    pub(super) verbose: bool,
    pub(super) numeric: bool,
    /// `-d`: standard input is not read.
    pub(super) deaf: bool,
    /// `-N`: the end of the input is sent.
    pub(super) shut: bool,
    pub(super) crlf: bool,
    pub(super) timeout: Option<Duration>,
    /// `-q`: how long to go on after the end of the input.
    pub(super) quit: Option<Duration>,
    pub(super) source: Ipv4Addr,
    pub(super) source_port: u16,
    pub(super) host: String,
    pub(super) ports: Vec<u16>,
}

impl Options {
    pub(super) fn parse(args: &[String]) -> Result<Options, Refusal> {
        let mut o = Options {
            listen: false,
            keep: false,
            udp: false,
            scan: false,
            verbose: false,
            numeric: false,
            deaf: false,
            shut: false,
            crlf: false,
            timeout: None,
            quit: None,
            source: Ipv4Addr::UNSPECIFIED,
            source_port: 0,
            host: String::new(),
            ports: Vec::new(),
        };
        let fail = |text: String| (1, format!("nc: {text}\n"));
        let parsed = getopt::parse(args, "46bCDdFhI:i:klM:m:NnO:P:p:q:rSs:T:tUuV:vW:w:X:x:Zz", &[]);
        for option in parsed.options {
            let option = option.map_err(|why| (1, format!("nc: {why}\n{USAGE}")))?;
            let text = option.text();
            let seconds = |what: &str| match getopt::strtol(text) {
                Some(n) if n >= 0 => Ok(Duration::from_secs(n.unsigned_abs())),
                _ => Err(fail(format!("{what} cannot be negative"))),
            };
            match option.key {
                '4' | 'D' | 'b' => {}
                'l' => o.listen = true,
                'k' => o.keep = true,
                'u' => o.udp = true,
                'z' => o.scan = true,
                'v' => o.verbose = true,
                'n' => o.numeric = true,
                'd' => o.deaf = true,
                'N' => o.shut = true,
                'C' => o.crlf = true,
                'w' => o.timeout = Some(seconds("timeout")?),
                'q' => o.quit = if text.starts_with('-') { None } else { Some(seconds("quit timer")?) },
                's' => {
                    let addr = crate::resolve::inet_aton(text);
                    o.source =
                        addr.ok_or_else(|| fail(format!("getaddrinfo: {}", crate::resolve::GaiError::NoName)))?;
                }
                'p' => o.source_port = port(text).ok_or_else(|| fail(format!("port number invalid: {text}")))?,
                'h' => return Err((0, format!("OpenBSD netcat (Debian patchlevel 1.219-1)\n{USAGE}"))),
                other => return Err(fail(format!("option -{other} is not supported here"))),
            }
        }
        o.operands(&parsed.operands)?;
        if o.listen && o.scan {
            return Err(fail("cannot use -z and -l".into()));
        }
        if !o.listen && o.keep {
            return Err(fail("must use -l with -k".into()));
        }
        Ok(o)
    }

    fn operands(&mut self, operands: &[String]) -> Result<(), Refusal> {
        let usage = || (1, USAGE.to_owned());
        let ports = match operands {
            [port] if self.listen => core::slice::from_ref(port),
            [] if self.listen && self.source_port != 0 => {
                self.ports = vec![core::mem::take(&mut self.source_port)];
                self.host = if self.source.is_unspecified() { String::new() } else { self.source.to_string() };
                return Ok(());
            }
            [host, port] if self.listen => {
                self.host.clone_from(host);
                core::slice::from_ref(port)
            }
            [host, ports @ ..] if !ports.is_empty() && !self.listen => {
                self.host.clone_from(host);
                ports
            }
            _ => return Err(usage()),
        };
        for word in ports {
            let wrong = || (1, format!("nc: port number invalid: {word}\n"));
            match word.split_once('-').filter(|(low, _)| !low.is_empty()) {
                Some((low, high)) => {
                    let (low, high) = (port(low).ok_or_else(wrong)?, port(high).ok_or_else(wrong)?);
                    self.ports.extend(low.min(high)..=low.max(high));
                }
                None => self.ports.push(port(word).ok_or_else(wrong)?),
            }
        }
        Ok(())
    }
}

fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, Refusal> {
        Options::parse(&line.split(' ').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn ports_and_hosts() {
        assert_eq!(parse("-l 80").unwrap().ports, [80]);
        assert_eq!(parse("-lp 81").unwrap().ports, [81]);
        let scan = parse("-zvw1 h 20-22").unwrap();
        assert_eq!(
            (scan.host.as_str(), scan.ports, scan.timeout),
            ("h", vec![20, 21, 22], Some(Duration::from_secs(1)))
        );
        assert_eq!(parse("-z h 80 443 8080-8081").unwrap().ports, [80, 443, 8080, 8081]);
        for bad in ["-l 1 2 3", "-l", "h", "h 0", "-k h 1", "-lz 1", "-J"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
