//! The CSeq header (RFC 3261 20.16).

use crate::bytes;
use crate::error::{Error, Result};
use crate::sip::Method;

/// The CSeq header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CSeq {
    /// The sequence number.
    pub number: u32,
    /// The method; in a reply, the method of its request.
    pub method: Method,
}

impl CSeq {
    /// Parses the value. `Status::Syntax` unless it is a number, white space and
    /// a method.
    pub fn parse(value: &[u8]) -> Result<Self> {
        let blank = value.iter().position(|b| bytes::is_space(*b));
        let (number, method) =
            value.split_at_checked(blank.unwrap_or(value.len())).unwrap_or_default();
        let method = bytes::trim(method);
        match bytes::number(number) {
            Some(number) if !method.is_empty() => {
                Ok(CSeq { number, method: Method::parse(method) })
            }
            _ => Err(Error::syntax("CSeq: expected a number and a method")),
        }
    }
}
