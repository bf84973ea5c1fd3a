/*
 * Reads the options of a script as sbatch 22.05 does: lines into words, and words into options by
 * the rules of getopt_long(). An option that is not in the tables is passed over: a newer sbatch or
 * a site's plugin may have it. Any thread; pure but for memory; runs on every submit of a script.
 */
#include "server/model/directives.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/base/cleanup.h"
#include "server/base/limits.h"
#include "server/base/str.h"
#include "server/model/indexset.h"

#define SHOWN 64             /* bytes of the client's own text in a message */
#define MOST_OTHER_LINES 100 /* that are no comments, when #BSUB and #PBS are looked for */

/* ---- the options ----------------------------------------------------------------------------- */

enum value { NO_VALUE, MAY_HAVE_VALUE, HAS_VALUE };

struct option {
        const char *name;
        enum value value;
};

/* sbatch's long options. */
static const struct option sbatch_options[] = {
        {"account", HAS_VALUE},
        {"acctg-freq", HAS_VALUE},
        {"array", HAS_VALUE},
        {"batch", HAS_VALUE},
        {"bb", HAS_VALUE},
        {"bbf", HAS_VALUE},
        {"begin", HAS_VALUE},
        {"chdir", HAS_VALUE},
        {"cluster", HAS_VALUE},
        {"cluster-constraint", HAS_VALUE},
        {"clusters", HAS_VALUE},
        {"comment", HAS_VALUE},
        {"constraint", HAS_VALUE},
        {"container", HAS_VALUE},
        {"context", HAS_VALUE},
        {"contiguous", NO_VALUE},
        {"core-spec", HAS_VALUE},
        {"cores-per-socket", HAS_VALUE},
        {"cpu-freq", HAS_VALUE},
        {"cpus-per-gpu", HAS_VALUE},
        {"cpus-per-task", HAS_VALUE},
        {"deadline", HAS_VALUE},
        {"delay-boot", HAS_VALUE},
        {"dependency", HAS_VALUE},
        {"distribution", HAS_VALUE},
        {"error", HAS_VALUE},
        {"exclude", HAS_VALUE},
        {"exclusive", MAY_HAVE_VALUE},
        {"export", HAS_VALUE},
        {"export-file", HAS_VALUE},
        {"extra-node-info", HAS_VALUE},
        {"get-user-env", MAY_HAVE_VALUE},
        {"gid", HAS_VALUE},
        {"gpu-bind", HAS_VALUE},
        {"gpu-freq", HAS_VALUE},
        {"gpus", HAS_VALUE},
        {"gpus-per-node", HAS_VALUE},
        {"gpus-per-socket", HAS_VALUE},
        {"gpus-per-task", HAS_VALUE},
        {"gres", HAS_VALUE},
        {"gres-flags", HAS_VALUE},
        {"help", NO_VALUE},
        {"hint", HAS_VALUE},
        {"hold", NO_VALUE},
        {"ignore-pbs", NO_VALUE},
        {"input", HAS_VALUE},
        {"job-name", HAS_VALUE},
        {"kill-on-invalid-dep", HAS_VALUE},
        {"licenses", HAS_VALUE},
        {"mail-type", HAS_VALUE},
        {"mail-user", HAS_VALUE},
        {"mcs-label", HAS_VALUE},
        {"mem", HAS_VALUE},
        {"mem-bind", HAS_VALUE},
        {"mem-per-cpu", HAS_VALUE},
        {"mem-per-gpu", HAS_VALUE},
        {"mincpus", HAS_VALUE},
        {"network", HAS_VALUE},
        {"nice", MAY_HAVE_VALUE},
        {"no-kill", MAY_HAVE_VALUE},
        {"no-requeue", NO_VALUE},
        {"nodefile", HAS_VALUE},
        {"nodelist", HAS_VALUE},
        {"nodes", HAS_VALUE},
        {"ntasks", HAS_VALUE},
        {"ntasks-per-core", HAS_VALUE},
        {"ntasks-per-gpu", HAS_VALUE},
        {"ntasks-per-node", HAS_VALUE},
        {"ntasks-per-socket", HAS_VALUE},
        {"ntasks-per-tres", HAS_VALUE},
        {"open-mode", HAS_VALUE},
        {"output", HAS_VALUE},
        {"overcommit", NO_VALUE},
        {"oversubscribe", NO_VALUE},
        {"parsable", NO_VALUE},
        {"partition", HAS_VALUE},
        {"power", HAS_VALUE},
        {"prefer", HAS_VALUE},
        {"priority", HAS_VALUE},
        {"profile", HAS_VALUE},
        {"propagate", MAY_HAVE_VALUE},
        {"qos", HAS_VALUE},
        {"quiet", NO_VALUE},
        {"reboot", NO_VALUE},
        {"requeue", NO_VALUE},
        {"reservation", HAS_VALUE},
        {"signal", HAS_VALUE},
        {"sockets-per-node", HAS_VALUE},
        {"spread-job", NO_VALUE},
        {"switches", HAS_VALUE},
        {"tasks-per-node", HAS_VALUE},
        {"test-only", NO_VALUE},
        {"thread-spec", HAS_VALUE},
        {"threads-per-core", HAS_VALUE},
        {"time", HAS_VALUE},
        {"time-min", HAS_VALUE},
        {"tmp", HAS_VALUE},
        {"uid", HAS_VALUE},
        {"usage", NO_VALUE},
        {"use-min-nodes", NO_VALUE},
        {"verbose", NO_VALUE},
        {"version", NO_VALUE},
        {"wait", NO_VALUE},
        {"wait-all-nodes", HAS_VALUE},
        {"wckey", HAS_VALUE},
        {"wrap", HAS_VALUE},
        {NULL, NO_VALUE},
};

