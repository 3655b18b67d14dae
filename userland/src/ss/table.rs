//! The columns of `ss`: as wide as their widest entry (`render` of `misc/ss.c` when it writes to no terminal).

/// Heading, what stands in front of an entry, whether entries stand at the right.
const COLUMNS: [(&str, &str, bool); 9] = [
    ("Netid", "", false),
    ("State", " ", false),
    ("Recv-Q", " ", false),
    ("Send-Q", " ", false),
    ("Local Address:", " ", true),
    ("Port", "", false),
    ("Peer Address:", " ", true),
    ("Port", "", false),
    ("Process", "", false),
];

/// A table under construction.
#[derive(Clone, Default, Debug)]
pub(super) struct Table {
    rows: Vec<[String; 9]>,
}

impl Table {
    pub(super) fn push(&mut self, row: [String; 9]) {
        self.rows.push(row);
    }

    /// Writes it out; `hidden` columns are left out.
    pub(super) fn render(mut self, heads: bool, hidden: [bool; 9]) -> String {
        if heads {
            self.rows.insert(0, COLUMNS.map(|column| column.0.to_owned()));
        }
        let longest = |at: usize| {
            let lines = self.rows.iter().flat_map(|row| row[at].split('\n'));
            lines.map(|line| line.chars().count()).max().unwrap_or(0)
        };
        let widths: [usize; 9] = core::array::from_fn(longest);
        let mut text = String::new();
        for row in &self.rows {
            let mut first = true;
            for (at, entry) in row.iter().enumerate() {
                if hidden[at] || widths[at] == 0 {
                    continue;
                }
                text.push_str(if first { "" } else { COLUMNS[at].1 });
                first = false;
                let width = widths[at];
                for (n, line) in entry.split('\n').enumerate() {
                    text.push_str(if n > 0 { "\n" } else { "" });
                    text.push_str(&if COLUMNS[at].2 { format!("{line:>width$}") } else { format!("{line:<width$}") });
                }
            }
            text.push('\n');
        }
        text
    }
}
