/* Names of sbatch's options, as tables. Any thread. */
#include "backends/slurm/option_names.h"

#include <string.h>

#include "server/base/cleanup.h"
#include "server/base/str.h"

#define OWNED "is set by jobgate itself"
#define OWN OWNED ": "
#define ABOUT_SBATCH "is about sbatch itself, and not about the job"

/* clang-format off */
static const char *const known[] = {
        "account", "acctg-freq", "batch", "bb", "begin", "cluster-constraint", "constraint",
        "container", "container-id", "context", "contiguous", "core-spec",
        "cores-per-socket", "cpu-freq", "cpus-per-gpu", "cpus-per-task", "deadline",
        "delay-boot", "dependency", "distribution", "exclude", "exclusive", "extra",
        "extra-node-info", "gpu-bind", "gpu-freq", "gpus", "gpus-per-node",
        "gpus-per-socket", "gpus-per-task", "gres", "gres-flags", "hint",
        "kill-on-invalid-dep", "licenses", "mail-type", "mail-user", "mcs-label", "mem",
        "mem-bind", "mem-per-cpu", "mem-per-gpu", "mincpus", "network", "nice", "no-kill",
        "nodelist", "nodes", "ntasks", "ntasks-per-core", "ntasks-per-gpu",
        "ntasks-per-node", "ntasks-per-socket", "ntasks-per-tres", "oom-kill-step",
        "open-mode", "overcommit", "oversubscribe", "partition", "power", "prefer",
        "profile", "propagate", "qos", "reservation", "resv-ports", "segment", "signal",
        "sockets-per-node", "spread-job", "stepmgr", "switches", "tasks-per-node",
        "thread-spec", "threads-per-core", "time", "time-min", "tmp", "use-min-nodes",
        "wait-all-nodes", "wckey",
};
/* clang-format on */

/* What a spec says otherwise, or what is nobody's to say. */
static const struct {
        const char *name, *why; /* the words behind the name */
} others[] = {
        {"array", OWN "say array"},
        {"autocomplete", ABOUT_SBATCH},
        {"bbf", "is a file that sbatch reads: say what is in it with bb, or send a script"},
        {"chdir", OWN "say working_directory"},
        {"cluster", OWN "say backend"},
        {"clusters", OWN "say backend"},
        {"comment", OWNED},
        {"container-image", OWN "say image"},
        {"error", OWNED},
        {"export", OWN "say environment"},
        {"export-file", OWN "say environment"},
        {"get-user-env", OWN "say environment"},
        {"gid", OWNED},
        {"help", ABOUT_SBATCH},
        {"hold", OWN "say hold"},
        {"ignore-pbs", ABOUT_SBATCH},
        {"input", OWNED},
        {"job-name", OWN "say name"},
        {"no-requeue", OWN "say retry"},
        {"nodefile", "is a file that sbatch reads: say nodelist"},
        {"output", OWNED},
        {"parsable", ABOUT_SBATCH},
        {"priority", "is for administrators: say nice, or the field priority"},
        {"quiet", ABOUT_SBATCH},
        {"reboot", "is for administrators"},
        {"requeue", OWN "say retry"},
        {"test-only", ABOUT_SBATCH ": say dry_run"},
        {"tres-bind", "is not carried here: say gpu-bind"},
        {"tres-per-task", "is not carried here: say cpus-per-task and gpus-per-task"},
        {"uid", OWNED},
        {"usage", ABOUT_SBATCH},
        {"verbose", ABOUT_SBATCH},
        {"version", ABOUT_SBATCH},
        {"wait", ABOUT_SBATCH ": say wait in the request"},
        {"wrap", OWN "say command"},
};

static const char *name_at(const void *list, size_t i)
{
        (void)list;
        return i < GW_COUNT(known) ? known[i] : NULL;
}

int gw_slurm_option_check(const char *name, struct gw_error *err)
{
        for (size_t i = 0; i < GW_COUNT(known); i++)
                if (strcmp(known[i], name) == 0)
                        return 0;
        for (size_t i = 0; i < GW_COUNT(others); i++)
                if (strcmp(others[i].name, name) == 0)
                        return gw_fail(err, GW_ERR_UNPROCESSABLE, "%s", others[i].why);
        const char *near = gw_str_nearest(name, name_at, NULL);
        return gw_fail(err, GW_ERR_UNPROCESSABLE, "is no option that is known here%s%s%s",
                       near ? "; is it " : "", near ? near : "", near ? "?" : "");
}
