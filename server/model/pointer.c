/* Building JSON pointers step by step. Invariant: len < sizeof text and text[len] is NUL. */
#include "server/model/pointer.h"

#include <stdbool.h>
#include <string.h>

#include "server/base/str.h"

void gw_pointer_init(struct gw_pointer *p, const char *prefix)
{
        gw_str_copy(p->text, sizeof p->text, prefix);
        p->len = strlen(p->text);
}

/* Whether c may come at position n: a character begins only where all of it has room. */
static bool has_room(char c, size_t n)
{
        bool begins = (c & 0xC0) != 0x80;
        return n + (begins ? 4 : 1) < GW_ERROR_POINTER;
}

size_t gw_pointer_enter(struct gw_pointer *p, const char *name, size_t len)
{
        size_t mark = p->len, n = p->len;
        if (has_room('/', n))
                p->text[n++] = '/';
        for (size_t i = 0; i < len && has_room(name[i], n); i++) {
                char c = name[i];
                if (c == '~' || c == '/') {
                        p->text[n++] = '~';
                        c = c == '~' ? '0' : '1';
                }
                p->text[n++] = c;
        }
        p->text[n] = '\0';
        p->len = n;
        return mark;
}

size_t gw_pointer_enter_index(struct gw_pointer *p, size_t index)
{
        char digits[20];
        size_t at = sizeof digits;
        do {
                digits[--at] = (char)('0' + index % 10);
                index /= 10;
        } while (index > 0);
        return gw_pointer_enter(p, digits + at, sizeof digits - at);
}

void gw_pointer_leave(struct gw_pointer *p, size_t mark)
{
        p->len = mark;
        p->text[mark] = '\0';
}

const json_t *gw_pointer_member(const json_t *value, const char *pointer)
{
        const char *slash = strchr(pointer + 1, '/');
        if (!slash)
                return json_object_get(value, pointer + 1);
        const json_t *home = json_object_getn(value, pointer + 1, (size_t)(slash - pointer - 1));
        return json_object_get(home, slash + 1);
}
