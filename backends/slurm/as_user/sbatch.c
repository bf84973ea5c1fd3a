/*
 * The verb sbatch: a child with nothing but its three standard streams, a file of variables where
 * that is needed, and an environment that was looked through. The script and the variables are in
 * memory files, so that nobody has to feed them.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/slurm/as_user/environment.h"
#include "backends/slurm/as_user/verbs.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/str.h"

#define VARIABLES_FD 3
#define VARIABLES_OPTION "--export-file=3"
#define UMASK 022 /* of a login; sbatch hands it on to the job */
#define LOOK_US (GW_SECOND / 5)

/* What sbatch says when slurmctld did not take the job, once; then it sleeps for RETRY_US before it
 * asks again. */
#define RETRY_US GW_SECOND
static const char *const retries[] = {
        "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n",
        "sbatch: error: Slurm job queue full, sleeping and retrying\n",
        "sbatch: Job creation temporarily disabled, retrying\n",
};

struct run {
        const char *program;
        char **arguments;
        struct gw_as_user_environment environment;
        int script, variables; /* of sbatch's descriptors; -1: none */
        int outputs[2][2];     /* pipes of its standard output and standard error */
        int failure[2];        /* a pipe for why it could not be started */
        pid_t pid;
        int pidfd;
        struct gw_buf words[2];
        int64_t silent_us; /* monotonic: it had not said by then that it will ask again */
};

/* ---- before ---------------------------------------------------------------------------------- */

static int memory_file(const char *data, size_t len)
{
        gw_autoclose int fd = memfd_create("jobgate", MFD_CLOEXEC);
        for (size_t at = 0; fd >= 0 && at < len;) {
                ssize_t n = write(fd, data + at, len - at);
                if (n < 0)
                        return -1;
                at += (size_t)n;
        }
        return fd < 0 || lseek(fd, 0, SEEK_SET) < 0 ? -1 : GW_TAKE_FD(fd);
}

/* The option for the file comes last: a script, or whoever asked, has no say about it. */
static char **arguments_of(const struct gw_as_user_request *r, bool variables)
{
        size_t i, count = 0;
        const json_t *item;
        char **list = calloc(json_array_size(r->arguments) + 3, sizeof *list);
        if (!list)
                return NULL;
        list[count++] = (char *)"sbatch";
        json_array_foreach(r->arguments, i, item) list[count++] = (char *)json_string_value(item);
        if (variables)
                list[count++] = (char *)VARIABLES_OPTION;
        return list;
}

static void close_pair(int pair[2])
{
        for (int i = 0; i < 2; i++)
                if (pair[i] >= 0)
                        close(GW_TAKE_FD(pair[i]));
}

static void run_done(struct run *run)
{
        free(run->arguments);
        gw_as_user_environment_done(&run->environment);
        for (int i = 0; i < 2; i++) {
                close_pair(run->outputs[i]);
                gw_buf_done(&run->words[i]);
        }
        close_pair(run->failure);
        int *rest[] = {&run->script, &run->variables, &run->pidfd};
        for (size_t i = 0; i < GW_COUNT(rest); i++)
                if (*rest[i] >= 0)
                        close(GW_TAKE_FD(*rest[i]));
}

static int run_init(struct run *run, const struct gw_as_user_options *o,
                    const struct gw_as_user_request *r)
{
        *run = (struct run){
                .program = o->sbatch,
                .script = -1,
                .variables = -1,
                .pidfd = -1,
                .outputs = {{-1, -1}, {-1, -1}},
                .failure = {-1, -1},
                .words = {GW_BUF_INIT(GW_AS_USER_WORDS), GW_BUF_INIT(GW_AS_USER_WORDS)}};
        if (gw_as_user_environment_init(&run->environment, r->environment, o->conf))
                return -1;
        const struct gw_buf *file = &run->environment.file;
        run->arguments = arguments_of(r, file->len > 0);
        run->script = memory_file(r->script, strlen(r->script));
        if (file->len > 0 && (run->variables = memory_file(file->data, file->len)) < 0)
                return -1;
        return !run->arguments || run->script < 0 || pipe2(run->outputs[0], O_CLOEXEC) ||
                               pipe2(run->outputs[1], O_CLOEXEC) || pipe2(run->failure, O_CLOEXEC)
                       ? -1
                       : 0;
}

