//! Whole dialogs and whole programs in one process: a worker with stand-in
//! relays, the built-in proxy with phones, the example call and
//! `mediaproxy-inspect`. No test of this program forks: see `tests/relays`.

mod calls_end_to_end;
mod inspect;
mod legs;
mod natted_call;
mod offer_answer;
mod proxy_calls;
mod proxy_control;
mod proxy_lifecycle;
mod proxy_media;
mod rewrite_sdp;
