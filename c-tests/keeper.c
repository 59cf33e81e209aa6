/* A client list changes while eight workers use it: edited in place, replaced by
 * rename, deleted, created again, behind a symbolic link that is swapped, with a
 * bad line, made unreadable. All workers see each change within a second. The
 * first argument says how: with a keeper that uses inotify ("notify"), with one
 * that polls ("poll"), or without a keeper ("nobody"). A keeper that is killed
 * is replaced. The second argument "slow" gives the workers more time, for
 * memcheck. */
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>

#define WORKERS 8

/* The promised second, and what a busy machine may add. */
static uint64_t within = 1000 + 1500;

/* A child process and the socket to it. */
typedef struct child {
    pid_t pid;
    int fd;
} child;

/* Log lines of all processes. */
static int log_pipe[2];

/* The parent's sockets, which its children close. */
static int ways[WORKERS + 8];
static size_t ways_count;

static void keep(void *arg, uint32_t level, mp_str text)
{
    char line[400];
    int length;
    (void)arg;
    if (level > MP_LOG_WARNING)
        return;
    length = snprintf(line, sizeof line, "%.*s\n", (int)text.len, text.ptr);
    CHECK(length > 0 && (size_t)length < sizeof line);
    /* At most PIPE_BUF bytes, so that lines of several processes do not mix. */
    CHECK(write(log_pipe[1], line, (size_t)length) == length);
}

/* The number of log lines with part in them; all lines are consumed. */
static int logged(const char *part)
{
    static char text[65536];
    int count = 0;
    char *line, *end;
    ssize_t length = read(log_pipe[0], text, sizeof text - 1);
    if (length < 0)
        length = 0;
    text[length] = '\0';
    for (line = text; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        if (strstr(line, part) != NULL)
            count++;
        else
            fprintf(stderr, "log: %s\n", line);
    }
    return count;
}

static void doze(long milliseconds)
{
    struct timespec moment;
    moment.tv_sec = milliseconds / 1000;
    moment.tv_nsec = milliseconds % 1000 * 1000000;
    nanosleep(&moment, NULL);
}

/* Root could read a file without permissions; the workers must not. */
static void become_nobody(void)
{
    if (geteuid() == 0)
        CHECK(setegid(65534) == 0 && seteuid(65534) == 0);
}

/* Answers each byte with whether the phone is on the list, in which case its
 * Contact keeps its port. */
static void work(int fd, mp_engine *engine)
{
    mp_worker *worker = worker_of(engine);
    mp_message *message = mp_message_new();
    mp_edits *edits = mp_edits_new();
    mp_address source = address_of("127.0.0.2", 40000);
    written text;
    char order, answer;

    become_nobody();
    write_message(&text, OFFER, 1, 4000);
    while (read(fd, &order, 1) == 1 && order != 'q') {
        parse(message, &text, &source);
        STATUS(MP_OK, mp_edits_reset(edits));
        VERB(MP_OK, worker, mp_fix_contact(worker, message, edits));
        answer = strstr(edited(edits, message), "user@127.0.0.2:5060") != NULL;
        CHECK(write(fd, &answer, 1) == 1);
    }
    mp_edits_free(edits);
    mp_message_free(message);
    mp_worker_free(worker);
    mp_engine_free(engine);
}

/* A keeper in an event loop. */
static void keep_by_ticks(int fd, mp_engine *engine)
{
    mp_keeper *keeper = NULL;
    mp_error *error = NULL;
    struct pollfd ready[2];

    MADE(mp_keeper_new(engine, &keeper, &error), error);
    memset(ready, 0, sizeof ready);
    ready[0].fd = fd;
    ready[1].fd = mp_keeper_descriptor(keeper);
    ready[0].events = ready[1].events = POLLIN;
    while (ready[0].revents == 0) {
        CHECK(mp_keeper_next(keeper, 0) <= 1000);
        CHECK(poll(ready, 2, 5000) > 0);
        STATUS(MP_OK, mp_keeper_tick(keeper, 0));
    }
    mp_keeper_free(keeper);
    mp_engine_free(engine);
}

