/* Calls every function of the header as its comment says. tests/c/programs.rs checks
 * that none is missing here. */
#include "check.h"

static int lines;

static void keep(void *arg, uint32_t level, mp_str text)
{
    CHECK(arg == &lines);
    CHECK(level >= MP_LOG_ERROR && level <= MP_LOG_DEBUG);
    CHECK(text.len > 0);
    lines++;
}

/* The list of settings. */
static void described_settings(mp_config *config)
{
    mp_setting setting;
    size_t at;

    CHECK(mp_setting_count(config) > 20);
    set(config, "relay_timeout", "500");
    for (at = 0; at < mp_setting_count(config); at++) {
        STATUS(MP_OK, mp_setting_get(config, at, &setting, sizeof setting));
        CHECK(setting.section.len > 0 && setting.help.len > 0);
        CHECK(setting.accepted.len > 0 && setting.default_value.len > 0);
        if (same(setting.name, "relay_timeout"))
            CHECK(setting.is_set == 1);
        if (same(setting.name, "max_calls"))
            CHECK(setting.is_set == 0);
    }
    STATUS(MP_ERR_ARGUMENT,
           mp_setting_get(config, at, &setting, sizeof setting));
}

static void errors_and_settings(void)
{
    mp_config *config = mp_config_new();
    mp_engine *engine = NULL;
    mp_error *error = NULL;
    char list[100], value[64];
    size_t length;
    FILE *file;

    CHECK(same(mp_version(), MP_VERSION));
    CHECK(mp_version().ptr[mp_version().len] == '\0');
    CHECK(same(mp_status_name(MP_ERR_LIMIT), "MP_ERR_LIMIT"));

    STATUS(MP_ERR_SETTING, mp_config_set(config, mp_text("natping"),
                                         mp_text("20"), &error));
    STATUS(MP_ERR_SETTING, mp_error_status(error));
    CHECK(holds(mp_error_text(error), "natping"));
    CHECK(holds(mp_error_text(error), "private_networks"));
    mp_error_free(error);
    error = NULL;
    STATUS(MP_ERR_SETTING, mp_config_set(config, mp_text("relay_timeout"),
                                         mp_text("soon"), NULL));

    /* A value is read back, whole or not at all. */
    set(config, "relay", "mediaproxy:/run/a");
    set(config, "relay", "mediaproxy:/run/b");
    length = 0;
    STATUS(MP_ERR_BUFFER_TOO_SMALL, mp_config_get(config, mp_text("relay"), NULL, 0, &length,
                                                  &error));
    CHECK(length == 35);
    mp_error_free(error);
    error = NULL;
    STATUS(MP_OK, mp_config_get(config, mp_text("relay"), value, sizeof value, &length, NULL));
    CHECK(length == 35 && memcmp(value, "mediaproxy:/run/a\nmediaproxy:/run/b", length) == 0);
    STATUS(MP_OK, mp_config_get(config, mp_text("relay_timeout"), value, sizeof value, &length,
                                NULL));
    CHECK(length == 3 && memcmp(value, "400", length) == 0);
    STATUS(MP_ERR_SETTING, mp_config_get(config, mp_text("natping"), value, sizeof value, &length,
                                         &error));
    CHECK(holds(mp_error_text(error), "private_networks"));
    mp_error_free(error);
    error = NULL;

    described_settings(config);

    /* A line of a client list that is not a regular expression is logged. */
    snprintf(list, sizeof list, "%s", in_place("clients"));
    file = fopen(list, "w");
    CHECK(file != NULL && fputs("Grandstream\n([\n", file) >= 0);
    fclose(file);
    set(config, "sip_asymmetrics", list);
    set(config, "rtp_asymmetrics", "");
    STATUS(MP_OK, mp_config_set_log(config, keep, &lines));
    MADE(mp_engine_new(config, &engine, &error), error);
    CHECK(lines > 0);
    mp_engine_free(engine);
    /* A setting that would have no effect is refused. */
    set(config, "proxy_ports", "20000-20999");
    STATUS(MP_ERR_SETTING, mp_engine_new(config, &engine, &error));
    CHECK(holds(mp_error_text(error), "proxy_ports"));
    mp_error_free(error);
    mp_config_free(config);
    CHECK(unlink(list) == 0);
}