static const struct option bsub_options[] = {
        {"cwd", HAS_VALUE},      {"error_file", HAS_VALUE},  {"exclusive", NO_VALUE},
        {"hostname", HAS_VALUE}, {"job_name", HAS_VALUE},    {"memory_limit", HAS_VALUE},
        {"time", HAS_VALUE},     {"output_file", HAS_VALUE}, {"queue_name", HAS_VALUE},
        {NULL, NO_VALUE},
};

static const struct option pbs_options[] = {
        {"account", HAS_VALUE},
        {"all_env", NO_VALUE},
        {"array", HAS_VALUE},
        {"attributes", HAS_VALUE},
        {"checkpoint", HAS_VALUE},
        {"destination", HAS_VALUE},
        {"error", HAS_VALUE},
        {"hold", NO_VALUE},
        {"interactive", NO_VALUE},
        {"job_array", HAS_VALUE},
        {"job_name", HAS_VALUE},
        {"join", MAY_HAVE_VALUE},
        {"keep", HAS_VALUE},
        {"mail_options", HAS_VALUE},
        {"mail_user_list", HAS_VALUE},
        {"no_std", NO_VALUE},
        {"out", HAS_VALUE},
        {"priority", HAS_VALUE},
        {"rerunable", HAS_VALUE},
        {"resource_list", HAS_VALUE},
        {"running_user", HAS_VALUE},
        {"script_path", HAS_VALUE},
        {"start_time", HAS_VALUE},
        {"variable_list", HAS_VALUE},
        {"working_dir", HAS_VALUE},
        {NULL, NO_VALUE},
};

enum wanted {
        WANTED_NAME,
        WANTED_ARRAY,
        WANTED_OUTPUT,
        WANTED_ERROR,
        WANTED_DIRECTORY,
        WANTED_COMMENT,
        WANTED_CLUSTERS,
        WANTED_PARTITION,
        WANTED_TIME,
        WANTED_ACCOUNT,
        WANTED_QOS,
        WANTED_WAIT,
        WANTED_IGNORE_PBS
};

/* The options of one sort of lines. */
struct dialect {
        const char *words[2]; /* what its lines begin with */
        bool head;            /* they end at the first command; else after many lines */
        const struct option *options;
        const char *letters; /* as getopt() takes them */
        struct {
                const char *name;
                char letter; /* 0: none */
                enum wanted is;
        } wanted[16];
};

static const struct dialect sbatch = {
        .words = {"#SBATCH", "#SLURM"},
        .head = true,
        .options = sbatch_options,
        .letters = "A:a:b:D:M:C:S:c:d:m:e:x:B:G:hHi:J:L:k::F:w:N:n:o:Osp:q:Qt:vVW",
        .wanted = {{"job-name", 'J', WANTED_NAME},
                   {"array", 'a', WANTED_ARRAY},
                   {"output", 'o', WANTED_OUTPUT},
                   {"error", 'e', WANTED_ERROR},
                   {"chdir", 'D', WANTED_DIRECTORY},
                   {"comment", 0, WANTED_COMMENT},
                   {"clusters", 'M', WANTED_CLUSTERS},
                   {"cluster", 0, WANTED_CLUSTERS},
                   {"partition", 'p', WANTED_PARTITION},
                   {"time", 't', WANTED_TIME},
                   {"account", 'A', WANTED_ACCOUNT},
                   {"qos", 'q', WANTED_QOS},
                   {"wait", 'W', WANTED_WAIT},
                   {"ignore-pbs", 0, WANTED_IGNORE_PBS}},
};

