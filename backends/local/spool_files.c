/* The files of one submission. A name is made of a mark, so none can lead out of its folder. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/local/spool.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/crash.h"
#include "server/base/str.h"

static void task_name(char out[GW_LOCAL_NAME], struct gw_mark mark, const char *suffix)
{
        char text[GW_MARK_TEXT];
        gw_mark_format(mark, text);
        snprintf(out, GW_LOCAL_NAME, "%s.%s", text, suffix);
}

static int write_whole(int fd, const char *data, size_t len)
{
        while (len > 0) {
                ssize_t n = write(fd, data, len);
                if (n < 0)
                        return -1;
                data += n;
                len -= (size_t)n;
        }
        return 0;
}

int gw_local_spool_put(struct gw_local_spool *s, struct gw_mark mark, const struct gw_buf *text)
{
        char fresh[GW_LOCAL_NAME], name[GW_LOCAL_NAME];
        task_name(fresh, mark, "new");
        task_name(name, mark, "task");
        int fd =
                openat(s->live, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -1;
        int rc = write_whole(fd, text->data, text->len);
        close(fd);
        gw_crash_point("local.before_rename");
        if (rc || renameat(s->live, fresh, s->live, name)) {
                int error = errno;
                unlinkat(s->live, fresh, 0);
                errno = error;
                return -1;
        }
        gw_crash_point("local.after_rename");
        return 0;
}

int gw_local_spool_get(struct gw_local_spool *s, struct gw_mark mark,
                       struct gw_local_task_head *ret)
{
        char name[GW_LOCAL_NAME], text[GW_LOCAL_TASK_HEAD];
        task_name(name, mark, "task");
        gw_autoclose int fd = openat(s->live, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text);
        return n < 0 ? -1 : gw_local_task_parse(text, (size_t)n, ret);
}

bool gw_local_spool_has(const struct gw_local_spool *s, struct gw_mark mark)
{
        char name[GW_LOCAL_NAME];
        struct stat st;
        task_name(name, mark, "task");
        return fstatat(s->live, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int gw_local_spool_limit(struct gw_local_spool *s, struct gw_mark mark, int64_t seconds)
{
        char name[GW_LOCAL_NAME], text[32];
        task_name(name, mark, "task");
        int len = snprintf(text, sizeof text, GW_LOCAL_LIMIT_FORMAT, (long long)seconds);
        gw_autoclose int fd = openat(s->live, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 || len != GW_LOCAL_LIMIT_LENGTH)
                return -1;
        return pwrite(fd, text, GW_LOCAL_LIMIT_LENGTH, 0) == GW_LOCAL_LIMIT_LENGTH ? 0 : -1;
}

int gw_local_spool_lock(struct gw_local_spool *s, struct gw_mark mark)
{
        char name[GW_LOCAL_NAME];
        task_name(name, mark, "task");
        gw_autoclose int fd = openat(s->live, name, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB))
                return -1;
        return GW_TAKE_FD(fd);
}

enum field_type { FIELD_TIME, FIELD_INT, FIELD_FLAG, FIELD_REASON, FIELD_GPUS, FIELD_RAW };

#define AT(member) offsetof(struct gw_local_journal, member)

static const struct field {
        const char *key;
        enum field_type type;
        size_t offset;
} fields[] = {
        {"started", FIELD_TIME, AT(started_us)}, {"ended", FIELD_TIME, AT(ended_us)},
        {"shim", FIELD_INT, AT(shim)},           {"exit_code", FIELD_INT, AT(exit_code)},
        {"signal", FIELD_INT, AT(signal)},       {"max_memory", FIELD_TIME, AT(max_memory)},
        {"cpu_us", FIELD_TIME, AT(cpu_us)},      {"started_end", FIELD_FLAG, AT(started)},
        {"end", FIELD_FLAG, AT(ended)},          {"reason", FIELD_REASON, AT(reason)},
        {"gpus", FIELD_GPUS, AT(gpus)},          {"raw", FIELD_RAW, AT(raw)},
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

static void set_field(const struct field *f, struct gw_local_journal *j, const char *value)
{
        void *place = (char *)j + f->offset;
        int64_t v = 0;
        switch (f->type) {
        case FIELD_TIME:
                gw_str_int64(value, 0, INT64_MAX, place);
                break;
        case FIELD_INT:
                gw_str_int64(value, -1, INT32_MAX, &v);
                *(int *)place = (int)v;
                break;
        case FIELD_FLAG:
                *(bool *)place = true;
                break;
        case FIELD_REASON:
                if (gw_reason_parse(value, place))
                        *(enum gw_reason *)place = GW_REASON_BACKEND_ERROR;
                break;
        case FIELD_GPUS:
                *(uint64_t *)place = parse_gpus(value);
                break;
        case FIELD_RAW:
                gw_str_copy(place, GW_LOCAL_RAW, value);
                gw_str_clean(place);
                break;
        }
}

static void parse_journal(char *text, size_t len, struct gw_local_journal *ret)
{
        char *p = text, *key, *value;
        while (gw_local_next_field(&p, text + len, '\n', &key, &value))
                for (size_t i = 0; i < GW_COUNT(fields); i++)
                        if (strcmp(fields[i].key, key) == 0)
                                set_field(&fields[i], ret, value);
        /* As the shim sees it: one that was cut short may have started. */
        ret->started |= len > 0;
}