/* ---- sbatch's process ------------------------------------------------------------------------ */

static void lower(unsigned resource, rlim_t most)
{
        struct rlimit limit;
        if (getrlimit(resource, &limit) == 0) {
                if (limit.rlim_cur > most)
                        limit.rlim_cur = most;
                (void)setrlimit(resource, &limit);
        }
}

/* The soft limits that a login has: sbatch hands them on to the job. */
static void set_limits(void)
{
        lower(RLIMIT_CORE, 0);
        lower(RLIMIT_NOFILE, 1024);
        lower(RLIMIT_STACK, 8 * 1024 * 1024);
        umask(UMASK);
}

/* Above what is overwritten. */
static int raise_fd(int fd)
{
        return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, VARIABLES_FD + 2);
}

static int arrange_descriptors(const struct run *run, int *ret_failure)
{
        int from[] = {raise_fd(run->script), raise_fd(run->outputs[0][1]),
                      raise_fd(run->outputs[1][1]), raise_fd(run->variables)};
        int failure = raise_fd(run->failure[1]);
        for (int i = 0; i < (int)GW_COUNT(from); i++)
                if (from[i] >= 0 ? dup2(from[i], i) < 0 : i != VARIABLES_FD)
                        return -1;
        if (failure < 0 || dup3(failure, VARIABLES_FD + 1, O_CLOEXEC) < 0)
                return -1;
        *ret_failure = VARIABLES_FD + 1;
        if (run->variables < 0)
                close(VARIABLES_FD);
        return close_range(VARIABLES_FD + 2, ~0U, 0);
}

static _Noreturn void become_sbatch(const struct run *run, pid_t parent)
{
        int failure = run->failure[1];
        set_limits();
        if (setsid() >= 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent &&
            arrange_descriptors(run, &failure) == 0)
                execve(run->program, run->arguments, run->environment.own);
        int error = errno;
        (void)!write(failure, &error, sizeof error);
        _exit(1);
}

/* Returns 0, also where it runs and cannot be watched (pidfd -1); or the error's number: then it
 * was not run. */
static int start(struct run *run)
{
        int error = 0;
        pid_t parent = getpid();
        run->silent_us = gw_clock_mono_us();
        run->pid = fork();
        if (run->pid < 0)
                return errno;
        if (run->pid == 0)
                become_sbatch(run, parent);
        close(GW_TAKE_FD(run->failure[1]));
        for (int i = 0; i < 2; i++)
                close(GW_TAKE_FD(run->outputs[i][1]));
        ssize_t n = read(run->failure[0], &error, sizeof error);
        run->pidfd = pidfd_open(run->pid, 0);
        if (n == 0)
                return 0;
        kill(run->pid, SIGKILL);
        waitpid(run->pid, NULL, 0);
        return error;
}

/* ---- while it runs --------------------------------------------------------------------------- */

/* What does not fit is read and dropped. */
static void read_words(struct run *run, int i)
{
        char piece[4096];
        ssize_t n;
        while (run->outputs[i][0] >= 0 &&
               (n = read(run->outputs[i][0], piece, sizeof piece)) != -1) {
                if (n == 0) {
                        close(GW_TAKE_FD(run->outputs[i][0]));
                        break;
                }
                size_t room = run->words[i].max - run->words[i].len;
                gw_buf_add(&run->words[i], piece, (size_t)n < room ? (size_t)n : room);
        }
}

/* Whether it will ask again. */
static bool retries_now(const struct run *run)
{
        const struct gw_buf *errors = &run->words[1];
        for (size_t i = 0; errors->len > 0 && i < GW_COUNT(retries); i++) {
                const char *at = strstr(errors->data, retries[i]);
                if (at && (at == errors->data || at[-1] == '\n'))
                        return true;
        }
        return false;
}