static void verdicts(mp_worker *worker, const mp_message *message)
{
    mp_verdict *verdict = mp_verdict_new();
    uint32_t tests = 0;
    size_t at;

    STATUS(MP_OK, mp_tests_parse(mp_text("private_contact,private_via"),
                                 &tests));
    CHECK(tests == (MP_TEST_PRIVATE_CONTACT | MP_TEST_PRIVATE_VIA));
    CHECK(same(mp_test_name(MP_TEST_PRIVATE_VIA), "private_via"));
    VERB(MP_OK, worker,
         mp_nat_test(worker, message, tests | MP_TEST_WEBSOCKET, 0, verdict));
    CHECK(mp_verdict_matched(verdict) == tests);
    CHECK(mp_verdict_tested(verdict) == (tests | MP_TEST_WEBSOCKET));
    CHECK(mp_verdict_count(verdict) == 2);
    CHECK(mp_verdict_test(verdict, 0) == MP_TEST_PRIVATE_CONTACT);
    CHECK(mp_verdict_test(verdict, 1) == MP_TEST_PRIVATE_VIA);
    CHECK(mp_verdict_test(verdict, 2) == 0);
    for (at = 0; at < 2; at++) {
        CHECK(holds(mp_verdict_text(verdict, at), "192.168.1.10"));
        CHECK(holds(mp_verdict_text(verdict, at),
                    at == 0 ? "private_contact" : "private_via"));
    }
    CHECK(mp_verdict_text(verdict, 2).len == 0);
    VERB(MP_OK, worker,
         mp_nat_test(worker, message, tests, MP_FIRST_MATCH, verdict));
    CHECK(mp_verdict_count(verdict) == 1);
    CHECK(mp_verdict_text(verdict, 1).len == 0);
    mp_verdict_free(verdict);
}

/* The edited Contact URI alone. */
static void parts(mp_edits *edits, const mp_message *message,
                  const written *text, size_t at)
{
    const char *contact = strstr(text->bytes, "Contact:");
    size_t offset = (size_t)(strchr(contact, '<') + 1 - text->bytes);
    size_t length = (size_t)(strchr(contact, '>') - text->bytes) - offset;
    size_t written = 0, needed = 0;
    char uri[256];

    STATUS(MP_ERR_BUFFER_TOO_SMALL,
           mp_edits_apply_range(edits, message, offset, length, NULL, 0,
                                &needed));
    STATUS(MP_OK, mp_edits_apply_range(edits, message, offset, length, uri,
                                       needed, &written));
    CHECK(written == needed && at > offset);
    CHECK(memcmp(uri, text->bytes + offset, at - offset) == 0);
    CHECK(memcmp(uri + (at - offset), "127.0.0.2:40000", 15) == 0);
    STATUS(MP_ERR_EDITS, mp_edits_apply_range(edits, message, 0, at, uri,
                                              sizeof uri, &written));
    STATUS(MP_ERR_EDITS,
           mp_edits_apply_range(edits, message, offset, (size_t)-1, uri,
                                sizeof uri, &written));
    CHECK(written == needed);
}

static void edit_lists(mp_worker *worker, const mp_message *message,
                       const written *text)
{
    mp_edits *edits = mp_edits_new();
    mp_options *options = mp_options_new();
    mp_edit edit;
    char buffer[4096];
    const char *host = "192.168.1.10:5060>";
    size_t needed = 0, length = 0;
    uint32_t lists = 9;

    VERB(MP_OK, worker, mp_client_lists(worker, message, &lists));
    CHECK(lists == 0);
    VERB(MP_OK, worker, mp_fix_contact(worker, message, edits));
    VERB(MP_OK, worker, mp_fix_contact(worker, message, edits));
    CHECK(mp_edits_count(edits) == 1);
    /* The message has one Via: it comes from the phone itself. */
    VERB(MP_OK, worker, mp_fix_contact_with(worker, message, NULL, edits));
    STATUS(MP_OK, mp_options_set(options, mp_text("first_hop"), mp_text("yes"),
                                 NULL));
    VERB(MP_OK, worker, mp_fix_contact_with(worker, message, options, edits));
    CHECK(mp_edits_count(edits) == 1);
    mp_options_free(options);
    STATUS(MP_OK, mp_edits_get(edits, 0, &edit));
    CHECK(edit.offset + edit.remove <= text->length);
    CHECK(edit.remove > 0 && edit.insert.len > 0);
    CHECK(edit.offset <= (size_t)(strstr(strstr(text->bytes, "Contact:"), host)
                                  - text->bytes));
    STATUS(MP_ERR_ARGUMENT, mp_edits_get(edits, 1, &edit));
    STATUS(MP_ERR_BUFFER_TOO_SMALL,
           mp_edits_apply(edits, message, NULL, 0, &needed));
    CHECK(holds(mp_edits_last_error(edits), "bytes"));
    CHECK(needed == text->length - edit.remove + edit.insert.len);
    STATUS(MP_OK, mp_edits_apply(edits, message, buffer, needed, &length));
    CHECK(length == needed);
    /* mp_edits_get and mp_edits_apply agree. */
    CHECK(memcmp(buffer, text->bytes, edit.offset) == 0);
    CHECK(memcmp(buffer + edit.offset, edit.insert.ptr, edit.insert.len) == 0);
    CHECK(memcmp(buffer + edit.offset + edit.insert.len,
                 text->bytes + edit.offset + edit.remove,
                 text->length - edit.offset - edit.remove) == 0);
    parts(edits, message, text, edit.offset);
    STATUS(MP_OK, mp_edits_reset(edits));
    CHECK(mp_edits_count(edits) == 0);
    STATUS(MP_OK, mp_edits_apply(edits, message, buffer, sizeof buffer,
                                 &length));
    CHECK(length == text->length && memcmp(buffer, text->bytes, length) == 0);
    mp_edits_free(edits);
}

