/* The waits that the hub keeps: by job, by project, and by when they are over. The hub's thread
 * only, but for hub_waits_enter() and count. */
#ifndef GW_ENGINE_HUB_WAITS_H
#define GW_ENGINE_HUB_WAITS_H

#include "server/engine/hub.h"

#define HUB_BUCKETS 4096

struct hub_waits {
        struct gw_hub_wait *by_job[HUB_BUCKETS];
        struct gw_hub_wait *by_project; /* those without a job */
        _Atomic size_t count;           /* that have entered and not gone home */
        size_t max;
        int64_t earliest_us; /* no wait is over before this (monotonic) */
};

void hub_waits_init(struct hub_waits *w, size_t max);
/* Any thread: room for one more (there always is for one that is sure)? Whoever entered is added,
 * or leaves again. */
bool hub_waits_enter(struct hub_waits *w, bool sure);
void hub_waits_leave(struct hub_waits *w);
void hub_waits_add(struct hub_waits *w, struct gw_hub_wait *wait);
/* One that entered goes home, without having been added. */
void hub_waits_send_home(struct hub_waits *w, struct gw_hub_wait *wait, bool met);
bool hub_wait_wants(const struct gw_hub_wait *wait, int64_t project_id);
/* An event: whoever waits for it goes home. */
void hub_waits_meet(struct hub_waits *w, struct gw_id job, int64_t project_id);
/* Those whose time is over go home. */
void hub_waits_expire(struct hub_waits *w, int64_t now_us);
void hub_waits_drop_abandoned(struct hub_waits *w);

#endif