static const struct dialect others[] = {
        {
                .words = {"#BSUB"},
                .options = bsub_options,
                .letters = "c:e:J:m:M:n:o:q:W:x",
                .wanted = {{"job_name", 'J', WANTED_NAME},
                           {"output_file", 'o', WANTED_OUTPUT},
                           {"error_file", 'e', WANTED_ERROR},
                           {"cwd", 'c', WANTED_DIRECTORY},
                           {"queue_name", 'q', WANTED_PARTITION},
                           {"time", 'W', WANTED_TIME}},
        },
        {
                .words = {"#PBS"},
                .options = pbs_options,
                .letters = "a:A:c:C:e:hIj:J:k:l:m:M:N:o:p:q:r:S:t:u:v:VW:z",
                .wanted = {{"job_name", 'N', WANTED_NAME},
                           {"array", 't', WANTED_ARRAY},
                           {"job_array", 'J', WANTED_ARRAY},
                           {"account", 'A', WANTED_ACCOUNT},
                           {"destination", 'q', WANTED_PARTITION},
                           {"out", 'o', WANTED_OUTPUT},
                           {"error", 'e', WANTED_ERROR}},
        },
};

/* ---- lines ----------------------------------------------------------------------------------- */

/* The next line for sbatch of a dialect. */
struct lines {
        const struct dialect *dialect;
        const char *rest; /* of the script */
        int others;       /* lines that are no comments, so far */
};

static const char *behind_word(const struct dialect *d, const char *line)
{
        for (size_t i = 0; i < GW_COUNT(d->words) && d->words[i]; i++) {
                size_t len = strlen(d->words[i]);
                if (strncmp(line, d->words[i], len) == 0)
                        return line + len;
        }
        return NULL;
}

static bool is_comment(const struct dialect *d, const char *line, size_t len)
{
        size_t blank = 0;
        while (d->head && blank < len && isspace((unsigned char)line[blank]))
                blank++;
        return blank < len ? line[blank] == '#' : d->head;
}

/* What stands behind the word of the next line for it, up to *ret_end; NULL: there is none. */
static const char *next_line(struct lines *lines, const char **ret_end)
{
        const int most = lines->dialect->head ? 0 : MOST_OTHER_LINES;
        while (*lines->rest && lines->others <= most) {
                const char *line = lines->rest;
                size_t len = strcspn(line, "\n");
                lines->rest = line + len + (line[len] == '\n');
                *ret_end = line + len;
                const char *options = behind_word(lines->dialect, line);
                if (options)
                        return options;
                lines->others += !is_comment(lines->dialect, line, len);
        }
        return NULL;
}

/* ---- words ----------------------------------------------------------------------------------- */

struct reader {
        struct lines lines;
        const char *at, *end; /* what is left of a line */
        struct gw_buf word;   /* the last that was read */
        bool ended;           /* sbatch gives up: a quote without its end */
        struct gw_directives *into;
        bool any, ignores_others;
        bool failed; /* no memory */
};

/* A job of several parts: what follows is about its second one. */
static bool begins_part(const char *line, const char *end)
{
        static const char *const marks[] = {"hetjob", "packjob"};
        for (; line < end; line++)
                for (size_t i = 0; i < GW_COUNT(marks); i++)
                        if (strncasecmp(line, marks[i], strlen(marks[i])) == 0)
                                return true;
        return false;
}

static bool begin_line(struct reader *r)
{
        r->at = next_line(&r->lines, &r->end);
        if (!r->at)
                return false;
        r->any = true;
        return !r->lines.dialect->head || !begins_part(r->at, r->end);
}

/* Reads a word without its quotes and backslashes; an unquoted # ends it, and the line. */
static void read_word(struct reader *r)
{
        char quote = '\0';
        gw_buf_clear(&r->word);
        for (; r->at < r->end && (quote || !isspace((unsigned char)*r->at)); r->at++) {
                if (*r->at == '\\') {
                        if (++r->at == r->end)
                                break;
                        gw_buf_char(&r->word, *r->at);
                } else if (quote ? *r->at == quote : *r->at == '"' || *r->at == '\'') {
                        quote = quote ? '\0' : *r->at;
                } else if (!quote && *r->at == '#') {
                        break;
                } else {
                        gw_buf_char(&r->word, *r->at);
                }
        }
        r->ended = quote != '\0';
        r->failed |= r->word.failed;
}