static void relayed(mp_worker *worker, const mp_message *message)
{
    mp_options *options = mp_options_new();
    mp_edits *edits = mp_edits_new();
    mp_address phone = address_of("2001:db8::5", 5060);
    mp_request *request = NULL;
    mp_error *error = NULL;
    mp_status status;

    CHECK(phone.family == 6 && phone.bytes[0] == 0x20 && phone.port == 5060);
    STATUS(MP_OK, mp_options_set_role(options, MP_ROLE_OFFER));
    STATUS(MP_OK, mp_options_set_scope(options, MP_SCOPE_BRANCH));
    STATUS(MP_ERR_ARGUMENT, mp_options_set_scope(options, 2));
    STATUS(MP_OK, mp_options_set_signaling_address(options, &phone));
    STATUS(MP_OK, mp_options_set_receiver(options, &phone));
    STATUS(MP_OK, mp_options_set_relay_set(options, mp_text("west")));
    STATUS(MP_OK, mp_options_set_media_relay(options, mp_text("relay1")));
    STATUS(MP_OK, mp_options_set_dialog_id(options, mp_text("7:8")));
    STATUS(MP_OK, mp_options_set_ice_candidate(options, MP_ICE_LOW_PRIORITY));
    STATUS(MP_OK, mp_options_set_next_hop(options,
                                          mp_text("sip:bob@192.0.2.7;lr")));
    STATUS(MP_ERR_SYNTAX, mp_options_set_next_hop(options, mp_text("bob")));
    MADE(mp_options_set(options, mp_text("ice_candidate"), mp_text("none"),
                        &error), error);
    STATUS(MP_ERR_ARGUMENT, mp_options_set(options, mp_text("ice_candidate"),
                                           mp_text("high"), &error));
    CHECK(holds(mp_error_text(error), "high-priority"));
    mp_error_free(error);
    STATUS(MP_ERR_ARGUMENT, mp_options_set(options, mp_text("ice"),
                                           mp_text("none"), NULL));
    STATUS(MP_OK, mp_options_reset(options));
    VERB(MP_OK, worker, mp_rewrite_sdp(worker, message, options, edits));
    CHECK(mp_edits_count(edits) >= 2);

    VERB(MP_OK, worker,
         mp_rewrite_start(worker, message, options, mp_now(), &request));
    do {
        mp_wait wait;
        STATUS(MP_OK, mp_request_wait(request, &wait));
        CHECK((wait.descriptor >= 0) == (wait.events != 0));
        status = mp_request_continue(request, worker, 0, edits);
    } while (status == MP_PENDING);
    VERB(MP_OK, worker, status);
    mp_request_free(request);

    /* The server refuses the INVITE. */
    CHECK(mp_message_terminates(message) == 0);
    VERB(MP_OK, worker, mp_end_session(worker, message, options));
    VERB(MP_ERR_ENDED, worker, mp_rewrite_sdp(worker, message, options, edits));
    VERB(MP_OK, worker, mp_end_call(worker, mp_text("call-1@example.com"),
                                    mp_text("a1"), mp_text("")));
    mp_edits_free(edits);
    mp_options_free(options);
}

