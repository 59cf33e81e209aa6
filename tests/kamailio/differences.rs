//! A table of what our module does otherwise than the stock ones, and why. A row:
//! the messages, the field, what they do, what we do, the reason.

use regex::Regex;

pub(crate) struct Table {
    rules: Vec<Rule>,
    /// How often each explained a difference.
    used: Vec<usize>,
    unexplained: Vec<String>,
}

struct Rule {
    messages: Regex,
    field: String,
    theirs: Regex,
    ours: Regex,
}

impl Table {
    pub(crate) fn read(text: &str) -> Table {
        let whole = |text: &str| Regex::new(&format!("^(?:{text})$")).expect("an expression");
        let rows = text.lines().filter(|line| !line.starts_with('#')).skip(1);
        let rules: Vec<Rule> = rows
            .map(|row| {
                let [messages, field, theirs, ours, reason] =
                    row.split('\t').collect::<Vec<_>>()[..]
                else {
                    panic!("five columns: {row:?}");
                };
                assert!(reason.len() > 20, "a reason: {row:?}");
                Rule {
                    messages: whole(messages),
                    field: field.to_string(),
                    theirs: whole(theirs),
                    ours: whole(ours),
                }
            })
            .collect();
        Table { used: vec![0; rules.len()], rules, unexplained: Vec::new() }
    }

    /// A field of a message differs.
    pub(crate) fn differs(&mut self, message: &str, field: &str, theirs: &str, ours: &str) {
        let fits = |rule: &Rule| {
            rule.field == field
                && rule.messages.is_match(message)
                && rule.theirs.is_match(theirs)
                && rule.ours.is_match(ours)
        };
        match self.rules.iter().position(fits) {
            Some(index) => self.used[index] += 1,
            None => self.unexplained.push(format!("{message}\t{field}\t{theirs}\t{ours}")),
        }
    }

    /// Every difference was explained, and every row explained one.
    pub(crate) fn explains_all(&self) {
        println!("differences by row of the table: {:?}", self.used);
        assert!(self.unexplained.is_empty(), "not in the table:\n{}", self.unexplained.join("\n"));
        assert!(!self.used.contains(&0), "a row explains nothing any more: {:?}", self.used);
    }
}
