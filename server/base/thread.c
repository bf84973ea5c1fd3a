/*
 * Starting and joining threads. The caller's signal mask is the same afterwards.
 */
#include "server/base/thread.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/blocks.h"

#define NAME_SIZE 16 /* the kernel's, with the NUL */

struct start {
        void *(*run)(void *);
        void *arg;
        char name[NAME_SIZE];
};

static void *run_thread(void *arg)
{
        struct start start = *(struct start *)arg;
        free(arg);
        pthread_setname_np(pthread_self(), start.name);
        void *ret = start.run(start.arg);
        gw_blocks_release();
        return ret;
}

int gw_thread_start(pthread_t *ret, const char *name, void *(*run)(void *), void *arg,
                    struct gw_error *err)
{
        assert(strlen(name) < NAME_SIZE);
        struct start *start = malloc(sizeof *start);
        if (!start)
                return gw_fail(err, GW_ERR_INTERNAL, "no memory to start thread %s", name);
        *start = (struct start){.run = run, .arg = arg};
        strcpy(start->name, name);

        /* Blocked before it exists: a new thread inherits the mask. */
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        int rc = pthread_create(ret, NULL, run_thread, start);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (rc != 0) {
                free(start);
                return gw_fail(err, GW_ERR_INTERNAL, "cannot start thread %s: %s", name,
                               strerrordesc_np(rc));
        }
        return 0;
}

void gw_thread_join(pthread_t thread)
{
        pthread_join(thread, NULL);
}
