/* The worker is this program itself: what it does is in the settings' `conf`, and in what it is
 * asked. */
#include "backends/slurm/workers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/slurm/link.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/str.h"

#define PATIENCE_US (60 * GW_SECOND)

static char self[4096];

/* ---- the worker ------------------------------------------------------------------------------ */

static void say(json_t *object)
{
        struct gw_buf out = GW_BUF_INIT(GW_FRAME_MAX + 4);
        gw_frame_put(&out, object);
        if (write(GW_LINK_FD, out.data, out.len) != (ssize_t)out.len)
                _exit(9);
        gw_buf_done(&out);
        json_decref(object);
}

static void answer(const json_t *request)
{
        const char *what = json_string_value(json_object_get(request, "what"));
        json_t *id = json_object_get(request, "id");
        if (strcmp(what, "hang") == 0)
                pause();
        if (strcmp(what, "die") == 0) {
                fputs("it hurts\n", stderr);
                _exit(1);
        }
        if (strcmp(what, "wrong") == 0)
                say(json_pack("{s:I, s:s}", "id", json_integer_value(id) + 1, "outcome",
                              "refused"));
        say(json_pack("{s:O, s:s, s:s, s:i, s:s}", "id", id, "outcome", what, "text", "words",
                      "pid", (int)getpid(), "token", getenv("SLURM_JWT")));
}

static int work(void)
{
        char piece[4096];
        ssize_t n;
        struct gw_frames in;
        const char *how = getenv("SLURM_CONF");
        gw_frames_init(&in);
        if (strcmp(how, "dies") == 0) {
                fputs("no such cluster\n", stderr);
                return 1;
        }
        if (strcmp(how, "silent") == 0)
                pause();
        say(json_pack("{s:s}", "hello", "22.05.8"));
        while ((n = read(GW_LINK_FD, piece, sizeof piece)) > 0) {
                json_t *request;
                if (gw_frames_add(&in, piece, (size_t)n, NULL))
                        return 8;
                while (gw_frames_next(&in, &request, NULL) == 0 && request) {
                        answer(request);
                        json_decref(request);
                }
        }
        return 0;
}

/* ---- the rig --------------------------------------------------------------------------------- */

struct asked {
        struct gw_slurm_ask ask;
        bool done;
        int pid;
        char token[512], text[256];
};

static size_t done_count;

static void on_done(struct gw_slurm_ask *ask)
{
        struct asked *a = ask->owner;
        const char *token = json_string_value(json_object_get(ask->answer, "token"));
        assert_false(a->done);
        a->done = true;
        a->pid = (int)json_integer_value(json_object_get(ask->answer, "pid"));
        gw_str_copy(a->token, sizeof a->token, token ? token : "");
        gw_str_copy(a->text, sizeof a->text, ask->text ? ask->text : "");
        done_count++;
}

static struct gw_slurm_workers *pool(const char *conf, int64_t life_s, unsigned most)
{
        struct gw_slurm_workers_settings s = {
                .credential = {self, conf, "key", 3}, .token_life_s = life_s, .most = most};
        struct gw_slurm_workers *w = gw_slurm_workers_new(&s, NULL);
        assert_non_null(w);
        done_count = 0;
        return w;
}

static void ask(struct gw_slurm_workers *w, struct asked *a, const char *user, const char *what,
                int64_t patience_us)
{
        *a = (struct asked){.ask = {.user = user,
                                    .request = json_pack("{s:s}", "what", what),
                                    .patience_us = patience_us,
                                    .done = on_done,
                                    .owner = a}};
        gw_slurm_workers_ask(w, &a->ask);
}

static void serve_once(struct gw_slurm_workers *w)
{
        int64_t left = gw_slurm_workers_wake_at(w) - gw_clock_mono_us();
        struct pollfd p = {.fd = gw_slurm_workers_fd(w), .events = POLLIN};
        poll(&p, 1, left <= 0 ? 0 : left > GW_SECOND ? 1000 : (int)(left / 1000 + 1));
        gw_slurm_workers_serve(w);
}

