//! Addresses: mp_address

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::address::parse_ip;
use crate::capi::status::MpStatus;
use crate::capi::text::MpStr;
use crate::error::{Error, Result, Status};

/// An IP address and port, without system types and without padding. From a
/// struct sockaddr_in: family 4, memcpy of sin_addr to bytes, ntohs(sin_port).
/// From a struct sockaddr_in6: family 6, memcpy of sin6_addr to bytes,
/// ntohs(sin6_port).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct MpAddress {
    /// 4 or 6.
    pub family: u16,
    /// The port in host byte order.
    pub port: u16,
    /// The address in network byte order. IPv4 uses the first four bytes.
    pub bytes: [u8; 16],
}

impl MpAddress {
    pub(super) fn to_socket(self, name: &'static str) -> Result<SocketAddr> {
        let [a, b, c, d, ..] = self.bytes;
        let ip = match self.family {
            4 => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
            6 => IpAddr::V6(Ipv6Addr::from(self.bytes)),
            other => {
                let text = format!("the family of {name} is {other}; give 4 or 6");
                return Err(Error::new(Status::Argument, text));
            }
        };
        Ok(SocketAddr::new(ip, self.port))
    }

    fn of(ip: IpAddr, port: u16) -> MpAddress {
        match ip {
            IpAddr::V4(ip) => {
                let [a, b, c, d] = ip.octets();
                let bytes = [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
                MpAddress { family: 4, bytes, port }
            }
            IpAddr::V6(ip) => MpAddress { family: 6, bytes: ip.octets(), port },
        }
    }
}

/// Parses a literal IP address and writes it with port to *address. IPv6 may
/// have brackets, and must not have a zone. An IPv4-mapped IPv6 address becomes
/// IPv4. A host name is MP_ERR_ARGUMENT, as anything else is: it is never
/// resolved. Any thread of any process may call this function.
///
/// ```c
/// mp_address source;
/// if (mp_address_parse(mp_text("203.0.113.5"), 5060, &source) != MP_OK)
///     return;
/// ```
#[unsafe(no_mangle)]
pub unsafe extern "C" fn mp_address_parse(
    text: MpStr,
    port: u16,
    address: *mut MpAddress,
) -> MpStatus {
    boundary!(report (); text: text, address: output => {
        let ip = parse_ip(text)
            .ok_or_else(|| Error::new(Status::Argument, "not a literal IP address"))?;
        address.set(MpAddress::of(ip, port));
        Ok(Status::Ok)
    })
}
