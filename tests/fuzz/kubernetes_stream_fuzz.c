/* The first byte says how long the parts are in which the rest arrives. However it is cut, the
 * same events come out, and the same error. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/kubernetes/stream.h"

#define MAX 512
#define MOST_EVENTS 20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
        unsigned count, sum;
        enum gw_error_code code;
};

static bool see(void *arg, enum gw_k8s_event event, json_t *object)
{
        struct seen *seen = arg;
        assert(json_is_object(object) && seen->count < MOST_EVENTS);
        seen->count++;
        seen->sum = seen->sum * 31 + (unsigned)event * 7 + (unsigned)json_object_size(object);
        return event != GW_K8S_ERROR && seen->count < MOST_EVENTS;
}

static struct seen cut(const char *data, size_t size, size_t part)
{
        struct seen seen = {0};
        struct gw_k8s_stream stream;
        gw_k8s_stream_init(&stream, MAX, see, &seen);
        for (size_t at = 0; at < size; at += part) {
                struct gw_error err = {0};
                gw_k8s_stream_add(&stream, data + at, part < size - at ? part : size - at, &err);
                assert(seen.code == GW_OK || err.code == seen.code);
                seen.code = err.code;
        }
        gw_k8s_stream_done(&stream);
        return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        if (size < 2)
                return 0;
        struct seen whole = cut((const char *)data + 1, size - 1, size);
        struct seen parts = cut((const char *)data + 1, size - 1, (size_t)data[0] + 1);
        assert(whole.count == parts.count && whole.sum == parts.sum && whole.code == parts.code);
        return 0;
}
