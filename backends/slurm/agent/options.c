/* The table of sbatch's long options. The agent's one thread. */
#include "backends/slurm/agent/options.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "backends/slurm/agent/hardware.h"
#include "backends/slurm/agent/values.h"
#include "backends/slurm/option_names.h"
#include "server/base/cleanup.h"

#define MAX_PROFILE 64 /* bytes of its words */

struct word {
        const char *name;
        int64_t value;
};

struct option {
        const char *name;
        int (*set)(struct gw_agent_order *o, const struct option *option, const char *text,
                   struct gw_error *err);
        size_t offset, size; /* of the member of struct gw_agent_order */
        int64_t lo, hi;      /* of numbers; lo alone: the value of a flag */
        bool optional;       /* its number may be left out, and is unsaid then */
        int64_t unsaid;
        const struct word *words;
        int (*own)(struct gw_agent_order *o, const char *text, struct gw_error *err);
        const char *variable; /* of the job's environment, where sbatch sets one, or NULL */
};

static void *member_of(struct gw_agent_order *o, const struct option *option)
{
        return (char *)o + option->offset;
}

static void set_member(struct gw_agent_order *o, const struct option *option, uint64_t n)
{
        /* Little-endian or not: one member for each width. */
        const uint8_t n8 = (uint8_t)n;
        const uint16_t n16 = (uint16_t)n;
        const uint32_t n32 = (uint32_t)n;
        const void *const of_size[] = {[1] = &n8, [2] = &n16, [4] = &n32, [8] = &n};
        memcpy(member_of(o, option), of_size[option->size], option->size);
}

/* -- kinds of values ------------------------------------------------------------------------ */

static int set_text(struct gw_agent_order *o, const struct option *option, const char *text,
                    struct gw_error *err)
{
        if (!*text)
                return gw_fail(err, GW_ERR_INVALID, "needs a value");
        memcpy(member_of(o, option), &text, sizeof text);
        return 0;
}

/* sbatch would read a file. */
static int set_nodes_list(struct gw_agent_order *o, const struct option *option, const char *text,
                          struct gw_error *err)
{
        if (strchr(text, '/'))
                return gw_fail(err, GW_ERR_INVALID, "must be names of nodes, as in n[1-3],n7");
        return set_text(o, option, text, err);
}

static int set_number(struct gw_agent_order *o, const struct option *option, const char *text,
                      struct gw_error *err)
{
        int64_t n = option->unsaid;
        bool said = *text || !option->optional;
        if (said && gw_agent_read_number(text, option->lo, option->hi, &n, err))
                return -1;
        set_member(o, option, (uint64_t)n);
        return 0;
}

/* What reads the text and completes the order by itself. */
static int set_own(struct gw_agent_order *o, const struct option *option, const char *text,
                   struct gw_error *err)
{
        return option->own(o, text, err);
}

static int set_flag(struct gw_agent_order *o, const struct option *option, const char *text,
                    struct gw_error *err)
{
        if (*text)
                return gw_fail(err, GW_ERR_INVALID, "takes no value");
        set_member(o, option, (uint64_t)option->lo);
        return 0;
}

static int set_bits(struct gw_agent_order *o, const struct option *option, const char *text,
                    struct gw_error *err)
{
        if (*text)
                return gw_fail(err, GW_ERR_INVALID, "takes no value");
        o->desc.bitflags |= (uint64_t)option->lo;
        return 0;
}

static const struct word *find_word(const struct word *words, const char *text)
{
        for (; words->name; words++)
                if (strcasecmp(words->name, text) == 0)
                        return words;
        return NULL;
}

static int fail_words(const struct word *words, struct gw_error *err)
{
        struct gw_buf list = GW_BUF_INIT(GW_ERROR_MESSAGE / 2);
        for (; words->name; words++)
                if (*words->name)
                        gw_buf_printf(&list, "%s%s", list.len > 0 ? ", " : "", words->name);
        gw_fail(err, GW_ERR_INVALID, "must be one of %s", list.data ? list.data : "");
        gw_buf_done(&list);
        return -1;
}

