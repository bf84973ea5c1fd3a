/* The command line. At start only. */
#include "backends/slurm/as_user/options.h"

#include <getopt.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "backends/slurm/as_user/identity.h"
#include "server/base/str.h"

#define DEFAULT_SBATCH "/usr/bin/sbatch"
#define DEFAULT_CONF "/etc/slurm/slurm.conf"
#define DEFAULT_MIN_UID 1000

const char gw_as_user_usage[] =
        "usage: jobgate-slurm-as-user --socket PATH --client USER (--users FILE | --group GROUP)\n"
        "                             [--min-uid N] [--sbatch PATH] [--conf PATH]\n"
        "\n"
        "Does three things for a jobgate gateway as the users of its jobs: it makes a folder, opens\n"
        "an output file for reading, and runs sbatch. To be started as root; it stays in the\n"
        "foreground and ends on SIGTERM.\n"
        "\n"
        "  --socket PATH   where the gateway connects to (its setting as_user)\n"
        "  --client USER   whom the gateway runs as: nobody else may connect\n"
        "  --users FILE    the users that it may be asked to be, a name a line; a file of root's\n"
        "  --group GROUP   or the members of this group\n"
        "  --min-uid N     and never one with a lower user or group id (default 1000)\n"
        "  --sbatch PATH   the site's sbatch (default " DEFAULT_SBATCH ")\n"
        "  --conf PATH     the slurm.conf that it finds (default " DEFAULT_CONF ")\n";

static int read_client(const char *text, struct gw_as_user_options *o, struct gw_error *err)
{
        struct gw_account account;
        if (gw_account_find(text, &account, err))
                return gw_fail_within(err, "--client");
        o->client = account.uid;
        gw_account_done(&account);
        return 0;
}

static int read_min_uid(const char *text, struct gw_as_user_options *o, struct gw_error *err)
{
        int64_t n;
        if (gw_str_int64(text, 1, INT32_MAX, &n))
                return gw_fail(err, GW_ERR_INVALID, "--min-uid: must be from 1 to %d", INT32_MAX);
        o->min_uid = (id_t)n;
        return 0;
}

static int read_path(const char *text, const char **ret, struct gw_error *err)
{
        if (text[0] != '/')
                return gw_fail(err, GW_ERR_INVALID, "%s: is no absolute path", text);
        *ret = text;
        return 0;
}

enum { SOCKET, CLIENT, USERS, GROUP, MIN_UID, SBATCH, CONF };

static const struct option table[] = {
        {"socket", required_argument, NULL, SOCKET},   {"client", required_argument, NULL, CLIENT},
        {"users", required_argument, NULL, USERS},     {"group", required_argument, NULL, GROUP},
        {"min-uid", required_argument, NULL, MIN_UID}, {"sbatch", required_argument, NULL, SBATCH},
        {"conf", required_argument, NULL, CONF},       {0},
};

static int read_one(int option, const char *text, struct gw_as_user_options *o,
                    struct gw_error *err)
{
        switch (option) {
        case SOCKET:
                return read_path(text, &o->socket, err);
        case CLIENT:
                return read_client(text, o, err);
        case USERS:
                return read_path(text, &o->users, err);
        case GROUP:
                o->group = text;
                return 0;
        case MIN_UID:
                return read_min_uid(text, o, err);
        case SBATCH:
                return read_path(text, &o->sbatch, err);
        case CONF:
                return read_path(text, &o->conf, err);
        default:
                return gw_fail(err, GW_ERR_INVALID, "unknown option, or one without its value");
        }
}

static int check(const struct gw_as_user_options *o, struct gw_error *err)
{
        gid_t gid;
        if (!o->socket || o->client == 0)
                return gw_fail(err, GW_ERR_INVALID, "--socket and --client are needed");
        if (!o->users == !o->group)
                return gw_fail(err, GW_ERR_INVALID, "either --users or --group is needed");
        if (o->group && gw_as_user_group(o->group, &gid))
                return gw_fail(err, GW_ERR_INVALID, "--group: no such group");
        if (access(o->sbatch, X_OK))
                return gw_fail(err, GW_ERR_INVALID, "--sbatch: %s cannot be run", o->sbatch);
        if (access(o->conf, R_OK))
                return gw_fail(err, GW_ERR_INVALID, "--conf: %s cannot be read", o->conf);
        return 0;
}

int gw_as_user_options_read(int argc, char **argv, struct gw_as_user_options *ret,
                            struct gw_error *err)
{
        struct gw_as_user_options o = {
                .sbatch = DEFAULT_SBATCH, .conf = DEFAULT_CONF, .min_uid = DEFAULT_MIN_UID};
        int option;
        opterr = 0;
        while ((option = getopt_long(argc, argv, "", table, NULL)) != -1)
                if (read_one(option, optarg, &o, err))
                        return -1;
        if (optind < argc)
                return gw_fail(err, GW_ERR_INVALID, "%s: unknown argument", argv[optind]);
        if (check(&o, err))
                return -1;
        *ret = o;
        return 0;
}
