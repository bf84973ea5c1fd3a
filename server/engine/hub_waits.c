/* See hub_waits.h. Lists are walked whole only when a time is over or a client left. */
#include "server/engine/hub_waits.h"

#include <string.h>

static struct gw_hub_wait **list_of(struct hub_waits *w, struct gw_id job)
{
        uint32_t hash;
        if (gw_id_is_nil(job))
                return &w->by_project;
        memcpy(&hash, job.bytes + 12, sizeof hash); /* random in a version 7 id */
        return &w->by_job[hash % HUB_BUCKETS];
}

void hub_waits_init(struct hub_waits *w, size_t max)
{
        memset(w, 0, sizeof *w);
        w->max = max;
        w->earliest_us = INT64_MAX;
}

bool hub_waits_enter(struct hub_waits *w, bool sure)
{
        if (atomic_fetch_add(&w->count, 1) < w->max || sure)
                return true;
        hub_waits_leave(w);
        return false;
}

void hub_waits_leave(struct hub_waits *w)
{
        atomic_fetch_sub(&w->count, 1);
}

void hub_waits_add(struct hub_waits *w, struct gw_hub_wait *wait)
{
        struct gw_hub_wait **list = list_of(w, wait->job);
        wait->next = *list;
        *list = wait;
        if (wait->until_us < w->earliest_us)
                w->earliest_us = wait->until_us;
}

bool hub_wait_wants(const struct gw_hub_wait *wait, int64_t project_id)
{
        for (size_t i = 0; i < wait->project_count; i++)
                if (wait->projects[i] == project_id)
                        return true;
        return false;
}

void hub_waits_send_home(struct hub_waits *w, struct gw_hub_wait *wait, bool met)
{
        hub_waits_leave(w);
        wait->met = met;
        gw_work_finish(&wait->work);
}

static void take_out(struct hub_waits *w, struct gw_hub_wait **place, bool met)
{
        struct gw_hub_wait *wait = *place;
        *place = wait->next;
        hub_waits_send_home(w, wait, met);
}

void hub_waits_meet(struct hub_waits *w, struct gw_id job, int64_t project_id)
{
        struct gw_hub_wait **p = list_of(w, job);
        while (*p) {
                if (gw_id_equal((*p)->job, job))
                        take_out(w, p, true);
                else
                        p = &(*p)->next;
        }
        p = &w->by_project;
        while (*p) {
                if (hub_wait_wants(*p, project_id))
                        take_out(w, p, true);
                else
                        p = &(*p)->next;
        }
}

/* Sends home what is over or abandoned, and finds the next time. */
static void sweep(struct hub_waits *w, struct gw_hub_wait **p, int64_t now_us)
{
        while (*p) {
                if ((*p)->until_us <= now_us || atomic_load(&(*p)->abandoned)) {
                        take_out(w, p, false);
                        continue;
                }
                if ((*p)->until_us < w->earliest_us)
                        w->earliest_us = (*p)->until_us;
                p = &(*p)->next;
        }
}

static void sweep_all(struct hub_waits *w, int64_t now_us)
{
        w->earliest_us = INT64_MAX;
        for (size_t i = 0; i < HUB_BUCKETS; i++)
                sweep(w, &w->by_job[i], now_us);
        sweep(w, &w->by_project, now_us);
}

void hub_waits_expire(struct hub_waits *w, int64_t now_us)
{
        if (w->earliest_us <= now_us)
                sweep_all(w, now_us);
}

void hub_waits_drop_abandoned(struct hub_waits *w)
{
        sweep_all(w, INT64_MIN);
}
