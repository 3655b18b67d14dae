//! JSON texts one after another, and jq's words for what is wrong with them (jv_parse.c's messages and positions).

use jaq_json::{Val, read};

/// Values nest at most this deep, as in jq 1.6.
const DEPTH_MAX: usize = 256;

/// One value, and the number of newlines up to its end: jq names that line in errors.
pub(super) type Input = (Val, usize);

/// Reads all values, up to the first mistake: the values before it and jq's message.
pub(super) fn read(text: &[u8]) -> Result<Vec<Input>, (Vec<Input>, String)> {
    let mut scan = Scan { text, at: 0, line: 1, column: 0 };
    let mut values = Vec::new();
    loop {
        scan.blanks();
        let start = scan.at;
        if start >= text.len() {
            return Ok(values);
        }
        if let Err(message) = scan.value() {
            return Err((values, message));
        }
        let end = scan.at;
        // jq has read the rest of the line too when it runs the filter.
        let newlines = text.iter().take(end + 1).filter(|b| **b == b'\n').count();
        match read::parse_single(text.get(start..end).unwrap_or(&[])) {
            Ok(value) => values.push((value, newlines)),
            Err(_) => return Err((values, scan.fault("Invalid literal"))),
        }
    }
}

/// Walks over JSON text with a stack of its own, so that no depth harms.
struct Scan<'t> {
    text: &'t [u8],
    at: usize,
    line: usize,
    column: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn step(&mut self) {
        if self.peek() == Some(b'\n') {
            (self.line, self.column) = (self.line + 1, 0);
        } else {
            self.column += 1;
        }
        self.at += 1;
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.step();
        }
    }

    /// A message with the position after the present character.
    fn fault(&mut self, what: &str) -> String {
        let end = if self.at >= self.text.len() { " at EOF" } else { "" };
        if end.is_empty() {
            self.step();
        }
        format!("{what}{end} at line {}, column {}", self.line, self.column)
    }

    /// One value; brackets are kept on a stack with what may come next.
    fn value(&mut self) -> Result<(), String> {
        let mut open: Vec<(u8, bool)> = Vec::new();
        loop {
            self.blanks();
            let is_key = matches!(open.last(), Some((b'{', false)));
            let Some(b) = self.peek() else { return Err(self.unfinished()) };
            match b {
                b'[' | b'{' if !is_key => {
                    if open.len() >= DEPTH_MAX {
                        return Err(self.fault("Exceeds depth limit for parsing"));
                    }
                    self.step();
                    open.push((b, false));
                    self.blanks();
                    let closer = if b == b'[' { b']' } else { b'}' };
                    if self.peek() != Some(closer) {
                        continue;
                    }
                    self.step();
                    open.pop();
                }
                b']' | b'}' => {
                    let message = match (open.last(), b) {
                        (Some((b'[', _)), b']') => "Expected another array element".to_owned(),
                        (Some((b'{', _)), b'}') => "Objects must consist of key:value pairs".to_owned(),
                        (Some((b'{', _)), _) => "Unmatched ']' in the middle of an object".to_owned(),
                        _ => format!("Unmatched '{}'", char::from(b)),
                    };
                    return Err(self.fault(&message));
                }
                b'"' => self.string()?,
                b',' | b':' => return Err(self.fault("Expected value before ','")),
                _ if is_key => {
                    self.literal()?;
                    return Err(self.fault("Object keys must be strings"));
                }
                _ => self.literal()?,
            }
            // After a value or key: what may follow it.
            loop {
                if open.is_empty() {
                    return Ok(());
                }
                self.blanks();
                let Some(b) = self.peek() else { return Err(self.unfinished()) };
                match (open.last_mut(), b) {
                    (Some((b'{', keyed @ false)), b':') => *keyed = true,
                    (Some((b'{', keyed @ true)), b',') => *keyed = false,
                    (Some((b'[', _)), b',') => {}
                    (Some((b'[', _)), b']') | (Some((b'{', true)), b'}') => {
                        open.pop();
                        self.step();
                        continue;
                    }
                    (Some((b'{', false)), b'}' | b',') => {
                        return Err(self.fault("Objects must consist of key:value pairs"));
                    }
                    (_, b']' | b'}') => return Err(self.fault(&format!("Unmatched '{}'", char::from(b)))),
                    _ => {
                        if matches!(b, b'"' | b'[' | b'{') {
                            return Err(self.fault("Expected separator between values"));
                        }
                        self.literal()?;
                        return Err(self.fault("Expected separator between values"));
                    }
                }
                self.step();
                break;
            }
        }
    }

    fn unfinished(&mut self) -> String {
        self.fault("Unfinished JSON term")
    }

    fn string(&mut self) -> Result<(), String> {
        self.step();
        loop {
            match self.peek() {
                None => return Err(self.fault("Unfinished string")),
                Some(b'"') => {
                    self.step();
                    return Ok(());
                }
                Some(b'\\') => {
                    self.step();
                    self.step();
                }
                Some(_) => self.step(),
            }
        }
    }

    /// A number or a word, up to a character that cannot belong to it.
    fn literal(&mut self) -> Result<(), String> {
        let start = self.at;
        while self.peek().is_some_and(|b| !b" \t\r\n[]{}:,\"".contains(&b)) {
            self.step();
        }
        let token = std::str::from_utf8(self.text.get(start..self.at).unwrap_or(&[])).unwrap_or("?");
        let number = token.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit() || c == '.');
        let good = matches!(token, "true" | "false" | "null" | "nan") || number && token.parse::<f64>().is_ok();
        if good {
            return Ok(());
        }
        let word = token.starts_with(['t', 'f', 'n']) && !(token.starts_with("na") && token.len() < 4);
        let length = if token.starts_with('f') { 5 } else { 4 };
        // A word of the right length is wrong itself; a shorter one is told to be none only at the end.
        let literal = word && (token.len() == length || self.at >= self.text.len());
        Err(self.fault(if literal { "Invalid literal" } else { "Invalid numeric literal" }))
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    /// What jq 1.6 printed for these.
    #[test]
    fn mistakes_are_told_as_jq_tells_them() {
        for (text, message) in [
            ("[1\n", "Unfinished JSON term at EOF at line 2, column 0"),
            ("abc\n", "Invalid numeric literal at line 2, column 0"),
            ("Device \"x\" does\n", "Invalid numeric literal at line 1, column 7"),
            ("abc", "Invalid numeric literal at EOF at line 1, column 3"),
            ("[1,2", "Unfinished JSON term at EOF at line 1, column 4"),
            ("[1 2]", "Expected separator between values at line 1, column 5"),
            ("{\"a\" 1}", "Expected separator between values at line 1, column 7"),
            ("{a:1}", "Invalid numeric literal at line 1, column 3"),
            ("]", "Unmatched ']' at line 1, column 1"),
            ("\"abc", "Unfinished string at EOF at line 1, column 4"),
            ("[1,]", "Expected another array element at line 1, column 4"),
            ("tru", "Invalid literal at EOF at line 1, column 3"),
        ] {
            assert_eq!(read(text.as_bytes()).map(|v| v.len()).map_err(|e| e.1), Err(message.to_owned()), "{text}");
        }
    }

    #[test]
    fn values_in_a_row() {
        assert_eq!(read(b"1 [2,{\"a\":[]}]\n\"x\\\"\" {} null").map(|v| v.len()).map_err(|e| e.1), Ok(5));
        assert!(read("[".repeat(100_000).as_bytes()).is_err());
    }
}
