/* See query.h. */
#include "server/http/query.h"

#include <string.h>

#include "server/base/limits.h"
#include "server/base/str.h"

static int decode(char *s)
{
        size_t len = strlen(s);
        for (char *plus = s; (plus = strchr(plus, '+'));)
                *plus = ' ';
        ptrdiff_t n = gw_str_unescape(s, len);
        if (n < 0 || !gw_str_utf8(s, (size_t)n))
                return -1;
        s[n] = '\0';
        return 0;
}

int gw_query_each(char *text, bool (*each)(void *arg, const char *name, const char *value),
                  void *arg, struct gw_error *err)
{
        size_t count = 0;
        for (char *pair; (pair = strsep(&text, "&"));) {
                if (!*pair)
                        continue;
                if (++count > GW_MAX_PARAMETERS)
                        return gw_fail(err, GW_ERR_INVALID, "more than %d query parameters",
                                       GW_MAX_PARAMETERS);
                char *value = pair;
                const char *name = strsep(&value, "=");
                if (decode(pair) || (value && decode(value)))
                        return gw_fail(err, GW_ERR_INVALID,
                                       "query parameter %zu is not percent-encoded UTF-8", count);
                if (!each(arg, name, value ? value : ""))
                        return 0;
        }
        return 0;
}
