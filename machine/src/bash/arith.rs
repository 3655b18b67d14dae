//! Shell arithmetic: 64-bit integers, C's operators with assignments, variables by name.

/// How deep brackets and variables that name other variables may nest.
const DEPTH_MAX: usize = 64;

/// Where arithmetic gets variables from.
pub(super) trait Names {
    /// A variable's text; `index` is the unevaluated subscript.
    fn get(&mut self, name: &str, index: Option<&str>, depth: usize) -> Result<Option<String>, String>;
    /// Assigns.
    fn set(&mut self, name: &str, index: Option<&str>, value: i64, depth: usize) -> Result<(), String>;
}

/// Evaluates an expression; the error is what bash prints after its prefix.
pub(super) fn evaluate(text: &str, names: &mut dyn Names) -> Result<i64, String> {
    evaluate_at(text, names, 0)
}

pub(super) fn evaluate_at(text: &str, names: &mut dyn Names, depth: usize) -> Result<i64, String> {
    if depth > DEPTH_MAX {
        return Err(format!(
            "{}: expression recursion level exceeded (error token is \"{}\")",
            text.trim(),
            text.trim()
        ));
    }
    let mut eval = Eval { text, at: 0, names, depth, skip: false, token_start: 0 };
    eval.blanks();
    if eval.rest().is_empty() {
        return Ok(0);
    }
    let value = eval.comma()?;
    eval.blanks();
    if eval.rest().is_empty() {
        return Ok(value);
    }
    let what = match eval.rest().chars().next() {
        Some(c) if c.is_alphanumeric() || c == '_' => "syntax error in expression",
        Some('+' | '-' | '*' | '/' | ')' | '=') => "syntax error in expression",
        _ => "syntax error: invalid arithmetic operator",
    };
    let rest = eval.rest().to_owned();
    Err(eval.error(what, &rest))
}

struct Eval<'a> {
    text: &'a str,
    at: usize,
    names: &'a mut dyn Names,
    depth: usize,
    /// In a branch that is not taken: nothing is assigned, nothing can fail by its value.
    skip: bool,
    token_start: usize,
}

/// What stands at a place that could be assigned to.
struct Place {
    name: String,
    index: Option<String>,
}

/// Binary operators by precedence, from loosest to tightest; longer ones first within a level.
const LEVELS: [&[&str]; 10] = [
    &["||"],
    &["&&"],
    &["|"],
    &["^"],
    &["&"],
    &["==", "!="],
    &["<=", ">=", "<", ">"],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
];