static void keepers(const mp_engine *engine)
{
    mp_keeper *keeper = NULL;
    mp_error *error = NULL;

    MADE(mp_keeper_new(engine, &keeper, &error), error);
    CHECK(mp_keeper_descriptor(keeper) >= 0);
    CHECK(mp_keeper_next(keeper, 0) == 0);
    STATUS(MP_OK, mp_keeper_tick(keeper, mp_now()));
    CHECK(mp_keeper_next(keeper, 0) > 0 && mp_keeper_next(keeper, 0) <= 200);
    STATUS(MP_OK, mp_keeper_tick(keeper, 0));
    /* Stopped before it runs, it returns at once. */
    STATUS(MP_OK, mp_keeper_stop(keeper));
    MADE(mp_keeper_run(keeper, &error), error);
    mp_keeper_free(keeper);
}

/* After relayed(): one call, two requests for it, terminated. */
static void relays_and_statistics(const mp_engine *engine, mp_worker *worker,
                                  const mp_message *message)
{
    mp_relay_list *list = NULL;
    mp_relay relay;
    mp_statistics statistics;
    mp_edits *edits = mp_edits_new();
    mp_options *options = mp_options_new();
    mp_error *error = NULL;
    char buffer[16384];
    size_t length = 0, needed = 0, at;

    STATUS(MP_OK, mp_engine_reload(engine));
    MADE(mp_relay_drain(engine, mp_text("embedded"), &error), error);
    VERB(MP_ERR_NO_RELAY, worker,
         mp_rewrite_sdp(worker, message, NULL, edits));
    MADE(mp_relay_disable(engine, mp_text("embedded;weight=3"), &error), error);
    MADE(mp_relay_set_admin_state(engine, mp_text("embedded"),
                                  mp_text("draining"), &error), error);
    STATUS(MP_ERR_ARGUMENT,
           mp_relay_set_admin_state(engine, mp_text("embedded"),
                                    mp_text("off"), &error));
    CHECK(holds(mp_error_text(error), "disabled"));
    mp_error_free(error);
    error = NULL;
    MADE(mp_relay_set_admin_state(engine, mp_text("embedded"),
                                  mp_text("disabled"), &error), error);
    CHECK(same(mp_relay_admin_state_name(MP_RELAY_DISABLED), "disabled"));
    CHECK(same(mp_relay_health_name(MP_RELAY_UP), "up"));
    CHECK(mp_relay_health_name(99).len == 0);
    MADE(mp_relay_list_new(engine, &list, &error), error);
    CHECK(mp_relay_list_count(list) == 1);
    STATUS(MP_OK, mp_relay_list_get(list, 0, &relay, sizeof relay));
    CHECK(same(relay.uri, "embedded") && relay.set.len == 0);
    CHECK(relay.listed == 1 && relay.weight == 1 && relay.priority == 0);
    CHECK(relay.health == MP_RELAY_UP && relay.admin_state == MP_RELAY_DISABLED);
    CHECK(relay.active_calls == 0 && relay.calls_total == 1 && relay.requests == 2);
    CHECK(relay.failures == 0 && relay.refusals == 0 && relay.probes == 0);
    CHECK(relay.deletes == 1 && relay.deletes_waiting == 0);
    STATUS(MP_ERR_ARGUMENT, mp_relay_list_get(list, 1, &relay, sizeof relay));
    mp_relay_list_free(list);
    MADE(mp_relay_enable(engine, mp_text("embedded"), &error), error);
    STATUS(MP_ERR_ARGUMENT, mp_relay_drain(engine, mp_text("mediaproxy:/x"),
                                           &error));
    CHECK(holds(mp_error_text(error), "mediaproxy:/x"));
    mp_error_free(error);

    STATUS(MP_OK, mp_options_set_relay_set(options, mp_text("nowhere")));
    VERB(MP_ERR_NO_RELAY, worker,
         mp_rewrite_sdp(worker, message, options, edits));
    CHECK(holds(mp_worker_last_error(worker), "set"));

    memset(&statistics, 9, sizeof statistics);
    STATUS(MP_OK, mp_statistics_get(engine, &statistics, sizeof statistics));
    CHECK(statistics.active_calls == 0 && statistics.requests == 4);
    CHECK(statistics.offers == 4 && statistics.rewritten == 2);
    CHECK(statistics.failed_no_relay == 2 && statistics.terminations == 2);
    CHECK(statistics.latency_sum < 60000 && statistics.latency[11] == 0);
    CHECK(mp_statistics_count() > 20);
    for (at = 0; at < mp_statistics_count(); at++) {
        CHECK(mp_statistics_name(at).len > 0 && mp_statistics_help(at).len > 0);
        CHECK(mp_statistics_kind(at) <= MP_STATISTIC_GAUGE);
        if (same(mp_statistics_name(at), "offers")) {
            CHECK(mp_statistics_kind(at) == MP_STATISTIC_COUNTER);
            CHECK(mp_statistics_value(&statistics, sizeof statistics, at) == 4);
            CHECK(mp_statistics_value(&statistics, 8 * at, at) == 0);
        }
    }
    CHECK(mp_statistics_name(at).len == 0 && mp_statistics_help(at).len == 0);
    CHECK(mp_statistics_value(&statistics, sizeof statistics, at) == 0);
    statistics.rewritten = 77;
    STATUS(MP_OK, mp_statistics_get(engine, &statistics, 2 * sizeof(uint64_t)));
    CHECK(statistics.rewritten == 77);

    STATUS(MP_ERR_BUFFER_TOO_SMALL,
           mp_statistics_prometheus(engine, NULL, 0, &needed));
    CHECK(needed > 0 && needed < sizeof buffer);
    STATUS(MP_OK, mp_statistics_prometheus(engine, buffer, sizeof buffer - 1,
                                      &length));
    buffer[length] = '\0';
    CHECK(strstr(buffer, "\nmediaproxy_requests_total 4\n") != NULL);
    CHECK(strstr(buffer, "mediaproxy_relay_up{relay=\"embedded\"} 1\n") != NULL);
    STATUS(MP_OK, mp_statistics_json(engine, buffer, sizeof buffer - 1, &length));
    buffer[length] = '\0';
    CHECK(strstr(buffer, "\"requests\":4,") != NULL);
    CHECK(strstr(buffer, "\"relay\":\"embedded\"") != NULL);
    mp_options_free(options);
    mp_edits_free(edits);
}

