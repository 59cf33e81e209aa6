//! What a relay is asked about a message.

use crate::error::Result;
use crate::log::Level;
use crate::options::Options;
use crate::relay::{Command, Query, mediaproxy2};
use crate::shared::calls::{CallKey, Life};
use crate::sip::{Message, Method};
use crate::worker::rewrite::life;
use crate::worker::{Worker, seconds};

impl Worker {
    /// Makes `query` one about the message and the offer of this CSeq, with the
    /// script's options and what the lists say of the phone.
    pub(super) fn ask(
        &self,
        query: &mut Query,
        message: &Message<'_>,
        cseq: u32,
        options: &Options,
    ) -> Result<()> {
        let command = match message.status() {
            Some(_) => Command::Reply,
            None => Command::Request,
        };
        query.renew(message, command, cseq)?;
        query.asymmetric = self.asymmetry(message)?.rtp;
        query.dialog_id.clone_from(&options.dialog_id);
        query.media_relay.clone_from(&options.media_relay);
        if let Some(ip) = options.signaling_ip {
            query.signaling_ip = Some(ip.to_canonical());
        }
        query.receiver = options.receiver.map(|ip| ip.to_canonical());
        if message.status().is_some_and(|status| status < 200) {
            // A dispatcher takes a tag for the end of the early phase.
            std::mem::swap(&mut query.early_tag, &mut query.to_tag);
        }
        Ok(())
    }

    /// A reply to INVITE without description says how far its branch is. A 200
    /// is told to the relay all the same: its call is answered. Nobody waits
    /// for what it says.
    pub(super) fn tell_bodyless(
        &mut self,
        message: &Message<'_>,
        method: Method,
        key: CallKey,
        options: &Options,
        now: u64,
    ) -> Result<()> {
        let engine = self.engine.clone();
        let calls = engine.calls();
        let Some(life) = life(method, message.status()).filter(|_| calls.is_known(key)) else {
            return Ok(());
        };
        calls.reached(key, life, seconds(now));
        if life == Life::Early || calls.is_passed_by(key) {
            return Ok(());
        }
        let mut query = Query::default();
        self.ask(&mut query, message, message.cseq()?.number, options)?;
        let choice = self.choice(message, key, options)?;
        let health = engine.health();
        let relay = self.relay_of_call(&choice).filter(|r| health.state(r.slot).is_usable());
        let Some(relay) = relay else { return Ok(()) };
        let mut bytes = Vec::new();
        mediaproxy2::encode(&query, relay.uri.own, &mut bytes)?;
        if let Err(error) = self.pool.tell(&relay, &bytes) {
            let name = &relay.uri.text;
            let text = format_args!("relay {name}: not told of an answered call: {error}");
            engine.log().write(Level::Warning, text);
        }
        Ok(())
    }
}
