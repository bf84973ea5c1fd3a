/*
 * jobgate-slurm-as-user: the gateway's hands that are not its own. A service of root's that does
 * three things as the users of jobs (as_user_request.h), for the gateway and nobody else:
 *
 *   jobgate-slurm-as-user --socket PATH --client USER --users FILE …       (--help)
 *
 * Nothing that was asked for is done as root: for each request there is a process, which becomes
 * the user for good before it looks at a path. Status 0: it was told to end; 1: with a line on
 * standard error.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backends/slurm/as_user/options.h"
#include "backends/slurm/as_user/server.h"
#include "server/base/cleanup.h"
#include "server/base/log.h"

/* Nothing that it was started with reaches the users' processes. */
static int clean_up(void)
{
        static char *none[1];
        gw_autoclose int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        environ = none;
        if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
                return -1;
        return chdir("/") || close_range(STDERR_FILENO + 1, ~0U, 0) ? -1 : 0;
}

static int serve(int argc, char **argv, struct gw_error *err)
{
        struct gw_as_user_options o;
        if (gw_as_user_options_read(argc, argv, &o, err))
                return -1;
        if (geteuid() != 0)
                return gw_fail(err, GW_ERR_FORBIDDEN, "must be started as root");
        if (clean_up())
                return gw_fail(err, GW_ERR_IO, "/dev/null cannot be opened");
        gw_log_init(GW_LOG_INFO, STDERR_FILENO);
        return gw_as_user_serve(&o, err);
}

int main(int argc, char **argv)
{
        struct gw_error err = {0};
        if (argc == 2 && strcmp(argv[1], "--help") == 0) {
                (void)fputs(gw_as_user_usage, stdout);
                return EXIT_SUCCESS;
        }
        if (serve(argc, argv, &err) == 0)
                return EXIT_SUCCESS;
        dprintf(STDERR_FILENO, "jobgate-slurm-as-user: %s\n", err.message);
        return EXIT_FAILURE;
}
