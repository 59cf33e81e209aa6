//! What the server makes of a message that was changed: the registrar, the
//! dialog module, and the module itself when it is called again.

use std::collections::BTreeSet;

use crate::phone::Phone;
use crate::scene::{Module, Scene, audio_of, everywhere, fixture, stock, with_module};
use kit::netns::{HOMES, Network, PHONE, SERVER};

#[test]
fn registrar_saves_the_repaired_contact() {
    with_module(kit::here!(), |network, directory| {
        let mut scene = stock(network, directory, Module::Ours, &[]);
        scene.register();
        for (user, home) in [("alice", &HOMES[0]), ("bob", &HOMES[1])] {
            let saved = scene.server.rpc(&["ul.lookup", "location", user]).expect("a contact");
            assert!(saved.contains(&format!("sip:{user}@{}:", home.nat)), "{saved}");
            assert!(!saved.contains(PHONE), "{saved}");
        }
        scene.ends_well();
    });
}

/// A phone that moves removes its old Contact in the request that adds the new one.
#[test]
fn register_that_removes_one_contact_and_adds_another_is_saved() {
    with_module(kit::here!(), |network, directory| {
        let mut scene = stock(network, directory, Module::Ours, &[]);
        let nat = HOMES[0].nat;
        for registered in [false, true] {
            scene.alice.register_and_remove("sip:alice@10.99.0.9:5060");
            let saved = scene.server.rpc(&["ul.lookup", "location", "alice"]).expect("a contact");
            assert!(saved.contains(&format!("sip:alice@{nat}:")), "{registered}: {saved}");
            assert!(!saved.contains(PHONE) && !saved.contains("10.99.0.9"), "{saved}");
            scene.alice.register();
        }
        scene.ends_well();
    });
}

/// The dialog module keeps the repaired Contacts: the BYEs it makes itself reach
/// both phones, through their NATs.
#[test]
fn bye_of_the_dialog_module_reaches_both_phones() {
    with_module(kit::here!(), |network, directory| {
        let mut scene = stock(network, directory, Module::Ours, &["WITH_ENGAGE"]);
        scene.register();
        let call = scene.answered("ended@x");
        scene.talk(call.ok.media(), call.invite.media());
        let dialogs = scene.server.rpc(&["dlg.list"]).expect("the dialogs");
        let number = |name: &str| {
            let line = dialogs.lines().find_map(|line| line.trim().strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name} in {dialogs}")).trim().to_string()
        };
        let (entry, id) = (number("h_entry:"), number("h_id:"));
        scene.server.rpc(&["dlg.end_dlg", &entry, &id]).expect("the dialog ends");
        let bye = scene.alice.request("BYE");
        assert!(bye.start().starts_with(&format!("BYE sip:alice@{}:5060 ", HOMES[0].nat)));
        scene.alice.answer(&bye, "200 OK", "", "");
        let bye = scene.bob.request("BYE");
        assert!(bye.start().starts_with(&format!("BYE sip:bob@{}:", HOMES[1].nat)));
        scene.bob.answer(&bye, "200 OK", "", "");
        scene.ends_well();
    });
}

fn twice<'n>(network: &'n Network, directory: &std::path::Path) -> Scene<'n> {
    fixture(network, directory, "twice.cfg", &[("ADDRESS", SERVER.to_string())])
}

/// Called in the request route, in the branch route, and again in the failure
/// route for another phone: each time one clean description goes out.
#[test]
fn use_media_proxy_repeated_leaves_one_clean_sdp() {
    with_module(kit::here!(), |network, directory| {
        let mut scene = twice(network, directory);
        let mut carol = Phone::udp_at("carol", &network.phones[1], PHONE, SERVER, 5070);
        scene.register();
        carol.register();
        let offer = audio_of(&scene.alice, 1);
        let mut call = scene.alice.call("bob", "twice@x");
        scene.alice.ask(&mut call, "INVITE", "", &offer);
        let first = scene.bob.request("INVITE");
        scene.bob.answer(&first, "486 Busy Here", "", "");
        scene.bob.request("ACK");
        let second = carol.request("INVITE");
        for invite in [&first, &second] {
            let to = invite.media();
            let port = format!("m=audio {} ", scene.alice.media_port(0));
            let expected = offer
                .replacen(&format!("c=IN IP4 {PHONE}"), &format!("c=IN IP4 {SERVER}"), 1)
                .replacen(&port, &format!("m=audio {} ", to.port()), 1);
            assert_eq!(invite.body(), expected);
            assert_eq!(invite.first("Content-Length"), expected.len().to_string());
            assert_eq!(invite.all("Contact").count(), 1);
            assert_eq!(invite.contact().to_string(), format!("{}:5060", HOMES[0].nat));
        }
        let answer = audio_of(&carol, 1);
        carol.answer(&second, "200 OK", "", &answer);
        let ok = scene.alice.response(200, "INVITE");
        assert_eq!(ok.first("Content-Length"), ok.body().len().to_string());
        assert_eq!(ok.body().matches("c=IN IP4 ").count(), 1, "{}", ok.text);
        assert_eq!(ok.all("Contact").count(), 1);
        scene.alice.acknowledge(&mut call, &ok, "");
        carol.request("ACK");
        scene.talk_with(&carol, ok.media(), second.media());
        scene.alice.ask(&mut call, "BYE", "", "");
        let bye = carol.request("BYE");
        carol.answer(&bye, "200 OK", "", "");
        scene.alice.response(200, "BYE");

        // What the variables told of all these messages.
        let said = scene.server.said();
        let told: BTreeSet<&str> =
            said.lines().filter_map(|line| line.split_once("matched 1 ").map(|(_, t)| t)).collect();
        let expected = "by name private_contact: \
            private_contact: Contact 192.168.1.10:5060 is private";
        assert!(told.contains(expected), "{told:?}");
        scene.ends_well();
    });
}

/// An error that is not a crash: the set has no relay.
#[test]
fn set_without_relays_is_an_error_the_script_can_read() {
    with_module(kit::here!(), |network, directory| {
        let mut scene = twice(network, directory);
        scene.register();
        let mut call = scene.alice.call("bob", "noset@x");
        let offer = audio_of(&scene.alice, 1);
        scene.alice.ask(&mut call, "INVITE", "X-Set: nowhere\r\n", &offer);
        let refused = scene.alice.response(503, "INVITE");
        scene.alice.acknowledge_failure(&call, &refused);
        scene.server.says("gives -1: use_media_proxy: ");
        let said = scene.server.said();
        let line = said.lines().find(|line| line.contains("gives -1: ")).expect("the line");
        assert!(line.contains("nowhere"), "{line}");
        scene.server.stop();
    });
}

/// The source of a message that came through another proxy is that proxy, not
/// the phone.
#[test]
fn contact_behind_another_proxy_stays() {
    everywhere(kit::here!(), |scene| {
        scene.register();
        let mut call = scene.alice.call("bob", "proxied@x");
        let phone = "Via: SIP/2.0/UDP 192.168.7.7:5060;branch=z9hG4bKphone\r\n";
        let offer = audio_of(&scene.alice, 1);
        scene.alice.ask(&mut call, "INVITE", phone, &offer);
        let invite = scene.bob.request("INVITE");
        assert_eq!(invite.contact().to_string(), format!("{PHONE}:5060"));
        scene.bob.answer(&invite, "486 Busy Here", "", "");
        scene.bob.request("ACK");
        let busy = scene.alice.response(486, "INVITE");
        scene.alice.acknowledge_failure(&call, &busy);
    });
}
