/*
 * A helper program as a child of this process, and the frames to and from it over a socketpair.
 * Belongs to one thread, which polls. Nothing blocks, but for the moment it takes to start or to
 * bury the child.
 */
#ifndef GW_BACKENDS_SLURM_LINK_H
#define GW_BACKENDS_SLURM_LINK_H

#include <jansson.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/types.h>

#include "backends/slurm/frame.h"

#define GW_LINK_FD 3      /* the child's end */
#define GW_LINK_WORDS 512 /* of the child's last line on standard error */
#define GW_LINK_POLLS 2   /* descriptors to poll */

struct gw_link {
        pid_t pid; /* 0: there is no child */
        int fd, errors_fd;
        struct gw_frames in;
        struct gw_buf out;
        size_t sent; /* of out */
        char words[GW_LINK_WORDS];
        size_t words_len;
        bool line_ended; /* words are a whole line */
};

/* Starts argv[0], a path, with this environment and no other (both end with NULL), nothing open
 * but standard error and its end, all signals as by default. Returns 0, or -1 with GW_ERR_IO and
 * *l closed. */
int gw_link_open(struct gw_link *l, char *const argv[], char *const environment[],
                 struct gw_error *err);
/* Kills the child if it is there still: what it was about to do is not done, or nobody will know.
 * Accepts one that is all zero or closed. */
void gw_link_close(struct gw_link *l);
static inline bool gw_link_is_open(const struct gw_link *l)
{
        return l->pid > 0;
}

void gw_link_polls(const struct gw_link *l, struct pollfd polls[GW_LINK_POLLS]);

/* Queues an object, and sends what the child takes. Returns 0, or -1 with GW_ERR_NOMEM or
 * GW_ERR_OVERLOADED: it does not read. */
int gw_link_send(struct gw_link *l, const json_t *object, struct gw_error *err);

/* Sends and receives what it can; each object is given to `each` (borrowed), which may send, and
 * not close. Returns 0, or -1 when the child has ended or spoken nonsense (GW_ERR_IO with its last
 * words): it is to be closed. */
int gw_link_serve(struct gw_link *l, void (*each)(void *arg, json_t *object), void *arg,
                  struct gw_error *err);

#endif
