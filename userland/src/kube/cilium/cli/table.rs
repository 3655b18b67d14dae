//! Tables as Go's `text/tabwriter` lays them out.

/// Lines of cells, as a writer with these settings lays them out: each cell but the last of a line ended with a tab. It is as
/// wide as the widest of its column in the lines around that have one there, and `padding` blanks more.
fn tabulate(lines: &[Vec<String>], (min_width, padding): (usize, usize)) -> String {
    let columns = lines.iter().map(|cells| cells.len().saturating_sub(1)).max().unwrap_or(0);
    let mut widths = vec![vec![0; columns]; lines.len()];
    for column in 0..columns {
        let mut at = 0;
        while at < lines.len() {
            let block = lines[at..].iter().take_while(|cells| cells.len() > column + 1);
            let cells: Vec<usize> = block.map(|cells| cells[column].chars().count()).collect();
            let width = cells.iter().max().map_or(0, |widest| (widest + padding).max(min_width));
            for line in &mut widths[at..at + cells.len()] {
                line[column] = width;
            }
            at += cells.len().max(1);
        }
    }
    let mut text = String::new();
    for (cells, widths) in lines.iter().zip(&widths) {
        for (place, cell) in cells.iter().enumerate() {
            text.push_str(cell);
            if place + 1 < cells.len() {
                let room = widths.get(place).copied().unwrap_or(0).saturating_sub(cell.chars().count());
                text.extend(core::iter::repeat_n(' ', room));
            }
        }
        text.push('\n');
    }
    text
}

/// Lists of the command `cilium`: `NewWriter(os.Stdout, 5, 0, 3, ' ', 0)`.
pub(super) fn layout(lines: &[Vec<String>]) -> String {
    tabulate(lines, (5, 3))
}

/// What `cilium status` prints: `NewWriter(os.Stdout, 2, 0, 3, ' ', 0)`.
pub(super) fn status_layout(lines: &[Vec<String>]) -> String {
    tabulate(lines, (2, 3))
}

/// A line whose cells all ended with a tab.
pub(super) fn line<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).chain([String::new()]).collect()
}

/// A line whose last cell ends it.
pub(super) fn open_line<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_padded_with_three_blanks() {
        let lines = [line(["IP ADDRESS", "INFO"]), line(["10.0.0.85:0", "(localhost)"]), line(["", "x"])];
        assert_eq!(
            layout(&lines),
            "IP ADDRESS    INFO          \n10.0.0.85:0   (localhost)   \n              x             \n"
        );
    }

    #[test]
    fn a_column_ends_where_a_line_has_no_such_cell() {
        let lines = [
            open_line(["Kubernetes:", "Ok", "1.28"]),
            open_line(["APIs:", "[]"]),
            line(["Replacement:", "Disabled"]),
            line(["Health:", ""]),
        ];
        assert_eq!(
            status_layout(&lines),
            "Kubernetes:    Ok   1.28\nAPIs:          []\nReplacement:   Disabled   \nHealth:                   \n"
        );
    }
}
