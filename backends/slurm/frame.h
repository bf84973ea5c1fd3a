/*
 * Frames between the gateway and its helper programs: four bytes of length, big-endian, then as
 * many bytes of one JSON object in UTF-8. Pure; any thread, one at a time for each struct. The
 * other end is not trusted: whatever bytes come, in whatever pieces, they become objects or an
 * error, and what is held in memory grows with what has arrived, never with what was announced.
 */
#ifndef GW_BACKENDS_SLURM_FRAME_H
#define GW_BACKENDS_SLURM_FRAME_H

#include <jansson.h>
#include <stddef.h>

#include "server/base/buf.h"
#include "server/base/error.h"

#define GW_FRAME_HEAD 4                  /* bytes of a length */
#define GW_FRAME_MAX (64 * 1024 * 1024)  /* bytes of one object */
#define GW_FRAME_PIECE (8 * 1024 * 1024) /* bytes that are always taken, whatever is held */

/* What has been received and not been taken. */
struct gw_frames {
        struct gw_buf held;
        size_t taken; /* of its bytes, at its beginning */
};

void gw_frames_init(struct gw_frames *f);
void gw_frames_done(struct gw_frames *f);

/* Appends bytes as they came. Up to GW_FRAME_PIECE bytes fit as long as gw_frames_next() was
 * called until there was none. Returns 0, or -1 with GW_ERR_NOMEM: bytes are missing now, and
 * nothing more can be understood. */
int gw_frames_add(struct gw_frames *f, const void *bytes, size_t len, struct gw_error *err);

/* The next object whole, *ret the caller's; NULL while there is none. Returns 0, or -1 with
 * GW_ERR_INVALID when what came is no frame (then nothing after it can be understood, and every
 * later call says so again) or GW_ERR_NOMEM. */
int gw_frames_next(struct gw_frames *f, json_t **ret, struct gw_error *err);

/* Appends the frame of an object, or nothing; a failure is the buffer's (gw_buf_ok()): no memory,
 * over its maximum, or an object that has no text or one over GW_FRAME_MAX. */
void gw_frame_put(struct gw_buf *out, const json_t *object);

#endif
