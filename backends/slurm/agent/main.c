/*
 * jobgate-slurm-agent: the gateway's hands in one Slurm cluster, and the only program that is
 * linked to libslurm.
 *
 *   jobgate-slurm-agent watch|work        (protocol.h has the roles and what is said on descriptor
 * 3)
 *
 * One process, one thread. It needs SLURM_CONF, and for `work` as an unprivileged user SLURM_JWT,
 * which libslurm reads once: a process is one identity for ever. A call that hangs is ended from
 * outside. Status 0: the other end was closed; 1: it could not go on, with a line on standard
 * error.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "backends/slurm/agent/channel.h"
#include "backends/slurm/agent/cluster.h"
#include "backends/slurm/agent/role.h"
#include "backends/slurm/protocol.h"
#include "server/base/cleanup.h"
#include "server/base/error.h"

static const struct role {
        const char *name;
        int (*run)(struct gw_agent_cluster *cluster, struct gw_agent_channel *channel,
                   struct gw_error *err);
} roles[] = {
        {"watch", gw_agent_watch},
        {"work", gw_agent_work},
};

static const struct role *find_role(const char *name)
{
        for (size_t i = 0; i < GW_COUNT(roles); i++)
                if (strcmp(roles[i].name, name) == 0)
                        return &roles[i];
        return NULL;
}

/* The variable of the environment whole, "NAME=value", or NULL. */
static char *variable(const char *name)
{
        size_t len = strlen(name);
        for (char **at = environ; *at; at++)
                if (strncmp(*at, name, len) == 0 && (*at)[len] == '=')
                        return *at;
        return NULL;
}

/* libslurm is steered by many variables, and passes some on. These are what it may see: the
 * cluster, the identity, the time zone of times without one, and that no list of tasks be cut. */
static void clean_environment(void)
{
        static char *clean[5] = {"SLURM_BITSTR_LEN=0"};
        static const char *const kept[] = {"SLURM_CONF", "SLURM_JWT", "TZ"};
        size_t n = 1;
        for (size_t i = 0; i < GW_COUNT(kept); i++)
                if (variable(kept[i]))
                        clean[n++] = variable(kept[i]);
        environ = clean;
}

/* Keeps standard error and the channel alone. */
static int clean_descriptors(void)
{
        gw_autoclose int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
                return -1;
        return close_range(GW_SLURM_AGENT_FD + 1, ~0U, 0);
}

static int serve(const struct role *role, struct gw_error *err)
{
        struct gw_agent_channel channel;
        struct gw_agent_cluster cluster;
        if (gw_agent_channel_init(&channel, GW_SLURM_AGENT_FD, err))
                return -1;
        int rc = gw_agent_cluster_open(&cluster, err);
        if (rc == 0) {
                rc = gw_agent_send(&channel, gw_agent_cluster_hello(), err);
                if (rc == 0)
                        rc = role->run(&cluster, &channel, err);
                gw_agent_cluster_close(&cluster);
        }
        gw_agent_channel_done(&channel);
        return rc;
}

/* libslurm writes to servers that may just have died. */
static void ignore_broken_pipes(void)
{
        const struct sigaction ignore = {.sa_handler = SIG_IGN};
        sigaction(SIGPIPE, &ignore, NULL);
}

int main(int argc, char **argv)
{
        const struct role *role = argc == 2 ? find_role(argv[1]) : NULL;
        struct gw_error err = {0};
        if (!role) {
                dprintf(STDERR_FILENO, "usage: jobgate-slurm-agent watch|work\n");
                return EXIT_FAILURE;
        }
        /* The token is in this process's memory and environment: no other process of the same user
         * may read them, and no core file. */
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        ignore_broken_pipes();
        clean_environment();
        if (clean_descriptors()) {
                dprintf(STDERR_FILENO, "jobgate-slurm-agent: cannot open /dev/null\n");
                return EXIT_FAILURE;
        }
        serve(role, &err);
        if (err.code == GW_ERR_GONE)
                return EXIT_SUCCESS;
        dprintf(STDERR_FILENO, "jobgate-slurm-agent: %s%s%s\n", err.pointer,
                *err.pointer ? ": " : "", err.message);
        return EXIT_FAILURE;
}