static int set_word(struct gw_agent_order *o, const struct option *option, const char *text,
                    struct gw_error *err)
{
        const struct word *word = find_word(option->words, text);
        if (!word)
                return fail_words(option->words, err);
        set_member(o, option, (uint64_t)word->value);
        return 0;
}

static int set_word_bits(struct gw_agent_order *o, const struct option *option, const char *text,
                         struct gw_error *err)
{
        const struct word *word = find_word(option->words, text);
        if (!word)
                return fail_words(option->words, err);
        o->desc.bitflags |= (uint64_t)word->value;
        return 0;
}

static int set_minutes(struct gw_agent_order *o, const struct option *option, const char *text,
                       struct gw_error *err)
{
        return gw_agent_read_minutes(text, member_of(o, option), err);
}

static int set_seconds(struct gw_agent_order *o, const struct option *option, const char *text,
                       struct gw_error *err)
{
        return gw_agent_read_seconds(text, member_of(o, option), err);
}

static int set_time(struct gw_agent_order *o, const struct option *option, const char *text,
                    struct gw_error *err)
{
        return gw_agent_read_time(text, member_of(o, option), err);
}

static int set_mebibytes(struct gw_agent_order *o, const struct option *option, const char *text,
                         struct gw_error *err)
{
        uint64_t mib;
        if (gw_agent_read_mebibytes(text, &mib, err))
                return -1;
        if (option->size == sizeof(uint32_t) && mib >= NO_VAL)
                return gw_fail(err, GW_ERR_INVALID, "is too much");
        set_member(o, option, mib);
        return 0;
}

/* Calls add() for each part of a list with commas. */
static int each_part(struct gw_agent_order *o, const struct option *option, const char *text,
                     int (*add)(struct gw_agent_order *o, const struct option *option,
                                const char *part, struct gw_error *err),
                     struct gw_error *err)
{
        gw_autofree char *copy = strdup(text);
        if (!copy)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        char *rest = copy, *part;
        while ((part = strsep(&rest, ",")))
                if (add(o, option, part, err))
                        return -1;
        return 0;
}

/* -- options with rules of their own --------------------------------------------------------- */

static int add_gpus(struct gw_agent_order *o, const struct option *option, const char *part,
                    struct gw_error *err)
{
        if (!*part)
                return gw_fail(err, GW_ERR_INVALID, "must be NUMBER or TYPE:NUMBER");
        gw_agent_order_add(o, (enum gw_agent_tres)option->lo, "gpu:", part);
        return 0;
}

static int set_gpus(struct gw_agent_order *o, const struct option *option, const char *text,
                    struct gw_error *err)
{
        return each_part(o, option, text, add_gpus, err);
}

static int add_gres(struct gw_agent_order *o, const struct option *option, const char *part,
                    struct gw_error *err)
{
        (void)option;
        if (strncmp(part, "gres:", 5) == 0 || strncmp(part, "gres/", 5) == 0)
                part += 5;
        if (!*part)
                return gw_fail(err, GW_ERR_INVALID, "must be NAME[:TYPE]:NUMBER");
        gw_agent_order_add(o, GW_AGENT_PER_NODE, "", part);
        return 0;
}

static int set_gres(struct gw_agent_order *o, const struct option *option, const char *text,
                    struct gw_error *err)
{
        if (strcasecmp(text, "none") == 0)
                return 0;
        return each_part(o, option, text, add_gres, err);
}

static int set_cpus_per_gpu(struct gw_agent_order *o, const struct option *option, const char *text,
                            struct gw_error *err)
{
        int64_t n;
        if (gw_agent_read_number(text, option->lo, option->hi, &n, err))
                return -1;
        gw_agent_order_add(o, GW_AGENT_CPUS_PER, "gpu:", text);
        return 0;
}

