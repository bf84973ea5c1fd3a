/*
 * The shim's arguments: checked, although only the gateway gives them, because names of files
 * are made of them.
 */
#include "backends/local/shim/run.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "server/base/cleanup.h"
#include "server/base/id.h"
#include "server/base/str.h"

#define ARGUMENTS 9 /* without the values */

static int parse_mark(struct gw_shim_run *run, const char *mark)
{
        int64_t number;
        struct gw_id id;
        if (strlen(mark) <= GW_LOCAL_JOB_TEXT + 1 || mark[GW_LOCAL_JOB_TEXT] != '.')
                return -1;
        memcpy(run->job, mark, GW_LOCAL_JOB_TEXT);
        run->number = mark + GW_LOCAL_JOB_TEXT + 1;
        run->mark = mark;
        return gw_id_parse(run->job, &id) || gw_str_int64(run->number, 1, UINT32_MAX, &number) ? -1
                                                                                               : 0;
}

int gw_shim_run_init(struct gw_shim_run *run, int argc, char **argv)
{
        int64_t ordinal, index, gateway;
        *run = (struct gw_shim_run){.live_fd = -1, .job_fd = -1, .task_fd = -1};
        if (argc < ARGUMENTS || argv[1][0] != '/' || parse_mark(run, argv[2]) ||
            gw_str_int64(argv[3], 0, UINT32_MAX, &ordinal) ||
            gw_str_int64(argv[4], 0, INT64_MAX, &index) ||
            gw_str_int64(argv[5], 0, INT64_MAX, &run->started_us) ||
            gw_str_int64(argv[7], 0, INT64_MAX, &run->journal) ||
            gw_str_int64(argv[8], 1, INT32_MAX, &gateway) || strlen(argv[6]) >= GW_LOCAL_GPU_TEXT ||
            strspn(argv[6], "0123456789,-") != strlen(argv[6]))
                return -1;
        run->directory = argv[1];
        run->ordinal = (uint32_t)ordinal;
        run->index = argv[4];
        run->gpus = argv[6];
        run->gateway = (pid_t)gateway;
        run->values = argv + ARGUMENTS;

        char live[4096];
        if ((size_t)snprintf(live, sizeof live, "%s/" GW_LOCAL_LIVE, argv[1]) >= sizeof live)
                return -1;
        run->live_fd = open(live, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return run->live_fd < 0 ? -1 : 0;
}

int gw_shim_run_cancelled(const struct gw_shim_run *run)
{
        char name[GW_LOCAL_NAME];
        snprintf(name, sizeof name, "%.60s.cancel", run->mark);
        gw_autoclose int fd = openat(run->live_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        return fd >= 0 && gw_local_names_run(fd, run->ordinal);
}
