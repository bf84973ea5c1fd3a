/* The role `work`: does what it is asked, one thing after the other. The agent's one thread. */
#include <string.h>

#include "backends/slurm/agent/request.h"
#include "backends/slurm/agent/role.h"
#include "backends/slurm/agent/verbs.h"
#include "server/base/cleanup.h"

static const struct verb {
        const char *op;
        void (*run)(struct gw_agent_cluster *c, const json_t *request, struct gw_agent_result *ret);
} verbs[] = {
        {"submit", gw_agent_submit}, {"cancel", gw_agent_cancel},   {"change", gw_agent_change},
        {"look", gw_agent_look},     {"account", gw_agent_account},
};

static const struct verb *find(const char *op)
{
        for (size_t i = 0; i < GW_COUNT(verbs); i++)
                if (strcmp(verbs[i].op, op) == 0)
                        return &verbs[i];
        return NULL;
}

static int serve(struct gw_agent_cluster *cluster, struct gw_agent_channel *channel,
                 const json_t *request, struct gw_error *err)
{
        json_int_t id;
        const char *op;
        struct gw_agent_result result = {0};
        if (gw_agent_request_head(request, &id, &op, err))
                return -1;
        const struct verb *verb = find(op);
        if (!verb)
                return gw_fail(err, GW_ERR_INVALID, "'work' knows no op '%.20s'", op);
        verb->run(cluster, request, &result);
        return gw_agent_send(channel, gw_agent_answer(id, &result), err);
}

int gw_agent_work(struct gw_agent_cluster *cluster, struct gw_agent_channel *channel,
                  struct gw_error *err)
{
        for (;;) {
                json_t *request;
                if (gw_agent_receive(channel, -1, &request, err))
                        return -1;
                int rc = request ? serve(cluster, channel, request, err) : 0;
                json_decref(request);
                if (rc)
                        return -1;
        }
}
