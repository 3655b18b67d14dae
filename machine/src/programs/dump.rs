//! hexdump -C, xxd, od -A x -t x1: bytes made visible.

use super::opts::{getopt, refuse, try_help};
use crate::{Kernel, Open, Program, Read, Step, Sys, Wait};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Canonical,
    Xxd,
    XxdPlain,
    Od,
}

#[derive(Clone)]
struct Dump {
    name: &'static str,
    style: Style,
    files: Vec<String>,
    most: usize,
    at: usize,
    open: Option<u32>,
    data: Vec<u8>,
}

fn build<K: Kernel>(name: &'static str, style: Style, files: Vec<String>, most: Option<&str>) -> Box<dyn Program<K>> {
    let files = if files.is_empty() { vec!["-".to_owned()] } else { files };
    let most = most.and_then(|m| m.parse().ok()).unwrap_or(usize::MAX);
    Box::new(Dump { name, style, files, most, at: 0, open: None, data: Vec::new() })
}

pub(super) fn hexdump<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    match getopt(args, "Cvn:", &[("canonical", 'C')]) {
        Ok(opts) if opts.has('C') => build("hexdump", Style::Canonical, opts.operands.clone(), opts.value('n')),
        Ok(_) => refuse("hexdump: only -C is supported by hopwise\n".to_owned(), 1),
        Err(error) => try_help("hexdump", &error, 1),
    }
}

pub(super) fn xxd<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    match getopt(args, "pl:", &[]) {
        Ok(opts) => build(
            "xxd",
            if opts.has('p') { Style::XxdPlain } else { Style::Xxd },
            opts.operands.clone(),
            opts.value('l'),
        ),
        Err(error) => refuse(format!("xxd: {error}\nUsage:\n       xxd [options] [infile [outfile]]\n"), 1),
    }
}

pub(super) fn od<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    match getopt(args, "A:t:vN:", &[]) {
        Ok(opts) if opts.value('t').is_some_and(|t| t == "x1") => {
            build("od", Style::Od, opts.operands.clone(), opts.value('N'))
        }
        Ok(_) => refuse("od: only -t x1 is supported by hopwise\n".to_owned(), 1),
        Err(error) => try_help("od", &error, 1),
    }
}

fn text(row: &[u8]) -> String {
    row.iter().map(|b| if (32..127).contains(b) { char::from(*b) } else { '.' }).collect()
}

impl Dump {
    fn print(&self) -> String {
        let data = self.data.get(..self.most.min(self.data.len())).unwrap_or(&[]);
        let mut out = String::new();
        let width = if self.style == Style::XxdPlain { 30 } else { 16 };
        for (i, row) in data.chunks(width).enumerate() {
            let at = i * width;
            let hex: Vec<String> = row.iter().map(|b| format!("{b:02x}")).collect();
            match self.style {
                Style::Canonical => {
                    let (a, b) = hex.split_at(hex.len().min(8));
                    out.push_str(&format!("{at:08x}  {:<23}  {:<23}  |{}|\n", a.join(" "), b.join(" "), text(row)));
                }
                Style::Xxd => {
                    let pairs: Vec<String> = hex.chunks(2).map(<[String]>::concat).collect();
                    out.push_str(&format!("{at:08x}: {:<39}  {}\n", pairs.join(" "), text(row)));
                }
                Style::XxdPlain => out.push_str(&format!("{}\n", hex.concat())),
                Style::Od => out.push_str(&format!("{at:07o} {}\n", hex.join(" "))),
            }
        }
        match self.style {
            Style::Canonical if !data.is_empty() => out.push_str(&format!("{:08x}\n", data.len())),
            Style::Od => out.push_str(&format!("{:07o}\n", data.len())),
            _ => {}
        }
        out
    }
}

impl<K: Kernel> Program<K> for Dump {
    fn step(&mut self, sys: &mut Sys<'_, K>) -> Step {
        let Some(fd) = self.open else {
            let Some(name) = self.files.get(self.at) else {
                let text = self.print();
                sys.out(&text);
                return Step::Exit(0);
            };
            let opened = if name == "-" { Ok(0) } else { sys.open(name, Open::Read) };
            match opened {
                Ok(fd) => self.open = Some(fd),
                Err(errno) => {
                    sys.err(&format!("{}: {name}: {errno}\n", self.name));
                    return Step::Exit(1);
                }
            }
            return Step::Again;
        };
        match sys.read(fd, 65536) {
            Ok(Read::Data(data)) if self.data.len() < self.most.min(16 << 20) => self.data.extend(data),
            Ok(Read::WouldBlock) => return Step::Block(Wait::readable(fd)),
            _ => {
                self.open = None;
                self.at += 1;
            }
        }
        Step::Again
    }
}
