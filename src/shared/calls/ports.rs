//! The relay's addresses in the SDP of one side, packed into words: IPv4 address
//! (32) | free (20) | the lines with the IPv6 address (12); IPv6 address (128); four
//! ports a word.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::leg::Leg;
use super::update::{LINES, RelayPorts};
use super::words::{PORT_WORDS as WORDS, PORTS, PORTS_IN_A_WORD};

const V6_LINES: u64 = (1 << LINES) - 1;
const V6: usize = 1;
const FIRST_PORTS: usize = 3;

fn start(to_caller: bool) -> usize {
    if to_caller { PORTS } else { PORTS + WORDS }
}

impl Leg<'_> {
    /// Stores the relay's addresses in the SDP for one side.
    pub(super) fn store_ports(&self, to_caller: bool, ports: &RelayPorts) {
        let start = start(to_caller);
        let v4 = u64::from(ports.v4.map_or(0, Ipv4Addr::to_bits));
        self.store(start, v4 << 32 | u64::from(ports.v6_lines));
        let v6 = ports.v6.map_or(0, Ipv6Addr::to_bits);
        self.store(start + V6, (v6 >> 64) as u64);
        self.store(start + V6 + 1, v6 as u64);
        for (at, four) in ports.ports.as_chunks::<PORTS_IN_A_WORD>().0.iter().enumerate() {
            let [a, b, c, d] = four.map(u64::from);
            self.store(start + FIRST_PORTS + at, a | b << 16 | c << 32 | d << 48);
        }
    }

    /// The stored addresses in the SDP for one side.
    pub(super) fn ports(&self, to_caller: bool) -> RelayPorts {
        let start = start(to_caller);
        let first = self.load(start);
        let v6 = u128::from(self.load(start + V6)) << 64 | u128::from(self.load(start + V6 + 1));
        let v4 = (first >> 32) as u32;
        RelayPorts {
            v4: (v4 != 0).then(|| Ipv4Addr::from_bits(v4)),
            v6: (v6 != 0).then(|| Ipv6Addr::from_bits(v6)),
            ports: std::array::from_fn(|line| self.port(start, line)),
            v6_lines: (first & V6_LINES) as u16,
        }
    }

    fn port(&self, start: usize, line: usize) -> u16 {
        let word = self.load(start + FIRST_PORTS + line / PORTS_IN_A_WORD);
        (word >> (16 * (line % PORTS_IN_A_WORD))) as u16
    }

    /// True when the relay gave this address for this m= line of either side. Of a
    /// line whose port is not stored, only the address is compared.
    pub(super) fn is_relay_address(&self, line: usize, address: SocketAddr) -> bool {
        [true, false].map(start).into_iter().any(|start| {
            let first = self.load(start);
            let same = match address.ip().to_canonical() {
                IpAddr::V4(ip) => (first >> 32) as u32 == ip.to_bits(),
                IpAddr::V6(ip) => {
                    let v6 = ip.to_bits();
                    self.load(start + V6) == (v6 >> 64) as u64
                        && self.load(start + V6 + 1) == v6 as u64
                }
            };
            let unset = address.ip().is_unspecified() || address.port() == 0;
            same && !unset && (line >= LINES || self.port(start, line) == address.port())
        })
    }

    /// Removes the stored addresses of both sides.
    pub(super) fn clear_ports(&self) {
        (PORTS..PORTS + 2 * WORDS).for_each(|word| self.store(word, 0));
    }
}