static int set_mem_per_gpu(struct gw_agent_order *o, const struct option *option, const char *text,
                           struct gw_error *err)
{
        uint64_t mib;
        char number[24];
        (void)option;
        if (gw_agent_read_mebibytes(text, &mib, err))
                return -1;
        snprintf(number, sizeof number, "%" PRIu64, mib);
        gw_agent_order_add(o, GW_AGENT_MEMORY_PER, "gpu:", number);
        return 0;
}

static int set_nodes(struct gw_agent_order *o, const struct option *option, const char *text,
                     struct gw_error *err)
{
        (void)option;
        return gw_agent_read_range(text, &o->min_nodes, &o->max_nodes, err);
}

static int set_nice(struct gw_agent_order *o, const struct option *option, const char *text,
                    struct gw_error *err)
{
        int64_t n = 100;
        if (*text && gw_agent_read_number(text, option->lo, option->hi, &n, err))
                return -1;
        o->desc.nice = (uint32_t)(NICE_OFFSET + n);
        return 0;
}

static int set_signal(struct gw_agent_order *o, const struct option *option, const char *text,
                      struct gw_error *err)
{
        (void)option;
        return gw_agent_read_signal(text, &o->desc.warn_signal, &o->desc.warn_time,
                                    &o->desc.warn_flags, err);
}

static int set_open_mode(struct gw_agent_order *o, const struct option *option, const char *text,
                         struct gw_error *err)
{
        if (set_word(o, option, text, err))
                return -1;
        gw_agent_order_variable(o, "SLURM_OPEN_MODE",
                                o->desc.open_mode == OPEN_MODE_APPEND ? "a" : "t");
        return 0;
}

/* A number of leaf switches, and how long to wait for no more than that. */
static int set_switches(struct gw_agent_order *o, const struct option *option, const char *text,
                        struct gw_error *err)
{
        gw_autofree char *copy = strdup(text);
        if (!copy)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        char *rest = copy;
        uint32_t minutes = 0;
        int64_t n;
        const char *count = strsep(&rest, "@");
        if (gw_agent_read_number(count, option->lo, option->hi, &n, err) ||
            (rest && gw_agent_read_minutes(rest, &minutes, err)))
                return -1;
        o->desc.req_switch = (uint32_t)n;
        if (rest)
                o->desc.wait4switch = minutes == INFINITE ? INFINITE : minutes * 60;
        return 0;
}

/* How tasks follow each other over nodes, over the sockets of one, and over the cores of one of
 * these: a word for each, four bits wide. */
static int set_distribution(struct gw_agent_order *o, const struct option *option, const char *text,
                            struct gw_error *err)
{
        gw_autofree char *copy = strdup(text);
        if (!copy)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        char *rest = copy, *part;
        uint32_t all = 0;
        for (unsigned shift = 0; (part = strsep(&rest, ":")); shift += 4) {
                const struct word *word = find_word(option->words, part);
                if (!word || shift > 8 || (shift == 0 && word->value == SLURM_DIST_BLOCK + 1))
                        return gw_fail(err, GW_ERR_INVALID,
                                       "must be block or cyclic, and behind a colon each the same "
                                       "or fcyclic, for sockets and for cores");
                all |= (uint32_t)word->value << shift;
        }
        o->desc.task_dist = all;
        return 0;
}

static int set_thread_spec(struct gw_agent_order *o, const struct option *option, const char *text,
                           struct gw_error *err)
{
        int64_t n;
        if (gw_agent_read_number(text, option->lo, option->hi, &n, err))
                return -1;
        o->desc.core_spec = (uint16_t)(n | CORE_SPEC_THREAD);
        return 0;
}

static int add_mail_type(struct gw_agent_order *o, const struct option *option, const char *part,
                         struct gw_error *err)
{
        const struct word *word = find_word(option->words, part);
        if (!word)
                return fail_words(option->words, err);
        o->desc.mail_type |= (uint16_t)word->value;
        return 0;
}

