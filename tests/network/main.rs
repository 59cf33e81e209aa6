//! The simulated network: see `kit::sim`.

mod calls;
mod scripts;
