//! `ipset` 7.17. What it reads, does and prints is in `hopwise_netfilter::sets`; here it meets the machine.

use hopwise_machine::{Open, Program, Read, Step, Sys, Wait};
use hopwise_netfilter::sets::command::{self, Place};

use super::iptables::{print, with_rules};
use super::names::Files;
use crate::kernel::SimKernel;

/// `ipset`, and what it has read of the commands that it shall restore.
#[derive(Clone)]
struct Ipset {
    args: Vec<String>,
    /// `restore`: the descriptor that is read, once it is open.
    open: Option<u32>,
    text: Vec<u8>,
}

/// Starts `ipset`.
pub(crate) fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    Box::new(Ipset { args: args.to_vec(), open: None, text: Vec::new() })
}

impl Ipset {
    /// The file of `-f`, and the words without it.
    fn file(&self) -> (Option<&str>, Vec<&str>) {
        let (mut file, mut words) = (None, Vec::new());
        let mut rest = self.args.iter();
        while let Some(word) = rest.next() {
            match word.as_str() {
                "-f" | "-file" | "--file" => file = rest.next().map(String::as_str),
                word => words.push(word),
            }
        }
        (file, words)
    }

    fn is_restore(words: &[&str]) -> bool {
        let command = words.iter().find(|word| !matches!(**word, "-!" | "-exist" | "--exist" | "-q" | "-quiet"));
        command.is_some_and(|word| matches!(*word, "restore" | "-R" | "--restore"))
    }

    fn once(&self, sys: &mut Sys<'_, SimKernel>, restore: bool) -> i32 {
        let names = Files::read(sys);
        let now = sys.now();
        let (file, words) = self.file();
        let text = String::from_utf8_lossy(&self.text);
        let exist = words.iter().any(|word| matches!(*word, "-!" | "-exist" | "--exist"));
        let answer = with_rules(sys, |rules| {
            let mut place = Place { rules, names: &names, now };
            if restore { command::restore(&mut place, &text, exist) } else { command::run(&mut place, &words) }
        });
        if let Some(path) = file.filter(|_| !restore)
            && let Err(errno) = sys.write_file(path, answer.out.as_bytes())
        {
            sys.err(&format!("ipset v7.17: Cannot open {path} for writing: {errno}\n"));
            return 1;
        }
        match file {
            Some(_) if !restore => {
                sys.err(&answer.err);
                answer.status
            }
            _ => print(sys, &answer),
        }
    }
}

impl Program<SimKernel> for Ipset {
    fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        let (file, words) = self.file();
        if !Ipset::is_restore(&words) {
            return Step::Exit(self.once(sys, false));
        }
        let fd = match (self.open, file) {
            (Some(fd), _) => fd,
            (None, None) => 0,
            (None, Some(path)) => match sys.open(path, Open::Read) {
                Ok(fd) => fd,
                Err(errno) => {
                    sys.err(&format!("ipset v7.17: Cannot open {path} for reading: {errno}\n"));
                    return Step::Exit(1);
                }
            },
        };
        self.open = Some(fd);
        loop {
            match sys.read(fd, 65536) {
                Ok(Read::Data(data)) => self.text.extend_from_slice(&data),
                Ok(Read::WouldBlock) => return Step::Block(Wait::readable(fd)),
                Ok(Read::Eof) | Err(_) => return Step::Exit(self.once(sys, true)),
            }
        }
    }
}
