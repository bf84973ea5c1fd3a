/*
 * Frames as they arrive and as they are sent. Used by the gateway's side of a helper program and
 * by the helper itself; belongs to whoever reads or writes the socket.
 *
 * Invariant: taken <= held.len, and held begins where a frame begins once taken is skipped.
 */
#include "backends/slurm/frame.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "server/base/cleanup.h"

#define HELD_MAX (GW_FRAME_HEAD + GW_FRAME_MAX + GW_FRAME_PIECE)
#define KEPT_MAX (64 * 1024) /* memory that stays when everything was taken */

void gw_frames_init(struct gw_frames *f)
{
        *f = (struct gw_frames){.held = GW_BUF_INIT(HELD_MAX)};
}

void gw_frames_done(struct gw_frames *f)
{
        gw_buf_done(&f->held);
        f->taken = 0;
}

/* Forgets what was taken. What is left came with the last pieces, after the end of the last frame:
 * so every byte is moved once at most. */
static void drop_taken(struct gw_frames *f)
{
        struct gw_buf *held = &f->held;
        size_t left = held->len - f->taken;
        if (f->taken == 0)
                return;
        if (left == 0 && held->cap > KEPT_MAX) {
                gw_buf_done(held);
        } else {
                memmove(held->data, held->data + f->taken, left);
                held->len = left;
                held->data[left] = '\0';
        }
        f->taken = 0;
}

int gw_frames_add(struct gw_frames *f, const void *bytes, size_t len, struct gw_error *err)
{
        gw_buf_add(&f->held, bytes, len);
        return gw_buf_ok(&f->held) ? 0 : gw_fail(err, GW_ERR_NOMEM, "no room for what was sent");
}

static uint32_t read_length(const char *head)
{
        const unsigned char *b = (const unsigned char *)head;
        return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void write_length(char *head, size_t length)
{
        for (int i = 0; i < GW_FRAME_HEAD; i++)
                head[i] = (char)(length >> (24 - 8 * i) & 0xff);
}

/* jansson bounds the depth (2048), which the stack of every thread here has room for. */
static int parse(const char *text, size_t len, json_t **ret, struct gw_error *err)
{
        json_error_t e;
        json_auto_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
        if (!value && json_error_code(&e) == json_error_out_of_memory)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        if (!value)
                return gw_fail(err, GW_ERR_INVALID, "a frame is not JSON: %s (byte %d of %zu)",
                               e.text, e.position, len);
        if (!json_is_object(value))
                return gw_fail(err, GW_ERR_INVALID, "a frame is JSON, but no object");
        *ret = GW_TAKE(value);
        return 0;
}

/* Whether a whole frame is there, and how long its object is. */
static int find_whole(const struct gw_frames *f, uint32_t *ret_length, bool *ret,
                      struct gw_error *err)
{
        size_t left = f->held.len - f->taken;
        *ret = false;
        if (left < GW_FRAME_HEAD)
                return 0;
        uint32_t length = read_length(f->held.data + f->taken);
        if (length == 0 || length > GW_FRAME_MAX)
                return gw_fail(err, GW_ERR_INVALID, "a frame of %u bytes: must have 1 to %d",
                               length, GW_FRAME_MAX);
        *ret_length = length;
        *ret = left - GW_FRAME_HEAD >= length;
        return 0;
}

int gw_frames_next(struct gw_frames *f, json_t **ret, struct gw_error *err)
{
        uint32_t length;
        bool whole;
        *ret = NULL;
        if (!gw_buf_ok(&f->held))
                return gw_fail(err, GW_ERR_NOMEM, "no room for what was sent");
        if (find_whole(f, &length, &whole, err))
                return -1;
        if (!whole) {
                drop_taken(f);
                return 0;
        }
        if (parse(f->held.data + f->taken + GW_FRAME_HEAD, length, ret, err))
                return -1;
        f->taken += GW_FRAME_HEAD + length;
        return 0;
}

static int append(const char *text, size_t len, void *arg)
{
        struct gw_buf *out = arg;
        gw_buf_add(out, text, len);
        return gw_buf_ok(out) ? 0 : -1;
}

void gw_frame_put(struct gw_buf *out, const json_t *object)
{
        size_t begin = out->len;
        assert(json_is_object(object));
        gw_buf_add(out, "\0\0\0", GW_FRAME_HEAD);
        if (!gw_buf_ok(out))
                return;
        int rc = json_dump_callback(object, append, out, JSON_COMPACT);
        size_t length = out->len - begin - GW_FRAME_HEAD;
        if (rc || length > GW_FRAME_MAX) {
                out->failed = true;
                out->len = begin;
                out->data[begin] = '\0';
                return;
        }
        write_length(out->data + begin, length);
}
