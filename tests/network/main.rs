//! The simulated network: see `kit::sim`.

mod scripts;
