//! Settings as the lines of a file.

use std::path::Path;

use super::Settings;
use crate::error::{Error, Result, Status};

impl Settings {
    /// Sets what a file holds: a line is `NAME = VALUE`, empty, or a comment
    /// that starts with `#`. A value may stand between double quotes; after it,
    /// white space and `#` start a comment.
    ///
    /// # Errors
    /// `Status::Setting`, with `FILE:LINE:` in front of the text, for the first
    /// line that is not accepted; the lines before it are set. `Status::System`
    /// when the file cannot be read, `Status::Limit` when it is longer than
    /// 1 MiB.
    pub fn set_from_file(&mut self, path: &Path) -> Result<()> {
        let missing = || Error::new(Status::System, format!("{}: no such file", path.display()));
        let text = crate::reload::read(path)?.ok_or_else(missing)?;
        self.set_from_lines(&path.display().to_string(), &text)
    }

    /// As [`Settings::set_from_file`], from the text of the file.
    pub fn set_from_lines(&mut self, file: &str, text: &[u8]) -> Result<()> {
        for (at, line) in text.split(|&byte| byte == b'\n').enumerate() {
            self.set_from_line(line).map_err(|error| {
                let place = format!("{file}:{}", at.saturating_add(1));
                Error::new(error.status(), format!("{place}: {}", error.text()))
            })?;
        }
        Ok(())
    }

    fn set_from_line(&mut self, line: &[u8]) -> Result<()> {
        let bad = |text: &str| Error::new(Status::Setting, text.to_string());
        let line = std::str::from_utf8(line).map_err(|_| bad("this line is not UTF-8 text"))?;
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        let (name, value) =
            line.split_once('=').ok_or_else(|| bad("this line is not NAME = VALUE"))?;
        let value = value.trim();
        let value = match value.strip_prefix('"') {
            Some(quoted) => {
                let (value, rest) = quoted
                    .split_once('"')
                    .ok_or_else(|| bad("the double quote that ends the value is missing"))?;
                if !rest.trim().is_empty() && !rest.trim().starts_with('#') {
                    return Err(bad("there is text after the value in double quotes"));
                }
                value
            }
            None => before_comment(value),
        };
        self.set(name, value)
    }
}

/// A value without the comment after it.
fn before_comment(value: &str) -> &str {
    let is_start = |at: usize| {
        let before = value.get(..at).unwrap_or_default();
        before.is_empty() || before.ends_with([' ', '\t'])
    };
    match value.match_indices('#').find(|&(at, _)| is_start(at)) {
        Some((at, _)) => value.get(..at).unwrap_or_default(),
        None => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        let mut settings = Settings::new();
        settings.set_from_lines("f", text.as_bytes()).unwrap_err().text().to_string()
    }

    #[test]
    fn file_lines_set_what_they_name() {
        let mut settings = Settings::new();
        let text = "# a comment\n\n  max_calls=1024\r\nrelay = \"mediaproxy:/run/a#1\" # first\n\
                    relay = mediaproxy:/run/b#2;weight=2\t# second\nrelays = \"\"#x\nwatch = poll\n\
                    local_networks = # none\n";
        settings.set_from_lines("f", text.as_bytes()).unwrap();
        assert_eq!(settings.max_calls(), 1024);
        assert!(settings.watch_by_polling());
        assert_eq!(
            settings.get("relay").unwrap(),
            "mediaproxy:/run/a#1\nmediaproxy:/run/b#2;weight=2"
        );
        assert!(settings.relays_file().as_os_str().is_empty());
    }

    #[test]
    fn file_errors_name_file_and_line() {
        assert_eq!(error("\nmax_calls 3"), "f:2: this line is not NAME = VALUE");
        assert!(error("a = b").starts_with("f:1: no setting is called \"a\"; there are: profile"));
        assert!(error("\n\nmax_calls = 3").starts_with("f:3: max_calls = \"3\" is not accepted"));
        assert!(error("relay = \"x").starts_with("f:1: the double quote"));
        assert!(error("relay = \"x\" y").starts_with("f:1: there is text after"));
        let mut settings = Settings::new();
        let bad = settings.set_from_lines("f", b"watch = poll\nmax_calls = \xff").unwrap_err();
        assert_eq!(bad.text(), "f:2: this line is not UTF-8 text");
        let missing = settings.set_from_file(Path::new("/nowhere/mediaproxy")).unwrap_err();
        assert_eq!(missing.status(), Status::System);
        assert!(missing.text().contains("/nowhere/mediaproxy"), "{missing}");
    }
}