impl<'a> Eval<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn eat(&mut self, token: &str) -> bool {
        self.blanks();
        let found = self.rest().starts_with(token);
        if found {
            self.token_start = self.at;
            self.at += token.len();
        }
        found
    }

    fn error(&self, what: &str, token: &str) -> String {
        format!("{}: {what} (error token is \"{token}\")", self.text.trim_start())
    }

    fn missing(&mut self) -> String {
        self.blanks();
        let token = if self.rest().is_empty() { self.text.get(self.token_start..).unwrap_or("") } else { self.rest() }
            .to_owned();
        self.error("syntax error: operand expected", &token)
    }

    fn comma(&mut self) -> Result<i64, String> {
        let mut value = self.assignment()?;
        while self.eat(",") {
            value = self.assignment()?;
        }
        Ok(value)
    }

    fn assignment(&mut self) -> Result<i64, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error("expression recursion level exceeded", self.text));
        }
        let value = self.assignment_inner();
        self.depth -= 1;
        value
    }

    fn assignment_inner(&mut self) -> Result<i64, String> {
        let start = self.at;
        if let Some(place) = self.place() {
            self.blanks();
            const OPERATORS: [&str; 11] = ["<<=", ">>=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "="];
            let operator = OPERATORS.iter().find(|op| self.rest().starts_with(**op));
            if let Some(operator) = operator
                && !(*operator == "=" && self.rest().starts_with("=="))
            {
                self.eat(operator);
                self.blanks();
                let right_at = self.at;
                let right = self.assignment()?;
                let binary = operator.trim_end_matches('=');
                let value = if binary.is_empty() {
                    right
                } else {
                    let left = self.value(&place)?;
                    self.apply(binary, left, right, right_at)?
                };
                self.store(&place, value)?;
                return Ok(value);
            }
        }
        self.at = start;
        self.conditional()
    }

    fn conditional(&mut self) -> Result<i64, String> {
        let condition = self.binary(0)?;
        if !self.eat("?") {
            return Ok(condition);
        }
        let outer = self.skip;
        self.skip = outer || condition == 0;
        self.blanks();
        if self.rest().starts_with(':') || self.rest().is_empty() {
            let rest = self.rest().to_owned();
            return Err(self.error("expression expected", &rest));
        }
        let yes = self.comma()?;
        if !self.eat(":") {
            let rest = self.rest().to_owned();
            return Err(self.error("`:' expected for conditional expression", &rest));
        }
        self.skip = outer || condition != 0;
        let no = self.assignment()?;
        self.skip = outer;
        Ok(if condition != 0 { yes } else { no })
    }

    fn binary(&mut self, level: usize) -> Result<i64, String> {
        let Some(operators) = LEVELS.get(level) else { return self.power() };
        let mut left = self.binary(level + 1)?;
        'more: loop {
            self.blanks();
            for operator in *operators {
                if !self.rest().starts_with(operator) || self.is_longer_operator(operator) {
                    continue;
                }
                self.eat(operator);
                let outer = self.skip;
                if (*operator == "&&" && left == 0) || (*operator == "||" && left != 0) {
                    self.skip = true;
                }
                self.blanks();
                let right_at = self.at;
                let right = self.binary(level + 1)?;
                self.skip = outer;
                left = self.apply(operator, left, right, right_at)?;
                continue 'more;
            }
            return Ok(left);
        }
    }

    /// Whether the operator here is in truth another, longer one (`&` in `&&`, `<` in `<<`, `+` in `+=`).
    fn is_longer_operator(&self, operator: &str) -> bool {
        let after = self.rest().get(operator.len()..).and_then(|r| r.chars().next());
        matches!(
            (operator, after),
            ("|", Some('|' | '='))
                | ("&", Some('&' | '='))
                | ("<", Some('<'))
                | (">", Some('>'))
                | ("*", Some('*'))
                | ("+" | "-" | "*" | "/" | "%" | "^" | "<<" | ">>", Some('='))
        )
    }

    fn apply(&mut self, operator: &str, a: i64, b: i64, right_at: usize) -> Result<i64, String> {
        let truth = i64::from;
        Ok(match operator {
            "||" => truth(a != 0 || b != 0),
            "&&" => truth(a != 0 && b != 0),
            "|" => a | b,
            "^" => a ^ b,
            "&" => a & b,
            "==" => truth(a == b),
            "!=" => truth(a != b),
            "<=" => truth(a <= b),
            ">=" => truth(a >= b),
            "<" => truth(a < b),
            ">" => truth(a > b),
            "<<" => a.wrapping_shl(b as u32),
            ">>" => a.wrapping_shr(b as u32),
            "+" => a.wrapping_add(b),
            "-" => a.wrapping_sub(b),
            "*" => a.wrapping_mul(b),
            "/" | "%" if b == 0 && self.skip => 0,
            "/" | "%" if b == 0 => {
                let start = self.text.get(right_at..).unwrap_or("").to_owned();
                return Err(self.error("division by 0", &start));
            }
            "/" => a.wrapping_div(b),
            _ => a.wrapping_rem(b),
        })
    }

    fn power(&mut self) -> Result<i64, String> {
        let base = self.unary()?;
        if !self.eat("**") {
            return Ok(base);
        }
        let exponent = self.power()?;
        if exponent < 0 {
            let rest = self.rest().to_owned();
            return Err(self.error("exponent less than 0", &rest));
        }
        let (mut result, mut factor, mut left) = (1i64, base, exponent);
        while left > 0 {
            if left & 1 == 1 {
                result = result.wrapping_mul(factor);
            }
            factor = factor.wrapping_mul(factor);
            left >>= 1;
        }
        Ok(result)
    }

    fn unary(&mut self) -> Result<i64, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.error("expression recursion level exceeded", self.text));
        }
        let value = self.unary_inner();
        self.depth -= 1;
        value
    }

    fn unary_inner(&mut self) -> Result<i64, String> {
        self.blanks();
        for (token, step) in [("++", 1), ("--", -1)] {
            let start = self.at;
            if self.eat(token) {
                if let Some(place) = self.place() {
                    let value = self.value(&place)?.wrapping_add(step);
                    self.store(&place, value)?;
                    return Ok(value);
                }
                self.at = start;
            }
        }
        if self.eat("!") {
            return Ok(i64::from(self.unary()? == 0));
        }
        if self.eat("~") {
            return Ok(!self.unary()?);
        }
        if self.eat("-") {
            return Ok(self.unary()?.wrapping_neg());
        }
        if self.eat("+") {
            return self.unary();
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<i64, String> {
        if self.eat("(") {
            let value = self.comma()?;
            if !self.eat(")") {
                self.blanks();
                let token =
                    if self.rest().is_empty() { self.text.get(self.token_start..).unwrap_or("") } else { self.rest() }
                        .to_owned();
                return Err(self.error("missing `)'", &token));
            }
            return Ok(value);
        }
        let before = self.at;
        if let Some(place) = self.place() {
            let value = self.value(&place)?;
            for (token, step) in [("++", 1), ("--", -1)] {
                if self.eat(token) {
                    self.store(&place, value.wrapping_add(step))?;
                    break;
                }
            }
            return Ok(value);
        }
        self.at = before;
        self.number()
    }

    fn number(&mut self) -> Result<i64, String> {
        self.blanks();
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "#@_".contains(c))).unwrap_or(rest.len());
        let token = rest.get(..end).unwrap_or("");
        if !token.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(self.missing());
        }
        self.token_start = self.at;
        let value = parse_number(token).map_err(|what| self.error(what, token))?;
        self.at += end;
        Ok(value)
    }

    /// A variable, with its subscript if it has one.
    fn place(&mut self) -> Option<Place> {
        self.blanks();
        let rest = self.rest();
        if !rest.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic()) {
            return None;
        }
        let end = rest.find(|c: char| !(c == '_' || c.is_ascii_alphanumeric())).unwrap_or(rest.len());
        self.token_start = self.at;
        self.at += end;
        let name = rest.get(..end)?.to_owned();
        let mut index = None;
        if self.rest().starts_with('[')
            && let Some(close) = super::scan::bracket_end(self.text, self.at + 1)
        {
            index = Some(self.text.get(self.at + 1..close)?.to_owned());
            self.at = close + 1;
        }
        Some(Place { name, index })
    }

    fn value(&mut self, place: &Place) -> Result<i64, String> {
        if self.skip {
            return Ok(0);
        }
        let text = self.names.get(&place.name, place.index.as_deref(), self.depth)?.unwrap_or_default();
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Ok(0);
        }
        match trimmed.parse::<i64>() {
            Ok(number) if !trimmed.trim_start_matches(['-', '+']).starts_with('0') => Ok(number),
            _ => evaluate_at(&text, self.names, self.depth + 1),
        }
    }

    fn store(&mut self, place: &Place, value: i64) -> Result<(), String> {
        if self.skip { Ok(()) } else { self.names.set(&place.name, place.index.as_deref(), value, self.depth) }
    }
}

