//! The answer to an `update`: where the receiver of the SIP message sends to.

use std::net::{IpAddr, SocketAddr};

/// An address and, for each stream of the message, a port or 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// Of the first relayed stream.
    pub(super) address: IpAddr,
    /// `None` for a stream that is not relayed.
    pub(super) streams: Vec<Option<SocketAddr>>,
    /// The client accepts streams of another address.
    pub(super) mixed_families: bool,
}

impl Answer {
    /// Appends the address and the ports. A stream of another address is written
    /// with it if the client accepts that, else it has port 0: the client would
    /// write its port beside the wrong address.
    pub(super) fn write(&self, line: &mut Vec<u8>) {
        line.extend_from_slice(self.address.to_string().as_bytes());
        for stream in &self.streams {
            line.push(b' ');
            let word = match stream {
                Some(stream) if stream.ip() == self.address => stream.port().to_string(),
                Some(stream) if self.mixed_families => stream.to_string(),
                _ => "0".to_string(),
            };
            line.extend_from_slice(word.as_bytes());
        }
    }
}

/// The answers to the last messages, for repeated ones: a repeated message has the
/// same answer and changes nothing.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers(Vec<(u64, Answer)>);

impl Answers {
    /// For each side an offer, its early and its final answer, and each of them as it
    /// comes back in a spiral.
    const MOST: usize = 12;

    /// The answer that the message with this fingerprint had.
    pub(super) fn get(&self, fingerprint: u64) -> Option<&Answer> {
        self.0.iter().find(|(known, _)| *known == fingerprint).map(|(_, answer)| answer)
    }

    /// Stores the answer to a message. A later offer leaves it: copies of the message
    /// may still come, and must have one answer.
    pub(super) fn add(&mut self, fingerprint: u64, answer: &Answer) {
        if self.0.len() >= Answers::MOST {
            self.0.remove(0);
        }
        self.0.push((fingerprint, answer.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(mixed_families: bool, streams: &[&str]) -> String {
        let parsed = streams.iter().map(|text| text.parse().ok()).collect();
        let address = "192.0.2.1".parse().unwrap();
        let mut line = Vec::new();
        Answer { address, streams: parsed, mixed_families }.write(&mut line);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn stream_of_another_address_has_it_only_where_accepted() {
        let streams = ["192.0.2.1:4000", "", "[2001:db8::1]:4002"];
        assert_eq!(written(true, &streams), "192.0.2.1 4000 0 [2001:db8::1]:4002");
        assert_eq!(written(false, &streams), "192.0.2.1 4000 0 0");
    }
}
