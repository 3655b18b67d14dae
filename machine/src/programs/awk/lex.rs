//! awk's words and signs.

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Token {
    Number(f64),
    Text(String),
    Regex(String),
    Name(String),
    /// A name directly followed by `(`.
    FuncName(String),
    Op(&'static str),
    Newline,
    End,
}

const OPERATORS: [&str; 44] = [
    "**=", "&&", "||", "==", "<=", ">=", "!=", "++", "--", "+=", "-=", "*=", "/=", "%=", "^=", "!~", ">>", "**", "{",
    "}", "(", ")", "[", "]", ";", ",", "+", "-", "*", "/", "%", "^", "!", "<", ">", "|", "?", ":", "~", "$", "=", "&",
    "@", "\\",
];

pub(super) const BUILTINS: [&str; 22] = [
    "length", "substr", "index", "split", "sub", "gsub", "match", "sprintf", "sin", "cos", "atan2", "exp", "log",
    "sqrt", "int", "rand", "srand", "tolower", "toupper", "system", "close", "fflush",
];

pub(super) type Parsed<T> = Result<T, String>;

pub(super) fn lex(text: &str) -> Parsed<Vec<(Token, usize)>> {
    let chars: Vec<char> = text.chars().collect();
    let mut out: Vec<(Token, usize)> = Vec::new();
    let mut i = 0;
    let mut line = 1;
    while let Some(&c) = chars.get(i) {
        match c {
            ' ' | '\t' | '\r' => i += 1,
            '\\' if chars.get(i + 1) == Some(&'\n') => {
                i += 2;
                line += 1;
            }
            '\n' => {
                out.push((Token::Newline, line));
                i += 1;
                line += 1;
            }
            '#' => {
                while chars.get(i).is_some_and(|c| *c != '\n') {
                    i += 1;
                }
            }
            '"' => {
                let (text, end) = string(&chars, i + 1).ok_or(format!("line {line}: runaway string constant"))?;
                out.push((Token::Text(text), line));
                i = end;
            }
            c if c.is_ascii_digit() || (c == '.' && chars.get(i + 1).is_some_and(char::is_ascii_digit)) => {
                let rest: String = chars.get(i..).unwrap_or(&[]).iter().take(60).collect();
                let (value, left) = if let Some(hex) = rest.strip_prefix("0x") {
                    let end = hex.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(hex.len());
                    (i64::from_str_radix(&hex[..end], 16).unwrap_or(0) as f64, &hex[end..])
                } else {
                    crate::format::leading_float(&rest)
                };
                i += (rest.len() - left.len()).max(1);
                out.push((Token::Number(value), line));
            }
            c if c == '_' || c.is_ascii_alphabetic() => {
                let start = i;
                while chars.get(i).is_some_and(|c| *c == '_' || c.is_ascii_alphanumeric()) {
                    i += 1;
                }
                let name: String = chars.get(start..i).unwrap_or(&[]).iter().collect();
                let call = chars.get(i) == Some(&'(') && !KEYWORDS.contains(&name.as_str());
                out.push((if call { Token::FuncName(name) } else { Token::Name(name) }, line));
            }
            '/' if regex_allowed(out.last().map(|t| &t.0)) => {
                let (source, end) =
                    regex_text(&chars, i + 1).ok_or(format!("line {line}: regular expression not terminated"))?;
                out.push((Token::Regex(source), line));
                i = end;
            }
            _ => {
                let op = OPERATORS.iter().find(|op| op.chars().enumerate().all(|(n, o)| chars.get(i + n) == Some(&o)));
                let op = op.ok_or(format!("line {line}: syntax error at or near {c}"))?;
                out.push((Token::Op(op), line));
                i += op.len();
            }
        }
    }
    out.push((Token::Newline, line));
    out.push((Token::End, line));
    Ok(out)
}

pub(super) const KEYWORDS: [&str; 19] = [
    "BEGIN", "END", "function", "func", "if", "else", "while", "for", "do", "break", "continue", "next", "nextfile",
    "exit", "return", "delete", "in", "print", "printf",
];

fn regex_allowed(last: Option<&Token>) -> bool {
    match last {
        Some(Token::Number(_) | Token::Text(_) | Token::Regex(_) | Token::Op(")" | "]" | "$" | "++" | "--")) => false,
        Some(Token::Name(name)) => KEYWORDS.contains(&name.as_str()),
        _ => true,
    }
}

fn string(chars: &[char], mut i: usize) -> Option<(String, usize)> {
    let mut out = String::new();
    loop {
        match chars.get(i)? {
            '"' => return Some((out, i + 1)),
            '\n' => return None,
            '\\' => {
                let rest: String = chars.get(i + 1..)?.iter().take(4).collect();
                match chars.get(i + 1)? {
                    '"' | '/' => {
                        out.push(*chars.get(i + 1)?);
                        i += 2;
                    }
                    '\n' => i += 2,
                    'x' => {
                        out.push_str("\\x");
                        i += 2;
                    }
                    _ => {
                        let mut bytes = Vec::new();
                        let used = crate::bash::escape(&rest, &mut bytes);
                        out.push_str(&String::from_utf8_lossy(&bytes));
                        i += 1 + used.max(1);
                    }
                }
            }
            c => {
                out.push(*c);
                i += 1;
            }
        }
    }
}

fn regex_text(chars: &[char], mut i: usize) -> Option<(String, usize)> {
    let mut out = String::new();
    let mut in_set = false;
    loop {
        match chars.get(i)? {
            '/' if !in_set => return Some((out, i + 1)),
            '\n' => return None,
            '\\' if chars.get(i + 1) == Some(&'/') => {
                out.push('/');
                i += 2;
            }
            '\\' => {
                out.push('\\');
                out.push(*chars.get(i + 1)?);
                i += 2;
            }
            c => {
                match c {
                    '[' => in_set = true,
                    ']' => in_set = false,
                    _ => {}
                }
                out.push(*c);
                i += 1;
            }
        }
    }
}
