/*
 * Partitions and nodes to queues and sums. Pure.
 *
 * What the agent says is taken as it is: a member that is missing counts as 0 or "". Objects keep
 * the order in which their members were set, so that types and features are in that of the nodes.
 */
#include "backends/slurm/offer.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/str.h"

#define MIB (1024 * 1024)

static const char *text_of(const json_t *object, const char *name)
{
        const char *text = json_string_value(json_object_get(object, name));
        return text ? text : "";
}

/* None of Slurm's is larger: what is says nothing. */
static int64_t number_of(const json_t *object, const char *name)
{
        int64_t n = json_integer_value(json_object_get(object, name));
        return n < 0 || n > UINT32_MAX ? 0 : n;
}

/* ---- lists with commas ----------------------------------------------------------------------- */

/* The next item of a list, its length in *ret_len; NULL after the last. */
static const char *next_item(const char **at, size_t *ret_len)
{
        const char *item = *at;
        *ret_len = strcspn(item, ",");
        *at = item + *ret_len + (item[*ret_len] == ',');
        return *item ? item : NULL;
}

static bool has_item(const char *list, const char *name)
{
        size_t len, name_len = strlen(name);
        const char *item;
        while ((item = next_item(&list, &len)))
                if (len == name_len && memcmp(item, name, len) == 0)
                        return true;
        return false;
}

static int add_items(json_t *set, const char *list)
{
        size_t len;
        const char *item;
        while ((item = next_item(&list, &len)))
                if (json_object_setn_new(set, item, len, json_true()))
                        return -1;
        return 0;
}

static json_t *keys_of(const json_t *set)
{
        json_t *list = json_array();
        const char *name;
        json_t *value;
        json_object_foreach((json_t *)set, name, value)
        {
                if (json_array_append_new(list, json_string(name))) {
                        json_decref(list);
                        return NULL;
                }
        }
        return list;
}

static json_t *list_of(const char *items)
{
        json_auto_t *set = json_object();
        return set && add_items(set, items) == 0 ? keys_of(set) : NULL;
}

/* ---- GPUs ------------------------------------------------------------------------------------ */

static int add_number(json_t *object, const char *name, size_t len, int64_t n)
{
        const json_t *sum = json_object_getn(object, name, len);
        return json_object_setn_new(object, name, len, json_integer(json_integer_value(sum) + n));
}

/* One of gres: "gpu:a100:4(S:0-1)", "gpu:2". */
static int add_gpu(json_t *sums, const char *item)
{
        const char *type = item + strlen("gpu:"), *end = type + strcspn(type, ",(");
        const char *colon = memchr(type, ':', (size_t)(end - type));
        char digits[16] = "";
        const char *count = colon ? colon + 1 : type;
        int64_t n = 0;
        if ((size_t)(end - count) >= sizeof digits)
                return 0;
        memcpy(digits, count, (size_t)(end - count));
        if (gw_str_int64(digits, 0, INT32_MAX, &n))
                return 0;
        return add_number(sums, type, colon ? (size_t)(colon - type) : 0, n);
}

/* Behind an item's comma; those between brackets are of the item. */
static const char *skip_item(const char *at)
{
        for (int depth = 0; *at && (*at != ',' || depth > 0); at++)
                depth += (*at == '(') - (*at == ')');
        return *at ? at + 1 : at;
}

json_t *gw_slurm_gpus(const char *gres)
{
        json_t *sums = json_object();
        for (; *gres && sums; gres = skip_item(gres))
                if (strncmp(gres, "gpu:", 4) == 0 && add_gpu(sums, gres)) {
                        json_decref(sums);
                        sums = NULL;
                }
        return sums;
}

