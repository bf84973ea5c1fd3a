/*
 * Named crash points: places where a test ends the process as `kill -9` would.
 *
 * Compiled in only with GW_CRASH_POINTS. The environment variable JOBGATE_CRASH holds
 * "name" or "name:n" (crash at the n-th passage, 1 by default). tests/faults lists them.
 */
#ifndef GW_BASE_CRASH_H
#define GW_BASE_CRASH_H

#ifdef GW_CRASH_POINTS
void gw_crash_point(const char *name);
#else
static inline void gw_crash_point(const char *name)
{
        (void)name;
}
#endif

#endif
