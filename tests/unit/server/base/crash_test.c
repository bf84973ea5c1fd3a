#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/crash.h"

/* Passes "a.b" three times and "a.bc" once with JOBGATE_CRASH=wish; returns how far a child
 * came: the number of points passed when it was killed, or 4. */
static int passed(const char *wish)
{
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                static const char *const points[] = {"a.b", "a.bc", "a.b", "a.b"};
                if (wish)
                        setenv("JOBGATE_CRASH", wish, 1);
                for (int i = 0; i < 4; i++) {
                        gw_crash_point(points[i]);
                        if (write(ends[1], "x", 1) != 1)
                                _exit(1);
                }
                _exit(0);
        }
        close(ends[1]);
        char bytes[8];
        int count = 0;
        for (ssize_t n; (n = read(ends[0], bytes, sizeof bytes)) > 0;)
                count += (int)n;
        close(ends[0]);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (count < 4)
                assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        else
                assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        return count;
}

static void crashes_where_wished(void **state)
{
        (void)state;
#ifndef GW_CRASH_POINTS
        assert_int_equal(passed("a.b"), 4);
        skip();
#endif
        assert_int_equal(passed(NULL), 4);
        assert_int_equal(passed(""), 4);
        assert_int_equal(passed("a.b"), 0);
        assert_int_equal(passed("a.b:1"), 0);
        assert_int_equal(passed("a.b:2"), 2);
        assert_int_equal(passed("a.b:3"), 3);
        assert_int_equal(passed("a.b:4"), 4);
        assert_int_equal(passed("a.bc"), 1);
        assert_int_equal(passed("a"), 4);
        assert_int_equal(passed("a.bx2"), 4);
        assert_int_equal(passed("a.b:"), 4);
        assert_int_equal(passed("a.b:0"), 4);
        assert_int_equal(passed("a.b:x"), 4);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(crashes_where_wished),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
