/* Options about parts of machines: with sbatch's rules, and where it is lenient, strictly. */
#include "backends/slurm/agent/hardware.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "backends/slurm/agent/values.h"
#include "server/base/cleanup.h"

#define MAX16 (NO_VAL16 - 1)
#define NUMBER_SIZE 24
#define MAX_CPU_FREQ 64 /* bytes of two frequencies and a governor */

static bool is_word(const char *text, const char *const *words)
{
        for (; *words; words++)
                if (strcasecmp(*words, text) == 0)
                        return true;
        return false;
}

static void say_number(struct gw_agent_order *o, const char *variable, uint32_t n)
{
        char number[NUMBER_SIZE];
        snprintf(number, sizeof number, "%" PRIu32, n);
        gw_agent_order_variable(o, variable, number);
}

/* -- sockets, cores and threads --------------------------------------------------------------- */

/* "*" leaves it as it is; of "2-4" the controller is told the first alone. */
static int read_part(const char *text, uint16_t *ret)
{
        uint32_t min, max;
        if (strcmp(text, "*") == 0)
                return 0;
        if (gw_agent_read_range(text, &min, &max, NULL) || max > MAX16)
                return -1;
        *ret = (uint16_t)min;
        return 0;
}

int gw_agent_node_info(struct gw_agent_order *o, const char *text, struct gw_error *err)
{
        job_desc_msg_t *d = &o->desc;
        uint16_t *const parts[] = {&d->sockets_per_node, &d->cores_per_socket,
                                   &d->threads_per_core};
        gw_autofree char *copy = strdup(text);
        if (!copy)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        char *rest = copy;
        for (size_t i = 0; rest; i++) {
                const char *part = strsep(&rest, ":");
                if (i == GW_COUNT(parts) || read_part(part, parts[i]))
                        return gw_fail(err, GW_ERR_INVALID,
                                       "must be SOCKETS:CORES:THREADS or the first of these, each "
                                       "a number, a range or *");
        }
        if (d->threads_per_core != NO_VAL16)
                say_number(o, "SLURM_THREADS_PER_CORE", d->threads_per_core);
        o->node_info = true;
        return 0;
}

/* -- hints ------------------------------------------------------------------------------------ */

#define KEEP 0 /* no number that a hint could ask for */

static const struct hint {
        const char *name;
        uint16_t sockets, cores, threads, tasks_per_core; /* as in a description, or KEEP */
} hints[] = {
        {"compute_bound", NO_VAL16, NO_VAL16, 1, KEEP},
        {"memory_bound", KEEP, 1, 1, KEEP},
        {"multithread", KEEP, KEEP, NO_VAL16, INFINITE16},
        {"nomultithread", KEEP, KEEP, 1, KEEP},
};

static const struct hint *find_hint(const char *name)
{
        for (size_t i = 0; i < GW_COUNT(hints); i++)
                if (strcasecmp(hints[i].name, name) == 0)
                        return &hints[i];
        return NULL;
}

int gw_agent_hint(struct gw_agent_order *o, const char *text, struct gw_error *err)
{
        if (!find_hint(text))
                return gw_fail(err, GW_ERR_INVALID,
                               "must be compute_bound, memory_bound, multithread or nomultithread");
        o->hint = text;
        return 0;
}

