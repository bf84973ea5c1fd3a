/* Partitions, nodes and the controller itself as JSON. The agent's one thread. */
#include "backends/slurm/agent/offer.h"

#include <errno.h>
#include <stdbool.h>

#include "backends/slurm/agent/fields.h"
#include "backends/slurm/agent/grants.h"
#include "backends/slurm/agent/libslurm.h"
#include "server/base/cleanup.h"

#define PARTITION(name, kind, member) GW_AGENT_FIELD(name, kind, partition_info_t, member)
#define NODE(name, kind, member) GW_AGENT_FIELD(name, kind, node_info_t, member)

static const struct gw_agent_field partition_fields[] = {
        PARTITION("name", TEXT, name),
        PARTITION("max_time_s", MINUTES, max_time),
        PARTITION("default_time_s", MINUTES, default_time),
        PARTITION("min_nodes", NUMBER, min_nodes),
        PARTITION("max_nodes", LIMIT, max_nodes),
        PARTITION("nodes", TEXT, nodes),
        PARTITION("groups", TEXT, allow_groups),
        PARTITION("accounts", TEXT, allow_accounts),
        PARTITION("deny_accounts", TEXT, deny_accounts),
        PARTITION("qos", TEXT, allow_qos),
        PARTITION("deny_qos", TEXT, deny_qos),
};

static const struct gw_agent_field node_fields[] = {
        NODE("name", TEXT, name),
        NODE("state", NUMBER, node_state),
        NODE("reason", TEXT, reason),
        NODE("booted", NUMBER, boot_time),
        NODE("slurmd_started", NUMBER, slurmd_start_time),
        NODE("cpus", NUMBER, cpus_efctv),
        NODE("memory_mib", NUMBER, real_memory),
        NODE("tmp_mib", NUMBER, tmp_disk),
        NODE("gres", TEXT, gres),
        NODE("gres_used", TEXT, gres_used),
        NODE("features", TEXT, features),
        NODE("partitions", TEXT, partitions),
};

#define NODE_TAKES_NONE                                                                            \
        (NODE_STATE_DRAIN | NODE_STATE_FAIL | NODE_STATE_NO_RESPOND | NODE_STATE_MAINT |           \
         NODE_STATE_RES | NODE_STATE_REBOOT_REQUESTED | NODE_STATE_REBOOT_ISSUED |                 \
         NODE_STATE_INVALID_REG)

static int put_bool(json_t *object, const char *name, int value)
{
        return json_object_set_new(object, name, json_boolean(value));
}

static int add_partition(json_t *list, const partition_info_t *p,
                         const struct gw_agent_tally *tally)
{
        json_t *object = json_object();
        int rc = json_array_append_new(list, object);
        return rc || gw_agent_fields_put(partition_fields, GW_COUNT(partition_fields), p, object) ||
                               put_bool(object, "starts", p->state_up & PARTITION_SCHED) ||
                               put_bool(object, "accepts", p->state_up & PARTITION_SUBMIT) ||
                               put_bool(object, "default", p->flags & PART_FLAG_DEFAULT) ||
                               gw_agent_tally_put(tally, p->name ? p->name : "", object)
                       ? ENOMEM
                       : 0;
}

static bool takes_jobs(const node_info_t *n)
{
        uint32_t base = n->node_state & NODE_STATE_BASE;
        bool works =
                base == NODE_STATE_IDLE || base == NODE_STATE_ALLOCATED || base == NODE_STATE_MIXED;
        return works && !(n->node_state & NODE_TAKES_NONE);
}

/* What is in use is kept by the plugin that selects nodes. */
static int put_used(json_t *object, const node_info_t *n)
{
        uint16_t cpus = 0;
        uint64_t memory = 0;
        slurm_get_select_nodeinfo(n->select_nodeinfo, SELECT_NODEDATA_SUBCNT, NODE_STATE_ALLOCATED,
                                  &cpus);
        slurm_get_select_nodeinfo(n->select_nodeinfo, SELECT_NODEDATA_MEM_ALLOC,
                                  NODE_STATE_ALLOCATED, &memory);
        return json_object_set_new(object, "cpus_used", json_integer(cpus)) ||
               json_object_set_new(object, "memory_used_mib", json_integer((json_int_t)memory));
}

static int add_node(json_t *list, const node_info_t *n)
{
        if (!n->name) /* a place in the controller's table that nobody has */
                return 0;
        json_t *object = json_object();
        int rc = json_array_append_new(list, object);
        return rc || gw_agent_fields_put(node_fields, GW_COUNT(node_fields), n, object) ||
                               put_used(object, n) || put_bool(object, "takes", takes_jobs(n))
                       ? ENOMEM
                       : 0;
}

static int put_partitions(json_t *object, const partition_info_msg_t *partitions,
                          const struct gw_agent_tally *tally)
{
        json_t *list = json_array();
        int rc = json_object_set_new(object, "partitions", list) ? ENOMEM : 0;
        for (uint32_t i = 0; i < partitions->record_count && rc == 0; i++)
                rc = add_partition(list, &partitions->partition_array[i], tally);
        return rc;
}

static int put_nodes(json_t *object, partition_info_msg_t *partitions)
{
        node_info_msg_t *answer = NULL;
        if (slurm_load_node(0, &answer, SHOW_ALL | SHOW_DETAIL))
                return errno ? errno : SLURM_ERROR;
        slurm_populate_node_partitions(answer, partitions);
        json_t *list = json_array();
        int rc = json_object_set_new(object, "nodes", list) ? ENOMEM : 0;
        for (uint32_t i = 0; i < answer->record_count && rc == 0; i++)
                rc = add_node(list, &answer->node_array[i]);
        slurm_free_node_info_msg(answer);
        return rc;
}

static int put_machines(json_t *object, const struct gw_agent_tally *tally)
{
        partition_info_msg_t *partitions = NULL;
        if (slurm_load_partitions(0, &partitions, SHOW_ALL))
                return errno ? errno : SLURM_ERROR;
        int rc = put_partitions(object, partitions, tally);
        if (rc == 0)
                rc = put_nodes(object, partitions);
        slurm_free_partition_info_msg(partitions);
        return rc;
}

static int put_controller(json_t *object)
{
        slurm_conf_t *conf = NULL;
        if (slurm_load_ctl_conf(0, &conf))
                return errno ? errno : SLURM_ERROR;
        json_t *controller = json_pack("{s:o, s:I}", "version",
                                       gw_agent_text(conf->version ? conf->version : ""), "started",
                                       (json_int_t)conf->boot_time);
        slurm_free_ctl_conf(conf);
        return json_object_set_new(object, "controller", controller) ? ENOMEM : 0;
}

int gw_agent_offer(const struct gw_agent_tally *tally, json_t *object)
{
        int rc = gw_agent_tally_put(tally, NULL, object) ? ENOMEM : put_controller(object);
        if (rc == 0)
                rc = put_machines(object, tally);
        return rc ? rc : gw_agent_grants(object);
}
