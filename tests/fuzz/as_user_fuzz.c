/* A frame as a client of jobgate-slurm-as-user may send it: read as a request that keeps its
 * promises, or refused with words. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "backends/slurm/as_user_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_list(const json_t *list)
{
        size_t i;
        const json_t *item;
        assert(json_is_array(list) && json_array_size(list) <= GW_AS_USER_LIST);
        json_array_foreach(list, i, item)
                assert(strlen(json_string_value(item)) == json_string_length(item));
}

static void check_request(const struct gw_as_user_request *r)
{
        assert(r->user[0] && r->path[0] == '/');
        if (r->verb != GW_AS_USER_SBATCH) {
                assert(!r->arguments && !r->environment && !r->script && !r->deadline_us);
                assert(!r->job == (r->verb != GW_AS_USER_REMOVE));
                return;
        }
        check_list(r->arguments);
        check_list(r->environment);
        assert(r->script && r->deadline_us >= 0);
        for (size_t i = 0; i < json_array_size(r->arguments); i++)
                assert(strncmp(json_string_value(json_array_get(r->arguments, i)), "--", 2) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct gw_as_user_request request;
        enum gw_as_user_outcome outcome;
        struct gw_error err = {0};
        json_t *json = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
        if (json && gw_as_user_request_read(json, &request, &err) == 0)
                check_request(&request);
        else if (json)
                assert(err.code == GW_ERR_INVALID && err.message[0]);
        if (json && gw_as_user_outcome_read(json, &outcome) == 0)
                assert(gw_as_user_outcome_name(outcome)[0]);
        json_decref(json);
        return 0;
}
