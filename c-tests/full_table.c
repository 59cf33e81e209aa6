/* A call table that junk has filled, through the C interface: calls with stored state
 * are served as before, the others are relayed, and the log has one line. */
#include "scene.h"

#define MAX_CALLS 64
#define JUNK 100

static int full_lines;

static void count_lines(void *arg, uint32_t level, mp_str text)
{
    (void)arg;
    if (holds(text, "call table full")) {
        CHECK(level == MP_LOG_WARNING);
        full_lines++;
    }
}

static mp_statistics statistics(void)
{
    mp_statistics now;
    STATUS(MP_OK, mp_statistics_get(engine, &now, sizeof now));
    return now;
}

static const char *junk(int number)
{
    static char id[32];
    snprintf(id, sizeof id, "junk-%d", number);
    return id;
}

static void fill_table(void)
{
    int number;
    for (number = 0; number < JUNK; number++) {
        call_id = junk(number);
        rewritten("INVITE", 1, "j", "");
    }
    CHECK(statistics().max_calls == MAX_CALLS);
    CHECK(statistics().active_calls <= MAX_CALLS);
    CHECK(statistics().calls_not_stored >= JUNK + 1 - MAX_CALLS);
    CHECK(full_lines == 1);
    call_id = "stored";
}

/* Same edits for the messages of before, and one relay for what follows. */
static void stored_call_is_served(const char *invite, const char *answer)
{
    uint64_t total = counters().sessions_total, not_stored = statistics().calls_not_stored;
    CHECK(strcmp(rewritten_text("INVITE", 1, "a", ""), invite) == 0);
    CHECK(strcmp(rewritten_text("200 OK", 1, "a", "b"), answer) == 0);
    CHECK(rewritten("INVITE", 2, "a", "b") == media_port(invite));
    CHECK(rewritten("200 OK", 2, "a", "b") == media_port(answer));
    CHECK(counters().sessions_total == total);
    CHECK(statistics().calls_not_stored == not_stored);
}

int main(void)
{
    char invite[4096], answer[4096];
    int for_other;

    make_scene();
    set(config, "max_calls", "64");
    STATUS(MP_OK, mp_config_set_log(config, count_lines, NULL));
    start_scene();

    call_id = "stored";
    snprintf(invite, sizeof invite, "%s", rewritten_text("INVITE", 1, "a", ""));
    snprintf(answer, sizeof answer, "%s", rewritten_text("200 OK", 1, "a", "b"));
    fill_table();
    stored_call_is_served(invite, answer);

    /* Another caller with the same Call-ID has a session of its own. */
    for_other = rewritten("INVITE", 1, "x", "");
    CHECK(for_other != media_port(invite) && for_other != media_port(answer));
    sessions(JUNK + 2);
    stored_call_is_served(invite, answer);

    /* Wrong tags end nothing. */
    end("BYE", 3, "a", "y");
    end("BYE", 3, "y", "b");
    end("486 Busy Here", 1, "a", "b");
    still_sessions(JUNK + 2);
    stored_call_is_served(invite, answer);

    end("BYE", 4, "b", "a");
    sessions(JUNK + 1);

    /* Each of the others is relayed from its INVITE to its BYE, stored or not. */
    call_id = junk(JUNK - 1);
    for_other = rewritten("200 OK", 1, "j", "k");
    CHECK(rewritten("200 OK", 1, "j", "k") == for_other);
    rewritten("INVITE", 2, "j", "k");
    CHECK(rewritten("200 OK", 2, "j", "k") == for_other);
    end("BYE", 3, "j", "k");
    sessions(JUNK);
    CHECK(full_lines == 1);

    free_scene();
    return 0;
}
