//! As much JSON as the recordings need: objects, arrays and strings, whose
//! characters stand for the bytes of Latin-1. Not for hostile input: it panics.

/// A value of a recording.
#[derive(Clone, Debug)]
pub enum Json {
    Text(Vec<u8>),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads one value; nothing but white space may follow.
    pub fn parse(text: &str) -> Json {
        let mut reader = Reader { rest: text };
        let value = reader.value();
        reader.skip();
        assert!(reader.rest.is_empty(), "behind the value: {:?}", reader.rest);
        value
    }

    /// A member of an object.
    pub fn get(&self, name: &str) -> &Json {
        let Json::Object(members) = self else { panic!("no object: {self:?}") };
        let found = members.iter().find(|(key, _)| key == name);
        &found.unwrap_or_else(|| panic!("no member {name}")).1
    }

    /// The bytes of a string.
    pub fn bytes(&self) -> &[u8] {
        let Json::Text(bytes) = self else { panic!("no string: {self:?}") };
        bytes
    }

    /// A string of ASCII.
    pub fn text(&self) -> &str {
        std::str::from_utf8(self.bytes()).unwrap()
    }

    /// The values of an array.
    pub fn list(&self) -> &[Json] {
        let Json::List(values) = self else { panic!("no array: {self:?}") };
        values
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self) -> char {
        let next = self.rest.chars().next().expect("more text");
        self.rest = &self.rest[next.len_utf8()..];
        next
    }

    fn expect(&mut self, wanted: char) {
        self.skip();
        assert_eq!(self.take(), wanted, "before {:?}", self.rest);
    }

    /// True, and past it, when `wanted` comes next.
    fn at(&mut self, wanted: char) -> bool {
        self.skip();
        let found = self.rest.starts_with(wanted);
        if found {
            self.take();
        }
        found
    }

    fn value(&mut self) -> Json {
        self.skip();
        match self.rest.chars().next() {
            Some('"') => Json::Text(self.string()),
            Some('[') => {
                self.take();
                let mut values = Vec::new();
                while !self.at(']') {
                    values.push(self.value());
                    if !self.at(',') {
                        self.expect(']');
                        break;
                    }
                }
                Json::List(values)
            }
            Some('{') => {
                self.take();
                let mut members = Vec::new();
                while !self.at('}') {
                    self.skip();
                    let name = String::from_utf8(self.string()).unwrap();
                    self.expect(':');
                    members.push((name, self.value()));
                    if !self.at(',') {
                        self.expect('}');
                        break;
                    }
                }
                Json::Object(members)
            }
            other => panic!("a value that recordings do not have: {other:?}"),
        }
    }

    fn string(&mut self) -> Vec<u8> {
        self.expect('"');
        let mut bytes = Vec::new();
        loop {
            let code = match self.take() {
                '"' => return bytes,
                '\\' => match self.take() {
                    'n' => 10,
                    'r' => 13,
                    't' => 9,
                    'u' => {
                        let (digits, rest) = self.rest.split_at(4);
                        self.rest = rest;
                        u32::from_str_radix(digits, 16).unwrap()
                    }
                    same @ ('"' | '\\' | '/') => u32::from(same),
                    other => panic!("an escape that recordings do not have: {other}"),
                },
                plain => u32::from(plain),
            };
            bytes.push(u8::try_from(code).expect("a byte"));
        }
    }
}