static int set_mail_type(struct gw_agent_order *o, const struct option *option, const char *text,
                         struct gw_error *err)
{
        return each_part(o, option, text, add_mail_type, err);
}

static int add_profile(struct gw_agent_order *o, const struct option *option, const char *part,
                       struct gw_error *err)
{
        const struct word *word = find_word(option->words, part);
        if (!word)
                return gw_fail(err, GW_ERR_INVALID,
                               "must be all, none, or some of energy, lustre, network and task");
        o->desc.profile |= (uint32_t)word->value;
        return 0;
}

/* srun is told in sbatch's words. */
static void say_profile(struct gw_agent_order *o, const struct word *words)
{
        struct gw_buf said = GW_BUF_INIT(MAX_PROFILE);
        for (; words->name; words++)
                if (o->desc.profile & (uint32_t)words->value)
                        gw_buf_printf(&said, "%s%s", said.len > 0 ? "," : "", words->name);
        gw_agent_order_variable(o, "SLURM_PROFILE", said.data ? said.data : "None");
        gw_buf_done(&said);
}

static int set_profile(struct gw_agent_order *o, const struct option *option, const char *text,
                       struct gw_error *err)
{
        if (strcasecmp(text, "none") == 0)
                o->desc.profile = ACCT_GATHER_PROFILE_NONE;
        else if (strcasecmp(text, "all") == 0)
                o->desc.profile = ACCT_GATHER_PROFILE_ALL;
        else if (each_part(o, option, text, add_profile, err))
                return -1;
        say_profile(o, option->words);
        return 0;
}

/* There is no shell of the user's whose limits the job could be given. */
static int set_propagate(struct gw_agent_order *o, const struct option *option, const char *text,
                         struct gw_error *err)
{
        (void)o, (void)option;
        if (strcasecmp(text, "NONE") == 0)
                return 0;
        return gw_fail(err, GW_ERR_INVALID,
                       "must be NONE: there is no shell here whose limits the job could have; say "
                       "ulimit in setup");
}

/* An option that a plugin of the site's adds to sbatch. Slurm hands it to the same plugin on the
 * node by a variable, which it takes out of the job's; another one stays there, and is what prolog
 * and epilog find. */
#define IMAGE_OPTION "_SLURM_SPANK_OPTION_pyxis_container_image"

static int set_image(struct gw_agent_order *o, const struct option *option, const char *text,
                     struct gw_error *err)
{
        (void)option;
        if (!*text)
                return gw_fail(err, GW_ERR_INVALID, "needs a value");
        gw_buf_printf(&o->plugin, IMAGE_OPTION "=%s", text);
        o->plugins[0] = o->plugin.data;
        o->desc.spank_job_env = o->plugins;
        o->desc.spank_job_env_size = 1;
        gw_agent_order_variable(o, "SLURM_SPANK_" IMAGE_OPTION, text);
        return 0;
}

/* -- the table ------------------------------------------------------------------------------- */