static void *run(void *keeper)
{
    mp_error *error = NULL;
    MADE(mp_keeper_run((mp_keeper *)keeper, &error), error);
    return NULL;
}

/* A keeper on a thread of its own. */
static void keep_by_running(int fd, mp_engine *engine)
{
    mp_keeper *keeper = NULL;
    mp_error *error = NULL;
    pthread_t thread;
    char order;

    MADE(mp_keeper_new(engine, &keeper, &error), error);
    mp_engine_free(engine);
    CHECK(pthread_create(&thread, NULL, run, keeper) == 0);
    CHECK(read(fd, &order, 1) == 1);
    STATUS(MP_OK, mp_keeper_stop(keeper));
    CHECK(pthread_join(thread, NULL) == 0);
    mp_keeper_free(keeper);
}

static child spawn(void (*body)(int, mp_engine *), mp_engine *engine)
{
    child made;
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    made.pid = fork();
    CHECK(made.pid >= 0);
    if (made.pid == 0) {
        while (ways_count > 0)
            close(ways[--ways_count]);
        close(pair[0]);
        close(log_pipe[0]);
        body(pair[1], engine);
        close(pair[1]);
        close(log_pipe[1]);
        exit(0);
    }
    close(pair[1]);
    made.fd = pair[0];
    CHECK(ways_count < sizeof ways / sizeof ways[0]);
    ways[ways_count++] = pair[0];
    return made;
}

static void shut(int fd)
{
    size_t at;
    for (at = 0; ways[at] != fd; at++)
        CHECK(at + 1 < ways_count);
    ways[at] = ways[--ways_count];
    close(fd);
}

