//! Where the corpus is, and what it lists.

use std::path::{Path, PathBuf};

use mediaproxy::sip::{Source, Transport};

/// Where the corpus is; without it `test` says that it skips.
pub fn corpus(test: &str) -> Option<PathBuf> {
    let root = std::env::var_os("MEDIAPROXY_CORPUS").map(PathBuf::from);
    let root = root.unwrap_or_else(|| crate::root().join("../shared/corpus"));
    if root.join("MANIFEST.tsv").is_file() {
        return Some(root);
    }
    println!("SKIP {test}: no corpus at {} (set MEDIAPROXY_CORPUS)", root.display());
    None
}

/// What a file of the corpus holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A SIP message.
    Sip,
    /// A session description.
    Sdp,
    /// Captured packets.
    Capture,
    /// Anything else: what fuzzers and servers left.
    Other,
}

/// One line of the manifest.
pub struct Listed {
    pub path: String,
    pub kind: Kind,
    pub features: Vec<String>,
    /// The true source, if the message was captured.
    pub source: Option<Source>,
    pub bytes: Vec<u8>,
}

impl Listed {
    /// Its folder: the part of the path before the last slash, two names long
    /// at most.
    pub fn folder(&self) -> String {
        let folders = self.path.rsplit_once('/').map_or("", |(folders, _)| folders);
        folders.splitn(3, '/').take(2).collect::<Vec<_>>().join("/")
    }
}

/// Every file of the manifest, in its order.
pub fn all(root: &Path) -> Vec<Listed> {
    let manifest = std::fs::read(root.join("MANIFEST.tsv")).unwrap();
    let manifest = String::from_utf8_lossy(&manifest).into_owned();
    let rows = manifest.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    rows.map(|row| Listed {
        path: row[0].to_string(),
        kind: match row[1] {
            "sip" => Kind::Sip,
            "sdp" => Kind::Sdp,
            "pcap" => Kind::Capture,
            _ => Kind::Other,
        },
        features: row.get(6).map_or(Vec::new(), |f| f.split(',').map(str::to_string).collect()),
        source: row.get(7).and_then(|flow| captured(flow)),
        bytes: std::fs::read(root.join(row[0])).unwrap(),
    })
    .collect()
}

/// The sender in `udp 192.0.2.1:5060 > 192.0.2.2:5060`.
fn captured(flow: &str) -> Option<Source> {
    let address = flow.split(' ').nth(1)?.parse().ok()?;
    Some(Source { address, local: None, transport: Transport::Udp })
}
