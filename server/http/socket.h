/* Listening sockets: one per loop, all on one address and port. */
#ifndef GW_HTTP_SOCKET_H
#define GW_HTTP_SOCKET_H

#include <stddef.h>
#include <stdint.h>

#include "server/base/error.h"

/* Opens `count` sockets that listen on address (numeric) and port (0: any), for the kernel to
 * spread connections over. Returns 0 and the descriptors, the caller's to close; or -1 with
 * none open: GW_ERR_CONFLICT when another process has the port, GW_ERR_INVALID for the address,
 * GW_ERR_IO otherwise. */
int gw_socket_listen(const char *address, uint16_t port, size_t count, int *ret_fds,
                     uint16_t *ret_port, struct gw_error *err);

#endif
