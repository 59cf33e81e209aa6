//! All decisions about a message before a request to a relay, in one pure call.

use std::net::SocketAddr;

use crate::error::Result;
use crate::media::plan::{Plan, Rules, plan};
use crate::media::role::{Decision, decide};
use crate::options::Options;
use crate::relay::Role;
use crate::sdp::Session;
use crate::settings::Settings;
use crate::shared::calls::history::OfferAnswerState;
use crate::sip::{Message, Method};

/// What the call table knows of a message, and the stored state of its call.
pub struct CallState<'c> {
    /// The method of the message's request.
    pub method: Method,
    /// The number of the message's CSeq.
    pub cseq: u32,
    /// The offer/answer state.
    pub offer_answer: OfferAnswerState,
    /// The call's last offer was relayed by a proxy before this one.
    pub relayed_upstream: bool,
    /// The m= lines that the call's last offer relayed; `None` when it is not known.
    pub relayed_lines: Option<u64>,
    /// The call has a session at its relay.
    pub has_session: bool,
    /// True for an m= line (counted from 0) whose address and port this call already
    /// has at its relay.
    pub ours: &'c dyn Fn(usize, SocketAddr) -> bool,
}

/// The decisions about a message.
#[derive(Debug)]
pub struct Prepared {
    /// Offer or answer, and what is stored of it.
    pub decision: Decision,
    /// The rewrite, with the request for a relay. `None`: no request, no change.
    pub plan: Option<Plan>,
    /// The offer carries the loop marker of a proxy before this one.
    pub relayed_upstream: bool,
    /// No line of the offer is relayed, which must be stored for its answer.
    pub left_alone: bool,
    /// The SDP of a reply needs no request, but removes a line that a relay may have:
    /// the reply must be sent to the relay of a call that is not stored.
    pub removes_lines: bool,
    /// [`Plan::unserved`], of a plan without a request too.
    pub unserved: Option<Box<str>>,
}

/// Prepares the rewrite of the SDP `text` of `message`. `Status::Syntax` and
/// `Status::Limit` for SDP that cannot be parsed.
pub fn prepare(
    message: &Message<'_>,
    text: &[u8],
    call: &CallState<'_>,
    options: &Options,
    settings: &Settings,
) -> Result<Prepared> {
    let session = Session::parse(text)?;
    let is_reply = message.status().is_some();
    let decision = decide(is_reply, call.method, call.cseq, &call.offer_answer, options.role);
    let rules = Rules {
        role: decision.role,
        ice_candidate: options.ice_candidate.unwrap_or(settings.ice_candidate()),
        rewrite_origin: settings.rewrite_origin(),
        loop_marker: settings.loop_marker(),
        relayed_lines: call.relayed_lines,
        has_session: call.has_session,
        ours: call.ours,
    };
    // The proxy that relays an offer also relays its answer, which may pass here
    // before it carries the marker.
    let answers_upstream = decision.role == Role::Answer && call.relayed_upstream;
    let mut plan = if answers_upstream { None } else { Some(plan(message, &session, &rules)?) };
    let left_alone = plan.as_ref().is_some_and(|plan| {
        decision.role == Role::Offer
            && plan.is_empty()
            && plan.relayed_lines() == 0
            && (plan.is_left_to_ice() || call.relayed_lines.is_some())
            && !(rules.loop_marker && session.loop_marker)
    });
    let removes_lines = is_reply
        && plan.as_ref().is_some_and(Plan::is_empty)
        && !(rules.loop_marker && session.loop_marker)
        // A refused line may name another transport than that of the offer.
        && session.media.iter().any(|media| media.port == 0);
    let unserved = plan.as_mut().and_then(Plan::take_unserved);
    Ok(Prepared {
        decision,
        plan: plan.filter(|plan| !plan.is_empty()),
        relayed_upstream: rules.loop_marker && session.loop_marker && decision.role == Role::Offer,
        left_alone,
        removes_lines,
        unserved,
    })
}
