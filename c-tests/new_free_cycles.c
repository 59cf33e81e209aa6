/* Makes and frees every handle many times: neither memory nor the number of
 * descriptors grows. The argument is the number of cycles; below 1000 memory is
 * not checked. */
#include "check.h"

#include <dirent.h>

static long resident_pages(void)
{
    long size, resident;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL);
    CHECK(fscanf(file, "%ld %ld", &size, &resident) == 2);
    fclose(file);
    return resident;
}

static int descriptors(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    CHECK(directory != NULL);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

static mp_config *config;
static mp_config *relayed;
static mp_engine *engine;
static mp_worker *worker;
static mp_message *message;
static mp_edits *edits;
static mp_verdict *verdict;

static void config_cycle(void)
{
    mp_config *made = quiet_config();
    mp_config_free(made);
}

static void error_cycle(void)
{
    mp_error *error = NULL;
    STATUS(MP_ERR_SETTING,
           mp_config_set(config, mp_text("none"), mp_text("x"), &error));
    CHECK(holds(mp_error_text(error), "none"));
    mp_error_free(error);
}

static void engine_cycle(void)
{
    mp_engine_free(engine_of(config));
}

static void worker_cycle(void)
{
    mp_worker *made = worker_of(engine);
    VERB(MP_OK, made, mp_nat_test(made, message, 1, 0, verdict));
    mp_worker_free(made);
}

static void message_cycle(void)
{
    written text;
    mp_message *made = mp_message_new();
    mp_address source = address_of("127.0.0.2", 40000);
    write_message(&text, OFFER, 1, 4000);
    parse(made, &text, &source);
    mp_message_free(made);
}

static void options_cycle(void)
{
    mp_options *made = mp_options_new();
    STATUS(MP_OK, mp_options_set_dialog_id(made, mp_text("1:2")));
    mp_options_free(made);
}

static void verdict_cycle(void)
{
    mp_verdict *made = mp_verdict_new();
    VERB(MP_OK, worker, mp_nat_test(worker, message, 7, 0, made));
    CHECK(mp_verdict_text(made, 0).len > 0);
    mp_verdict_free(made);
}

static void edits_cycle(void)
{
    mp_edits *made = mp_edits_new();
    VERB(MP_OK, worker, mp_fix_contact(worker, message, made));
    CHECK(mp_edits_count(made) == 1);
    CHECK(edited(made, message) != NULL);
    mp_edits_free(made);
}

static void request_cycle(void)
{
    mp_request *made = NULL;
    VERB(MP_OK, worker, mp_rewrite_start(worker, message, NULL, 0, &made));
    mp_request_free(made);
}

static void proxy_cycle(void)
{
    mp_proxy *made = NULL;
    mp_error *error = NULL;
    MADE(mp_proxy_new(relayed, &made, &error), error);
    mp_proxy_free(made);
}

/* A leak grows in every round; late loading and caches do not. */
static void rounds(const char *name, void (*cycle)(void), long cycles)
{
    long at, grown = 0;
    int round;
    for (round = 0; round < 4; round++) {
        long before = resident_pages();
        for (at = 0; at < cycles / 2; at++)
            cycle();
        grown = resident_pages() - before;
        if (round > 0 && (grown <= 8 || cycles < 1000))
            return;
    }
    fprintf(stderr, "%s: %ld pages more in each %ld cycles\n", name, grown,
            cycles / 2);
    exit(1);
}

static void repeat(const char *name, void (*cycle)(void), long cycles)
{
    int before;
    cycle();
    before = descriptors();
    rounds(name, cycle, cycles);
    CHECK(descriptors() == before);
}

int main(int argc, char **argv)
{
    long cycles = argc > 1 ? atol(argv[1]) : 10000;
    mp_address source = address_of("127.0.0.2", 40000);
    mp_proxy *proxy = NULL;
    mp_error *error = NULL;
    written text;

    config = quiet_config();
    set(config, "relay", "embedded");
    set(config, "proxy_address", "127.0.0.1");
    set(config, "proxy_socket", in_place("proxy.sock"));
    relayed = quiet_config();
    set(relayed, "proxy_address", "127.0.0.1");
    set(relayed, "proxy_socket", in_place("cycle.sock"));
    engine = engine_of(config);
    worker = worker_of(engine);
    message = mp_message_new();
    edits = mp_edits_new();
    verdict = mp_verdict_new();
    write_message(&text, OFFER, 1, 4000);
    parse(message, &text, &source);
    MADE(mp_proxy_new(config, &proxy, &error), error);
    MADE(mp_proxy_start(proxy, &error), error);

    repeat("mp_config", config_cycle, cycles);
    repeat("mp_error", error_cycle, cycles);
    repeat("mp_engine", engine_cycle, cycles);
    repeat("mp_worker", worker_cycle, cycles);
    repeat("mp_message", message_cycle, cycles);
    repeat("mp_options", options_cycle, cycles);
    repeat("mp_verdict", verdict_cycle, cycles);
    repeat("mp_edits", edits_cycle, cycles);
    repeat("mp_proxy", proxy_cycle, cycles);

    /* A request opens a connection that a thread of the proxy accepts and closes
     * later. It comes last, and descriptors are counted after the proxy stopped. */
    {
        int before = descriptors();
        rounds("mp_request", request_cycle, cycles);
        mp_worker_free(worker);
        STATUS(MP_OK, mp_proxy_stop(proxy));
        CHECK(descriptors() <= before);
    }

    mp_proxy_free(proxy);
    mp_verdict_free(verdict);
    mp_edits_free(edits);
    mp_message_free(message);
    mp_engine_free(engine);
    mp_config_free(relayed);
    mp_config_free(config);
    gone();
    return 0;
}
