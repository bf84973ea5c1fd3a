/* libslurm's start, and the state of its connection. The agent's one thread. */
#include "backends/slurm/agent/cluster.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "backends/slurm/agent/fields.h"
#include "backends/slurm/agent/libslurm.h"
#include "server/base/str.h"

/* What is wrong between us and the controller has these numbers of libslurm, or none. */
#define TRANSPORT_FIRST SLURM_UNEXPECTED_MSG_ERROR
#define TRANSPORT_LAST SLURM_NO_CHANGE_IN_DATA
#define SOCKET_FIRST 5000 /* its name is not the same in all versions */

/* A line "include FILE": whether the file is there. Names without a folder are libslurm's to find.
 */
static int check_line(char *line, struct gw_error *err)
{
        char *rest = line;
        const char *word = strtok_r(rest, " \t\n", &rest);
        const char *file =
                word && strcasecmp(word, "include") == 0 ? strtok_r(rest, " \t\n", &rest) : NULL;
        if (file && *file == '/' && access(file, R_OK))
                return gw_fail(err, GW_ERR_IO, "cannot read %s, which SLURM_CONF includes: %s",
                               file, strerrordesc_np(errno));
        return 0;
}

/* libslurm itself looks for a missing file for a minute. */
static int check_files(const char *path, struct gw_error *err)
{
        FILE *f = path ? fopen(path, "re") : NULL;
        char *line = NULL;
        size_t size = 0;
        int rc = 0;
        if (!f)
                return gw_fail(err, GW_ERR_IO, "cannot read SLURM_CONF (%s): %s",
                               path ? path : "not set", strerrordesc_np(path ? errno : ENOENT));
        while (rc == 0 && getline(&line, &size, f) >= 0)
                rc = check_line(line, err);
        free(line);
        fclose(f);
        return rc;
}

int gw_agent_cluster_open(struct gw_agent_cluster *c, struct gw_error *err)
{
        const char *path = getenv("SLURM_CONF");
        if (check_files(path, err))
                return -1;
        slurm_init(path);
        c->controllers = slurm_conf_lock()->control_cnt;
        slurm_conf_unlock();
        c->doubtful = true;
        if (gw_agent_words_open(&c->words, err)) {
                slurm_fini();
                return -1;
        }
        return 0;
}

void gw_agent_cluster_close(struct gw_agent_cluster *c)
{
        gw_agent_words_close(&c->words);
        slurm_fini();
}

static bool keeps_accounts(const slurm_conf_t *conf)
{
        const char *type = conf->accounting_storage_type;
        return type && strstr(type, "slurmdbd");
}

json_t *gw_agent_cluster_hello(void)
{
        char version[32];
        snprintf(version, sizeof version, "%u.%02u.%u", SLURM_VERSION_MAJOR(SLURM_VERSION_NUMBER),
                 SLURM_VERSION_MINOR(SLURM_VERSION_NUMBER),
                 SLURM_VERSION_MICRO(SLURM_VERSION_NUMBER));
        const slurm_conf_t *conf = slurm_conf_lock();
        json_t *hello =
                json_pack("{s:s, s:o, s:b, s:I, s:I, s:I}", "hello", version, "cluster",
                          gw_agent_text(conf->cluster_name ? conf->cluster_name : ""), "accounting",
                          keeps_accounts(conf), "max_array_size", (json_int_t)conf->max_array_sz,
                          "min_job_age", (json_int_t)conf->min_job_age, "message_timeout",
                          (json_int_t)conf->msg_timeout);
        slurm_conf_unlock();
        return hello;
}

static int ping(const struct gw_agent_cluster *c)
{
        int error = SLURMCTLD_COMMUNICATIONS_CONNECTION_ERROR;
        for (uint32_t i = 0; i < c->controllers; i++) {
                errno = 0;
                if (slurm_ping((int)i) == 0)
                        return 0;
                error = errno ? errno : SLURM_ERROR;
        }
        return error;
}

int gw_agent_cluster_begin(struct gw_agent_cluster *c)
{
        gw_agent_words_begin(&c->words);
        return c->doubtful ? ping(c) : 0;
}

static bool is_transport(int error)
{
        return error < 0 || (error >= TRANSPORT_FIRST && error < TRANSPORT_LAST) ||
               error >= SOCKET_FIRST;
}

void gw_agent_cluster_end(struct gw_agent_cluster *c, int error, char out[GW_AGENT_WORDS])
{
        gw_agent_words_end(&c->words, out);
        c->doubtful = is_transport(error);
}