static int64_t sum_of(const json_t *numbers)
{
        int64_t sum = 0;
        const char *name;
        json_t *value;
        json_object_foreach((json_t *)numbers, name, value)
        {
                sum += json_integer_value(value);
        }
        return sum;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

enum { CPUS, MEMORY_MIB, GPUS, AMOUNTS };

struct node {
        const char *partitions, *features;
        bool takes;
        int64_t total[AMOUNTS], free[AMOUNTS];
        json_t *gpus, *gpus_used; /* by type */
};

static int read_node(const json_t *said, struct node *n)
{
        *n = (struct node){
                .partitions = text_of(said, "partitions"),
                .features = text_of(said, "features"),
                .takes = json_is_true(json_object_get(said, "takes")),
                .gpus = gw_slurm_gpus(text_of(said, "gres")),
                .gpus_used = gw_slurm_gpus(text_of(said, "gres_used")),
        };
        const int64_t used[AMOUNTS] = {
                [CPUS] = number_of(said, "cpus_used"),
                [MEMORY_MIB] = number_of(said, "memory_used_mib"),
                [GPUS] = sum_of(n->gpus_used),
        };
        n->total[CPUS] = number_of(said, "cpus");
        n->total[MEMORY_MIB] = number_of(said, "memory_mib");
        n->total[GPUS] = sum_of(n->gpus);
        for (size_t i = 0; i < AMOUNTS; i++)
                n->free[i] = n->takes && n->total[i] > used[i] ? n->total[i] - used[i] : 0;
        return n->gpus && n->gpus_used ? 0 : -1;
}

struct nodes {
        struct node *items;
        size_t count;
};

static int nodes_init(struct nodes *nodes, const json_t *said)
{
        size_t i;
        const json_t *item;
        *nodes = (struct nodes){.items = calloc(json_array_size(said) + 1, sizeof *nodes->items)};
        if (!nodes->items)
                return -1;
        nodes->count = json_array_size(said);
        int rc = 0;
        json_array_foreach(said, i, item)
        {
                rc |= read_node(item, &nodes->items[i]);
        }
        return rc;
}

static void nodes_done(struct nodes *nodes)
{
        for (size_t i = 0; i < nodes->count; i++) {
                json_decref(nodes->items[i].gpus);
                json_decref(nodes->items[i].gpus_used);
        }
        free(nodes->items);
}

/* ---- sums ------------------------------------------------------------------------------------ */

struct sums {
        int64_t nodes, available;
        int64_t total[AMOUNTS], free[AMOUNTS], largest[AMOUNTS];
        json_t *gpus, *gpus_free, *features;
};

static int add_gpus(struct sums *s, const struct node *n)
{
        const char *type;
        json_t *value;
        json_object_foreach(n->gpus, type, value)
        {
                int64_t all = json_integer_value(value), used = number_of(n->gpus_used, type);
                if (add_number(s->gpus, type, strlen(type), all) ||
                    add_number(s->gpus_free, type, strlen(type),
                               n->takes && all > used ? all - used : 0))
                        return -1;
        }
        return 0;
}

static int add_node(struct sums *s, const struct node *n)
{
        s->nodes++;
        s->available += n->takes;
        for (size_t i = 0; i < AMOUNTS; i++) {
                s->total[i] += n->total[i];
                s->free[i] += n->free[i];
                if (n->free[i] > s->largest[i])
                        s->largest[i] = n->free[i];
        }
        return add_gpus(s, n) || add_items(s->features, n->features) ? -1 : 0;
}

static int put_amounts(json_t *object, const char *name, const int64_t amounts[AMOUNTS])
{
        return json_object_set_new(object, name,
                                   json_pack("{s:I, s:I, s:I}", "cpus", (json_int_t)amounts[CPUS],
                                             "memory", (json_int_t)(amounts[MEMORY_MIB] * MIB),
                                             "gpus", (json_int_t)amounts[GPUS]));
}

static int put_gpus(json_t *object, const struct sums *s)
{
        json_t *list = json_array();
        const char *type;
        json_t *total;
        int rc = json_object_set_new(object, "gpu_types", list);
        json_object_foreach(s->gpus, type, total)
        {
                rc |= json_array_append_new(
                        list, json_pack("{s:s*, s:O, s:O}", "type", *type ? type : NULL, "total",
                                        total, "free", json_object_get(s->gpus_free, type)));
        }
        return rc;
}

static int put_sums(json_t *object, const struct sums *s)
{
        return json_object_set_new(object, "nodes", json_integer(s->nodes)) ||
                               json_object_set_new(object, "nodes_available",
                                                   json_integer(s->available)) ||
                               put_amounts(object, "total", s->total) ||
                               put_amounts(object, "free", s->free) ||
                               put_amounts(object, "largest_free", s->largest) ||
                               put_gpus(object, s) ||
                               json_object_set_new(object, "features", keys_of(s->features))
                       ? -1
                       : 0;
}

/* Of the nodes of a partition, or of all when it is NULL. */
static int sum_up(const struct nodes *nodes, const char *partition, json_t *object)
{
        json_auto_t *gpus = json_object(), *gpus_free = json_object(), *features = json_object();
        struct sums s = {.gpus = gpus, .gpus_free = gpus_free, .features = features};
        for (size_t i = 0; i < nodes->count; i++) {
                const struct node *n = &nodes->items[i];
                if ((!partition || has_item(n->partitions, partition)) && add_node(&s, n))
                        return -1;
        }
        return put_sums(object, &s);
}

/* ---- queues ---------------------------------------------------------------------------------- */

/* Members that are taken over under another name; left out where they are missing. */
struct copy {
        const char *from, *to;
};

static const struct copy limits[] = {
        {"max_time_s", "max_time_limit"},
        {"default_time_s", "default_time_limit"},
        {"min_nodes", "min_nodes"},
        {"max_nodes", "max_nodes"},
};

static const struct copy allowed[] = {
        {"groups", "groups"},
        {"accounts", "accounts"},
        {"qos", "qos"},
};

static const struct copy denied[] = {
        {"deny_accounts", "accounts"},
        {"deny_qos", "qos"},
};

static int copy_all(json_t *to, const json_t *from, const struct copy *copies, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                json_t *value = json_object_get(from, copies[i].from);
                if (value && json_object_set(to, copies[i].to, value))
                        return -1;
        }
        return 0;
}

