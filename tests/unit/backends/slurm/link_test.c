/* The child is this program itself, with what to do as its argument. */
#include "backends/slurm/link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/cleanup.h"
#include "server/base/clock.h"

#define PATIENCE_US (60 * GW_SECOND)

static char self[4096];

/* ---- the child ------------------------------------------------------------------------------- */

static void say(const json_t *object)
{
        struct gw_buf out = GW_BUF_INIT(GW_FRAME_MAX + 4);
        gw_frame_put(&out, object);
        for (size_t at = 0; at < out.len;) {
                ssize_t n = write(GW_LINK_FD, out.data + at, out.len - at);
                if (n <= 0)
                        _exit(9);
                at += (size_t)n;
        }
        gw_buf_done(&out);
}

/* Says what it is given, until the other end is closed. */
static int echo(void)
{
        char piece[4096];
        struct gw_frames in;
        gw_frames_init(&in);
        for (;;) {
                json_t *object = NULL;
                if (gw_frames_next(&in, &object, NULL))
                        return 8;
                if (object) {
                        say(object);
                        json_decref(object);
                        continue;
                }
                ssize_t n = read(GW_LINK_FD, piece, sizeof piece);
                if (n <= 0)
                        return 0;
                if (gw_frames_add(&in, piece, (size_t)n, NULL))
                        return 7;
        }
}

/* What it was started with. */
static int look(void)
{
        extern char **environ;
        json_auto_t *found = json_object(), *open = json_array(), *variables = json_array();
        DIR *fds = opendir("/proc/self/fd");
        for (struct dirent *e; (e = readdir(fds));)
                if (e->d_name[0] != '.' && atoi(e->d_name) != dirfd(fds))
                        json_array_append_new(open, json_integer(atoi(e->d_name)));
        closedir(fds);
        for (char **v = environ; *v; v++)
                json_array_append_new(variables, json_string(*v));
        sigset_t blocked;
        sigprocmask(SIG_BLOCK, NULL, &blocked);
        json_object_set(found, "open", open);
        json_object_set(found, "environment", variables);
        json_object_set_new(found, "blocked", json_boolean(sigismember(&blocked, SIGTERM)));
        json_object_set_new(found, "leader", json_boolean(getsid(0) == getpid()));
        say(found);
        return 0;
}

static int die(void)
{
        json_auto_t *last = json_pack("{s:s}", "last", "words");
        say(last);
        fputs("first line\nsecond \xff line", stderr);
        return 3;
}

static int babble(void)
{
        return write(GW_LINK_FD, "\0\0\0\2no", 6) == 6 ? 0 : 1;
}

static int sleep_on(void)
{
        pause();
        return 0;
}

/* More than a pipe holds. */
static int complain(void)
{
        for (int i = 0; i < 10000; i++)
                fprintf(stderr, "complaint number %d\n", i);
        return echo();
}

static const struct {
        const char *name;
        int (*run)(void);
} roles[] = {{"echo", echo},     {"look", look},      {"die", die},
             {"babble", babble}, {"sleep", sleep_on}, {"complain", complain}};

/* ---- the parent ------------------------------------------------------------------------------ */

static struct gw_link open_link(const char *role)
{
        struct gw_link l;
        struct gw_error err = {0};
        char *argv[] = {self, (char *)(uintptr_t)role, NULL};
        char one[] = "ONE=1";
        char *environment[] = {one, NULL};
        assert_int_equal(gw_link_open(&l, argv, environment, &err), 0);
        return l;
}

struct heard {
        size_t count, wanted;
        json_t *last;
};

static void hear(void *arg, json_t *object)
{
        struct heard *h = arg;
        json_decref(h->last);
        h->last = json_incref(object);
        h->count++;
}

/* Until `wanted` objects were heard, or the child has ended. */
static int serve(struct gw_link *l, struct heard *h, struct gw_error *err)
{
        int64_t until = gw_clock_mono_us() + PATIENCE_US;
        int rc = 0;
        while (rc == 0 && h->count < h->wanted) {
                struct pollfd polls[GW_LINK_POLLS];
                gw_link_polls(l, polls);
                assert_true(gw_clock_mono_us() < until);
                poll(polls, GW_LINK_POLLS, 1000);
                rc = gw_link_serve(l, hear, h, err);
        }
        return rc;
}

static void objects_go_both_ways(void **state)
{
        (void)state;
        struct gw_link l = open_link("echo");
        struct heard h = {.wanted = 1000};
        json_auto_t *object = json_pack("{s:i, s:s}", "n", 7, "text", "word");
        for (int i = 0; i < 1000; i++)
                assert_int_equal(gw_link_send(&l, object, NULL), 0);
        assert_int_equal(serve(&l, &h, NULL), 0);
        assert_true(json_equal(h.last, object));
        assert_int_equal(h.count, 1000);
        json_decref(h.last);
        gw_link_close(&l);
        assert_false(gw_link_is_open(&l));
}

