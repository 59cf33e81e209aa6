//! Client lists and the relays file, changed while the server runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::memcheck;
use crate::module;
use crate::phone::Phone;
use crate::scene::{Relays, audio_of, hang_up, negotiate, ours, with_module};
use crate::server::{Kamailio, stock_modules};
use kit::daemon::Daemon;
use kit::netns::{Namespace, PHONE, SERVER};
use kit::running::wait_for;

/// What is promised for a change to be seen.
const SOON: Duration = Duration::from_secs(1);

/// Asks until each of the four workers has answered; what they made of the
/// phone's Contact.
fn all_workers(phone: &mut Phone) -> BTreeSet<String> {
    let (mut workers, mut made) = (BTreeSet::new(), BTreeSet::new());
    while workers.len() < 4 {
        let mut call = phone.call("nobody", &format!("list-{}", phone.heard.len()));
        phone.ask(&mut call, "OPTIONS", "", "");
        let ok = phone.response(200, "OPTIONS");
        workers.insert(ok.first("Worker").to_string());
        made.insert(ok.first("Repaired").to_string());
    }
    made
}

fn start(server: &Namespace, directory: &Path, list: &Path) -> Kamailio {
    Kamailio::start(
        memcheck::kamailio(server, directory),
        directory,
        &kit::root().join("tests/fixtures/kamailio/workers.cfg"),
        &[module::ours(), stock_modules()],
        &[
            ("ADDRESS", SERVER.to_string()),
            ("RELAY", "\"embedded\"".to_string()),
            ("LIST", format!("\"{}\"", list.display())),
        ],
    )
}

#[test]
fn all_workers_take_over_a_client_list_within_a_second() {
    with_module(kit::here!(), |network, directory| {
        let list = directory.join("list");
        fs::write(&list, "# nobody yet\n").expect("a list");
        let server = start(&network.server, directory, &list);
        // This NAT gives another port than 5060.
        let mut phone = Phone::udp("bob", &network.phones[1], PHONE, SERVER);
        let symmetric = all_workers(&mut phone);
        assert_eq!(symmetric.len(), 1);
        let asymmetric = BTreeSet::from(["<sip:bob@198.51.100.7:5060>".to_string()]);
        assert_ne!(symmetric, asymmetric);

        fs::write(&list, "^Phone [0-9]\n").expect("a list");
        std::thread::sleep(SOON);
        assert_eq!(all_workers(&mut phone), asymmetric, "{}", server.said());

        // Replaced by another file, as editors do.
        let other = directory.join("other");
        fs::write(&other, "^Another Phone\n").expect("a list");
        fs::rename(&other, &list).expect("the other list");
        std::thread::sleep(SOON);
        assert_eq!(all_workers(&mut phone), symmetric, "{}", server.said());

        // One that cannot be read as a whole: what can be read of it holds.
        fs::write(&list, "^Phone (\n^Phone 1\n").expect("a list");
        std::thread::sleep(SOON);
        assert_eq!(all_workers(&mut phone), asymmetric, "{}", server.said());
        let said = server.stop();
        assert!(said.contains("list:1"), "{said}");
    });
}

/// New calls go to the relay that is in the file now; a call stays on its own.
#[test]
fn relays_file_changes_while_a_call_goes_on() {
    with_module(kit::here!(), |network, directory| {
        let mut scene = ours(network, directory, Relays::Daemons, &[]);
        let third = Daemon::start_in(&network.server, directory, 2, &[SERVER]);
        scene.register();
        let mut call = scene.answered("before@x");
        scene.talk(call.ok.media(), call.invite.media());
        let new = directory.join("new");
        fs::write(&new, third.uri() + ";set=near\n").expect("a file of relays");
        fs::rename(&new, directory.join("relays")).expect("the relays file");
        let changed = Instant::now();
        wait_for("the third relay", || {
            let said = scene.server.rpc(&["mediaproxy.relays"]).expect("the relays");
            said.contains(&third.path.display().to_string()).then_some(())
        });
        println!("the RPC tells of the third relay after {:?}", changed.elapsed());
        std::thread::sleep(SOON.saturating_sub(changed.elapsed()));
        for number in 0..8 {
            // From each worker.
            let mut next = scene.answered(&format!("after-{number}@x"));
            assert_eq!(next.invite.media().port() / 1000, 22, "{}", next.invite.text);
            scene.hang_up(&mut next.caller);
        }
        scene.talk(call.ok.media(), call.invite.media());
        let (invite, _) = scene.reinvite(&mut call.caller, 2, "sendrecv", "sendrecv");
        assert_eq!(invite.media(), call.invite.media(), "it stays on its relay");
        scene.hang_up(&mut call.caller);
        scene.ends_well();
    });
}

/// Two sets, chosen by the script, and a relay for the calls of one domain.
#[test]
fn relays_are_chosen_by_set_and_by_domain() {
    with_module(kit::here!(), |network, directory| {
        // Bob's home is far.
        let define = "FAR_NETWORK=198.51.100.0/24";
        let mut scene = ours(network, directory, Relays::Daemons, &[define]);
        let third = Daemon::start_in(&network.server, directory, 2, &[SERVER]);
        let lines = format!(
            "# A comment.\n{};set=near\n{};set=far\n{};set=far;domain=example.com\n",
            scene.relays[0].uri(),
            scene.relays[1].uri(),
            third.uri()
        );
        fs::write(directory.join("relays"), lines).expect("a file of relays");
        scene.server.rpc(&["mediaproxy.reload"]).expect("a reload");
        scene.register();
        for number in 0..3 {
            let mut call = scene.answered(&format!("near-{number}@x"));
            assert_eq!(call.invite.media().port() / 1000, 20);
            scene.hang_up(&mut call.caller);
        }
        // Both phones' domain is example.com, which has a relay in the far set.
        let mut call = scene.bob.call("alice", "far@x");
        let (offer, answer) = (audio_of(&scene.bob, 1), audio_of(&scene.alice, 1));
        let (invite, ok) = negotiate(&mut scene.bob, &mut call, &mut scene.alice, &offer, &answer);
        assert_eq!(invite.media().port() / 1000, 22);
        scene.talk(invite.media(), ok.media());
        hang_up(&mut scene.bob, &mut call, &mut scene.alice);
        scene.ends_well();
    });
}