static const struct word distribution_words[] = {
        {"cyclic", SLURM_DIST_CYCLIC},
        {"block", SLURM_DIST_BLOCK},
        {"fcyclic", SLURM_DIST_BLOCK + 1},
        {NULL, 0},
};
static const struct word exclusive_words[] = {
        {"", JOB_SHARED_NONE},
        {"exclusive", JOB_SHARED_NONE},
        {"user", JOB_SHARED_USER},
        {"mcs", JOB_SHARED_MCS},
        {NULL, 0},
};
static const struct word mail_words[] = {
        {"NONE", 0},
        {"BEGIN", MAIL_JOB_BEGIN},
        {"END", MAIL_JOB_END},
        {"FAIL", MAIL_JOB_FAIL},
        {"REQUEUE", MAIL_JOB_REQUEUE},
        {"ALL", MAIL_INVALID_DEPEND | MAIL_JOB_BEGIN | MAIL_JOB_END | MAIL_JOB_FAIL |
                        MAIL_JOB_REQUEUE | MAIL_JOB_STAGE_OUT},
        {"INVALID_DEPEND", MAIL_INVALID_DEPEND},
        {"STAGE_OUT", MAIL_JOB_STAGE_OUT},
        {"TIME_LIMIT", MAIL_JOB_TIME100},
        {"TIME_LIMIT_90", MAIL_JOB_TIME90},
        {"TIME_LIMIT_80", MAIL_JOB_TIME80},
        {"TIME_LIMIT_50", MAIL_JOB_TIME50},
        {"ARRAY_TASKS", MAIL_ARRAY_TASKS},
        {NULL, 0},
};
static const struct word profile_words[] = {
        {"Energy", ACCT_GATHER_PROFILE_ENERGY},
        {"Lustre", ACCT_GATHER_PROFILE_LUSTRE},
        {"Network", ACCT_GATHER_PROFILE_NETWORK},
        {"Task", ACCT_GATHER_PROFILE_TASK},
        {NULL, 0},
};
static const struct word open_words[] = {
        {"append", OPEN_MODE_APPEND},
        {"truncate", OPEN_MODE_TRUNCATE},
        {NULL, 0},
};
static const struct word gres_words[] = {
        {"disable-binding", GRES_DISABLE_BIND},
        {"enforce-binding", GRES_ENFORCE_BIND},
        {NULL, 0},
};
static const struct word dependency_words[] = {
        {"yes", KILL_INV_DEP},
        {"no", NO_KILL_INV_DEP},
        {NULL, 0},
};

#define AT(member)                                                                                 \
        .offset = offsetof(struct gw_agent_order, member),                                         \
        .size = sizeof(((struct gw_agent_order *)NULL)->member)
#define TEXT(name, member)                                                                         \
        {                                                                                          \
                name, set_text, AT(desc.member)                                                    \
        }
#define NUMBER(name, member, from, to)                                                             \
        {                                                                                          \
                name, set_number, AT(member), .lo = from, .hi = to                                 \
        }
#define OWN(name, read)                                                                            \
        {                                                                                          \
                name, set_own, .own = read                                                         \
        }
#define MAX16 (NO_VAL16 - 1)
#define MAX32 INT32_MAX

/* None that a user may not give: an agent with privileges would have them carried out. Nor one
 * whose meaning sbatch makes of what it alone knows of GPUs. clang-format off */