/* Lists of names, of those who may or may not. */
static int put_lists(json_t *queue, const char *name, const json_t *said, const struct copy *copies,
                     size_t count)
{
        json_t *lists = json_object();
        int rc = json_object_set_new(queue, name, lists);
        for (size_t i = 0; i < count && rc == 0; i++) {
                const char *items = text_of(said, copies[i].from);
                if (*items)
                        rc = json_object_set_new(lists, copies[i].to, list_of(items));
        }
        return rc;
}

static int put_jobs(json_t *object, int64_t pending, int64_t running)
{
        return json_object_set_new(object, "jobs",
                                   json_pack("{s:I, s:I}", "pending", (json_int_t)pending,
                                             "running", (json_int_t)running));
}

static const char *state_of(bool accepts, bool starts)
{
        static const char *const states[2][2] = {{"inactive", "draining"}, {"down", "up"}};
        return states[accepts][starts];
}

static json_t *make_queue(const json_t *said, const struct nodes *nodes)
{
        bool accepts = json_is_true(json_object_get(said, "accepts"));
        bool starts = json_is_true(json_object_get(said, "starts"));
        json_t *queue = json_pack("{s:s, s:b, s:s, s:b}", "name", text_of(said, "name"), "default",
                                  json_is_true(json_object_get(said, "default")), "state",
                                  state_of(accepts, starts), "accepts_jobs", accepts);
        if (copy_all(queue, said, limits, GW_COUNT(limits)) ||
            put_lists(queue, "allow", said, allowed, GW_COUNT(allowed)) ||
            put_lists(queue, "deny", said, denied, GW_COUNT(denied)) ||
            put_jobs(queue, number_of(said, "pending"), number_of(said, "running")) ||
            sum_up(nodes, text_of(said, "name"), queue)) {
                json_decref(queue);
                return NULL;
        }
        return queue;
}

static int put_queues(json_t *offer, const json_t *said, const struct nodes *nodes)
{
        json_t *queues = json_array();
        size_t i;
        const json_t *item;
        int rc = json_object_set_new(offer, "queues", queues);
        json_array_foreach(json_object_get(said, "partitions"), i, item)
        {
                rc |= json_array_append_new(queues, make_queue(item, nodes));
        }
        return rc;
}

/* ---- who may use what ------------------------------------------------------------------------ */

static const struct copy qos_members[] = {
        {"name", "name"},
        {"description", "description"},
        {"priority", "priority"},
        {"max_time_s", "max_time_limit"},
};

static int put_qos(json_t *offer, const json_t *said)
{
        json_t *list = json_array();
        size_t i;
        const json_t *item;
        int rc = json_object_set_new(offer, "qos", list);
        json_array_foreach(said, i, item)
        {
                json_t *qos = json_object();
                rc |= json_array_append_new(list, qos);
                rc |= copy_all(qos, item, qos_members, GW_COUNT(qos_members));
        }
        return rc;
}

static int put_users(json_t *offer, const json_t *said)
{
        static const struct copy members[] = {
                {"account", "account"}, {"partition", "queue"},         {"default", "default"},
                {"qos", "qos"},         {"default_qos", "default_qos"},
        };
        json_t *users = json_object();
        size_t i;
        const json_t *item;
        int rc = json_object_set_new(offer, "users", users);
        json_array_foreach(said, i, item)
        {
                const char *user = text_of(item, "user");
                json_t *list = json_object_get(users, user), *grant = json_object();
                if (!list && (list = json_array()))
                        rc |= json_object_set_new(users, user, list);
                rc |= json_array_append_new(list, grant);
                rc |= copy_all(grant, item, members, GW_COUNT(members));
        }
        return rc;
}

static int put_accounting(json_t *offer, const json_t *said)
{
        const json_t *associations = json_object_get(said, "associations");
        if (!associations)
                return 0;
        return put_qos(offer, json_object_get(said, "qos")) || put_users(offer, associations) ? -1
                                                                                              : 0;
}

/* ---- all ------------------------------------------------------------------------------------- */

static int put_controller(json_t *offer, const json_t *said)
{
        char text[GW_TIME_TEXT];
        gw_time_format(number_of(said, "started") * GW_SECOND, text);
        return json_object_set_new(
                offer, "controller",
                json_pack("{s:s, s:s}", "version", text_of(said, "version"), "started_at", text));
}

json_t *gw_slurm_offer(const json_t *said)
{
        json_t *offer = json_object();
        struct nodes nodes;
        if (nodes_init(&nodes, json_object_get(said, "nodes")) ||
            put_controller(offer, json_object_get(said, "controller")) ||
            put_jobs(offer, number_of(said, "pending"), number_of(said, "running")) ||
            sum_up(&nodes, NULL, offer) || put_queues(offer, said, &nodes) ||
            put_accounting(offer, said)) {
                json_decref(offer);
                offer = NULL;
        }
        nodes_done(&nodes);
        return offer;
}