/* Lives until the next; NULL after the last. An empty word ends its line. */
static const char *next_word(struct reader *r)
{
        while (!r->ended && !r->failed) {
                while (r->at < r->end && isspace((unsigned char)*r->at))
                        r->at++;
                if (r->at == r->end) {
                        if (!begin_line(r))
                                break;
                        continue;
                }
                read_word(r);
                if (!r->ended && !r->failed && r->word.len > 0)
                        return r->word.data;
                r->at = r->end;
        }
        r->ended = true;
        return NULL;
}

/* ---- options --------------------------------------------------------------------------------- */

static void replace(struct reader *r, char **text, const char *value)
{
        free(*text);
        *text = value && *value ? strdup(value) : NULL;
        r->failed |= value && *value && !*text;
}

static void keep(struct reader *r, enum wanted wanted, const char *value)
{
        struct gw_directives *into = r->into;
        char **const places[] = {
                [WANTED_NAME] = &into->name,
                [WANTED_ARRAY] = &into->array,
                [WANTED_OUTPUT] = &into->output,
                [WANTED_ERROR] = &into->error,
                [WANTED_DIRECTORY] = &into->directory,
                [WANTED_COMMENT] = &into->comment,
                [WANTED_CLUSTERS] = &into->clusters,
                [WANTED_PARTITION] = &into->partition,
                [WANTED_TIME] = &into->time,
                [WANTED_ACCOUNT] = &into->account,
                [WANTED_QOS] = &into->qos,
        };
        if (wanted == WANTED_IGNORE_PBS)
                r->ignores_others = true;
        else if (wanted == WANTED_WAIT)
                into->waits = true;
        else
                replace(r, places[wanted], value);
}

/* By its long name, or where that is NULL by its letter. */
static void keep_wanted(struct reader *r, const char *name, char letter, const char *value)
{
        const struct dialect *d = r->lines.dialect;
        for (size_t i = 0; i < GW_COUNT(d->wanted) && d->wanted[i].name; i++)
                if (name ? strcmp(d->wanted[i].name, name) == 0 : d->wanted[i].letter == letter)
                        keep(r, d->wanted[i].is, value);
}

/* By its whole name, or a beginning that is no other's. */
static const struct option *find_option(const struct option *o, const char *name, size_t len)
{
        const struct option *found = NULL;
        size_t count = 0;
        for (; o->name; o++) {
                if (strncmp(o->name, name, len) != 0)
                        continue;
                if (o->name[len] == '\0')
                        return o;
                found = o;
                count++;
        }
        return count == 1 ? found : NULL;
}

static void read_long(struct reader *r, const char *word)
{
        size_t len = strcspn(word, "=");
        const struct option *o = find_option(r->lines.dialect->options, word, len);
        const char *value = word[len] == '=' ? word + len + 1 : NULL;
        if (!o)
                return;
        if (o->value == HAS_VALUE && !value)
                value = next_word(r);
        keep_wanted(r, o->name, 0, value);
}

/* How getopt() has it: "a:" has a value, "k::" may have one in the same word. */
static void read_letters(struct reader *r, const char *word)
{
        for (; *word; word++) {
                const char *known = strchr(r->lines.dialect->letters, *word);
                if (known && *known != ':' && known[1] != ':')
                        keep_wanted(r, NULL, *known, NULL);
                if (!known || *known == ':' || known[1] != ':')
                        continue;
                const char letter = *known, *value = word[1] ? word + 1 : NULL;
                if (!value && known[2] != ':')
                        value = next_word(r);
                keep_wanted(r, NULL, letter, value);
                return;
        }
}

static void read_options(struct reader *r)
{
        const char *word;
        while ((word = next_word(r)) && strcmp(word, "--") != 0) {
                if (strncmp(word, "--", 2) == 0)
                        read_long(r, word + 2);
                else if (word[0] == '-')
                        read_letters(r, word + 1);
        }
}

/* ---- a script -------------------------------------------------------------------------------- */

/* What one dialect says, over what was read before. */
static struct reader read_dialect(const struct dialect *dialect, const char *script,
                                  struct gw_directives *into)
{
        struct reader r = {.lines = {.dialect = dialect, .rest = script}, .into = into};
        gw_buf_init(&r.word, strlen(script));
        read_options(&r);
        gw_buf_done(&r.word);
        return r;
}