/// `12`, `0x1f`, `017`, `2#101`.
fn parse_number(token: &str) -> Result<i64, &'static str> {
    let (base, digits) = if let Some((base, digits)) = token.split_once('#') {
        let base: u32 = base.parse().map_err(|_| "invalid number")?;
        if !(2..=64).contains(&base) {
            return Err("invalid arithmetic base");
        }
        (base, digits)
    } else if let Some(hex) = token.strip_prefix("0x").or(token.strip_prefix("0X")) {
        (16, hex)
    } else if token.len() > 1 && token.starts_with('0') {
        (8, token.get(1..).unwrap_or(""))
    } else {
        (10, token)
    };
    let mut value = 0i64;
    for c in digits.chars() {
        let digit = match c {
            '0'..='9' => c as u32 - '0' as u32,
            'a'..='z' => c as u32 - 'a' as u32 + 10,
            'A'..='Z' if base <= 36 => c as u32 - 'A' as u32 + 10,
            'A'..='Z' => c as u32 - 'A' as u32 + 36,
            '@' => 62,
            '_' => 63,
            _ => return Err("invalid number"),
        };
        if digit >= base {
            return Err("value too great for base");
        }
        value = value.wrapping_mul(i64::from(base)).wrapping_add(i64::from(digit));
    }
    Ok(value)
}
