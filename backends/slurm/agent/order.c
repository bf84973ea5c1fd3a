/*
 * From options to a description. The agent's one thread.
 *
 * The controller takes what it is given literally: how many tasks and CPUs "--nodes=2" means is
 * sbatch's reckoning, and is done here as there, so that one option means one thing.
 */
#include "backends/slurm/agent/order.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "backends/slurm/agent/hardware.h"
#include "server/base/cleanup.h"

#define LIST_MAX 4096
#define NODES_MAX 65536 /* bytes of names, in ranges */
#define VARIABLES_MAX 65536

void gw_agent_order_init(struct gw_agent_order *o)
{
        *o = (struct gw_agent_order){
                .mem = NO_VAL64,
                .mem_per_cpu = NO_VAL64,
                .bind = GW_BUF_INIT(LIST_MAX),
                .frequency = GW_BUF_INIT(LIST_MAX),
                .plugin = GW_BUF_INIT(LIST_MAX),
                .variables = GW_BUF_INIT(VARIABLES_MAX),
        };
        for (size_t i = 0; i < GW_AGENT_TRES; i++)
                o->tres[i] = GW_BUF_INIT(LIST_MAX);
        gw_agent_desc_init(&o->desc);
        /* Where sbatch's default is not that of libslurm. */
        o->desc.contiguous = 0;
        o->desc.mail_type = 0;
}

void gw_agent_order_done(struct gw_agent_order *o)
{
        for (size_t i = 0; i < GW_AGENT_TRES; i++)
                gw_buf_done(&o->tres[i]);
        gw_buf_done(&o->bind);
        gw_buf_done(&o->frequency);
        gw_buf_done(&o->plugin);
        gw_buf_done(&o->variables);
        free(o->nodelist);
        slurm_xfree((void **)&o->mem_bind);
}

void gw_agent_order_add(struct gw_agent_order *o, enum gw_agent_tres list, const char *kind,
                        const char *text)
{
        struct gw_buf *b = &o->tres[list];
        gw_buf_printf(b, "%s%s%s%s", b->len > 0 ? "," : "", GW_AGENT_GRES, kind, text);
}

void gw_agent_order_variable(struct gw_agent_order *o, const char *name, const char *value)
{
        gw_buf_printf(&o->variables, "%s=%s", name, value);
        gw_buf_char(&o->variables, '\0');
}

/* As many nodes as are named. */
static int count_nodes(struct gw_agent_order *o, struct gw_error *err)
{
        if (!o->desc.req_nodes)
                return 0;
        o->nodelist = malloc(NODES_MAX);
        if (!o->nodelist)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        gw_agent_hosts hosts = slurm_hostlist_create(o->desc.req_nodes);
        if (!hosts)
                return gw_fail_at(err, GW_ERR_INVALID, "options/nodelist",
                                  "must be names of nodes, as in n[1-3],n7");
        slurm_hostlist_uniq(hosts);
        uint32_t count = (uint32_t)slurm_hostlist_count(hosts);
        ssize_t len = slurm_hostlist_ranged_string(hosts, NODES_MAX, o->nodelist);
        slurm_hostlist_destroy(hosts);
        if (len < 0)
                return gw_fail_at(err, GW_ERR_INVALID, "options/nodelist", "is too long");
        o->desc.req_nodes = o->nodelist;
        if (o->min_nodes < count)
                o->min_nodes = count;
        if (o->ntasks && o->ntasks < count)
                return gw_fail_at(err, GW_ERR_INVALID, "options/nodelist",
                                  "names %u nodes for %u tasks", count, o->ntasks);
        return 0;
}

static bool exact_nodes(const struct gw_agent_order *o)
{
        return o->max_nodes == 0 || o->min_nodes == o->max_nodes;
}

/* No more nodes than there are tasks. */
static void fit_nodes(struct gw_agent_order *o)
{
        if (o->min_nodes == 0 || o->ntasks == 0)
                return;
        if (o->ntasks < o->max_nodes)
                o->max_nodes = o->ntasks;
        if (o->ntasks < o->min_nodes)
                o->min_nodes = o->max_nodes = o->ntasks;
}

