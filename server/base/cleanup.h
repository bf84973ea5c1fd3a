/* Scope-bound release, five macros and no more. */
#ifndef GW_BASE_CLEANUP_H
#define GW_BASE_CLEANUP_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Frees a malloc'ed pointer when it leaves scope: gw_autofree char *s = ...; */
#define gw_autofree __attribute__((cleanup(gw_cleanup_free)))
/* Closes a descriptor (≥ 0) when it leaves scope: gw_autoclose int fd = -1; */
#define gw_autoclose __attribute__((cleanup(gw_cleanup_close)))

/* Moves ownership out of a scope-bound variable. */
#define GW_TAKE(p)                                                                                 \
        ({                                                                                         \
                __typeof__(p) gw_taken_ = (p);                                                     \
                (p) = NULL;                                                                        \
                gw_taken_;                                                                         \
        })
#define GW_TAKE_FD(fd)                                                                             \
        ({                                                                                         \
                int gw_taken_ = (fd);                                                              \
                (fd) = -1;                                                                         \
                gw_taken_;                                                                         \
        })

#define GW_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The struct that contains an embedded member. */
#define GW_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void gw_cleanup_free(void *p)
{
        free(*(void **)p);
}

static inline void gw_cleanup_close(int *fd)
{
        if (*fd >= 0)
                close(*fd);
}

#endif
