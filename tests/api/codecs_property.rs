//! The properties of the fuzz target `codecs`, over bytes that look like
//! requests and answers of relays.

use kit::cases;
use proptest::collection::vec;
use proptest::prelude::*;

/// Parts of requests, of answers and of what breaks lines.
const PARTS: [&[u8]; 22] = [
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b",",
    b":",
    b"=",
    b": ",
    b"\r\n ",
    b"\r\n\r\n",
    b"removed\r\n",
    b"error\r\n",
    b"None",
    b"203.0.113.5",
    b"2001:db8::1",
    b" 50000",
    b" 0",
    b" 70000",
    b"media: x",
    b"delete c info=\n",
    b"\xe9",
    b"\xc2\x85",
];

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        prop::sample::select(&PARTS[..]).prop_map(<[u8]>::to_vec),
        vec(any::<u8>(), 0..4),
        (0u8..32).prop_map(|length| vec![length]),
    ];
    vec(part, 0..80).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases(2_000)))]

    #[test]
    fn query_is_one_request_and_answer_is_the_same_in_any_pieces(bytes in pieces()) {
        kit::fuzz::codecs::check(&bytes);
    }

    #[test]
    fn codecs_accept_any_bytes(bytes in vec(any::<u8>(), 0..600)) {
        kit::fuzz::codecs::check(&bytes);
    }
}
