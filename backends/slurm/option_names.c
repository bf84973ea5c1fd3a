/* Names of sbatch's options, as tables. Any thread. */
#include "backends/slurm/option_names.h"

#include <string.h>

#include "server/base/cleanup.h"
#include "server/base/str.h"

/* clang-format off */
static const char *const known[] = {
        "account", "acctg-freq", "batch", "bb", "begin", "cluster-constraint", "constraint",
        "container", "contiguous", "core-spec", "cores-per-socket", "cpus-per-gpu", "cpus-per-task",
        "deadline", "dependency", "distribution", "exclude", "exclusive", "gpus", "gpus-per-node",
        "gpus-per-socket", "gpus-per-task", "gres", "gres-flags", "kill-on-invalid-dep", "licenses",
        "mail-type", "mail-user", "mcs-label", "mem", "mem-per-cpu", "mem-per-gpu", "mincpus",
        "network", "nice", "no-kill", "nodelist", "nodes", "ntasks", "ntasks-per-core",
        "ntasks-per-node", "ntasks-per-socket", "open-mode", "overcommit", "oversubscribe",
        "partition", "prefer", "qos", "reservation", "signal", "sockets-per-node", "spread-job",
        "switches", "thread-spec", "threads-per-core", "time", "time-min", "tmp", "use-min-nodes",
        "wait-all-nodes", "wckey",
};
/* clang-format on */

static const struct {
        const char *name;
        const char *field; /* of the spec that says it; NULL: none does */
} owned[] = {
        {"array", "array"},
        {"chdir", "working_directory"},
        {"clusters", "backend"},
        {"comment", NULL},
        {"container-image", "image"},
        {"error", NULL},
        {"export", "environment"},
        {"export-file", "environment"},
        {"get-user-env", "environment"},
        {"gid", NULL},
        {"hold", "hold"},
        {"input", NULL},
        {"job-name", "name"},
        {"no-requeue", "retry"},
        {"output", NULL},
        {"requeue", "retry"},
        {"test-only", NULL},
        {"uid", NULL},
        {"wrap", "command"},
};

static const char *name_at(const void *list, size_t i)
{
        (void)list;
        return i < GW_COUNT(known) ? known[i] : NULL;
}

static int fail_owned(const char *field, struct gw_error *err)
{
        if (field)
                return gw_fail(err, GW_ERR_UNPROCESSABLE, "is set by jobgate itself: say %s",
                               field);
        return gw_fail(err, GW_ERR_UNPROCESSABLE, "is set by jobgate itself");
}

int gw_slurm_option_check(const char *name, struct gw_error *err)
{
        for (size_t i = 0; i < GW_COUNT(known); i++)
                if (strcmp(known[i], name) == 0)
                        return 0;
        for (size_t i = 0; i < GW_COUNT(owned); i++)
                if (strcmp(owned[i].name, name) == 0)
                        return fail_owned(owned[i].field, err);
        const char *near = gw_str_nearest(name, name_at, NULL);
        return gw_fail(err, GW_ERR_UNPROCESSABLE, "is no option that is known here%s%s%s",
                       near ? "; is it " : "", near ? near : "", near ? "?" : "");
}
