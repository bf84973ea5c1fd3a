/*
 * A lane: things that wait for the same length of time, so that the one that entered first
 * is due first and every operation is O(1). One thread.
 */
#ifndef GW_HTTP_LANE_H
#define GW_HTTP_LANE_H

#include <stdbool.h>
#include <stdint.h>

struct gw_lane;

/* Embedded in what waits. Zeroed: in no lane. In at most one at a time. */
struct gw_seat {
        struct gw_lane *lane;
        struct gw_seat *before;
        struct gw_seat *after;
        int64_t due_us;
};

struct gw_lane {
        struct gw_seat *first;
        struct gw_seat *last;
        int64_t wait_us;
};

void gw_lane_init(struct gw_lane *lane, int64_t wait_us);

/* Takes the last seat, due wait_us after now_us; leaves the lane it was in. */
void gw_lane_enter(struct gw_lane *lane, struct gw_seat *seat, int64_t now_us);
/* Nothing to do for a seat in no lane. */
void gw_lane_leave(struct gw_seat *seat);

/* The first seat that is due, taken out of the lane; NULL when none is. */
struct gw_seat *gw_lane_due(struct gw_lane *lane, int64_t now_us);
/* When the next seat is due, or INT64_MAX. */
int64_t gw_lane_next_us(const struct gw_lane *lane);

#endif
