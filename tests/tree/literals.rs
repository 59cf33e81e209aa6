//! The string literals of Rust and C code, which are what users read in logs
//! and errors.

/// A piece of code.
enum Token<'a> {
    Literal(&'a str),
    Other,
}

/// The string literals of `code`, one after the other. Byte strings are not
/// among them: they go to relays.
pub(crate) fn of(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = code;
    while !rest.is_empty() {
        let (token, length) = next(rest);
        if let Token::Literal(text) = token {
            found.push(text.replace("\\n", " ").replace("\\\"", "\""));
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    found
}

/// The token at the start of `code`, and its length.
fn next(code: &str) -> (Token<'_>, usize) {
    let until = |end: &str| code.find(end).map_or(code.len(), |at| at + end.len());
    if code.starts_with("//") {
        return (Token::Other, until("\n"));
    }
    if code.starts_with("/*") {
        return (Token::Other, until("*/"));
    }
    if code.starts_with("r#\"") {
        let length = until("\"#");
        return (Token::Literal(code.get(3..length - 2).unwrap_or_default()), length);
    }
    if code.starts_with("b\"") {
        return (Token::Other, 1 + quoted(&code[1..], '"'));
    }
    if code.starts_with('"') {
        let length = quoted(code, '"');
        return (Token::Literal(code.get(1..length - 1).unwrap_or_default()), length);
    }
    // A character, but not a lifetime.
    if code.starts_with("'\\") || code.chars().nth(2) == Some('\'') && code.starts_with('\'') {
        return (Token::Other, quoted(code, '\''));
    }
    (Token::Other, code.chars().next().map_or(1, char::len_utf8))
}

/// The length of a quoted text with its quotes.
fn quoted(code: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in code.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return at + 1,
            _ => {}
        }
    }
    code.len()
}

#[test]
fn literals_are_found_between_comments_characters_and_byte_strings() {
    let code = "f(\"a \\\"b\\\"\", b\"c\", '\"', 'x'); // \"d\"\n/* \"e\" */ fn g<'a>(h: &'a str) \
                { r#\"i \"j\" k\"#; b'\\''; \"l\" }";
    assert_eq!(of(code), ["a \"b\"", "i \"j\" k", "l"]);
}