static void end(child gone)
{
    int status = -1;
    CHECK(write(gone.fd, "q", 1) == 1);
    CHECK(waitpid(gone.pid, &status, 0) == gone.pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    shut(gone.fd);
}

static void kill_hard(child *gone)
{
    if (gone->pid == 0)
        return;
    CHECK(kill(gone->pid, SIGKILL) == 0);
    CHECK(waitpid(gone->pid, NULL, 0) == gone->pid);
    shut(gone->fd);
    gone->pid = 0;
}

static int is_listed(child worker)
{
    char answer;
    CHECK(write(worker.fd, "?", 1) == 1);
    CHECK(read(worker.fd, &answer, 1) == 1);
    return answer;
}

/* Waits until all workers report it. The time counts until the request is sent,
 * since a busy machine may answer late. */
static void seen(const child *workers, int listed, const char *what)
{
    uint64_t start = mp_now(), sent;
    int at, late;
    do {
        doze(10);
        sent = mp_now();
        for (at = late = 0; at < WORKERS; at++)
            if (is_listed(workers[at]) != listed)
                late++;
        if (late > 0 && sent - start > within) {
            fprintf(stderr, "%s: %d workers have not seen it\n", what, late);
            exit(1);
        }
    } while (late > 0);
}

static void write_list(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

static void link_to(const char *target, const char *path)
{
    char fresh[200];
    snprintf(fresh, sizeof fresh, "%s.new", path);
    CHECK(symlink(target, fresh) == 0 && rename(fresh, path) == 0);
}

/* Every kind of change, one after the other; the list is missing before and
 * after. */
static void change(const child *workers, const char *list)
{
    char fresh[200], one[200], two[200], bad[200];

    snprintf(fresh, sizeof fresh, "%s.fresh", list);
    snprintf(one, sizeof one, "%s", in_place("away/one"));
    snprintf(two, sizeof two, "%s", in_place("away/two"));
    seen(workers, 0, "no list");
    write_list(list, "Phone 1\n");
    seen(workers, 1, "created");
    write_list(list, "Phone 2\n");
    seen(workers, 0, "edited in place");
    write_list(fresh, "Phone 1\n");
    CHECK(rename(fresh, list) == 0);
    seen(workers, 1, "renamed over");
    CHECK(unlink(list) == 0);
    seen(workers, 0, "deleted");
    write_list(list, "Phone 1\n");
    seen(workers, 1, "created again");

    write_list(one, "Phone 1\n");
    write_list(two, "Phone 2\n");
    link_to(two, list);
    seen(workers, 0, "a symbolic link");
    link_to(one, list);
    seen(workers, 1, "the link swapped");
    write_list(one, "Phone 3\n");
    seen(workers, 0, "the target of the link edited");

    /* One process logs a bad line with file and line; the other lines are used. */
    logged("");
    CHECK(unlink(list) == 0);
    write_list(list, "Cisco\n([\nPhone 1\n");
    seen(workers, 1, "one bad line");
    snprintf(bad, sizeof bad, "%s:2: ", list);
    CHECK(logged(bad) == 1);

    /* An unreadable list is logged, and the old list stays in use. */
    CHECK(chmod(list, 0) == 0);
    write_list(fresh, "");
    CHECK(chmod(fresh, 0) == 0 && rename(fresh, list) == 0);
    {
        uint64_t start = mp_now();
        int reported = 0;
        while (reported == 0) {
            CHECK(mp_now() - start < within);
            seen(workers, 1, "unreadable, the old list");
            reported = logged("Permission denied");
        }
        doze(1200);
        seen(workers, 1, "unreadable, the old list still");
        CHECK(reported == 1 && logged("Permission denied") == 0);
    }
    CHECK(chmod(list, 0644) == 0);
    seen(workers, 0, "readable again");
    CHECK(unlink(list) == 0);
    CHECK(unlink(one) == 0 && unlink(two) == 0);
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "notify";
    int kept = strcmp(way, "nobody") != 0;
    mp_config *config = quiet_config();
    mp_engine *engine;
    child workers[WORKERS], keeper, second;
    char list[100];
    int at;

    if (argc > 2 && strcmp(argv[2], "slow") == 0)
        within *= 5;
    snprintf(list, sizeof list, "%s", in_place("clients"));
    CHECK(chmod(place(), 0755) == 0);
    CHECK(mkdir(in_place("away"), 0755) == 0);
    CHECK(pipe(log_pipe) == 0);
    CHECK(fcntl(log_pipe[0], F_SETFL, O_NONBLOCK) == 0);

    set(config, "sip_asymmetrics", list);
    if (kept)
        set(config, "watch", way);
    STATUS(MP_OK, mp_config_set_log(config, keep, NULL));
    engine = engine_of(config);
    mp_config_free(config);
    for (at = 0; at < WORKERS; at++)
        workers[at] = spawn(work, engine);
    memset(&keeper, 0, sizeof keeper);
    if (kept)
        keeper = spawn(keep_by_ticks, engine);
    change(workers, list);

    if (kept) {
        /* Another keeper takes over when one is killed. When no keeper is
         * left, the workers check the files. */
        second = spawn(keep_by_running, engine);
        doze(300);
        kill_hard(&keeper);
        write_list(list, "Phone 1\n");
        seen(workers, 1, "its keeper killed");
        keeper = spawn(keep_by_ticks, engine);
        end(second);
        write_list(list, "Phone 2\n");
        seen(workers, 0, "its keeper stopped, another runs");
        kill_hard(&keeper);
        write_list(list, "Phone 1\n");
        seen(workers, 1, "its last keeper killed");
        CHECK(unlink(list) == 0);
        seen(workers, 0, "deleted, without a keeper");
    }
    for (at = 0; at < WORKERS; at++)
        end(workers[at]);
    mp_engine_free(engine);
    CHECK(rmdir(in_place("away")) == 0);
    close(log_pipe[0]);
    close(log_pipe[1]);
    gone();
    return 0;
}
