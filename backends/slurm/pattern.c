/* One letter at a time, by a table. */
#include "backends/slurm/pattern.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/cleanup.h"

#define WIDTH_MAX 10 /* Slurm's own bound */

typedef const struct gw_slurm_names *names_t;

static int put_number(struct gw_buf *out, uint32_t number, int width)
{
        gw_buf_printf(out, "%0*u", width, number);
        return 0;
}

static int put_text(struct gw_buf *out, const char *text)
{
        if (!text)
                return -1;
        gw_buf_str(out, text);
        return 0;
}

static int put_job(names_t n, int width, struct gw_buf *out)
{
        return n->job == 0 ? -1 : put_number(out, n->job, width);
}

static int put_array(names_t n, int width, struct gw_buf *out)
{
        return n->is_task ? put_number(out, n->array, width) : put_job(n, width, out);
}

/* What Slurm has in the place of the index of what is no task. */
static int put_task(names_t n, int width, struct gw_buf *out)
{
        return put_number(out, n->is_task ? n->task : 4294967294U, width);
}

static int put_zero(names_t n, int width, struct gw_buf *out)
{
        (void)n;
        return put_number(out, 0, width);
}

static int put_host(names_t n, int width, struct gw_buf *out)
{
        (void)width;
        return put_text(out, n->host);
}

static int put_batch(names_t n, int width, struct gw_buf *out)
{
        (void)n;
        (void)width;
        return put_text(out, "batch");
}

static int put_user(names_t n, int width, struct gw_buf *out)
{
        (void)width;
        return put_text(out, n->user);
}

static int put_name(names_t n, int width, struct gw_buf *out)
{
        (void)width;
        return put_text(out, n->name ? n->name : "(null)");
}

static const struct letter {
        char letter;
        int (*put)(names_t n, int width, struct gw_buf *out);
} letters[] = {
        {'j', put_job},  {'J', put_job},  {'A', put_array}, {'a', put_task}, {'N', put_host},
        {'n', put_zero}, {'t', put_zero}, {'s', put_batch}, {'u', put_user}, {'x', put_name},
};

static const struct letter *find(char letter)
{
        for (size_t i = 0; i < GW_COUNT(letters); i++)
                if (letters[i].letter == letter)
                        return &letters[i];
        return NULL;
}

/* What begins with a percent sign; how many bytes of the pattern it took, or -1. */
static int put_one(const char *pattern, names_t n, struct gw_buf *out)
{
        const char *at = pattern + 1;
        int width = 0;
        for (; isdigit((unsigned char)*at); at++)
                width = width < WIDTH_MAX ? width * 10 + (*at - '0') : width;
        const struct letter *letter = find(*at);
        if (letter)
                return letter->put(n, width < WIDTH_MAX ? width : WIDTH_MAX, out)
                               ? -1
                               : (int)(at + 1 - pattern);
        gw_buf_char(out, '%');
        return pattern[1] == '%' ? 2 : 1;
}

static void put_unescaped(const char *pattern, struct gw_buf *out)
{
        for (; *pattern; pattern++) {
                if (*pattern == '\\' && pattern[1])
                        pattern++;
                gw_buf_char(out, *pattern);
        }
}

int gw_slurm_pattern_expand(const char *pattern, const struct gw_slurm_names *names,
                            struct gw_buf *out)
{
        if (pattern[0] != '/')
                gw_buf_printf(out, "%s/", names->folder);
        if (strchr(pattern, '\\')) {
                put_unescaped(pattern, out);
                return 0;
        }
        while (*pattern) {
                size_t plain = strcspn(pattern, "%");
                gw_buf_add(out, pattern, plain);
                pattern += plain;
                int took = *pattern ? put_one(pattern, names, out) : 0;
                if (took < 0)
                        return -1;
                pattern += took;
        }
        return 0;
}
