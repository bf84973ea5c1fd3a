/* The first byte says how long the pieces are in which the rest arrives. However it is cut, the
 * same objects come out, up to the same error; and what comes out is put into a frame and read
 * again as it was. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/slurm/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_and_read(const json_t *object)
{
        struct gw_buf out = GW_BUF_INIT(GW_FRAME_MAX);
        struct gw_frames frames;
        gw_frame_put(&out, object);
        assert(gw_buf_ok(&out));
        gw_frames_init(&frames);
        assert(gw_frames_add(&frames, out.data, out.len, NULL) == 0);
        json_t *again;
        assert(gw_frames_next(&frames, &again, NULL) == 0 && again);
        assert(json_equal(object, again));
        json_decref(again);
        assert(gw_frames_next(&frames, &again, NULL) == 0 && !again);
        gw_frames_done(&frames);
        gw_buf_done(&out);
}

/* All objects in one array. *ret_failed: they end with an error. */
static json_t *cut(const uint8_t *data, size_t size, size_t piece, bool *ret_failed)
{
        struct gw_error err = {0};
        struct gw_frames frames;
        json_t *objects = json_array(), *object;
        gw_frames_init(&frames);
        for (size_t at = 0; at < size && !err.code; at += piece) {
                size_t len = piece < size - at ? piece : size - at;
                assert(gw_frames_add(&frames, data + at, len, &err) == 0);
                while (gw_frames_next(&frames, &object, &err) == 0 && object)
                        assert(json_array_append_new(objects, object) == 0);
        }
        assert(err.code == GW_OK || (err.code == GW_ERR_INVALID && err.message[0]));
        *ret_failed = err.code != GW_OK;
        gw_frames_done(&frames);
        return objects;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        bool whole_failed, pieces_failed;
        if (size < 2)
                return 0;
        json_t *whole = cut(data + 1, size - 1, size, &whole_failed);
        json_t *pieces = cut(data + 1, size - 1, (size_t)data[0] + 1, &pieces_failed);
        assert(json_equal(whole, pieces) && whole_failed == pieces_failed);
        size_t i;
        json_t *object;
        json_array_foreach(whole, i, object) put_and_read(object);
        json_decref(pieces);
        json_decref(whole);
        return 0;
}
