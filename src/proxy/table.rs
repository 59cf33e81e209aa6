//! All sessions, by Call-ID and the caller's tag.

use std::collections::HashMap;
use std::time::Duration;

use super::config::Config;
use super::control::{RemoveRequest, Request, UpdateRequest};
use super::family::Side;
use super::learning::Millis;
use super::media_ports::MediaPorts;
use super::refusal::Refusal;
use super::session::{Answer, Phase, Session};
use super::summary::{EndReason, SessionEnd, SessionSummary, StreamSummary};
use super::update::Update;

/// The reply to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Ports(Answer),
    Removed,
    Error(Refusal),
}

impl Reply {
    /// Writes the reply as a line.
    pub(super) fn write(&self, line: &mut Vec<u8>) {
        match self {
            Reply::Ports(answer) => {
                line.extend_from_slice(answer.address.to_string().as_bytes());
                for port in &answer.ports {
                    line.push(b' ');
                    line.extend_from_slice(port.to_string().as_bytes());
                }
            }
            Reply::Removed => line.extend_from_slice(b"removed"),
            Reply::Error(_) => line.extend_from_slice(b"error"),
        }
        line.extend_from_slice(b"\r\n");
    }
}

/// The timeouts of sessions without offer, answer or packet.
#[derive(Clone, Copy, Debug)]
struct Timeouts {
    idle: Millis,
    unanswered: Millis,
    hold: Millis,
}

/// All sessions.
#[derive(Debug)]
pub(super) struct Table {
    sessions: HashMap<Box<[u8]>, Session>,
    /// Buffer for the key of a lookup.
    key: Vec<u8>,
    timeouts: Timeouts,
    limit: usize,
    created: u64,
}

impl Table {
    pub(super) fn new(config: &Config) -> Self {
        let millis = |time: Duration| Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX);
        Table {
            sessions: HashMap::new(),
            key: Vec::new(),
            timeouts: Timeouts {
                idle: millis(config.idle_timeout),
                unanswered: millis(config.unanswered_timeout),
                hold: millis(config.hold_timeout),
            },
            limit: config.max_sessions,
            created: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Sessions created since the start.
    pub(super) fn created(&self) -> u64 {
        self.created
    }

    /// Answers a request. `ended` is called with the session a `remove` ended.
    pub(super) fn answer(
        &mut self,
        request: &Request,
        media: &mut dyn MediaPorts,
        now: Millis,
        ended: &mut dyn FnMut(SessionEnd),
    ) -> Reply {
        match request {
            Request::Update(update) => {
                self.update(update, media, now).map_or_else(Reply::Error, Reply::Ports)
            }
            Request::Remove(remove) => match self.remove(remove, media, now) {
                Some(end) => {
                    ended(end);
                    Reply::Removed
                }
                None => Reply::Error(Refusal::UnknownSession),
            },
        }
    }

    fn update(
        &mut self,
        request: &UpdateRequest,
        media: &mut dyn MediaPorts,
        now: Millis,
    ) -> Result<Answer, Refusal> {
        if let Some(direction) = self.find(request.call_id, request.from_tag, request.to_tag) {
            let session = self.sessions.get_mut(self.key.as_slice());
            let session = session.ok_or(Refusal::UnknownSession)?;
            return session.update(Update::new(request, direction, now), media);
        }
        if self.sessions.len() >= self.limit {
            return Err(Refusal::TooManySessions(self.limit));
        }
        let mut session = Session::new(now);
        let answer = session.update(Update::new(request, Side::Caller, now), media)?;
        set_key(&mut self.key, request.call_id, request.from_tag);
        self.sessions.insert(self.key.as_slice().into(), session);
        self.created += 1;
        Ok(answer)
    }

    fn remove(
        &mut self,
        request: &RemoveRequest,
        media: &mut dyn MediaPorts,
        now: Millis,
    ) -> Option<SessionEnd> {
        self.find(request.call_id, request.from_tag, request.to_tag)?;
        let mut session = self.sessions.remove(self.key.as_slice())?;
        Some(end(&self.key, &mut session, EndReason::Removed, media, now))
    }

    /// Finds the session of a dialog, leaves its key in `self.key` and returns
    /// the side the From tag belongs to.
    fn find(&mut self, call_id: &[u8], from_tag: &[u8], to_tag: &[u8]) -> Option<Side> {
        for (tag, side) in [(from_tag, Side::Caller), (to_tag, Side::Callee)] {
            set_key(&mut self.key, call_id, tag);
            if !tag.is_empty() && self.sessions.contains_key(self.key.as_slice()) {
                return Some(side);
            }
        }
        None
    }

    /// Ends the sessions whose timeout has passed. To be called periodically.
    pub(super) fn expire(
        &mut self,
        media: &mut dyn MediaPorts,
        now: Millis,
        ended: &mut dyn FnMut(SessionEnd),
    ) {
        let timeouts = self.timeouts;
        self.sessions.retain(|key, session| {
            let (limit, reason) = match session.phase() {
                Phase::Unanswered => (timeouts.unanswered, EndReason::Unanswered),
                Phase::Answered => (timeouts.idle, EndReason::Idle),
                Phase::Held => (timeouts.hold, EndReason::Hold),
            };
            if now.saturating_sub(session.quiet_since(media)) < limit {
                session.close_replaced(media, now);
                return true;
            }
            ended(end(key, session, reason, media, now));
            false
        });
    }

    /// Ends all sessions.
    pub(super) fn stop(
        &mut self,
        media: &mut dyn MediaPorts,
        now: Millis,
        ended: &mut dyn FnMut(SessionEnd),
    ) {
        for (key, mut session) in self.sessions.drain() {
            ended(end(&key, &mut session, EndReason::Stopped, media, now));
        }
    }

    pub(super) fn summaries(&self, media: &dyn MediaPorts, now: Millis) -> Vec<SessionSummary> {
        self.sessions.iter().map(|(key, session)| summary(key, session, media, now)).collect()
    }
}

/// Separates Call-ID and tag; neither contains CRLF, which ends request lines.
const SEPARATOR: &[u8] = b"\r\n";

fn set_key(key: &mut Vec<u8>, call_id: &[u8], tag: &[u8]) {
    key.clear();
    key.extend_from_slice(call_id);
    key.extend_from_slice(SEPARATOR);
    key.extend_from_slice(tag);
}

fn end(
    key: &[u8],
    session: &mut Session,
    reason: EndReason,
    media: &mut dyn MediaPorts,
    now: Millis,
) -> SessionEnd {
    let summary = summary(key, session, media, now);
    session.close(media);
    SessionEnd { reason, session: summary }
}

fn summary(key: &[u8], session: &Session, media: &dyn MediaPorts, now: Millis) -> SessionSummary {
    let at = memchr::memmem::find(key, SEPARATOR).unwrap_or(key.len());
    let streams = session.channels().filter_map(|(kind, channel)| {
        let sides = media.summary(channel)?;
        let kind = String::from_utf8_lossy(kind).into_owned();
        Some(StreamSummary { media: kind, caller: sides.caller, callee: sides.callee })
    });
    let phase = session.phase();
    SessionSummary {
        call_id: key.get(..at).unwrap_or_default().to_vec(),
        from_tag: key.get(at + SEPARATOR.len()..).unwrap_or_default().to_vec(),
        answered: phase != Phase::Unanswered,
        on_hold: phase == Phase::Held,
        age: Duration::from_millis(now.saturating_sub(session.created())),
        streams: streams.collect(),
    }
}

#[cfg(test)]
mod tests;
