/* Reads a traceparent, "00-TRACE_ID-PARENT_ID-FLAGS". Pure; any thread. */
#include "server/base/trace.h"

#include <string.h>

#define VERSION "00-"
#define TRACE_ID_LEN 32
#define PARENT_ID_LEN 16
#define FLAGS_LEN 2

/* The end of len lower-case hexadecimal digits; NULL when they are others. */
static const char *skip_hex(const char *at, size_t len)
{
        return strspn(at, "0123456789abcdef") == len ? at + len : NULL;
}

/* The end of an id and the '-' behind it; NULL when it is none. Zeros alone are none. */
static const char *skip_id(const char *at, size_t len)
{
        const char *end = skip_hex(at, len);
        return end && *end == '-' && strspn(at, "0") < len ? end + 1 : NULL;
}

static void copy_id(char *to, const char *from, size_t len)
{
        memcpy(to, from, len);
        to[len] = '\0';
}

bool gw_trace_parse(const char *value, struct gw_trace *ret)
{
        if (strncmp(value, VERSION, strlen(VERSION)) != 0)
                return false;
        const char *trace_id = value + strlen(VERSION);
        const char *parent_id = skip_id(trace_id, TRACE_ID_LEN);
        const char *flags = parent_id ? skip_id(parent_id, PARENT_ID_LEN) : NULL;
        const char *end = flags ? skip_hex(flags, FLAGS_LEN) : NULL;
        if (!end || *end)
                return false;
        copy_id(ret->trace_id, trace_id, TRACE_ID_LEN);
        copy_id(ret->parent_id, parent_id, PARENT_ID_LEN);
        return true;
}
