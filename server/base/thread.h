/* Threads: named, all signals blocked (one signalfd in main.c takes them), joined. */
#ifndef GW_BASE_THREAD_H
#define GW_BASE_THREAD_H

#include <pthread.h>

#include "server/base/error.h"

/* name: at most 15 bytes, shown by ps and gdb. Returns 0 or -1 (GW_ERR_INTERNAL). */
int gw_thread_start(pthread_t *ret, const char *name, void *(*run)(void *), void *arg,
                    struct gw_error *err);
void gw_thread_join(pthread_t thread);

#endif