static const struct option options[] = {
        TEXT("account", account),
        {"acctg-freq", set_text, AT(desc.acctg_freq), .variable = "SLURM_ACCTG_FREQ"},
        TEXT("array", array_inx),
        TEXT("batch", batch_features),
        TEXT("bb", burst_buffer),
        TEXT("cluster-constraint", cluster_features),
        TEXT("constraint", features),
        {"container", set_text, AT(desc.container), .variable = "SLURM_CONTAINER"},
        {.name = "container-image", .set = set_image, .variable = IMAGE_OPTION},
        TEXT("context", req_context),
        {"dependency", set_text, AT(desc.dependency), .variable = "SLURM_JOB_DEPENDENCY"},
        TEXT("licenses", licenses),
        TEXT("mail-user", mail_user),
        TEXT("mcs-label", mcs_label),
        TEXT("network", network),
        TEXT("partition", partition),
        TEXT("prefer", prefer),
        TEXT("qos", qos),
        TEXT("reservation", reservation),
        TEXT("wckey", wckey),
        {"exclude", set_nodes_list, AT(desc.exc_nodes)},
        {"nodelist", set_nodes_list, AT(desc.req_nodes)},

        {.name = "nodes", .set = set_nodes},
        NUMBER("ntasks", ntasks, 1, MAX32),
        {"ntasks-per-node", set_number, AT(ntasks_per_node), .lo = 1, .hi = MAX16,
         .variable = "SLURM_NTASKS_PER_NODE"},
        {"tasks-per-node", set_number, AT(ntasks_per_node), .lo = 1, .hi = MAX16,
         .variable = "SLURM_NTASKS_PER_NODE"},
        {"cpus-per-task", set_number, AT(cpus_per_task), .lo = 1, .hi = MAX16,
         .variable = "SLURM_CPUS_PER_TASK"},
        NUMBER("mincpus", min_cpus, 1, MAX16),
        {"ntasks-per-core", set_number, AT(desc.ntasks_per_core), .lo = 1, .hi = MAX16,
         .variable = "SLURM_NTASKS_PER_CORE"},
        {"ntasks-per-gpu", set_number, AT(desc.ntasks_per_tres), .lo = 1, .hi = MAX16,
         .variable = "SLURM_NTASKS_PER_GPU"},
        {"ntasks-per-socket", set_number, AT(desc.ntasks_per_socket), .lo = 1, .hi = MAX16,
         .variable = "SLURM_NTASKS_PER_SOCKET"},
        {"ntasks-per-tres", set_number, AT(desc.ntasks_per_tres), .lo = 1, .hi = MAX16,
         .variable = "SLURM_NTASKS_PER_TRES"},
        NUMBER("sockets-per-node", desc.sockets_per_node, 1, MAX16),
        NUMBER("cores-per-socket", desc.cores_per_socket, 1, MAX16),
        {"threads-per-core", set_number, AT(desc.threads_per_core), .lo = 1, .hi = MAX16,
         .variable = "SLURM_THREADS_PER_CORE"},
        OWN("extra-node-info", gw_agent_node_info),
        OWN("hint", gw_agent_hint),
        OWN("cpu-freq", gw_agent_cpu_freq),
        OWN("mem-bind", gw_agent_mem_bind),
        NUMBER("core-spec", desc.core_spec, 0, CORE_SPEC_THREAD - 1),
        {.name = "thread-spec", .set = set_thread_spec, .lo = 0, .hi = CORE_SPEC_THREAD - 1},
        {.name = "distribution",
         .set = set_distribution,
         .words = distribution_words,
         .variable = "SLURM_DISTRIBUTION"},
        {.name = "nice", .set = set_nice, .lo = 0, .hi = (int64_t)NICE_OFFSET - 3},
        {.name = "switches", .set = set_switches, .lo = 1, .hi = INT32_MAX},

        {"time", set_minutes, AT(desc.time_limit)},
        {"time-min", set_minutes, AT(desc.time_min)},
        {"begin", set_time, AT(desc.begin_time)},
        {"deadline", set_time, AT(desc.deadline)},
        {"delay-boot", set_seconds, AT(desc.delay_boot)},
        {.name = "signal", .set = set_signal},

        {"mem", set_mebibytes, AT(mem)},
        {"mem-per-cpu", set_mebibytes, AT(mem_per_cpu)},
        {.name = "mem-per-gpu", .set = set_mem_per_gpu, .variable = "SLURM_MEM_PER_GPU"},
        {"tmp", set_mebibytes, AT(desc.pn_min_tmp_disk)},

        {.name = "gres", .set = set_gres},
        {.name = "gres-flags", .set = set_word_bits, .words = gres_words},
        {.name = "gpus", .set = set_gpus, .lo = GW_AGENT_PER_JOB, .variable = "SLURM_GPUS"},
        {.name = "gpus-per-node",
         .set = set_gpus,
         .lo = GW_AGENT_PER_NODE,
         .variable = "SLURM_GPUS_PER_NODE"},
        {.name = "gpus-per-socket",
         .set = set_gpus,
         .lo = GW_AGENT_PER_SOCKET,
         .variable = "SLURM_GPUS_PER_SOCKET"},
        {.name = "gpus-per-task",
         .set = set_gpus,
         .lo = GW_AGENT_PER_TASK,
         .variable = GW_AGENT_TRES_PER_TASK ? NULL : "SLURM_GPUS_PER_TASK"},
        {.name = "cpus-per-gpu",
         .set = set_cpus_per_gpu,
         .lo = 1,
         .hi = MAX16,
         .variable = "SLURM_CPUS_PER_GPU"},

        OWN("gpu-bind", gw_agent_gpu_bind),
        OWN("gpu-freq", gw_agent_gpu_freq),

        {"contiguous", set_flag, AT(desc.contiguous), .lo = 1},
        {"no-kill", set_flag, AT(desc.kill_on_node_fail), .lo = 0},
        {"overcommit", set_flag, AT(desc.overcommit), .lo = 1},
        {"oversubscribe", set_flag, AT(desc.shared), .lo = JOB_SHARED_OK},
        {.name = "spread-job", .set = set_bits, .lo = SPREAD_JOB},
        {.name = "use-min-nodes", .set = set_bits, .lo = USE_MIN_NODES},
        {"exclusive", set_word, AT(desc.shared), .words = exclusive_words},
        {.name = "kill-on-invalid-dep", .set = set_word_bits, .words = dependency_words},
        {.name = "mail-type", .set = set_mail_type, .words = mail_words},
        {"open-mode", set_open_mode, AT(desc.open_mode), .words = open_words},
        {.name = "profile", .set = set_profile, .words = profile_words},
        {.name = "propagate", .set = set_propagate},
        NUMBER("wait-all-nodes", desc.wait_all_nodes, 0, 1),

        GW_AGENT_UNTIL_22_05(
                {"power", set_word, AT(desc.power_flags),
                 .words = (const struct word[]){{"level", SLURM_POWER_FLAGS_LEVEL}, {NULL, 0}}})
                GW_AGENT_SINCE_24_11(TEXT("container-id", container_id), TEXT("extra", extra),
                                     {"oom-kill-step", set_number, AT(desc.oom_kill_step), .lo = 0,
                                      .hi = 1, .optional = true, .unsaid = 1},
                                     {"resv-ports", set_number, AT(desc.resv_port_cnt), .lo = 0,
                                      .hi = MAX16, .optional = true},
                                     {.name = "stepmgr", .set = set_bits, .lo = STEPMGR_ENABLED},
                                     NUMBER("segment", desc.segment_size, 1, MAX16))};
