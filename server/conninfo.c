/*
 * Connection strings, as far as they are ours to read. Pure; used before threads start.
 *
 * Masking errs on the side of hiding: whatever follows a name that ends in "password" is
 * taken for a secret, wherever it stands.
 */
#include "server/conninfo.h"

#include <string.h>

#include "server/base/str.h"

#define HIDDEN "****"
#define BLANKS " \t\r\n\f\v"

/* Where "user:password@host" begins, or NULL when it is no URI. */
static const char *authority(const char *conninfo)
{
        if (strncmp(conninfo, "postgresql://", 13) == 0)
                return conninfo + 13;
        return strncmp(conninfo, "postgres://", 11) == 0 ? conninfo + 11 : NULL;
}

/* The '@' that ends the user part, or NULL. */
static const char *user_end(const char *at)
{
        const char *end = at + strcspn(at, "/?");
        return memrchr(at, '@', (size_t)(end - at));
}

/* The length of a value as libpq reads it: quoted, or up to a blank; '\' escapes. */
static size_t value_length(const char *s)
{
        size_t n = *s == '\'';
        const char *stop = n ? "'" : BLANKS;
        while (s[n] && !strchr(stop, s[n]))
                n += s[n] == '\\' && s[n + 1] ? 2 : 1;
        return n + (*s == '\'' && s[n] == '\'');
}

/* Where the value of the name that ends at s begins, or NULL when s is not the end of one. */
static const char *value_of(const char *s)
{
        s += strspn(s, BLANKS);
        return *s == '=' ? s + 1 + strspn(s + 1, BLANKS) : NULL;
}

static void mask_values(const char *s, bool uri, struct gw_buf *out)
{
        for (const char *found; (found = strstr(s, "password"));) {
                const char *end = found + strlen("password");
                const char *value = value_of(end);
                gw_buf_add(out, s, (size_t)((value ? value : end) - s));
                s = value ? value : end;
                if (!value)
                        continue;
                s += uri ? strcspn(value, "&") : value_length(value);
                gw_buf_str(out, HIDDEN);
        }
        gw_buf_str(out, s);
}

void gw_conninfo_mask(const char *conninfo, struct gw_buf *out)
{
        const char *at = authority(conninfo);
        const char *end = at ? user_end(at) : NULL;
        const char *colon = end ? memchr(at, ':', (size_t)(end - at)) : NULL;
        if (!colon) {
                mask_values(conninfo, at != NULL, out);
                return;
        }
        gw_buf_add(out, conninfo, (size_t)(colon + 1 - conninfo));
        gw_buf_str(out, HIDDEN);
        mask_values(end, true, out);
}

/* Copies [s, s + len) without libpq's quotes and escapes. */
static bool unquote(const char *s, size_t len, char *ret, size_t size)
{
        size_t n = 0;
        for (size_t i = 0; i < len; i++) {
                if (s[i] == '\'')
                        continue;
                if (s[i] == '\\' && i + 1 < len)
                        i++;
                if (n + 1 >= size)
                        return false;
                ret[n++] = s[i];
        }
        ret[n] = '\0';
        return n > 0;
}

static bool user_of_uri(const char *at, char *ret, size_t size)
{
        const char *end = user_end(at);
        size_t len = end ? strcspn(at, ":@") : 0;
        if (len == 0 || len >= size)
                return false;
        memcpy(ret, at, len);
        ptrdiff_t n = gw_str_unescape(ret, len);
        if (n <= 0)
                return false;
        ret[n] = '\0';
        return true;
}

bool gw_conninfo_user(const char *conninfo, char *ret, size_t size)
{
        const char *at = authority(conninfo);
        if (at)
                return user_of_uri(at, ret, size);
        for (const char *s = conninfo + strspn(conninfo, BLANKS); *s;) {
                size_t name = strcspn(s, "=" BLANKS);
                const char *value = value_of(s + name);
                if (!value)
                        return false;
                size_t len = value_length(value);
                if (name == 4 && memcmp(s, "user", 4) == 0)
                        return unquote(value, len, ret, size);
                s = value + len;
                s += strspn(s, BLANKS);
        }
        return false;
}