int main(void)
{
    mp_config *config = quiet_config();
    mp_proxy *proxy = NULL, *runner = NULL;
    mp_error *error = NULL;
    mp_engine *engine;
    mp_worker *worker;
    mp_message *message = mp_message_new();
    mp_address source = address_of("127.0.0.2", 40000);
    mp_proxy_counters counters;
    written text;
    size_t at;

    errors_and_settings();
    set(config, "relay", "embedded");
    set(config, "proxy_socket", in_place("proxy.sock"));
    set(config, "proxy_address", "127.0.0.1");
    MADE(mp_proxy_new(config, &proxy, &error), error);
    CHECK(same(mp_proxy_socket(proxy), in_place("proxy.sock")));
    engine = engine_of(config);
    worker = worker_of(engine);
    CHECK(mp_worker_last_error(worker).len == 0);
    MADE(mp_proxy_start(proxy, &error), error);

    STATUS(MP_ERR_SYNTAX, mp_message_parse(message, mp_text("x"), &source, NULL,
                                           MP_TRANSPORT_UDP));
    CHECK(mp_message_last_error(message).len > 0);
    write_message(&text, OFFER, 1, 4000);
    parse(message, &text, &source);
    verdicts(worker, message);
    edit_lists(worker, message, &text);
    relayed(worker, message);
    keepers(engine);
    /* The first call has ended. */
    write_message(&text, OFFER, 2, 4000);
    parse(message, &text, &source);
    relays_and_statistics(engine, worker, message);

    STATUS(MP_OK, mp_proxy_statistics(proxy, &counters, sizeof counters));
    CHECK(counters.sessions_total == 1);
    for (at = 0; at < mp_proxy_counters_count(); at++) {
        mp_str name = mp_proxy_counters_name(at);
        int gauge = same(name, "sessions") || same(name, "open_ports");
        CHECK(name.len > 0 && mp_proxy_counters_help(at).len > 0);
        CHECK((mp_proxy_counters_kind(at) == MP_STATISTIC_GAUGE) == gauge);
        CHECK(mp_proxy_counters_value(&counters, 8 * at, at) == 0);
        if (same(name, "sessions_total"))
            CHECK(mp_proxy_counters_value(&counters, sizeof counters, at) == 1);
    }
    CHECK(at > 5 && mp_proxy_counters_name(at).len == 0);
    mp_message_free(message);
    mp_worker_free(worker);
    mp_engine_free(engine);
    STATUS(MP_OK, mp_proxy_stop(proxy));
    mp_proxy_free(proxy);

    /* Stopped before it runs, it returns at once. */
    set(config, "proxy_socket", in_place("second.sock"));
    MADE(mp_proxy_new(config, &runner, &error), error);
    STATUS(MP_OK, mp_proxy_stop(runner));
    MADE(mp_proxy_run(runner, &error), error);
    mp_proxy_free(runner);
    mp_config_free(config);
    gone();
    return 0;
}
