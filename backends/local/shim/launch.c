/*
 * The job's places are made with the shim's own rights, in folders only it can change, and
 * given to the job's user; the working directory is entered and the program run with the
 * job's. Output files are opened before the identity changes and belong to the job's user, so
 * that a job may open /dev/stderr anew.
 */
#include "backends/local/shim/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/local/shim/child.h"
#include "server/base/buf.h"
#include "server/base/cleanup.h"

static int fail(char raw[GW_LOCAL_RAW], const char *what)
{
        snprintf(raw, GW_LOCAL_RAW, "the local backend cannot %s: %s", what,
                 strerrordesc_np(errno));
        return -1;
}

static bool is_root(void)
{
        return geteuid() == 0;
}

/* <directory>/jobs/<job>: may be there from an earlier attempt. */
static int open_job_folder(struct gw_shim_run *run)
{
        char path[4096];
        int n = snprintf(path, sizeof path, "%s/" GW_LOCAL_JOBS "/%s", run->directory, run->job);
        if (n < 0 || (size_t)n >= sizeof path) {
                errno = ENAMETOOLONG;
                return -1;
        }
        if (mkdir(path, 0711) && errno != EEXIST)
                return -1;
        run->job_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        return run->job_fd;
}

static int open_file(const struct gw_launch *l, const char *suffix, mode_t mode)
{
        char name[GW_LOCAL_NAME];
        gw_local_run_name(name, l->run->number, l->run->ordinal, suffix);
        int fd = openat(l->run->job_fd, name,
                        O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, mode);
        if (fd >= 0 && is_root() && fchown(fd, l->task->uid, (gid_t)-1)) {
                close(fd);
                fd = -1;
        }
        return fd;
}

static int open_work_folder(const struct gw_launch *l)
{
        char name[GW_LOCAL_NAME];
        gw_local_run_name(name, l->run->number, l->run->ordinal, "work");
        if (mkdirat(l->run->job_fd, name, 0700) && errno != EEXIST)
                return -1;
        int fd = openat(l->run->job_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd >= 0 && is_root() && fchown(fd, l->task->uid, l->task->gid)) {
                close(fd);
                fd = -1;
        }
        return fd;
}

/* Writes a file of the run and returns its path, which is never freed; NULL with errno. */
static char *write_file(const struct gw_launch *l, const char *suffix, const char *text, size_t len)
{
        gw_autoclose int fd = open_file(l, suffix, 0700);
        if (fd < 0 || ftruncate(fd, 0))
                return NULL;
        for (size_t at = 0; at < len;) {
                ssize_t n = write(fd, text + at, len - at);
                if (n < 0)
                        return NULL;
                at += (size_t)n;
        }
        char *path;
        int n = asprintf(&path, "%s/" GW_LOCAL_JOBS "/%s/%s.%u.%s", l->run->directory, l->run->job,
                         l->run->number, l->run->ordinal, suffix);
        return n < 0 ? NULL : path;
}

/* The script becomes the only argument: its first line "#!" chooses the interpreter, without
 * one it is /bin/sh. */
static int make_script(struct gw_launch *l, struct gw_shim_task *task)
{
        task->args.items[0] = write_file(l, "script", task->script, strlen(task->script));
        task->args.count = 1;
        return task->args.items[0] ? 0 : -1;
}

static void add_quoted(struct gw_buf *text, const char *word)
{
        gw_buf_char(text, '\'');
        for (const char *quote; (quote = strchr(word, '\'')); word = quote + 1) {
                gw_buf_add(text, word, (size_t)(quote - word));
                gw_buf_str(text, "'\\''");
        }
        gw_buf_str(text, word);
        gw_buf_char(text, '\'');
}

/* Tries the lines one by one in the one shell. The number of each goes to the progress file
 * before it, "0" when all went well. */
static void add_prologue(struct gw_buf *text, const struct gw_shim_task *task)
{
        for (size_t i = 0; i < task->setup.count; i++) {
                gw_buf_printf(text, "echo %zu >&9\neval ", i + 1);
                add_quoted(text, task->setup.items[i]);
                gw_buf_str(text, " || exit\n");
        }
        gw_buf_str(text, "echo 0 >&9\nexec 9>&-\nexec");
        for (size_t i = 0; i < task->args.count; i++) {
                gw_buf_char(text, ' ');
                add_quoted(text, task->args.items[i]);
        }
        gw_buf_char(text, '\n');
}

static int make_prologue(struct gw_launch *l)
{
        static char sh[] = "/bin/sh";
        struct gw_buf text = GW_BUF_INIT((size_t)4 * GW_LOCAL_MAX_TASK);
        char **argv = calloc(3, sizeof *argv);
        add_prologue(&text, l->task);
        if (!argv || !gw_buf_ok(&text)) {
                errno = ENOMEM;
                return -1;
        }
        argv[0] = sh;
        argv[1] = write_file(l, "setup", text.data, text.len);
        gw_buf_done(&text);
        l->argv = argv;
        l->progress_fd = memfd_create("setup", MFD_CLOEXEC);
        return argv[1] && l->progress_fd >= 0 ? 0 : -1;
}

