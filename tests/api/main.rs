//! The library alone: bytes in, decisions and edits out; no socket, no process.

mod addresses;
mod announced_sdp;
mod codecs_property;
mod edits;
mod fix_contact;
mod fuzz_regressions;
mod hostile;
mod multipart;
mod nat_test;
mod phone;
mod rewrite_leaks;
mod rewrite_plan;
mod rewrite_plan_answers;
mod rewrite_plan_attributes;
mod rewrite_plan_families;
mod rewrite_plan_ice;
mod rewrite_plan_positions;
mod rewrite_plan_property;
mod rewrite_plan_trickle;
mod sdp_session;
mod sip_message;
