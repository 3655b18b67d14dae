//! Tables as Go's `text/tabwriter` lays them out.

/// Lines of cells. Each cell but the last of a line ended with a tab: it is as wide as the widest of its column in the lines
/// around that have one there, and three blanks more.
pub(super) fn layout(lines: &[Vec<String>]) -> String {
    const MIN_WIDTH: usize = 5;
    const PADDING: usize = 3;
    let columns = lines.iter().map(|cells| cells.len().saturating_sub(1)).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter(|cells| cells.len() > column + 1).map(|cells| cells[column].chars().count());
        let widest = cells.max().unwrap_or(0);
        // A column of empty cells takes no room.
        if widest == 0 { 0 } else { (widest + PADDING).max(MIN_WIDTH) }
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for cells in lines {
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

/// A line whose cells all ended with a tab.
pub(super) fn line<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).chain([String::new()]).collect()
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
}