/* The tasks that are reckoned with: those that are said, or one on each node. */
static uint32_t reckon_tasks(struct gw_agent_order *o)
{
        const job_desc_msg_t *d = &o->desc;
        uint32_t nodes = o->min_nodes ? o->min_nodes : 1;
        if (o->ntasks == 0 && o->ntasks_per_node && exact_nodes(o))
                o->ntasks = nodes * o->ntasks_per_node;
        if (o->ntasks)
                return o->ntasks;
        if ((o->min_nodes == 0 && !o->node_info) || !exact_nodes(o))
                return 1;
        const uint16_t per_node[] = {d->sockets_per_node, d->cores_per_socket, d->threads_per_core};
        uint32_t tasks = nodes;
        for (size_t i = 0; i < GW_COUNT(per_node); i++)
                if (per_node[i] != NO_VAL16) {
                        tasks *= per_node[i];
                        o->ntasks = tasks;
                }
        return tasks;
}

/* How many GPUs a list asks for: one for each part of it that has no number. */
static uint32_t count_gpus(const struct gw_buf *list)
{
        static const char gpu[] = GW_AGENT_GRES "gpu";
        uint32_t count = 0;
        for (const char *at = list->data; at && (at = strstr(at, gpu)); at += strcspn(at, ",")) {
                at += sizeof gpu - 1;
                const char *end = at + strcspn(at, ","), *number = end;
                while (number > at && isdigit((unsigned char)number[-1]))
                        number--;
                bool counted = number < end && number[-1] == ':'; /* or it is the type's name */
                if (*at == ':' || at == end)
                        count += counted ? (uint32_t)strtoul(number, NULL, 10) : 1;
        }
        return count;
}

/* As many tasks for each GPU. Of how many there are the number of nodes may tell. */
static int settle_tasks_per_gpu(struct gw_agent_order *o, struct gw_error *err)
{
        uint32_t nodes = o->min_nodes ? o->min_nodes : 1, each = o->desc.ntasks_per_tres;
        uint32_t gpus = count_gpus(&o->tres[GW_AGENT_PER_JOB]) +
                        count_gpus(&o->tres[GW_AGENT_PER_NODE]) * nodes;
        if (each == NO_VAL16)
                return 0;
        if (gpus > 0)
                o->desc.num_tasks = gpus * each;
        else if (o->ntasks == 0 && o->min_nodes && o->min_nodes == o->max_nodes)
                o->desc.num_tasks = nodes * each;
        else if (o->ntasks == 0)
                return gw_fail_at(err, GW_ERR_INVALID, "options/ntasks-per-gpu",
                                  "needs a number of GPUs, tasks or nodes beside it");
        return 0;
}

static void settle_sizes(struct gw_agent_order *o)
{
        job_desc_msg_t *d = &o->desc;
        uint32_t tasks = reckon_tasks(o);
        fit_nodes(o);
        if (o->ntasks) {
                d->bitflags |= JOB_NTASKS_SET;
                d->num_tasks = o->ntasks;
        }
        d->min_cpus = tasks;
        if (o->cpus_per_task) {
                d->bitflags |= JOB_CPUS_SET;
                d->cpus_per_task = (uint16_t)o->cpus_per_task;
                d->min_cpus = tasks * o->cpus_per_task;
        }
        if (d->overcommit != NO_VAL8 && d->overcommit)
                d->min_cpus = o->min_nodes ? o->min_nodes : 1;
        if (o->min_cpus < o->cpus_per_task)
                o->min_cpus = o->cpus_per_task;
        if (o->min_cpus)
                d->pn_min_cpus = (uint16_t)o->min_cpus;
        if (o->ntasks_per_node)
                d->ntasks_per_node = (uint16_t)o->ntasks_per_node;
        if (o->min_nodes)
                d->min_nodes = o->min_nodes;
        if (o->max_nodes)
                d->max_nodes = o->max_nodes;
}

static int settle_memory(struct gw_agent_order *o, struct gw_error *err)
{
        bool per_gpu = o->tres[GW_AGENT_MEMORY_PER].len > 0;
        if ((o->mem != NO_VAL64) + (o->mem_per_cpu != NO_VAL64) + per_gpu > 1)
                return gw_fail_at(err, GW_ERR_INVALID, "options/mem",
                                  "can be said per node, per CPU or per GPU, and only once");
        if (o->mem != NO_VAL64)
                o->desc.pn_min_memory = o->mem;
        if (o->mem_per_cpu != NO_VAL64)
                o->desc.pn_min_memory = o->mem_per_cpu | MEM_PER_CPU;
        return 0;
}

/* What the controller leaves to sbatch: it reckons how many nodes, tasks and CPUs there are from
 * several of these, which is not done here. */
