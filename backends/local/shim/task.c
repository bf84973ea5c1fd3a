/* Opening and reading a task. */
#include "backends/local/shim/task.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/cleanup.h"
#include "server/base/str.h"

#define ADDED_VARIABLES 4 /* of the run, not of the task: launch.c; besides a matrix' values */

enum field_type { FIELD_NUMBER, FIELD_UID, FIELD_GID, FIELD_TEXT, FIELD_LIST };

static const struct field {
        const char *key;
        enum field_type type;
        size_t offset;
} fields[] = {
        {"limit", FIELD_NUMBER, offsetof(struct gw_shim_task, limit_s)},
        {"journal", FIELD_NUMBER, offsetof(struct gw_shim_task, journal)},
        {"memory", FIELD_NUMBER, offsetof(struct gw_shim_task, memory)},
        {"grace", FIELD_NUMBER, offsetof(struct gw_shim_task, grace_s)},
        {"uid", FIELD_UID, offsetof(struct gw_shim_task, uid)},
        {"gid", FIELD_GID, offsetof(struct gw_shim_task, gid)},
        {"directory", FIELD_TEXT, offsetof(struct gw_shim_task, directory)},
        {"script", FIELD_TEXT, offsetof(struct gw_shim_task, script)},
        {"arg", FIELD_LIST, offsetof(struct gw_shim_task, args)},
        {"setup", FIELD_LIST, offsetof(struct gw_shim_task, setup)},
        {"env", FIELD_LIST, offsetof(struct gw_shim_task, environment)},
};

static int parse_id(const char *s, unsigned *ret)
{
        int64_t v;
        if (gw_str_int64(s, 0, UINT32_MAX - 1, &v))
                return -1;
        *ret = (unsigned)v;
        return 0;
}

static int set_field(const struct field *f, struct gw_shim_task *task, char *value)
{
        void *place = (char *)task + f->offset;
        struct gw_shim_list *list = place;
        switch (f->type) {
        case FIELD_NUMBER:
                return gw_local_read_number(value, place);
        case FIELD_UID:
        case FIELD_GID:
                return parse_id(value, place);
        case FIELD_TEXT:
                *(char **)place = value;
                return 0;
        case FIELD_LIST:
                list->items[list->count++] = value;
                return 0;
        }
        return -1;
}

static int take_field(struct gw_shim_task *task, const char *key, char *value)
{
        if (strcmp(key, "group") == 0)
                return parse_id(value, &task->groups[task->group_count++]);
        for (size_t i = 0; i < GW_COUNT(fields); i++)
                if (strcmp(fields[i].key, key) == 0)
                        return set_field(&fields[i], task, value);
        return 0; /* the gateway's own */
}

/* How long the task is, from its place in the file. */
static int read_length(int fd, size_t *ret)
{
        char text[GW_LOCAL_JOURNAL_LENGTH + 1], *value;
        int64_t v;
        ssize_t n = pread(fd, text, GW_LOCAL_JOURNAL_LENGTH, GW_LOCAL_JOURNAL_AT);
        if (n != GW_LOCAL_JOURNAL_LENGTH)
                return -1;
        text[n] = '\0';
        value = strchr(text, '=');
        if (!value || gw_local_read_number(value + 1, &v) || v > GW_LOCAL_MAX_TASK)
                return -1;
        *ret = (size_t)v;
        return 0;
}

static int read_text(int fd, struct gw_shim_task *task)
{
        size_t size;
        if (read_length(fd, &size) || !(task->text = malloc(size + 1)))
                return -1;
        while (task->text_len < size) {
                ssize_t n = pread(fd, task->text + task->text_len, size - task->text_len,
                                  (off_t)task->text_len);
                if (n <= 0)
                        return -1;
                task->text_len += (size_t)n;
        }
        return 0;
}

/* Every list gets room for as many items as there are fields. */
static int make_room(const struct gw_shim_run *run, struct gw_shim_task *task)
{
        size_t count = 1 + ADDED_VARIABLES;
        for (char **v = run->values; *v; v++)
                count++;
        for (size_t i = 0; i < task->text_len; i++)
                count += task->text[i] == '\0';
        task->args.items = calloc(count, sizeof(char *));
        task->setup.items = calloc(count, sizeof(char *));
        task->environment.items = calloc(count, sizeof(char *));
        task->groups = calloc(count, sizeof(gid_t));
        return task->args.items && task->setup.items && task->environment.items && task->groups
                       ? 0
                       : -1;
}

/* Returns 0 when the text is a whole task. */
static int parse_text(struct gw_shim_task *task)
{
        char *p = task->text, *key, *value;
        while (gw_local_next_field(&p, task->text + task->text_len, '\0', &key, &value)) {
                if (take_field(task, key, value))
                        return -1;
                if (strcmp(key, "end") == 0) {
                        bool whole = p - task->text == task->journal;
                        return whole && (task->script || task->args.count > 0) ? 0 : -1;
                }
        }
        return -1;
}

int gw_shim_task_read(const struct gw_shim_run *run, struct gw_shim_task *task)
{
        *task = (struct gw_shim_task){0};
        return read_text(run->task_fd, task) || make_room(run, task) || parse_text(task) ? -1 : 0;
}

/* Whether the descriptor given by the gateway is the task of this run. */
static bool is_inherited(const struct gw_shim_run *run, const char *name)
{
        struct stat given, named;
        return fstat(GW_LOCAL_TASK_FD, &given) == 0 && S_ISREG(given.st_mode) &&
               fstatat(run->live_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
               given.st_dev == named.st_dev && given.st_ino == named.st_ino;
}

int gw_shim_task_open(struct gw_shim_run *run)
{
        char name[GW_LOCAL_NAME];
        snprintf(name, sizeof name, "%.60s.task", run->mark);
        if (is_inherited(run, name)) {
                run->task_fd = GW_LOCAL_TASK_FD;
                fcntl(run->task_fd, F_SETFD, FD_CLOEXEC);
        } else {
                run->task_fd =
                        openat(run->live_fd, name, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
        }
        if (run->task_fd < 0)
                return -1;
        struct flock lock = gw_local_run_lock(F_WRLCK, run->ordinal, run->ordinal);
        if (fcntl(run->task_fd, F_OFD_SETLK, &lock) == 0)
                return 0;
        return errno == EAGAIN || errno == EACCES ? 1 : -1;
}
