/*
 * The list of a request's faults. Any thread; no allocation.
 * Invariant: count < GW_MAX_FAULTS or dropped tells how many more there were.
 */
#include "server/model/faults.h"

#include <stdarg.h>
#include <stdio.h>

#include "server/base/str.h"

#define CUT_ROOM 8 /* so that gw_str_copy sees where a character begins */

void gw_faults_init(struct gw_faults *f)
{
        f->code = GW_OK;
        f->count = 0;
        f->dropped = 0;
}

static int rank(enum gw_error_code code)
{
        switch (code) {
        case GW_OK:
                return 0;
        case GW_ERR_UNPROCESSABLE:
                return 1;
        case GW_ERR_INVALID:
                return 2;
        default:
                return 3;
        }
}

void gw_faults_add(struct gw_faults *f, enum gw_error_code code, const char *pointer,
                   const char *format, ...)
{
        if (rank(code) > rank(f->code))
                f->code = code;
        if (f->count == GW_MAX_FAULTS) {
                f->dropped++;
                return;
        }

        char detail[GW_ERROR_MESSAGE + CUT_ROOM];
        va_list ap;
        va_start(ap, format);
        if (vsnprintf(detail, sizeof detail, format, ap) < 0)
                detail[0] = '\0';
        va_end(ap);

        struct gw_fault *fault = &f->items[f->count++];
        gw_str_copy(fault->pointer, sizeof fault->pointer, pointer);
        gw_str_clean(fault->pointer);
        gw_str_copy(fault->detail, sizeof fault->detail, detail);
        gw_str_clean(fault->detail);
}