static int check_gpus(const struct gw_agent_order *o, struct gw_error *err)
{
        static const enum gw_agent_tres whole[] = {GW_AGENT_PER_JOB, GW_AGENT_PER_NODE,
                                                   GW_AGENT_PER_SOCKET, GW_AGENT_PER_TASK};
        int said = 0;
        for (size_t i = 0; i < GW_COUNT(whole); i++) {
                const char *list = o->tres[whole[i]].data;
                said += list && strstr(list, GW_AGENT_GRES "gpu") != NULL;
        }
        if (said > 1)
                return gw_fail_at(err, GW_ERR_INVALID, "options/gpus",
                                  "can be said per job, node, socket or task, and only once");
        if (o->desc.ntasks_per_tres != NO_VAL16 &&
            (o->ntasks_per_node || o->tres[GW_AGENT_PER_SOCKET].len > 0 ||
             o->tres[GW_AGENT_PER_TASK].len > 0))
                return gw_fail_at(err, GW_ERR_INVALID, "options/ntasks-per-gpu",
                                  "cannot be said together with ntasks-per-node, gpus-per-socket "
                                  "or gpus-per-task");
        if (o->cpus_per_task && o->tres[GW_AGENT_CPUS_PER].len > 0)
                return gw_fail_at(err, GW_ERR_INVALID, "options/cpus-per-gpu",
                                  "cannot be said together with cpus-per-task");
        return 0;
}

/* Unless it was said how they are. */
static void bind_per_task(struct gw_agent_order *o, const char *number)
{
        if (o->desc.tres_bind)
                return;
        gw_buf_printf(&o->bind, GW_AGENT_GPU_BIND "per_task:%s", number);
        o->desc.tres_bind = o->bind.data;
        gw_agent_order_variable(o, GW_AGENT_BIND_VARIABLE, o->bind.data);
}

/* Where all that a task has is one list: with its CPUs in it, its GPUs (only they are said per
 * task) as TYPE=NUMBER, and bound to it. */
static void gather_per_task(struct gw_agent_order *o)
{
        struct gw_buf *list = &o->tres[GW_AGENT_PER_TASK], whole = GW_BUF_INIT(LIST_MAX);
        bool said = o->cpus_per_task || list->len > 0;
        if (!GW_AGENT_TRES_PER_TASK || !said || !gw_buf_ok(list))
                return;
        if (o->cpus_per_task)
                gw_buf_printf(&whole, "cpu=%u%s", o->cpus_per_task, list->len > 0 ? "," : "");
        if (list->len > 0) {
                const char *number = strrchr(list->data, ':') + 1;
                gw_buf_add(&whole, list->data, (size_t)(number - 1 - list->data));
                gw_buf_printf(&whole, "=%s", number);
                bind_per_task(o, number);
        }
        gw_buf_done(list);
        *list = whole;
        if (gw_buf_ok(list))
                gw_agent_order_variable(o, "SLURM_TRES_PER_TASK", list->data);
}

static int check_times(const struct gw_agent_order *o, struct gw_error *err)
{
        if (o->desc.deadline && o->desc.deadline < o->desc.begin_time)
                return gw_fail_at(err, GW_ERR_INVALID, "options/deadline", "is before begin");
        return 0;
}

static int settle_resources(struct gw_agent_order *o, struct gw_error *err)
{
        char **const lists[GW_AGENT_TRES] = {
                [GW_AGENT_PER_JOB] = &o->desc.tres_per_job,
                [GW_AGENT_PER_NODE] = &o->desc.tres_per_node,
                [GW_AGENT_PER_SOCKET] = &o->desc.tres_per_socket,
                [GW_AGENT_PER_TASK] = &o->desc.tres_per_task,
                [GW_AGENT_CPUS_PER] = &o->desc.cpus_per_tres,
                [GW_AGENT_MEMORY_PER] = &o->desc.mem_per_tres,
        };
        gather_per_task(o);
        for (size_t i = 0; i < GW_AGENT_TRES; i++) {
                if (!gw_buf_ok(&o->tres[i]))
                        return gw_fail_at(err, GW_ERR_INVALID, "options",
                                          "ask for too many kinds of resources");
                *lists[i] = o->tres[i].data;
        }
        return 0;
}

int gw_agent_order_settle(struct gw_agent_order *o, struct gw_error *err)
{
        if (count_nodes(o, err) || gw_agent_hint_settle(o, err) || check_gpus(o, err) ||
            check_times(o, err) || settle_memory(o, err) || settle_resources(o, err))
                return -1;
        settle_sizes(o);
        if (settle_tasks_per_gpu(o, err))
                return -1;
        if (!gw_buf_ok(&o->variables) || !gw_buf_ok(&o->plugin) || !gw_buf_ok(&o->bind) ||
            !gw_buf_ok(&o->frequency))
                return gw_fail_at(err, GW_ERR_INVALID, "options", "are too long");
        return 0;
}
