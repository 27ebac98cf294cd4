//! The words and signs of an expression.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// An attribute, a keyword or a function.
    Word(&'a str),
    /// `#name`, with its `#`.
    Name(&'a str),
    /// `:value`, with its `:`.
    Value(&'a str),
    Symbol(&'a str),
}

impl<'a> Token<'a> {
    pub(super) fn text(&self) -> &'a str {
        match self {
            Self::Word(text) | Self::Name(text) | Self::Value(text) | Self::Symbol(text) => text,
        }
    }
}

/// The longer ones first.
const SYMBOLS: [&str; 14] = [
    "<>", "<=", ">=", "<", ">", "=", "(", ")", ",", "+", "-", ".", "[", "]",
];

/// The tokens of an expression, or the sentence about what none can begin with.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '#' | ':' => 1 + word(&rest[1..]),
            first if first.is_ascii_alphanumeric() => word(rest),
            _ => SYMBOLS
                .iter()
                .find(|symbol| rest.starts_with(**symbol))
                .map_or(0, |symbol| symbol.len()),
        };
        let (token, after) = rest.split_at(length);
        tokens.push(match first {
            '#' if length > 1 => Token::Name(token),
            ':' if length > 1 => Token::Value(token),
            first if first.is_ascii_alphanumeric() => Token::Word(token),
            _ if SYMBOLS.contains(&token) => Token::Symbol(token),
            _ => {
                let near: String = rest.chars().take(10).collect();
                return Err(format!(
                    "Syntax error; token: \"{first}\", near: \"{near}\""
                ));
            }
        });
        rest = after.trim_start();
    }
    Ok(tokens)
}

fn word(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len())
}