static int read_journal(int fd, struct gw_local_journal *ret)
{
        char head[GW_LOCAL_TASK_HEAD], text[GW_LOCAL_MAX_JOURNAL];
        struct gw_local_task_head parsed;
        ssize_t n = pread(fd, head, sizeof head, 0);
        if (n < 0)
                return -1;
        ret->broken = gw_local_task_parse(head, (size_t)n, &parsed) || parsed.journal == 0;
        if (ret->broken)
                return 0;
        n = pread(fd, text, sizeof text, parsed.journal);
        if (n < 0)
                return -1;
        parse_journal(text, (size_t)n, ret);
        return 0;
}

static int read_task(const struct gw_local_spool *s, struct gw_mark mark, bool probe,
                     struct gw_local_journal *ret)
{
        char name[GW_LOCAL_NAME];
        task_name(name, mark, "task");
        *ret = (struct gw_local_journal){.exit_code = -1};
        gw_autoclose int fd = openat(s->live, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return errno == ENOENT ? 0 : -1;
        ret->exists = true;
        /* Before the text is read: what is not locked does not change any more. */
        ret->locked = probe && flock(fd, LOCK_SH | LOCK_NB) != 0;
        return read_journal(fd, ret);
}

int gw_local_spool_read(const struct gw_local_spool *s, struct gw_mark mark,
                        struct gw_local_journal *ret)
{
        return read_task(s, mark, false, ret);
}

int gw_local_spool_probe(const struct gw_local_spool *s, struct gw_mark mark,
                         struct gw_local_journal *ret)
{
        return read_task(s, mark, true, ret);
}

int gw_local_spool_end(struct gw_local_spool *s, struct gw_mark mark, enum gw_reason reason,
                       const char *raw)
{
        char text[512];
        gw_autoclose int fd = gw_local_spool_lock(s, mark);
        int len = snprintf(text, sizeof text, GW_LOCAL_ENDED_FORMAT, -1, 0, gw_reason_name(reason),
                           (long long)gw_clock_wall_us(), 0LL, 0LL, raw);
        if (fd < 0 || len < 0 || (size_t)len >= sizeof text)
                return -1;
        return write_whole(fd, text, (size_t)len);
}

int gw_local_spool_cancel(struct gw_local_spool *s, struct gw_mark mark)
{
        char name[GW_LOCAL_NAME];
        task_name(name, mark, "cancel");
        gw_autoclose int fd =
                openat(s->live, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        return fd < 0 ? -1 : 0;
}

/* A shim finds no task there any more, and runs nothing. */
void gw_local_spool_forget(struct gw_local_spool *s, struct gw_mark mark)
{
        char name[GW_LOCAL_NAME], kept[2 * GW_LOCAL_NAME], id[GW_ID_TEXT];
        gw_crash_point("local.before_forget");
        task_name(name, mark, "task");
        gw_id_format(mark.job, id);
        snprintf(kept, sizeof kept, "%s/%u.task", id, mark.number);
        if (renameat(s->live, name, s->jobs, kept))
                unlinkat(s->live, name, 0);
        task_name(name, mark, "cancel");
        unlinkat(s->live, name, 0);
}

/* The job's folder, or -1. It is the job's where jobs run as the gateway's own user: what is put
 * in its place is not followed. */
static int open_job_folder(const struct gw_local_spool *s, struct gw_id job)
{
        char id[GW_ID_TEXT];
        gw_id_format(job, id);
        return openat(s->jobs, id, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

int gw_local_spool_open_log(const struct gw_local_spool *s, struct gw_mark mark, uint32_t ordinal,
                            bool want_stderr)
{
        char number[16], name[GW_LOCAL_NAME];
        struct stat st;
        snprintf(number, sizeof number, "%u", mark.number);
        gw_local_run_name(name, number, ordinal, want_stderr ? "err" : "out");
        gw_autoclose int folder = open_job_folder(s, mark.job);
        if (folder < 0)
                return -1;
        gw_autoclose int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd < 0)
                return -1;
        if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
                errno = EINVAL;
                return -1;
        }
        return GW_TAKE_FD(fd);
}