static void serve_until(struct gw_slurm_workers *w, size_t wanted)
{
        int64_t until = gw_clock_mono_us() + PATIENCE_US;
        while (done_count < wanted) {
                assert_true(gw_clock_mono_us() < until);
                serve_once(w);
        }
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void each_user_has_workers_of_their_own(void **state)
{
        (void)state;
        struct gw_slurm_workers *w = pool("works", 60, 1);
        struct asked a[4];
        ask(w, &a[0], "ada", "done", PATIENCE_US);
        ask(w, &a[1], "ada", "refused", PATIENCE_US);
        ask(w, &a[2], "bob", "busy", PATIENCE_US);
        ask(w, &a[3], "ada", "invalid", PATIENCE_US);
        serve_until(w, 4);
        assert_int_equal(a[0].ask.outcome, GW_SLURM_DONE);
        assert_int_equal(a[1].ask.outcome, GW_SLURM_REFUSED);
        assert_int_equal(a[2].ask.outcome, GW_SLURM_BUSY);
        assert_int_equal(a[3].ask.outcome, GW_SLURM_INVALID);
        assert_string_equal(a[0].text, "words");
        assert_int_equal(a[0].pid, a[1].pid);
        assert_int_equal(a[0].pid, a[3].pid);
        assert_int_not_equal(a[0].pid, a[2].pid);
        assert_true(strlen(a[0].token) > 20);
        assert_string_not_equal(a[0].token, a[2].token);
        assert_int_equal(gw_slurm_workers_count(w), 2);
        gw_slurm_workers_free(w);
}

static void an_outcome_that_is_none_is_not_known(void **state)
{
        (void)state;
        struct gw_slurm_workers *w = pool("works", 60, 1);
        struct asked a[2];
        ask(w, &a[0], "ada", "splendid", PATIENCE_US);
        ask(w, &a[1], "ada", "wrong", PATIENCE_US); /* first an answer to another question */
        serve_until(w, 2);
        assert_int_equal(a[0].ask.outcome, GW_SLURM_UNKNOWN);
        assert_int_equal(a[1].ask.outcome, GW_SLURM_UNKNOWN); /* "wrong" is none either */
        gw_slurm_workers_free(w);
}

static void one_that_hangs_is_killed_and_the_others_wait_for_nobody(void **state)
{
        (void)state;
        struct gw_slurm_workers *w = pool("works", 60, 1);
        struct asked hangs, behind, other;
        ask(w, &hangs, "ada", "hang", GW_SECOND);
        ask(w, &behind, "ada", "done", PATIENCE_US);
        ask(w, &other, "bob", "done", PATIENCE_US);
        serve_until(w, 1);
        assert_true(other.done && !hangs.done && !behind.done);
        serve_until(w, 3);
        assert_int_equal(hangs.ask.outcome, GW_SLURM_UNKNOWN);
        assert_string_equal(hangs.text, "slurmctld did not answer in time");
        assert_int_equal(behind.ask.outcome, GW_SLURM_DONE);
        gw_slurm_workers_free(w);
}

static void of_one_that_dies_what_it_was_asked_is_unknown(void **state)
{
        (void)state;
        struct gw_slurm_workers *w = pool("works", 60, 1);
        struct asked a[3];
        ask(w, &a[0], "ada", "done", PATIENCE_US);
        ask(w, &a[1], "ada", "die", PATIENCE_US);
        ask(w, &a[2], "ada", "done", PATIENCE_US);
        serve_until(w, 3);
        assert_int_equal(a[1].ask.outcome, GW_SLURM_UNKNOWN);
        assert_non_null(strstr(a[1].text, "it hurts"));
        assert_int_equal(a[2].ask.outcome, GW_SLURM_DONE);
        assert_int_not_equal(a[2].pid, a[0].pid);
        gw_slurm_workers_free(w);
}

static void what_waits_too_long_was_not_sent(void **state)
{
        (void)state;
        struct gw_slurm_workers *w = pool("works", 60, 1);
        struct asked hangs, late;
        ask(w, &hangs, "ada", "hang", PATIENCE_US);
        ask(w, &late, "ada", "done", GW_SECOND / 2);
        serve_until(w, 1);
        assert_true(late.done && !hangs.done);
        assert_int_equal(late.ask.outcome, GW_SLURM_NOT_SENT);
        gw_slurm_workers_free(w);
        assert_int_equal(hangs.ask.outcome, GW_SLURM_UNKNOWN);
}

static void time_in_line_is_not_taken_from_the_answer(void **state)
{
        (void)state;
        struct gw_slurm_workers *w = pool("works", 60, 1);
        struct asked first, second;
        int64_t begun = gw_clock_mono_us();
        ask(w, &first, "ada", "hang", GW_SECOND);
        ask(w, &second, "ada", "hang", PATIENCE_US);
        serve_until(w, 1);
        while (second.ask.deadline_us < begun + GW_SECOND + PATIENCE_US) {
                assert_true(gw_clock_mono_us() < begun + PATIENCE_US / 2);
                serve_once(w);
        }
        gw_slurm_workers_free(w);
        assert_int_equal(second.ask.outcome, GW_SLURM_UNKNOWN);
}

static void one_that_does_not_start_says_why(void **state)
{
        (void)state;
        struct gw_slurm_workers *w = pool("dies", 60, 2);
        struct asked a[3];
        ask(w, &a[0], "ada", "done", PATIENCE_US);
        ask(w, &a[1], "ada", "done", PATIENCE_US);
        serve_until(w, 2);
        ask(w, &a[2], "ada", "done", PATIENCE_US); /* in the pause, or by another that ends */
        serve_until(w, 3);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(a[i].ask.outcome, GW_SLURM_NOT_SENT);
                assert_non_null(strstr(a[i].text, "no such cluster"));
        }
        gw_slurm_workers_free(w);
}

