/* Lists of names against the grants of users. */
#include "backends/slurm/access.h"

#include <string.h>

#include "server/base/cleanup.h"

static bool has_name(const json_t *names, const char *name)
{
        size_t i;
        const json_t *item;
        json_array_foreach(names, i, item)
        {
                if (strcmp(json_string_value(item), name) == 0)
                        return true;
        }
        return false;
}

bool gw_slurm_may_use(const json_t *queue, const char *what, const char *name)
{
        const json_t *allowed = json_object_get(json_object_get(queue, "allow"), what);
        const json_t *denied = json_object_get(json_object_get(queue, "deny"), what);
        return !name || ((!allowed || has_name(allowed, name)) && !has_name(denied, name));
}

/* One of its QOS is enough. */
static bool may_use(const json_t *queue, const json_t *grant)
{
        const json_t *all = json_object_get(grant, "qos"), *qos;
        const char *only = json_string_value(json_object_get(grant, "queue"));
        const char *name = json_string_value(json_object_get(queue, "name"));
        const char *account = json_string_value(json_object_get(grant, "account"));
        size_t i;
        if ((only && strcmp(only, name) != 0) || !gw_slurm_may_use(queue, "accounts", account))
                return false;
        json_array_foreach(all, i, qos)
        {
                if (gw_slurm_may_use(queue, "qos", json_string_value(qos)))
                        return true;
        }
        return json_array_size(all) == 0;
}

/* ---- as it is told --------------------------------------------------------------------------- */

static int tell_queue(json_t *queue)
{
        bool restricted = json_object_size(json_object_get(queue, "allow")) > 0 ||
                          json_object_size(json_object_get(queue, "deny")) > 0;
        json_object_del(queue, "allow");
        json_object_del(queue, "deny");
        return json_object_set_new(queue, "restricted", json_boolean(restricted));
}

static int tell_grant(json_t *grant, const json_t *queues)
{
        json_t *list = json_array();
        size_t i;
        const json_t *queue;
        int rc = json_object_set_new(grant, "queues", list);
        json_array_foreach(queues, i, queue)
        {
                if (rc == 0 && may_use(queue, grant))
                        rc = json_array_append(list, json_object_get(queue, "name"));
        }
        return rc;
}

static int tell_users(json_t *users, const json_t *queues)
{
        const char *user;
        json_t *grants, *grant;
        size_t i;
        int rc = 0;
        json_object_foreach(users, user, grants)
        {
                json_array_foreach(grants, i, grant)
                {
                        rc |= tell_grant(grant, queues);
                }
        }
        return rc;
}

json_t *gw_slurm_access_told(const json_t *offer)
{
        json_t *told = json_deep_copy(offer), *queue;
        size_t i;
        int rc = tell_users(json_object_get(told, "users"), json_object_get(offer, "queues"));
        json_array_foreach(json_object_get(told, "queues"), i, queue)
        {
                rc |= tell_queue(queue);
        }
        if (rc)
                json_decref(GW_TAKE(told));
        return told;
}