int gw_agent_hint_settle(struct gw_agent_order *o, struct gw_error *err)
{
        job_desc_msg_t *d = &o->desc;
        if (!o->hint)
                return 0;
        if (o->node_info || d->ntasks_per_core != NO_VAL16 || d->threads_per_core != NO_VAL16)
                return gw_fail_at(err, GW_ERR_INVALID, "options/hint",
                                  "cannot be said together with extra-node-info, ntasks-per-core "
                                  "or threads-per-core");
        const struct hint *hint = find_hint(o->hint);
        uint16_t *const members[] = {&d->sockets_per_node, &d->cores_per_socket,
                                     &d->threads_per_core, &d->ntasks_per_core};
        const uint16_t values[] = {hint->sockets, hint->cores, hint->threads, hint->tasks_per_core};
        for (size_t i = 0; i < GW_COUNT(members); i++)
                if (values[i] != KEEP)
                        *members[i] = values[i];
        gw_agent_order_variable(o, "SLURM_HINT", o->hint);
        if (d->threads_per_core != NO_VAL16)
                say_number(o, "SLURM_THREADS_PER_CORE", d->threads_per_core);
        if (d->ntasks_per_core != NO_VAL16)
                say_number(o, "SLURM_NTASKS_PER_CORE", d->ntasks_per_core);
        return 0;
}

/* -- frequencies ------------------------------------------------------------------------------ */

static const struct word {
        const char *name; /* as srun reads it in the environment, too */
        uint32_t value;
} governors[] =
        {
                {"Conservative", CPU_FREQ_CONSERVATIVE},
                {"OnDemand", CPU_FREQ_ONDEMAND},
                {"Performance", CPU_FREQ_PERFORMANCE},
                {"PowerSave", CPU_FREQ_POWERSAVE},
                {"SchedUtil", CPU_FREQ_SCHEDUTIL},
                {"UserSpace", CPU_FREQ_USERSPACE},
                {NULL, 0},
},
  frequencies[] = {
          {"Low", CPU_FREQ_LOW},
          {"Medium", CPU_FREQ_MEDIUM},
          {"High", CPU_FREQ_HIGH},
          {"Highm1", CPU_FREQ_HIGHM1},
          {NULL, 0},
};

/* 0: no such word. */
static uint32_t value_of(const struct word *words, const char *text)
{
        for (; words->name; words++)
                if (strcasecmp(words->name, text) == 0)
                        return words->value;
        return 0;
}

/* In kHz, or one of the words. 0: neither. */
static uint32_t frequency_of(const char *text)
{
        int64_t n;
        if (gw_agent_read_number(text, 1, INT32_MAX, &n, NULL) == 0)
                return (uint32_t)n;
        return value_of(frequencies, text);
}

static int set_governor(job_desc_msg_t *d, const char *text, struct gw_error *err)
{
        d->cpu_freq_gov = value_of(governors, text);
        if (d->cpu_freq_gov)
                return 0;
        return gw_fail(err, GW_ERR_INVALID,
                       "must end with a governor: Conservative, OnDemand, Performance, PowerSave, "
                       "SchedUtil or UserSpace");
}

/* min: NULL where there is one frequency alone. */
static int set_frequencies(job_desc_msg_t *d, const char *min, const char *max,
                           struct gw_error *err)
{
        uint32_t low = min ? frequency_of(min) : NO_VAL, high = frequency_of(max);
        if (!low || !high || (min && high < low))
                return gw_fail(err, GW_ERR_INVALID,
                               "must be a frequency in kHz, or low, medium, high or highm1, or two "
                               "as in low-high, the smaller first, or a governor");
        d->cpu_freq_min = low;
        d->cpu_freq_max = high;
        return 0;
}

static void add_word(struct gw_buf *to, const struct word *words, uint32_t value)
{
        for (; words->name; words++)
                if (words->value == value) {
                        gw_buf_str(to, words->name);
                        return;
                }
        gw_buf_printf(to, "%" PRIu32, value);
}

/* To srun, in sbatch's words. */
static void say_cpu_freq(struct gw_agent_order *o)
{
        const job_desc_msg_t *d = &o->desc;
        struct gw_buf said = GW_BUF_INIT(MAX_CPU_FREQ);
        if (d->cpu_freq_min != NO_VAL)
                add_word(&said, frequencies, d->cpu_freq_min);
        if (d->cpu_freq_max != NO_VAL) {
                gw_buf_str(&said, said.len > 0 ? "-" : "");
                add_word(&said, frequencies, d->cpu_freq_max);
        }
        if (d->cpu_freq_gov != NO_VAL) {
                gw_buf_str(&said, said.len > 0 ? ":" : "");
                add_word(&said, governors, d->cpu_freq_gov);
        }
        gw_agent_order_variable(o, "SLURM_CPU_FREQ_REQ", said.data);
        gw_buf_done(&said);
}

