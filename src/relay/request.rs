//! One request to a relay as a state machine: no socket, no clock.
pub enum Action {}
pub enum Event {}
pub struct Request;
