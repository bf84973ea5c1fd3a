/* One pass over a list. Any thread. */
#include "backends/slurm/hosts.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_HOSTS 65536 /* of a list */
#define MOST_DIGITS 9

struct walk {
        bool (*passes)(void *arg, const char *name);
        void *arg;
        int left; /* how many more may be named */
};

/* What a name has before and after its number, in the text. */
struct frame {
        const char *before, *after;
        int before_len, after_len;
};

static bool pass(struct walk *w, const struct frame *f, const char *number)
{
        char name[GW_SLURM_HOST_NAME];
        int n = snprintf(name, sizeof name, "%.*s%s%.*s", f->before_len, f->before, number,
                         f->after_len, f->after);
        return n > 0 && (size_t)n < sizeof name && w->left-- > 0 && w->passes(w->arg, name);
}

/* A number with the zeros in front that it is written with; *at moves behind it. -1: there is none.
 */
static long read_number(const char **at, int *ret_width)
{
        const char *begin = *at;
        while (isdigit((unsigned char)**at))
                (*at)++;
        *ret_width = (int)(*at - begin);
        return *ret_width > 0 && *ret_width <= MOST_DIGITS ? strtol(begin, NULL, 10) : -1;
}

/* "3" or "1-3"; *at moves behind it. */
static bool pass_range(struct walk *w, const struct frame *f, const char **at)
{
        int width, ignored;
        long first = read_number(at, &width), last = first;
        if (**at == '-') {
                (*at)++;
                last = read_number(at, &ignored);
        }
        if (first < 0 || last < first)
                return false;
        for (long i = first; i <= last; i++) {
                char number[MOST_DIGITS + 2];
                snprintf(number, sizeof number, "%0*ld", width, i);
                if (!pass(w, f, number))
                        return false;
        }
        return true;
}

/* The names from `text` to the comma that ends them, `len` bytes. */
static bool pass_item(struct walk *w, const char *text, size_t len)
{
        const char *open = memchr(text, '[', len);
        const char *close = open ? memchr(open, ']', len - (size_t)(open - text)) : NULL;
        struct frame f = {.before = text, .before_len = (int)len, .after = ""};
        if (!open)
                return pass(w, &f, "");
        if (!close)
                return false;
        f.before_len = (int)(open - text);
        f.after = close + 1;
        f.after_len = (int)(text + len - f.after);
        const char *at = open;
        do {
                at++;
                if (!pass_range(w, &f, &at))
                        return false;
        } while (*at == ',');
        return at == close;
}

/* As far as the comma that is in no brackets, or the end. */
static size_t item_length(const char *text)
{
        size_t i = 0;
        for (bool inside = false; text[i] && (inside || text[i] != ','); i++)
                inside = text[i] == '[' || (inside && text[i] != ']');
        return i;
}

bool gw_slurm_hosts_all(const char *list, bool (*passes)(void *arg, const char *name), void *arg)
{
        struct walk w = {passes, arg, MOST_HOSTS};
        for (const char *at = list;; at++) {
                size_t len = item_length(at);
                if (len == 0 || len > 1024 * 1024 || !pass_item(&w, at, len))
                        return false;
                at += len;
                if (!*at)
                        return true;
        }
}