bool gw_directives_needs_value(const char *option)
{
        const struct option *o = find_option(sbatch_options, option, strlen(option));
        return o && o->value == HAS_VALUE;
}

static bool has_lines(const struct dialect *dialect, const char *script)
{
        const char *end;
        struct lines lines = {.dialect = dialect, .rest = script};
        return next_line(&lines, &end) != NULL;
}

bool gw_directives_any(const char *script)
{
        for (size_t i = 0; i < GW_COUNT(others); i++)
                if (has_lines(&others[i], script))
                        return true;
        return has_lines(&sbatch, script);
}

int gw_directives_read(const char *script, struct gw_directives *ret)
{
        *ret = (struct gw_directives){0};
        struct reader r = read_dialect(&sbatch, script, ret);
        bool done = r.ignores_others, failed = r.failed;
        for (size_t i = 0; !done && !failed && i < GW_COUNT(others); i++) {
                r = read_dialect(&others[i], script, ret);
                done = r.any; /* of the other sorts one is read at most */
                failed = r.failed;
        }
        if (failed)
                gw_directives_done(ret);
        return failed ? -1 : 0;
}

void gw_directives_done(struct gw_directives *d)
{
        free(d->name);
        free(d->array);
        free(d->output);
        free(d->error);
        free(d->directory);
        free(d->comment);
        free(d->clusters);
        free(d->partition);
        free(d->time);
        free(d->account);
        free(d->qos);
        *d = (struct gw_directives){0};
}

/* ---- an array -------------------------------------------------------------------------------- */

/* A whole number as strtol() reads it, and a bracket behind it, which means nothing. Text without
 * one is 0. */
static int64_t read_number(const char **at)
{
        char *end;
        int64_t n = strtol(*at, &end, 10);
        *at = end + (*end == ']');
        return n;
}

/* first[-last[:step]], and behind a % anything. */
static int add_part(const char *at, struct gw_buf *out)
{
        at += *at == '[';
        int64_t first = read_number(&at), last = first, step = 1;
        if (*at == '-') {
                at++;
                last = read_number(&at);
                if (*at == ':') {
                        at++;
                        step = read_number(&at);
                }
        }
        if ((*at && *at != '%') || first < 0 || last < first || last > GW_MAX_INDEX || step < 1)
                return -1;
        gw_buf_printf(out, "%s%lld-%lld:%lld", out->len > 0 ? "," : "", (long long)first,
                      (long long)last, (long long)(step > GW_MAX_INDEX ? GW_MAX_INDEX : step));
        return 0;
}

static uint32_t read_max_parallel(const char *text)
{
        const char *percent = strchr(text, '%');
        long n = percent ? strtol(percent + 1, NULL, 10) : 0;
        if (n < 0)
                return 0;
        return n > GW_MAX_ARRAY ? GW_MAX_ARRAY : (uint32_t)n;
}

static int refuse(const char *text, const char *why, struct gw_error *err)
{
        char shown[SHOWN];
        gw_str_copy(shown, sizeof shown, text);
        return gw_fail(err, GW_ERR_UNPROCESSABLE, "--array=%s: %s", shown, why);
}

static int write_set(const char *text, const char *parts, struct gw_buf *indices,
                     struct gw_error *err)
{
        struct gw_error why = {0};
        struct gw_indexset set;
        if (gw_indexset_parse(parts, &set, &why))
                return why.code == GW_ERR_NOMEM ? gw_fail(err, why.code, "%s", why.message)
                                                : refuse(text, why.message, err);
        gw_indexset_format(&set, indices);
        gw_indexset_done(&set);
        return 0;
}

int gw_directives_array(const char *text, struct gw_buf *indices, uint32_t *ret_max_parallel,
                        struct gw_error *err)
{
        static const char no_set[] = "invalid job array specification";
        struct gw_buf parts = GW_BUF_INIT(2 * GW_MAX_INDEX_TEXT);
        gw_autofree char *copy = strdup(text);
        char *save = NULL;
        int rc = 0;
        if (!copy)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        for (char *part = strtok_r(copy, ",", &save); part && rc == 0;
             part = strtok_r(NULL, ",", &save))
                rc = add_part(part, &parts);
        if (rc || parts.len == 0)
                rc = refuse(text, no_set, err);
        else
                rc = gw_buf_ok(&parts) ? write_set(text, parts.data, indices, err)
                                       : refuse(text, "too long a list", err);
        *ret_max_parallel = read_max_parallel(text);
        gw_buf_done(&parts);
        return rc;
}
