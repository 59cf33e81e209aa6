/* NULL for every pointer of every function: an error or an empty result, no
 * crash, and no output written. */
#include "check.h"

#define NOTHING(accessor) CHECK((accessor) == 0)
#define EMPTY(accessor) CHECK((accessor).len == 0)

int main(void)
{
    mp_config *config = quiet_config(), *const_config = config;
    mp_engine *engine = engine_of(config), *no_engine = NULL;
    mp_worker *worker = worker_of(engine), *no_worker = NULL;
    mp_keeper *keeper = NULL;
    mp_message *message = mp_message_new();
    mp_options *options = mp_options_new();
    mp_verdict *verdict = mp_verdict_new();
    mp_edits *edits = mp_edits_new();
    mp_proxy *proxy = NULL;
    mp_request *request = NULL;
    mp_error *error = NULL;
    mp_address source = address_of("192.0.2.1", 5060), address = source;
    mp_proxy_counters counters;
    mp_relay_list *relays = NULL;
    mp_relay relay;
    mp_setting setting;
    mp_statistics statistics;
    mp_edit edit;
    mp_wait wait;
    mp_str name = mp_text("relay"), empty = mp_text(NULL), bad = mp_text(NULL);
    uint32_t tests = 99;
    size_t length = 99;
    written text;

    bad.len = 5;
    CHECK(empty.ptr == NULL && empty.len == 0);
    write_message(&text, OFFER, 1, 4000);
    parse(message, &text, &source);

    mp_error_free(NULL);
    mp_config_free(NULL);
    mp_engine_free(NULL);
    mp_worker_free(NULL);
    mp_keeper_free(NULL);
    mp_message_free(NULL);
    mp_options_free(NULL);
    mp_verdict_free(NULL);
    mp_edits_free(NULL);
    mp_request_free(NULL);
    mp_proxy_free(NULL);
    mp_relay_list_free(NULL);

    STATUS(MP_ERR_NULL, mp_error_status(NULL));
    EMPTY(mp_error_text(NULL));

    STATUS(MP_ERR_NULL, mp_config_set(NULL, name, name, NULL));
    STATUS(MP_ERR_NULL, mp_config_set(config, bad, name, NULL));
    STATUS(MP_ERR_NULL, mp_config_set(config, name, bad, &error));
    CHECK(same(mp_error_text(error), "value is NULL"));
    mp_error_free(error);
    error = NULL;
    STATUS(MP_ERR_SETTING, mp_config_set(config, empty, name, NULL));
    STATUS(MP_ERR_NULL, mp_config_get(NULL, name, NULL, 0, &length, NULL));
    STATUS(MP_ERR_NULL, mp_config_get(const_config, bad, NULL, 0, &length, NULL));
    STATUS(MP_ERR_NULL, mp_config_get(const_config, name, NULL, 0, NULL, NULL));
    STATUS(MP_ERR_NULL, mp_config_get(const_config, name, NULL, 9, &length, NULL));
    STATUS(MP_ERR_NULL, mp_config_set_log(NULL, NULL, NULL));
    STATUS(MP_OK, mp_config_set_log(config, NULL, NULL));

    STATUS(MP_ERR_NULL, mp_engine_new(NULL, &no_engine, NULL));
    STATUS(MP_ERR_NULL, mp_engine_new(const_config, NULL, NULL));
    STATUS(MP_ERR_NULL, mp_engine_new(NULL, NULL, NULL));
    CHECK(no_engine == NULL);

    STATUS(MP_ERR_NULL, mp_worker_new(NULL, &no_worker, NULL));
    STATUS(MP_ERR_NULL, mp_worker_new(engine, NULL, NULL));
    CHECK(no_worker == NULL);
    EMPTY(mp_worker_last_error(NULL));

    STATUS(MP_ERR_NULL, mp_keeper_new(NULL, &keeper, NULL));
    STATUS(MP_ERR_NULL, mp_keeper_new(engine, NULL, NULL));
    NOTHING(mp_setting_count(NULL));
    STATUS(MP_ERR_NULL, mp_setting_get(NULL, 0, &setting, sizeof setting));
    STATUS(MP_ERR_NULL, mp_setting_get(config, 0, NULL, sizeof setting));
    STATUS(MP_ERR_ARGUMENT, mp_setting_get(config, 0, &setting, 0));
    STATUS(MP_ERR_NULL, mp_keeper_tick(NULL, 0));
    CHECK(mp_keeper_descriptor(NULL) == -1);
    NOTHING(mp_keeper_next(NULL, 0));
    STATUS(MP_ERR_NULL, mp_keeper_run(NULL, NULL));
    STATUS(MP_ERR_NULL, mp_keeper_stop(NULL));
    CHECK(keeper == NULL);

    STATUS(MP_ERR_NULL, mp_address_parse(bad, 1, &address));
    STATUS(MP_ERR_ARGUMENT, mp_address_parse(empty, 1, &address));
    STATUS(MP_ERR_NULL, mp_address_parse(mp_text("192.0.2.1"), 1, NULL));
    CHECK(memcmp(&address, &source, sizeof address) == 0);

    STATUS(MP_ERR_NULL, mp_message_parse(NULL, mp_text(text.bytes), &source,
                                         NULL, MP_TRANSPORT_UDP));
    EMPTY(mp_message_last_error(NULL));

    STATUS(MP_ERR_NULL, mp_nat_test(NULL, message, 1, 0, verdict));
    STATUS(MP_ERR_NULL, mp_nat_test(worker, NULL, 1, 0, verdict));
    STATUS(MP_ERR_NULL, mp_nat_test(worker, message, 1, 0, NULL));
    CHECK(holds(mp_worker_last_error(worker), "verdict is NULL"));
    STATUS(MP_ERR_NULL, mp_client_lists(NULL, message, &tests));
    STATUS(MP_ERR_NULL, mp_client_lists(worker, NULL, &tests));
    STATUS(MP_ERR_NULL, mp_client_lists(worker, message, NULL));
    STATUS(MP_ERR_NULL, mp_fix_contact(NULL, message, edits));
    STATUS(MP_ERR_NULL, mp_fix_contact(worker, NULL, edits));
    STATUS(MP_ERR_NULL, mp_fix_contact(worker, message, NULL));
    STATUS(MP_ERR_NULL, mp_fix_contact_with(NULL, message, options, edits));
    STATUS(MP_ERR_NULL, mp_fix_contact_with(worker, NULL, options, edits));
    STATUS(MP_ERR_NULL, mp_fix_contact_with(worker, message, options, NULL));
    STATUS(MP_ERR_NULL, mp_rewrite_sdp(NULL, message, options, edits));
    STATUS(MP_ERR_NULL, mp_rewrite_sdp(worker, NULL, options, edits));
    STATUS(MP_ERR_NULL, mp_rewrite_sdp(worker, message, options, NULL));
    STATUS(MP_ERR_NULL, mp_end_session(NULL, message, options));
    STATUS(MP_ERR_NULL, mp_end_session(worker, NULL, options));
    STATUS(MP_ERR_NULL, mp_end_call(NULL, name, name, name));
    STATUS(MP_ERR_NULL, mp_end_call(worker, bad, name, name));
    STATUS(MP_ERR_NULL, mp_end_call(worker, name, bad, name));
    STATUS(MP_ERR_NULL, mp_end_call(worker, name, name, bad));
    STATUS(MP_ERR_ARGUMENT, mp_end_call(worker, empty, name, name));
    STATUS(MP_ERR_ARGUMENT, mp_end_call(worker, name, empty, name));
    CHECK(mp_message_terminates(NULL) == 0);
    CHECK(mp_message_terminates(message) == 0);

    STATUS(MP_ERR_NULL, mp_rewrite_start(NULL, message, NULL, 0, &request));
    STATUS(MP_ERR_NULL, mp_rewrite_start(worker, NULL, NULL, 0, &request));
    STATUS(MP_ERR_NULL, mp_rewrite_start(worker, message, NULL, 0, NULL));
    STATUS(MP_ERR_NULL, mp_request_wait(NULL, &wait));
    STATUS(MP_ERR_NULL, mp_request_continue(NULL, worker, 0, edits));
    CHECK(request == NULL);
    STATUS(MP_OK, mp_rewrite_start(worker, message, NULL, 0, &request));
    STATUS(MP_ERR_NULL, mp_request_wait(request, NULL));
    STATUS(MP_ERR_NULL, mp_request_continue(request, NULL, 0, edits));
    STATUS(MP_ERR_NULL, mp_request_continue(request, worker, 0, NULL));
    mp_request_free(request);

    STATUS(MP_ERR_NULL, mp_options_set_role(NULL, MP_ROLE_OFFER));
    STATUS(MP_ERR_NULL, mp_options_set_signaling_address(NULL, &source));
    STATUS(MP_ERR_NULL, mp_options_set_signaling_address(options, NULL));
    STATUS(MP_ERR_NULL, mp_options_set_receiver(NULL, &source));
    STATUS(MP_ERR_NULL, mp_options_set_receiver(options, NULL));
    STATUS(MP_ERR_NULL, mp_options_set_relay_set(NULL, name));
    STATUS(MP_ERR_NULL, mp_options_set_relay_set(options, bad));
    STATUS(MP_OK, mp_options_set_relay_set(options, empty));
    STATUS(MP_ERR_NULL, mp_options_set_media_relay(NULL, name));
    STATUS(MP_ERR_NULL, mp_options_set_media_relay(options, bad));
    STATUS(MP_OK, mp_options_set_media_relay(options, empty));
    STATUS(MP_ERR_NULL, mp_options_set_dialog_id(NULL, name));
    STATUS(MP_ERR_NULL, mp_options_set_dialog_id(options, bad));
    STATUS(MP_ERR_NULL, mp_options_set_scope(NULL, MP_SCOPE_CALL));
    STATUS(MP_ERR_NULL, mp_options_set_ice_candidate(NULL, MP_ICE_NONE));
    STATUS(MP_ERR_NULL, mp_options_set_next_hop(NULL, name));
    STATUS(MP_ERR_NULL, mp_options_set_next_hop(options, bad));
    STATUS(MP_OK, mp_options_set_next_hop(options, empty));
    STATUS(MP_ERR_NULL, mp_options_set(NULL, name, name, NULL));
    STATUS(MP_ERR_NULL, mp_options_set(options, bad, name, NULL));
    STATUS(MP_ERR_NULL, mp_options_set(options, name, bad, NULL));
    STATUS(MP_ERR_ARGUMENT, mp_options_set(options, empty, name, NULL));
    STATUS(MP_ERR_NULL, mp_options_reset(NULL));

    NOTHING(mp_verdict_tested(NULL));
    NOTHING(mp_verdict_matched(NULL));
    NOTHING(mp_verdict_count(NULL));
    NOTHING(mp_verdict_test(NULL, 0));
    EMPTY(mp_verdict_text(NULL, 0));
    STATUS(MP_ERR_NULL, mp_tests_parse(bad, &tests));
    STATUS(MP_ERR_ARGUMENT, mp_tests_parse(empty, &tests));
    STATUS(MP_ERR_NULL, mp_tests_parse(mp_text("7"), NULL));
    CHECK(tests == 99);

    NOTHING(mp_edits_count(NULL));
    STATUS(MP_ERR_NULL, mp_edits_get(NULL, 0, &edit));
    STATUS(MP_ERR_NULL, mp_edits_get(edits, 0, NULL));
    STATUS(MP_ERR_NULL, mp_edits_apply(NULL, message, NULL, 0, &length));
    STATUS(MP_ERR_NULL, mp_edits_apply(edits, NULL, NULL, 0, &length));
    STATUS(MP_ERR_NULL, mp_edits_apply(edits, message, NULL, 9, &length));
    STATUS(MP_ERR_NULL, mp_edits_apply(edits, message, text.bytes, 0, NULL));
    STATUS(MP_ERR_NULL,
           mp_edits_apply_range(NULL, message, 0, 0, NULL, 0, &length));
    STATUS(MP_ERR_NULL,
           mp_edits_apply_range(edits, NULL, 0, 0, NULL, 0, &length));
    STATUS(MP_ERR_NULL,
           mp_edits_apply_range(edits, message, 0, 0, NULL, 9, &length));
    STATUS(MP_ERR_NULL,
           mp_edits_apply_range(edits, message, 0, 0, text.bytes, 0, NULL));
    CHECK(length == 99);
    EMPTY(mp_edits_last_error(NULL));
    STATUS(MP_ERR_NULL, mp_edits_reset(NULL));

    STATUS(MP_ERR_NULL, mp_relay_list_new(NULL, &relays, NULL));
    STATUS(MP_ERR_NULL, mp_relay_list_new(engine, NULL, NULL));
    CHECK(relays == NULL);
    MADE(mp_relay_list_new(engine, &relays, &error), error);
    CHECK(mp_relay_list_count(NULL) == 0);
    STATUS(MP_ERR_NULL, mp_relay_list_get(NULL, 0, &relay, sizeof relay));
    STATUS(MP_ERR_NULL, mp_relay_list_get(relays, 0, NULL, sizeof relay));
    STATUS(MP_ERR_ARGUMENT, mp_relay_list_get(relays, 0, &relay, 0));
    mp_relay_list_free(relays);
    STATUS(MP_ERR_NULL, mp_engine_reload(NULL));
    STATUS(MP_ERR_NULL, mp_relay_drain(NULL, name, NULL));
    STATUS(MP_ERR_NULL, mp_relay_drain(engine, bad, NULL));
    STATUS(MP_ERR_SETTING, mp_relay_drain(engine, empty, NULL));
    STATUS(MP_ERR_NULL, mp_relay_enable(NULL, name, NULL));
    STATUS(MP_ERR_NULL, mp_relay_enable(engine, bad, NULL));
    STATUS(MP_ERR_NULL, mp_relay_disable(NULL, name, NULL));
    STATUS(MP_ERR_NULL, mp_relay_disable(engine, bad, NULL));
    STATUS(MP_ERR_NULL, mp_relay_set_admin_state(NULL, name, name, NULL));
    STATUS(MP_ERR_NULL, mp_relay_set_admin_state(engine, bad, name, NULL));
    STATUS(MP_ERR_NULL, mp_relay_set_admin_state(engine, name, bad, NULL));
    STATUS(MP_ERR_ARGUMENT, mp_relay_set_admin_state(engine, name, empty, NULL));
    NOTHING(mp_statistics_value(NULL, sizeof statistics, 0));
    STATUS(MP_ERR_NULL, mp_statistics_get(NULL, &statistics, sizeof statistics));
    STATUS(MP_ERR_NULL, mp_statistics_get(engine, NULL, sizeof statistics));
    STATUS(MP_ERR_ARGUMENT, mp_statistics_get(engine, &statistics, 0));
    STATUS(MP_ERR_NULL, mp_statistics_prometheus(NULL, NULL, 0, &length));
    STATUS(MP_ERR_NULL, mp_statistics_prometheus(engine, NULL, 9, &length));
    STATUS(MP_ERR_NULL, mp_statistics_prometheus(engine, text.bytes, 0, NULL));
    STATUS(MP_ERR_NULL, mp_statistics_json(NULL, NULL, 0, &length));
    STATUS(MP_ERR_NULL, mp_statistics_json(engine, NULL, 9, &length));
    STATUS(MP_ERR_NULL, mp_statistics_json(engine, text.bytes, 0, NULL));
    CHECK(length == 99);

    STATUS(MP_ERR_NULL, mp_proxy_new(NULL, &proxy, NULL));
    STATUS(MP_ERR_NULL, mp_proxy_new(config, NULL, NULL));
    EMPTY(mp_proxy_socket(NULL));
    STATUS(MP_ERR_NULL, mp_proxy_run(NULL, NULL));
    STATUS(MP_ERR_NULL, mp_proxy_start(NULL, NULL));
    STATUS(MP_ERR_NULL, mp_proxy_stop(NULL));
    STATUS(MP_ERR_NULL, mp_proxy_statistics(NULL, &counters, sizeof counters));
    NOTHING(mp_proxy_counters_value(NULL, sizeof counters, 0));
    CHECK(proxy == NULL);
    set(config, "proxy_address", "127.0.0.1");
    set(config, "proxy_socket", in_place("proxy.sock"));
    MADE(mp_proxy_new(config, &proxy, &error), error);
    STATUS(MP_ERR_NULL, mp_proxy_statistics(proxy, NULL, sizeof counters));
    STATUS(MP_ERR_ARGUMENT, mp_proxy_statistics(proxy, &counters, 0));
    mp_proxy_free(proxy);

    /* The empty text is not a message; source and message are required. */
    STATUS(MP_ERR_NULL, mp_message_parse(message, bad, &source, NULL,
                                         MP_TRANSPORT_UDP));
    STATUS(MP_ERR_SYNTAX, mp_message_parse(message, empty, &source, NULL,
                                           MP_TRANSPORT_UDP));
    STATUS(MP_ERR_NULL, mp_message_parse(message, mp_text("x"), NULL, NULL,
                                         MP_TRANSPORT_UDP));

    mp_edits_free(edits);
    mp_verdict_free(verdict);
    mp_options_free(options);
    mp_message_free(message);
    mp_worker_free(worker);
    mp_engine_free(engine);
    mp_config_free(config);
    gone();
    return 0;
}
