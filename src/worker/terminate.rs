//! `end_session`: what a message or a command terminates, and the delete for the
//! relay.

use crate::error::{Error, Result, Status};
use crate::log::Level;
use crate::options::{Options, ScopeOption};
use crate::relay::Scope;
use crate::shared::calls::{DeleteScope, EndScope, LegStatus};
use crate::shared::{CallMessage, Counter, Delete};
use crate::sip::{Message, Method};
use crate::worker::choose::Choice;
use crate::worker::deletes::{cancel_crossed_delete, cancel_deletes};
use crate::worker::{Worker, seconds};

/// The part of a call that is terminated.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// What the message terminates (RFC 3261 9, 12.3, 15).
    Message(EndScope),
    /// The call with all its dialogs.
    Call,
}

/// The status of the server's own failure reply: which one makes no difference.
const REFUSED: u16 = 500;

impl Worker {
    pub(super) fn terminate_by_message(
        &mut self,
        message: &Message<'_>,
        options: &Options,
    ) -> Result<()> {
        let method = message.method()?;
        let is_refused = !message.terminates();
        let begins = || method == Method::Invite && message.status().is_none();
        if is_refused && !(begins() && message.to_tag()?.is_empty()) {
            return Err(Error::new(
                Status::Argument,
                "this message ends no session; give BYE, CANCEL, a failure reply to INVITE, \
                 or an INVITE without To tag that the server refuses",
            ));
        }
        let mut call = self.call_message(message, method)?;
        if is_refused {
            call.status = Some(REFUSED);
        }
        let scope = match options.scope {
            ScopeOption::Call => EndScope::Call,
            ScopeOption::Branch => EndScope::Branch,
        };
        let call_id = message.call_id()?;
        let choice = self.choice(message, call_id, options);
        let ids = [call_id, message.from_tag()?, message.to_tag()?];
        self.terminate(&call, choice, Part::Message(scope), ids);
        Ok(())
    }

    pub(super) fn terminate_by_ids(
        &mut self,
        call_id: &[u8],
        from_tag: &[u8],
        to_tag: &[u8],
    ) -> Result<()> {
        if call_id.is_empty() {
            return Err(Error::new(Status::Argument, "the Call-ID of the call to end is empty"));
        }
        let key = self.engine.calls().key(call_id, from_tag, to_tag);
        let (part, method) = match to_tag {
            b"" => (Part::Call, Method::Other),
            _ => (Part::Message(EndScope::Call), Method::Bye),
        };
        let call = CallMessage { method, ..CallMessage::command(key) };
        // The null tag of a phone without tags (RFC 3261 12.1.1), or one that was left out.
        let is_null = || self.engine.calls().look_up(&call, seconds(self.now())).has_from_tag();
        if from_tag.is_empty() && !is_null() {
            return Err(Error::new(
                Status::Argument,
                "the From tag of the call to end is empty; give the tag of one of its sides",
            ));
        }
        let choice = self.choice_by_id(call_id);
        self.terminate(&call, choice, part, [call_id, from_tag, to_tag]);
        Ok(())
    }

    fn terminate(
        &mut self,
        call: &CallMessage,
        mut choice: Choice,
        part: Part,
        [call_id, from_tag, to_tag]: [&[u8]; 3],
    ) {
        let engine = self.engine.clone();
        let (calls, counters) = (engine.calls(), engine.counters());
        counters.count(Counter::Terminations);
        let now = self.now();
        let leg = calls.look_up(call, seconds(now));
        choice.stored = leg.relay();
        let relay = self.relay_of_call(&choice);
        let capabilities = relay.as_ref().map(|relay| relay.capabilities(self.facts(relay)));
        let terminated = match part {
            Part::Message(scope) => {
                let branch_delete = capabilities.is_some_and(|has| has.branch_delete);
                calls.terminate(call, scope, branch_delete, seconds(now))
            }
            Part::Call => calls.terminate_leg(call.key, seconds(now)),
        };
        let scope = match terminated.scope {
            DeleteScope::Call | DeleteScope::Cancelled => Scope::Session,
            DeleteScope::Dialog => Scope::Dialog,
            DeleteScope::Unanswered => Scope::Unanswered,
            DeleteScope::Branch => Scope::Branch,
            DeleteScope::Withheld => return counters.count(Counter::DeletesWithheld),
            DeleteScope::Nothing => {
                if terminated.wrong_tags {
                    counters.count(Counter::TerminationsUnmatched);
                    let call_id = call_id.escape_ascii();
                    let text = "terminated nothing: its tags are those of none of the dialogs";
                    let text = format_args!("call {call_id}: {} {text}", name(call));
                    engine.log().write(Level::Info, text);
                }
                return;
            }
        };
        // For a dialog that is not stored (after a restart, or with a full table)
        // this is the relay that a new call would have.
        let unstored = leg.status() == LegStatus::Unknown || scope != Scope::Session;
        let relay = match terminated.relay {
            None if unstored => {
                self.choose_new(&choice, &[], now).or_else(|| choice.first_choice())
            }
            // A rewrite may have stored another relay since the call was looked up.
            stored => {
                choice.stored = stored;
                self.relay_of_call(&choice)
            }
        };
        let Some(relay) = relay else { return };
        let has = relay.capabilities(self.facts(&relay));
        // A null To tag goes first: an empty second tag would be a missing one. The
        // order of the tags does not matter.
        let (from_tag, to_tag) = match leg.has_null_to_tag() {
            true => (to_tag, from_tag),
            false => (from_tag, to_tag),
        };
        // The INVITE of a next try may reach the relay first, on another connection.
        let of_invite = matches!(call.method, Method::Invite | Method::Cancel);
        let delete = Delete {
            relay: relay.identity,
            scope,
            cseq: (of_invite && scope.is_session()).then_some(call.cseq),
            branch: if scope == Scope::Branch { call.branch } else { 0 },
            call_id: call_id.to_vec(),
            from_tag: from_tag.to_vec(),
            to_tag: to_tag.to_vec(),
        };
        if terminated.scope == DeleteScope::Cancelled {
            self.schedule(call.key, delete, &relay, now);
            return cancel_crossed_delete(&engine, call, now);
        }
        if scope == Scope::Unanswered && !has.branch_delete {
            return;
        }
        if leg.status() == LegStatus::Cancelled && terminated.scope == DeleteScope::Call {
            cancel_deletes(&engine, call.key);
        }
        self.delete(call.key, delete, &relay, now);
    }
}

/// The name of a message that terminates a call or a part of it.
fn name(call: &CallMessage) -> &'static str {
    match call.method {
        Method::Bye => "BYE",
        Method::Cancel => "CANCEL",
        _ => "failure reply",
    }
}
