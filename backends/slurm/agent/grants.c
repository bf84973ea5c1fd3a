/* Associations and QOS as JSON. The agent's one thread. */
#include "backends/slurm/agent/grants.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "backends/slurm/agent/fields.h"
#include "backends/slurm/agent/libslurm.h"
#include "server/base/cleanup.h"

#define QOS(name, kind, member) GW_AGENT_FIELD(name, kind, slurmdb_qos_rec_t, member)
#define ASSOCIATION(name, kind, member) GW_AGENT_FIELD(name, kind, slurmdb_assoc_rec_t, member)

static const struct gw_agent_field qos_fields[] = {
        QOS("name", TEXT, name),
        QOS("description", TEXT, description),
        QOS("priority", NUMBER, priority),
        QOS("max_time_s", MINUTES, max_wall_pj),
};

static const struct gw_agent_field association_fields[] = {
        ASSOCIATION("user", TEXT, user),
        ASSOCIATION("account", TEXT, acct),
        ASSOCIATION("partition", TEXT, partition),
};

/* Calls for each until one does not return 0, and returns that. */
static int each(gw_agent_list list, int (*call)(void *arg, void *item), void *arg)
{
        gw_agent_iterator at = list ? slurm_list_iterator_create(list) : NULL;
        int rc = 0;
        for (void *item; at && rc == 0 && (item = slurm_list_next(at));)
                rc = call(arg, item);
        if (at)
                slurm_list_iterator_destroy(at);
        return rc;
}

struct grants {
        json_t *qos, *associations;
        const json_t *names; /* of the QOS, by number as text */
        json_t *list;        /* of one association's */
};

/* -- QOS ------------------------------------------------------------------------------------- */

static void write_number(uint32_t number, char out[16])
{
        snprintf(out, 16, "%u", number);
}

static int add_qos(void *arg, void *item)
{
        struct grants *g = arg;
        const slurmdb_qos_rec_t *q = item;
        json_t *object = json_object();
        return json_array_append_new(g->qos, object) ||
                               gw_agent_fields_put(qos_fields, GW_COUNT(qos_fields), q, object)
                       ? ENOMEM
                       : 0;
}

static int name_qos(void *arg, void *item)
{
        const slurmdb_qos_rec_t *q = item;
        char number[16];
        write_number(q->id, number);
        return json_object_set_new(arg, number, gw_agent_text(q->name ? q->name : "")) ? ENOMEM : 0;
}

/* -- associations ---------------------------------------------------------------------------- */

/* They are numbers here. */
static int add_name(void *arg, void *item)
{
        struct grants *g = arg;
        json_t *name = json_object_get(g->names, item);
        return name && json_array_append(g->list, name) ? ENOMEM : 0;
}

static int put_qos(struct grants *g, const slurmdb_assoc_rec_t *a, json_t *object)
{
        char number[16];
        write_number(a->def_qos_id, number);
        json_t *preset = json_object_get(g->names, number);
        g->list = json_array();
        if (json_object_set_new(object, "qos", g->list) || each(a->qos_list, add_name, g))
                return ENOMEM;
        return preset && json_object_set(object, "default_qos", preset) ? ENOMEM : 0;
}

/* Accounts have associations too, without a user. */
static int add_association(void *arg, void *item)
{
        struct grants *g = arg;
        const slurmdb_assoc_rec_t *a = item;
        if (!a->user || !a->user[0])
                return 0;
        json_t *object = json_object();
        if (json_array_append_new(g->associations, object) ||
            gw_agent_fields_put(association_fields, GW_COUNT(association_fields), a, object) ||
            json_object_set_new(object, "default", json_boolean(a->is_def == 1)))
                return ENOMEM;
        return put_qos(g, a, object);
}

/* -- all --------------------------------------------------------------------------------------- */

static int put(json_t *object, const assoc_mgr_info_msg_t *answer)
{
        json_auto_t *names = json_object();
        struct grants g = {.qos = json_array(), .associations = json_array(), .names = names};
        if (json_object_set_new(object, "qos", g.qos) ||
            json_object_set_new(object, "associations", g.associations) ||
            each(answer->qos_list, add_qos, &g) || each(answer->qos_list, name_qos, names))
                return ENOMEM;
        return each(answer->assoc_list, add_association, &g);
}

static bool has_accounting(void)
{
        const slurm_conf_t *conf = slurm_conf_lock();
        bool has = conf->accounting_storage_type &&
                   strcmp(conf->accounting_storage_type, "accounting_storage/slurmdbd") == 0;
        slurm_conf_unlock();
        return has;
}

int gw_agent_grants(json_t *object)
{
        assoc_mgr_info_request_msg_t request = {.flags = ASSOC_MGR_INFO_FLAG_ASSOC |
                                                         ASSOC_MGR_INFO_FLAG_QOS};
        assoc_mgr_info_msg_t *answer = NULL;
        if (!has_accounting())
                return 0;
        if (slurm_load_assoc_mgr_info(&request, &answer))
                return errno ? errno : SLURM_ERROR;
        int rc = put(object, answer);
        slurm_free_assoc_mgr_info_msg(answer);
        return rc;
}
