//! Go's `text/tabwriter`: cells that end in a tab stand below each other in lines that follow each other.

/// How columns are set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Style {
    /// The least width of a column.
    pub min: usize,
    /// What stands between a column and the next.
    pub padding: usize,
}

/// The tables of `kubectl get`.
pub const TABLE: Style = Style { min: 6, padding: 3 };
/// `kubectl describe`
pub const DESCRIBE: Style = Style { min: 0, padding: 2 };

/// Sets a text whose cells are separated by tabs.
pub fn set(text: &str, style: Style) -> String {
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    let mut out = String::new();
    block(&lines, &mut Vec::new(), style, &mut out);
    out
}

/// One block of lines that have so many columns in common; those to their right are set within.
fn block(lines: &[Vec<&str>], widths: &mut Vec<usize>, style: Style, out: &mut String) {
    let column = widths.len();
    let has = |line: &Vec<&str>| column + 1 < line.len();
    let mut rest = lines;
    while let Some(first) = rest.first() {
        if !has(first) {
            write(first, widths, out);
            rest = &rest[1..];
            continue;
        }
        let count = rest.iter().take_while(|line| has(line)).count();
        let (own, others) = rest.split_at(count);
        let width = own.iter().map(|line| line[column].chars().count() + style.padding).max().unwrap_or(0);
        widths.push(width.max(style.min));
        block(own, widths, style, out);
        widths.pop();
        rest = others;
    }
}

fn write(line: &[&str], widths: &[usize], out: &mut String) {
    for (at, cell) in line.iter().enumerate() {
        match widths.get(at) {
            Some(width) => out.push_str(&format!("{cell:width$}", width = *width)),
            None => out.push_str(cell),
        }
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_lines() {
        let text = "Name:\tweb\nPriority:\t0\nIPs:\n  IP:\t10.0.0.1\nControlled By:\tx\nPort:\t<unset>\t80\n";
        assert_eq!(
            set(text, DESCRIBE),
            "Name:      web\nPriority:  0\nIPs:\n  IP:           10.0.0.1\nControlled By:  x\nPort:           <unset>  80\n"
        );
        assert_eq!(set("a\t0\tb\nlonger\t0\tc\n", TABLE), "a        0     b\nlonger   0     c\n");
        assert_eq!(set("", TABLE), "");
    }
}
