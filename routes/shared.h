/* What all calls of the process share. Made by dispatch.c before the loops start; constant but
 * for what says otherwise. */
#ifndef GW_ROUTES_SHARED_H
#define GW_ROUTES_SHARED_H

#include <stdatomic.h>

#include "routes/documents.h"
#include "routes/job_cache.h"
#include "routes/log_kept.h"
#include "server/base/shares.h"

struct gw_shared {
        struct gw_job_cache *jobs; /* has its own locks */
        struct gw_documents documents;
        struct gw_shares lines; /* bytes that each user's bodies of lines hold */
        struct gw_log_kept_room kept;
        atomic_bool started; /* the database has answered once */
};

#endif
