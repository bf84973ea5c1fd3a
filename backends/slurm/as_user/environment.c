/* Which variables sbatch may see. */
#include "backends/slurm/as_user/environment.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/cleanup.h"

/* Slurm's own; and what the C library leaves out for programs that have more rights than their
 * callers (ld.so(8), "secure-execution mode"), with MUNGE's and what finds programs for a shell. */
static const char *const begin[] = {"SLURM",   "SBATCH_", "SPANK_", "LD_",
                                    "MALLOC_", "MUNGE",   "LUA_"};
static const char *const whole[] = {
        "GCONV_PATH",   "GETCONF_DIR",     "GLIBC_TUNABLES", "HOSTALIASES", "LOCALDOMAIN",
        "LOCPATH",      "NIS_PATH",        "NLSPATH",        "PATH_LOCALE", "RESOLV_HOST_CONF",
        "RES_OPTIONS",  "TMPDIR",          "TZDIR",          "BASH_ENV",    "ENV",
        "OPENSSL_CONF", "OPENSSL_MODULES",
};

static bool steers(const char *variable)
{
        size_t len = strcspn(variable, "=");
        for (size_t i = 0; i < GW_COUNT(begin); i++)
                if (strncmp(variable, begin[i], strlen(begin[i])) == 0)
                        return true;
        for (size_t i = 0; i < GW_COUNT(whole); i++)
                if (strlen(whole[i]) == len && memcmp(whole[i], variable, len) == 0)
                        return true;
        return false;
}

static void add_to_file(struct gw_buf *file, const char *variable)
{
        gw_buf_add(file, variable, strlen(variable) + 1);
}

int gw_as_user_environment_init(struct gw_as_user_environment *e, const json_t *variables,
                                const char *conf)
{
        size_t i, count = 0;
        const json_t *item;
        *e = (struct gw_as_user_environment){.file = GW_BUF_INIT(32 * 1024 * 1024)};
        e->own = calloc(json_array_size(variables) + 2, sizeof *e->own);
        gw_autofree char *first = NULL;
        if (asprintf(&first, "SLURM_CONF=%s", conf) < 0)
                first = NULL;
        if (!e->own || !first) {
                gw_as_user_environment_done(e);
                return -1;
        }
        e->own[count++] = GW_TAKE(first);
        json_array_foreach(variables, i, item)
        {
                const char *text = json_string_value(item);
                if (steers(text))
                        add_to_file(&e->file, text);
                else if (!(e->own[count] = strdup(text)))
                        e->file.failed = true;
                else
                        count++;
        }
        if (gw_buf_ok(&e->file))
                return 0;
        gw_as_user_environment_done(e);
        return -1;
}

void gw_as_user_environment_done(struct gw_as_user_environment *e)
{
        for (size_t i = 0; e->own && e->own[i]; i++)
                free(e->own[i]);
        free(GW_TAKE(e->own));
        gw_buf_done(&e->file);
}
