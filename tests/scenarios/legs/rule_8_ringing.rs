//! Rule 8: a provisional reply keeps an unanswered session, also at a relay that
//! can be told so.

use kit::call::Step;
use kit::relay::header;

use super::{Kind, Scene, invite, reply, reply_sdp};

#[test]
fn ringing_is_reported_to_a_relay_with_the_capability() {
    for (kind, reports) in [(Kind::BuiltIn, 2), (Kind::Dispatcher, 0)] {
        let mut scene = Scene::new(kind);
        scene.relayed(&invite(1));
        assert_eq!(scene.send(&reply("180 Ringing", 1, "b")), Ok(None));
        assert_eq!(scene.send(&reply("180 Ringing", 1, "b")), Ok(None));
        assert_eq!(scene.send(&reply("100 Trying", 1, "")), Ok(None), "no dialog is made by it");
        let requests = scene.requests();
        let reports_made = requests.iter().filter(|request| !request.contains("media: "));
        let reports_made: Vec<_> = reports_made.collect();
        assert_eq!(reports_made.len(), reports, "{requests:?}");
        for report in reports_made {
            assert_eq!((header(report, "type"), header(report, "to_tag")), ("reply", ""));
            assert_eq!(header(report, "early_tag"), "b");
        }
    }
}

#[test]
fn answer_without_sdp_confirms_its_dialog_at_the_relay() {
    Scene::each(|mut scene| {
        scene.relayed(&invite(1));
        scene.relayed(&reply_sdp("183 Session Progress", 1, "b"));
        scene.relayed(&reply_sdp("183 Session Progress", 1, "c"));
        assert_eq!(scene.send(&reply("200 OK", 1, "c")), Ok(None));
        let requests = scene.requests();
        let report = requests.last().expect("a report");
        assert!(!report.contains("media: "), "{requests:?}");
        assert_eq!((header(report, "type"), header(report, "to_tag")), ("reply", "c"));
        // The other phone was given up: the BYE of the answered one ends the call.
        scene.end(&Step::request("BYE", 2, "a", "c"));
        assert_eq!(scene.deletes(), ["session a c"]);
        assert_eq!(scene.active_calls(), 0);
    });
}
