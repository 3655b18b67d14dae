//! fold: breaks long lines.

use super::filter::{Flow, LineFilter, Lines};
use super::opts::{curly, getopt, refuse, try_help};
use crate::{Kernel, Program, Sys};

#[derive(Clone)]
struct Fold {
    width: usize,
    bytes: bool,
    spaces: bool,
}

pub(super) fn fold<K: Kernel>(args: &[String]) -> Box<dyn Program<K>> {
    // `-20` is `-w 20`.
    let old_style = |a: &String| match a.strip_prefix('-') {
        Some(n) if n.starts_with(|c: char| c.is_ascii_digit()) => format!("-w{n}"),
        _ => a.clone(),
    };
    let args: Vec<String> = args.iter().map(old_style).collect();
    let opts = match getopt(&args, "bsw:", &[("bytes", 'b'), ("spaces", 's'), ("width=", 'w')]) {
        Ok(opts) => opts,
        Err(error) => return try_help("fold", &error, 1),
    };
    let width = opts.value('w').unwrap_or("80");
    let Some(width) = width.parse().ok().filter(|w| *w > 0) else {
        return refuse(
            format!(
                "fold: invalid number of columns: {}{}\n",
                curly(width),
                if width.bytes().all(|b| b == b'0') { ": Numerical result out of range" } else { "" }
            ),
            1,
        );
    };
    let filter = Fold { width, bytes: opts.has('b'), spaces: opts.has('s') };
    Box::new(Lines::new("fold", opts.operands.clone(), filter))
}

impl Fold {
    /// The column after a byte.
    fn column(&self, before: usize, byte: u8) -> usize {
        match byte {
            _ if self.bytes => before + 1,
            b'\x08' => before.saturating_sub(1),
            b'\r' => 0,
            b'\t' => before / 8 * 8 + 8,
            _ => before + 1,
        }
    }
}

impl<K: Kernel> LineFilter<K> for Fold {
    fn line(&mut self, sys: &mut Sys<'_, K>, line: &[u8], newline: bool) -> Flow {
        let mut out = Vec::with_capacity(line.len() + 8);
        let mut row: Vec<u8> = Vec::new();
        let mut column = 0;
        for &byte in line {
            while self.column(column, byte) > self.width && !row.is_empty() {
                let blank = row.iter().rposition(|b| *b == b' ' || *b == b'\t').filter(|_| self.spaces);
                let rest = row.split_off(blank.map_or(row.len(), |at| at + 1));
                out.append(&mut row);
                out.push(b'\n');
                column = rest.iter().fold(0, |column, b| self.column(column, *b));
                row = rest;
            }
            column = self.column(column, byte);
            row.push(byte);
        }
        out.append(&mut row);
        if newline {
            out.push(b'\n');
        }
        sys.out_bytes(&out);
        Flow::Go
    }
}
