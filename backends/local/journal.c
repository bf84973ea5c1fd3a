/* Records from text. The backend's thread. */
#include "backends/local/journal.h"

#include <stdlib.h>
#include <unistd.h>

#include "server/base/cleanup.h"
#include "server/base/str.h"

enum field_type { FIELD_TIME, FIELD_INT, FIELD_REASON, FIELD_GPUS, FIELD_BOOT, FIELD_RAW };

#define AT(member) offsetof(struct gw_local_record, member)

static const struct field {
        const char *key;
        enum field_type type;
        size_t offset;
} fields[] = {
        {"started", FIELD_TIME, AT(started_us)}, {"ended", FIELD_TIME, AT(ended_us)},
        {"shim", FIELD_INT, AT(shim)},           {"exit_code", FIELD_INT, AT(exit_code)},
        {"signal", FIELD_INT, AT(signal)},       {"max_memory", FIELD_TIME, AT(max_memory)},
        {"cpu_us", FIELD_TIME, AT(cpu_us)},      {"reason", FIELD_REASON, AT(reason)},
        {"gpus", FIELD_GPUS, AT(gpus)},          {"raw", FIELD_RAW, AT(raw)},
        {"born", FIELD_TIME, AT(born)},          {"boot", FIELD_BOOT, AT(boot)},
};

static uint64_t parse_gpus(const char *s)
{
        uint64_t set = 0;
        while (*s >= '0' && *s <= '9') {
                char *end;
                unsigned long gpu = strtoul(s, &end, 10);
                if (gpu < GW_LOCAL_MAX_GPUS)
                        set |= UINT64_C(1) << gpu;
                s = *end ? end + 1 : end;
        }
        return set;
}

static void set_field(const struct field *f, struct gw_local_record *r, const char *value)
{
        void *place = (char *)r + f->offset;
        int64_t v = 0;
        switch (f->type) {
        case FIELD_TIME:
                gw_str_int64(value, 0, INT64_MAX, place);
                break;
        case FIELD_INT:
                gw_str_int64(value, -1, INT32_MAX, &v);
                *(int *)place = (int)v;
                break;
        case FIELD_REASON:
                if (gw_reason_parse(value, place))
                        *(enum gw_reason *)place = GW_REASON_BACKEND_ERROR;
                break;
        case FIELD_GPUS:
                *(uint64_t *)place = parse_gpus(value);
                break;
        case FIELD_BOOT:
                gw_str_copy(place, GW_LOCAL_BOOT_ID, value);
                break;
        case FIELD_RAW:
                gw_str_copy(place, GW_LOCAL_RAW, value);
                gw_str_clean(place);
                break;
        }
}

struct reader {
        int (*found)(void *arg, const struct gw_local_record *record);
        void *arg;
        struct gw_local_record record;
        bool open;     /* the record has begun, and its last field was not there yet */
        size_t begin;  /* of the open record, in the text */
        size_t behind; /* the last that was done with */
};

static int end_record(struct reader *r, size_t behind)
{
        r->open = false;
        if (r->found(r->arg, &r->record))
                return -1;
        r->behind = behind;
        return 0;
}

/* Its last field may be a part of what was written, and is read as the whole of it. */
static int end_cut_record(struct reader *r, size_t behind)
{
        if (!r->record.ended) {
                r->record = (struct gw_local_record){.span = r->record.span};
                return end_record(r, behind);
        }
        r->open = false;
        r->behind = behind;
        return 0;
}

static int begin_record(struct reader *r, bool ended, const char *span, size_t begin)
{
        if (r->open && end_cut_record(r, begin))
                return -1;
        struct gw_local_record record = {.ended = ended, .exit_code = -1};
        r->open = gw_local_read_span(span, &record.span.first, &record.span.last) &&
                  (ended || record.span.first == record.span.last);
        r->record = record;
        r->begin = begin;
        return 0;
}

static int take_field(struct reader *r, const char *key, const char *value, size_t begin,
                      size_t behind)
{
        if (strcmp(key, "run") == 0 || strcmp(key, "over") == 0)
                return begin_record(r, key[0] == 'o', value, begin);
        if (!r->open)
                return 0;
        if (strcmp(key, r->record.ended ? "end" : "started_end") == 0)
                return end_record(r, behind);
        for (size_t i = 0; i < GW_COUNT(fields); i++)
                if (strcmp(fields[i].key, key) == 0)
                        set_field(&fields[i], &r->record, value);
        return 0;
}

/* `last`: nothing comes after the text. */
static int read_text(struct reader *r, char *text, size_t len, bool last)
{
        char *p = text, *key, *value;
        while (gw_local_next_field(&p, text + len, '\n', &key, &value))
                if (take_field(r, key, value, (size_t)(key - text), (size_t)(p - text)))
                        return -1;
        if (!last)
                return 0;
        return r->open ? end_cut_record(r, r->begin) : 0;
}

int gw_local_journal_read(int task, int64_t *at,
                          int (*found)(void *arg, const struct gw_local_record *record), void *arg)
{
        char text[GW_LOCAL_JOURNAL_CHUNK];
        for (;;) {
                struct reader r = {.found = found, .arg = arg};
                ssize_t n = pread(task, text, sizeof text, *at);
                if (n <= 0)
                        return n < 0 ? -1 : 0;
                bool last = (size_t)n < sizeof text;
                int rc = read_text(&r, text, (size_t)n, last);
                /* What fills it without being a record is passed over. */
                *at += r.behind || last || r.open ? (int64_t)r.behind : n;
                if (rc || last)
                        return rc;
                if (r.behind == 0 && r.open)
                        *at += (int64_t)sizeof text / 2;
        }
}
