//! `calicoctl node status`: which sessions BIRD has. `birdc` asks it, and its answer becomes the table.

use hopwise_cluster::calico::table;
use hopwise_machine::{Program, Read, Spawn, Step, Sys, Wait};

use crate::kernel::SimKernel;

const HEADINGS: [&str; 5] = ["Peer address", "Peer type", "State", "Since", "Info"];

/// Starts the command.
pub(super) fn start() -> Box<dyn Program<SimKernel>> {
    Box::new(Status { asked: None, answer: Vec::new() })
}

#[derive(Clone)]
struct Status {
    /// `birdc`, and where it writes.
    asked: Option<(u32, u32)>,
    answer: Vec<u8>,
}

impl Program<SimKernel> for Status {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        match self.asked {
            Some((_, from)) => self.listen(sys, from),
            None => self.ask(sys),
        }
    }
}

/// Whether a process of the node has these words at the beginning of its command.
fn runs(sys: &Sys<'_, SimKernel>, words: &[&str]) -> bool {
    let is_it = |argv: &[String]| words.iter().zip(argv).filter(|(word, arg)| word == arg).count() == words.len();
    sys.processes().iter().any(|process| process.state != 'Z' && is_it(&process.argv))
}

impl Status {
    fn ask(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if !runs(sys, &["calico-node", "-felix"]) {
            sys.err("Calico process is not running.\n");
            return Step::Exit(1);
        }
        sys.out("Calico process is running.\n");
        if !runs(sys, &["bird"]) {
            sys.out("\nNone of the BGP backend processes (BIRD or GoBGP) are running.\n\n");
            return Step::Exit(0);
        }
        sys.out("\nIPv4 BGP status\n");
        let (read, write) = sys.pipe();
        let argv = ["birdc", "-s", "/var/run/calico/bird.ctl", "show", "protocols"].map(str::to_owned).to_vec();
        let birdc = sys.spawn(Spawn::new(argv).fd(1, write).without_fd(read));
        sys.close(write);
        match birdc {
            Ok(pid) => {
                self.asked = Some((pid, read));
                Step::Again
            }
            Err(errno) => {
                sys.out(&format!("Error querying BIRD: unable to connect to BIRDv4 socket: {errno}"));
                end(sys)
            }
        }
    }

    fn listen(&mut self, sys: &mut Sys<'_, SimKernel>, from: u32) -> Step {
        match sys.read(from, 65_536) {
            Ok(Read::Data(bytes)) => {
                self.answer.extend(bytes);
                Step::Again
            }
            Ok(Read::WouldBlock) => Step::Block(Wait::readable(from)),
            _ => {
                let rows: Vec<Vec<String>> = String::from_utf8_lossy(&self.answer).lines().filter_map(peer).collect();
                sys.out(&match rows.is_empty() {
                    true => "No IPv4 peers found.\n".to_owned(),
                    false => table::framed(&HEADINGS, &rows),
                });
                end(sys)
            }
        }
    }
}

fn end(sys: &mut Sys<'_, SimKernel>) -> Step {
    sys.out(match runs(sys, &["bird6"]) {
        true => "\nIPv6 BGP status\nNo IPv6 peers found.\n\n",
        false => "\nINFO: BIRDv6 process: 'bird6' is not running.\n\n",
    });
    Step::Exit(0)
}

/// A row from a line of `birdc show protocols`: name, protocol, table, state, since, info.
fn peer(line: &str) -> Option<Vec<String>> {
    let mut words = line.split_whitespace();
    let (name, "BGP", _table, state, since) =
        (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?)
    else {
        return None;
    };
    let info = words.collect::<Vec<_>>().join(" ");
    let (prefix, address) = name.split_once('_')?;
    let kind = match prefix {
        "Mesh" => "node-to-node mesh",
        "Node" => "node specific",
        "Global" => "global",
        _ => return None,
    };
    // BIRD 1.6, which Calico builds on, tells no parts of a second.
    let since = since.split('.').next().unwrap_or(since);
    (!info.is_empty()).then(|| [&address.replace('_', "."), kind, state, since, &info].map(str::to_owned).to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_birdc() {
        let row = peer("Mesh_192_168_0_81 BGP        ---        up     01:19:42.123  Established   ").unwrap();
        assert_eq!(row, ["192.168.0.81", "node-to-node mesh", "up", "01:19:42", "Established"]);
        let row = peer("Node_10_0_0_1 BGP master start 2022-05-14 Active Socket: Connection refused").unwrap();
        assert_eq!(row[1..], ["node specific", "start", "2022-05-14", "Active Socket: Connection refused"]);
        for other in
            ["", "BIRD 2.0.12 ready.", "kernel1    Kernel     master4    up     01:19:42.123  ", "x_1 BGP a b c d"]
        {
            assert_eq!(peer(other), None, "{other}");
        }
    }
}
