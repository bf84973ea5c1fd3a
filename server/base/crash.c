/*
 * Crash points for the fault tests; an empty file in every other build. Any thread.
 */
#include "server/base/crash.h"

#ifdef GW_CRASH_POINTS

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/str.h"

/* Whether the wish "name" or "name:n" is for `name`; then *ret_passage is n. */
static int parse_wish(const char *wish, const char *name, int64_t *ret_passage)
{
        size_t len = strlen(name);
        if (strncmp(wish, name, len) != 0)
                return -1;
        *ret_passage = 1;
        if (wish[len] == '\0')
                return 0;
        return wish[len] == ':' ? gw_str_int64(wish + len + 1, 1, INT64_MAX, ret_passage) : -1;
}

void gw_crash_point(const char *name)
{
        static atomic_int_fast64_t passages;

        const char *wish = getenv("JOBGATE_CRASH");
        int64_t passage;
        if (!wish || parse_wish(wish, name, &passage))
                return;
        if (atomic_fetch_add(&passages, 1) + 1 == passage)
                kill(getpid(), SIGKILL);
}

#endif
