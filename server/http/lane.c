/*
 * Waiting in line. Belongs to a loop's thread.
 *
 * Invariant: due_us never falls from first to last, because now_us never does.
 */
#include "server/http/lane.h"

#include <stddef.h>

void gw_lane_init(struct gw_lane *lane, int64_t wait_us)
{
        *lane = (struct gw_lane){.wait_us = wait_us};
}

void gw_lane_leave(struct gw_seat *seat)
{
        struct gw_lane *lane = seat->lane;
        if (!lane)
                return;
        *(seat->before ? &seat->before->after : &lane->first) = seat->after;
        *(seat->after ? &seat->after->before : &lane->last) = seat->before;
        *seat = (struct gw_seat){0};
}

void gw_lane_enter(struct gw_lane *lane, struct gw_seat *seat, int64_t now_us)
{
        gw_lane_leave(seat);
        *seat = (struct gw_seat){
                .lane = lane, .before = lane->last, .due_us = now_us + lane->wait_us};
        *(lane->last ? &lane->last->after : &lane->first) = seat;
        lane->last = seat;
}

struct gw_seat *gw_lane_due(struct gw_lane *lane, int64_t now_us)
{
        struct gw_seat *seat = lane->first;
        if (!seat || seat->due_us > now_us)
                return NULL;
        gw_lane_leave(seat);
        return seat;
}

int64_t gw_lane_next_us(const struct gw_lane *lane)
{
        return lane->first ? lane->first->due_us : INT64_MAX;
}
