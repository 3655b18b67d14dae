//! The tables that `calicoctl` prints.

/// A table in a frame of `+`, `-` and `|`: headings in the middle of their columns and in capitals, numbers to the right, the rest to
/// the left (olekukonko/tablewriter as `calicoctl node status` and `calicoctl ipam show` use it).
pub fn framed(headings: &[&str], rows: &[Vec<String>]) -> String {
    let headings: Vec<String> = headings.iter().map(|heading| heading.to_uppercase()).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).chain(headings.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line: String = widths.iter().map(|width| format!("+{}", "-".repeat(width + 2))).collect();
    let put = |cells: &[String], place: fn(&str, usize) -> String| -> String {
        let cells = widths.iter().zip(cells).map(|(width, cell)| format!("| {} ", place(cell, *width)));
        cells.collect::<String>() + "|\n"
    };
    let body: String = rows.iter().map(|row| put(row, by_kind)).collect();
    format!("{line}+\n{}{line}+\n{body}{line}+\n", put(&headings, centred))
}

/// In the middle; what is left over goes to the right side.
fn centred(cell: &str, width: usize) -> String {
    let gap = width.saturating_sub(cell.chars().count());
    let left = gap / 2;
    format!("{}{cell}{}", " ".repeat(left), " ".repeat(gap - left))
}

fn by_kind(cell: &str, width: usize) -> String {
    let number = !cell.is_empty() && cell.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if number && cell.bytes().filter(|b| *b == b'.').count() < 2 {
        format!("{cell:>width$}")
    } else {
        format!("{cell:<width$}")
    }
}

/// A table in columns with three spaces between them (Go's `tabwriter` as `calicoctl get` uses it): every cell but a line's last one is
/// filled up, and the last one is followed by three spaces as well, because each cell ends in a tab.
pub fn columns(headings: &[&str], rows: &[Vec<String>]) -> String {
    let all: Vec<Vec<&str>> = core::iter::once(headings.to_vec())
        .chain(rows.iter().map(|row| row.iter().map(String::as_str).collect()))
        .collect();
    let width =
        |column: usize| all.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count() + 3).max().unwrap_or(0);
    let line = |row: &Vec<&str>| -> String {
        let cells = row.iter().enumerate().map(|(i, cell)| format!("{cell:<w$}", w = width(i).max(5)));
        cells.collect::<String>() + "\n"
    };
    all.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines are those of the document on Calico's IPIP mode.
    #[test]
    fn peers_are_framed_as_calicoctl_frames_them() {
        let row = |peer: &str, since: &str| {
            [peer, "node-to-node mesh", "up", since, "Established"].map(str::to_owned).to_vec()
        };
        let rows = [row("192.168.0.81", "01:19:42"), row("192.168.0.82", "01:19:25")];
        let expected = "\
+--------------+-------------------+-------+----------+-------------+
| PEER ADDRESS |     PEER TYPE     | STATE |  SINCE   |    INFO     |
+--------------+-------------------+-------+----------+-------------+
| 192.168.0.81 | node-to-node mesh | up    | 01:19:42 | Established |
| 192.168.0.82 | node-to-node mesh | up    | 01:19:25 | Established |
+--------------+-------------------+-------+----------+-------------+
";
        assert_eq!(framed(&["Peer address", "Peer type", "State", "Since", "Info"], &rows), expected);
    }

    #[test]
    fn numbers_stand_to_the_right() {
        let rows = [vec!["IP Pool".to_owned(), "65536".to_owned()], vec!["Block".to_owned(), "64".to_owned()]];
        let expected = "\
+----------+-----------+
| GROUPING | IPS TOTAL |
+----------+-----------+
| IP Pool  |     65536 |
| Block    |        64 |
+----------+-----------+
";
        assert_eq!(framed(&["GROUPING", "IPS TOTAL"], &rows), expected);
    }
}