static void a_large_one_arrives_whole(void **state)
{
        (void)state;
        struct gw_link l = open_link("echo");
        struct heard h = {.wanted = 1};
        size_t len = 8 * 1024 * 1024;
        char *text = malloc(len + 1);
        memset(text, 'x', len);
        text[len] = '\0';
        json_auto_t *object = json_pack("{s:s}", "text", text);
        assert_int_equal(gw_link_send(&l, object, NULL), 0);
        assert_int_equal(serve(&l, &h, NULL), 0);
        assert_true(json_equal(h.last, object));
        json_decref(h.last);
        gw_link_close(&l);
        free(text);
}

static void it_has_nothing_of_ours(void **state)
{
        (void)state;
        int stray = dup(STDERR_FILENO); /* not closed by exec */
        setenv("SECRET", "ours", 1);
        struct gw_link l = open_link("look");
        struct heard h = {.wanted = 1};
        (void)serve(&l, &h, NULL); /* it ends at once */
        assert_int_equal(h.count, 1);
        json_auto_t *wanted = json_pack("{s:[i,i,i,i], s:[s], s:b, s:b}", "open", 0, 1, 2, 3,
                                        "environment", "ONE=1", "blocked", 0, "leader", 1);
        char *text = json_dumps(h.last, JSON_SORT_KEYS),
             *expected = json_dumps(wanted, JSON_SORT_KEYS);
        assert_string_equal(text, expected);
        free(text);
        free(expected);
        json_decref(h.last);
        gw_link_close(&l);
        close(stray);
}

static void its_end_is_told_with_its_last_words(void **state)
{
        (void)state;
        struct gw_link l = open_link("die");
        struct heard h = {.wanted = SIZE_MAX};
        struct gw_error err = {0};
        assert_int_equal(serve(&l, &h, &err), -1);
        assert_int_equal(h.count, 1); /* what it said before was heard */
        assert_int_equal(err.code, GW_ERR_IO);
        assert_string_equal(err.message, "it ended: second ? line");
        json_decref(h.last);
        gw_link_close(&l);
}

static void nonsense_ends_it(void **state)
{
        (void)state;
        struct gw_link l = open_link("babble");
        struct heard h = {.wanted = SIZE_MAX};
        struct gw_error err = {0};
        assert_int_equal(serve(&l, &h, &err), -1);
        assert_int_equal(h.count, 0);
        assert_null(strstr(err.message, "it ended"));
        gw_link_close(&l);
}

static void one_that_hangs_is_killed(void **state)
{
        (void)state;
        struct gw_link l = open_link("sleep");
        pid_t pid = l.pid;
        gw_link_close(&l);
        assert_int_equal(kill(pid, 0), -1);
        assert_int_equal(errno, ESRCH);
        gw_link_close(&l);
}

static void what_it_does_not_read_is_bounded(void **state)
{
        (void)state;
        struct gw_link l = open_link("sleep");
        struct gw_error err = {0};
        size_t len = 1024 * 1024;
        char *text = malloc(len + 1);
        memset(text, 'x', len);
        text[len] = '\0';
        json_auto_t *object = json_pack("{s:s}", "text", text);
        int sent = 0;
        while (gw_link_send(&l, object, &err) == 0)
                assert_true(++sent < 200);
        assert_int_equal(err.code, GW_ERR_OVERLOADED);
        assert_true(l.out.len <= l.out.max);
        struct pollfd polls[GW_LINK_POLLS];
        gw_link_polls(&l, polls);
        assert_true(polls[0].events & POLLOUT);
        gw_link_close(&l);
        free(text);
}

static void many_words_do_not_stop_it(void **state)
{
        (void)state;
        struct gw_link l = open_link("complain");
        struct heard h = {.wanted = 1};
        json_auto_t *object = json_pack("{s:i}", "n", 1);
        assert_int_equal(gw_link_send(&l, object, NULL), 0);
        assert_int_equal(serve(&l, &h, NULL), 0);
        assert_string_equal(l.words, "complaint number 9999");
        json_decref(h.last);
        gw_link_close(&l);
}

static void what_is_not_there_cannot_be_started(void **state)
{
        (void)state;
        struct gw_link l;
        struct gw_error err = {0};
        char path[] = "/nowhere/agent";
        char *argv[] = {path, NULL}, *environment[] = {NULL};
        assert_int_equal(gw_link_open(&l, argv, environment, &err), -1);
        assert_string_equal(err.message,
                            "/nowhere/agent cannot be started: No such file or directory");
        assert_false(gw_link_is_open(&l));
        gw_link_close(&l);
}

int main(int argc, char **argv)
{
        for (size_t i = 0; argc > 1 && i < GW_COUNT(roles); i++)
                if (strcmp(argv[1], roles[i].name) == 0)
                        return roles[i].run();
        assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(objects_go_both_ways),
                cmocka_unit_test(a_large_one_arrives_whole),
                cmocka_unit_test(it_has_nothing_of_ours),
                cmocka_unit_test(its_end_is_told_with_its_last_words),
                cmocka_unit_test(nonsense_ends_it),
                cmocka_unit_test(one_that_hangs_is_killed),
                cmocka_unit_test(what_it_does_not_read_is_bounded),
                cmocka_unit_test(many_words_do_not_stop_it),
                cmocka_unit_test(what_is_not_there_cannot_be_started),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
