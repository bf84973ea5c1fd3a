/* What is kept of an output. */
#ifndef GW_ENGINE_KEEPER_READ_H
#define GW_ENGINE_KEEPER_READ_H

#include <stddef.h>

#include "db/kept_logs.h"

/* Reads the first and the last bytes of a file, at most so many of each, into `memory`, which has
 * room for both; all of it, where that is no more. What is cut is cut between lines, if there are
 * any. Returns 0, or -1 when the file cannot be read. */
int gw_keeper_read(int fd, size_t head_max, size_t tail_max, char *memory, struct gw_log_text *ret);

#endif