/* clang-format on */

static int fail_unknown(const char *name, struct gw_error *err)
{
        if (gw_slurm_option_check(name, err) == 0)
                gw_fail(err, GW_ERR_INVALID, "is no option of this version of Slurm");
        err->code = GW_ERR_INVALID;
        return -1;
}

static int apply(struct gw_agent_order *o, const char *name, const char *text, struct gw_error *err)
{
        for (size_t i = 0; i < GW_COUNT(options); i++) {
                if (strcmp(options[i].name, name) != 0)
                        continue;
                if (options[i].set(o, &options[i], text, err))
                        return -1;
                if (options[i].variable)
                        gw_agent_order_variable(o, options[i].variable, text);
                return 0;
        }
        return fail_unknown(name, err);
}

int gw_agent_options(struct gw_agent_order *o, const json_t *list, struct gw_error *err)
{
        const char *name;
        json_t *value;
        if (!json_is_object(list))
                return gw_fail_at(err, GW_ERR_INVALID, "options", "must be an object");
        json_object_foreach((json_t *)list, name, value)
        {
                struct gw_error fault = {0};
                int rc = json_is_string(value) ? apply(o, name, json_string_value(value), &fault)
                                               : gw_fail(&fault, GW_ERR_INVALID, "must be a text");
                if (rc) {
                        char pointer[GW_ERROR_POINTER];
                        snprintf(pointer, sizeof pointer, "options/%.64s", name);
                        return gw_fail_at(err, fault.code, pointer, "%s", fault.message);
                }
        }
        return 0;
}
