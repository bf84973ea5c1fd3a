/* An object as an agent may say it: read as a record or refused. What a record means always fits
 * its phase, and is a success in one case only. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "backends/slurm/record.h"
#include "backends/slurm/state.h"
#include "server/base/str.h"
#include "server/model/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_meaning(const struct gw_slurm_record *r)
{
        struct gw_slurm_meaning m = gw_slurm_meaning(r);
        bool ends = m.phase >= GW_PHASE_ENDING;
        assert(ends == (m.reason >= GW_REASON_COMPLETED));
        assert(m.reason != GW_REASON_COMPLETED || ((r->state & 0xff) == 3 && r->exit == 0));
        assert(m.exit_code >= -1 && m.exit_code <= 255 && m.signal >= 0 && m.signal <= 64);
        assert(memchr(m.words, '\0', sizeof m.words) && gw_str_utf8(m.words, strlen(m.words)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct gw_slurm_record record;
        struct gw_error err = {0};
        json_t *json = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
        if (json && gw_slurm_record_read(json, &record, &err) == 0) {
                assert(record.job > 0 && record.task >= -1 && record.start_s >= 0);
                check_meaning(&record);
        } else if (json) {
                assert(err.code == GW_ERR_INVALID && err.message[0]);
        }
        json_decref(json);
        return 0;
}