/* A variable is there once, whatever is said of it twice. */
static void set_variable(struct gw_shim_list *env, char *variable)
{
        size_t name = strcspn(variable, "=") + 1;
        size_t i = 0;
        while (i < env->count && strncmp(env->items[i], variable, name) != 0)
                i++;
        env->items[i] = variable;
        if (i == env->count)
                env->count++;
}

static int set_text(struct gw_shim_list *env, const char *name, const char *value)
{
        char *variable;
        if (asprintf(&variable, "%s=%s", name, value) < 0)
                return -1;
        set_variable(env, variable);
        return 0;
}

/* The variables of this run; the others came with the task. */
static int add_variables(const struct gw_shim_run *run, struct gw_shim_list *env)
{
        for (char **v = run->values; *v; v++)
                set_variable(env, *v);
        if (set_text(env, "JOBGATE_TASK_INDEX", run->index))
                return -1;
        if (strcmp(run->gpus, "-") == 0)
                return 0;
        return set_text(env, "CUDA_VISIBLE_DEVICES", run->gpus) ||
                               set_text(env, "JOBGATE_GPUS", run->gpus)
                       ? -1
                       : 0;
}

int gw_launch_prepare(struct gw_launch *l, struct gw_shim_run *run, struct gw_shim_task *task,
                      char raw[GW_LOCAL_RAW])
{
        *l = (struct gw_launch){.run = run, .task = task, .work_fd = -1, .progress_fd = -1};
        if (open_job_folder(run) < 0)
                return fail(raw, "make the job's folder");
        l->out_fd = open_file(l, "out", 0640);
        l->err_fd = open_file(l, "err", 0640);
        if (l->out_fd < 0 || l->err_fd < 0)
                return fail(raw, "open the job's output files");
        if (!task->directory && (l->work_fd = open_work_folder(l)) < 0)
                return fail(raw, "make the job's working directory");
        if (task->script && make_script(l, task))
                return fail(raw, "write the job's script");
        if (add_variables(run, &task->environment))
                return fail(raw, "make the job's environment");
        l->argv = task->args.items;
        if (task->setup.count > 0 && make_prologue(l))
                return fail(raw, "write the job's setup lines");
        l->report = mmap(NULL, sizeof *l->report, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        return l->report == MAP_FAILED ? fail(raw, "start the job") : 0;
}

/* The shim stands still until the child has become the job or given up: nothing is copied for it,
 * and what it reports is in place when this returns. */
pid_t gw_launch_start(struct gw_launch *l)
{
        pid_t shim = getpid();
        pid_t pid = vfork();
        if (pid == 0)
                gw_child_run(l, shim);
        return pid;
}

/* The number of the setup line that was begun last; 0 when all were done. */
static size_t failed_line(const struct gw_launch *l)
{
        char text[4096];
        struct stat st;
        if (l->progress_fd < 0 || fstat(l->progress_fd, &st))
                return 0;
        off_t from = st.st_size > (off_t)sizeof text - 1 ? st.st_size - (off_t)sizeof text + 1 : 0;
        ssize_t n = pread(l->progress_fd, text, sizeof text - 1, from);
        if (n < 2)
                return 0;
        text[n - 1] = '\0';
        const char *last = strrchr(text, '\n');
        return strtoul(last ? last + 1 : text, NULL, 10);
}

static void explain_exec(const struct gw_launch *l, int error, char raw[GW_LOCAL_RAW])
{
        const struct gw_shim_task *task = l->task;
        if (!task->script)
                snprintf(raw, GW_LOCAL_RAW, "cannot run '%.256s': %s", l->argv[0],
                         strerrordesc_np(error));
        else if (error == ENOENT)
                snprintf(raw, GW_LOCAL_RAW,
                         "cannot run the script: the program its first line names does not exist%s",
                         task->script[strcspn(task->script, "\r\n")] == '\r'
                                 ? " (that line ends in a carriage return)"
                                 : "");
        else
                snprintf(raw, GW_LOCAL_RAW, "cannot run the script: %s", strerrordesc_np(error));
}

void gw_launch_explain(const struct gw_launch *l, struct gw_shim_outcome *outcome)
{
        size_t line = failed_line(l);
        int error = l->report->error;
        switch (l->report->step) {
        case LAUNCH_IDENTITY:
                outcome->reason = "launch_failed";
                snprintf(outcome->raw, sizeof outcome->raw, "cannot become the job's user: %s",
                         strerrordesc_np(error));
                break;
        case LAUNCH_DIRECTORY:
                snprintf(outcome->raw, sizeof outcome->raw,
                         "cannot enter the working directory '%.256s': %s",
                         l->task->directory ? l->task->directory : "", strerrordesc_np(error));
                break;
        case LAUNCH_EXEC:
                explain_exec(l, error, outcome->raw);
                break;
        case LAUNCH_OK:
                if (line > 0 && line <= l->task->setup.count)
                        snprintf(outcome->raw, sizeof outcome->raw, "setup line %zu failed: %.256s",
                                 line, l->task->setup.items[line - 1]);
                break;
        }
}
