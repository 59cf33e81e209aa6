//! All sessions, by Call-ID and the caller's tag.

use std::collections::HashMap;
use std::time::Duration;

use super::answer::Answer;
use super::config::{Config, LogRecord};
use super::control::{RemoveRequest, Request, Scope, UpdateRequest};
use super::family::Side;
use super::learning::Millis;
use super::media_ports::MediaPorts;
use super::refusal::Refusal;
use super::session::{Phase, Session};
use super::summary::{EndReason, SessionEnd, SessionSummary, StreamSummary};
use super::update::Update;
use super::warning::Warning;

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
            Reply::Ports(answer) => answer.write(line),
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
#[derive(Clone, Debug)]
pub(super) struct Table {
    sessions: HashMap<Box<[u8]>, Session>,
    /// Buffer for the key of a lookup.
    key: Vec<u8>,
    timeouts: Timeouts,
    limit: usize,
    counts: Counts,
}

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Sessions created.
    pub(super) created: u64,
    /// Sessions with a [`Warning::Loop`].
    pub(super) loops: u64,
    /// Sessions with a [`Warning::WaitsForPacket`].
    pub(super) waits_for_packet: u64,
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
            counts: Counts::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Answers a request. `log` is called with the session a `remove` ended and
    /// with the warnings of an `update`.
    pub(super) fn answer(
        &mut self,
        request: &Request,
        media: &mut dyn MediaPorts,
        now: Millis,
        log: &mut dyn FnMut(LogRecord),
    ) -> Reply {
        let result = match request {
            Request::Update(update) => self.update(update, media, now).map(Reply::Ports),
            Request::Remove(remove) => self.remove(remove, media, now).map(|end| {
                end.into_iter().for_each(|end| log(LogRecord::Ended(end)));
                Reply::Removed
            }),
        };
        media.finish_changes();
        let warnings = media.take_warnings();
        if result.is_ok() {
            self.report(request.call_id(), &warnings, log);
        }
        result.unwrap_or_else(Reply::Error)
    }

    fn update(
        &mut self,
        request: &UpdateRequest,
        media: &mut dyn MediaPorts,
        now: Millis,
    ) -> Result<Answer, Refusal> {
        if let Some(direction) = self.find_for(request) {
            let session = self.sessions.get_mut(self.key.as_slice());
            let session = session.ok_or(Refusal::UnknownSession)?;
            return session.update(&Update::new(request, direction, now), media);
        }
        if self.sessions.len() >= self.limit {
            return Err(Refusal::TooManySessions(self.limit));
        }
        let mut session = Session::new(request.cseq, now);
        let answer = session.update(&Update::new(request, Side::Caller, now), media)?;
        set_key(&mut self.key, request.call_id, request.from_tag);
        self.sessions.insert(self.key.as_slice().into(), session);
        self.counts.created += 1;
        Ok(answer)
    }

    /// Reports the first warning of each kind of the session in `self.key`.
    fn report(&mut self, call_id: &[u8], warnings: &[Warning], log: &mut dyn FnMut(LogRecord)) {
        let Some(session) = self.sessions.get_mut(self.key.as_slice()) else { return };
        for warning in warnings {
            if !session.is_first(warning) {
                continue;
            }
            match warning {
                Warning::Loop(_) => self.counts.loops += 1,
                Warning::WaitsForPacket(_) => self.counts.waits_for_packet += 1,
            }
            log(LogRecord::Warning { call_id: call_id.to_vec(), warning: *warning });
        }
    }

    fn remove(
        &mut self,
        request: &RemoveRequest,
        media: &mut dyn MediaPorts,
        now: Millis,
    ) -> Result<Option<SessionEnd>, Refusal> {
        let side = self.find(request.call_id, request.from_tag, request.to_tag);
        let side = side.or_else(|| self.find_by_callee(request)).ok_or(Refusal::UnknownSession)?;
        let session = self.sessions.get_mut(self.key.as_slice());
        let session = session.ok_or(Refusal::UnknownSession)?;
        if request.cseq.is_some_and(|cseq| session.is_of_later_invite(side, cseq)) {
            return Err(Refusal::LaterInvite);
        }
        let is_over = match request.scope {
            Scope::Session => true,
            Scope::Unanswered if session.phase() == Phase::Unanswered => true,
            Scope::Unanswered => return Err(Refusal::Answered),
            Scope::Dialog => {
                let tag = if side == Side::Caller { request.to_tag } else { request.from_tag };
                session.remove_dialog(tag, media, now)?
            }
            Scope::Branch(branch) => {
                let tag = if side == Side::Caller { request.to_tag } else { request.from_tag };
                session.remove_branch(branch, tag, media, now)?;
                false
            }
        };
        if !is_over {
            return Ok(None);
        }
        let session = self.sessions.remove(self.key.as_slice());
        Ok(session.map(|mut session| end(&self.key, &mut session, EndReason::Removed, media, now)))
    }

    /// As `find`, with the tag of a provisional reply as well.
    fn find_for(&mut self, request: &UpdateRequest) -> Option<Side> {
        let early_tag = request.early_tag.unwrap_or_default();
        let UpdateRequest { call_id, from_tag, to_tag, .. } = *request;
        let to_tag = if to_tag.is_empty() { early_tag } else { to_tag };
        self.find(call_id, from_tag, to_tag).or_else(|| self.find_over(call_id, from_tag, to_tag))
    }

    /// Finds the session of a dialog that is over and whose caller's tag is null.
    fn find_over(&mut self, call_id: &[u8], from_tag: &[u8], to_tag: &[u8]) -> Option<Side> {
        set_key(&mut self.key, call_id, b"");
        let session = self.sessions.get(self.key.as_slice()).filter(|_| to_tag.is_empty())?;
        session.had_dialog(from_tag).then_some(Side::Callee)
    }

    /// Finds the session of a command that has the callee's tag only. The keys have the
    /// caller's, so every session is searched.
    fn find_by_callee(&mut self, request: &RemoveRequest) -> Option<Side> {
        let RemoveRequest { scope, cseq, call_id, from_tag, to_tag } = *request;
        if scope != Scope::Session || cseq.is_some() || from_tag.is_empty() || !to_tag.is_empty() {
            return None;
        }
        set_key(&mut self.key, call_id, b"");
        let of_call = |key: &[u8]| key.starts_with(&self.key);
        let mut sessions = self.sessions.iter();
        let (key, _) =
            sessions.find(|(key, session)| of_call(key) && session.has_dialog(from_tag))?;
        self.key = key.to_vec();
        Some(Side::Callee)
    }

    /// Finds the session of a dialog, leaves its key in `self.key` and returns
    /// the side the From tag belongs to. Either tag may be the caller's. Where two
    /// sessions of a Call-ID have one each, it is the one that knows the dialog.
    fn find(&mut self, call_id: &[u8], from_tag: &[u8], to_tag: &[u8]) -> Option<Side> {
        let ways = [(from_tag, to_tag, Side::Caller), (to_tag, from_tag, Side::Callee)];
        let mut found = None;
        for (caller, callee, side) in ways {
            set_key(&mut self.key, call_id, caller);
            let Some(session) = self.sessions.get(self.key.as_slice()) else { continue };
            if session.has_dialog(callee) {
                return Some(side);
            }
            // A message without To tag belongs to its From tag, or to a known dialog
            // with a caller whose tag is null (RFC 3261 section 12.1.1).
            if found.is_none() && (side == Side::Caller || !caller.is_empty()) {
                found = Some((caller, side));
            }
        }
        let (caller, side) = found?;
        set_key(&mut self.key, call_id, caller);
        Some(side)
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
        media.finish_changes();
        // They are of no request.
        media.take_warnings();
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

    /// All that is stored of the sessions, for tests.
    pub(super) fn state(&self) -> String {
        let sessions: std::collections::BTreeMap<_, _> = self.sessions.iter().collect();
        format!("{sessions:?}")
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
    let streams = session.channels().into_iter().filter_map(|(kind, channel)| {
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
