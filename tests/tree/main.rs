//! Facts about the tree itself: the words users read, which code may make
//! system calls, and which modules import each other.

mod files;
mod imports;
mod literals;
mod manifests;
mod sources;
mod words;
