//! shuf: lines in an order drawn from the machine's seeded stream.

use super::filter::{Flow, LineFilter, Lines};
use super::opts::{curly, getopt, quoted, refuse, try_help};
use crate::{Kernel, Open, Program, Sys, once};

/// What is drawn, and how.
#[derive(Clone)]
struct Draw {
    lines: Vec<Vec<u8>>,
    held: usize,
    most: usize,
    repeat: bool,
    output: Option<String>,
}

/// The most numbers of a range that are held.
const RANGE_MAX: u64 = 1 << 20;

pub(super) fn shuf<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    let long = [("echo", 'e'), ("input-range=", 'i'), ("head-count=", 'n'), ("output=", 'o'), ("repeat", 'r')];
    let opts = match getopt(args, "ei:n:o:r", &long) {
        Ok(opts) => opts,
        Err(error) => return try_help("shuf", &error, 1),
    };
    let mut most = usize::MAX;
    for count in opts.values('n') {
        match count.parse::<usize>() {
            Ok(count) => most = most.min(count),
            Err(_) => return refuse(format!("shuf: invalid line count: {}\n", curly(count)), 1),
        }
    }
    let output = opts.value('o').map(str::to_owned);
    let mut draw = Draw { lines: Vec::new(), held: 0, most, repeat: opts.has('r'), output };
    if let Some(range) = opts.value('i') {
        if opts.has('e') {
            return try_help("shuf", "cannot combine -e and -i options", 1);
        }
        if let Some(extra) = opts.operands.first() {
            return try_help("shuf", &format!("extra operand {}", quoted(extra)), 1);
        }
        let ends = range.split_once('-').and_then(|(a, b)| Some((a.parse::<u64>().ok()?, b.parse::<u64>().ok()?)));
        let Some((low, high)) = ends.filter(|(low, high)| low <= high) else {
            return refuse(format!("shuf: invalid input range: {}\n", curly(range)), 1);
        };
        if high - low >= RANGE_MAX {
            return refuse(format!("shuf: a range of more than {RANGE_MAX} numbers is not supported by hopwise\n"), 1);
        }
        draw.lines = (low..=high).map(|n| n.to_string().into_bytes()).collect();
    } else if opts.has('e') {
        draw.lines = opts.operands.iter().map(|o| o.clone().into_bytes()).collect();
    } else {
        if let Some(extra) = opts.operands.get(1) {
            return try_help("shuf", &format!("extra operand {}", quoted(extra)), 1);
        }
        return Box::new(Lines::new("shuf", opts.operands.clone(), draw));
    }
    once(move |sys| draw.clone().print(sys))
}

impl Draw {
    fn print<K: Kernel>(&mut self, sys: &mut Sys<'_, K>) -> i32 {
        let count = self.lines.len();
        let mut out = Vec::new();
        if self.repeat && self.most > 0 {
            if count == 0 {
                sys.err("shuf: no lines to repeat\n");
                return 1;
            }
            for _ in 0..self.most {
                out.extend(self.lines.get(below(sys, count)).into_iter().flatten());
                out.push(b'\n');
                sys.charge(1);
                sys.hold(out.len());
                if sys.is_exhausted() {
                    return 1;
                }
            }
        } else {
            // Fisher and Yates: each place gets one of those that are left.
            for at in 0..count.min(self.most) {
                let other = at + below(sys, count - at);
                self.lines.swap(at, other);
                out.extend(self.lines.get(at).into_iter().flatten());
                out.push(b'\n');
            }
        }
        let Some(name) = &self.output else {
            sys.out_bytes(&out);
            return 0;
        };
        let written = sys.open(name, Open::Write).and_then(|fd| sys.write(fd, &out));
        if let Err(errno) = written {
            sys.err(&format!("shuf: {name}: {errno}\n"));
            return 1;
        }
        0
    }
}

/// An even number below `count` (which is not 0).
fn below<K: Kernel>(sys: &mut Sys<'_, K>, count: usize) -> usize {
    ((u64::from(sys.random_u32()) * count as u64) >> 32) as usize
}

impl<K: Kernel> LineFilter<K> for Draw {
    fn line(&mut self, sys: &mut Sys<'_, K>, line: &[u8], _: bool) -> Flow {
        self.held += line.len() + size_of::<Vec<u8>>();
        sys.hold(self.held);
        self.lines.push(line.to_vec());
        Flow::Go
    }

    fn end(&mut self, sys: &mut Sys<'_, K>) -> i32 {
        self.print(sys)
    }
}
