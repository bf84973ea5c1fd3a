/* The files of one submission. A name is made of a mark, so none can lead out of its folder. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/local/spool.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/crash.h"

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

int gw_local_spool_read_head(int task, struct gw_local_task_head *ret)
{
        char text[GW_LOCAL_TASK_HEAD];
        ssize_t n = pread(task, text, sizeof text, 0);
        if (n < 0)
                return -1;
        int rc = gw_local_task_parse(text, (size_t)n, ret);
        if (rc)
                errno = EBADMSG;
        return rc;
}

int gw_local_spool_get(struct gw_local_spool *s, struct gw_mark mark,
                       struct gw_local_task_head *ret)
{
        gw_autoclose int fd = gw_local_spool_task(s, mark);
        return fd < 0 ? -1 : gw_local_spool_read_head(fd, ret);
}

bool gw_local_spool_has(const struct gw_local_spool *s, struct gw_mark mark)
{
        char name[GW_LOCAL_NAME];
        struct stat st;
        task_name(name, mark, "task");
        return fstatat(s->live, name, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

int gw_local_spool_get_array(int task, const struct gw_local_task_head *head,
                             struct gw_local_array *ret, struct gw_spans *ret_spans)
{
        if (head->journal > GW_LOCAL_MAX_TASK) {
                errno = EBADMSG;
                return -1;
        }
        gw_autofree char *text = malloc((size_t)head->journal);
        ssize_t n = !text ? -1 : pread(task, text, (size_t)head->journal, 0);
        return n < 0 ? -1 : gw_local_task_parse_array(text, (size_t)n, ret, ret_spans);
}

int gw_local_spool_limit(struct gw_local_spool *s, struct gw_mark mark, int64_t seconds)
{
        char name[GW_LOCAL_NAME], text[32];
        task_name(name, mark, "task");
        int len = snprintf(text, sizeof text, GW_LOCAL_LIMIT_FORMAT, (long long)seconds);
        gw_autoclose int fd = openat(s->live, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 || len != GW_LOCAL_LIMIT_LENGTH)
                return -1;
        return pwrite(fd, text, (size_t)len, 0) == len ? 0 : -1;
}

int gw_local_spool_task(const struct gw_local_spool *s, struct gw_mark mark)
{
        char name[GW_LOCAL_NAME];
        task_name(name, mark, "task");
        return openat(s->live, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

static int open_for_writing(struct gw_local_spool *s, struct gw_mark mark)
{
        char name[GW_LOCAL_NAME];
        task_name(name, mark, "task");
        return openat(s->live, name, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
}

int gw_local_spool_lock(struct gw_local_spool *s, struct gw_mark mark, uint32_t ordinal)
{
        struct flock lock = gw_local_run_lock(F_WRLCK, ordinal, ordinal);
        gw_autoclose int fd = open_for_writing(s, mark);
        if (fd < 0)
                return -1;
        if (fcntl(fd, F_OFD_SETLK, &lock)) {
                if (errno == EACCES)
                        errno = EWOULDBLOCK;
                return -1;
        }
        return GW_TAKE_FD(fd);
}

bool gw_local_spool_locked(int task, struct gw_span span, uint32_t *ret)
{
        struct flock lock = gw_local_run_lock(F_WRLCK, span.first, span.last);
        if (fcntl(task, F_OFD_GETLK, &lock) || lock.l_type == F_UNLCK)
                return false;
        /* A foreign lock may be wider than any of ours. */
        *ret = lock.l_start < (off_t)span.first ? span.first : (uint32_t)lock.l_start;
        return true;
}

static int append(int fd, const struct gw_buf *text)
{
        if (gw_buf_ok(text))
                return gw_local_append(fd, text->data, text->len);
        errno = ENOMEM;
        return -1;
}

int gw_local_spool_end(struct gw_local_spool *s, struct gw_mark mark, const struct gw_spans *spans,
                       enum gw_reason reason, const char *raw)
{
        gw_autoclose int fd = open_for_writing(s, mark);
        if (fd < 0)
                return -1;
        struct gw_buf text = GW_BUF_INIT(SIZE_MAX - 1);
        long long now = gw_clock_wall_us();
        for (size_t i = 0; i < spans->count; i++)
                gw_buf_printf(&text, GW_LOCAL_ENDED_FORMAT, spans->items[i].first,
                              spans->items[i].last, -1, 0, gw_reason_name(reason), now, 0LL, 0LL,
                              raw);
        int rc = append(fd, &text);
        gw_buf_done(&text);
        return rc;
}

int gw_local_spool_cancel(struct gw_local_spool *s, struct gw_mark mark,
                          const struct gw_spans *spans)
{
        char name[GW_LOCAL_NAME];
        task_name(name, mark, "cancel");
        gw_autoclose int fd =
                openat(s->live, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
                return -1;
        struct gw_buf text = GW_BUF_INIT(SIZE_MAX - 1);
        /* Each on a line of its own, whatever became of the one before. */
        for (size_t i = 0; i < spans->count; i++)
                gw_buf_printf(&text, "\n" GW_LOCAL_SPAN_FORMAT "\n", spans->items[i].first,
                              spans->items[i].last);
        int rc = append(fd, &text);
        gw_buf_done(&text);
        return rc;
}

bool gw_local_spool_cancelled(const struct gw_local_spool *s, struct gw_mark mark, uint32_t ordinal)
{
        char name[GW_LOCAL_NAME];
        task_name(name, mark, "cancel");
        gw_autoclose int fd = openat(s->live, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        return fd >= 0 && gw_local_names_run(fd, ordinal);
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
