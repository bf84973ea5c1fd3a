/*
 * JSON log lines. Any thread, without a lock: a line is built on its own and leaves in
 * one write(), which the kernel does not mix with another's up to the pipe's size.
 *
 * Invariant: a line is valid JSON whatever the fields hold, and no failure to write one
 * reaches the caller; errno is as it was.
 */
#include "server/base/log.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "server/base/buf.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/str.h"

#define MAX_LINE 8192
#define MAX_HEAD 512 /* of a cut line: time, level, event and thread */

static struct {
        enum gw_log_level level;
        int fd;
} target = {GW_LOG_INFO, STDERR_FILENO};

static const char *const level_names[] = {
        [GW_LOG_DEBUG] = "debug",
        [GW_LOG_INFO] = "info",
        [GW_LOG_WARN] = "warn",
        [GW_LOG_ERROR] = "error",
};

void gw_log_init(enum gw_log_level level, int fd)
{
        target.level = level;
        target.fd = fd;
}

int gw_log_level_parse(const char *name, enum gw_log_level *ret)
{
        for (size_t i = 0; i < GW_COUNT(level_names); i++) {
                if (strcmp(name, level_names[i]) == 0) {
                        *ret = (enum gw_log_level)i;
                        return 0;
                }
        }
        return -1;
}

bool gw_log_enabled(enum gw_log_level level)
{
        return level >= target.level;
}

static void add_head(struct gw_buf *line, enum gw_log_level level, const char *event)
{
        char time[GW_TIME_TEXT], thread[16] = "";
        gw_time_format(gw_clock_wall_us(), time);
        pthread_getname_np(pthread_self(), thread, sizeof thread);
        gw_str_clean(thread);
        gw_buf_printf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"event\":", time,
                      level_names[level]);
        gw_buf_json_str(line, event);
        gw_buf_str(line, ",\"thread\":");
        gw_buf_json_str(line, thread);
}

/* The members of a packed object, without its braces. */
static void add_fields(struct gw_buf *line, json_t *fields)
{
        gw_autofree char *text = json_dumps(fields, JSON_COMPACT);
        size_t len = text ? strlen(text) : 0;
        if (len <= strlen("{}"))
                return;
        gw_buf_char(line, ',');
        gw_buf_add(line, text + 1, len - 2);
}

static void add_packed(struct gw_buf *line, const char *format, va_list ap)
{
        json_error_t why;
        json_auto_t *fields = json_vpack_ex(&why, 0, format, ap);
        if (fields) {
                add_fields(line, fields);
                return;
        }
        gw_buf_str(line, ",\"fields_error\":");
        gw_buf_json_str(line, why.text);
}

static void write_line(const char *line, size_t len)
{
        while (write(target.fd, line, len) < 0 && errno == EINTR)
                ;
}

/* For a line that is too long, or has no memory: needs none. */
static void write_cut(enum gw_log_level level, const char *event)
{
        char time[GW_TIME_TEXT], line[MAX_HEAD];
        gw_time_format(gw_clock_wall_us(), time);
        int len = snprintf(line, sizeof line,
                           "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%.*s\",\"cut\":true}\n",
                           time, level_names[level], MAX_HEAD / 2, event);
        write_line(line, (size_t)len);
}

void gw_log(enum gw_log_level level, const char *event, const char *fields, ...)
{
        if (!gw_log_enabled(level))
                return;

        int saved = errno;
        struct gw_buf line = GW_BUF_INIT(MAX_LINE);
        add_head(&line, level, event);
        if (fields) {
                va_list ap;
                va_start(ap, fields);
                add_packed(&line, fields, ap);
                va_end(ap);
        }
        gw_buf_str(&line, "}\n");
        if (gw_buf_ok(&line))
                write_line(line.data, line.len);
        else
                write_cut(level, event);
        gw_buf_done(&line);
        errno = saved;
}

void gw_log_error(const char *event, const struct gw_error *err)
{
        const char *code = gw_error_name(err->code);
        if (err->pointer[0])
                gw_log(GW_LOG_ERROR, event, "{s:s, s:s, s:s}", "code", code, "pointer",
                       err->pointer, "message", err->message);
        else
                gw_log(GW_LOG_ERROR, event, "{s:s, s:s}", "code", code, "message", err->message);
}
