//! Debian's Kamailio with phones behind real NATs: the stock modules through
//! `mediaproxyd`, and ours with the configurations that are shipped.

mod audio;
mod c_program;
#[path = "kamailio/calls.rs"]
mod calls;
#[path = "kamailio/corpus.rs"]
mod corpus;
#[path = "corpus/files.rs"]
#[allow(dead_code)] // Parts of it.
mod corpus_files;
#[path = "kamailio/differences.rs"]
mod differences;
#[path = "kamailio/dropin.rs"]
mod dropin;
#[path = "kamailio/failing.rs"]
mod failing;
#[path = "kamailio/files.rs"]
mod files;
#[path = "kamailio/load.rs"]
mod load;
#[path = "kamailio/makefile.rs"]
mod makefile;
#[path = "kamailio/manage.rs"]
mod manage;
#[path = "kamailio/memcheck.rs"]
mod memcheck;
#[path = "kamailio/module.rs"]
mod module;
mod netns;
#[path = "kamailio/parameters.rs"]
mod parameters;
#[path = "kamailio/phone.rs"]
mod phone;
#[path = "kamailio/repaired.rs"]
mod repaired;
mod running;
#[path = "kamailio/scene.rs"]
mod scene;
#[path = "kamailio/server.rs"]
mod server;
#[path = "kamailio/sip.rs"]
mod sip;
mod sipp;
#[path = "common/relay.rs"]
#[allow(dead_code, unreachable_pub)] // Parts of it.
mod standin;
#[path = "kamailio/stock.rs"]
mod stock;
#[path = "kamailio/values.rs"]
mod values;
