/* Frames on the agent's end of the socketpair (protocol.h). One thread. */
#ifndef GW_BACKENDS_SLURM_AGENT_CHANNEL_H
#define GW_BACKENDS_SLURM_AGENT_CHANNEL_H

#include <jansson.h>

#include "backends/slurm/frame.h"
#include "server/base/error.h"

struct gw_agent_channel {
        int fd;
        struct gw_frames in;
};

/* The descriptor stays the caller's. Returns 0, or -1 with GW_ERR_INVALID: it is no socket. */
int gw_agent_channel_init(struct gw_agent_channel *c, int fd, struct gw_error *err);
void gw_agent_channel_done(struct gw_agent_channel *c);

/* Sends a frame whole; may block for as long as the other end does not read. Takes the object, and
 * takes NULL for memory that was short. Returns 0, or -1: nothing more can be sent. */
int gw_agent_send(struct gw_agent_channel *c, json_t *object, struct gw_error *err);

/* Waits for a frame for timeout_ms at most (-1: as long as it takes). *ret is the caller's, NULL
 * when none came. Returns 0, or -1: GW_ERR_GONE when the other end is closed (what it had sent
 * before and was not taken yet is not given any more), others when it sent what is no frame. */
int gw_agent_receive(struct gw_agent_channel *c, int timeout_ms, json_t **ret,
                     struct gw_error *err);

#endif