/* Versions differ in which governor goes with one frequency, and which with a range of them. */
static bool goes_together(bool range, uint32_t governor)
{
        if (!GW_AGENT_EACH_GOVERNED)
                return range || governor == NO_VAL;
        if (!range)
                return governor == CPU_FREQ_USERSPACE;
        return governor != CPU_FREQ_USERSPACE && governor != NO_VAL;
}

static int settle_governor(job_desc_msg_t *d, struct gw_error *err)
{
        const slurm_conf_t *conf = slurm_conf_lock();
        uint32_t allowed = conf->cpu_freq_govs, usual = conf->cpu_freq_def;
        slurm_conf_unlock();
        bool range = d->cpu_freq_min != NO_VAL;
        if (GW_AGENT_EACH_GOVERNED && d->cpu_freq_gov == NO_VAL)
                d->cpu_freq_gov = range ? usual : CPU_FREQ_USERSPACE;
        if (d->cpu_freq_max != NO_VAL && !goes_together(range, d->cpu_freq_gov))
                return gw_fail(err, GW_ERR_INVALID,
                               "must have a governor behind a range, which is not UserSpace, and "
                               "none behind a frequency alone");
        if (d->cpu_freq_gov != NO_VAL &&
            (d->cpu_freq_gov & allowed & ~(uint32_t)CPU_FREQ_RANGE_FLAG) == 0)
                return gw_fail(err, GW_ERR_INVALID, "has a governor that this cluster forbids");
        return 0;
}

int gw_agent_cpu_freq(struct gw_agent_order *o, const char *text, struct gw_error *err)
{
        job_desc_msg_t *d = &o->desc;
        gw_autofree char *copy = strdup(text);
        if (!copy)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        char *governor = copy, *max = strsep(&governor, ":");
        const char *first = strsep(&max, "-");
        bool alone = !governor && !max && value_of(governors, first);
        if (alone)
                governor = (char *)first;
        if ((governor && set_governor(d, governor, err)) ||
            (!alone && set_frequencies(d, max ? first : NULL, max ? max : first, err)) ||
            settle_governor(d, err))
                return -1;
        say_cpu_freq(o);
        return 0;
}

static bool is_gpu_frequency(const char *text)
{
        static const char *const words[] = {"low", "medium", "high", "highm1", NULL};
        int64_t n;
        return is_word(text, words) || gw_agent_read_number(text, 0, INT32_MAX, &n, NULL) == 0;
}

static bool is_frequency_part(const char *part)
{
        static const char memory[] = "memory=";
        if (strcmp(part, "verbose") == 0)
                return true;
        if (strncmp(part, memory, sizeof memory - 1) == 0)
                part += sizeof memory - 1;
        return is_gpu_frequency(part);
}

int gw_agent_gpu_freq(struct gw_agent_order *o, const char *text, struct gw_error *err)
{
        gw_autofree char *copy = strdup(text);
        if (!copy)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        char *rest = copy, *part;
        while ((part = strsep(&rest, ",")))
                if (!is_frequency_part(part))
                        return gw_fail(err, GW_ERR_INVALID,
                                       "must be MHz, low, medium, high or highm1, one for the "
                                       "GPU, and behind a comma one with memory= for its memory");
        gw_buf_printf(&o->frequency, "gpu:%s", text);
        o->desc.tres_freq = o->frequency.data;
        gw_agent_order_variable(o, "SLURM_GPU_FREQ", text);
        return 0;
}

/* -- binding ---------------------------------------------------------------------------------- */

