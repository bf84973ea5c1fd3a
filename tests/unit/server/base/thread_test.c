#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>

#include "server/base/thread.h"

struct seen {
        char name[16];
        sigset_t mask;
};

static void *look(void *arg)
{
        struct seen *seen = arg;
        pthread_getname_np(pthread_self(), seen->name, sizeof seen->name);
        pthread_sigmask(SIG_SETMASK, NULL, &seen->mask);
        return NULL;
}

static void named_and_deaf(void **state)
{
        (void)state;
        struct seen seen = {0};
        struct gw_error err = {0};
        pthread_t thread;
        assert_int_equal(gw_thread_start(&thread, "fifteen-letters", look, &seen, &err), 0);
        gw_thread_join(thread);
        assert_string_equal(seen.name, "fifteen-letters");
        static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGPIPE, SIGUSR1};
        for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
                assert_int_equal(sigismember(&seen.mask, signals[i]), 1);
        assert_int_equal(err.code, GW_OK);
}

static void leaves_the_callers_mask(void **state)
{
        (void)state;
        sigset_t set, after;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR2);
        pthread_sigmask(SIG_SETMASK, &set, NULL);
        struct seen seen = {0};
        pthread_t thread;
        assert_int_equal(gw_thread_start(&thread, "x", look, &seen, NULL), 0);
        gw_thread_join(thread);
        pthread_sigmask(SIG_SETMASK, NULL, &after);
        assert_int_equal(sigismember(&after, SIGUSR2), 1);
        assert_int_equal(sigismember(&after, SIGTERM), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(named_and_deaf),
                cmocka_unit_test(leaves_the_callers_mask),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