static void a_program_that_is_not_there_says_so(void **state)
{
        (void)state;
        struct gw_slurm_workers_settings s = {
                .credential = {"/nowhere/agent", "works", "key", 3}, .token_life_s = 60, .most = 1};
        struct gw_slurm_workers *w = gw_slurm_workers_new(&s, NULL);
        struct asked a[2];
        done_count = 0;
        ask(w, &a[0], "ada", "done", PATIENCE_US);
        ask(w, &a[1], "no user", "done", PATIENCE_US);
        serve_until(w, 2);
        assert_non_null(strstr(a[0].text, "/nowhere/agent cannot be started"));
        assert_non_null(strstr(a[1].text, "not the name of a Unix user"));
        assert_int_equal(a[1].ask.outcome, GW_SLURM_NOT_SENT);
        gw_slurm_workers_free(w);
}

static void many_are_served_by_a_few(void **state)
{
        (void)state;
        enum { COUNT = 200 };
        struct gw_slurm_workers *w = pool("works", 60, 3);
        static struct asked a[COUNT];
        for (int i = 0; i < COUNT; i++)
                ask(w, &a[i], "ada", "done", PATIENCE_US);
        serve_until(w, COUNT);
        for (int i = 0; i < COUNT; i++)
                assert_int_equal(a[i].ask.outcome, GW_SLURM_DONE);
        assert_true(gw_slurm_workers_count(w) <= 3);
        gw_slurm_workers_free(w);
}

static void a_worker_ends_before_its_token(void **state)
{
        (void)state;
        struct gw_slurm_workers *w = pool("works", 2, 1);
        struct asked first, next;
        ask(w, &first, "ada", "done", PATIENCE_US);
        serve_until(w, 1);
        int64_t until = gw_clock_mono_us() + PATIENCE_US;
        while (gw_slurm_workers_count(w) > 0) {
                assert_true(gw_clock_mono_us() < until);
                serve_once(w);
        }
        ask(w, &next, "ada", "done", PATIENCE_US);
        serve_until(w, 2);
        assert_int_not_equal(first.pid, next.pid);
        assert_string_not_equal(first.token, next.token);
        gw_slurm_workers_free(w);
}

static void an_end_leaves_nothing_unsaid(void **state)
{
        (void)state;
        struct gw_slurm_workers *w = pool("silent", 60, 1);
        struct asked a[2];
        ask(w, &a[0], "ada", "done", PATIENCE_US);
        gw_slurm_workers_serve(w); /* it starts */
        ask(w, &a[1], "bob", "done", PATIENCE_US);
        gw_slurm_workers_free(w);
        assert_true(a[0].done && a[1].done);
        assert_int_equal(a[0].ask.outcome, GW_SLURM_NOT_SENT);
        assert_int_equal(a[1].ask.outcome, GW_SLURM_NOT_SENT);
}

int main(int argc, char **argv)
{
        if (argc > 1 && strcmp(argv[1], "work") == 0)
                return work();
        assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_user_has_workers_of_their_own),
                cmocka_unit_test(an_outcome_that_is_none_is_not_known),
                cmocka_unit_test(one_that_hangs_is_killed_and_the_others_wait_for_nobody),
                cmocka_unit_test(of_one_that_dies_what_it_was_asked_is_unknown),
                cmocka_unit_test(what_waits_too_long_was_not_sent),
                cmocka_unit_test(time_in_line_is_not_taken_from_the_answer),
                cmocka_unit_test(one_that_does_not_start_says_why),
                cmocka_unit_test(a_program_that_is_not_there_says_so),
                cmocka_unit_test(many_are_served_by_a_few),
                cmocka_unit_test(a_worker_ends_before_its_token),
                cmocka_unit_test(an_end_leaves_nothing_unsaid),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