/* False: it will ask again. */
static bool look(struct run *run)
{
        int64_t now_us = gw_clock_mono_us();
        read_words(run, 0);
        read_words(run, 1);
        if (retries_now(run))
                return false;
        run->silent_us = now_us;
        return true;
}

/* Until it has ended; false: its time is over, nobody waits for it any more, or it will ask again,
 * which nobody could know the end of. */
static bool await(struct run *run, int64_t deadline_us, int connection)
{
        for (int i = 0; i < 2; i++)
                (void)fcntl(run->outputs[i][0], F_SETFL, O_NONBLOCK);
        while (run->pidfd >= 0) {
                int64_t left_us = deadline_us - gw_clock_mono_us();
                struct pollfd polls[] = {{.fd = run->pidfd, .events = POLLIN},
                                         {.fd = run->outputs[0][0], .events = POLLIN},
                                         {.fd = run->outputs[1][0], .events = POLLIN},
                                         {.fd = connection, .events = POLLRDHUP}};
                if (left_us <= 0)
                        return false;
                (void)poll(polls, GW_COUNT(polls),
                           (int)((left_us < LOOK_US ? left_us : LOOK_US) / 1000) + 1);
                bool goes_on = look(run);
                if (polls[0].revents)
                        return true;
                if (!goes_on || polls[3].revents)
                        return false;
        }
        return false;
}

static json_t *words_of(struct gw_buf *words)
{
        for (size_t i = 0; i < words->len; i++)
                if (words->data[i] == '\0')
                        words->data[i] = '?';
        if (words->len > 0)
                gw_str_clean(words->data);
        return json_string(words->len > 0 ? words->data : "");
}

static enum gw_as_user_outcome end(struct run *run, bool ended, struct gw_as_user_result *ret,
                                   struct gw_error *err)
{
        int status = 0;
        /* Before it is buried, while its process group can be nobody else's. */
        kill(-run->pid, SIGKILL);
        while (waitpid(run->pid, &status, 0) < 0 && errno == EINTR)
                ;
        int64_t dead_us = gw_clock_mono_us();
        read_words(run, 0);
        read_words(run, 1);
        ret->more = json_pack("{s:o, s:o}", "stdout", words_of(&run->words[0]), "stderr",
                              words_of(&run->words[1]));
        if (ended) {
                if (ret->more)
                        json_object_set_new(ret->more, "status", json_integer(status));
                return GW_AS_USER_DONE;
        }
        if (retries_now(run) && dead_us - run->silent_us < RETRY_US) {
                gw_fail(err, GW_ERR_UNAVAILABLE, "slurmctld takes no more jobs now");
                return GW_AS_USER_FULL;
        }
        gw_fail(err, GW_ERR_UNAVAILABLE, "sbatch did not end in time");
        return GW_AS_USER_LATE;
}

/* ---- the verb -------------------------------------------------------------------------------- */

static enum gw_as_user_outcome enter(const char *path, struct gw_error *err)
{
        if (chdir(path) == 0)
                return GW_AS_USER_DONE;
        int error = errno;
        gw_fail(err, GW_ERR_IO, "%s: %s", path, strerrordesc_np(error));
        return error == EACCES ? GW_AS_USER_FORBIDDEN : GW_AS_USER_UNSEEN;
}

enum gw_as_user_outcome gw_as_user_sbatch(const struct gw_as_user_options *o,
                                          const struct gw_as_user_request *r, int connection,
                                          struct gw_as_user_result *ret, struct gw_error *err)
{
        struct run run;
        enum gw_as_user_outcome outcome = enter(r->path, err);
        if (outcome != GW_AS_USER_DONE)
                return outcome;
        int error = run_init(&run, o, r) ? ENOMEM : start(&run);
        if (error) {
                gw_fail(err, GW_ERR_IO, "sbatch cannot be run: %s", strerrordesc_np(error));
                outcome = error == ENOMEM || error == EAGAIN ? GW_AS_USER_BUSY : GW_AS_USER_FAILED;
        } else {
                outcome = end(&run, await(&run, r->deadline_us, connection), ret, err);
        }
        run_done(&run);
        return outcome;
}
