//! Facts about the tree itself: the words users read, which code may make
//! system calls, which modules import each other, and what the parts of a SIP
//! server's module hold.

mod bindings;
mod files;
mod imports;
mod literals;
mod manifests;
mod paths;
mod readme;
mod shared_code;
mod sources;
mod words;