/* Numbers with commas, in hexadecimal or not, each with or without how often it counts: 0*2,1. */
static bool is_list(const char *text, bool hex)
{
        const char *digits = hex ? "0123456789abcdefABCDEF" : "0123456789";
        for (const char *at = text;; at++) {
                if (hex && strncmp(at, "0x", 2) == 0)
                        at += 2;
                size_t len = strspn(at, digits);
                if (len == 0)
                        return false;
                at += len;
                if (*at == '*')
                        at += 1 + strspn(at + 1, "0123456789");
                if (*at != ',')
                        return *at == '\0' && at[-1] != '*';
        }
}

static bool is_binding(const char *text)
{
        static const char *const alone[] = {"closest", "none", NULL};
        static const char verbose[] = "verbose,", *const counted[] = {"single:", "per_task:"},
                          map[] = "map_gpu:", mask[] = "mask_gpu:";
        int64_t n;
        if (strncasecmp(text, verbose, sizeof verbose - 1) == 0)
                text += sizeof verbose - 1;
        for (size_t i = 0; i < GW_COUNT(counted); i++)
                if (strncasecmp(text, counted[i], strlen(counted[i])) == 0)
                        return gw_agent_read_number(text + strlen(counted[i]), 0, INT32_MAX, &n,
                                                    NULL) == 0;
        if (strncasecmp(text, map, sizeof map - 1) == 0)
                return is_list(text + sizeof map - 1, false);
        if (strncasecmp(text, mask, sizeof mask - 1) == 0)
                return is_list(text + sizeof mask - 1, true);
        return is_word(text, alone);
}

int gw_agent_gpu_bind(struct gw_agent_order *o, const char *text, struct gw_error *err)
{
        if (!is_binding(text))
                return gw_fail(
                        err, GW_ERR_INVALID,
                        "must be closest, none, single:TASKS, per_task:GPUS, map_gpu:LIST or "
                        "mask_gpu:LIST, with or without verbose, in front");
        gw_buf_printf(&o->bind, GW_AGENT_GPU_BIND "%s", text);
        o->desc.tres_bind = o->bind.data;
        gw_agent_order_variable(o, GW_AGENT_BIND_VARIABLE,
                                GW_AGENT_TRES_PER_TASK ? o->bind.data : text);
        return 0;
}

/* How srun reads it: the kinds, and behind a colon the list. */
static void say_mem_bind(struct gw_agent_order *o, mem_bind_type_t kind)
{
        struct gw_buf whole = GW_BUF_INIT(o->bind.max);
        char *kinds = slurm_xstr_mem_bind_type(kind);
        if (kinds) {
                gw_buf_printf(&whole, "%s%s%s", kinds, o->mem_bind ? ":" : "",
                              o->mem_bind ? o->mem_bind : "");
                gw_agent_order_variable(o, "SLURM_MEM_BIND", gw_buf_ok(&whole) ? whole.data : "");
                gw_agent_order_variable(o, "SLURM_MEM_BIND_VERBOSE",
                                        kind & MEM_BIND_VERBOSE ? "verbose" : "quiet");
        }
        if (kind & MEM_BIND_SORT)
                gw_agent_order_variable(o, "SLURM_MEM_BIND_SORT", "sort");
        slurm_xfree((void **)&kinds);
        gw_buf_done(&whole);
}

/* libslurm answers "help" by printing it. */
int gw_agent_mem_bind(struct gw_agent_order *o, const char *text, struct gw_error *err)
{
        mem_bind_type_t kind = 0;
        if (strcasestr(text, "help") || slurm_verify_mem_bind(text, &o->mem_bind, &kind))
                return gw_fail(err, GW_ERR_INVALID,
                               "must be local, rank, none, map_mem:LIST or mask_mem:LIST, with or "
                               "without verbose, prefer or sort and a comma in front");
        o->desc.mem_bind = o->mem_bind;
        o->desc.mem_bind_type = (uint16_t)kind;
        say_mem_bind(o, kind);
        return 0;
}
