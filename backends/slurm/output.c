/* Paths of output, for those that make the request and those that read. */
#include "backends/slurm/output.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "backends/slurm/pattern.h"
#include "server/base/cleanup.h"
#include "server/base/str.h"
#include "server/model/directives.h"
#include "server/model/indexset.h"

#define FOLDER ".jobgate"

char *gw_slurm_output_folder(const char *home)
{
        char *path;
        return asprintf(&path, "%s/" FOLDER, home) < 0 ? NULL : path;
}

char *gw_slurm_output_path(const char *home, const char *folder, struct gw_mark mark,
                           const char *task, bool is_stderr)
{
        char name[GW_MARK_TEXT], *path;
        gw_mark_format(mark, name);
        if (asprintf(&path, "%s/%s%s%s%s.%s", folder ? folder : home, folder ? "" : "jobgate-",
                     name, task ? "_" : "", task ? task : "",
                     is_stderr && folder ? "err" : "out") < 0)
                return NULL;
        return path;
}

/* What Slurm calls the task of a log. False: it has no such task. */
static bool find_task(const struct gw_log_source *log, char out[16])
{
        struct gw_indexset set;
        uint32_t index;
        if (gw_indexset_parse(log->index_set, &set, NULL))
                return false;
        bool found = gw_indexset_index(&set, log->ordinal, &index) == 0;
        gw_indexset_done(&set);
        snprintf(out, 16, "%u", index);
        return found;
}

/* In a folder of the gateway's, and in the home from before there was one: both outputs are one. */
static size_t find_ours(const char *home, const struct gw_log_source *log, const char *task,
                        bool is_stderr, char *paths[GW_SLURM_OUTPUT_PATHS])
{
        gw_autofree char *folder = gw_slurm_output_folder(home);
        const char *folders[] = {folder, NULL};
        size_t count = 0;
        for (size_t i = 0; folder && i < (is_stderr ? 1 : GW_COUNT(folders)); i++) {
                paths[count] = gw_slurm_output_path(home, folders[i], log->mark, task, is_stderr);
                count += paths[count] != NULL;
        }
        return count;
}

/* ---- scripts for sbatch ---------------------------------------------------------------------- */

static uint32_t number_of(const char *ref)
{
        int64_t number = 0;
        return ref && gw_str_int64(ref, 1, UINT32_MAX, &number) == 0 ? (uint32_t)number : 0;
}

static const char *text_of(const json_t *spec, const char *name)
{
        return json_string_value(json_object_get(spec, name));
}

/* The file that the script names, with a field of the spec in the place of a line of the script's.
 * The number of an array's task is not kept. */
static size_t find_own(const struct gw_slurm_names *names, const char *pattern, char *paths[1],
                       struct gw_error *err)
{
        struct gw_buf path = GW_BUF_INIT(PATH_MAX);
        int rc = gw_slurm_pattern_expand(pattern, names, &path);
        if (rc == 0)
                paths[0] = gw_buf_take(&path, NULL);
        gw_buf_done(&path);
        if (rc)
                gw_fail(err, GW_ERR_GONE,
                        "what the script's output is called is not known here: %.200s", pattern);
        else if (!paths[0])
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
        return rc == 0 && paths[0];
}

static size_t find_script(const char *home, const struct gw_log_source *log, const char *task,
                          const struct gw_directives *said, struct gw_slurm_names *names,
                          char *paths[GW_SLURM_OUTPUT_PATHS], struct gw_error *err)
{
        const char *pattern = log->want_stderr ? said->error : said->output;
        char folder[PATH_MAX];
        if (log->want_stderr && !said->error) {
                gw_fail(err, GW_ERR_GONE,
                        "the script names no file for its standard error: it is in its output");
                return 0;
        }
        if (!pattern)
                return find_ours(home, log, task, false, paths);
        if (names->folder[0] != '/') {
                snprintf(folder, sizeof folder, "%s/%s", home, names->folder);
                names->folder = folder;
        }
        return find_own(names, pattern, paths, err);
}

static size_t find_raw(const char *user, const char *home, const struct gw_log_source *log,
                       const char *task, const json_t *spec, char *paths[GW_SLURM_OUTPUT_PATHS],
                       struct gw_error *err)
{
        struct gw_directives said;
        if (gw_directives_read(text_of(spec, "script"), &said)) {
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
                return 0;
        }
        const char *given[] = {text_of(spec, "name"), text_of(spec, "working_directory")};
        uint32_t number = number_of(log->ref);
        struct gw_slurm_names names = {
                .job = task ? 0 : number,
                .array = number,
                .is_task = task != NULL,
                .task = task ? (uint32_t)strtoul(task, NULL, 10) : 0,
                .host = log->node,
                .user = user,
                .name = given[0] ? given[0] : said.name,
                .folder = given[1]         ? given[1]
                          : said.directory ? said.directory
                                           : home,
        };
        size_t count = find_script(home, log, task, &said, &names, paths, err);
        gw_directives_done(&said);
        return count;
}

/* ---- all ------------------------------------------------------------------------------------- */

size_t gw_slurm_output_find(const char *user, const char *home, const struct gw_log_source *log,
                            char *paths[GW_SLURM_OUTPUT_PATHS], struct gw_error *err)
{
        char text[16];
        const char *task = log->index_set ? text : NULL;
        json_auto_t *spec = log->spec ? json_loads(log->spec, 0, NULL) : NULL;
        const char *script = text_of(spec, "script");
        size_t count = 0;
        if (task && !find_task(log, text))
                gw_fail(err, GW_ERR_GONE, "the job has no such task");
        else if (script && gw_directives_any(script))
                count = find_raw(user, home, log, task, spec, paths, err);
        else
                count = find_ours(home, log, task, log->want_stderr, paths);
        if (count == 0)
                gw_fail(err, GW_ERR_NOMEM, "out of memory"); /* unless it was said why */
        return count;
}
